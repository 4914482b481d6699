//! Requests that nobody may wait for any more: of a peer process that is another one, of a right that was taken away.
//!
//! What never was at a target goes. What may be there keeps its place in the order until it cannot be, without anybody
//! to get the answer.

use super::Exit;
use super::flow::FlowKey;
use super::ids::SlotId;
use super::pending::Pending;
use super::stages::Stage;
use crate::config::{ExportId, PeerId};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::policy::{Verdict, covers};
use crate::tunnel::links::Links;

impl Exit {
    /// Ends all these requests, for this reason.
    pub(super) fn flush(
        &mut self,
        ends: impl Fn(&Pending) -> bool,
        reason: DropReason,
        cx: &mut Context<'_>,
    ) {
        for slot in self.slots(|pending| pending.origin.is_some() && ends(pending)) {
            self.flush_one(slot, reason, cx);
        }
        self.serve_all(cx);
    }

    fn flush_one(&mut self, slot: SlotId, reason: DropReason, cx: &mut Context<'_>) {
        let Some(pending) = self.pending.get(slot) else {
            return;
        };
        if pending.copies.count() == 0 {
            self.unlist(slot);
            return self.shed(slot, reason, cx);
        }
        if pending.stage == Stage::Queued {
            self.unlist(slot);
        }
        self.disown(slot);
        cx.telemetry.drop(reason);
    }

    /// How many requests of a peer wait or are not answered.
    pub(crate) fn requests_of(&self, peer: PeerId) -> u64 {
        let theirs = |(_, pending): &(SlotId, &Pending)| pending.peer == peer && pending.origin.is_some();
        self.pending.iter().filter(theirs).count() as u64
    }

    fn slots(&self, which: impl Fn(&Pending) -> bool) -> Vec<SlotId> {
        let all = self.pending.iter().filter(|(_, pending)| which(pending));
        all.map(|(slot, _)| slot).collect()
    }

    /// A peer's rights on an export are other ones: what waits and is not allowed any more is refused, as it would be if
    /// it came now.
    pub(super) fn judge_again(
        &mut self,
        export: ExportId,
        peer: PeerId,
        links: &mut Links,
        cx: &mut Context<'_>,
    ) {
        let rights = self.exports.get(export).and_then(|export| export.rights(peer));
        let Some(rights) = rights.cloned() else { return };
        let theirs = |pending: &Pending| (pending.export, pending.peer) == (export, peer);
        for slot in self.slots(|pending| pending.origin.is_some() && theirs(pending)) {
            let Some(pending) = self.pending.get_mut(slot) else {
                continue;
            };
            if !pending.answer_only(|initiator| covers(&rights, initiator)) {
                self.flush_one(slot, DropReason::ExportWithdrawn, cx);
            } else if let Some(Verdict::Refuse(reason)) = pending.judge(&rights) {
                self.fail(slot, reason, links, cx);
            }
        }
        self.serve_all(cx);
    }

    /// The peer process is another one: what the old one asked is not sent any more, and its answers go nowhere, for
    /// the new one numbers its imports again. What is at a target already still holds what overlaps it.
    pub(crate) fn forget(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        self.end_peer(peer, DropReason::PeerRestarted, cx);
        for export in self.exports.values_mut() {
            export.forgotten_by(peer);
        }
    }

    /// An operator wants nothing of a peer: what it asked is not sent any more, and its answers go nowhere.
    pub(crate) fn drop_requests_of(&mut self, peer: PeerId, reason: DropReason, cx: &mut Context<'_>) {
        self.flush(|pending| pending.peer == peer, reason, cx);
    }

    /// A peer process is not there any more.
    pub(super) fn end_peer(&mut self, peer: PeerId, reason: DropReason, cx: &mut Context<'_>) {
        self.flush(|pending| pending.peer == peer, reason, cx);
        self.forget_flows(|key| key.peer == peer);
        self.ways.restart(peer);
        self.withdrawals.forget(peer);
        self.tidy(cx);
    }

    /// These initiators do not ask any more, and nothing of theirs waits.
    pub(super) fn forget_flows(&mut self, is_gone: impl Fn(&FlowKey) -> bool) {
        let gone = self.flows.forget(is_gone);
        self.limits.leave(|flow| gone.binary_search(&flow).is_ok());
        for target in self.targets.values_mut() {
            target.turns.leave(|flow| gone.binary_search(&flow).is_ok());
        }
    }
}
