//! What was carried between two moments.

use super::short::Short;
use crate::snapshot::{Latency, Traffic};

/// Numbers that only grow: since the start, or between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    pub(super) traffic: Traffic,
    pub(super) latency: Latency,
}

impl Usage {
    /// What came after `earlier`. See [`since`].
    pub(super) fn since(&self, earlier: &Usage) -> Usage {
        Usage {
            traffic: since(&self.traffic, &earlier.traffic),
            latency: self.latency.since(&earlier.latency),
        }
    }

    /// Both together; quantiles are not.
    pub(super) fn add(&mut self, more: &Usage) {
        add(&mut self.traffic, &more.traffic);
        let (all, more) = (&mut self.latency, &more.latency);
        all.count = all.count.saturating_add(more.count);
        all.sum_us = all.sum_us.saturating_add(more.sum_us);
        all.max_us = all.max_us.max(more.max_us);
        for (sum, n) in all.buckets.iter_mut().zip(&more.buckets) {
            *sum = sum.saturating_add(*n);
        }
    }
}

/// What was carried after `then`. If a number is smaller than it was, all began again at 0, and this is all of it.
pub(super) fn since(now: &Traffic, then: &Traffic) -> Traffic {
    let between = || {
        Some(Traffic {
            requests: now.requests.checked_sub(then.requests)?,
            answered: now.answered.checked_sub(then.answered)?,
            read_bytes: now.read_bytes.checked_sub(then.read_bytes)?,
            written_bytes: now.written_bytes.checked_sub(then.written_bytes)?,
            in_flight: 0,
            resent: now.resent.checked_sub(then.resent)?,
            refused: now.refused.checked_sub(then.refused)?,
        })
    };
    between().unwrap_or(*now)
}

/// Both together.
pub(super) fn add(all: &mut Traffic, more: &Traffic) {
    for (sum, n) in [
        (&mut all.requests, more.requests),
        (&mut all.answered, more.answered),
        (&mut all.read_bytes, more.read_bytes),
        (&mut all.written_bytes, more.written_bytes),
        (&mut all.resent, more.resent),
        (&mut all.refused, more.refused),
    ] {
        *sum = sum.saturating_add(n);
    }
}

/// What was carried in one second or minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample([Short; Sample::FIELDS.len()]);

impl Sample {
    /// What each number is. The last two are in microseconds, and 0 if nothing was answered.
    pub(super) const FIELDS: [&'static str; 8] = [
        "requests",
        "answered",
        "read_bytes",
        "written_bytes",
        "refused",
        "resent",
        "p50_us",
        "p99_us",
    ];

    /// The part `part` of `parts` of what was carried in `took` microseconds, as if it had been `should` microseconds.
    /// So a look that is late does not make a spike, and all parts together lose nothing.
    pub(super) fn part(usage: &Usage, (part, parts): (u64, u64), took: u64, should: u64) -> Sample {
        let share = |n: u64| {
            let (took, should) = (u128::from(took.max(1)), u128::from(should));
            let whole = (u128::from(n) * should + took / 2) / took;
            let whole = u64::try_from(whole).unwrap_or(u64::MAX);
            let parts = parts.max(1);
            whole / parts + u64::from(part < whole % parts)
        };
        let Traffic {
            requests,
            answered,
            read_bytes,
            written_bytes,
            in_flight: _,
            resent,
            refused,
        } = usage.traffic;
        // Quantiles of what was added up are found in the buckets.
        let latency = usage.latency.since(&Latency::default());
        let counts = [requests, answered, read_bytes, written_bytes, refused, resent].map(share);
        let [requests, answered, read, written, refused, resent] = counts;
        let numbers = [
            requests,
            answered,
            read,
            written,
            refused,
            resent,
            latency.p50_us,
            latency.p99_us,
        ];
        Sample(numbers.map(Short::of))
    }

    /// Whether nothing happened.
    pub(super) fn is_nothing(&self) -> bool {
        *self == Sample::default()
    }

    /// One number; `field` is an index of [`FIELDS`](Self::FIELDS).
    pub(super) fn get(&self, field: usize) -> u64 {
        self.0.get(field).map_or(0, |short| short.get())
    }

    /// Bytes read and written.
    pub(super) fn bytes(&self) -> u64 {
        self.get(2).saturating_add(self.get(3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(requests: u64, read_bytes: u64) -> Usage {
        Usage {
            traffic: Traffic {
                requests,
                read_bytes,
                ..Traffic::default()
            },
            ..Usage::default()
        }
    }

    #[test]
    fn counters_that_begin_again_are_not_negative() {
        assert_eq!(usage(10, 100).since(&usage(4, 40)), usage(6, 60));
        assert_eq!(usage(3, 100).since(&usage(4, 40)), usage(3, 100));
    }

    #[test]
    fn a_look_that_is_late_makes_no_spike() {
        let second = 1_000_000;
        let late = Sample::part(&usage(130, 1300), (0, 1), 1_300_000, second);
        assert_eq!((late.get(0), late.get(2)), (100, 1000));
    }

    #[test]
    fn parts_lose_nothing() {
        let parts = (0..8).map(|part| Sample::part(&usage(11, 0), (part, 8), 8_000_000, 8_000_000).get(0));
        assert_eq!(parts.collect::<Vec<_>>(), [2, 2, 2, 1, 1, 1, 1, 1]);
    }
}
