//! What a target answers, and what the edge is told.

use super::echo::Likeness;
use super::ids::SlotId;
use super::parts::Pieces;
use super::pending::Address;
use super::stages::Stage;
use super::stats::Done;
use super::tags::Sent;
use super::tapping::show_response;
use super::{Exit, Response};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::frame::aoe::{AoeCommand, AoeError, Pdu};
use crate::frame::{Ata, HEADER_LEN, Header, Query, ata};
use crate::request::Asked;
use crate::telemetry::Count;
use crate::time::Instant;
use crate::timers::Timer;
use crate::tunnel::links::Links;
use crate::tunnel::message::{Kind, REPLY_HEAD_LEN, ReplyHead, Stay};

impl Exit {
    /// A response on a segment: about a target's state, or to a request of ours.
    pub(crate) fn handle_response(
        &mut self,
        response: Response<'_>,
        links: &mut Links,
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        self.keep_calendar(links, cx);
        let Response { segment, source, pdu } = response;
        let (slot, copy) = match self.tags.open(pdu.tag()) {
            Some(Sent::Question { target, whom }) => return self.hear((target, whom), response, links, cx),
            None if super::discovery::is_announcement(&pdu) => return self.hear_config(response, cx),
            Some(Sent::Copy { slot, generation }) => self.pending.find(slot, generation),
            None => None,
        }
        .ok_or(DropReason::ResponseUnmatched)?;
        let pending = self.pending.get_mut(slot).ok_or(DropReason::ResponseUnmatched)?;
        let (id, asked) = (pending.target, pending.asked);
        let target = self.targets.get_mut(id).ok_or(DropReason::ResponseUnmatched)?;
        if target.segment != segment || target.address != pdu.address() {
            return Err(DropReason::ResponseMismatch);
        }
        if !target.liveness.is(source) {
            return Err(DropReason::ResponseWrongSource);
        }
        if cx.tap.is_some() {
            show_response(pending, copy, response, cx);
        }
        // A copy of another part than the one that is waited for says nothing but that it is not at the target any more.
        let bytes = match pending.parts.is_current(copy) {
            true => Some(answer_bytes(asked.part(pending.parts.sectors()), &pdu)?),
            false => None,
        };
        if !target.echo.believes(Likeness::of(asked, &pending.span, &pdu)) {
            return Err(DropReason::ResponseMisfit);
        }
        if pending.copies.is_answered(copy) {
            return Err(DropReason::ResponseRepeated);
        }
        pending.copies.answer(copy);
        let sent = pending.copies.sent_at(copy);
        target.liveness.alive(cx.now);
        target.answered_at = cx.now;
        target.answered_sent = target.answered_sent.max(sent.unwrap_or_default());
        if pending.stage == Stage::Draining {
            self.drain(slot, cx);
            return Ok(());
        }
        if let Some(sent) = sent.filter(|_| pending.stage == Stage::AtTarget) {
            target.rto.sample(cx.now.saturating_since(sent));
        }
        if target.rto.answered() {
            // It was silent and is not any more: what it has may be answered in the next moments.
            target.patience = cx.now + target.rto.wait();
            target.due = target.patience;
            cx.timers.lower(Timer::Targets, target.due);
        }
        let Some(bytes) = bytes else {
            cx.telemetry.count(Count::AnswersAbsorbed);
            return Ok(());
        };
        let made = match self.piece_together(slot, &pdu, bytes, cx.now)? {
            Pieces::Whole => None,
            Pieces::Made(made) => Some(made),
            Pieces::More => {
                self.unlist(slot);
                if !self.finish(slot, cx) {
                    self.move_to(slot, Stage::Queued);
                }
                self.serve(id, cx);
                return Ok(());
            }
        };
        let bytes = made.as_deref().unwrap_or(bytes);
        if asked == Asked::Query {
            self.learn_string(slot, &pdu, cx);
        }
        self.unlist(slot);
        let stay = self.stay(slot, cx.now);
        let success = !pdu.is_error() && (!asked.is_ata() || Ata::parse(bytes)?.is_success());
        let pending = self.pending.get(slot);
        if let Some(done) = pending.and_then(|pending| Done::new(pending, success, cx.now)) {
            self.note_done(done);
        }
        let mut askers = self.askers(slot, cx.now).peekable();
        self.release(slot, cx.now);
        if askers.peek().is_none() {
            cx.telemetry.count(Count::AnswersAbsorbed);
        }
        for to in askers {
            if let Err(reason) = reply((to, stay), pdu.header(), bytes, links, cx) {
                cx.telemetry.drop(reason);
            }
        }
        self.serve(id, cx);
        Ok(())
    }

    /// What the answer to the part that is waited for means. The data of a read that goes on is kept.
    fn piece_together(
        &mut self,
        slot: SlotId,
        pdu: &Pdu<'_>,
        bytes: &[u8],
        now: Instant,
    ) -> Result<Pieces, DropReason> {
        let pending = self.pending.get_mut(slot).ok_or(DropReason::ResponseUnmatched)?;
        if pending.origin.is_none() || pending.asked.moves().is_none() || pdu.is_error() {
            return Ok(Pieces::Whole);
        }
        let request = Pdu::parse(&pending.pdu)?;
        let (request, response) = (Ata::parse(request.argument())?, Ata::parse(bytes)?);
        let copies = pending.copies.count();
        let pieces = pending.parts.answered(&request, &response, copies);
        if pieces == Pieces::More && !self.pending.keep(slot, response.data()) {
            // What was read is lost, so it has to be read again, when its initiator repeats it.
            self.unlist(slot);
            self.release(slot, now);
            return Err(DropReason::PendingFull);
        }
        Ok(pieces)
    }

    /// Whom the answer to a request is for, the newest last; it is for nobody any more. Who asked long ago has asked again
    /// or given up.
    fn askers(&mut self, slot: SlotId, now: Instant) -> impl Iterator<Item = Address> + use<> {
        let young = self.max_age;
        let earlier = match self.pending.get_mut(slot) {
            Some(pending) => std::mem::take(&mut pending.earlier),
            None => Vec::new(),
        };
        let newest = self.disown(slot).map(Address::from);
        let earlier = earlier.into_iter().filter(move |one| one.is_young(now, young));
        let earlier = earlier.filter_map(move |one| {
            Some(Address {
                initiator: one.initiator,
                number: one.number,
                tag: one.tag,
                ..newest?
            })
        });
        earlier.chain(newest)
    }

    /// How long a request has been here.
    fn stay(&self, slot: SlotId, now: Instant) -> Stay {
        let pending = self.pending.get(slot);
        pending.map(|pending| pending.stay(now)).unwrap_or_default()
    }

    /// One more copy was answered of a request that was answered.
    fn drain(&mut self, slot: SlotId, cx: &mut Context<'_>) {
        cx.telemetry.count(Count::AnswersAbsorbed);
        let Some(pending) = self.pending.get(slot) else {
            return;
        };
        let target = pending.target;
        if pending.copies.all_answered() {
            self.release(slot, cx.now);
            self.serve(target, cx);
        }
    }

    /// The config string as the target has just said it.
    fn learn_string(&mut self, slot: SlotId, pdu: &Pdu<'_>, cx: &Context<'_>) {
        let Some(id) = self.pending.get(slot).map(|pending| pending.target) else {
            return;
        };
        let Some(target) = self.targets.get_mut(id) else {
            return;
        };
        let known = &mut target.liveness.info.string;
        if let Ok(query) = Query::parse(pdu.argument())
            && !pdu.is_error()
            && query.string() != known.as_slice()
        {
            *known = query.string().to_vec();
            self.changed(id, cx);
        }
    }

    /// Says no to those who asked for this, by an ATA error, and releases it.
    pub(super) fn fail(&mut self, slot: SlotId, reason: DropReason, links: &mut Links, cx: &mut Context<'_>) {
        self.unlist(slot);
        let stay = self.stay(slot, cx.now);
        let askers: Vec<Address> = self.askers(slot, cx.now).collect();
        self.note_failed(slot, reason, &askers, cx.now);
        if cx.tap.is_some() {
            self.show_failure(slot, reason, &askers, cx);
        }
        let pdu = self
            .pending
            .get(slot)
            .and_then(|pending| Pdu::parse(&pending.pdu).ok())
            .filter(|pdu| pdu.command() == AoeCommand::Ata);
        for to in askers {
            let outcome = match &pdu {
                Some(pdu) => refuse_ata((to, stay), pdu, reason, links, cx),
                None => Err(reason),
            };
            if let Err(reason) = outcome {
                cx.telemetry.drop(reason);
            }
        }
        self.release(slot, cx.now);
    }
}

/// Sends a reply to the edge it came from.
fn reply(
    (to, stay): (Address, Stay),
    header: Header,
    argument: &[u8],
    links: &mut Links,
    cx: &mut Context<'_>,
) -> Result<(), DropReason> {
    let head = ReplyHead {
        import: to.import,
        initiator: to.initiator,
        number: to.number,
        stay,
    };
    let mut front = [0; REPLY_HEAD_LEN + HEADER_LEN];
    let (reply_head, pdu_head) = front.split_at_mut(REPLY_HEAD_LEN);
    reply_head.copy_from_slice(&head.emit());
    Header {
        tag: to.tag,
        ..header
    }
    .emit(pdu_head);
    links.send(to.peer, Kind::Reply, &front, argument, cx)?;
    cx.telemetry.count(Count::RepliesToWire);
    Ok(())
}

/// Refuses an ATA request; the reason comes back as the error.
pub(super) fn refuse_ata(
    to: (Address, Stay),
    pdu: &Pdu<'_>,
    reason: DropReason,
    links: &mut Links,
    cx: &mut Context<'_>,
) -> Result<(), DropReason> {
    let ata = Ata::parse(pdu.argument())?;
    let mut refusal = Vec::with_capacity(ata::PDU_LEN);
    ata::emit_refusal(pdu, &ata, &mut refusal);
    let argument = refusal.get(HEADER_LEN..).unwrap_or_default();
    reply(to, pdu.header().response(), argument, links, cx)?;
    cx.telemetry.count(Count::Refusals);
    Err(reason)
}

/// Refuses a command of AoE that is no ATA command, by an error of AoE; the reason comes back as the error.
pub(super) fn refuse_aoe(
    to: Address,
    pdu: &Pdu<'_>,
    reason: DropReason,
    links: &mut Links,
    cx: &mut Context<'_>,
) -> Result<(), DropReason> {
    let header = pdu.header().error_response(AoeError::BadArgument);
    reply((to, Stay::default()), header, &[], links, cx)?;
    cx.telemetry.count(Count::Refusals);
    Err(reason)
}

/// What follows the header of the answer's PDU; what a target pads with stays behind.
fn answer_bytes<'a>(asked: Asked, pdu: &Pdu<'a>) -> Result<&'a [u8], DropReason> {
    let len = asked.answer_len(pdu).ok_or(DropReason::ResponseMismatch)?;
    pdu.bytes()
        .get(HEADER_LEN..len)
        .ok_or(DropReason::ResponseMismatch)
}
