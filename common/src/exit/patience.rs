//! How long anything may take: timers, and what is released.

use std::time::Duration;

use super::ids::{SlotId, TargetId};
use super::pending::Pending;
use super::stages::Stage;
use super::{Exit, pause};
use crate::config::{OnTargetTimeout, TargetOrder};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::segment::SegmentState;
use crate::time::Instant;
use crate::timers::Timer;
use crate::tunnel::links::Links;

/// How often requests are looked through.
pub(super) const SWEEP_EVERY: Duration = Duration::from_millis(100);
/// Frames sent within this time may be taken up in another order.
pub(super) const REORDERED: Duration = Duration::from_millis(10);
/// Most slots looked through in one turn: the rest is for the next, after what has come in between.
const SLOTS_AT_ONCE: usize = 4096;
/// How long a request may wait here, since its newest copy arrived, and still be sent. (How old it may be when it
/// arrives is `max_age`: that is about the path.)
///
/// A disk that does 100 requests a second has a queue of more than a second in front of it when two initiators with 64
/// requests each use it, and nothing is wrong with that. Nor is it a danger: what waits here was accepted in order, is
/// not answered, and whatever overlaps it waits behind it or is dropped as stale. The limit is for what one exit does not
/// see. With two ways to one disk a request given up on the one is sent by this way at most this and `max_age` after
/// it was captured, less than the ten seconds after which the Linux driver begins to use another way. And a process
/// that was stopped sends nothing that is older, for it is judged at the last moment before the frame is made.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long a request may wait for a limit, since its newest copy arrived.
///
/// Where a limit is small, a full window of requests takes longer than [`LONGEST_WAIT`], and the Linux driver, whose timer
/// grows with what it sees, repeats none of them in that time: dropped, they would never be answered. With one way to the
/// disk no wait can do harm. An initiator gives up after 181 s (`aoe_deadsecs`); what has waited for so long that it
/// cannot be answered before that goes.
const LONGEST_LIMITED: Duration = Duration::from_secs(150);

/// How long a target that works in an order of its own may have a copy of a write before it is done or lost.
///
/// Such a target hands requests to its system at once (AIO in ggaoed). There a disk that does not answer is given up
/// after 30 s: the time limit of a command of Linux's SCSI disks and of libata (`SD_TIMEOUT`; `/sys/block/*/device/timeout`).
/// It is also a sixth of the time for which the Linux initiator tries (`aoe_deadsecs`, 180 s), so what waits for it does
/// not fail.
const LONGEST_SERVICE: Duration = Duration::from_secs(30);

/// What has to happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nothing of it can be at the target any more, and nobody waits for an answer.
    Over,
    Shed(DropReason),
    /// The target has been silent for longer than its export allows.
    TimedOut(OnTargetTimeout),
}

impl Exit {
    /// Asks targets, sends again, gives up on what takes too long.
    pub(crate) fn handle_timeout(&mut self, links: &mut Links, cx: &mut Context<'_>) {
        self.handle_calendar(links, cx);
        let now = cx.now;
        if !cx.timers.is_due(Timer::Targets, now) {
            return;
        }
        self.end_pauses(cx);
        self.ask_targets(cx);
        self.recognise(links, cx);
        for place in 0..self.targets.len() {
            let Some(target) = self.targets.id_at(place) else {
                break;
            };
            if self.target(target).is_some_and(|target| now >= target.deadline()) {
                self.retransmit(target, cx);
            }
        }
        if now >= self.sweep_at {
            self.sweep(links, cx);
        }
        let deadline = |target: &super::Target| {
            let ask_at = match cx.segment(target.segment) {
                SegmentState::Down => Instant::NEVER,
                SegmentState::Up { .. } => target.liveness.ask_at(),
            };
            ask_at.min(target.deadline()).min(target.recognition_at())
        };
        let first = self.targets.values().map(deadline).min();
        let next = first
            .unwrap_or(Instant::NEVER)
            .min(self.sweep_at)
            .min(self.pauses_end);
        cx.timers.set(Timer::Targets, next);
    }

    fn sweep(&mut self, links: &mut Links, cx: &mut Context<'_>) {
        let now = cx.now;
        self.ways.expire(now, self.max_age);
        let ends = self
            .pending
            .part(self.sweep_from, SLOTS_AT_ONCE)
            .filter_map(|(slot, pending)| {
                let end = self.end(pending, now)?;
                // What was flushed was counted then.
                Some((slot, if pending.origin.is_some() { end } else { End::Over }))
            });
        let ends: Vec<(SlotId, End)> = ends.collect();
        for (slot, end) in ends {
            match end {
                End::Over => {
                    self.unlist(slot);
                    self.release(slot, now);
                }
                End::Shed(reason) => {
                    self.unlist(slot);
                    self.shed(slot, reason, cx);
                }
                End::TimedOut(OnTargetTimeout::Error) => {
                    self.fail(slot, DropReason::TargetTimeout, links, cx)
                }
                End::TimedOut(OnTargetTimeout::Silent) => {
                    self.unlist(slot);
                    self.shed(slot, DropReason::TargetTimeout, cx);
                }
            }
        }
        self.serve_all(cx);
        self.tidy(cx);
        self.sweep_from += SLOTS_AT_ONCE;
        self.sweep_at = if self.sweep_from < self.pending.slots() {
            now
        } else {
            self.sweep_from = 0;
            if self.pending.is_empty() && self.ways.is_empty() && !self.is_untidy() {
                Instant::NEVER
            } else {
                now + SWEEP_EVERY
            }
        };
    }

    /// Whether it is time for a request to go.
    fn end(&self, pending: &Pending, now: Instant) -> Option<End> {
        let target = self.target(pending.target)?;
        let since_sent = now.saturating_since(pending.copies.last_sent());
        if pending.stage == Stage::Draining {
            return self.is_gone(pending, now).then_some(End::Over);
        }
        if !target.is_up() {
            let export = self.exports.get(pending.export);
            let export = export.or_else(|| self.leaving.get(pending.export))?;
            let safety = export.safety;
            let silence = pause::silence(&export.pauses, target.liveness.silence(now), now);
            let over = silence >= safety.target_timeout;
            return over.then_some(End::TimedOut(safety.on_target_timeout));
        }
        match pending.stage {
            Stage::Queued | Stage::Held if pending.copies.count() == 0 => {
                let longest = match waited_too_long(pending, now) && self.is_held_back(pending) {
                    true => LONGEST_LIMITED,
                    false => LONGEST_WAIT,
                };
                // Who waits through a pause is counted, and whether it is sent is decided when that ends.
                let given_up = waited(pending, now, longest) && !self.is_paused(pending.export);
                given_up.then_some(End::Shed(DropReason::RequestTooOld))
            }
            Stage::AtTarget if is_wanted(pending, now) => None,
            // Its initiator does not repeat it, and the target has answered others in the meantime.
            Stage::AtTarget | Stage::Dormant => {
                let lost = target.rto.lost_after();
                let settled = since_sent >= lost && target.liveness.up_for(now) >= lost;
                let lost = settled && target.liveness.heard_since(pending.copies.last_sent());
                lost.then_some(End::Shed(DropReason::PendingExpired))
            }
            _ => None,
        }
    }

    /// Whether no copy of a request can change anything at its target any more.
    pub(super) fn is_gone(&self, pending: &Pending, now: Instant) -> bool {
        if !pending.span.writes() || pending.copies.all_answered() {
            return true;
        }
        let Some(target) = self.target(pending.target) else {
            return true;
        };
        let since_sent = now.saturating_since(pending.copies.last_sent());
        match target.order {
            // What is sent after it is done after it.
            TargetOrder::Fifo => since_sent >= REORDERED,
            // While it is away it may stand still, and go on where it was.
            TargetOrder::Any => {
                target.is_up() && since_sent.min(target.liveness.up_for(now)) >= LONGEST_SERVICE
            }
        }
    }

    /// The target is gone: what it had may come back, and waits for it.
    pub(super) fn suspend(&mut self, id: TargetId) {
        if let Some(target) = self.target_mut(id) {
            target.forget_question();
        }
        while let Some(slot) = self.target(id).and_then(|target| target.sent.first()) {
            self.move_to(slot, Stage::Dormant);
        }
    }

    /// The target is back: what it was asked and is still wanted is sent again.
    pub(super) fn resume(&mut self, id: TargetId, cx: &mut Context<'_>) {
        let now = cx.now;
        if let Some(target) = self.target_mut(id) {
            target.recognition.doubt(now);
            target.rto.answered();
            target.patience = now;
        }
        let wanted = |pending: &Pending| {
            pending.target == id && pending.stage == Stage::Dormant && is_wanted(pending, now)
        };
        let mut again: Vec<(u64, SlotId)> = self
            .pending
            .iter()
            .filter(|(_, pending)| wanted(pending))
            .map(|(slot, _)| (self.pending.order(slot), slot))
            .collect();
        again.sort_unstable();
        for (_, slot) in again {
            self.move_to(slot, Stage::Queued);
        }
        self.serve(id, cx);
    }
}

/// Whether a request has waited for so long that it is not sent any more, unless it is a limit that it waits for.
pub(super) fn waited_too_long(pending: &Pending, now: Instant) -> bool {
    waited(pending, now, LONGEST_WAIT)
}

/// Whether it has waited for longer than this, since its newest copy came or limits let it pass.
fn waited(pending: &Pending, now: Instant, longest: Duration) -> bool {
    now.saturating_since(pending.arrived.max(pending.let_go)) > longest
}

/// Whether a request is sent again if the target does not answer.
pub(super) fn is_wanted(pending: &Pending, now: Instant) -> bool {
    pending.origin.is_some() && !waited_too_long(pending, now)
}
