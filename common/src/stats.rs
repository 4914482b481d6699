//! Numbers about one thing, kept where the thing lives: plain additions by one writer.

use hdrhistogram::Histogram;

use crate::request::Moved;
use crate::snapshot::{BUCKET_BOUNDS_US, Buckets, Latency, Traffic};

/// The longest time that is told apart: a minute.
const LONGEST_MICROS: u64 = 60_000_000;
/// Decimal digits that are kept of a time.
const DIGITS: u8 = 1;

/// How long something took. Takes memory (3.3 kB) from the first measurement on.
#[derive(Debug, Default)]
pub(crate) struct Times {
    sum_us: u64,
    /// In 64 bits: 32 are full within a day, and a bucket that is full stands still while others go on.
    histogram: Option<Box<Histogram<u64>>>,
}

impl Times {
    /// It took so many microseconds.
    pub(crate) fn note(&mut self, micros: u64) {
        if self.histogram.is_none() {
            self.histogram = Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS)
                .ok()
                .map(Box::new);
        }
        self.sum_us = self.sum_us.saturating_add(micros);
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(micros);
        }
    }

    /// The quantiles and buckets; `None`: nothing was measured.
    pub(crate) fn latency(&self) -> Option<Latency> {
        let histogram = self
            .histogram
            .as_ref()
            .filter(|histogram| !histogram.is_empty())?;
        Some(Latency {
            count: histogram.len(),
            sum_us: self.sum_us,
            p50_us: histogram.value_at_quantile(0.5),
            p90_us: histogram.value_at_quantile(0.9),
            p99_us: histogram.value_at_quantile(0.99),
            max_us: histogram.max(),
            buckets: buckets(histogram),
        })
    }
}

/// How many took no longer than each bound. Times that the histogram does not tell apart count as the middle of them.
fn buckets(histogram: &Histogram<u64>) -> Buckets {
    let mut buckets = Buckets::default();
    let mut below: u64 = 0;
    let mut recorded = histogram.iter_recorded().peekable();
    for (n, bound) in buckets.iter_mut().zip(BUCKET_BOUNDS_US) {
        let within = |value: u64| histogram.median_equivalent(value) <= bound;
        while let Some(value) = recorded.next_if(|value| within(value.value_iterated_to())) {
            below = below.saturating_add(value.count_since_last_iteration());
        }
        *n = below;
    }
    buckets
}

/// What was carried, and what was not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Carried {
    pub(crate) requests: u64,
    pub(crate) answered: u64,
    pub(crate) read_bytes: u64,
    pub(crate) written_bytes: u64,
    pub(crate) resent: u64,
    pub(crate) refused: u64,
}

impl Carried {
    /// One more was answered.
    pub(crate) fn answered(&mut self, moved: Moved) {
        self.answered += 1;
        self.read_bytes += moved.read;
        self.written_bytes += moved.written;
    }

    /// The same as data, with what is in flight now.
    pub(crate) fn traffic(&self, in_flight: u64) -> Traffic {
        Traffic {
            requests: self.requests,
            answered: self.answered,
            read_bytes: self.read_bytes,
            written_bytes: self.written_bytes,
            in_flight,
            resent: self.resent,
            refused: self.refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_one_digit() {
        let mut times = Times::default();
        assert_eq!(times.latency(), None);
        for millis in 1..=100 {
            times.note(millis * 1000);
        }
        times.note(3_600_000_000);
        let latency = times.latency().unwrap();
        assert_eq!(latency.count, 101);
        assert_eq!(latency.sum_us, 5050 * 1000 + 3_600_000_000);
        for (found, right) in [
            (latency.p50_us, 50_000),
            (latency.p90_us, 90_000),
            (latency.p99_us, 100_000),
        ] {
            assert!(found.abs_diff(right) <= right / 10, "{found} {right}");
        }
        assert!(
            latency.max_us >= LONGEST_MICROS,
            "what is too long counts as the longest"
        );
    }

    #[test]
    fn buckets_meet_their_bounds_to_three_per_cent() {
        for bound in BUCKET_BOUNDS_US {
            for (micros, within) in [(bound - bound / 30, 1), (bound + bound / 30 + 1, 0)] {
                let mut times = Times::default();
                times.note(micros);
                let buckets = times.latency().unwrap().buckets;
                let found = BUCKET_BOUNDS_US
                    .iter()
                    .zip(buckets)
                    .find(|(other, _)| **other == bound);
                assert_eq!(found, Some((&bound, within)), "{micros}");
            }
        }
    }

    #[test]
    fn each_bucket_has_those_of_the_one_before() {
        let mut times = Times::default();
        for micros in [1, 9, 20, 20, 700, 60_000, 20_000_000] {
            times.note(micros);
        }
        let latency = times.latency().unwrap();
        assert_eq!(
            latency.buckets,
            [2, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6]
        );
        assert_eq!(latency.count, 7, "and what took longer than all bounds");
    }
}
