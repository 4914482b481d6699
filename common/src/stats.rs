//! Numbers about one thing, kept where the thing lives: plain additions by one writer.

use hdrhistogram::Histogram;

use crate::request::Moved;
use crate::snapshot::{Latency, Traffic};

/// The longest time that is told apart: a minute.
const LONGEST_MICROS: u64 = 60_000_000;
/// Decimal digits that are kept of a time.
const DIGITS: u8 = 1;

/// How long something took. Takes memory (1.6 kB) from the first measurement on.
#[derive(Debug, Default)]
pub(crate) struct Times(Option<Box<Histogram<u32>>>);

impl Times {
    /// It took so many microseconds.
    pub(crate) fn note(&mut self, micros: u64) {
        if self.0.is_none() {
            self.0 = Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS)
                .ok()
                .map(Box::new);
        }
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(micros);
        }
    }

    /// The quantiles; `None`: nothing was measured.
    pub(crate) fn latency(&self) -> Option<Latency> {
        let histogram = self.0.as_ref().filter(|histogram| !histogram.is_empty())?;
        Some(Latency {
            count: histogram.len(),
            p50_us: histogram.value_at_quantile(0.5),
            p90_us: histogram.value_at_quantile(0.9),
            p99_us: histogram.value_at_quantile(0.99),
            max_us: histogram.max(),
        })
    }
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
}
