//! Requests to the target: in turn, within its window, and again if it does not answer.

use super::Exit;
use super::export::max_sectors;
use super::gate::Wanted;
use super::ids::{SlotId, TargetId};
use super::patience::{REORDERED, is_wanted, waited_too_long};
use super::pending::Origin;
use super::stages::Stage;
use super::tapping::show_sent;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::frame::aoe::{self, Flags};
use crate::frame::ata;
use crate::telemetry::Count;
use crate::time::Instant;
use crate::timers::Timer;

/// Most requests sent again at once.
const BURST: u64 = 32;

impl Exit {
    /// Sends what waits, one request of each initiator in turn, as far as the target has room.
    pub(super) fn serve(&mut self, id: TargetId, cx: &mut Context<'_>) {
        self.serve_those(id, Wanted::Any, cx);
    }

    /// Sends what waits of these initiators, as far as the target has room. How many requests that were.
    pub(super) fn serve_those(&mut self, id: TargetId, wanted: Wanted, cx: &mut Context<'_>) -> usize {
        self.ask_identity(id, cx);
        let mut served = 0;
        if self.is_ending {
            return served;
        }
        while let Some(slot) = self.next(id, wanted, cx) {
            served += 1;
            let Some(pending) = self.pending.get_mut(slot) else {
                continue;
            };
            if !waited_too_long(pending, cx.now) && pending.copies.has_room() {
                self.emit(slot, cx);
            } else if pending.copies.count() == 0 {
                self.shed(slot, DropReason::RequestTooOld, cx);
            }
        }
        served
    }

    /// The next part of a request of which one was answered, in the buffer that this has left, if its export is paused:
    /// what was begun is finished. False: it has its turn like others.
    pub(super) fn finish(&mut self, slot: SlotId, cx: &mut Context<'_>) -> bool {
        let pending = self
            .pending
            .get(slot)
            .filter(|pending| self.is_paused(pending.export));
        let goes_on = pending.is_some_and(|pending| {
            is_wanted(pending, cx.now) && pending.copies.has_room() && !self.is_ending
        });
        if goes_on {
            self.emit(slot, cx);
        }
        goes_on
    }

    /// Sends what waits for any target, as far as each has room.
    pub(super) fn serve_all(&mut self, cx: &mut Context<'_>) {
        for place in 0..self.targets.len() {
            let Some(target) = self.targets.id_at(place) else {
                break;
            };
            self.serve(target, cx);
        }
    }

    /// The next request for a target that has room, out of its queue.
    fn next(&mut self, id: TargetId, wanted: Wanted, cx: &mut Context<'_>) -> Option<SlotId> {
        loop {
            let target = self
                .targets
                .get_mut(id)
                .filter(|target| target.has_room(cx.now))?;
            let (peer, flow_id) = match target.is_limited {
                false => target.turns.pop(),
                true => self.choose(id, wanted, cx),
            }?;
            let Some(flow) = self.flows.get_mut(flow_id) else {
                continue;
            };
            if flow.is_paused {
                flow.in_turn = false;
                continue;
            }
            let first = flow.queue.first();
            if let Some(slot) = first {
                self.move_to(slot, Stage::Dormant);
            }
            let (flow, target) = (self.flows.get_mut(flow_id)?, self.targets.get_mut(id)?);
            flow.in_turn = !flow.queue.is_empty();
            if flow.in_turn {
                target.turns.push(peer, flow.export, flow_id);
            }
            if first.is_some() {
                return first;
            }
        }
    }

    /// Sends a request that is in no list to its target.
    fn emit(&mut self, slot: SlotId, cx: &mut Context<'_>) {
        if let Err(reason) = self.send(slot, cx) {
            self.shed(slot, reason, cx);
            return;
        }
        let target = self.pending.get(slot).map(|pending| pending.target);
        if let Some(target) = target.and_then(|id| self.targets.get_mut(id))
            && target.sent.is_empty()
        {
            target.due = cx.now + target.rto.wait();
            cx.timers.lower(Timer::Targets, target.due);
        }
        self.move_to(slot, Stage::AtTarget);
        cx.telemetry.count(Count::RequestsToTarget);
    }

    /// Writes the frame.
    fn send(&mut self, slot: SlotId, cx: &mut Context<'_>) -> Result<(), DropReason> {
        let generation = self.pending.next_generation(slot).ok_or(DropReason::TargetDown)?;
        let tag = self.tags.of_copy(slot, generation);
        let pending = self.pending.get_mut(slot).ok_or(DropReason::TargetDown)?;
        let target = self.targets.get(pending.target);
        let target = target.ok_or(DropReason::TargetDown)?;
        let mac = target.liveness.mac().ok_or(DropReason::TargetDown)?;
        let (copies, sync) = (pending.copies.count(), pending.sync);
        let most = max_sectors(target, cx.segment(target.segment));
        let part = pending
            .asked
            .moves()
            .map(|all| pending.parts.next(all, most, copies));
        let cut = part.and_then(|part| pending.cut(part));
        let bytes = cut.as_ref().unwrap_or(&pending.pdu);
        cx.emit(target.segment, mac, bytes.len(), |frame| {
            let start = frame.len();
            frame.extend_from_slice(bytes);
            let pdu = frame.get_mut(start..).unwrap_or_default();
            aoe::set_flags(pdu, aoe::VERSION, Flags::REQUEST);
            aoe::set_address(pdu, target.address);
            aoe::set_tag(pdu, tag);
            if sync {
                ata::clear_async(pdu);
            }
        })?;
        if cx.tap.is_some() {
            show_sent(pending, cx);
        }
        pending.timer = cx.now;
        pending.copies.sent(cx.now);
        Ok(())
    }

    /// Sends again what the target should have answered by now, and not all of it at once. While it answers nothing at all, one request is
    /// enough to find out when it does again.
    pub(super) fn retransmit(&mut self, id: TargetId, cx: &mut Context<'_>) {
        let now = cx.now;
        let (mut again, mut probing) = (0u64, false);
        loop {
            let Some(target) = self.targets.get_mut(id) else {
                return;
            };
            let first = target.sent.first().filter(|_| target.is_up());
            let Some((slot, pending)) = first.and_then(|slot| Some((slot, self.pending.get(slot)?))) else {
                target.due = Instant::NEVER;
                break;
            };
            let mut due = (pending.timer + target.rto.wait()).max(target.patience);
            if target.answered_sent <= pending.copies.last_sent() + REORDERED {
                // It is working on what it got before this one: a copy would only take another of its buffers.
                due = due.max(target.answered_at + target.rto.wait());
            }
            if now < due || again >= BURST || (probing && again > 0) {
                target.due = due;
                break;
            }
            let wanted = is_wanted(pending, now) && pending.copies.has_room() && !self.is_ending;
            let backed_off = target.rto.is_backed_off();
            self.move_to(slot, Stage::AtTarget);
            if let Some(pending) = self.pending.get_mut(slot) {
                pending.timer = now;
            }
            // A target that is slow still has what nobody wants any more, and no room for another one instead of it.
            if !wanted {
                continue;
            }
            probing = backed_off;
            again += 1;
            if let Err(reason) = self.send(slot, cx) {
                cx.telemetry.drop(reason);
                break;
            }
        }
        if again > 0
            && let Some(target) = self.target_mut(id)
        {
            target.rto.expired();
            target.patience = now + target.rto.wait();
            target.due = target.patience;
            cx.telemetry.add(Count::RequestsRepeated, again);
        }
        self.serve(id, cx);
    }

    /// Whom a request was for; it is for nobody any more.
    pub(super) fn disown(&mut self, slot: SlotId) -> Option<Origin> {
        let origin = self.pending.get_mut(slot)?.origin.take()?;
        if let Some(flow) = self.flows.get_mut(origin.flow) {
            flow.requests = flow.requests.saturating_sub(1);
        }
        Some(origin)
    }

    /// Releases a request that is in no list, for this reason.
    pub(super) fn shed(&mut self, slot: SlotId, reason: DropReason, cx: &mut Context<'_>) {
        cx.telemetry.drop(reason);
        self.release(slot, cx.now);
    }

    /// Releases a request that is in no list; what it held may go. A write of which a copy may be at the target stays
    /// until that cannot be, and holds other writes.
    pub(super) fn release(&mut self, slot: SlotId, now: Instant) {
        self.disown(slot);
        let pending = self.pending.get(slot);
        let is_gone = pending.is_none_or(|pending| self.is_gone(pending, now));
        let mut freed = std::mem::take(&mut self.freed);
        match is_gone {
            true => {
                self.count_out(slot);
                self.pending.release(slot, &mut freed);
            }
            false => {
                self.move_to(slot, Stage::Draining);
                self.pending.drain(slot, &mut freed);
            }
        }
        for slot in freed.drain(..) {
            self.move_to(slot, Stage::Queued);
        }
        self.freed = freed;
    }
    /// A request is about to go.
    fn count_out(&mut self, slot: SlotId) {
        let Some(pending) = self.pending.get(slot) else {
            return;
        };
        let (id, target) = (pending.export, pending.target);
        let export = match self.exports.get_mut(id) {
            Some(export) => Some(export),
            None => self.leaving.get_mut(id),
        };
        if let Some(export) = export {
            export.requests = export.requests.saturating_sub(1);
        }
        if let Some(target) = self.targets.get_mut(target) {
            target.requests = target.requests.saturating_sub(1);
        }
    }
}
