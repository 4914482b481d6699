//! The gate in front of everything that a caller by TLS costs: a cookie first, then so many a second.
//!
//! A cookie shows that the caller receives at its address. It is a MAC of address, port and call, so nothing is kept of
//! those who have none, and one that was given to somebody is good for nobody else.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use aws_lc_rs::hmac;
use governor::clock::FakeRelativeClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use subtle::ConstantTimeEq;

use super::datagrams::{Call, Cookie};
use crate::random::Random;
use crate::time::Instant;
use crate::tunnel::admission::network;
use crate::tunnel::macs::{hmac_key, update_with_address};

/// Handshakes that are begun in a second, from everybody together. Each costs some 0.5 ms of signatures and key exchange.
const ALL_PER_SECOND: NonZeroU32 = NonZeroU32::new(50).unwrap();
/// The same, from one network.
const SOURCE_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// Handshakes that are begun in a second besides, from each host where a peer is: no flood of others keeps a peer out.
const KNOWN_PER_SECOND: NonZeroU32 = NonZeroU32::new(5).unwrap();
/// Of those for everybody, so many at once.
const BURST: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// Source addresses remembered.
const MAX_SOURCES: usize = 4096;
/// How long a secret makes cookies. A cookie is good as long, and at most twice as long.
const COOKIE_LIFE: Duration = Duration::from_secs(120);

type SourceLimiter = RateLimiter<IpAddr, HashMapStateStore<IpAddr>, FakeRelativeClock, NoOpMiddleware<Nanos>>;
type Limiter = RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>;

/// The listening side's gate.
pub(crate) struct Gate {
    secret: hmac::Key,
    old_secret: hmac::Key,
    secret_since: Instant,
    clock: FakeRelativeClock,
    clock_at: Instant,
    all: Limiter,
    sources: SourceLimiter,
    known: SourceLimiter,
}

impl Gate {
    pub(crate) fn new(now: Instant, random: &mut Random) -> Gate {
        let clock = FakeRelativeClock::default();
        let all = Quota::per_second(ALL_PER_SECOND).allow_burst(BURST);
        Gate {
            secret: hmac_key(&random.bytes::<32>()),
            old_secret: hmac_key(&random.bytes::<32>()),
            secret_since: now,
            clock_at: now,
            all: RateLimiter::direct_with_clock(all, clock.clone()),
            sources: sources(SOURCE_PER_SECOND, &clock),
            known: sources(KNOWN_PER_SECOND, &clock),
            clock,
        }
    }

    /// The cookie of a call that comes from this address.
    pub(crate) fn cookie(
        &mut self,
        call: Call,
        from: SocketAddr,
        now: Instant,
        random: &mut Random,
    ) -> Cookie {
        self.turn(now, random);
        cookie(&self.secret, call, from)
    }

    /// Whether a call from this address has a cookie of ours, in constant time.
    pub(crate) fn is_right(
        &mut self,
        (call, shown): (Call, &Cookie),
        from: SocketAddr,
        now: Instant,
        random: &mut Random,
    ) -> bool {
        self.turn(now, random);
        [&self.secret, &self.old_secret]
            .iter()
            .any(|secret| bool::from(cookie(secret, call, from).ct_eq(shown)))
    }

    /// Whether a handshake is begun with a caller at this address, who has a cookie.
    pub(crate) fn admits(&mut self, from: SocketAddr, is_known: bool, now: Instant) -> bool {
        self.clock.advance(now.saturating_since(self.clock_at));
        self.clock_at = self.clock_at.max(now);
        // Sources by the thousand: forget them all; the limit over all of them still stands.
        for (limiter, rate) in [
            (&mut self.sources, SOURCE_PER_SECOND),
            (&mut self.known, KNOWN_PER_SECOND),
        ] {
            if limiter.len() > MAX_SOURCES {
                limiter.retain_recent();
            }
            if limiter.len() > MAX_SOURCES {
                *limiter = sources(rate, &self.clock);
            }
        }
        let admitted = self.sources.check_key(&network(from)).is_ok() && self.all.check().is_ok();
        admitted || is_known && self.known.check_key(&from.ip()).is_ok()
    }

    fn turn(&mut self, now: Instant, random: &mut Random) {
        let age = now.saturating_since(self.secret_since);
        if age >= COOKIE_LIFE {
            let fresh = hmac_key(&random.bytes::<32>());
            self.old_secret = std::mem::replace(&mut self.secret, fresh);
            self.secret_since = now;
        }
        if age >= COOKIE_LIFE * 2 {
            self.old_secret = self.secret.clone();
        }
    }
}

fn sources(rate: NonZeroU32, clock: &FakeRelativeClock) -> SourceLimiter {
    RateLimiter::hashmap_with_clock(Quota::per_second(rate), clock.clone())
}

fn cookie(secret: &hmac::Key, call: Call, from: SocketAddr) -> Cookie {
    let mut context = hmac::Context::with_key(secret);
    context.update(&call.index.to_be_bytes());
    context.update(&call.nonce);
    update_with_address(&mut context, from);
    context.sign().as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(n: u32) -> Call {
        Call {
            index: n,
            nonce: [3; 16],
        }
    }

    #[test]
    fn a_cookie_is_good_for_its_call_address_port_and_time() {
        let mut random = Random::new([1; 32]);
        let start = Instant::default();
        let mut gate = Gate::new(start, &mut random);
        let from: SocketAddr = "192.0.2.1:1".parse().unwrap();
        let cookie = gate.cookie(call(1), from, start, &mut random);
        let mut is_right =
            |call, from: &str, now| gate.is_right((call, &cookie), from.parse().unwrap(), now, &mut random);
        assert!(is_right(call(1), "192.0.2.1:1", start));
        assert!(!is_right(call(2), "192.0.2.1:1", start), "another call");
        assert!(!is_right(call(1), "192.0.2.1:2", start), "another port");
        assert!(!is_right(call(1), "192.0.2.2:1", start), "another host");
        assert!(is_right(call(1), "192.0.2.1:1", start + COOKIE_LIFE));
        let later = start + COOKIE_LIFE + COOKIE_LIFE;
        assert!(!is_right(call(1), "192.0.2.1:1", later), "too old");
    }

    #[test]
    fn a_flood_of_many_networks_keeps_no_peer_out() {
        let mut gate = Gate::new(Instant::default(), &mut Random::new([1; 32]));
        let mut begun = [0, 0];
        for n in 0..20_000u32 {
            let now = Instant::from_micros(u64::from(n) * 50);
            let host = IpAddr::V4((n % 9000).into());
            let is_peer = n % 9000 == 0;
            let admitted = gate.admits(SocketAddr::new(host, 1), is_peer, now);
            begun[usize::from(is_peer)] += u32::from(admitted);
        }
        assert!(begun[0] <= ALL_PER_SECOND.get() + BURST.get(), "{begun:?}");
        assert_eq!(begun[1], 3, "each call of the peer's host");
    }
}
