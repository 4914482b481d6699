//! Which writes of one initiator come too late to be applied.
//!
//! A copy that an initiator sent again may arrive long after the request was answered, and after a newer write of the
//! same sectors. Every copy of a request is captured before the answer that ends it, and what follows that answer is
//! captured later: so a late copy has a lower number than the write it would undo, and that is how it is known.
//!
//! Accepted writes are remembered with the running maximum of their numbers. A write with a number above all of them,
//! the common case, needs one comparison. Any other is compared with those accepted after it that lie near it: writes
//! are chained by block of sectors, newest first, so it does not matter how many others there are. When an entry
//! leaves, for its age or for lack of room, the `floor` rises to its number: below it everything is late, so forgetting
//! never lets a stale write through.

use std::collections::VecDeque;
use std::time::Duration;

use super::span::Span;
use crate::spread::place_of;
use crate::time::Instant;

/// Most writes remembered of one initiator: as many as may pass one that the tunnel repairs.
pub(crate) const MAX_WRITES: usize = 16_384;
/// Chains to start with.
const FIRST_CHAINS: usize = 64;

/// The order of one initiator's writes to one export.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    writes: VecDeque<Write>,
    /// How many there were before these.
    gone: u64,
    /// The newest write of each chain, where two blocks that follow one another share a place. At least as many as
    /// there are writes.
    newest: Vec<Pair>,
    floor: u64,
}

#[derive(Debug)]
struct Write {
    number: u64,
    /// The highest number up to here.
    highest: u64,
    span: Span,
    at: Instant,
    /// The writes before it in its chains.
    before: Pair,
}

/// A write for an even block and one for an odd block: no span lies in two of either kind. Writes are counted from the
/// first one ever, which is 1; 0 is none, as are those that have left.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    even: u64,
    odd: u64,
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
        if number > self.highest() {
            return Order::Newest;
        }
        if number < self.floor {
            return Order::Stale;
        }
        let mut repeated = number == self.floor;
        for block in blocks(span) {
            for write in self.chain(block).take_while(|write| write.highest >= number) {
                if write.number > number && write.span.overlaps(span) {
                    return Order::Stale;
                }
                repeated |= write.number == number;
            }
        }
        if repeated { Order::Repeated } else { Order::Newest }
    }

    /// Notes a write that was accepted, or the newest number of one that was sent again. `keep` is how long it can
    /// matter.
    pub(crate) fn record(&mut self, number: u64, span: Span, now: Instant, keep: Duration) {
        self.expire(now, keep);
        if self.writes.len() >= MAX_WRITES {
            self.leave();
        }
        if self.writes.len() >= self.newest.len() {
            self.grow();
        }
        let highest = self.highest().max(number);
        let place = self.gone + self.writes.len() as u64 + 1;
        self.writes.push_back(Write {
            number,
            highest,
            span,
            at: now,
            before: join(&mut self.newest, &span, place),
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
            self.newest = Vec::new();
        }
    }

    fn highest(&self) -> u64 {
        self.writes.back().map_or(self.floor, |write| write.highest)
    }

    fn leave(&mut self) {
        if let Some(write) = self.writes.pop_front() {
            self.gone += 1;
            self.floor = self.floor.max(write.highest);
        }
    }

    /// Writes near this block, newest first; all that touch it and perhaps some others.
    fn chain(&self, block: u64) -> impl Iterator<Item = &Write> {
        let newest = self.newest.get(place_of(block / 2, self.newest.len()));
        let mut place = newest.map_or(0, |newest| newest.of(block));
        std::iter::from_fn(move || {
            let at = place.checked_sub(self.gone + 1)?;
            let write = self.writes.get(usize::try_from(at).ok()?)?;
            place = write.before.of(block);
            Some(write)
        })
    }

    /// Makes more chains, so that they stay short.
    fn grow(&mut self) {
        self.newest = vec![Pair::default(); (self.newest.len() * 2).max(FIRST_CHAINS)];
        for (place, write) in (self.gone + 1..).zip(&mut self.writes) {
            write.before = join(&mut self.newest, &write.span, place);
        }
    }
}

impl Pair {
    fn of(self, block: u64) -> u64 {
        if block.is_multiple_of(2) {
            self.even
        } else {
            self.odd
        }
    }

    fn replace(&mut self, block: u64, place: u64) -> u64 {
        let slot = if block.is_multiple_of(2) {
            &mut self.even
        } else {
            &mut self.odd
        };
        std::mem::replace(slot, place)
    }
}

/// Makes a write the newest one of its chains; returns those that were.
fn join(newest: &mut [Pair], span: &Span, place: u64) -> Pair {
    let mut before = Pair::default();
    for block in blocks(span) {
        if let Some(newest) = newest.get_mut(place_of(block / 2, newest.len())) {
            before.replace(block, newest.replace(block, place));
        }
    }
    before
}

fn blocks(span: &Span) -> impl Iterator<Item = u64> + use<> {
    let (first, second) = span.blocks();
    std::iter::once(first).chain(second)
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

    /// Against the whole history: nothing stale passes, and with room for all nothing else is dropped.
    fn agree(arrivals: impl IntoIterator<Item = (u64, Span)>) -> Result<(), TestCaseError> {
        let mut guard = Guard::default();
        let mut history: Vec<(u64, Span)> = Vec::new();
        for (number, span) in arrivals {
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
        Ok(())
    }

    proptest! {
        #[test]
        fn the_verdict_is_that_of_the_whole_history(
            arrivals in prop::collection::vec((1u64..40, 0u64..12, 1u8..4), 1..60)
        ) {
            let write = |(number, start, sectors)| (number, Span::new(start, sectors, Touch::Writes));
            agree(arrivals.into_iter().map(write))?;
        }

        /// All over the disk; so many that there are more and more chains.
        #[test]
        fn wherever_they_are(numbers in prop::collection::vec(1u64..600, 1..600), sectors in 1u8..32) {
            // What has the same number is a copy: it touches the same sectors.
            let write = |number| (number, Span::new(number * 37 % 1000, sectors, Touch::Writes));
            agree(numbers.into_iter().map(write))?;
        }
    }
}
