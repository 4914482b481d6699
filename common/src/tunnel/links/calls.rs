//! Calls: the handshakes that we start.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::Links;
use crate::config::{Endpoint, PeerId};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::output::Path;
use crate::time::Instant;
use crate::timers::Timer;
use crate::trouble::About;
use crate::tunnel::handshake::{Dial, Failure, Fresh, Local, response_receiver, tls};
use crate::tunnel::link::{Dialing, Link};
use crate::tunnel::macs::{self, cookie_receiver};
use crate::tunnel::session::{Agreed, KeyPair, Session};

/// So much later one call may be because another overtook it.
pub(super) const OVERTAKEN: Duration = Duration::from_secs(2);
/// Calls without any answer before we say so: about eight seconds' worth.
const SILENT_CALLS: u32 = 3;

impl Links {
    /// Calls a peer.
    pub(super) fn dial(&mut self, peer: PeerId, attempt: u32, cx: &mut Context<'_>) {
        let fresh = Fresh {
            local_index: self.new_index(peer),
            stamp: self.new_stamp(peer, cx.now),
            ephemeral: self.secrets.draw(),
            answer_key: self.random.bytes(),
        };
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        let calling: Vec<Path> = link.calling(attempt, cx.now).collect();
        let pair = link.pair_of(attempt, &self.us.keys);
        let name = link.identity.trust.certificate_name();
        if pair.is_none() && name.is_none() || calling.is_empty() || link.is_taken_down {
            link.handshakes.dialing = None;
            return;
        }
        let again_at = cx.now + self.random.jitter(link.dial_wait(attempt));
        let begun = match name {
            None => {
                pair.and_then(|pair| link.begin_by_noise(&self.us.local(&pair.ours)?, pair, fresh, cx.now))
            }
            Some(name) => self.tls.is_ready().then(|| {
                let place = (fresh.local_index, fresh.answer_key);
                let dial = tls::Dial::new(name, &self.us.for_tls(&link.identity), place, cx.now);
                let hello = dial.hello();
                (Dial::Tls(Box::new(dial)), hello)
            }),
        };
        let (dial, message) = begun.unzip();
        if let Some(message) = message {
            for path in calling {
                cx.out.trains.push_datagram(path, &message);
            }
        }
        let first_repeat = dial.as_ref().map_or(again_at, Dial::again_at);
        cx.timers.lower(Timer::Peers, again_at.min(first_repeat));
        link.handshakes.dialing = Some(Dialing::new(dial, attempt, again_at));
        if attempt >= SILENT_CALLS && link.sessions.current.is_none() {
            let peer = link.name();
            link.in_trouble(Event::PeerSilent { peer }, cx);
        }
        // Also at the first call to a peer that fell silent: it may have moved, or a device of ours was made again.
        let resolve = attempt % 3 == 2 || attempt == 0 && link.sessions.current.is_some();
        if resolve && link.path.endpoint == Endpoint::Known {
            cx.telemetry.event(Event::EndpointNeeded(peer));
        }
    }

    pub(super) fn handle_response(
        &mut self,
        path: Path,
        datagram: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        if !self.gate.mac1_is_right(datagram) {
            return Err(DropReason::HandshakeBadMac);
        }
        let body = macs::body(datagram);
        let receiver = response_receiver(body);
        let peer = self
            .seats
            .peer(receiver)
            .ok_or(DropReason::HandshakeUnsolicited)?;
        if self.is_elsewhere(peer, path, cx) {
            return Err(DropReason::PeerElsewhere);
        }
        let link = self.links.get_mut(peer).ok_or(DropReason::HandshakeUnsolicited)?;
        let dial = link.handshakes.dial(receiver).and_then(Dial::as_noise);
        let dial = dial.ok_or(DropReason::HandshakeUnsolicited)?;
        // Anyone who sees our calls and knows our public key can make the rest of an answer. Before any arithmetic:
        if !macs::is_marked(datagram, &dial.answer_key) {
            return Err(DropReason::HandshakeForged);
        }
        let named = dial.secret_name();
        match dial.finish(body, &link.identity.protection, &self.us.ciphers) {
            Ok(agreed) => {
                let attempt = link
                    .handshakes
                    .dialing
                    .take()
                    .map_or(0, |dialing| dialing.attempt);
                link.answered_from(path, attempt, cx);
                self.begin(peer, agreed, cx);
                Ok(())
            }
            Err(Failure::Undecryptable) => {
                link.handshakes.note_failure();
                let why = "its answer does not decrypt; compare the psk of both sides";
                self.refused(peer, why, cx);
                Err(DropReason::HandshakeUndecryptable)
            }
            Err(Failure::OldStamp(newest)) => {
                link.handshakes.note_old_dial(newest);
                self.note_own_clock(peer, newest, cx);
                Err(DropReason::HandshakeOldStamp)
            }
            Err(Failure::UnknownSecret) => {
                if let Some(named) = named {
                    self.call_without(peer, named, cx);
                }
                Err(DropReason::HandshakeSecretUnknown)
            }
            Err(failure) => {
                link.handshakes.give_up();
                self.no_agreement(peer, failure, cx);
                Err(DropReason::HandshakeNoAgreement)
            }
        }
    }

    pub(super) fn handle_cookie(&mut self, datagram: &[u8], cx: &mut Context<'_>) -> Result<(), DropReason> {
        let receiver = cookie_receiver(datagram);
        let (peer, link) = self.find(receiver).ok_or(DropReason::HandshakeUnsolicited)?;
        if link.handshakes.dial(receiver).is_none() {
            return Err(DropReason::HandshakeUnsolicited);
        }
        let dialing = link.handshakes.dialing.as_ref();
        let attempt = dialing.map_or(0, |dialing| dialing.attempt);
        let stamp = &mut link.handshakes.stamp;
        let first = !stamp.has_cookie(cx.now);
        if !stamp.accept_cookie(datagram, cx.now) {
            return Err(DropReason::HandshakeUnsolicited);
        }
        // Only the first one makes us call at once: anybody who sees our calls and knows the peer's public key can
        // make cookie replies, and would else make us call without end. Any other waits for the timer.
        if first {
            self.dial(peer, attempt, cx);
        }
        Ok(())
    }

    /// Our call was answered: the new keys are ours to use at once, and the first record confirms them.
    pub(super) fn begin(&mut self, peer: PeerId, agreed: Agreed, cx: &mut Context<'_>) {
        let session = self.session(peer, agreed, cx.now);
        if let Some(link) = self.links.get_mut(peer) {
            link.liveness.heard(cx.now);
        }
        self.promote(peer, session, cx);
        self.ping(peer, cx);
        self.say_keys(peer, cx);
        self.begin_exchange(peer, cx);
    }

    /// The session of what was agreed on.
    pub(super) fn session(&self, peer: PeerId, agreed: Agreed, now: Instant) -> Session {
        let link = self.links.get(peer);
        let post_quantum = link.map(|link| link.identity.trust.post_quantum());
        let mut session = Session::new(agreed, post_quantum.unwrap_or_default(), now, self.rekey_after);
        session.note_wall_clock(Duration::from_micros(self.wall_micros(now)), now);
        session
    }

    /// A peer remembers a stamp of ours: our clock may have been set back.
    fn note_own_clock(&self, peer: PeerId, newest: u64, cx: &mut Context<'_>) {
        let behind = Duration::from_micros(newest.saturating_sub(self.wall_micros(cx.now)));
        if behind > OVERTAKEN {
            let event = || Event::OwnClockBehind {
                peer: self.name(peer),
                behind,
            };
            cx.telemetry.happened(cx.now, 1, About::OurClock(peer), event);
        }
    }

    /// A session index: random to others, to us the peer; no other session of that peer has it.
    pub(super) fn new_index(&mut self, peer: PeerId) -> u32 {
        loop {
            let random = self.random.u32();
            let Some(link) = self.links.get_mut(peer) else {
                return random;
            };
            let index = self.seats.index(link.identity.seat, random);
            if !link.uses(index) {
                return index;
            }
        }
    }

    /// Microseconds since 1970, more than any stamp that this peer got from us, or told us of.
    fn new_stamp(&mut self, peer: PeerId, now: Instant) -> u64 {
        let wall = self.wall_micros(now);
        let link = self.links.get_mut(peer);
        link.map_or(wall, |link| link.handshakes.next_stamp(wall))
    }

    /// Microseconds since 1970, by what the wall clock said and the time since.
    pub(super) fn wall_micros(&self, now: Instant) -> u64 {
        let (unix_time, at) = self.wall_clock;
        let wall = unix_time.saturating_add(now.saturating_since(at));
        u64::try_from(wall.as_micros()).unwrap_or(u64::MAX)
    }
}

impl Link {
    /// A call by Noise, by these keys: its first message, macs and all.
    fn begin_by_noise(
        &mut self,
        local: &Local<'_>,
        pair: KeyPair,
        fresh: Fresh,
        now: Instant,
    ) -> Option<(Dial, Vec<u8>)> {
        let terms = self.identity.terms().with(self.chain.newest());
        let (dial, mut message) = Dial::start(local, pair.theirs, terms, fresh)?;
        self.handshakes.stamp.append(pair.theirs, &mut message, now);
        Some((dial, message))
    }
}
