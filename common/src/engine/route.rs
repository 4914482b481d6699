//! Which part of an engine a frame or a message belongs to.

use super::{Engine, hands};
use crate::config::{PeerId, SegmentId};
use crate::drop_reason::DropReason;
use crate::edge::Captured;
use crate::exit::Response;
use crate::frame::aoe::AoeCommand;
use crate::frame::{Frame, Pdu};
use crate::output::Output;
use crate::time::Instant;
use crate::tunnel::links::{Applies, Io};
use crate::tunnel::message::{Chunk, Kind, chunks};
use crate::tunnel::update;

/// Whether the sender of a record wants to hear that it arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    Wanted,
    Unwanted,
}

impl Engine {
    /// One frame's way from a segment: parse, then the edge (requests) or the exit (responses).
    pub(super) fn route_frame(
        &mut self,
        segment: SegmentId,
        frame: &[u8],
        captured: Instant,
        now: Instant,
        out: &mut Output,
    ) -> Result<(), DropReason> {
        let state = self
            .segments
            .get(usize::from(segment.0))
            .copied()
            .unwrap_or_default();
        let own = state.mac().ok_or(DropReason::SegmentDown)?;
        let frame = Frame::parse(frame)?;
        let (source, destination) = (frame.source(), frame.destination());
        if source == own {
            return Err(DropReason::FrameOwnEcho);
        }
        if source.is_multicast() {
            return Err(DropReason::FrameBadSource);
        }
        if destination != own && !destination.is_broadcast() {
            return Err(DropReason::FrameForOthers);
        }
        let pdu = Pdu::parse(frame.payload())?;
        let mut io = Io {
            now,
            out,
            telemetry: &mut self.telemetry,
        };
        if !pdu.is_response() && self.is_ending {
            return Err(DropReason::GatewayEnding);
        }
        if !pdu.is_response() {
            let captured = Captured {
                segment,
                at: captured,
                initiator: source,
                pdu,
            };
            return self
                .edge
                .handle_request(captured, &self.segments, &mut self.links, &mut io);
        }
        if pdu.command() == AoeCommand::Query
            && let Some(import) = self.edge.find(segment, pdu.address())
        {
            self.edge.handle_foreign(import, source, &mut io);
            return Err(DropReason::ForeignResponder);
        }
        let response = Response { segment, source, pdu };
        let hands = &mut hands(&self.segments, &mut self.links, &mut io);
        self.exit.handle_response(response, hands)
    }

    /// One frame's way from the wire: chunks, messages, then the exit (requests) or the edge (replies).
    pub(super) fn handle_chunks(
        &mut self,
        peer: PeerId,
        payload: &[u8],
        now: Instant,
        out: &mut Output,
    ) -> News {
        let mut news = News::Unwanted;
        for chunk in chunks(payload) {
            let Ok(Chunk {
                kind,
                position,
                bytes,
            }) = chunk
            else {
                self.telemetry.drop(DropReason::RecordMalformed);
                return news;
            };
            if kind.wants_news() {
                news = News::Wanted;
            }
            let Some(position) = position else {
                self.handle_message(peer, kind, bytes, now, out);
                continue;
            };
            let mut io = Io {
                now,
                out,
                telemetry: &mut self.telemetry,
            };
            if let Some(whole) = self.links.reassemble(peer, position, bytes, &mut io) {
                self.handle_message(peer, kind, whole.bytes(), now, out);
                self.links.recycle(peer, whole);
            }
        }
        news
    }

    fn handle_message(&mut self, peer: PeerId, kind: Kind, message: &[u8], now: Instant, out: &mut Output) {
        let mut io = Io {
            now,
            out,
            telemetry: &mut self.telemetry,
        };
        let result = match kind {
            Kind::Request if self.is_ending => Err(DropReason::GatewayEnding),
            Kind::Request => {
                let hands = &mut hands(&self.segments, &mut self.links, &mut io);
                let outcome = self.exit.handle_request(peer, message, hands);
                outcome.inspect_err(|reason| {
                    self.exit
                        .note_refused_request(peer, message, *reason, &self.links, &mut io);
                })
            }
            Kind::Refusals => self.exit.note_refusals(peer, message, &self.links, &mut io),
            Kind::Reply => self.edge.handle_reply(peer, message, &self.segments, &mut io),
            Kind::Update => self.handle_update(peer, message, now, out),
            Kind::UpdateAck => match update::parse_ack(message) {
                Some((serial, missed)) => {
                    if self.links.handle_ack(peer, serial) {
                        let links = &self.links;
                        self.exit.note_missed(peer, &missed, links, &mut io);
                    }
                    Ok(())
                }
                None => Err(DropReason::MessageMalformed),
            },
            Kind::Ping
            | Kind::Pong
            | Kind::Close
            | Kind::Report
            | Kind::Abandon
            | Kind::PathChallenge
            | Kind::PathResponse => {
                self.links.handle_control(peer, kind, message, &mut io);
                Ok(())
            }
        };
        if let Err(reason) = result {
            self.telemetry.drop(reason);
        }
    }

    /// What an exit tells.
    fn handle_update(
        &mut self,
        peer: PeerId,
        message: &[u8],
        now: Instant,
        out: &mut Output,
    ) -> Result<(), DropReason> {
        let update = update::parse(message).ok_or(DropReason::MessageMalformed)?;
        let serial = update.serial;
        let applies = self.links.judge_update(peer, serial, now)?;
        let mut io = Io {
            now,
            out,
            telemetry: &mut self.telemetry,
        };
        if applies == Applies::Now {
            self.edge
                .handle_update(peer, update, &self.segments, &self.links, &mut io);
        }
        let missed = self.edge.missed(peer);
        self.links.ack_update(peer, serial, missed, &mut io);
        Ok(())
    }
}
