//! A request of an initiator: judged, and answered here or carried to the exit.

use super::answer::Responder;
use super::import::Import;
use super::key::Key;
use super::ledger::Passage;
use super::{Captured, Edge};
use crate::config::{ImportId, SegmentId};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::frame::aoe::AoeCommand;
use crate::frame::query::QueryCommand;
use crate::frame::{Address, Ata, AtaOpcode, ata};
use crate::policy::{Verdict, judge};
use crate::request::{Asked, Command, Request};
use crate::telemetry::Count;
use crate::time::Instant;
use crate::tunnel::links::Links;
use crate::tunnel::message::{Kind, RequestHead};

impl Edge {
    /// A request from an initiator: find the import, judge, answer or carry on.
    pub(crate) fn handle_request(
        &mut self,
        captured: Captured<'_>,
        links: &mut Links,
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        // The exit would not send it either. Here it is known even where the exit does not know our clock yet.
        if cx.now.saturating_since(captured.at) > self.max_age {
            return Err(DropReason::RequestTooOld);
        }
        let address = captured.pdu.address();
        if address.is_broadcast() {
            return self.handle_broadcast(captured, address, links, cx);
        }
        let import = self.find(captured.segment, address);
        let import = import.ok_or(DropReason::RequestUnknownAddress)?;
        let request = Request::parse(captured.pdu)?;
        self.handle_one(import, captured, &request, links, cx)
    }

    /// A request to all imports at an address of which a part is open.
    fn handle_broadcast(
        &mut self,
        captured: Captured<'_>,
        address: Address,
        links: &mut Links,
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        match captured.pdu.command() {
            AoeCommand::Ata | AoeCommand::Query => {}
            _ => return Err(DropReason::RequestBroadcastCommand),
        }
        let request = Request::parse(captured.pdu)?;
        if let Command::Ata(ata) = &request.command
            && ata.command() != AtaOpcode::Identify
        {
            return Err(DropReason::RequestBroadcastAta);
        }
        let here = |(segment, at, import): &(SegmentId, Address, ImportId)| {
            (*segment == captured.segment && at.matches(address)).then_some(*import)
        };
        let asked: Vec<ImportId> = self.presented.iter().filter_map(here).collect();
        for import in asked {
            if let Err(reason) = self.handle_one(import, captured, &request, links, cx) {
                cx.telemetry.drop(reason);
            }
        }
        Ok(())
    }

    /// A request to one import: judged, and shown to those who capture.
    fn handle_one(
        &mut self,
        id: ImportId,
        captured: Captured<'_>,
        request: &Request<'_>,
        links: &mut Links,
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let before = cx.out.frames.len();
        let outcome = self.judge_one(id, captured, request, links, cx);
        if cx.tap.is_some() {
            self.show_request(id, captured, outcome, before, cx);
        }
        outcome
            .map(|_| ())
            .inspect_err(|reason| self.note_refusal(id, captured, *reason, links, cx))
    }

    /// Refuses, answers or carries on; the number under which it was carried on.
    fn judge_one(
        &mut self,
        id: ImportId,
        captured: Captured<'_>,
        request: &Request<'_>,
        links: &mut Links,
        cx: &mut Context<'_>,
    ) -> Result<Option<u64>, DropReason> {
        let initiator = captured.initiator;
        let import = self.imports.get_mut(id);
        let import = import.ok_or(DropReason::RequestUnknownAddress)?;
        // A target that is away is no longer presented, but what is open goes on: the exit keeps requests for it.
        let remote = match request.command {
            Command::Ata(_) => import.usable(),
            Command::Query(_) | Command::Reserve(_) | Command::MacMask(_) | Command::Other => import.live(),
        };
        let remote = remote.ok_or(DropReason::RequestImportDown)?;
        let responder = Responder {
            segment: captured.segment,
            initiator,
            request,
            address: import.config.address,
        };
        match judge(&remote.rights, initiator, request) {
            Verdict::Admit => {}
            Verdict::Ignore(reason) => return Err(reason),
            Verdict::Refuse(reason) => return responder.refuse(reason, cx).map(|()| None),
        }
        let key = match &request.command {
            Command::Ata(ata) => {
                match import.obstacle(ata, captured.segment, cx) {
                    Some(Obstacle::Passing(reason)) => return Err(reason),
                    Some(Obstacle::Lasting(reason)) => return responder.refuse(reason, cx).map(|()| None),
                    None => {}
                }
                Key::of_ata(initiator, ata)
            }
            Command::Query(query) => {
                let (asked, string) = (query.string(), &remote.target.string);
                let answered_here = match query.command() {
                    QueryCommand::Read => true,
                    QueryCommand::Test if asked == string => true,
                    QueryCommand::Prefix if string.starts_with(asked) => true,
                    QueryCommand::Test | QueryCommand::Prefix => {
                        return Err(DropReason::RequestConfigMismatch);
                    }
                    QueryCommand::SetIfEmpty | QueryCommand::ForceSet | QueryCommand::Unknown(_) => false,
                };
                if answered_here {
                    return responder.answer_query(import, query.command(), cx).map(|()| None);
                }
                Key::of_query(initiator)
            }
            Command::Reserve(_) => Key::of(initiator, Asked::Reserve),
            Command::MacMask(_) => Key::of(initiator, Asked::MacMask),
            Command::Other => return Err(DropReason::RefusedAoeCommand),
        };
        let export = remote.export;
        if import.pauses.is_on() && !import.initiators.waits_for(key) {
            return Err(DropReason::RequestImportPaused);
        }
        let passage = Passage::new(captured.at, cx.now);
        let (number, novelty) = import.initiators.capture(key, request.pdu.tag(), passage);
        import.stats.sent(passage, novelty);
        let head = RequestHead {
            export,
            import: id,
            initiator,
            number,
            captured: wire_time(captured.at),
        };
        links.send(
            import.config.peer,
            Kind::Request,
            &head.emit(),
            request.bytes(),
            cx,
        )?;
        cx.telemetry.count(Count::RequestsToWire);
        Ok(Some(number))
    }
}

/// Why a command that is allowed cannot go on here.
enum Obstacle {
    /// It may be over soon: the initiator asks again.
    Passing(DropReason),
    /// The initiator is told no.
    Lasting(DropReason),
}

impl Import {
    /// What keeps an ATA command from going on. What does not fit the exit's segment or the target is the exit's affair;
    /// the answer has to fit here.
    fn obstacle(&self, ata: &Ata<'_>, segment: SegmentId, cx: &Context<'_>) -> Option<Obstacle> {
        let brings = Asked::of_ata(ata).brings();
        let answer = ata::PDU_LEN + ata::sectors_len(brings);
        if brings > 0 && !cx.segment(segment).carries(answer) {
            return Some(match self.has_settled(cx.now) {
                true => Obstacle::Lasting(DropReason::RefusedTooManySectors),
                false => Obstacle::Passing(DropReason::FrameTooBigForSegment),
            });
        }
        let stopped = ata.command().is_write() && self.stops_writes();
        stopped.then_some(Obstacle::Lasting(DropReason::RefusedConflict))
    }
}

/// A moment as the wire carries it: microseconds modulo 2^32.
#[allow(clippy::cast_possible_truncation, reason = "modulo 2^32")]
fn wire_time(at: Instant) -> u32 {
    at.as_micros() as u32
}
