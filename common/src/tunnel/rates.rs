//! How much is computed in a second for those who have not shown who they are: for all together, and for each source.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;

use governor::clock::FakeRelativeClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::time::Instant;

/// Sources that a limit remembers.
pub(crate) const MAX_SOURCES: usize = 4096;

/// The clock of some limits, which goes by the engine's.
pub(crate) struct Pace {
    clock: FakeRelativeClock,
    at: Instant,
}

/// A limit of all together.
pub(crate) struct Together(RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>);

/// A limit of each source.
pub(crate) struct OfEach {
    limiter: RateLimiter<IpAddr, HashMapStateStore<IpAddr>, FakeRelativeClock, NoOpMiddleware<Nanos>>,
    per_second: NonZeroU32,
    clock: FakeRelativeClock,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Pace {
        Pace {
            clock: FakeRelativeClock::default(),
            at: now,
        }
    }

    /// It is this time, or later.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.clock.advance(now.saturating_since(self.at));
        self.at = self.at.max(now);
    }

    /// So many in a second, of which so many at once.
    pub(crate) fn together(&self, per_second: NonZeroU32, burst: NonZeroU32) -> Together {
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Together(RateLimiter::direct_with_clock(quota, self.clock.clone()))
    }

    /// So many in a second of each source.
    pub(crate) fn of_each(&self, per_second: NonZeroU32) -> OfEach {
        OfEach::new(per_second, self.clock.clone())
    }
}

impl Together {
    /// Whether one more passes now.
    pub(crate) fn permits(&self) -> bool {
        self.0.check().is_ok()
    }
}

impl OfEach {
    fn new(per_second: NonZeroU32, clock: FakeRelativeClock) -> OfEach {
        OfEach {
            limiter: RateLimiter::hashmap_with_clock(Quota::per_second(per_second), clock.clone()),
            per_second,
            clock,
        }
    }

    /// Whether one more of this source passes now.
    pub(crate) fn permits(&mut self, source: IpAddr) -> bool {
        if self.limiter.len() > MAX_SOURCES {
            self.limiter.retain_recent();
        }
        // Sources by the thousand: forget them all; the limit over all of them still stands.
        if self.limiter.len() > MAX_SOURCES {
            *self = OfEach::new(self.per_second, self.clock.clone());
        }
        self.limiter.check_key(&source).is_ok()
    }

    /// Sources that it remembers.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.limiter.len()
    }
}

/// Whose messages are counted together: an IPv4 address, or the /64 of an IPv6 address, all of which one host can have.
pub(crate) fn network(from: SocketAddr) -> IpAddr {
    match from.ip().to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}
