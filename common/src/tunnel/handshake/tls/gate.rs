//! The gate in front of everything that a caller by TLS costs: a cookie first, then so many a second.
//!
//! A cookie shows that the caller receives at its address. It is a MAC of address, port and call, so nothing is kept of
//! those who have none, and one that was given to somebody is good for nobody else.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;

use super::datagrams::{Call, Cookie};
use crate::random::Random;
use crate::time::Instant;
use crate::tunnel::cookie_secrets::CookieSecrets;
use crate::tunnel::macs::update_with_address;
use crate::tunnel::rates::{OfEach, Pace, Together, network};

/// Handshakes that are begun in a second, from everybody together. Each costs some 0.5 ms of signatures and key exchange.
const ALL_PER_SECOND: NonZeroU32 = NonZeroU32::new(50).unwrap();
/// The same, from one network.
const SOURCE_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// Handshakes that are begun in a second besides, from each host where a peer is: no flood of others keeps a peer out.
const KNOWN_PER_SECOND: NonZeroU32 = NonZeroU32::new(5).unwrap();
/// Of those for everybody, so many at once.
const BURST: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// The listening side's gate.
pub(crate) struct Gate {
    secrets: CookieSecrets,
    pace: Pace,
    all: Together,
    sources: OfEach,
    known: OfEach,
}

impl Gate {
    pub(crate) fn new(now: Instant, random: &mut Random) -> Gate {
        let pace = Pace::new(now);
        Gate {
            secrets: CookieSecrets::new(now, random),
            all: pace.together(ALL_PER_SECOND, BURST),
            sources: pace.of_each(SOURCE_PER_SECOND),
            known: pace.of_each(KNOWN_PER_SECOND),
            pace,
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
        let [in_use, _] = self.secrets.at(now, random);
        cookie(in_use, call, from)
    }

    /// Whether a call from this address has a cookie of ours, in constant time.
    pub(crate) fn is_right(
        &mut self,
        (call, shown): (Call, &Cookie),
        from: SocketAddr,
        now: Instant,
        random: &mut Random,
    ) -> bool {
        let mut secrets = self.secrets.at(now, random).into_iter();
        secrets.any(|secret| bool::from(cookie(secret, call, from).ct_eq(shown)))
    }

    /// Whether a handshake is begun with a caller at this address, who has a cookie.
    pub(crate) fn admits(&mut self, from: SocketAddr, is_known: bool, now: Instant) -> bool {
        self.pace.advance(now);
        let admitted = self.sources.permits(network(from)) && self.all.permits();
        admitted || is_known && self.known.permits(from.ip())
    }
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
    use std::net::IpAddr;

    use super::*;
    use crate::tunnel::cookie_secrets::COOKIE_LIFE;

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
