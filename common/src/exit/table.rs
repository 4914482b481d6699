//! Requests that the exit has accepted and not released, found by slot and by what they touch.

use std::collections::VecDeque;
use std::time::Duration;

use super::chains::Chains;
use super::copies::CopyId;
use super::ids::{MAX_SLOTS, SlotId};
use super::list::{Link, List};
use super::overlap::{self, Overlaps};
use super::pending::{Arrival, Pending};
use super::tags::Generation;
use crate::config::PeerId;
use crate::quota::Quota;
use crate::spread::place_by;

/// Slots to start with, and the least number kept free.
const FIRST_SLOTS: usize = 4096;
/// Most bytes of requests kept, of all targets.
const MAX_BYTES: usize = 64 << 20;
/// Buffers kept for the next requests.
const SPARE_BUFFERS: usize = 1024;

/// Requests accepted.
#[derive(Debug)]
pub(crate) struct PendingTable {
    slots: Vec<Slot>,
    links: Vec<Link>,
    free: VecDeque<u16>,
    occupied: usize,
    overlaps: Overlaps,
    /// Requests by import and first sector, by hash.
    alike: Chains,
    factor: u64,
    spare: Vec<Vec<u8>>,
    /// Slots and bytes, by peer.
    room: Quota,
    bytes: Quota,
}

#[derive(Debug, Default)]
struct Slot {
    /// That of the first copy of the request that is here, or of the next one.
    generation: Generation,
    pending: Option<Pending>,
}

/// What a request meets among those accepted before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meeting {
    /// The same request, unanswered.
    pub(crate) same: Option<SlotId>,
    /// Overlapping writes.
    pub(crate) overlaps: overlap::Meeting,
}

impl Meeting {
    /// Whether it has to wait for an overlapping write.
    pub(crate) fn is_held(&self) -> bool {
        self.overlaps.waits_for > 0
    }
}

impl PendingTable {
    /// An empty table for these peers. `factor` is drawn at random, so that nobody can choose requests that share a place in it.
    pub(crate) fn new(factor: u64, peers: &[PeerId]) -> Self {
        let mut alike = Chains::default();
        alike.grow(MAX_SLOTS, 0);
        let mut table = PendingTable {
            slots: Vec::new(),
            links: Vec::new(),
            free: VecDeque::new(),
            occupied: 0,
            overlaps: Overlaps::new(factor),
            alike,
            factor: factor | 1,
            spare: Vec::new(),
            room: Quota::new(MAX_SLOTS, peers.iter().copied()),
            bytes: Quota::new(MAX_BYTES, peers.iter().copied()),
        };
        table.grow(FIRST_SLOTS);
        table
    }

    /// There is one more peer, which gets its share.
    pub(crate) fn admit(&mut self, peer: PeerId) {
        self.room.admit(peer);
        self.bytes.admit(peer);
    }

    /// A peer is none any more; others get its share, once what is here of it has gone.
    pub(crate) fn dismiss(&mut self, peer: PeerId) {
        self.room.dismiss(peer);
        self.bytes.dismiss(peer);
    }

    /// How many more requests of this peer have room.
    pub(crate) fn room(&self, peer: PeerId) -> usize {
        self.room.room(peer)
    }

    /// Accepts a request that met this; it is held. `None`: no room.
    pub(crate) fn insert(&mut self, arrival: &Arrival<'_>, meeting: &Meeting) -> Option<SlotId> {
        let (peer, len) = (arrival.origin.peer, arrival.pdu.len());
        if self.room.room(peer) == 0 || self.bytes.room(peer) < len {
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
        self.room.take(peer, 1);
        self.bytes.take(peer, len);
        slot.pending = Some(Pending::new(arrival, pdu));
        self.occupied += 1;
        let Arrival {
            origin, lane, span, ..
        } = *arrival;
        self.overlaps
            .insert(SlotId(index), origin.peer, lane, span, meeting.overlaps);
        self.alike.join(index.into(), self.alike(arrival));
        Some(SlotId(index))
    }

    /// Looks for the same request, of which no more than so many others are younger than `young`, and for what it overlaps.
    pub(crate) fn meet(&self, arrival: &Arrival<'_>, young: Duration) -> Meeting {
        let same = |slot: &SlotId| {
            let same = self
                .get(*slot)
                .is_some_and(|pending| pending.is_same(arrival, young));
            same && !self.overlaps.is_overtaken(*slot)
        };
        let Arrival {
            origin, lane, span, ..
        } = arrival;
        let alike = self.alike.walk(self.alike(arrival));
        Meeting {
            same: alike
                .filter_map(|index| u16::try_from(index).ok().map(SlotId))
                .find(same),
            overlaps: self.overlaps.meet(origin.peer, *lane, span),
        }
    }

    fn alike(&self, arrival: &Arrival<'_>) -> u32 {
        let Arrival { origin, span, .. } = arrival;
        let key = span.start() ^ u64::from(origin.peer.0) << 48 ^ u64::from(origin.import.0) << 36;
        u32::try_from(place_by(self.factor, key, self.alike.len())).unwrap_or(u32::MAX)
    }

    /// The generation of the next copy of this request.
    pub(crate) fn next_generation(&self, slot: SlotId) -> Option<Generation> {
        let slot = self.slots.get(usize::from(slot.0))?;
        Some(slot.generation.after(slot.pending.as_ref()?.copies.count()))
    }

    /// The request, and its copy, that was sent from this slot in this generation.
    pub(crate) fn find(&self, slot: SlotId, generation: Generation) -> Option<(SlotId, CopyId)> {
        let place = self.slots.get(usize::from(slot.0))?;
        let distance = generation.since(place.generation);
        let copy = place.pending.as_ref()?.copies.get(distance)?;
        Some((slot, copy))
    }

    /// A request's place in the order of acceptance.
    pub(crate) fn order(&self, slot: SlotId) -> u64 {
        self.overlaps.order(slot)
    }

    pub(crate) fn get(&self, slot: SlotId) -> Option<&Pending> {
        self.slots.get(usize::from(slot.0))?.pending.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: SlotId) -> Option<&mut Pending> {
        self.slots.get_mut(usize::from(slot.0))?.pending.as_mut()
    }

    /// Keeps what a part of a read brought. False if there is no room for it.
    pub(crate) fn keep(&mut self, slot: SlotId, data: &[u8]) -> bool {
        let entry = self.slots.get_mut(usize::from(slot.0));
        let Some(pending) = entry.and_then(|entry| entry.pending.as_mut()) else {
            return false;
        };
        if self.bytes.room(pending.peer) < data.len() {
            return false;
        }
        self.bytes.take(pending.peer, data.len());
        pending.parts.keep(data);
        true
    }

    /// Keeps nothing of a write that drains but what it touched: it holds other writes only. Adds to `freed` what waited for
    /// it and need not.
    pub(crate) fn drain(&mut self, slot: SlotId, freed: &mut Vec<SlotId>) {
        let Some(pending) = self.get_mut(slot) else {
            return;
        };
        let (peer, pdu) = (pending.peer, std::mem::take(&mut pending.pdu));
        self.recycle(peer, pdu);
        self.overlaps.drain(slot, freed);
    }

    /// Releases a request that is in no list any more. Adds to `freed` what waited for it and nothing else.
    pub(crate) fn release(&mut self, slot: SlotId, freed: &mut Vec<SlotId>) {
        let Some(entry) = self.slots.get_mut(usize::from(slot.0)) else {
            return;
        };
        let Some(pending) = entry.pending.take() else {
            return;
        };
        debug_assert!(!pending.stage.is_listed(), "it is in a list: {pending:?}");
        entry.generation = entry.generation.after(pending.copies.count());
        self.free.push_back(slot.0);
        self.occupied -= 1;
        self.room.give(pending.peer, 1);
        self.bytes.give(pending.peer, pending.parts.kept());
        self.alike.leave(slot.0.into());
        self.overlaps.remove(slot, freed);
        self.recycle(pending.peer, pending.pdu);
    }

    fn recycle(&mut self, peer: PeerId, pdu: Vec<u8>) {
        self.bytes.give(peer, pdu.len());
        if pdu.capacity() > 0 && self.spare.len() < SPARE_BUFFERS {
            self.spare.push(pdu);
        }
    }

    /// Every request there is.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SlotId, &Pending)> {
        self.part(0, MAX_SLOTS)
    }

    /// The requests in so many slots from this one on.
    pub(crate) fn part(&self, from: usize, slots: usize) -> impl Iterator<Item = (SlotId, &Pending)> {
        // Counted wider than a slot's number: a full table has as many slots as that has values.
        let all = self.slots.iter().enumerate().skip(from).take(slots);
        all.filter_map(|(index, slot)| {
            let pending = slot.pending.as_ref()?;
            Some((SlotId(u16::try_from(index).ok()?), pending))
        })
    }

    /// How many slots there are.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.occupied == 0
    }

    /// How many requests there are.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn len(&self) -> usize {
        self.occupied
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
        self.overlaps.grow(after);
        self.alike.grow(0, after);
    }
}

#[cfg(test)]
mod tests;
