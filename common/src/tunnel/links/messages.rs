//! Messages of the tunnel itself: parts to put together, pings, reports, challenges.

use super::moving::TOKEN_LEN;
use super::{Change, Links};
use crate::config::PeerId;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::telemetry::Count;
use crate::timers::Timer;
use crate::tunnel::closing::Closing;
use crate::tunnel::message::{Kind, Position};
use crate::tunnel::path_mtu::Effect;
use crate::tunnel::reassembly::{Step, Whole};
use crate::tunnel::report::Report;

/// What a pong returns of a ping: its number.
const PING_LEN: usize = 8;
/// A ping's number and the answerer's clock.
const PONG_LEN: usize = 16;

impl Links {
    /// Puts a fragment to its message; returns the message once it is whole.
    pub(crate) fn reassemble(
        &mut self,
        peer: PeerId,
        position: Position,
        part: &[u8],
        cx: &mut Context<'_>,
    ) -> Option<Whole> {
        let link = self.links.get_mut(peer)?;
        match link.reassembly.add(position, part, cx.now) {
            Step::Complete(whole) => return Some(whole),
            Step::Waiting => {}
            Step::Displaced => cx.telemetry.drop(DropReason::ReassemblyFull),
            Step::Refused(reason) => cx.telemetry.drop(reason),
        }
        cx.timers.lower(Timer::Peers, link.reassembly.deadline());
        None
    }

    /// Takes back the memory of a message.
    pub(crate) fn recycle(&mut self, peer: PeerId, whole: Whole) {
        if let Some(link) = self.links.get_mut(peer) {
            link.reassembly.recycle(whole);
        }
    }

    /// Deals with a message that concerns the tunnel itself.
    pub(crate) fn handle_control(&mut self, peer: PeerId, kind: Kind, message: &[u8], cx: &mut Context<'_>) {
        match kind {
            Kind::Ping => {
                let Some(ping) = message.first_chunk::<PING_LEN>() else {
                    return cx.telemetry.drop(DropReason::MessageMalformed);
                };
                let mut pong = [0; PONG_LEN];
                let (echo, clock) = pong.split_at_mut(PING_LEN);
                echo.copy_from_slice(ping);
                clock.copy_from_slice(&cx.now.as_micros().to_be_bytes());
                self.send_or_count(peer, Kind::Pong, &pong, cx);
            }
            Kind::Pong => {
                let Ok(pong) = <[u8; PONG_LEN]>::try_from(message) else {
                    return cx.telemetry.drop(DropReason::MessageMalformed);
                };
                let pong = u128::from_be_bytes(pong);
                #[allow(clippy::cast_possible_truncation, reason = "its two halves")]
                let (ping, clock) = ((pong >> 64) as u64, pong as u64);
                if let Some(link) = self.links.get_mut(peer) {
                    let was_proven = link.path.mtu.is_proven();
                    if link.path.answered(ping, clock, cx.now) == Effect::Raised {
                        cx.telemetry.count(Count::PathMtuRaised);
                    }
                    if link.path.mtu.is_proven() != was_proven {
                        self.changes.push_back((peer, Change::Path));
                    }
                    link.note_path(cx.now);
                    link.note_used_secret();
                    cx.timers.lower(Timer::Peers, link.path.mtu.deadline());
                }
            }
            Kind::Close => {
                if let Some(link) = self.links.get_mut(peer) {
                    link.sessions.next = None;
                }
                self.lose(peer, Closing::parse(message).told(), cx);
            }
            Kind::Report => {
                let Some(report) = Report::parse(message) else {
                    return cx.telemetry.drop(DropReason::MessageMalformed);
                };
                self.keep_sent(cx);
                if let Some(link) = self.links.get_mut(peer) {
                    if !link.repair.reads_report(cx.now) {
                        return cx.telemetry.drop(DropReason::ReportTooSoon);
                    }
                    if link.outbox.list() {
                        self.packed.push(peer);
                    }
                    link.handle_report(&report, cx);
                    cx.timers.lower(Timer::Peers, link.path.mtu.deadline());
                }
            }
            Kind::Abandon => {
                let Some(abandoned) = Report::parse(message) else {
                    return cx.telemetry.drop(DropReason::MessageMalformed);
                };
                let link = self.links.get_mut(peer);
                let found = link.and_then(|link| link.sessions.find(abandoned.session));
                if let Some((_, session)) = found {
                    for (first, end) in abandoned.missing() {
                        session.gaps.abandon(first, end);
                    }
                }
            }
            Kind::PathChallenge => {
                let Some(token) = message.first_chunk::<TOKEN_LEN>() else {
                    return cx.telemetry.drop(DropReason::MessageMalformed);
                };
                self.send_or_count(peer, Kind::PathResponse, token, cx);
            }
            Kind::QuantumOffer => {
                if let Err(reason) = self.handle_offer(peer, message, cx) {
                    cx.telemetry.drop(reason);
                }
            }
            Kind::QuantumAnswer => {
                if let Err(reason) = self.handle_answer(peer, message, cx) {
                    cx.telemetry.drop(reason);
                }
            }
            Kind::PathResponse => self.handle_path_response(peer, message, cx),
            Kind::Request
            | Kind::Reply
            | Kind::Update
            | Kind::UpdateAck
            | Kind::Refusals
            | Kind::Inquire
            | Kind::Keys
            | Kind::KeysAck => {}
        }
    }
}
