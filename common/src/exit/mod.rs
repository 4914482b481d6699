//! The gateway next to the target: an initiator in its own right.
//!
//! Requests are judged, given a tag of our own and sent to the target, never more at a time than it has buffers
//! for; the rest waits. Replies are matched by that tag and go back with the initiator's own. Targets are asked
//! by ourselves whether they live, and peers are told.

mod export;
mod pending;
mod queue;
mod target;

use std::time::Duration;

use crate::config::{ExportConfig, ExportId, PeerId, SegmentId};
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::frame::aoe::{self, AoeCommand, Flags, Pdu};
use crate::frame::query::{self, Query, QueryCommand, QueryHeader};
use crate::frame::{Ata, HEADER_LEN, Header, MacAddr, Tag, ata};
use crate::policy::{Verdict, judge_ata, judge_query};
use crate::segment::{self, SegmentState};
use crate::telemetry::Count;
use crate::time::Instant;
use crate::tunnel::links::{Io, Links};
use crate::tunnel::message::{Kind, REPLY_HEAD_LEN, ReplyHead, RequestHead};
use crate::tunnel::update::TargetInfo;
use export::Export;
use pending::{Asked, Buffer, Origin, Pending, PendingTable};
use queue::Waiting;
use target::{Heard, Liveness};

/// Tags of our own Config queries: bits that no request has, and the export.
const WATCH_TAG: u32 = 0xc000_0000;
/// How often pending and waiting requests are looked through.
const SWEEP_EVERY: Duration = Duration::from_millis(250);
/// Entries of one update stay below this many bytes, if they can.
const UPDATE_LEN: usize = 4096;
/// A second responder is told of at most this often.
const IMPOSTER_EVENT_EVERY: Duration = Duration::from_secs(60);
/// What a target says anew is told of at most this often: its segment is not authenticated.
const CHANGE_EVENT_EVERY: Duration = Duration::from_secs(1);

/// All exports.
#[derive(Debug)]
pub(crate) struct Exit {
    exports: Vec<Export>,
    pending: PendingTable,
    /// Whether some peer has to be told something.
    news: bool,
    sweep_at: Instant,
    wake: Instant,
}

/// A response captured on a segment.
#[derive(Clone, Copy)]
pub(crate) struct Response<'a> {
    pub(crate) segment: SegmentId,
    pub(crate) source: MacAddr,
    pub(crate) pdu: Pdu<'a>,
}

impl Exit {
    pub(crate) fn new(exports: Vec<ExportConfig>, now: Instant) -> Exit {
        let export = |(id, config)| Export::new(ExportId(id), config, now);
        Exit {
            exports: (0..).zip(exports).map(export).collect(),
            pending: PendingTable::default(),
            news: false,
            sweep_at: Instant::NEVER,
            wake: now,
        }
    }

    /// A request from an edge: judge, rewrite, send or queue.
    pub(crate) fn handle_request(
        &mut self,
        peer: PeerId,
        message: &[u8],
        segments: &[SegmentState],
        links: &mut Links,
        io: &mut Io<'_>,
    ) -> Result<(), DropReason> {
        let (head, bytes) = RequestHead::parse(message).ok_or(DropReason::MessageMalformed)?;
        let export = self
            .exports
            .get_mut(usize::from(head.export.0))
            .ok_or(DropReason::ExportNotAllowed)?;
        let rights = export.rights(peer).filter(|rights| rights.covers(head.initiator));
        let rights = rights.ok_or(DropReason::ExportNotAllowed)?;
        let pdu = Pdu::parse(bytes)?;
        if pdu.is_response() {
            return Err(DropReason::MessageMalformed);
        }
        let state = state_of(segments, export.segment);
        let RequestHead {
            import,
            initiator,
            number,
            ..
        } = head;
        let origin = Origin {
            peer,
            import,
            initiator,
            number,
            tag: pdu.tag(),
        };
        // Before any verdict: through a segment that is down no sector fits, which is no reason to refuse for good.
        if export.target.mac().is_none() || state == SegmentState::Down {
            return Err(DropReason::TargetDown);
        }
        let (asked, len) = match pdu.command() {
            AoeCommand::Ata => {
                let ata = Ata::parse(pdu.argument())?;
                if let Verdict::Refuse(reason) = judge_ata(rights, &ata, export.max_sectors(state)) {
                    return refuse_ata(origin, &pdu, &ata, reason, links, io);
                }
                (
                    Asked::Ata {
                        opcode: ata.command(),
                        sectors: ata.sectors(),
                    },
                    ata::request_len(&ata)?,
                )
            }
            AoeCommand::Query => {
                let query = Query::parse(pdu.argument())?;
                if let Verdict::Refuse(reason) = judge_query(rights, query.command()) {
                    return Err(reason);
                }
                (Asked::Query, query.pdu_len())
            }
            _ => return Err(DropReason::RefusedAoeCommand),
        };
        let pdu = bytes.get(..len).ok_or(DropReason::MessageMalformed)?;
        self.arm(io.now + SWEEP_EVERY);
        let export = self
            .exports
            .get_mut(usize::from(head.export.0))
            .ok_or(DropReason::ExportNotAllowed)?;
        if export.has_room() && export.queue.is_empty() {
            return send_to_target(export, &mut self.pending, origin, asked, pdu, state, io);
        }
        io.telemetry.count(Count::RequestsQueued);
        let waiting = Waiting {
            origin,
            asked,
            pdu: pdu.to_vec(),
            since: io.now,
        };
        if export.queue.push(waiting) {
            Ok(())
        } else {
            Err(DropReason::QueueFull)
        }
    }

    /// A response on a segment: about a target's state, or to a request of ours.
    pub(crate) fn handle_response(
        &mut self,
        response: Response<'_>,
        segments: &[SegmentState],
        links: &mut Links,
        io: &mut Io<'_>,
    ) -> Result<(), DropReason> {
        let Response { segment, source, pdu } = response;
        if pdu.command() == AoeCommand::Query && !pdu.is_error() && is_watch(pdu.tag()) {
            return self.hear(response, io);
        }
        let pending = self
            .pending
            .find(pdu.tag())
            .ok_or(DropReason::ResponseUnmatched)?;
        let export = self
            .exports
            .get_mut(usize::from(pending.export.0))
            .ok_or(DropReason::ResponseUnmatched)?;
        if export.segment != segment || export.address != pdu.address() {
            return Err(DropReason::ResponseMismatch);
        }
        if !export.target.is(source) {
            return Err(DropReason::ResponseWrongSource);
        }
        let len = answer_len(pending.asked, &pdu)?;
        let bytes = pdu
            .bytes()
            .get(HEADER_LEN..len)
            .ok_or(DropReason::ResponseMismatch)?;
        let pending = self
            .pending
            .remove(pdu.tag())
            .ok_or(DropReason::ResponseUnmatched)?;
        export.target.alive(io.now);
        if pending.buffer == Buffer::Taken {
            export.at_target = export.at_target.saturating_sub(1);
        }
        if pending.asked == Asked::Query {
            let news = Query::parse(pdu.argument()).map(|query| query.string().to_vec());
            if let (Ok(string), false) = (news, pdu.is_error())
                && string != export.target.info.string
            {
                export.target.info.string = string;
                export.changed();
                self.news = true;
            }
        }
        let sent = pending
            .origin
            .ok_or(DropReason::PeerRestarted)
            .and_then(|origin| {
                let header = Header {
                    tag: origin.tag,
                    ..pdu.header()
                };
                reply(origin, header, bytes, links, io)
            });
        serve_queue(export, &mut self.pending, state_of(segments, segment), io);
        sent
    }

    /// A Config response that says how a target is.
    fn hear(&mut self, response: Response<'_>, io: &mut Io<'_>) -> Result<(), DropReason> {
        let Response { segment, source, pdu } = response;
        let query = Query::parse(pdu.argument())?;
        let info = TargetInfo {
            buffer_count: query.buffer_count(),
            firmware: query.firmware(),
            sectors: query.sectors(),
            string: query.string().to_vec(),
        };
        let here = |export: &&mut Export| export.segment == segment && export.address == pdu.address();
        // Several exports may have one target.
        let mut outcome = Err(DropReason::ResponseUnmatched);
        for export in self.exports.iter_mut().filter(here) {
            let heard = export.target.hear(source, info.clone(), io.now);
            outcome = match heard {
                Heard::Imposter => Err(DropReason::SecondResponder),
                Heard::Same | Heard::Changed | Heard::Up => Ok(()),
            };
            if matches!(heard, Heard::Changed | Heard::Up) {
                export.changed();
                self.news = true;
            }
            tell(export, heard, source, io);
        }
        outcome
    }

    /// A segment came, went, or changed its MTU or address.
    pub(crate) fn handle_segment(&mut self, segment: SegmentId, state: SegmentState, io: &mut Io<'_>) {
        for export in self.exports.iter_mut().filter(|export| export.segment == segment) {
            if state == SegmentState::Down {
                take_down(export, io);
            } else {
                ask(export, state, io);
            }
            export.changed();
        }
        self.news = true;
        self.wake = io.now;
    }

    /// This peer knows nothing of our exports: a new session, or another process.
    pub(crate) fn inform(&mut self, peer: PeerId) {
        for export in &mut self.exports {
            export.changed_for(peer);
        }
        self.news = true;
    }

    /// The peer process is another one: what the old one asked is not sent any more, and its answers go nowhere, for
    /// the new one numbers its imports anew.
    pub(crate) fn forget(&mut self, peer: PeerId, io: &mut Io<'_>) {
        for export in &mut self.exports {
            io.telemetry
                .drops(DropReason::PeerRestarted, export.queue.forget(peer));
        }
        self.pending.orphan(peer);
    }

    /// Tells peers what changed; one update per peer is under way at a time.
    pub(crate) fn send_news(&mut self, segments: &[SegmentState], links: &mut Links, io: &mut Io<'_>) {
        if !std::mem::take(&mut self.news) {
            return;
        }
        let mut peers: Vec<PeerId> = self.exports.iter().flat_map(Export::uninformed).collect();
        peers.sort_unstable();
        peers.dedup();
        for peer in peers {
            // A peer that is away or has not acknowledged the last update asks again through `inform` or
            // its acknowledgement.
            if links.takes_update(peer, io.now) {
                let entries = self.entries(peer, segments);
                links.send_update(peer, &entries, io);
            }
        }
    }

    /// An update was acknowledged: perhaps more is to be told.
    pub(crate) fn update_acked(&mut self) {
        self.news = true;
    }

    /// The next moment at which [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(crate) fn deadline(&self) -> Instant {
        self.wake
    }

    /// Asks targets, gives up on what takes too long.
    pub(crate) fn handle_timeout(&mut self, segments: &[SegmentState], io: &mut Io<'_>) {
        let now = io.now;
        if now < self.wake {
            return;
        }
        for export in &mut self.exports {
            let state = state_of(segments, export.segment);
            if state != SegmentState::Down && now >= export.target.ask_at() {
                if export.target.asked(now) == Liveness::Down {
                    take_down(export, io);
                    export.changed();
                    self.news = true;
                }
                if export.target.was_never_there() {
                    io.telemetry.event(Event::TargetDown {
                        export: export.name.clone(),
                        target: export.address,
                    });
                }
                ask(export, state, io);
            }
        }
        if now >= self.sweep_at {
            self.sweep(segments, io);
        }
        let up = |export: &&Export| state_of(segments, export.segment) != SegmentState::Down;
        let asks = self
            .exports
            .iter()
            .filter(up)
            .map(|export| export.target.ask_at());
        self.wake = asks.min().unwrap_or(Instant::NEVER).min(self.sweep_at);
    }

    fn sweep(&mut self, segments: &[SegmentState], io: &mut Io<'_>) {
        let exports = &mut self.exports;
        let mut forgotten = 0;
        self.pending.sweep(
            io.now,
            |lost| {
                if let Some(export) = exports.get_mut(usize::from(lost.export.0)) {
                    export.at_target = export.at_target.saturating_sub(1);
                }
            },
            |_| forgotten += 1,
        );
        io.telemetry.drops(DropReason::PendingExpired, forgotten);
        for export in &mut self.exports {
            io.telemetry
                .drops(DropReason::QueueExpired, export.queue.expire(io.now));
            serve_queue(export, &mut self.pending, state_of(segments, export.segment), io);
        }
        let idle = self.pending.is_empty() && self.exports.iter().all(|export| export.queue.is_empty());
        self.sweep_at = if idle {
            Instant::NEVER
        } else {
            io.now + SWEEP_EVERY
        };
    }

    fn entries(&mut self, peer: PeerId, segments: &[SegmentState]) -> Vec<u8> {
        let mut entries = Vec::new();
        for export in &mut self.exports {
            if entries.len() >= UPDATE_LEN {
                self.news = true;
                break;
            }
            if let Some(state) = export.news(peer, state_of(segments, export.segment)) {
                state.emit(&mut entries);
            }
        }
        entries
    }

    fn arm(&mut self, sweep_at: Instant) {
        self.sweep_at = self.sweep_at.min(sweep_at);
        self.wake = self.wake.min(self.sweep_at);
    }
}

/// Sends a request to its target, with a tag of ours.
fn send_to_target(
    export: &mut Export,
    pending: &mut PendingTable,
    origin: Origin,
    asked: Asked,
    pdu: &[u8],
    state: SegmentState,
    io: &mut Io<'_>,
) -> Result<(), DropReason> {
    let mac = export.target.mac().ok_or(DropReason::TargetDown)?;
    let entry = Pending {
        export: export.id,
        origin: Some(origin),
        asked,
        sent_at: io.now,
        buffer: Buffer::Taken,
    };
    let tag = pending.insert(entry).ok_or(DropReason::PendingFull)?;
    let place = (export.segment, state);
    let sent = segment::emit(place, mac, pdu.len(), io.out, io.telemetry, |frame| {
        let start = frame.len();
        frame.extend_from_slice(pdu);
        let pdu = frame.get_mut(start..).unwrap_or_default();
        aoe::set_flags(pdu, aoe::VERSION, Flags::REQUEST);
        aoe::set_address(pdu, export.address);
        aoe::set_tag(pdu, tag);
    });
    if let Err(reason) = sent {
        pending.remove(tag);
        return Err(reason);
    }
    export.at_target += 1;
    io.telemetry.count(Count::RequestsToTarget);
    Ok(())
}

/// Sends what waits, as far as the target has room.
fn serve_queue(export: &mut Export, pending: &mut PendingTable, state: SegmentState, io: &mut Io<'_>) {
    while export.has_room() {
        let Some(waiting) = export.queue.pop() else { return };
        let Waiting {
            origin, asked, pdu, ..
        } = waiting;
        if let Err(reason) = send_to_target(export, pending, origin, asked, &pdu, state, io) {
            io.telemetry.drop(reason);
        }
    }
}

/// Sends a reply to the edge it came from.
fn reply(
    origin: Origin,
    header: Header,
    argument: &[u8],
    links: &mut Links,
    io: &mut Io<'_>,
) -> Result<(), DropReason> {
    let head = ReplyHead {
        import: origin.import,
        initiator: origin.initiator,
        number: origin.number,
    };
    let mut front = [0; REPLY_HEAD_LEN + HEADER_LEN];
    let (reply_head, pdu_head) = front.split_at_mut(REPLY_HEAD_LEN);
    reply_head.copy_from_slice(&head.emit());
    header.emit(pdu_head);
    links.send(origin.peer, Kind::Reply, &front, argument, io)?;
    io.telemetry.count(Count::RepliesToWire);
    Ok(())
}

fn refuse_ata(
    origin: Origin,
    pdu: &Pdu<'_>,
    ata: &Ata<'_>,
    reason: DropReason,
    links: &mut Links,
    io: &mut Io<'_>,
) -> Result<(), DropReason> {
    let mut refusal = Vec::with_capacity(ata::PDU_LEN);
    ata::emit_refusal(pdu, ata, &mut refusal);
    let argument = refusal.get(HEADER_LEN..).unwrap_or_default();
    reply(origin, pdu.header().response(), argument, links, io)?;
    io.telemetry.count(Count::Refusals);
    Err(reason)
}

/// The exact length of the answer's PDU; what a target pads with stays behind.
fn answer_len(asked: Asked, pdu: &Pdu<'_>) -> Result<usize, DropReason> {
    let have = pdu.bytes().len();
    match (asked, pdu.command()) {
        (Asked::Ata { .. }, AoeCommand::Ata) if pdu.is_error() => Ok(have.min(ata::PDU_LEN)),
        (Asked::Ata { opcode, sectors }, AoeCommand::Ata) => {
            Ok(ata::response_len(opcode, sectors, &Ata::parse(pdu.argument())?))
        }
        (Asked::Query, AoeCommand::Query) => Ok(Query::parse(pdu.argument())?.pdu_len()),
        _ => Err(DropReason::ResponseMismatch),
    }
}

/// Asks a target how it is.
fn ask(export: &Export, state: SegmentState, io: &mut Io<'_>) {
    let header = Header {
        version: aoe::VERSION,
        flags: Flags::REQUEST,
        error: 0,
        address: export.address,
        command: AoeCommand::Query,
        tag: Tag(WATCH_TAG | u32::from(export.id.0)),
    };
    let argument = QueryHeader {
        buffer_count: 0,
        firmware: 0,
        sectors: 0,
        version: aoe::VERSION,
        command: QueryCommand::Read,
    };
    let len = HEADER_LEN + query::ARGUMENT_LEN;
    let place = (export.segment, state);
    let sent = segment::emit(place, MacAddr::BROADCAST, len, io.out, io.telemetry, |frame| {
        frame.extend_from_slice(&header.to_bytes());
        frame.extend_from_slice(&argument.to_bytes(0));
    });
    if let Err(reason) = sent {
        io.telemetry.drop(reason);
    }
}

/// Tells of what a station said about a target.
fn tell(export: &mut Export, heard: Heard, mac: MacAddr, io: &mut Io<'_>) {
    let (told, every) = match heard {
        Heard::Same => return,
        Heard::Imposter => (&mut export.imposter_told, IMPOSTER_EVENT_EVERY),
        Heard::Changed | Heard::Up => (&mut export.change_told, CHANGE_EVENT_EVERY),
    };
    if told.is_some_and(|told| io.now.saturating_since(told) < every) {
        return;
    }
    *told = Some(io.now);
    let name = export.name.clone();
    io.telemetry.event(match heard {
        Heard::Imposter => Event::SecondResponder { export: name, mac },
        Heard::Same | Heard::Changed | Heard::Up => Event::TargetUp {
            export: name,
            target: export.address,
            mac,
            buffer_count: export.target.info.buffer_count,
            sectors: export.target.info.sectors,
        },
    });
}

fn take_down(export: &mut Export, io: &mut Io<'_>) {
    if export.target.down(io.now) {
        io.telemetry.event(Event::TargetDown {
            export: export.name.clone(),
            target: export.address,
        });
    }
}

/// Whether a tag is that of a Config query of ours, or of an unsolicited response.
fn is_watch(tag: Tag) -> bool {
    tag.0 == 0 || tag.0 & WATCH_TAG == WATCH_TAG
}

fn state_of(segments: &[SegmentState], segment: SegmentId) -> SegmentState {
    segments.get(usize::from(segment.0)).copied().unwrap_or_default()
}
