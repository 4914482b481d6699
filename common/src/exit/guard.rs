//! Which writes of one initiator come too late to be applied.
//!
//! A copy that an initiator sent again may arrive long after the request was answered, and after a newer write of the
//! same sectors. Every copy of a request is captured before the answer that ends it, and what follows that answer is
//! captured later: so a late copy has a lower number than the write it would undo, and that is how it is known.
//!
//! Accepted writes are remembered with the running maximum of their numbers. A write with a number above all of them,
//! the common case, needs one comparison. When an entry leaves, for its age or for lack of room, the `floor` rises to
//! its number: below it everything is late, so forgetting never lets a stale write through.

use std::collections::VecDeque;
use std::time::Duration;

use super::span::Span;
use crate::time::Instant;

/// Most writes remembered of one initiator: as many as may pass one that the tunnel repairs.
pub(crate) const MAX_WRITES: usize = 16_384;

/// The order of one initiator's writes to one export.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    writes: VecDeque<Write>,
    floor: u64,
}

#[derive(Debug)]
struct Write {
    number: u64,
    /// The highest number up to here.
    highest: u64,
    span: Span,
    at: Instant,
}

/// Whether a write may be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Nothing newer overlaps it.
    Newest,
    /// A newer one does, or may.
    Stale,
    /// This very request was accepted before.
    Repeated,
}

impl Guard {
    /// Judges a write with this number.
    pub(crate) fn judge(&self, number: u64, span: &Span) -> Order {
        let highest = self.writes.back().map_or(self.floor, |write| write.highest);
        if number > highest {
            return Order::Newest;
        }
        if number < self.floor {
            return Order::Stale;
        }
        let newer = self
            .writes
            .iter()
            .rev()
            .take_while(|write| write.highest >= number);
        for write in newer {
            if write.number > number && write.span.overlaps(span) {
                return Order::Stale;
            }
            if write.number == number {
                return Order::Repeated;
            }
        }
        if number == self.floor {
            Order::Repeated
        } else {
            Order::Newest
        }
    }

    /// Notes a write that was accepted, or the newest number of one that was sent again. `keep` is how long it can
    /// matter.
    pub(crate) fn record(&mut self, number: u64, span: Span, now: Instant, keep: Duration) {
        self.expire(now, keep);
        if self.writes.len() >= MAX_WRITES {
            self.leave();
        }
        let highest = self.writes.back().map_or(self.floor, |write| write.highest);
        self.writes.push_back(Write {
            number,
            highest: highest.max(number),
            span,
            at: now,
        });
    }

    /// Lets go of what is older than `keep`.
    pub(crate) fn expire(&mut self, now: Instant, keep: Duration) {
        let old = |write: &Write| now.saturating_since(write.at) > keep;
        while self.writes.front().is_some_and(old) {
            self.leave();
        }
    }

    /// Gives memory back that a quiet initiator does not need.
    pub(crate) fn shrink(&mut self) {
        if self.writes.is_empty() {
            self.writes = VecDeque::new();
        }
    }

    fn leave(&mut self) {
        if let Some(write) = self.writes.pop_front() {
            self.floor = self.floor.max(write.highest);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::span::Touch;
    use super::*;

    const KEEP: Duration = Duration::from_secs(1);

    fn span(start: u64) -> Span {
        Span::new(start, 2, Touch::Writes)
    }

    #[test]
    fn a_late_copy_is_dropped_and_independent_writes_pass() {
        let (mut guard, now) = (Guard::default(), Instant::default());
        // Copy 1 is under way; copy 2 was answered, and 3 is the newer write.
        guard.record(2, span(8), now, KEEP);
        guard.record(3, span(8), now, KEEP);
        assert_eq!(guard.judge(1, &span(8)), Order::Stale);
        assert_eq!(guard.judge(1, &span(9)), Order::Stale, "by one sector");
        assert_eq!(guard.judge(1, &span(10)), Order::Newest);
        assert_eq!(guard.judge(2, &span(8)), Order::Stale);
        assert_eq!(guard.judge(3, &span(8)), Order::Repeated);
        assert_eq!(guard.judge(4, &span(8)), Order::Newest);
    }

    #[test]
    fn what_is_forgotten_makes_everything_older_late() {
        let (mut guard, now) = (Guard::default(), Instant::default());
        guard.record(5, span(8), now, KEEP);
        guard.expire(now + 2 * KEEP, KEEP);
        assert_eq!(guard.judge(4, &span(1000)), Order::Stale);
        assert_eq!(guard.judge(5, &span(1000)), Order::Repeated);
        assert_eq!(guard.judge(6, &span(8)), Order::Newest);
        for number in 6..6 + 2 * MAX_WRITES as u64 {
            guard.record(number, span(number * 2), now, KEEP);
        }
        assert_eq!(guard.writes.len(), MAX_WRITES);
        assert_eq!(guard.judge(7, &span(0)), Order::Stale);
    }

    proptest! {
        /// Against the whole history: nothing stale passes, and with room for all nothing else is dropped.
        #[test]
        fn the_verdict_is_that_of_the_whole_history(
            arrivals in prop::collection::vec((1u64..40, 0u64..12, 1u8..4), 1..60)
        ) {
            let mut guard = Guard::default();
            let mut history: Vec<(u64, Span)> = Vec::new();
            for (number, start, sectors) in arrivals {
                let span = Span::new(start, sectors, Touch::Writes);
                let stale = history.iter().any(|(n, s)| *n > number && s.overlaps(&span));
                let repeated = history.iter().any(|(n, _)| *n == number);
                let verdict = guard.judge(number, &span);
                if stale || repeated {
                    prop_assert_ne!(verdict, Order::Newest);
                } else {
                    prop_assert_eq!(verdict, Order::Newest);
                    guard.record(number, span, Instant::default(), KEEP);
                    history.push((number, span));
                }
            }
        }
    }
}
