//! How long something took: quantiles for people, buckets for programs.

use serde::{Deserialize, Deserializer, Serialize};

/// Up to which time each bucket of [`Latency::buckets`] counts, in microseconds: 10 us to 10 s.
pub const BUCKET_BOUNDS_US: [u64; 19] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// How many took no longer than each of [`BUCKET_BOUNDS_US`]; each bucket has those of the one before.
pub type Buckets = [u64; BUCKET_BOUNDS_US.len()];

/// How long something took, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// How long they took together; exact.
    pub sum_us: u64,
    /// Half of them took no longer.
    pub p50_us: u64,
    /// Nine of ten took no longer.
    pub p90_us: u64,
    /// 99 of 100 took no longer.
    pub p99_us: u64,
    /// None took longer.
    pub max_us: u64,
    /// How many took how long; each bound is met to about 3 %. All zeroes in a document of a gateway that has none, or
    /// other ones.
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "same_bounds")]
    pub buckets: Buckets,
}

impl Latency {
    /// What was measured since an earlier moment of the same process.
    ///
    /// Count and sum are exact. Quantiles are interpolated between the bounds of the bucket that they are in. `max_us`
    /// is exact if it is a new maximum, else the bound of the last bucket in which something was measured. If the earlier
    /// one is no part of this one, or this one has no buckets, it is everything since the start.
    #[must_use]
    pub fn since(&self, earlier: &Latency) -> Latency {
        let has_buckets = !is_empty(&self.buckets) || self.max_us > LAST_BOUND_US;
        match self.minus(earlier) {
            Some(between) if has_buckets => between,
            _ => *self,
        }
    }

    /// `None`: something was more before than it is now.
    fn minus(&self, earlier: &Latency) -> Option<Latency> {
        let mut between = Latency {
            count: self.count.checked_sub(earlier.count)?,
            sum_us: self.sum_us.checked_sub(earlier.sum_us)?,
            buckets: self.buckets,
            ..Latency::default()
        };
        for (n, before) in between.buckets.iter_mut().zip(earlier.buckets) {
            *n = n.checked_sub(before)?;
        }
        if between.count > 0 {
            between.max_us = if self.max_us > earlier.max_us {
                self.max_us
            } else {
                between.quantile_us(100, self.max_us)
            };
            let [p50, p90, p99] = [50, 90, 99].map(|percent| between.quantile_us(percent, between.max_us));
            (between.p50_us, between.p90_us, between.p99_us) = (p50, p90, p99);
        }
        Some(between)
    }

    /// So many per cent took no longer, and nothing took longer than `max_us`.
    fn quantile_us(&self, percent: u64, max_us: u64) -> u64 {
        let rank = u128::from(self.count) * u128::from(percent);
        let rank = u64::try_from(rank.div_ceil(100)).unwrap_or(u64::MAX);
        let (mut below, mut from) = (0, 0);
        for (n, bound) in self.buckets.into_iter().zip(BUCKET_BOUNDS_US) {
            if n >= rank {
                return between(from, bound.min(max_us), rank - below, n - below);
            }
            (below, from) = (n, bound);
        }
        between(
            from,
            max_us,
            rank.saturating_sub(below),
            self.count.saturating_sub(below),
        )
    }
}

/// The longest time that has a bucket.
const LAST_BOUND_US: u64 = {
    let [.., last] = BUCKET_BOUNDS_US;
    last
};

/// How far it is from `low` to `high` after `part` of `whole` steps.
fn between(low: u64, high: u64, part: u64, whole: u64) -> u64 {
    let width = high.saturating_sub(low);
    let way = u128::from(width) * u128::from(part.min(whole)) / u128::from(whole.max(1));
    low.min(high).saturating_add(u64::try_from(way).unwrap_or(width))
}

fn is_empty(buckets: &Buckets) -> bool {
    buckets.iter().all(|n| *n == 0)
}

/// Buckets of a gateway that has other bounds mean nothing here, and are left out.
fn same_bounds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Buckets, D::Error> {
    let buckets = Vec::<u64>::deserialize(deserializer)?;
    Ok(buckets.try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Times;

    fn noted(times: &mut Times, micros: impl IntoIterator<Item = u64>) -> Latency {
        micros.into_iter().for_each(|micros| times.note(micros));
        times.latency().unwrap()
    }

    #[test]
    fn an_interval_has_its_own_quantiles() {
        let mut times = Times::default();
        let slow = noted(&mut times, (0..100_000).map(|n| 400_000 + n));
        let later = noted(&mut times, (0..1000).map(|n| 1_000 + n));
        assert!(later.p50_us > 400_000, "{later:?}");
        let between = later.since(&slow);
        assert_eq!(between.count, 1000);
        assert_eq!(between.sum_us, 1000 * 1000 + 999 * 1000 / 2);
        for (found, right) in [
            (between.p50_us, 1_500),
            (between.p90_us, 1_900),
            (between.p99_us, 1_990),
        ] {
            assert!((right / 2..=right * 5 / 2).contains(&found), "{found} {right}");
        }
        assert_eq!(between.max_us, 2_500, "the bound of its bucket");
        assert!(between.p50_us < between.p90_us && between.p90_us < between.p99_us);
    }

    #[test]
    fn a_new_maximum_is_known_and_bounds_everything() {
        let mut times = Times::default();
        let before = noted(&mut times, [5]);
        let between = noted(&mut times, [300, 301, 30_000_000]).since(&before);
        assert!(between.max_us.abs_diff(30_000_000) <= 1_000_000, "{between:?}");
        assert_eq!(between.p99_us, between.max_us);
        assert!((250..=500).contains(&between.p50_us), "{between:?}");
        let before = noted(&mut times, [12]);
        let between = noted(&mut times, [20_000_000]).since(&before);
        assert!(
            between.p50_us > LAST_BOUND_US && between.p50_us <= between.max_us,
            "{between:?}"
        );
    }

    #[test]
    fn nothing_in_between_is_nothing() {
        let mut times = Times::default();
        let latency = noted(&mut times, [7, 8]);
        assert_eq!(latency.since(&latency), Latency::default());
    }

    #[test]
    fn what_cannot_be_compared_is_since_the_start() {
        let mut times = Times::default();
        let few = noted(&mut times, [7]);
        let many = noted(&mut times, [7, 70, 700]);
        assert_eq!(few.since(&many), few);
        let old = Latency {
            buckets: Buckets::default(),
            ..many
        };
        assert_eq!(
            old.since(&Latency::default()),
            old,
            "an older gateway has no buckets"
        );
        assert_eq!(many.since(&Latency::default()).count, many.count);
    }

    #[test]
    fn buckets_of_other_bounds_are_left_out() {
        let read = |text: &str| serde_json::from_str::<Latency>(text).unwrap();
        let old = read(r#"{"count": 3, "p50_us": 4}"#);
        assert_eq!((old.count, old.buckets), (3, Buckets::default()));
        assert!(!serde_json::to_string(&old).unwrap().contains("buckets"));
        assert_eq!(
            read(r#"{"count": 3, "buckets": [1, 2, 3]}"#).buckets,
            Buckets::default()
        );
        let mut new = old;
        new.buckets[18] = 9;
        assert_eq!(read(&serde_json::to_string(&new).unwrap()), new);
    }
}
