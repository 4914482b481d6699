//! The gateway next to the initiator: a target in its own right.
//!
//! Config queries for live imports are answered here, from what the exit told; ATA requests are numbered and
//! carried to the exit; replies are addressed to the initiator that asked. What may not pass is refused at once.

mod import;
mod ledger;
mod presence;

use std::time::Duration;

use crate::config::{ImportConfig, ImportId, PeerId, SegmentId};
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::frame::aoe::{self, AoeCommand, AoeError, Flags, Pdu};
use crate::frame::query::{self, Query, QueryCommand, QueryHeader};
use crate::frame::{Address, Ata, AtaOpcode, HEADER_LEN, Header, MacAddr, Tag, ata};
use crate::policy::{Verdict, judge_ata, judge_query};
use crate::segment::{self, SegmentState};
use crate::telemetry::Count;
use crate::time::Instant;
use crate::tunnel::links::{Io, Links};
use crate::tunnel::message::{Kind, ReplyHead, RequestHead};
use crate::tunnel::update::{ExportState, TargetState};
use import::Import;
use ledger::Key;

/// The smallest buffer count to advertise: below it the Linux driver never sends a command (`aoecmd.c`, window
/// = buffer count / 2).
const MIN_BUFFER_COUNT: u16 = 2;
/// The tag of our questions who else is at an address: bit 31 is never set by a Linux kernel initiator.
const PROBE_TAG: Tag = Tag(0xc000_ffff);
/// A target that says 0 sectors means 2 (`aoecmd_cfg_rsp`).
const DEFAULT_SECTORS: u8 = 2;

/// All imports.
#[derive(Debug)]
pub(crate) struct Edge {
    imports: Vec<Import>,
    /// Segment and address of every import, sorted: who presents what.
    presented: Vec<(SegmentId, Address, ImportId)>,
    wake: Instant,
}

/// A request captured on a segment.
#[derive(Clone, Copy)]
pub(crate) struct Captured<'a> {
    pub(crate) segment: SegmentId,
    pub(crate) initiator: MacAddr,
    pub(crate) pdu: Pdu<'a>,
}

impl Edge {
    pub(crate) fn new(imports: Vec<ImportConfig>, max_age: Duration) -> Edge {
        let place =
            |(import, config): (u16, &ImportConfig)| (config.segment, config.address, ImportId(import));
        let mut presented: Vec<_> = (0..).zip(&imports).map(place).collect();
        presented.sort_unstable();
        Edge {
            imports: imports
                .into_iter()
                .map(|config| Import::new(config, max_age))
                .collect(),
            presented,
            wake: Instant::NEVER,
        }
    }

    /// The next moment at which [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(crate) fn deadline(&self) -> Instant {
        self.wake
    }

    /// Asks segments who else is there, and presents what nobody else does.
    pub(crate) fn handle_timeout(&mut self, segments: &[SegmentState], links: &Links, io: &mut Io<'_>) {
        if io.now < self.wake {
            return;
        }
        let mut peers = Vec::new();
        for import in &mut self.imports {
            let state = state_of(segments, import.config.segment);
            if import.presence.is_gone(io.now) {
                io.telemetry.event(Event::ForeignGone {
                    address: import.config.address,
                });
            }
            if import.presence.asks(io.now) {
                ask(&import.config, state, io);
            }
            peers.push(import.config.peer);
        }
        peers.sort_unstable();
        peers.dedup();
        for peer in peers {
            self.present(peer, segments, links, io);
        }
        self.wake = self.next_wake(io.now);
    }

    /// A station on the segment of an import answers for its address.
    pub(crate) fn handle_foreign(&mut self, id: ImportId, mac: MacAddr, io: &mut Io<'_>) {
        let Some(import) = self.imports.get_mut(usize::from(id.0)) else {
            return;
        };
        let (tell, new) = import.presence.heard(io.now);
        if new {
            io.telemetry.count(Count::Conflicts);
        }
        if tell {
            io.telemetry.event(Event::ForeignResponder {
                address: import.config.address,
                mac,
                on_conflict: import.config.on_conflict,
            });
        }
        self.wake = self.next_wake(io.now);
    }

    fn next_wake(&self, now: Instant) -> Instant {
        let deadlines = self.imports.iter().map(|import| import.presence.deadline(now));
        deadlines.min().unwrap_or(Instant::NEVER)
    }

    /// A request from an initiator: find the import, judge, answer or carry on.
    pub(crate) fn handle_request(
        &mut self,
        captured: Captured<'_>,
        segments: &[SegmentState],
        links: &mut Links,
        io: &mut Io<'_>,
    ) -> Result<(), DropReason> {
        let address = captured.pdu.address();
        if !address.is_broadcast() {
            let import = self
                .find(captured.segment, address)
                .ok_or(DropReason::RequestUnknownAddress)?;
            return self.handle_one(import, captured, segments, links, io);
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
            if let Err(reason) = self.handle_one(import, captured, segments, links, io) {
                io.telemetry.drop(reason);
            }
        }
        Ok(())
    }

    fn handle_one(
        &mut self,
        id: ImportId,
        captured: Captured<'_>,
        segments: &[SegmentState],
        links: &mut Links,
        io: &mut Io<'_>,
    ) -> Result<(), DropReason> {
        let Captured {
            segment,
            initiator,
            pdu,
        } = captured;
        let import = self
            .imports
            .get_mut(usize::from(id.0))
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
        let state = state_of(segments, segment);
        let asked = Asked {
            place: (segment, state),
            initiator,
            pdu,
            address: import.config.address,
        };
        let (pdu_len, key) = match pdu.command() {
            AoeCommand::Ata => {
                let ata = Ata::parse(pdu.argument())?;
                let len = ata::request_len(&ata)?;
                if let Verdict::Refuse(reason) = judge_ata(&remote.rights, &ata, sectors(remote, state)) {
                    return asked.refuse_ata(&ata, reason, io);
                }
                if ata.command().is_write() && import.stops_writes() {
                    return asked.refuse_ata(&ata, DropReason::RefusedConflict, io);
                }
                (len, Key::of_ata(&ata))
            }
            AoeCommand::Query => {
                let query = Query::parse(pdu.argument())?;
                match query.command() {
                    QueryCommand::Read => return asked.answer_query(import, io),
                    QueryCommand::Test if query.string() == remote.target.string => {
                        return asked.answer_query(import, io);
                    }
                    QueryCommand::Prefix if remote.target.string.starts_with(query.string()) => {
                        return asked.answer_query(import, io);
                    }
                    QueryCommand::Test | QueryCommand::Prefix => {
                        return Err(DropReason::RequestConfigMismatch);
                    }
                    command => {
                        if let Verdict::Refuse(reason) = judge_query(&remote.rights, command) {
                            return asked.answer_error(AoeError::BadArgument, reason, io);
                        }
                        (query.pdu_len(), Key::OF_QUERIES)
                    }
                }
            }
            _ => return asked.answer_error(AoeError::BadCommand, DropReason::RefusedAoeCommand, io),
        };
        let export = remote.export;
        let number = import.capture(initiator, key, pdu.tag(), io.now);
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the wire carries microseconds modulo 2^32"
        )]
        let captured_at = io.now.as_micros() as u32;
        let head = RequestHead {
            export,
            import: id,
            initiator,
            number,
            captured: captured_at,
        }
        .emit();
        let body = pdu.bytes().get(..pdu_len).ok_or(DropReason::FrameTooShort)?;
        links.send(import.config.peer, Kind::Request, &head, body, io)?;
        io.telemetry.count(Count::RequestsToWire);
        Ok(())
    }

    /// A reply from an exit: address it to its initiator, as coming from us.
    pub(crate) fn handle_reply(
        &mut self,
        peer: PeerId,
        message: &[u8],
        segments: &[SegmentState],
        io: &mut Io<'_>,
    ) -> Result<(), DropReason> {
        let (head, bytes) = ReplyHead::parse(message).ok_or(DropReason::MessageMalformed)?;
        let import = self
            .imports
            .get_mut(usize::from(head.import.0))
            .filter(|import| import.config.peer == peer)
            .ok_or(DropReason::ReplyUnknown)?;
        let pdu = Pdu::parse(bytes)?;
        if !pdu.is_response() {
            return Err(DropReason::MessageMalformed);
        }
        match import.answer(head.initiator, head.number, io.now) {
            ledger::Verdict::Deliver => {}
            ledger::Verdict::Unknown => return Err(DropReason::ReplyUnknown),
            ledger::Verdict::Late => return Err(DropReason::ReplyLate),
        }
        let import = &*import;
        let remote = import.remote.as_ref().ok_or(DropReason::ReplyUnknown)?;
        let segment = import.config.segment;
        let place = (segment, state_of(segments, segment));
        let query = match pdu.command() {
            AoeCommand::Query if !pdu.is_error() => Some(Query::parse(pdu.argument())?),
            _ => None,
        };
        let flags = if pdu.is_error() {
            Flags::ERROR_RESPONSE
        } else {
            Flags::RESPONSE
        };
        segment::emit(
            place,
            head.initiator,
            bytes.len(),
            io.out,
            io.telemetry,
            |frame| {
                let start = frame.len();
                frame.extend_from_slice(bytes);
                let pdu = frame.get_mut(start..).unwrap_or_default();
                aoe::set_flags(pdu, aoe::VERSION, flags);
                aoe::set_address(pdu, import.config.address);
                if let (Some(query), Some(argument)) = (query, pdu.get_mut(HEADER_LEN..)) {
                    advertised(import, remote, place.1, query.command()).emit(query.string(), argument);
                }
            },
        )?;
        io.telemetry.count(Count::RepliesToInitiator);
        Ok(())
    }

    /// What an exit says about its exports.
    pub(crate) fn handle_update(
        &mut self,
        peer: PeerId,
        entries: Vec<ExportState>,
        segments: &[SegmentState],
        links: &Links,
        io: &mut Io<'_>,
    ) {
        for entry in entries {
            let wanted =
                |import: &&mut Import| import.config.peer == peer && import.config.export == entry.name;
            for import in self.imports.iter_mut().filter(wanted) {
                if import.learn(entry.clone()) {
                    io.telemetry.event(Event::ImportChanged {
                        peer: links.name(peer),
                        export: entry.name.clone(),
                        address: import.config.address,
                    });
                }
            }
        }
        self.present(peer, segments, links, io);
    }

    /// The peer process is another one: what the old one told us is void.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        for import in self
            .imports
            .iter_mut()
            .filter(|import| import.config.peer == peer)
        {
            import.remote = None;
        }
    }

    /// Lets initiators know which imports of `peer` came alive or changed, and goes silent about those that went.
    pub(crate) fn present(
        &mut self,
        peer: PeerId,
        segments: &[SegmentState],
        links: &Links,
        io: &mut Io<'_>,
    ) {
        for import in self
            .imports
            .iter_mut()
            .filter(|import| import.config.peer == peer)
        {
            let state = state_of(segments, import.config.segment);
            let live = import
                .remote
                .as_ref()
                .is_some_and(|remote| remote.state == TargetState::Live);
            let usable = live && links.is_up(peer, io.now) && state != SegmentState::Down;
            if !usable {
                import.presence.end();
            } else if import.presence.begin(io.now) {
                ask(&import.config, state, io);
            }
            // What is presented stays so: initiators that know it would not forget it.
            let free = import.told.is_some() || import.presence.is_free(import.config.on_conflict, io.now);
            let remote = import.remote.as_ref().filter(|_| usable && free);
            let tell = remote.map(|remote| advertised(import, remote, state, QueryCommand::Read));
            let told = std::mem::replace(&mut import.told, tell);
            let config = &import.config;
            let (peer, export, address) = (links.name(peer), config.export.clone(), config.address);
            match (told, tell) {
                (None, Some(_)) => {
                    io.telemetry.event(Event::ImportUp {
                        peer,
                        export,
                        address,
                    });
                    advertise(import, state, io);
                }
                (Some(old), Some(new)) if old != new => advertise(import, state, io),
                (Some(_), None) => io.telemetry.event(Event::ImportDown {
                    peer,
                    export,
                    address,
                }),
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
        self.wake = self.next_wake(io.now);
    }

    /// The import that presents this address here.
    pub(crate) fn find(&self, segment: SegmentId, address: Address) -> Option<ImportId> {
        let order = |(s, a, _): &(SegmentId, Address, ImportId)| (*s, *a).cmp(&(segment, address));
        let at = self.presented.binary_search_by(order).ok()?;
        self.presented.get(at).map(|(_, _, import)| *import)
    }

    /// Peers that any import on this segment belongs to.
    pub(crate) fn peers_on(&self, segment: SegmentId) -> Vec<PeerId> {
        let on = self
            .imports
            .iter()
            .filter(|import| import.config.segment == segment);
        let mut peers: Vec<_> = on.map(|import| import.config.peer).collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    }
}

/// A request to one import, and where its answer goes.
struct Asked<'a> {
    place: (SegmentId, SegmentState),
    initiator: MacAddr,
    pdu: Pdu<'a>,
    address: Address,
}

impl Asked<'_> {
    /// Refuses an ATA command the way a read-only vblade does: the initiator sees an I/O error at once and keeps
    /// the device.
    fn refuse_ata(&self, ata: &Ata<'_>, reason: DropReason, io: &mut Io<'_>) -> Result<(), DropReason> {
        self.answer(ata::PDU_LEN, io, |frame| {
            let start = frame.len();
            ata::emit_refusal(&self.pdu, ata, frame);
            aoe::set_address(frame.get_mut(start..).unwrap_or_default(), self.address);
        })?;
        io.telemetry.count(Count::Refusals);
        Err(reason)
    }

    /// Refuses by an AoE error; not for ATA commands.
    fn answer_error(&self, error: AoeError, reason: DropReason, io: &mut Io<'_>) -> Result<(), DropReason> {
        let header = Header {
            address: self.address,
            ..self.pdu.header().error_response(error)
        };
        self.answer(HEADER_LEN, io, |frame| {
            frame.extend_from_slice(&header.to_bytes())
        })?;
        io.telemetry.count(Count::Refusals);
        Err(reason)
    }

    fn answer_query(&self, import: &Import, io: &mut Io<'_>) -> Result<(), DropReason> {
        let Some(remote) = import.live() else {
            return Err(DropReason::RequestImportDown);
        };
        let command = Query::parse(self.pdu.argument())?.command();
        let header = Header {
            address: self.address,
            ..self.pdu.header().response()
        };
        let argument = advertised(import, remote, self.place.1, command);
        self.answer(
            HEADER_LEN + query::ARGUMENT_LEN + remote.target.string.len(),
            io,
            |frame| {
                emit_query(frame, header, argument, &remote.target.string);
            },
        )?;
        io.telemetry.count(Count::QueriesAnswered);
        Ok(())
    }

    fn answer(
        &self,
        len: usize,
        io: &mut Io<'_>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), DropReason> {
        segment::emit(self.place, self.initiator, len, io.out, io.telemetry, write)
    }
}

/// Asks a segment who is at the address of an import.
fn ask(config: &ImportConfig, state: SegmentState, io: &mut Io<'_>) {
    segment::ask_config(
        (config.segment, state),
        config.address,
        PROBE_TAG,
        io.out,
        io.telemetry,
    );
}

/// The unsolicited Config response with which a target says that it is there.
fn advertise(import: &Import, state: SegmentState, io: &mut Io<'_>) {
    let Some(remote) = import.live() else { return };
    let header = Header {
        version: aoe::VERSION,
        flags: Flags::RESPONSE,
        error: 0,
        address: import.config.address,
        command: AoeCommand::Query,
        tag: Tag(0),
    };
    let argument = advertised(import, remote, state, QueryCommand::Read);
    let string = &remote.target.string;
    let len = HEADER_LEN + query::ARGUMENT_LEN + string.len();
    // To those who may use it; to everybody only where everybody may.
    let listed = remote
        .rights
        .initiators
        .as_deref()
        .unwrap_or(&[MacAddr::BROADCAST]);
    for destination in listed {
        let place = (import.config.segment, state);
        let sent = segment::emit(place, *destination, len, io.out, io.telemetry, |frame| {
            emit_query(frame, header, argument, string);
        });
        if let Err(reason) = sent {
            io.telemetry.drop(reason);
        }
    }
}

/// What initiators are told: our window, and no more sectors than the whole way carries.
fn advertised(
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

fn sectors(remote: &ExportState, state: SegmentState) -> u8 {
    let told = if remote.target.sectors == 0 {
        DEFAULT_SECTORS
    } else {
        remote.target.sectors
    };
    told.min(state.max_sectors())
}

fn emit_query(frame: &mut Vec<u8>, header: Header, argument: QueryHeader, string: &[u8]) {
    frame.extend_from_slice(&header.to_bytes());
    frame.extend_from_slice(&argument.to_bytes(u16::try_from(string.len()).unwrap_or(0)));
    frame.extend_from_slice(string);
}

fn state_of(segments: &[SegmentState], segment: SegmentId) -> SegmentState {
    segments.get(usize::from(segment.0)).copied().unwrap_or_default()
}
