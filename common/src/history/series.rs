//! One thing's past.

use super::ring::{PAGE, Ring};
use super::usage::{Sample, Usage};

/// Pages of seconds: an hour, and the one that is being written.
const SECONDS: usize = 61;
/// Pages of minutes: a day, and the one that is being written.
const MINUTES: usize = 25;
/// A second, in microseconds.
pub(super) const SECOND: u64 = 1_000_000;

/// The time between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    /// The second of the look before, counted from the start, and the second of this one.
    pub(super) seconds: (u64, u64),
    /// How long it was, in microseconds.
    pub(super) took: u64,
    /// Whether it was no longer than it should be. Else what was between is not known.
    pub(super) is_whole: bool,
}

/// What one thing carried, second by second and minute by minute.
#[derive(Debug)]
pub(super) struct Series {
    /// What the counters were at the last look; `None`: it was not there.
    last: Option<Usage>,
    /// What was carried in this minute so far, and in how many microseconds.
    minute: (Usage, u64),
    seconds: Ring,
    minutes: Ring,
    /// The second in which it was last there.
    pub(super) seen: u64,
}

impl Series {
    pub(super) fn new(now: u64) -> Series {
        Series {
            last: None,
            minute: <(Usage, u64)>::default(),
            seconds: Ring::new(SECONDS),
            minutes: Ring::new(MINUTES),
            seen: now,
        }
    }

    /// Its counters are these now. What it carried in the interval, if it was there before.
    pub(super) fn look(&mut self, now: Usage) -> Option<Usage> {
        let before = self.last.replace(now)?;
        Some(now.since(&before))
    }

    /// It is not there: what it will have carried when it comes back is not known.
    pub(super) fn is_away(&mut self) {
        self.last = None;
    }

    /// Keeps what was carried in an interval. Says how many pages of memory were taken.
    pub(super) fn keep(&mut self, usage: &Usage, interval: Interval) -> usize {
        let (before, now) = interval.seconds;
        self.seen = now;
        self.minute.0.add(usage);
        self.minute.1 = self.minute.1.saturating_add(interval.took);
        let first = if interval.is_whole {
            before.saturating_add(1)
        } else {
            now
        };
        let count = now.saturating_sub(first).saturating_add(1);
        let should = if interval.is_whole {
            count.saturating_mul(SECOND)
        } else {
            SECOND
        };
        (first..=now)
            .map(|second| {
                let sample = Sample::part(usage, (second - first, count), interval.took, should);
                usize::from(self.seconds.set(second, sample))
            })
            .sum()
    }

    /// This minute is over: what was seen of it stands for all of it. Says how many pages of memory were taken.
    pub(super) fn close(&mut self, minute: u64) -> usize {
        let (usage, took) = std::mem::take(&mut self.minute);
        if took == 0 {
            return 0;
        }
        let sample = Sample::part(&usage, (0, 1), took, PAGE.saturating_mul(SECOND));
        usize::from(self.minutes.set(minute, sample))
    }

    /// What was carried in a second.
    pub(super) fn second(&self, at: u64) -> Option<Sample> {
        self.seconds.get(at)
    }

    /// What was carried in a minute.
    pub(super) fn minute(&self, at: u64) -> Option<Sample> {
        self.minutes.get(at)
    }

    /// What is carried in this minute, if it goes on as it began.
    pub(super) fn minute_so_far(&self) -> Option<Sample> {
        let (usage, took) = &self.minute;
        (*took > 0).then(|| Sample::part(usage, (0, 1), *took, PAGE.saturating_mul(SECOND)))
    }

    /// Whether it was there at the last look.
    pub(super) fn is_there(&self) -> bool {
        self.last.is_some()
    }

    /// Forgets seconds before this page of them. Says how many pages of memory that gave back.
    pub(super) fn forget_seconds(&mut self, first: u64) -> usize {
        self.seconds.forget_before(first)
    }

    /// Forgets minutes before this page of them. Says how many pages of memory that gave back.
    pub(super) fn forget_minutes(&mut self, first: u64) -> usize {
        self.minutes.forget_before(first)
    }

    /// Whether nothing of it is left.
    pub(super) fn is_over(&self) -> bool {
        self.last.is_none() && self.minutes.is_empty() && self.seconds.is_empty()
    }
}
