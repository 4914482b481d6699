//! Exports, and peers that use them, that come, change and go while the gateway runs.

use std::time::Duration;

use super::Exit;
use super::export::{Export, Knowledge};
use super::ids::TargetId;
use super::target::Target;
use crate::config::{Allow, ExportConfig, ExportId, Limit, PeerId, PeerLimit};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::export::Withdrawn;
use crate::snapshot::State;
use crate::table::Id;
use crate::time::Instant;
use crate::timers::Timer;
use crate::trouble::About;
use crate::tunnel::links::Links;

/// What an export has whose target got no number, because all were used: no target has it.
const NO_TARGET: u16 = u16::MAX;

impl Exit {
    /// A request that is older is not sent to a target from now on.
    pub(crate) fn set_max_age(&mut self, max_age: Duration) {
        self.max_age = max_age;
    }

    /// There is one more peer, which needs its share of the room.
    pub(crate) fn admit(&mut self, peer: PeerId) {
        self.pending.admit(peer);
    }

    /// A peer is none any more: nothing of it is sent or answered, and it may use nothing. What it wrote still counts for
    /// the order of what others write.
    pub(crate) fn dismiss(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        for export in self.exports.values_mut() {
            export.revoke(peer);
            export.allow.retain(|allow| allow.peer != peer);
        }
        self.uninformed.retain(|other| *other != peer);
        self.end_peer(peer, DropReason::PeerRemoved, cx);
        self.pending.dismiss(peer);
        self.limits.forget_peer(peer);
        self.limits_changed(cx);
        cx.telemetry.forget(|about| match about {
            About::Missed(of) | About::RefusedThere(of, _) => of == peer,
            _ => false,
        });
    }

    /// A new export.
    pub(crate) fn add(&mut self, id: ExportId, config: ExportConfig, links: &Links, cx: &mut Context<'_>) {
        let target = self.target_for(&config, cx.now);
        self.set_limits(id, &config, cx.now);
        let unix = self.calendar.unix(cx.now);
        self.exports
            .insert(id, Export::new(id, config, target, cx.now, unix));
        self.limits_changed(cx);
        self.note_ends(id, links, cx);
        self.plan_ends(cx);
        self.tell_found(id, cx);
        self.note_standing(target, cx);
        self.news = true;
        cx.timers.lower(Timer::Targets, cx.now);
    }

    /// An export has another target, other rights, other limits.
    pub(crate) fn change(
        &mut self,
        id: ExportId,
        config: ExportConfig,
        links: &mut Links,
        cx: &mut Context<'_>,
    ) {
        let Some(export) = self.exports.get_mut(id) else {
            return;
        };
        export.safety = config.safety;
        export.allow.clone_from(&config.allow);
        let before = export.target;
        self.change_rights(id, links, cx);
        self.note_ends(id, links, cx);
        self.plan_ends(cx);
        self.change_target(id, &config, cx);
        self.set_limits(id, &config, cx.now);
        self.limits_changed(cx);
        self.order(before);
        if let Some(export) = self.exports.get_mut(id) {
            export.changed();
            let (target, same) = (export.target, export.target == before);
            self.order(target);
            self.note_standing(target, cx);
            if same {
                self.tell_conflict(target, |export| export.id == id, links, cx);
            }
        }
        self.tidy(cx);
        self.news = true;
        cx.timers.lower(Timer::Targets, cx.now);
    }

    /// An export is none any more. Nothing that waits is sent to its target; what is there already keeps its place in the
    /// order of what others write.
    pub(crate) fn remove(&mut self, id: ExportId, cx: &mut Context<'_>) {
        let Some(mut export) = self.exports.remove(id) else {
            return;
        };
        self.plan_ends(cx);
        let (target, peers): (TargetId, Vec<PeerId>) = (export.target, export.peers().collect());
        for peer in peers {
            let knowledge = export.revoke(peer);
            self.withdraw(peer, id, knowledge, Withdrawn::NotExported);
        }
        export
            .standing
            .note(State::Leaving, "it is not exported any more", cx.now);
        self.leaving.insert(id, export);
        self.flush(|pending| pending.export == id, DropReason::ExportWithdrawn, cx);
        self.forget_flows(|key| key.export == id);
        self.limits.forget_export(id);
        self.limits_changed(cx);
        self.abandon(target);
        self.forget_troubles(id, cx);
        cx.telemetry.forget(|about| about == About::Paused(id));
        self.tidy(cx);
        self.news = true;
        cx.timers.lower(Timer::Targets, cx.now);
    }

    /// A peer that knew of an export has to know that it has it no more.
    fn withdraw(&mut self, peer: PeerId, id: ExportId, knowledge: Option<Knowledge>, why: Withdrawn) {
        match knowledge {
            Some(Knowledge::Current | Knowledge::Stale) => self.withdrawals.note(peer, id, why),
            Some(Knowledge::Untold) | None => {}
        }
    }

    /// Peers may do what is allowed and in force, from now on.
    pub(super) fn change_rights(&mut self, id: ExportId, links: &mut Links, cx: &mut Context<'_>) {
        let unix = self.calendar.unix(cx.now);
        let Some(export) = self.exports.get(id) else {
            return;
        };
        let in_force = export.in_force(unix);
        let has = |peer: &PeerId| in_force.iter().any(|(other, _)| other == peer);
        let lose = export.peers().filter(|peer| !has(peer));
        let lose: Vec<(PeerId, Withdrawn)> = lose.map(|peer| (peer, export.why_none(peer))).collect();
        for (peer, why) in lose {
            let knowledge = self.exports.get_mut(id).and_then(|export| export.revoke(peer));
            self.withdraw(peer, id, knowledge, why);
            let theirs = |pending: &super::pending::Pending| (pending.export, pending.peer) == (id, peer);
            self.flush(theirs, DropReason::ExportWithdrawn, cx);
            self.forget_flows(|key| (key.export, key.peer) == (id, peer));
            self.limits.forget_grant((id, peer));
        }
        for (peer, rights) in in_force {
            let knowledge = match self.withdrawals.cancel(peer, id) {
                true => Knowledge::Stale,
                false => Knowledge::Untold,
            };
            if let Some(export) = self.exports.get_mut(id)
                && export.rights(peer) != Some(&rights)
            {
                export.grant(peer, rights, knowledge);
                self.judge_again(id, peer, links, cx);
            }
        }
    }

    /// What an export and those that use it may have.
    pub(super) fn set_limits(&mut self, id: ExportId, config: &ExportConfig, now: Instant) {
        self.let_go(now);
        self.limits.set_export(id, config.limit, now);
        for allow in &config.allow {
            // Of its rules one says it, for all of them.
            let theirs = || config.allow.iter().filter(|other| other.peer == allow.peer);
            let said = |limit: fn(&Allow) -> Limit| theirs().map(limit).find(|limit| !limit.is_none());
            let limit = said(|allow| allow.limit).unwrap_or_default();
            let of_each = said(|allow| allow.initiator_limit).unwrap_or_default();
            self.limits.set_grant((id, allow.peer), limit, of_each, now);
        }
    }

    /// What peers may have of all exports, at the start.
    pub(crate) fn limit_peers(&mut self, limits: &[(PeerId, PeerLimit)], now: Instant) {
        for (peer, limit) in limits {
            self.limits.set_peer(*peer, *limit, now);
        }
        self.mark_limited();
    }

    /// What a peer may have of all exports.
    pub(crate) fn limit_peer(&mut self, peer: PeerId, limit: PeerLimit, cx: &mut Context<'_>) {
        self.let_go(cx.now);
        self.limits.set_peer(peer, limit, cx.now);
        self.limits_changed(cx);
    }

    /// What waits for the old target is dropped: it was meant for that disk.
    fn change_target(&mut self, id: ExportId, config: &ExportConfig, cx: &mut Context<'_>) {
        let Some(old) = self.exports.get(id).map(|export| export.target) else {
            return;
        };
        if let Some(target) = self.targets.get_mut(old) {
            // A pin on the station that is the target already, or none any more, changes nothing else.
            let alone = target.exports == 1 && target.is_at(config);
            if target.is_of(config) || (alone && target.liveness.repin(config.target_mac)) {
                return;
            }
        }
        let new = self.target_for(config, cx.now);
        if let Some(export) = self.exports.get_mut(id) {
            export.target = new;
        }
        self.flush(
            |pending| pending.export == id && pending.target == old,
            DropReason::ExportMoved,
            cx,
        );
        let moved: Vec<_> = self.flows.of_export(id).collect();
        self.limits.leave(|flow| moved.contains(&flow));
        if let Some(target) = self.targets.get_mut(old) {
            target.turns.leave(|flow| moved.contains(&flow));
        }
        for flow in moved {
            if let Some(flow) = self.flows.get_mut(flow) {
                flow.in_turn = false;
            }
        }
        self.abandon(old);
        self.forget_troubles(id, cx);
        self.tell_found(id, cx);
    }

    /// The target of an export: one that others have too, or a new one.
    pub(super) fn target_for(&mut self, config: &ExportConfig, now: Instant) -> TargetId {
        // Exports of one target share its buffers.
        let known = self.targets.iter().find(|(_, target)| target.is_of(config));
        let id = match known.map(|(id, _)| id).or_else(|| self.targets.next()) {
            Some(id) => id,
            None => return TargetId::of(NO_TARGET),
        };
        if self.targets.get(id).is_none() {
            let beside = self.targets.values().find(|target| target.is_at(config));
            let lane = beside.map_or(id, |target| target.lane);
            self.targets.insert(id, Target::new(config, lane, now));
        }
        if let Some(target) = self.targets.get_mut(id) {
            target.exports += 1;
            target.order = target.order.max(config.safety.order);
            target
                .rto
                .set_least(target.rto.least().max(config.safety.target_retry));
        }
        id
    }

    /// One export less has this target.
    fn abandon(&mut self, id: TargetId) {
        if let Some(target) = self.targets.get_mut(id) {
            target.exports = target.exports.saturating_sub(1);
        }
        self.order(id);
    }

    /// A target works in the strictest order that one of its exports says, also one of which something may be there still,
    /// and has the most time that one of them gives it.
    fn order(&mut self, id: TargetId) {
        let all = self.exports.values().chain(self.leaving.values());
        let theirs = all.filter(|export| export.target == id);
        let strictest = theirs.map(|export| (export.safety.order, export.safety.target_retry));
        let strictest = strictest.reduce(|one, other| (one.0.max(other.0), one.1.max(other.1)));
        if let Some((order, least)) = strictest
            && let Some(target) = self.targets.get_mut(id)
        {
            target.order = order;
            target.rto.set_least(least);
        }
    }

    /// Nothing stays in the log's list of troubles of an export that is not there, or has another target.
    fn forget_troubles(&self, id: ExportId, cx: &mut Context<'_>) {
        cx.telemetry.forget(|about| match about {
            About::Target(of) | About::Conflict(of) | About::Imposter(of) => of == id,
            _ => false,
        });
    }

    /// Whether something is on its way out that time alone ends.
    pub(super) fn is_untidy(&self) -> bool {
        self.withdrawals.expires() || self.targets.values().any(|target| target.exports == 0)
    }

    /// Forgets exports and targets of which nothing is left.
    pub(super) fn tidy(&mut self, cx: &mut Context<'_>) {
        self.withdrawals.expire(cx.now);
        let is_over = |export: &Export| export.requests == 0 && !self.withdrawals.is_untold(export.id);
        let over = self.leaving.values().filter(|export| is_over(export));
        let over: Vec<ExportId> = over.map(|export| export.id).collect();
        for export in over {
            if let Some(export) = self.leaving.remove(export) {
                self.order(export.target);
            }
        }
        let left = self.targets.iter().filter(|(id, target)| {
            let beside = |other: &(TargetId, &Target)| other.0 != *id && other.1.lane == target.lane;
            let unused = target.exports == 0 && target.requests == 0;
            // A late write to it is known by what was written, should it be used again.
            unused && (self.targets.iter().any(|other| beside(&other)) || !self.ways.remember(target.lane))
        });
        let left: Vec<TargetId> = left.map(|(id, _)| id).collect();
        for target in left {
            self.targets.remove(target);
        }
        if self.is_untidy() {
            self.sweep_at = self.sweep_at.min(cx.now + super::patience::SWEEP_EVERY);
            cx.timers.lower(Timer::Targets, self.sweep_at);
        }
    }
}

#[cfg(test)]
mod tests;
