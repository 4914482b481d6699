//! The ways by which writes come to targets, and the order of each.
//!
//! A way is one import of one peer to one export: its edge numbers all that goes by it in one sequence. A write is late
//! by its number against those of its own way, and by the time of its capture against those of every other way to the
//! same target: of another import, another peer, or another export of the target. That holds after an export or a peer has
//! gone, too: what it wrote is remembered as long as what others write.

use std::ops::Range;
use std::time::Duration;

use super::guard::{Guard, MAX_STEPS, Order};
use super::ids::TargetId;
use super::span::Span;
use crate::config::{ExportId, ImportId, PeerId};
use crate::table::Table;
use crate::time::Instant;

/// Most imports of one export by one peer that are told apart. A write has to be compared with all other ways.
const MAX_WAYS: usize = 16;
/// Unused for this long, and no old copy of a request can be under way by it any more.
const QUIET: Duration = Duration::from_secs(60);
/// Most writes remembered of one peer.
const MAX_WRITES: usize = 1 << 17;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Way {
    pub(crate) target: TargetId,
    pub(crate) peer: PeerId,
    pub(crate) export: ExportId,
    pub(crate) import: ImportId,
}

/// A write as its way knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbered {
    pub(crate) way: Way,
    pub(crate) number: u64,
    pub(crate) span: Span,
    /// When it was captured at the earliest, by our clock.
    pub(crate) captured: Instant,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    /// Sorted by way.
    known: Vec<Known>,
    /// Writes remembered of each peer that wrote.
    writes: Table<PeerId, usize>,
}

#[derive(Debug)]
struct Known {
    way: Way,
    guard: Guard,
    last_used: Instant,
}

impl Ways {
    /// Judges a write. `None`: there are too many ways.
    pub(crate) fn judge(&mut self, write: &Numbered, now: Instant) -> Option<Order> {
        let way = write.way;
        let at = match self.place(way) {
            Ok(at) => at,
            Err(_) => self.admit(way, now)?,
        };
        let known = self.known.get_mut(at)?;
        known.last_used = now;
        let order = known.guard.judge(write.number, &write.span);
        let all = self.range(|other| other.target.cmp(&way.target));
        let mut others = self.known.get(all)?.iter().filter(|known| known.way != way);
        let mut steps = MAX_STEPS;
        let behind = order == Order::Newest
            && others.any(|known| known.guard.is_behind(write.captured, &write.span, &mut steps));
        Some(if behind { Order::Stale } else { order })
    }

    /// Notes a write that was accepted, or the newest number of one that was sent again.
    pub(crate) fn record(&mut self, write: &Numbered, now: Instant, keep: Duration) {
        let peer = write.way.peer;
        let at = self.place(write.way).ok().or_else(|| self.admit(write.way, now));
        let Some(known) = at.and_then(|at| self.known.get_mut(at)) else {
            return;
        };
        known.last_used = now;
        if self.writes.get(peer).is_none() {
            self.writes.insert(peer, 0);
        }
        if let Some(writes) = self.writes.get_mut(peer) {
            let before = known.guard.len();
            known
                .guard
                .record(write.number, write.span, now, keep, *writes < MAX_WRITES);
            *writes = (*writes + known.guard.len()).saturating_sub(before);
        }
    }

    /// Forgets writes that are older than `keep`, and gives back the memory for them; then ways that were not used for
    /// long, of which most are those of exports and peers that have gone.
    pub(crate) fn expire(&mut self, now: Instant, keep: Duration) {
        self.writes.values_mut().for_each(|writes| *writes = 0);
        for known in &mut self.known {
            known.guard.expire(now, keep);
            known.guard.shrink();
            if let Some(writes) = self.writes.get_mut(known.way.peer) {
                *writes += known.guard.len();
            }
        }
        self.known
            .retain(|known| known.guard.len() > 0 || !known.is_quiet(now));
    }

    /// Whether no write is remembered.
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.values().all(|writes| *writes == 0)
    }

    /// Whether a write to this target is remembered.
    pub(crate) fn remember(&self, target: TargetId) -> bool {
        let theirs = self.known.get(self.range(|way| way.target.cmp(&target)));
        theirs.is_some_and(|known| known.iter().any(|known| known.guard.len() > 0))
    }

    /// A peer process is another one, and its numbers begin again. What the old one wrote still counts for other ways.
    /// So it is of one that is no peer any more.
    pub(crate) fn restart(&mut self, peer: PeerId) {
        let theirs = self.known.iter_mut().filter(|known| known.way.peer == peer);
        theirs.for_each(|known| known.guard.restart());
    }

    fn place(&self, way: Way) -> Result<usize, usize> {
        self.known.binary_search_by_key(&way, |known| known.way)
    }

    /// Where those are that compare as equal.
    fn range(&self, order: impl Fn(&Way) -> std::cmp::Ordering) -> Range<usize> {
        let start = self.known.partition_point(|known| order(&known.way).is_lt());
        let end = self.known.partition_point(|known| order(&known.way).is_le());
        start..end
    }

    /// Makes room for a new one; where it is.
    fn admit(&mut self, way: Way, now: Instant) -> Option<usize> {
        let key = |way: &Way| (way.target, way.peer, way.export);
        let siblings = self.range(|other| key(other).cmp(&key(&way)));
        if siblings.len() >= MAX_WAYS {
            let quiet = |known: &Known| known.is_quiet(now);
            let oldest = siblings.start + self.known.get(siblings)?.iter().position(quiet)?;
            self.known.remove(oldest);
        }
        let at = self.place(way).err()?;
        self.known.insert(
            at,
            Known {
                way,
                guard: Guard::default(),
                last_used: now,
            },
        );
        Some(at)
    }
}

impl Known {
    fn is_quiet(&self, now: Instant) -> bool {
        now.saturating_since(self.last_used) >= QUIET
    }
}

#[cfg(test)]
mod tests {
    use super::super::span::Touch;
    use super::*;

    const KEEP: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    /// A write of the first sectors of target 0 or 1.
    fn write(target: u16, peer: u16, import: u16, number: u64, captured: u64) -> Numbered {
        Numbered {
            way: Way {
                target: TargetId(target),
                peer: PeerId(peer),
                export: ExportId(target),
                import: ImportId(import),
            },
            number,
            span: Span::new(0, 2, Touch::Writes),
            captured: at(captured),
        }
    }

    fn arrives(ways: &mut Ways, write: &Numbered, now: u64) -> Option<Order> {
        let order = ways.judge(write, at(now))?;
        if order == Order::Newest {
            ways.record(write, at(now), KEEP);
        }
        Some(order)
    }

    #[test]
    fn a_write_is_late_by_number_on_its_own_way_and_by_time_against_others() {
        let mut ways = Ways::default();
        assert_eq!(
            arrives(&mut ways, &write(0, 0, 0, 5, 10), 20),
            Some(Order::Newest)
        );
        // Its own way: whatever the time says.
        assert_eq!(arrives(&mut ways, &write(0, 0, 0, 4, 30), 40), Some(Order::Stale));
        for (peer, import) in [(0, 1), (1, 0), (2, 0)] {
            let early = write(0, peer, import, 100, 19);
            assert_eq!(arrives(&mut ways, &early, 40), Some(Order::Stale), "{early:?}");
            let late = ways.judge(&write(0, peer, import, 1, 21), at(40));
            assert_eq!(late, Some(Order::Newest), "{peer} {import}");
        }
        assert_eq!(
            arrives(&mut ways, &write(1, 1, 0, 1, 19), 40),
            Some(Order::Newest),
            "another target"
        );
    }

    /// Sixteen ways that have each written another sector of the block a few hundred times.
    #[test]
    fn a_write_is_compared_with_so_many_of_all_other_ways_and_is_late_beyond() {
        let mut ways = Ways::default();
        for number in 0..400 {
            for import in 0..16 {
                let elsewhere = Numbered {
                    span: Span::new(8, 2, Touch::Writes),
                    ..write(0, 0, import, number, 10)
                };
                ways.judge(&elsewhere, at(20));
                ways.record(&elsewhere, at(20), KEEP);
            }
        }
        assert_eq!(ways.judge(&write(0, 1, 0, 1, 10), at(30)), Some(Order::Stale));
        assert_eq!(ways.judge(&write(0, 1, 0, 1, 21), at(30)), Some(Order::Newest));
    }

    #[test]
    fn a_peer_that_restarts_numbers_anew_and_what_it_wrote_counts_for_others() {
        let mut ways = Ways::default();
        arrives(&mut ways, &write(0, 0, 0, 500, 10), 20);
        ways.restart(PeerId(0));
        assert_eq!(ways.judge(&write(0, 1, 0, 1, 19), at(30)), Some(Order::Stale));
        assert_eq!(
            arrives(&mut ways, &write(0, 0, 0, 1, 25), 30),
            Some(Order::Newest)
        );
        assert_eq!(
            arrives(&mut ways, &write(0, 0, 0, 1, 25), 30),
            Some(Order::Repeated)
        );
    }

    #[test]
    fn a_peer_has_so_many_ways_and_so_much_memory() {
        let mut ways = Ways::default();
        for import in 0..16 {
            assert!(arrives(&mut ways, &write(0, 0, import, 1, 0), 0).is_some());
        }
        assert_eq!(arrives(&mut ways, &write(0, 0, 16, 1, 0), 0), None);
        assert!(
            ways.judge(&write(0, 1, 16, 1, 0), at(0)).is_some(),
            "another peer"
        );
        let remembered = |ways: &Ways, peer| {
            let theirs = ways.known.iter().filter(|known| known.way.peer == PeerId(peer));
            theirs.map(|known| known.guard.len()).sum::<usize>()
        };
        ways.record(&write(0, 1, 16, 1, 0), at(0), KEEP);
        for number in 2..20_000 {
            for import in 0..16 {
                ways.record(&write(0, 0, import, number, 0), at(0), KEEP);
            }
        }
        assert_eq!((remembered(&ways, 0), remembered(&ways, 1)), (MAX_WRITES, 1));
        ways.expire(at(5000), KEEP);
        assert!(ways.is_empty() && remembered(&ways, 0) == 0);
        assert!(arrives(&mut ways, &write(0, 0, 16, 1, 60_000), 60_000).is_some());
        assert_eq!(ways.known.len(), 17);
    }
}
