//! How long anything may take: timers, and what is let go of.

use std::time::Duration;

use super::pending::{Pending, SlotId, Stage};
use super::target::TargetId;
use super::{Exit, Hands, state_of};
use crate::config::{OnTargetTimeout, PeerId};
use crate::drop_reason::DropReason;
use crate::segment::SegmentState;
use crate::time::Instant;

/// How often requests are looked through.
pub(super) const SWEEP_EVERY: Duration = Duration::from_millis(100);
/// A request that a target did not answer although it has answered something since, and that its initiator does not
/// repeat, is forgotten after this: by then no copy of it is on its way through the target.
const FORGOTTEN: Duration = Duration::from_secs(2);

/// What has to happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nothing of it can be at the target any more, and it was answered.
    Drained,
    Shed(DropReason),
    /// The target has been silent for longer than its export allows.
    TimedOut(OnTargetTimeout),
}

impl Exit {
    /// Asks targets, sends again, gives up on what takes too long.
    pub(crate) fn handle_timeout(&mut self, hands: &mut Hands<'_, '_>) {
        let now = hands.io.now;
        if now < self.wake {
            return;
        }
        self.watch(hands);
        self.recognise(hands);
        for target in self.target_ids() {
            if self.target(target).is_some_and(|target| now >= target.deadline()) {
                self.retransmit(target, hands);
            }
        }
        if now >= self.sweep_at {
            self.sweep(hands);
        }
        let deadline = |target: &super::Target| {
            let ask_at = match state_of(hands.segments, target.segment) {
                SegmentState::Down => Instant::NEVER,
                SegmentState::Up { .. } => target.watch.ask_at(),
            };
            ask_at.min(target.deadline()).min(target.recognition_at())
        };
        let first = self.targets.iter().map(deadline).min();
        self.wake = first.unwrap_or(Instant::NEVER).min(self.sweep_at);
    }

    fn sweep(&mut self, hands: &mut Hands<'_, '_>) {
        let now = hands.io.now;
        self.flows.expire(now, self.max_age);
        let ends = self
            .pending
            .iter()
            .filter_map(|(slot, pending)| Some((slot, self.end(pending, now)?)));
        let ends: Vec<(SlotId, End)> = ends.collect();
        for (slot, end) in ends {
            match end {
                End::Drained => self.release(slot),
                End::Shed(reason) => {
                    self.unlist(slot);
                    self.shed(slot, reason, hands);
                }
                End::TimedOut(OnTargetTimeout::Error) => self.fail(slot, DropReason::TargetTimeout, hands),
                End::TimedOut(OnTargetTimeout::Silent) => {
                    self.unlist(slot);
                    self.shed(slot, DropReason::TargetTimeout, hands);
                }
            }
        }
        for target in self.target_ids() {
            self.serve(target, hands);
        }
        self.sweep_at = if self.pending.is_empty() {
            Instant::NEVER
        } else {
            now + SWEEP_EVERY
        };
    }

    /// Whether it is time for a request to go.
    fn end(&self, pending: &Pending, now: Instant) -> Option<End> {
        let target = self.target(pending.target)?;
        let since_sent = now.saturating_since(pending.sent);
        if pending.stage == Stage::Draining {
            return (since_sent >= 2 * target.rto.wait()).then_some(End::Drained);
        }
        if !target.is_up() {
            let safety = self.exports.get(usize::from(pending.export.0))?.safety;
            let over = target.watch.silence(now) >= safety.target_timeout;
            return over.then_some(End::TimedOut(safety.on_target_timeout));
        }
        let old = now.saturating_since(pending.captured) > self.max_age;
        match pending.stage {
            Stage::Queued | Stage::Held if old && pending.copies == 0 => {
                Some(End::Shed(DropReason::RequestTooOld))
            }
            Stage::Dormant if since_sent >= FORGOTTEN && target.watch.heard_since(pending.sent) => {
                let settled = target.watch.up_for(now) >= FORGOTTEN;
                settled.then_some(End::Shed(DropReason::PendingExpired))
            }
            _ => None,
        }
    }

    /// The target is gone: what it had may come back, and waits for it.
    pub(super) fn suspend(&mut self, id: TargetId) {
        if let Some(target) = self.target_mut(id)
            && target.recognition.forget_question()
        {
            target.occupied = target.occupied.saturating_sub(1);
        }
        while let Some(slot) = self.target(id).and_then(|target| target.sent.first()) {
            self.rest(slot);
        }
    }

    /// The target is back: what it was asked and is still wanted is sent again.
    pub(super) fn resume(&mut self, id: TargetId, hands: &mut Hands<'_, '_>) {
        let now = hands.io.now;
        if let Some(target) = self.target_mut(id) {
            target.recognition.doubt(now);
            target.rto.answered();
            target.patience = now;
        }
        let wanted = |pending: &Pending| {
            pending.target == id
                && pending.stage == Stage::Dormant
                && pending.origin.is_some()
                && now.saturating_since(pending.captured) <= self.max_age
        };
        let mut again: Vec<(u64, SlotId)> = self
            .pending
            .iter()
            .filter(|(_, pending)| wanted(pending))
            .map(|(slot, pending)| (pending.order, slot))
            .collect();
        again.sort_unstable();
        for (_, slot) in again {
            self.enqueue(slot);
        }
        self.serve(id, hands);
    }

    /// The peer process is another one: what the old one asked is not sent any more, and its answers go nowhere, for
    /// the new one numbers its imports anew. What is at a target already still holds what overlaps it.
    pub(crate) fn forget(&mut self, peer: PeerId, hands: &mut Hands<'_, '_>) {
        let theirs = |pending: &Pending| pending.origin.is_some_and(|origin| origin.peer == peer);
        let slots: Vec<(SlotId, Stage, u8)> = self
            .pending
            .iter()
            .filter(|(_, pending)| theirs(pending))
            .map(|(slot, pending)| (slot, pending.stage, pending.copies))
            .collect();
        for (slot, stage, copies) in slots {
            if stage != Stage::AtTarget {
                self.unlist(slot);
            }
            if copies == 0 {
                self.shed(slot, DropReason::PeerRestarted, hands);
            } else {
                if stage == Stage::Queued {
                    self.rest(slot);
                }
                self.disown(slot);
            }
        }
        self.flows.forget(peer);
        let flows = &self.flows;
        for target in &mut self.targets {
            target.turns.retain(|flow| flows.get(*flow).is_some());
        }
        for target in self.target_ids() {
            self.serve(target, hands);
        }
    }
}
