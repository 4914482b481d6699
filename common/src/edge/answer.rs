//! What the edge answers by itself: refusals, and Config queries from what the exit told it.

use super::import::Import;
use crate::config::SegmentId;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::export::ExportState;
use crate::frame::aoe::{self, AoeError};
use crate::frame::query::{self, QueryCommand, QueryHeader};
use crate::frame::{Address, Ata, HEADER_LEN, Header, MacAddr, ata};
use crate::request::{Command, Request};
use crate::segment::SegmentState;
use crate::telemetry::Count;

/// The smallest buffer count to advertise: below it the Linux driver never sends a command (`aoecmd.c`, window
/// = buffer count / 2).
const MIN_BUFFER_COUNT: u16 = 2;

/// Answers a request to one import.
pub(super) struct Responder<'a> {
    pub(super) segment: SegmentId,
    pub(super) initiator: MacAddr,
    pub(super) request: &'a Request<'a>,
    /// Of the import.
    pub(super) address: Address,
}

impl Responder<'_> {
    /// Says no. The reason comes back as the error.
    pub(super) fn refuse(&self, reason: DropReason, cx: &mut Context<'_>) -> Result<(), DropReason> {
        match &self.request.command {
            Command::Ata(ata) => self.refuse_ata(ata, reason, cx),
            Command::Query(_) => self.answer_error(AoeError::BadArgument, reason, cx),
            Command::Reserve(_) | Command::MacMask(_) | Command::Other => {
                self.answer_error(AoeError::BadCommand, reason, cx)
            }
        }
    }

    /// Refuses an ATA command the way a read-only vblade does: the initiator sees an I/O error at once and keeps
    /// the device.
    fn refuse_ata(&self, ata: &Ata<'_>, reason: DropReason, cx: &mut Context<'_>) -> Result<(), DropReason> {
        self.answer(ata::PDU_LEN, cx, |frame| {
            let start = frame.len();
            ata::emit_refusal(&self.request.pdu, ata, frame);
            aoe::set_address(frame.get_mut(start..).unwrap_or_default(), self.address);
        })?;
        cx.telemetry.count(Count::Refusals);
        Err(reason)
    }

    /// Refuses by an AoE error; not for ATA commands.
    fn answer_error(
        &self,
        error: AoeError,
        reason: DropReason,
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let header = Header {
            address: self.address,
            ..self.request.pdu.header().error_response(error)
        };
        self.answer(HEADER_LEN, cx, |frame| {
            frame.extend_from_slice(&header.to_bytes())
        })?;
        cx.telemetry.count(Count::Refusals);
        Err(reason)
    }

    /// Answers as the target would.
    pub(super) fn answer_query(
        &self,
        import: &Import,
        command: QueryCommand,
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let Some(remote) = import.live() else {
            return Err(DropReason::RequestImportDown);
        };
        let header = Header {
            address: self.address,
            ..self.request.pdu.header().response()
        };
        let argument = advertised(import, remote, cx.segment(self.segment), command);
        self.answer(
            HEADER_LEN + query::ARGUMENT_LEN + remote.target.string.len(),
            cx,
            |frame| {
                emit_query(frame, header, argument, &remote.target.string);
            },
        )?;
        cx.telemetry.count(Count::QueriesAnswered);
        Ok(())
    }

    fn answer(
        &self,
        len: usize,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), DropReason> {
        cx.emit(self.segment, self.initiator, len, write)
    }
}

/// What initiators are told: our window, and no more sectors than the whole way carries.
pub(super) fn advertised(
    import: &Import,
    remote: &ExportState,
    state: SegmentState,
    command: QueryCommand,
) -> QueryHeader {
    QueryHeader {
        buffer_count: import.config.window.max(MIN_BUFFER_COUNT),
        firmware: remote.target.firmware,
        sectors: sectors(remote, state),
        version: aoe::VERSION,
        command,
    }
}

/// Sectors that one frame can carry on the whole way.
pub(super) fn sectors(remote: &ExportState, state: SegmentState) -> u8 {
    remote.target.max_sectors().min(state.max_sectors())
}

/// Writes a Config response.
pub(super) fn emit_query(frame: &mut Vec<u8>, header: Header, argument: QueryHeader, string: &[u8]) {
    frame.extend_from_slice(&header.to_bytes());
    frame.extend_from_slice(&argument.to_bytes(u16::try_from(string.len()).unwrap_or(0)));
    frame.extend_from_slice(string);
}
