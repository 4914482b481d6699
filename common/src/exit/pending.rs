//! Requests at a target, found again by the tag that we made for them.
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

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::{ExportId, ImportId, PeerId};
use crate::frame::{AtaOpcode, MacAddr, Tag};
use crate::time::Instant;

/// Slots to start with, and the least number kept free.
const FIRST_SLOTS: usize = 4096;
/// As many as a tag can number.
const MAX_SLOTS: usize = 1 << 16;
const GENERATIONS: u16 = 1 << 14;
const OURS: u32 = 1 << 31;
const NOT_A_REQUEST: u32 = 1 << 30;

/// A request that takes this long does not count against the target's window any more: it is probably lost.
pub(crate) const PRESUMED_LOST: Duration = Duration::from_secs(1);
/// A request that takes this long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// Requests that have been sent to targets.
#[derive(Debug)]
pub(crate) struct PendingTable {
    slots: Vec<Slot>,
    free: VecDeque<u16>,
    occupied: usize,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u16,
    pending: Option<Pending>,
}

/// A request at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) export: ExportId,
    /// `None`: the process that asked is no more.
    pub(crate) origin: Option<Origin>,
    pub(crate) asked: Asked,
    pub(crate) sent_at: Instant,
    /// Whether it takes one of the target's buffers.
    pub(crate) buffer: Buffer,
}

/// Whom the answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) peer: PeerId,
    pub(crate) import: ImportId,
    pub(crate) initiator: MacAddr,
    pub(crate) number: u64,
    /// The initiator's own tag, all 32 bits.
    pub(crate) tag: Tag,
}

/// What was asked: tells how long the answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Ata { opcode: AtaOpcode, sectors: u8 },
    Query,
}

/// Whether a pending request occupies one of its target's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Buffer {
    Taken,
    PresumedFree,
}

impl Default for PendingTable {
    fn default() -> Self {
        let mut table = PendingTable {
            slots: Vec::new(),
            free: VecDeque::new(),
            occupied: 0,
        };
        table.grow(FIRST_SLOTS);
        table
    }
}

impl PendingTable {
    /// Notes a request; the tag to send it with. `None`: no room.
    pub(crate) fn insert(&mut self, pending: Pending) -> Option<Tag> {
        if self.free.len() < FIRST_SLOTS && self.slots.len() < MAX_SLOTS {
            self.grow(self.slots.len().max(FIRST_SLOTS));
        }
        let index = self.free.pop_front()?;
        let slot = self.slots.get_mut(usize::from(index))?;
        slot.pending = Some(pending);
        self.occupied += 1;
        Some(Tag(OURS | u32::from(slot.generation) << 16 | u32::from(index)))
    }

    /// The request that was sent with this tag.
    pub(crate) fn find(&self, tag: Tag) -> Option<&Pending> {
        let (index, generation) = split(tag)?;
        let slot = self.slots.get(usize::from(index))?;
        slot.pending.as_ref().filter(|_| slot.generation == generation)
    }

    /// Forgets a request.
    pub(crate) fn remove(&mut self, tag: Tag) -> Option<Pending> {
        self.find(tag)?;
        let (index, _) = split(tag)?;
        self.release(index)
    }

    /// Looks at every pending request: those presumed lost go to `lost` once, those too old are forgotten and
    /// go to `forgotten`.
    pub(crate) fn sweep(
        &mut self,
        now: Instant,
        mut lost: impl FnMut(&Pending),
        mut forgotten: impl FnMut(&Pending),
    ) {
        if self.occupied == 0 {
            return;
        }
        let mut gone = Vec::new();
        // Counted wider than a slot's number: a full table has as many slots as that has values.
        for (index, slot) in (0u32..).zip(&mut self.slots) {
            let Some(pending) = slot.pending.as_mut() else {
                continue;
            };
            let age = now.saturating_since(pending.sent_at);
            if age >= PRESUMED_LOST && pending.buffer == Buffer::Taken {
                pending.buffer = Buffer::PresumedFree;
                lost(pending);
            }
            if age >= FORGOTTEN {
                gone.extend(u16::try_from(index));
            }
        }
        for index in gone {
            if let Some(pending) = self.release(index) {
                forgotten(&pending);
            }
        }
    }

    /// The peer process is another one: what the old one asked is answered to nobody.
    pub(crate) fn orphan(&mut self, peer: PeerId) {
        let pending = self.slots.iter_mut().filter_map(|slot| slot.pending.as_mut());
        for pending in pending {
            pending.origin.take_if(|origin| origin.peer == peer);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.occupied == 0
    }

    fn release(&mut self, index: u16) -> Option<Pending> {
        let slot = self.slots.get_mut(usize::from(index))?;
        let pending = slot.pending.take()?;
        slot.generation = (slot.generation + 1) % GENERATIONS;
        self.free.push_back(index);
        self.occupied -= 1;
        Some(pending)
    }

    fn grow(&mut self, by: usize) {
        let before = self.slots.len();
        let after = (before + by).min(MAX_SLOTS);
        self.slots.resize_with(after, Slot::default);
        self.free
            .extend((before..after).filter_map(|index| u16::try_from(index).ok()));
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

    use super::*;

    fn pending(number: u64, sent_at: Instant) -> Pending {
        Pending {
            export: ExportId(0),
            origin: Some(Origin {
                peer: PeerId(0),
                import: ImportId(0),
                initiator: MacAddr([2; 6]),
                number,
                tag: Tag(7),
            }),
            asked: Asked::Query,
            sent_at,
            buffer: Buffer::Taken,
        }
    }

    #[test]
    fn a_tag_finds_its_own_request_once() {
        let mut table = PendingTable::default();
        let tag = table.insert(pending(1, Instant::default())).unwrap();
        assert!(tag.0 & OURS != 0);
        assert!(table.remove(Tag(tag.0 ^ NOT_A_REQUEST)).is_none());
        assert!(
            table.remove(Tag(tag.0 ^ (1 << 16))).is_none(),
            "another generation"
        );
        assert_eq!(table.remove(tag).unwrap().origin.unwrap().number, 1);
        assert!(table.remove(tag).is_none());
    }

    #[test]
    fn a_tag_is_not_used_again_soon_and_memory_is_bounded() {
        let mut table = PendingTable::default();
        let mut seen = BTreeSet::new();
        for number in 0..200_000 {
            let tag = table.insert(pending(number, Instant::default())).unwrap();
            assert!(seen.insert(tag.0), "tag given twice");
            table.remove(tag).unwrap();
        }
        let mut held = 0;
        while table.insert(pending(0, Instant::default())).is_some() {
            held += 1;
        }
        assert_eq!(held, MAX_SLOTS);
        let mut forgotten = 0;
        table.sweep(Instant::default() + FORGOTTEN, |_| {}, |_| forgotten += 1);
        assert!(forgotten == MAX_SLOTS && table.is_empty());
    }

    #[test]
    fn a_silent_target_frees_its_buffer_first_and_the_slot_later() {
        let mut table = PendingTable::default();
        let start = Instant::default();
        let tag = table.insert(pending(1, start)).unwrap();
        let mut lost = 0;
        for _ in 0..2 {
            table.sweep(start + PRESUMED_LOST, |_| lost += 1, |_| panic!("too early"));
        }
        assert_eq!(lost, 1);
        assert!(table.find(tag).is_some(), "a late answer is still welcome");
        let mut forgotten = 0;
        table.sweep(start + FORGOTTEN, |_| {}, |_| forgotten += 1);
        assert!(forgotten == 1 && table.is_empty() && table.find(tag).is_none());
    }
}
