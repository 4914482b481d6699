//! Which requests have to wait for which: those that overlap a write accepted before them.
//!
//! A request counts the writes before it that it overlaps, and may go when they have all gone. They are found by
//! block of sectors: two requests that overlap have a block in common, and each lies in two at most. Only writes and
//! requests that wait are looked through, and of those a block has a bounded number, so a request costs the same
//! whatever else is here. Places in the table of blocks are drawn at random at the start: nobody can choose blocks that share
//! one.

use super::chains::Chains;
use super::ids::{MAX_SLOTS, SlotId, TargetId};
use super::span::Span;
use crate::config::PeerId;
use crate::spread::place_by;

/// Most writes and waiting requests that touch one block of 16 KiB.
pub(crate) const MOST: u32 = 512;
/// Most of them of one peer.
pub(crate) const MOST_OF_PEER: u32 = 128;

/// No block.
const NONE: u32 = u32::MAX;
/// Blocks a request can lie in.
const BLOCKS: usize = 2;

/// Everything that is here, by the sectors it touches.
#[derive(Debug)]
pub(crate) struct Overlaps {
    factor: u64,
    blocks: Vec<Block>,
    free: Vec<u32>,
    /// Blocks by hash.
    places: Chains,
    /// Writes and requests that wait, by block. Members `2 n` and `2 n + 1` are slot `n`.
    contending: Chains,
    entries: Vec<Entry>,
    /// Next in the order of acceptance.
    next: u64,
    #[cfg(test)]
    steps: std::cell::Cell<u64>,
}

/// A block that somebody touches.
#[derive(Clone, Copy, Debug)]
struct Block {
    target: TargetId,
    number: u64,
    users: u32,
    contenders: u32,
    /// Place of the newest write in the order of acceptance, gone or not.
    written: u64,
}

/// One request.
#[derive(Clone, Copy, Debug)]
struct Entry {
    order: u64,
    span: Span,
    peer: PeerId,
    blocks: [u32; BLOCKS],
    contends: bool,
    /// It is a write that was answered or given up, and a copy of it may still be applied.
    drains: bool,
    /// Overlapping writes before it.
    waits_for: u32,
}

const GONE: Entry = Entry {
    order: 0,
    span: Span::NOWHERE,
    peer: PeerId(0),
    blocks: [NONE; BLOCKS],
    contends: false,
    drains: false,
    waits_for: 0,
};

/// What a request meets among those accepted before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meeting {
    /// How many writes it has to wait for.
    pub(crate) waits_for: u32,
    /// As many as may contend for these sectors do already.
    pub(crate) full: bool,
}

impl Overlaps {
    /// Nobody is here. `factor` is drawn at random.
    pub(crate) fn new(factor: u64) -> Overlaps {
        let mut places = Chains::default();
        places.grow(MAX_SLOTS, 0);
        Overlaps {
            factor: factor | 1,
            blocks: Vec::new(),
            free: Vec::new(),
            places,
            contending: Chains::default(),
            entries: Vec::new(),
            next: 1,
            #[cfg(test)]
            steps: std::cell::Cell::new(0),
        }
    }

    /// Makes room for slots below `slots`.
    pub(crate) fn grow(&mut self, slots: usize) {
        let blocks = slots * BLOCKS;
        self.entries.resize(slots, GONE);
        self.places.grow(0, blocks);
        self.contending.grow(blocks, blocks);
    }

    /// Looks at what a request of this peer overlaps.
    pub(crate) fn meet(&self, peer: PeerId, target: TargetId, span: &Span) -> Meeting {
        let (mut waits_for, mut full) = (0, false);
        for number in blocks_of(span) {
            let Some(at) = self.find(target, number) else {
                continue;
            };
            let mut of_peer = 0;
            for entry in self.contenders(at) {
                of_peer += u32::from(entry.peer == peer);
                waits_for += u32::from(entry.holds(span, number));
            }
            let contenders = self.blocks.get(at as usize).map_or(0, |block| block.contenders);
            full |= contenders >= MOST || of_peer >= MOST_OF_PEER;
        }
        Meeting {
            waits_for,
            full: full && (span.writes() || waits_for > 0),
        }
    }

    /// A request is accepted, which met this.
    pub(crate) fn insert(
        &mut self,
        slot: SlotId,
        peer: PeerId,
        target: TargetId,
        span: Span,
        meeting: Meeting,
    ) {
        let order = self.next;
        self.next += 1;
        let contends = span.writes() || meeting.waits_for > 0;
        let mut blocks = [NONE; BLOCKS];
        for ((at, number), member) in blocks.iter_mut().zip(blocks_of(&span)).zip(members(slot)) {
            *at = self.enter(target, number);
            let Some(block) = self.blocks.get_mut(*at as usize) else {
                continue;
            };
            block.users += 1;
            if span.writes() {
                block.written = order;
            }
            if contends {
                block.contenders += 1;
                self.contending.join(member, *at);
            }
        }
        if let Some(entry) = self.entries.get_mut(usize::from(slot.0)) {
            *entry = Entry {
                order,
                span,
                peer,
                blocks,
                contends,
                drains: false,
                waits_for: meeting.waits_for,
            };
        }
    }

    /// A request is gone. Adds to `freed` those that waited for it and for nothing else, first come first.
    pub(crate) fn remove(&mut self, slot: SlotId, freed: &mut Vec<SlotId>) {
        let Some(entry) = self.entries.get_mut(usize::from(slot.0)) else {
            return;
        };
        let gone = std::mem::replace(entry, GONE);
        self.free(&gone, freed, |_| true);
        for (at, member) in gone.blocks.into_iter().zip(members(slot)) {
            let Some(block) = self.blocks.get_mut(at as usize) else {
                continue;
            };
            if gone.contends {
                block.contenders -= 1;
                self.contending.leave(member);
            }
            self.leave(at);
        }
    }

    /// A write was answered or given up, and a copy of it may still be applied: from now on it holds writes only. Adds to
    /// `freed` the reads that waited for it and for nothing else.
    pub(crate) fn drain(&mut self, slot: SlotId, freed: &mut Vec<SlotId>) {
        let Some(entry) = self.entries.get_mut(usize::from(slot.0)) else {
            return;
        };
        let before = *entry;
        entry.drains = true;
        self.free(&before, freed, |waiting| !waiting.writes());
    }

    /// Those of whatever waits for this one that need not any more wait for one less.
    fn free(&mut self, one: &Entry, freed: &mut Vec<SlotId>, which: impl Fn(&Span) -> bool) {
        let before = freed.len();
        for (at, number) in one.blocks.into_iter().zip(blocks_of(&one.span)) {
            if !one.span.writes() || at == NONE {
                continue;
            }
            for other in self.contending.walk(at) {
                #[cfg(test)]
                self.steps.set(self.steps.get() + 1);
                let Some(waiting) = self.entries.get_mut(other as usize / BLOCKS) else {
                    continue;
                };
                let waits = waiting.order > one.order && one.holds(&waiting.span, number);
                if waits && which(&waiting.span) {
                    waiting.waits_for -= 1;
                    if waiting.waits_for == 0 {
                        freed.extend(u16::try_from(other as usize / BLOCKS).map(SlotId));
                    }
                }
            }
        }
        if let Some(freed) = freed.get_mut(before..) {
            freed.sort_unstable_by_key(|slot| self.order(*slot));
        }
    }

    /// Whether this is a read and a write near by was accepted after it: its answer is too old for one that asks now.
    pub(crate) fn is_overtaken(&self, slot: SlotId) -> bool {
        self.entries.get(usize::from(slot.0)).is_some_and(|entry| {
            let written = |at: &u32| self.blocks.get(*at as usize).map_or(0, |block| block.written);
            !entry.span.writes() && entry.blocks.iter().any(|at| written(at) > entry.order)
        })
    }

    /// Its place in the order of acceptance.
    pub(crate) fn order(&self, slot: SlotId) -> u64 {
        self.entries
            .get(usize::from(slot.0))
            .map_or(0, |entry| entry.order)
    }

    fn contenders(&self, block: u32) -> impl Iterator<Item = &Entry> {
        self.contending.walk(block).filter_map(|member| {
            #[cfg(test)]
            self.steps.set(self.steps.get() + 1);
            self.entries.get(member as usize / BLOCKS)
        })
    }

    fn place(&self, target: TargetId, number: u64) -> u32 {
        let key = number ^ u64::from(target.0) << 48;
        u32::try_from(place_by(self.factor, key, self.places.len())).unwrap_or(NONE)
    }

    fn find(&self, target: TargetId, number: u64) -> Option<u32> {
        self.places.walk(self.place(target, number)).find(|at| {
            let block = self.blocks.get(*at as usize);
            block.is_some_and(|block| block.number == number && block.target == target)
        })
    }

    /// Finds a block, or makes it.
    fn enter(&mut self, target: TargetId, number: u64) -> u32 {
        if let Some(at) = self.find(target, number) {
            return at;
        }
        let block = Block {
            target,
            number,
            users: 0,
            contenders: 0,
            written: 0,
        };
        let at = self.free.pop().unwrap_or_else(|| {
            self.blocks.push(block);
            u32::try_from(self.blocks.len() - 1).unwrap_or(NONE)
        });
        if let Some(place) = self.blocks.get_mut(at as usize) {
            *place = block;
        }
        self.places.join(at, self.place(target, number));
        at
    }

    /// One user of a block less; nobody needs it without any.
    fn leave(&mut self, at: u32) {
        let Some(block) = self.blocks.get_mut(at as usize) else {
            return;
        };
        block.users -= 1;
        if block.users == 0 {
            self.places.leave(at);
            self.free.push(at);
        }
    }
}

impl Entry {
    /// Whether it is a write that overlaps this span, and this the first block they share: what lies in two is counted
    /// once. A copy of one that was answered writes what is there already, so reads need not wait for it.
    fn holds(&self, span: &Span, number: u64) -> bool {
        let first = self.span.blocks().0.max(span.blocks().0);
        let in_the_way = self.span.writes() && (!self.drains || span.writes());
        in_the_way && first == number && self.span.overlaps(span)
    }
}

fn blocks_of(span: &Span) -> impl Iterator<Item = u64> + use<> {
    let (first, second) = span.blocks();
    std::iter::once(first).chain(second)
}

fn members(slot: SlotId) -> [u32; BLOCKS] {
    let first = u32::from(slot.0) * 2;
    [first, first + 1]
}

#[cfg(test)]
mod tests;
