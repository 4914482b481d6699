//! What is due: pings, reports, calls, giving up.

use super::{Change, Links};
use crate::config::PeerId;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::time::Instant;
use crate::timers::Timer;
use crate::tunnel::message::Kind;
use crate::tunnel::timing::{ASK_AFTER, LOST_AFTER};

impl Links {
    /// Does what is due: pings, calls, rekeying, giving up.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        if cx.timers.is_due(Timer::Keys, cx.now) {
            self.turn_keys(cx);
        }
        if !cx.timers.is_due(Timer::Peers, cx.now) {
            return;
        }
        self.keep_sent(cx);
        self.tls.expire(cx.now);
        for place in 0..self.links.len() {
            let Some(peer) = self.links.id_at(place) else {
                break;
            };
            let link = self.links.get(peer);
            if link.is_some_and(|link| link.deadline(self.keepalive) <= cx.now) {
                self.tend(peer, cx);
            }
        }
        let next = self
            .links
            .values()
            .map(|link| link.deadline(self.keepalive))
            .min();
        let next = next.unwrap_or(Instant::NEVER).min(self.tls.deadline());
        cx.timers.set(Timer::Peers, next);
    }

    fn tend(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        let now = cx.now;
        self.end_expired(peer, cx);
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        cx.telemetry
            .drops(DropReason::ReassemblyExpired, link.reassembly.expire(now));
        link.repair.sent.expire(now, &mut cx.out.trains);
        let owed_for = link.liveness.owed_for(now);
        if !link.sessions.expire(now) {
            return self.lose(peer, "its keys are too old and no new ones came", cx);
        }
        if owed_for >= LOST_AFTER {
            return self.lose(
                peer,
                "it does not answer; see whether it runs, and whether the path to it works",
                cx,
            );
        }
        if owed_for >= ASK_AFTER
            && let Some(path) = &mut link.path.address
        {
            // Perhaps nothing arrives that leaves from there: another device leads to the peer now. Where the peer
            // expects us shows by its next record.
            path.local = None;
        }
        let up = link.is_up(now);
        link.note_path(now);
        if up {
            let was_proven = link.path.mtu.is_proven();
            link.probe_path(cx);
            if link.path.mtu.is_proven() != was_proven {
                self.changes.push_back((peer, Change::Path));
            }
        }
        let reports = up && now >= link.repair.news.due_at(link.ask_at());
        let ping = up && link.probe(cx) || now >= link.ping_at(self.keepalive);
        if !link.outbox.packer.is_empty() && link.outbox.list() {
            self.packed.push(peer);
        }
        let update = if link.carries_storage() {
            link.updates.again(now)
        } else {
            None
        };
        let keys = link.key_talk.again(now);
        let redial = link
            .handshakes
            .dialing
            .as_ref()
            .filter(|dialing| now >= dialing.again_at)
            .map(|dialing| dialing.attempt + 1);
        let first = link.wants_dial(now).then_some(0);
        if ping && up {
            self.ping(peer, cx);
        } else if ping {
            link.liveness.pinged(now);
        }
        if reports {
            self.report(peer, cx);
        }
        if let (true, Some(message)) = (up, update) {
            self.send_or_count(peer, Kind::Update, &message, cx);
        }
        if let (true, Some(message)) = (up, keys) {
            self.send_keys(peer, &message, cx);
        }
        if up {
            self.offer(peer, cx);
        }
        if let Some(attempt) = redial.or(first) {
            self.dial(peer, attempt, cx);
        } else {
            self.repeat_call(peer, cx);
        }
    }

    /// Tells a peer what arrived and what did not.
    fn report(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        if let Some(link) = self.links.get_mut(peer) {
            if link.outbox.list() {
                self.packed.push(peer);
            }
            link.report(cx);
        }
    }

    /// Asks a peer for a sign of life and its clock.
    pub(super) fn ping(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        link.liveness.pinged(cx.now);
        let number = link.path.clock.ask(cx.now);
        self.send_or_count(peer, Kind::Ping, &number.to_be_bytes(), cx);
        if let Some(link) = self.links.get_mut(peer) {
            link.note_ping(number);
        }
    }
}
