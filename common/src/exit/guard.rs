//! Which writes of one way to a target come too late to be applied.
//!
//! A copy that an initiator sent again may arrive long after the request was answered, and after a newer write of the
//! same sectors. Every copy of a request is captured before the answer that ends it, and what follows that answer is
//! captured later. So a late copy is known by its number, which is lower than that of the write it would undo; and
//! where that came by another way, which numbers for itself, by the time of its capture, which is before the arrival of
//! that write.
//!
//! Accepted writes are remembered with the running maximum of their numbers. A write with a number above all of them,
//! the common case, needs one comparison. Any other is compared with those accepted after it that lie near it: writes
//! are chained by block of sectors, newest first, so it does not matter how many others there are. Where too many lie
//! near, it counts as late unseen. When an entry leaves, for its age or for lack of room, the floor of the zones of the
//! disk that it touches rises to it: below that everything is late there, so forgetting never lets a stale write
//! through. Zones keep one that writes very much in one place from making others late elsewhere.

use std::collections::VecDeque;
use std::time::Duration;

use super::span::Span;
use crate::spread::place_of;
use crate::time::Instant;

/// Most writes remembered of one way: as many as may pass one that the tunnel repairs.
pub(crate) const MAX_WRITES: usize = 16_384;
/// Chains to start with.
const FIRST_CHAINS: usize = 64;
/// Most writes that one is compared with.
pub(crate) const MAX_STEPS: usize = 512;
/// Zones that share a disk.
const ZONES: usize = 64;
/// Blocks of a zone, 16 MiB, as a power of two.
const ZONE_BITS: u32 = 10;

/// The order of the writes that come by one way.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    writes: VecDeque<Write>,
    /// How many there were before these.
    gone: u64,
    /// The newest write of each chain, where two blocks that follow one another share a place. At least as many as
    /// there are writes.
    newest: Vec<Pair>,
    /// The highest number ever.
    highest: u64,
    /// What has left, by zone; empty if nothing has.
    floors: Vec<Floor>,
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

/// Number and arrival of the newest write that was forgotten.
#[derive(Clone, Copy, Debug, Default)]
struct Floor {
    number: u64,
    at: Option<Instant>,
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
    /// Judges a write of this way by its number.
    pub(crate) fn judge(&self, number: u64, span: &Span) -> Order {
        if number > self.highest {
            return Order::Newest;
        }
        let mut repeated = false;
        for block in blocks(span) {
            let floor = self.floor(block).number;
            if number < floor {
                return Order::Stale;
            }
            repeated |= number == floor;
            let later = self.chain(block).take_while(|write| write.highest >= number);
            for (step, write) in later.enumerate() {
                if step == MAX_STEPS || write.number > number && write.span.overlaps(span) {
                    return Order::Stale;
                }
                repeated |= write.number == number;
            }
        }
        if repeated { Order::Repeated } else { Order::Newest }
    }

    /// Whether a write that came by another way was captured before one of this way arrived that it overlaps. It is
    /// compared with so many writes, of all ways together, and beyond that counts as late.
    pub(crate) fn is_behind(&self, captured: Instant, span: &Span, steps: &mut usize) -> bool {
        blocks(span).any(|block| {
            let mut later = self.chain(block).take_while(|write| write.at >= captured);
            self.floor(block).at.is_some_and(|at| at >= captured)
                || later.any(|write| {
                    *steps = steps.saturating_sub(1);
                    *steps == 0 || write.span.overlaps(span)
                })
        })
    }

    /// Notes a write that was accepted, or the newest number of one that was sent again. `keep` is how long it can
    /// matter; without `room` another one is forgotten for it.
    pub(crate) fn record(&mut self, number: u64, span: Span, now: Instant, keep: Duration, room: bool) {
        self.expire(now, keep);
        if !room || self.writes.len() >= MAX_WRITES {
            self.leave();
        }
        if self.writes.len() >= self.newest.len() {
            self.chain_anew((self.newest.len() * 2).max(FIRST_CHAINS));
        }
        self.highest = self.highest.max(number);
        let place = self.gone + self.writes.len() as u64 + 1;
        self.writes.push_back(Write {
            number,
            highest: self.highest,
            span,
            at: now,
            before: join(&mut self.newest, &span, place),
        });
    }

    /// Forgets what is older than `keep`.
    pub(crate) fn expire(&mut self, now: Instant, keep: Duration) {
        let old = |write: &Write| now.saturating_since(write.at) > keep;
        while self.writes.front().is_some_and(old) {
            self.leave();
        }
    }

    /// Gives memory back that it does not need any more.
    pub(crate) fn shrink(&mut self) {
        let needed = match self.writes.len() {
            0 => 0,
            writes => writes.next_power_of_two().max(FIRST_CHAINS),
        };
        if self.newest.len() > 4 * needed {
            self.chain_anew(needed);
            self.writes.shrink_to(needed);
        }
    }

    /// Its numbers begin again.
    pub(crate) fn restart(&mut self) {
        self.highest = 0;
        for write in &mut self.writes {
            (write.number, write.highest) = (0, 0);
        }
        for floor in &mut self.floors {
            floor.number = 0;
        }
    }

    /// How many writes it remembers.
    pub(crate) fn len(&self) -> usize {
        self.writes.len()
    }

    fn leave(&mut self) {
        let Some(write) = self.writes.pop_front() else {
            return;
        };
        self.gone += 1;
        self.floors.resize(ZONES, Floor::default());
        for block in blocks(&write.span) {
            if let Some(floor) = self.floors.get_mut(zone(block)) {
                floor.number = floor.number.max(write.number);
                floor.at = Some(write.at);
            }
        }
    }

    fn floor(&self, block: u64) -> Floor {
        self.floors.get(zone(block)).copied().unwrap_or_default()
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

    /// Makes so many chains, as many as there are writes or more, so that they are short.
    fn chain_anew(&mut self, chains: usize) {
        self.newest = vec![Pair::default(); chains];
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

fn zone(block: u64) -> usize {
    place_of(block >> ZONE_BITS, ZONES)
}

#[cfg(test)]
mod tests;
