//! Requests that the exit has accepted and not let go of, found by tag and by what they touch.
//!
//! ```text
//!   31   30   29 ......... 16   15 .............. 0
//!  +---+---+-----------------+---------------------+
//!  | 1 | 0 |   generation    |        slot         |
//!  +---+---+-----------------+---------------------+
//! ```
//! Bit 31 is never set by a Linux kernel initiator, and it ignores replies that have it: our replies cannot be
//! mistaken for those of an initiator on the same host. Slots are used in turn, so a tag comes back only after
//! at least 4096 × 16 384 requests: while an answer may still arrive its tag is never given to another request.
//! A request that is sent again has the same tag again.

use std::collections::VecDeque;

use super::list::{Link, List};
use super::pending::{Arrival, Pending, Stage};
use super::ranges::Ranges;
use super::span::Span;
use super::target::TargetId;
use crate::frame::Tag;

/// Slots to start with, and the least number kept free.
const FIRST_SLOTS: usize = 4096;
/// As many as a tag can number.
pub(crate) const MAX_SLOTS: usize = 1 << 16;
/// Most bytes of requests kept, of all targets.
const MAX_BYTES: usize = 64 << 20;
/// Buffers kept for the next requests.
const SPARE_BUFFERS: usize = 1024;
const GENERATIONS: u16 = 1 << 14;
const OURS: u32 = 1 << 31;
const NOT_A_REQUEST: u32 = 1 << 30;

/// Index of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SlotId(pub(crate) u16);

/// Requests accepted.
#[derive(Debug)]
pub(crate) struct PendingTable {
    slots: Vec<Slot>,
    links: Vec<Link>,
    free: VecDeque<u16>,
    occupied: usize,
    ranges: Ranges,
    spare: Vec<Vec<u8>>,
    bytes: usize,
    next_order: u64,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u16,
    pending: Option<Pending>,
}

/// What a request meets among those accepted before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meeting {
    /// The same request, unanswered.
    pub(crate) same: Option<SlotId>,
    /// Whether it has to wait for an overlapping write.
    pub(crate) held: bool,
}

impl Default for PendingTable {
    fn default() -> Self {
        let mut table = PendingTable {
            slots: Vec::new(),
            links: Vec::new(),
            free: VecDeque::new(),
            occupied: 0,
            ranges: Ranges::default(),
            spare: Vec::new(),
            bytes: 0,
            next_order: 0,
        };
        table.grow(FIRST_SLOTS);
        table
    }
}

impl PendingTable {
    /// Whether one more request has room.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes < MAX_BYTES && (self.occupied < self.slots.len() || self.slots.len() < MAX_SLOTS)
    }

    /// Accepts a request at this stage. `None`: no room.
    pub(crate) fn insert(&mut self, arrival: &Arrival<'_>, stage: Stage) -> Option<SlotId> {
        if !self.has_room() {
            return None;
        }
        if self.free.len() < FIRST_SLOTS && self.slots.len() < MAX_SLOTS {
            self.grow(self.slots.len().max(FIRST_SLOTS));
        }
        let index = self.free.pop_front()?;
        let slot = self.slots.get_mut(usize::from(index))?;
        let mut pdu = self.spare.pop().unwrap_or_default();
        pdu.clear();
        pdu.extend_from_slice(arrival.pdu);
        self.bytes += pdu.len();
        slot.pending = Some(Pending::new(arrival, stage, self.next_order, pdu));
        self.next_order += 1;
        self.occupied += 1;
        self.ranges.insert(SlotId(index), arrival.target, &arrival.span);
        Some(SlotId(index))
    }

    /// Looks at what the request overlaps.
    pub(crate) fn meet(&self, arrival: &Arrival<'_>) -> Meeting {
        let mut meeting = Meeting::default();
        for slot in self.ranges.near(arrival.target, &arrival.span) {
            let Some(pending) = self.get(slot) else { continue };
            if !pending.overlaps(arrival.target, &arrival.span) {
                continue;
            }
            if pending.is_same(arrival) {
                meeting.same = Some(slot);
            } else if pending.span.writes() {
                meeting.held = true;
            }
        }
        meeting
    }

    /// A write was accepted: reads before it that it overlaps are not the answer to anything asked from now on.
    pub(crate) fn overtake(&mut self, target: TargetId, span: &Span) {
        let slots = &mut self.slots;
        for slot in self.ranges.near(target, span) {
            let pending = slots
                .get_mut(usize::from(slot.0))
                .and_then(|slot| slot.pending.as_mut());
            if let Some(pending) = pending
                && !pending.span.writes()
                && pending.overlaps(target, span)
            {
                pending.overtaken = true;
            }
        }
    }

    /// Requests held by this write and by nothing else now.
    pub(crate) fn freed_by(&self, target: TargetId, span: &Span, freed: &mut Vec<SlotId>) {
        for slot in self.ranges.near(target, span) {
            let held = self
                .get(slot)
                .filter(|pending| pending.stage == Stage::Held && pending.overlaps(target, span));
            if let Some(pending) = held
                && !self.is_held(pending)
                && !freed.contains(&slot)
            {
                freed.push(slot);
            }
        }
        // First come, first served.
        freed.sort_unstable_by_key(|slot| self.get(*slot).map(|pending| pending.order));
    }

    fn is_held(&self, held: &Pending) -> bool {
        self.ranges.near(held.target, &held.span).any(|slot| {
            self.get(slot).is_some_and(|before| {
                before.order < held.order && before.span.writes() && before.overlaps(held.target, &held.span)
            })
        })
    }

    /// The tag to send a request with.
    pub(crate) fn tag(&self, slot: SlotId) -> Tag {
        let generation = self
            .slots
            .get(usize::from(slot.0))
            .map_or(0, |slot| slot.generation);
        Tag(OURS | u32::from(generation) << 16 | u32::from(slot.0))
    }

    /// The request that was sent with this tag.
    pub(crate) fn find(&self, tag: Tag) -> Option<SlotId> {
        let (index, generation) = split(tag)?;
        let slot = self.slots.get(usize::from(index))?;
        let sent = slot.generation == generation && slot.pending.as_ref().is_some_and(|one| one.copies > 0);
        sent.then_some(SlotId(index))
    }

    pub(crate) fn get(&self, slot: SlotId) -> Option<&Pending> {
        self.slots.get(usize::from(slot.0))?.pending.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: SlotId) -> Option<&mut Pending> {
        self.slots.get_mut(usize::from(slot.0))?.pending.as_mut()
    }

    /// Lets go of a request that is in no list any more; returns what it touched.
    pub(crate) fn release(&mut self, slot: SlotId) -> Option<(TargetId, Span)> {
        let entry = self.slots.get_mut(usize::from(slot.0))?;
        let pending = entry.pending.take()?;
        entry.generation = (entry.generation + 1) % GENERATIONS;
        self.free.push_back(slot.0);
        self.occupied -= 1;
        self.bytes -= pending.pdu.len();
        self.ranges.remove(slot);
        if self.spare.len() < SPARE_BUFFERS {
            self.spare.push(pending.pdu);
        }
        Some((pending.target, pending.span))
    }

    /// Every request there is.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SlotId, &Pending)> {
        // Counted wider than a slot's number: a full table has as many slots as that has values.
        (0u32..).zip(&self.slots).filter_map(|(index, slot)| {
            let pending = slot.pending.as_ref()?;
            Some((SlotId(u16::try_from(index).ok()?), pending))
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.occupied == 0
    }

    pub(crate) fn push_back(&mut self, list: &mut List, slot: SlotId) {
        list.push_back(&mut self.links, slot);
    }

    pub(crate) fn unlink(&mut self, list: &mut List, slot: SlotId) {
        list.remove(&mut self.links, slot);
    }

    fn grow(&mut self, by: usize) {
        let before = self.slots.len();
        let after = (before + by).min(MAX_SLOTS);
        self.slots.resize_with(after, Slot::default);
        self.links.resize_with(after, Link::default);
        self.free
            .extend((before..after).filter_map(|index| u16::try_from(index).ok()));
        self.ranges.grow(after);
        let occupied: Vec<_> = self
            .iter()
            .map(|(slot, one)| (slot, one.target, one.span))
            .collect();
        for (slot, target, span) in occupied {
            self.ranges.insert(slot, target, &span);
        }
    }
}

fn split(tag: Tag) -> Option<(u16, u16)> {
    #[allow(clippy::cast_possible_truncation, reason = "the two halves of the tag")]
    let (index, high) = (tag.0 as u16, (tag.0 >> 16) as u16);
    (tag.0 & OURS != 0 && tag.0 & NOT_A_REQUEST == 0).then_some((index, high % GENERATIONS))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::flow::{FlowId, FlowKey, Flows};
    use super::super::pending::{Asked, Origin};
    use super::super::span::Touch;
    use super::*;
    use crate::config::{ExportId, ImportId, PeerId};
    use crate::frame::{HEADER_LEN, MacAddr};
    use crate::time::Instant;

    fn flow() -> FlowId {
        let key = FlowKey {
            peer: PeerId(0),
            import: ImportId(0),
            export: ExportId(0),
            initiator: MacAddr([2; 6]),
        };
        Flows::default().enter(key, Instant::default()).unwrap()
    }

    fn arrival(number: u64, span: Span, pdu: &[u8]) -> Arrival<'_> {
        Arrival {
            export: ExportId(0),
            target: TargetId(0),
            origin: Origin {
                flow: flow(),
                peer: PeerId(0),
                import: ImportId(0),
                initiator: MacAddr([2; 6]),
                number,
                tag: Tag(7),
            },
            asked: Asked::Query,
            span,
            captured: Instant::default(),
            arrived: Instant::default(),
            pdu,
        }
    }

    fn read(start: u64) -> Span {
        Span::new(start, 2, Touch::Reads)
    }

    fn write(start: u64) -> Span {
        Span::new(start, 2, Touch::Writes)
    }

    fn sent(table: &mut PendingTable, number: u64) -> Option<SlotId> {
        let slot = table.insert(&arrival(number, read(number), &[]), Stage::AtTarget)?;
        table.get_mut(slot)?.copies = 1;
        Some(slot)
    }

    #[test]
    fn a_tag_finds_its_own_request_while_it_is_there() {
        let mut table = PendingTable::default();
        let waits = table.insert(&arrival(1, read(1), &[]), Stage::Queued).unwrap();
        assert_eq!(table.find(table.tag(waits)), None, "it was never sent");
        let slot = sent(&mut table, 2).unwrap();
        let tag = table.tag(slot);
        assert!(tag.0 & OURS != 0);
        assert_eq!(table.find(tag), Some(slot));
        assert_eq!(table.find(Tag(tag.0 ^ NOT_A_REQUEST)), None);
        assert_eq!(table.find(Tag(tag.0 ^ (1 << 16))), None, "another generation");
        assert_eq!(table.release(slot), Some((TargetId(0), read(2))));
        assert_eq!((table.find(tag), table.release(slot)), (None, None));
    }

    #[test]
    fn a_tag_is_not_used_again_soon_and_memory_is_bounded() {
        let mut table = PendingTable::default();
        let mut seen = BTreeSet::new();
        for number in 0..200_000 {
            let slot = sent(&mut table, number).unwrap();
            assert!(seen.insert(table.tag(slot).0), "tag given twice");
            table.release(slot).unwrap();
        }
        assert!(table.spare.len() <= SPARE_BUFFERS && table.is_empty());
        let held = (0..).map_while(|number| sent(&mut table, number)).count();
        assert_eq!(held, MAX_SLOTS);
        assert_eq!(table.iter().count(), MAX_SLOTS);
        let mut table = PendingTable::default();
        let big = vec![0; 1 << 20];
        let held = (0..)
            .map_while(|n| table.insert(&arrival(n, read(n), &big), Stage::Queued))
            .count();
        assert_eq!(held, MAX_BYTES >> 20);
    }

    #[test]
    fn an_arrival_meets_its_own_copy_and_the_writes_it_has_to_wait_for() {
        let mut table = PendingTable::default();
        let data = |byte| [&[0; HEADER_LEN][..], &[byte]].concat();
        let (one, two) = (data(1), data(2));
        let nothing = Meeting::default();
        assert_eq!(table.meet(&arrival(1, write(8), &one)), nothing);
        let first = table
            .insert(&arrival(1, write(8), &one), Stage::AtTarget)
            .unwrap();
        let same = Meeting {
            same: Some(first),
            held: false,
        };
        let held = Meeting {
            same: None,
            held: true,
        };
        assert_eq!(table.meet(&arrival(2, write(8), &one)), same);
        assert_eq!(table.meet(&arrival(2, write(8), &two)), held, "other data");
        assert_eq!(table.meet(&arrival(2, read(9), &one)), held);
        assert_eq!(table.meet(&arrival(2, read(10), &one)), nothing);
        let second = table.insert(&arrival(2, write(8), &two), Stage::Held).unwrap();
        let third = table.insert(&arrival(3, read(8), &two), Stage::Held).unwrap();
        let mut freed = Vec::new();
        let (target, span) = table.release(first).unwrap();
        table.freed_by(target, &span, &mut freed);
        assert_eq!(freed, [second], "the third still waits for the second");
        freed.clear();
        let (target, span) = table.release(second).unwrap();
        table.freed_by(target, &span, &mut freed);
        assert_eq!(freed, [third]);
        table.overtake(target, &write(9));
        assert_eq!(
            table.meet(&arrival(4, read(8), &two)),
            nothing,
            "it was overtaken"
        );
    }
}
