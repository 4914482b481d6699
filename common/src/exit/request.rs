//! A request from an edge: judged, collapsed, put in order, accepted.

use super::export::max_sectors;
use super::flow::{FlowKey, MAX_REQUESTS};
use super::guard::Order;
use super::ids::SlotId;
use super::patience::SWEEP_EVERY;
use super::pending::{Address, Arrival, Origin};
use super::span::Span;
use super::stages::Stage;
use super::tapping::Judged;
use super::{Exit, OrderGuard, answer, lockout, pause};
use crate::config::{OnConflict, OnTargetTimeout, PeerId};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::frame::aoe::{AoeCommand, Pdu};
use crate::policy::{Verdict, judge};
use crate::request::{Asked, Command, Request};
use crate::telemetry::Count;
use crate::time::Instant;
use crate::timers::Timer;
use crate::tunnel::links::Links;
use crate::tunnel::message::{RequestHead, Stay};

impl Exit {
    /// A request from an edge.
    pub(crate) fn handle_request(
        &mut self,
        peer: PeerId,
        message: &[u8],
        links: &mut Links,
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        self.keep_calendar(links, cx);
        let now = cx.now;
        let (head, bytes) = RequestHead::parse(message).ok_or(DropReason::MessageMalformed)?;
        let export = self.exports.get(head.export);
        let granted = export.and_then(|export| Some((export, export.rights(peer)?)));
        let Some((export, rights)) = granted else {
            return Err(match self.withdrawals.has(peer, head.export) {
                true => DropReason::ExportWithdrawn,
                false => DropReason::ExportNotAllowed,
            });
        };
        let pdu = Pdu::parse(bytes)?;
        if pdu.is_response() {
            return Err(DropReason::MessageMalformed);
        }
        let request = Request::parse(pdu)?;
        let verdict = judge(rights, head.initiator, &request);
        if let Verdict::Ignore(reason) = verdict {
            return Err(reason);
        }
        let age = match self.order {
            OrderGuard::On => links.request_age(peer, head.captured, now),
            #[cfg(feature = "fuzzing")]
            OrderGuard::Off => Some(std::time::Duration::ZERO),
        };
        let Some(age) = age.filter(|age| *age <= self.max_age) else {
            links.doubt_clock(peer, cx);
            return Err(DropReason::RequestTooOld);
        };
        let target = self.target(export.target).ok_or(DropReason::TargetDown)?;
        if target.liveness.mac().is_none() {
            return Err(DropReason::TargetDown);
        }
        let refuse = |reason, links: &mut Links, cx: &mut Context<'_>| {
            let to = Address {
                peer,
                import: head.import,
                initiator: head.initiator,
                number: head.number,
                tag: pdu.tag(),
            };
            let outcome = match pdu.command() {
                AoeCommand::Ata => answer::refuse_ata((to, Stay::default()), &pdu, reason, links, cx),
                _ => answer::refuse_aoe(to, &pdu, reason, links, cx),
            };
            if let Some(tap) = &mut cx.tap {
                tap.note_told(outcome == Err(reason));
            }
            outcome
        };
        let (asked, span) = match (&request.command, verdict) {
            (Command::Ata(_), Verdict::Refuse(reason)) => return refuse(reason, links, cx),
            (_, Verdict::Refuse(reason)) => return Err(reason),
            (Command::Ata(ata), _) => (Asked::of_ata(ata), Span::of_ata(ata)),
            (Command::Query(query), _) => (Asked::Query, Span::of_query(query.command())),
            (Command::Reserve(reserve), _) => (Asked::Reserve, Span::of_reserve(reserve)),
            (Command::MacMask(mask), _) => (Asked::MacMask, Span::of_mac_mask(mask)),
            (Command::Other, _) => return Err(DropReason::RefusedAoeCommand),
        };
        if target.conflict && span.writes() && export.safety.on_conflict == OnConflict::Stop {
            return match asked.is_ata() {
                true => refuse(DropReason::RefusedConflict, links, cx),
                false => Err(DropReason::RefusedConflict),
            };
        }
        let segment = cx.segment(target.segment);
        if let Asked::Extra { .. } = asked
            && asked.brings() > max_sectors(target, segment)
        {
            return refuse(DropReason::RefusedTooManySectors, links, cx);
        }
        if let Some(own) = segment.mac()
            && lockout::shuts_out(&request.command, own)
        {
            return refuse(DropReason::RefusedAoeCommand, links, cx);
        }
        let silence = target.liveness.silence(now);
        if silence >= export.safety.target_timeout
            && pause::silence(&export.pauses, silence, now) >= export.safety.target_timeout
        {
            return match (asked, export.safety.on_target_timeout) {
                (Asked::Ata { .. } | Asked::Extra { .. }, OnTargetTimeout::Error) => {
                    refuse(DropReason::TargetTimeout, links, cx)
                }
                _ => Err(DropReason::TargetTimeout),
            };
        }
        let (target, lane, is_paused) = (export.target, target.lane, export.pauses.is_on());
        let sync = export.safety.sync && asked.is_write();
        let key = FlowKey {
            peer,
            import: head.import,
            export: head.export,
            initiator: head.initiator,
        };
        let flow = self
            .flows
            .enter(key, is_paused, now)
            .ok_or(DropReason::QueueFull)?;
        let arrival = Arrival {
            export: head.export,
            target,
            lane,
            origin: Origin {
                flow,
                peer,
                import: head.import,
                initiator: head.initiator,
                number: head.number,
                tag: pdu.tag(),
            },
            asked,
            sync,
            span,
            captured: now.saturating_sub(age),
            arrived: now,
            pdu: request.bytes(),
        };
        let slot = self.accept(&arrival, cx)?;
        if cx.tap.is_some() {
            self.show_request(peer, &head, request.bytes(), Judged::Admitted, cx);
        }
        self.serve(target, cx);
        if self
            .pending
            .get(slot)
            .is_some_and(|pending| pending.stage == Stage::Queued)
        {
            cx.telemetry.count(Count::RequestsQueued);
        }
        Ok(())
    }

    /// Finds the place of a request among those that are here.
    pub(super) fn accept(
        &mut self,
        arrival: &Arrival<'_>,
        cx: &mut Context<'_>,
    ) -> Result<SlotId, DropReason> {
        let now = cx.now;
        let meeting = self.pending.meet(arrival, self.max_age);
        if let Some(same) = meeting.same {
            self.take_over(same, arrival, now)?;
            cx.telemetry.count(Count::RequestsCollapsed);
            return Ok(same);
        }
        let Arrival { origin, span, .. } = *arrival;
        let write = span.writes().then(|| arrival.numbered());
        if let Some(write) = &write
            && self.order == OrderGuard::On
        {
            match self.ways.judge(write, now).ok_or(DropReason::QueueFull)? {
                Order::Newest => {}
                Order::Stale => return Err(DropReason::WriteStale),
                Order::Repeated => return Err(DropReason::RequestRepeated),
            }
        }
        let flow = self.flows.get(origin.flow).ok_or(DropReason::QueueFull)?;
        // Of what its peer may have, an initiator has no more than is left for the others.
        let room = self.pending.room(origin.peer);
        if flow.requests >= MAX_REQUESTS || (room > 0 && flow.requests as usize > room) {
            return Err(DropReason::QueueFull);
        }
        if meeting.overlaps.full {
            return Err(DropReason::OverlapFull);
        }
        let slot = self
            .pending
            .insert(arrival, &meeting)
            .ok_or(DropReason::PendingFull)?;
        self.count_in(arrival);
        if let Some(write) = &write {
            self.ways.record(write, now, self.max_age);
        }
        if meeting.is_held() {
            cx.telemetry.count(Count::RequestsHeld);
        } else {
            self.move_to(slot, Stage::Queued);
        }
        self.sweep_at = self.sweep_at.min(now + SWEEP_EVERY);
        cx.timers.lower(Timer::Targets, self.sweep_at);
        Ok(slot)
    }

    /// A request is here, of this export, for this target.
    fn count_in(&mut self, arrival: &Arrival<'_>) {
        if let Some(export) = self.exports.get_mut(arrival.export) {
            export.requests += 1;
            export.stats.carried.requests += 1;
        }
        if let Some(flow) = self.flows.get_mut(arrival.origin.flow) {
            flow.requests += 1;
            flow.carried.requests += 1;
        }
        if let Some(target) = self.targets.get_mut(arrival.target) {
            target.requests += 1;
        }
    }

    /// A request was sent again that is here.
    fn take_over(&mut self, slot: SlotId, arrival: &Arrival<'_>, now: Instant) -> Result<(), DropReason> {
        let pending = self.pending.get_mut(slot).ok_or(DropReason::RequestRepeated)?;
        if !pending.renew(arrival, self.max_age) {
            return Err(DropReason::RequestRepeated);
        }
        let dormant = pending.stage == Stage::Dormant;
        if let Some(export) = self.exports.get_mut(arrival.export) {
            export.stats.carried.resent += 1;
        }
        if let Some(flow) = self.flows.get_mut(arrival.origin.flow) {
            flow.carried.resent += 1;
        }
        if arrival.span.writes() {
            // Older copies of it are late from now on, whoever writes there next.
            self.ways.record(&arrival.numbered(), now, self.max_age);
        }
        if dormant {
            self.move_to(slot, Stage::Queued);
        }
        Ok(())
    }
}
