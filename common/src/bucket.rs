//! A token bucket that is exact: so much a second, however it is asked for.
//!
//! What is in it is counted in millionths of a token, so a microsecond adds a whole number of them, the rate. Nothing is
//! ever rounded, and nothing is lost between two looks: 100 000 requests or a gigabyte a second are as exact as one.

use crate::time::Instant;

/// Millionths of a token.
const MICRO: u64 = 1_000_000;
/// The highest rate, in tokens a second: a terabyte. A bucket then holds less than a 64th of what a number can.
pub(crate) const MOST: u64 = 1_000_000_000_000;

/// Tokens that come at a steady rate and are kept up to a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// Tokens a second, which is millionths a microsecond.
    rate: u64,
    /// The most that is kept, in millionths.
    capacity: u64,
    /// What is in it at `at`, in millionths.
    level: u64,
    at: Instant,
}

impl Bucket {
    /// A full one: `rate` tokens a second, from 1 to [`MOST`]. It holds `least`, which is what may be taken at once, and what
    /// comes in `burst_us` microseconds besides: who takes what is due so much too late loses nothing.
    pub(crate) fn new(rate: u64, burst_us: u64, least: u64, now: Instant) -> Bucket {
        let rate = rate.clamp(1, MOST);
        let capacity = rate
            .saturating_mul(burst_us)
            .saturating_add(least.saturating_mul(MICRO));
        Bucket {
            rate,
            capacity,
            level: capacity,
            at: now,
        }
    }

    /// When `n` tokens are there: `now` if they are.
    pub(crate) fn due(&mut self, n: u64, now: Instant) -> Instant {
        self.fill(now);
        let missing = self.wanted(n).saturating_sub(self.level);
        Instant::from_micros(now.as_micros().saturating_add(missing.div_ceil(self.rate)))
    }

    /// Whether `n` tokens are there now.
    pub(crate) fn has(&mut self, n: u64, now: Instant) -> bool {
        self.fill(now);
        self.level >= self.wanted(n)
    }

    /// Takes `n` tokens, or all there are.
    pub(crate) fn take(&mut self, n: u64, now: Instant) {
        self.fill(now);
        self.level = self.level.saturating_sub(self.wanted(n));
    }

    /// Whether it is full, as a new one is.
    pub(crate) fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.level == self.capacity
    }

    /// So many tokens in millionths: nothing can wait for more than the bucket holds.
    fn wanted(&self, n: u64) -> u64 {
        n.saturating_mul(MICRO).min(self.capacity)
    }

    /// Adds what has come since. A `now` before the last one adds nothing.
    fn fill(&mut self, now: Instant) {
        let come = now.micros_since(self.at).saturating_mul(self.rate);
        self.level = self.level.saturating_add(come).min(self.capacity);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    /// How many tokens are taken, `n` at a time, by one who comes whenever they are due, within a second and after the burst.
    fn taken_in_a_second(rate: u64, n: u64, late_us: u64) -> u64 {
        let mut bucket = Bucket::new(rate, 25_000, n, at(0));
        let (mut now, mut taken) = (at(0), 0);
        while now < at(SECOND) {
            while bucket.has(n, now) {
                bucket.take(n, now);
                taken += n;
            }
            now = at(bucket.due(n, now).as_micros() + late_us);
        }
        taken
    }

    #[test]
    fn rates_are_right_to_five_in_a_hundred_over_a_second() {
        for late_us in [0, 1, 7, 130, 1000] {
            for rate in [100, 333, 1000, 4999, 33_333, 99_999, 100_000] {
                let taken = taken_in_a_second(rate, 1, late_us);
                assert!(
                    taken.abs_diff(rate) * 20 <= rate,
                    "{taken} of {rate}, {late_us} us late"
                );
            }
            for rate in [1_000_000, 50_000_000, 333_333_333, 999_999_999, 1_000_000_000] {
                for n in [512, 1024, 4096, 8704] {
                    let taken = taken_in_a_second(rate, n, late_us);
                    assert!(
                        taken.abs_diff(rate) * 20 <= rate,
                        "{taken} of {rate} by {n}, {late_us} us late"
                    );
                }
            }
        }
    }

    /// A rate that no whole number of microseconds or nanoseconds fits is exact all the same: over an hour not one token too
    /// many or too few.
    #[test]
    fn no_remainder_is_lost() {
        for rate in [3, 7, 99_991, 699_999_983] {
            let mut bucket = Bucket::new(rate, 25_000, 1, at(0));
            bucket.level = 0;
            let mut taken = 0u64;
            let mut now = 0;
            // Looks at odd times, as a loop does.
            for step in (0..).map(|n: u64| 1 + n * 7919 % 20_011) {
                now += step;
                if now >= 3600 * SECOND {
                    break;
                }
                let here = bucket.level.saturating_add(step * rate).min(bucket.capacity) / MICRO;
                bucket.take(here, at(now));
                taken += here;
            }
            let right = u64::try_from(u128::from(rate) * u128::from(now) / u128::from(MICRO)).unwrap();
            assert!(
                right - taken <= rate / 40 + 1,
                "{taken} of {right}, and what is in it"
            );
        }
    }

    #[test]
    fn bounds_hold_at_the_ends() {
        let mut bucket = Bucket::new(u64::MAX, u64::MAX, u64::MAX, at(0));
        assert!(bucket.has(u64::MAX, at(0)));
        bucket.take(u64::MAX, at(0));
        assert!(!bucket.has(1, at(0)));
        assert!(bucket.has(1, Instant::NEVER));
        let mut slow = Bucket::new(0, 0, 1, at(5));
        assert!(slow.has(1, at(0)), "time that goes back is no time");
        slow.take(1, at(5));
        assert_eq!(slow.due(1, at(5)), at(5 + SECOND), "one a second at least");
        assert_eq!(
            slow.due(1000, at(5)),
            at(5 + SECOND),
            "all that it holds is enough"
        );
    }

    /// All of it by hand, in numbers of 128 bits: what came, capped whenever somebody looks.
    struct Model {
        rate: u128,
        capacity: u128,
        level: u128,
        at: u128,
    }

    impl Model {
        fn fill(&mut self, now: u128) {
            self.level = (self.level + (now - self.at) * self.rate).min(self.capacity);
            self.at = now;
        }
    }

    proptest! {
        #[test]
        fn it_is_what_one_reckons_by_hand(
            rate in 1u64..=2_000_000_000,
            burst_us in 0u64..100_000,
            least in 1u64..20_000,
            steps in prop::collection::vec((0u64..100_000, 0u64..20_000), 1..200),
        ) {
            let mut bucket = Bucket::new(rate, burst_us, least, at(0));
            let capacity = u128::from(rate) * u128::from(burst_us) + u128::from(least) * 1_000_000;
            let mut model = Model { rate: rate.into(), capacity, level: capacity, at: 0 };
            let mut now = 0;
            for (wait, n) in steps {
                now += wait;
                model.fill(now.into());
                let wanted = (u128::from(n) * 1_000_000).min(capacity);
                let has = model.level >= wanted;
                prop_assert_eq!(bucket.has(n, at(now)), has);
                let due = bucket.due(n, at(now));
                prop_assert_eq!(due == at(now), has);
                if !has {
                    let mut early = bucket;
                    prop_assert!(!early.has(n, at(due.as_micros() - 1)), "not before it is due");
                    prop_assert!(early.has(n, due), "when it is due");
                }
                if has {
                    bucket.take(n, at(now));
                    model.level -= wanted;
                }
                prop_assert_eq!(bucket.is_full(at(now)), model.level == capacity);
            }
        }
    }
}
