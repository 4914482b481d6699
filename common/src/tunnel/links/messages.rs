//! Messages of the tunnel itself: parts to put together, pings, updates and their acknowledgements.

use super::change::Closing;
use super::moving::TOKEN_LEN;
use super::{Change, Links};
use crate::config::PeerId;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::time::Instant;
use crate::timers::Timer;
use crate::tunnel::link::{OutgoingUpdate, UPDATE_RETRY};
use crate::tunnel::message::{Kind, Position};
use crate::tunnel::reassembly::{Step, Whole};
use crate::tunnel::report::Report;
use crate::tunnel::update::emit_ack;

/// What a pong returns of a ping: its number.
const PING_LEN: usize = 8;
/// Reports of one peer that are read in a second. A link of 10 Gbit/s makes some 10 000.
const REPORTS_PER_SECOND: u32 = 50_000;
/// Inquiries of one peer that are answered in a second: each makes us look through all exports. An honest peer asks once,
/// and again each second until it is told.
const INQUIRIES_PER_SECOND: u32 = 8;
/// A ping's number and the answerer's clock.
const PONG_LEN: usize = 16;

/// What becomes of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applies {
    Now,
    /// It was applied before.
    Already,
}

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

    /// Whether an update can be sent: one at a time is under way.
    pub(crate) fn takes_update(&self, peer: PeerId, now: Instant) -> bool {
        self.links
            .get(peer)
            .is_some_and(|link| link.outgoing.is_none() && link.is_up(now) && link.path_mtu.is_proven())
    }

    /// Sends an update (`entries`: what follows the serial) until it is acknowledged.
    pub(crate) fn send_update(&mut self, peer: PeerId, entries: &[u8], cx: &mut Context<'_>) {
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        let serial = link.next_serial;
        link.next_serial = link.next_serial.wrapping_add(1).max(1);
        let mut message = serial.to_be_bytes().to_vec();
        message.extend_from_slice(entries);
        let again_at = cx.now + UPDATE_RETRY;
        self.send_or_count(peer, Kind::Update, &message, cx);
        if let Some(link) = self.links.get_mut(peer) {
            link.outgoing = Some(OutgoingUpdate {
                message,
                serial,
                again_at,
            });
        }
        cx.timers.lower(Timer::Peers, again_at);
    }

    /// Whether an update is to be applied, or only acknowledged.
    ///
    /// # Errors
    /// It comes too soon, which is not acknowledged.
    pub(crate) fn judge_update(
        &mut self,
        peer: PeerId,
        serial: u32,
        now: Instant,
    ) -> Result<Applies, DropReason> {
        let link = self.links.get_mut(peer);
        let link = link.ok_or(DropReason::NoSession)?;
        if serial <= link.seen_serial {
            return Ok(Applies::Already);
        }
        if !link.applies_update(now) {
            return Err(DropReason::UpdateTooSoon);
        }
        link.seen_serial = serial;
        Ok(Applies::Now)
    }

    /// The number of the newest update of this process of the peer; 0: there was none.
    pub(crate) fn newest_update(&self, peer: PeerId) -> u32 {
        self.links.get(peer).map_or(0, |link| link.seen_serial)
    }

    /// Takes an inquiry.
    ///
    /// # Errors
    /// It comes too soon.
    pub(crate) fn judge_inquiry(&mut self, peer: PeerId, now: Instant) -> Result<(), DropReason> {
        let link = self.links.get_mut(peer).ok_or(DropReason::NoSession)?;
        match link.inquiries.take(INQUIRIES_PER_SECOND, now) {
            true => Ok(()),
            false => Err(DropReason::InquiryTooSoon),
        }
    }

    /// Acknowledges an update; `missed` are the imports that no update told of.
    pub(crate) fn ack_update<'a>(
        &mut self,
        peer: PeerId,
        serial: u32,
        missed: impl Iterator<Item = &'a str>,
        cx: &mut Context<'_>,
    ) {
        let mut ack = Vec::new();
        emit_ack(serial, missed, &mut ack);
        self.send_or_count(peer, Kind::UpdateAck, &ack, cx);
    }

    /// Takes an acknowledgement; whether it is that of the update under way.
    pub(crate) fn handle_ack(&mut self, peer: PeerId, serial: u32) -> bool {
        let link = self.links.get_mut(peer);
        let update = link.and_then(|link| link.outgoing.take_if(|update| update.serial == serial));
        if update.is_some() {
            self.changes.push_back((peer, Change::UpdateAcked));
        }
        update.is_some()
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
                    let was_proven = link.path_mtu.is_proven();
                    link.answered(ping, clock, cx);
                    if link.path_mtu.is_proven() != was_proven {
                        self.changes.push_back((peer, Change::Path));
                    }
                    link.note_path(cx.now);
                    cx.timers.lower(Timer::Peers, link.path_mtu.deadline());
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
                    if !link.reports.take(REPORTS_PER_SECOND, cx.now) {
                        return cx.telemetry.drop(DropReason::ReportTooSoon);
                    }
                    if !link.is_packed {
                        link.is_packed = true;
                        self.packed.push(peer);
                    }
                    link.handle_report(&report, cx);
                    cx.timers.lower(Timer::Peers, link.path_mtu.deadline());
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
            Kind::PathResponse => self.handle_path_response(peer, message, cx),
            Kind::Request | Kind::Reply | Kind::Update | Kind::UpdateAck | Kind::Refusals | Kind::Inquire => {
            }
        }
    }
}
