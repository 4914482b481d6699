//! What limits let pass: which request a target gets next where some are limited, and what wakes those that wait.

use std::collections::BTreeMap;

use super::Exit;
use super::flow::Flow;
use super::ids::{FlowId, SlotId, TargetId};
use super::limits::{Cost, Owner, Refused};
use super::patience::waited_too_long;
use super::pending::Pending;
use super::stages::Stage;
use super::turns::Choice;
use crate::config::{ExportId, Limited, PeerId};
use crate::context::Context;
use crate::snapshot;
use crate::time::Instant;
use crate::timers::Timer;

/// Who is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// First those that have less than their floor, then any.
    Any,
    /// Only those.
    BelowFloor,
}

impl Exit {
    /// The next initiator that a target serves, out of its turn if it has less than its floor, and none whose limits are
    /// used up. What its request costs is taken.
    pub(super) fn choose(
        &mut self,
        id: TargetId,
        wanted: Wanted,
        cx: &mut Context<'_>,
    ) -> Option<(PeerId, FlowId)> {
        let mut chosen = None;
        if self.limits.have_floors() {
            chosen = self.choose_of(id, Wanted::BelowFloor, cx);
        }
        if chosen.is_none() && wanted == Wanted::Any {
            chosen = self.choose_of(id, Wanted::Any, cx);
        }
        cx.timers.lower(Timer::Limits, self.limits.due());
        chosen
    }

    fn choose_of(&mut self, id: TargetId, wanted: Wanted, cx: &mut Context<'_>) -> Option<(PeerId, FlowId)> {
        let now = cx.now;
        let (limits, flows, pending) = (&mut self.limits, &self.flows, &mut self.pending);
        let target = self.targets.get_mut(id)?;
        target.turns.choose(|peer, export, flow_id| {
            let Some((flow, slot)) = flows
                .get(flow_id)
                .and_then(|flow| Some((flow, flow.queue.first()?)))
            else {
                return Choice::Take;
            };
            // Nothing is paid for it: it is left out.
            if flow.is_paused {
                return Choice::Take;
            }
            let Some(request) = pending.get_mut(slot) else {
                return Choice::Take;
            };
            let owner = owner(peer, export, flow);
            // It was paid for, or goes nowhere.
            if request.copies.count() > 0
                || (waited_too_long(request, now) && !limits.held(owner, request.arrived))
            {
                return Choice::Take;
            }
            let cost = Cost::of(request.asked);
            if wanted == Wanted::BelowFloor && !limits.is_below_shared_floor(owner, cost, now) {
                match limits.have_own_floors() {
                    false => return Choice::Skip,
                    true if !limits.is_below_own_floor(owner, cost, now) => return Choice::Pass,
                    true => {}
                }
            }
            match limits.admit(owner, cost, request.timer, now) {
                Ok(()) => {
                    request.let_go = now;
                    Choice::Take
                }
                Err(Refused::Shared) => Choice::Skip,
                Err(Refused::Own(until)) => {
                    limits.park(flow_id, until);
                    Choice::Leave
                }
            }
        })
    }

    /// Serves those that waited for a limit, all targets in turn: what is used up by the first is free for the second the
    /// next time. Those below their floors go first, wherever they are.
    pub(crate) fn handle_limits(&mut self, cx: &mut Context<'_>) {
        if !cx.timers.is_due(Timer::Limits, cx.now) {
            return;
        }
        cx.timers.set(Timer::Limits, Instant::NEVER);
        self.limits.open(cx.now);
        self.unpark(cx.now);
        let mut targets: Vec<TargetId> = self
            .targets
            .iter()
            .filter(|(_, target)| target.is_limited && !target.turns.are_over())
            .map(|(id, _)| id)
            .collect();
        let first = self.limits.first();
        let after = targets.partition_point(|id| Some(*id) <= first);
        targets.rotate_left(after);
        let mut served = None;
        for wanted in [Wanted::BelowFloor, Wanted::Any] {
            for target in &targets {
                if self.serve_those(*target, wanted, cx) > 0 {
                    served = served.or(Some(*target));
                }
            }
        }
        if let Some(first) = served {
            self.limits.set_first(first);
        }
        cx.timers.lower(Timer::Limits, self.limits.due());
    }

    /// Those that are parked and need not be have a turn again.
    fn unpark(&mut self, now: Instant) {
        for flow_id in self.limits.unpark(now) {
            let Some(flow) = self.flows.get_mut(flow_id) else {
                continue;
            };
            let request = flow.queue.first().and_then(|slot| self.pending.get(slot));
            let target = request.and_then(|request| Some((request, self.targets.get_mut(request.target)?)));
            match target {
                Some((request, target)) => target.turns.push(request.peer, request.export, flow_id),
                None => flow.in_turn = false,
            }
        }
    }

    /// Limits are about to change: what waited for them has not waited for too long, whatever comes.
    pub(super) fn let_go(&mut self, now: Instant) {
        if self.limits.are_none() {
            return;
        }
        let waits = |pending: &Pending| pending.copies.count() == 0 && self.is_held_back(pending);
        let held: Vec<SlotId> = self
            .pending
            .iter()
            .filter(|(_, pending)| waits(pending))
            .map(|(slot, _)| slot)
            .collect();
        for slot in held {
            if let Some(pending) = self.pending.get_mut(slot) {
                pending.let_go = now;
            }
        }
    }

    /// Limits have changed: what waits is asked again.
    pub(super) fn limits_changed(&mut self, cx: &mut Context<'_>) {
        self.limits.reopen();
        self.mark_limited();
        // Targets without limits have no part in what the timer does.
        self.unpark(cx.now);
        self.serve_all(cx);
        cx.timers.lower(Timer::Limits, cx.now);
    }

    /// Notes which targets have to ask for limits.
    pub(super) fn mark_limited(&mut self) {
        let none = self.limits.are_none();
        for (id, target) in self.targets.iter_mut() {
            target.is_limited = !none
                && self
                    .exports
                    .values()
                    .filter(|export| export.target == id)
                    .any(|export| export.peers().any(|peer| self.limits.concern(export.id, peer)));
        }
    }

    /// How many requests wait for each limit.
    pub(super) fn waiting_for_limits(&self) -> BTreeMap<Limited, u64> {
        let mut waiting = BTreeMap::new();
        if self.limits.are_none() {
            return waiting;
        }
        for (_, pending) in self.pending.iter() {
            let flow = pending.origin.and_then(|origin| self.flows.get(origin.flow));
            let Some(flow) = flow.filter(|_| pending.stage == Stage::Queued && pending.copies.count() == 0)
            else {
                continue;
            };
            for whom in self.limits.waits_for(owner(pending.peer, pending.export, flow)) {
                *waiting.entry(whom).or_default() += 1;
            }
        }
        waiting
    }

    /// A limit as data.
    pub(super) fn limit_row(
        &self,
        whom: Limited,
        waiting: &BTreeMap<Limited, u64>,
    ) -> Option<snapshot::Limit> {
        self.limits.row(whom, waiting.get(&whom).copied().unwrap_or(0))
    }

    /// What peers may have of all exports of this worker.
    pub(crate) fn limits_of_peers(&self) -> Vec<(PeerId, snapshot::Limit)> {
        let waiting = self.waiting_for_limits();
        let limit = |peer| Some((peer, self.limit_row(Limited::Peer(peer), &waiting)?));
        self.limits.peers().filter_map(limit).collect()
    }

    /// Whether a request that was not sent yet waits, or waited, for a limit.
    pub(super) fn is_held_back(&self, pending: &Pending) -> bool {
        let flow = pending.origin.and_then(|origin| self.flows.get(origin.flow));
        flow.is_some_and(|flow| {
            self.limits
                .held(owner(pending.peer, pending.export, flow), pending.arrived)
        })
    }
}

/// Whose requests are in this queue.
fn owner(peer: PeerId, export: ExportId, flow: &Flow) -> Owner {
    Owner {
        export,
        peer,
        initiator: flow.initiator,
    }
}

#[cfg(test)]
mod tests;
