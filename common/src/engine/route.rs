//! Which part of an engine a frame or a message belongs to.

use super::core::Core;
use crate::config::{PeerId, SegmentId};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::edge::Captured;
use crate::exit::Response;
use crate::frame::aoe::AoeCommand;
use crate::frame::{Frame, Pdu};
use crate::time::Instant;
use crate::tunnel::link::Applies;
use crate::tunnel::message::{Chunk, Kind, News, chunks};
use crate::tunnel::update;

impl Core {
    /// One frame's way from a segment: parse, then the edge (requests) or the exit (responses).
    pub(super) fn route_frame(
        &mut self,
        segment: SegmentId,
        frame: &[u8],
        captured: Instant,
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let own = cx.segment(segment).mac().ok_or(DropReason::SegmentDown)?;
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
        if !pdu.is_response() && self.is_ending {
            return Err(DropReason::GatewayEnding);
        }
        if !pdu.is_response() {
            let captured = Captured {
                segment,
                at: captured,
                initiator: source,
                destination,
                pdu,
            };
            return self.edge.handle_request(captured, &mut self.links, cx);
        }
        if pdu.command() == AoeCommand::Query
            && let Some(import) = self.edge.find(segment, pdu.address())
        {
            self.edge.handle_foreign(import, source, &self.links, cx);
            return Err(DropReason::ForeignResponder);
        }
        let response = Response { segment, source, pdu };
        self.exit.handle_response(response, &mut self.links, cx)
    }

    /// One frame's way from the wire: chunks, messages, then the exit (requests) or the edge (replies).
    /// `carries_storage`: whether the keys they came by are good enough for what initiators and targets say.
    pub(super) fn handle_chunks(
        &mut self,
        peer: PeerId,
        (session, carries_storage): (u32, bool),
        payload: &[u8],
        cx: &mut Context<'_>,
    ) -> News {
        let mut news = News::Unwanted;
        for chunk in chunks(payload) {
            let Ok(Chunk {
                kind,
                position,
                bytes,
            }) = chunk
            else {
                cx.telemetry.drop(DropReason::RecordMalformed);
                return news;
            };
            if kind.wants_news() {
                news = News::Wanted;
            }
            if !carries_storage && kind.is_storage() {
                cx.telemetry.drop(DropReason::NotPostQuantum);
                continue;
            }
            let Some(position) = position else {
                self.handle_message((peer, session), kind, bytes, cx);
                continue;
            };
            if let Some(whole) = self.links.reassemble(peer, position, bytes, cx) {
                self.handle_message((peer, session), kind, whole.bytes(), cx);
                self.links.recycle(peer, whole);
            }
        }
        news
    }

    /// A message of a peer, which came by this session of ours.
    fn handle_message(
        &mut self,
        (peer, session): (PeerId, u32),
        kind: Kind,
        message: &[u8],
        cx: &mut Context<'_>,
    ) {
        let result = match kind {
            Kind::Request if self.is_ending => Err(DropReason::GatewayEnding),
            Kind::Request => {
                let outcome = self.exit.handle_request(peer, message, &mut self.links, cx);
                outcome.inspect_err(|reason| {
                    self.exit
                        .note_refused_request(peer, message, *reason, &self.links, cx);
                })
            }
            Kind::Refusals => self.exit.note_refusals(peer, message, &self.links, cx),
            Kind::Reply => self.edge.handle_reply(peer, message, cx),
            Kind::Update => self.handle_update(peer, message, cx),
            Kind::UpdateAck => match update::parse_ack(message) {
                Some((serial, missed)) => {
                    if self.links.handle_ack(peer, serial) {
                        self.exit.note_missed(peer, &missed, &self.links, cx);
                    }
                    Ok(())
                }
                None => Err(DropReason::MessageMalformed),
            },
            Kind::Inquire => self.handle_inquiry(peer, message, cx),
            Kind::Keys => self.links.handle_keys(peer, session, message, cx),
            Kind::KeysAck => self.links.handle_keys_ack(peer, message, cx),
            Kind::Ping
            | Kind::Pong
            | Kind::Close
            | Kind::Report
            | Kind::Abandon
            | Kind::PathChallenge
            | Kind::PathResponse
            | Kind::QuantumOffer
            | Kind::QuantumAnswer => {
                self.links.handle_control(peer, kind, message, cx);
                Ok(())
            }
        };
        if let Err(reason) = result {
            cx.telemetry.drop(reason);
        }
    }

    /// An edge wants to be told everything again.
    fn handle_inquiry(
        &mut self,
        peer: PeerId,
        message: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        if !message.is_empty() {
            return Err(DropReason::MessageMalformed);
        }
        self.links.judge_inquiry(peer, cx.now)?;
        self.exit.inform(peer);
        Ok(())
    }

    /// What an exit tells.
    fn handle_update(
        &mut self,
        peer: PeerId,
        message: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let update = update::parse(message).ok_or(DropReason::MessageMalformed)?;
        let serial = update.serial;
        let applies = self.links.judge_update(peer, serial, cx.now)?;
        if applies == Applies::Now {
            self.edge.handle_update(peer, update, &self.links, cx);
        }
        let missed = self.edge.missed(peer);
        self.links.ack_update(peer, serial, missed, cx);
        Ok(())
    }
}
