//! The gateway next to the initiator: a target in its own right.
//!
//! Config queries for live imports are answered here, from what the exit told; ATA requests are numbered and
//! carried to the exit; replies are addressed to the initiator that asked. What may not pass is refused at once.
//!
//! - this file: a request to the exit, and its reply
//! - `answer`: what the edge says by itself
//! - `presenting`: when it says that an import is there; `inquiry`: what peers are asked for that
//! - `change`: imports that come, change and go; `look`: how they are
//! - `report`: what is logged of that
//! - `refusals`: what is logged of requests that it refused, and told to the exit
//!
//! What they work with: `import`, with its `initiators` and a `ledger` for each; `key`, what a request asked; `presence`,
//! who else is at its address.

mod answer;
mod change;
mod import;
mod initiators;
mod inquiry;
mod key;
mod ledger;
mod look;
mod presence;
mod presenting;
mod refusals;
mod report;

use std::time::Duration;

use crate::config::{ImportConfig, ImportId, PeerId, SegmentId};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::frame::aoe::{self, AoeCommand, AoeError, Flags, Pdu};
use crate::frame::query::{Query, QueryCommand};
use crate::frame::{Address, Ata, AtaOpcode, HEADER_LEN, MacAddr, ata};
use crate::policy::{Verdict, judge_ata, judge_query};
use crate::table::Table;
use crate::telemetry::Count;
use crate::time::Instant;
use crate::tunnel::links::Links;
use crate::tunnel::message::{Kind, ReplyHead, RequestHead};
use answer::{Asked, advertised};
use import::Import;
use inquiry::Inquiry;
use key::Key;
use refusals::Refusals;

/// All imports.
#[derive(Debug)]
pub(crate) struct Edge {
    imports: Table<ImportId, Import>,
    /// Segment and address of every import, sorted: who presents what.
    presented: Vec<(SegmentId, Address, ImportId)>,
    /// A request that is older when it gets here is not carried on.
    max_age: Duration,
    refusals: Refusals,
    /// Workers that share the imports of the gateway.
    workers: u8,
}

/// A request captured on a segment.
#[derive(Clone, Copy)]
pub(crate) struct Captured<'a> {
    pub(crate) segment: SegmentId,
    /// When it came to this machine.
    pub(crate) at: Instant,
    pub(crate) initiator: MacAddr,
    pub(crate) pdu: Pdu<'a>,
}

impl Edge {
    pub(crate) fn new(imports: Table<ImportId, ImportConfig>, max_age: Duration, workers: u8) -> Edge {
        let place = |(import, config): (ImportId, &ImportConfig)| (config.segment, config.address, import);
        let mut presented: Vec<_> = imports.iter().map(place).collect();
        presented.sort_unstable();
        Edge {
            imports: imports.map(|_, config| Import::new(config.clone(), max_age, Inquiry::from_the_start())),
            presented,
            max_age,
            refusals: Refusals::default(),
            workers,
        }
    }

    /// A request that is older is not carried on.
    pub(crate) fn max_age(&self) -> Duration {
        self.max_age
    }

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
        if !address.is_broadcast() {
            let import = self
                .find(captured.segment, address)
                .ok_or(DropReason::RequestUnknownAddress)?;
            let outcome = self.handle_one(import, captured, links, cx);
            return outcome.inspect_err(|reason| self.note_refusal(import, captured, *reason, links, cx));
        }
        match captured.pdu.command() {
            AoeCommand::Query => {}
            AoeCommand::Ata => {
                let ata = Ata::parse(captured.pdu.argument())?;
                if ata.command() != AtaOpcode::Identify {
                    return Err(DropReason::RequestBroadcastAta);
                }
            }
            _ => return Err(DropReason::RequestBroadcastCommand),
        }
        let here = |(segment, at, import): &(SegmentId, Address, ImportId)| {
            (*segment == captured.segment && at.matches(address)).then_some(*import)
        };
        let asked: Vec<ImportId> = self.presented.iter().filter_map(here).collect();
        for import in asked {
            if let Err(reason) = self.handle_one(import, captured, links, cx) {
                self.note_refusal(import, captured, reason, links, cx);
                cx.telemetry.drop(reason);
            }
        }
        Ok(())
    }

    fn handle_one(
        &mut self,
        id: ImportId,
        captured: Captured<'_>,
        links: &mut Links,
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let Captured {
            segment,
            at,
            initiator,
            pdu,
        } = captured;
        let import = self
            .imports
            .get_mut(id)
            .ok_or(DropReason::RequestUnknownAddress)?;
        // A target that is away is no longer presented, but what is open goes on: the exit keeps requests for it.
        let remote = match pdu.command() {
            AoeCommand::Ata => import.usable(),
            _ => import.live(),
        };
        let remote = remote.ok_or(DropReason::RequestImportDown)?;
        if !remote.rights.covers(initiator) {
            return Err(DropReason::RequestInitiatorNotAllowed);
        }
        let state = cx.segment(segment);
        let asked = Asked {
            segment,
            initiator,
            pdu,
            address: import.config.address,
        };
        let (pdu_len, key) = match pdu.command() {
            AoeCommand::Ata => {
                let ata = Ata::parse(pdu.argument())?;
                let len = ata::request_len(&ata)?;
                if let Verdict::Refuse(reason) = judge_ata(&remote.rights, &ata) {
                    return asked.refuse_ata(&ata, reason, cx);
                }
                // What does not fit the exit's segment or the target is the exit's affair; the answer has to fit here.
                if ata.command().is_read() && !state.carries(ata::PDU_LEN + ata::sectors_len(ata.sectors())) {
                    if import.has_settled(cx.now) {
                        return asked.refuse_ata(&ata, DropReason::RefusedTooManySectors, cx);
                    }
                    return Err(DropReason::FrameTooBigForSegment);
                }
                if ata.command().is_write() && import.stops_writes() {
                    return asked.refuse_ata(&ata, DropReason::RefusedConflict, cx);
                }
                (len, Key::of_ata(initiator, &ata))
            }
            AoeCommand::Query => {
                let query = Query::parse(pdu.argument())?;
                match query.command() {
                    QueryCommand::Read => return asked.answer_query(import, cx),
                    QueryCommand::Test if query.string() == remote.target.string => {
                        return asked.answer_query(import, cx);
                    }
                    QueryCommand::Prefix if remote.target.string.starts_with(query.string()) => {
                        return asked.answer_query(import, cx);
                    }
                    QueryCommand::Test | QueryCommand::Prefix => {
                        return Err(DropReason::RequestConfigMismatch);
                    }
                    command => {
                        if let Verdict::Refuse(reason) = judge_query(&remote.rights, command) {
                            return asked.answer_error(AoeError::BadArgument, reason, cx);
                        }
                        (query.pdu_len(), Key::of_query(initiator))
                    }
                }
            }
            _ => return asked.answer_error(AoeError::BadCommand, DropReason::RefusedAoeCommand, cx),
        };
        let export = remote.export;
        let number = import.initiators.capture(key, pdu.tag(), cx.now);
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the wire carries microseconds modulo 2^32"
        )]
        let captured_at = at.as_micros() as u32;
        let head = RequestHead {
            export,
            import: id,
            initiator,
            number,
            captured: captured_at,
        }
        .emit();
        let body = pdu.bytes().get(..pdu_len).ok_or(DropReason::FrameTooShort)?;
        links.send(import.config.peer, Kind::Request, &head, body, cx)?;
        cx.telemetry.count(Count::RequestsToWire);
        Ok(())
    }

    /// A reply from an exit: address it to its initiator, as coming from us.
    pub(crate) fn handle_reply(
        &mut self,
        peer: PeerId,
        message: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let (head, bytes) = ReplyHead::parse(message).ok_or(DropReason::MessageMalformed)?;
        let import = self
            .imports
            .get_mut(head.import)
            .filter(|import| import.config.peer == peer)
            .ok_or(DropReason::ReplyUnknown)?;
        let pdu = Pdu::parse(bytes)?;
        if !pdu.is_response() {
            return Err(DropReason::MessageMalformed);
        }
        match import
            .initiators
            .answer(head.initiator, head.number, &pdu, cx.now)
        {
            ledger::Verdict::Deliver => {}
            ledger::Verdict::Unknown => return Err(DropReason::ReplyUnknown),
            ledger::Verdict::Unfit => return Err(DropReason::ReplyMismatch),
            ledger::Verdict::Late => return Err(DropReason::ReplyLate),
        }
        let import = &*import;
        let remote = import.remote.as_ref().ok_or(DropReason::ReplyUnknown)?;
        let segment = import.config.segment;
        let state = cx.segment(segment);
        let query = match pdu.command() {
            AoeCommand::Query if !pdu.is_error() => Some(Query::parse(pdu.argument())?),
            _ => None,
        };
        let flags = if pdu.is_error() {
            Flags::ERROR_RESPONSE
        } else {
            Flags::RESPONSE
        };
        cx.emit(segment, head.initiator, bytes.len(), |frame| {
            let start = frame.len();
            frame.extend_from_slice(bytes);
            let pdu = frame.get_mut(start..).unwrap_or_default();
            aoe::set_flags(pdu, aoe::VERSION, flags);
            aoe::set_address(pdu, import.config.address);
            if let (Some(query), Some(argument)) = (query, pdu.get_mut(HEADER_LEN..)) {
                advertised(import, remote, state, query.command()).emit(query.string(), argument);
            }
        })?;
        cx.telemetry.count(Count::RepliesToInitiator);
        Ok(())
    }

    /// The import that presents this address here.
    pub(crate) fn find(&self, segment: SegmentId, address: Address) -> Option<ImportId> {
        let order = |(s, a, _): &(SegmentId, Address, ImportId)| (*s, *a).cmp(&(segment, address));
        let at = self.presented.binary_search_by(order).ok()?;
        self.presented.get(at).map(|(_, _, import)| *import)
    }
}
