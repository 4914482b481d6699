//! What goes out: messages are packed here, and sealed once a batch is done.

use super::Links;
use crate::config::PeerId;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::time::Instant;
use crate::timers::Timer;
use crate::tunnel::message::Kind;
#[cfg(feature = "fuzzing")]
use crate::tunnel::message::chunks;
use crate::tunnel::timing::ASK_AFTER;

impl Links {
    /// Packs a message for a peer.
    ///
    /// # Errors
    /// The message is lost: there is no session, or it is longer than any we carry.
    pub(crate) fn send(
        &mut self,
        peer: PeerId,
        kind: Kind,
        head: &[u8],
        body: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let link = self.links.get_mut(peer).ok_or(DropReason::NoSession)?;
        if link.outbox.list() {
            self.packed.push(peer);
        }
        link.push(kind, head, body, cx)?;
        if expects_answer(kind) && link.liveness.owes(cx.now) {
            cx.timers.lower(Timer::Peers, cx.now + ASK_AFTER);
        }
        if matches!(kind, Kind::Request | Kind::Reply) && link.liveness.works() {
            cx.timers.lower(Timer::Peers, link.ping_at(self.keepalive));
        }
        Ok(())
    }

    /// Packs chunks as they are, and says by which session they go, as its receiver counts it.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn send_payload(&mut self, peer: PeerId, payload: &[u8], cx: &mut Context<'_>) -> Option<u32> {
        let link = self.links.get_mut(peer)?;
        let session = link.sessions.current.as_ref()?.local_index;
        if link.outbox.list() {
            self.packed.push(peer);
        }
        for chunk in chunks(payload).flatten() {
            if let Err(reason) = link.push_chunk(chunk, cx) {
                cx.telemetry.drop(reason);
            }
        }
        Some(session)
    }

    /// Seals what was packed since the last flush; reports of what arrived go along.
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>) {
        self.keep_sent(cx);
        for peer in self.packed.drain(..) {
            let Some(link) = self.links.get_mut(peer) else {
                continue;
            };
            link.outbox.is_listed = false;
            if link.repair.news.goes_along(link.ask_at(), cx.now) {
                link.report(cx);
            }
            link.flush(cx);
            cx.timers.lower(Timer::Peers, link.repair_at());
        }
    }

    /// Keeps what was sent since the last time, to send it again if it is lost.
    pub(super) fn keep_sent(&mut self, cx: &mut Context<'_>) {
        while let Some(sent) = cx.out.trains.pop_sent() {
            match self.links.get_mut(sent.records.peer) {
                Some(link) => link.repair.sent.keep(sent, cx.now, &mut cx.out.trains),
                None => cx.out.trains.give_back(sent.bytes),
            }
        }
    }

    /// A record of a peer held a message of which it wants to hear that it arrived.
    pub(crate) fn note_news(&mut self, peer: PeerId, session: u32, len: usize, cx: &mut Context<'_>) {
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        if let Some((_, session)) = link.sessions.find(session) {
            session.gaps.note_news();
            link.repair.news.note(len, cx.now);
            cx.timers
                .lower(Timer::Peers, link.repair.news.due_at(Instant::NEVER));
        }
    }

    /// Sends a message of the tunnel itself; if it is lost, it is asked for again.
    pub(super) fn send_or_count(&mut self, peer: PeerId, kind: Kind, message: &[u8], cx: &mut Context<'_>) {
        if let Err(reason) = self.send(peer, kind, message, &[], cx) {
            cx.telemetry.drop(reason);
        }
    }
}

fn expects_answer(kind: Kind) -> bool {
    match kind {
        Kind::Request | Kind::Ping | Kind::Update | Kind::Inquire => true,
        Kind::Reply
        | Kind::Pong
        | Kind::UpdateAck
        | Kind::Close
        | Kind::Report
        | Kind::Abandon
        | Kind::Refusals
        | Kind::PathChallenge
        | Kind::PathResponse
        | Kind::QuantumOffer
        | Kind::QuantumAnswer
        // It may be answered when its host has written it, and by an older version not at all.
        | Kind::Keys
        | Kind::KeysAck => false,
    }
}
