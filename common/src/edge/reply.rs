//! A reply from an exit, on its way to the initiator.

use super::Edge;
use super::answer::advertised;
use super::ledger::Withheld;
use super::tapping::show_answer;
use crate::config::PeerId;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::frame::aoe::{self, AoeCommand, Flags, Pdu};
use crate::frame::{HEADER_LEN, Query};
use crate::telemetry::Count;
use crate::tunnel::message::ReplyHead;

impl Edge {
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
        let done = import
            .initiators
            .answer(head.initiator, head.number, &pdu, cx.now)?;
        import.stats.done(&done, head.stay);
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
        if cx.tap.is_some() {
            show_answer(import, &head, &done, cx);
        }
        cx.telemetry.count(Count::RepliesToInitiator);
        Ok(())
    }
}

impl From<Withheld> for DropReason {
    fn from(withheld: Withheld) -> DropReason {
        match withheld {
            Withheld::Unknown => DropReason::ReplyUnknown,
            Withheld::Unfit => DropReason::ReplyMismatch,
            Withheld::Late => DropReason::ReplyLate,
        }
    }
}
