//! Calls: the handshakes that we start and that peers start with us.

use std::time::Duration;

use aoe_keys::PublicKey;

use super::Links;
use crate::config::{Endpoint, PeerId};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::output::Path;
use crate::time::Instant;
use crate::timers::Timer;
use crate::trouble::About;
use crate::tunnel::admission::Admission;
use crate::tunnel::handshake::{Call, Dial, Failure, Fresh, Identity, response_receiver};
use crate::tunnel::link::{Dialing, Link};
use crate::tunnel::macs::{self, cookie_receiver};
use crate::tunnel::session::{Agreed, Session};
use crate::tunnel::sessions::Answered;

/// Most answers to one call that are computed and do not fit. Nobody but the peer can make one that is computed.
const MAX_FAILURES: u32 = 4;
/// Calls of one peer that are answered in a second. An honest one calls once in a second.
const CALLS_PER_SECOND: u32 = 10;
/// Calls of one peer with an old stamp are answered at most this often: who repeats them gets little.
const OLD_CALL_ANSWER_EVERY: Duration = Duration::from_millis(500);
/// So much later one call may be because another overtook it.
const OVERTAKEN: Duration = Duration::from_secs(2);
/// Calls without any answer before we say so: about eight seconds' worth.
const SILENT_CALLS: u32 = 3;
/// Calls without confirmation before we say so.
const UNCONFIRMED_CALLS: u32 = 3;
/// Time over which they have come at least: calls that waited while one of the two gateways was stopped come all at once.
const UNCONFIRMED_FOR: Duration = Duration::from_secs(5);

impl Links {
    /// Calls a peer.
    pub(super) fn dial(&mut self, peer: PeerId, attempt: u32, cx: &mut Context<'_>) {
        let fresh = Fresh {
            local_index: self.new_index(peer),
            stamp: self.new_stamp(peer, cx.now),
            ephemeral: self.secrets.draw(),
            answer_key: self.random.bytes(),
        };
        let identity = Identity {
            secret: &self.secret,
            ciphers: &self.ciphers,
            worker: self.worker,
        };
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        let calling: Vec<Path> = link.calling(attempt, cx.now).collect();
        if calling.is_empty() {
            link.dialing = None;
            return;
        }
        let started = Dial::start(&identity, link.key, link.terms(), fresh);
        let again_at = cx.now + self.random.jitter(link.dial_wait(attempt));
        cx.timers.lower(Timer::Peers, again_at);
        let (dial, message) = started.unzip();
        if let Some(mut message) = message {
            link.stamp.append(&mut message, cx.now);
            for path in calling {
                cx.out.trains.push_datagram(path, &message);
            }
        }
        link.dialing = Some(Dialing {
            dial,
            attempt,
            again_at,
        });
        if attempt >= SILENT_CALLS && link.sessions.current.is_none() {
            let silent = Event::PeerSilent {
                peer: link.name.clone(),
            };
            link.in_trouble(silent, cx);
        }
        // Also at the first call to a peer that fell silent: it may have moved, or a device of ours was made again.
        let resolve = attempt % 3 == 2 || attempt == 0 && link.sessions.current.is_some();
        if resolve && link.endpoint == Endpoint::Known {
            cx.telemetry.event(Event::EndpointNeeded(peer));
        }
    }

    pub(super) fn handle_init(
        &mut self,
        path: Path,
        datagram: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let is_known = |host| self.links.values().any(|link| link.is_at(host));
        match self
            .gate
            .admit(datagram, path.remote, is_known, cx.now, &mut self.random)
        {
            Admission::Admit => {}
            Admission::Cookie(reply) => {
                cx.out.trains.push_datagram(path, &reply);
                return Err(DropReason::HandshakeCookieSent);
            }
            Admission::Refuse(reason) => return Err(reason),
        }
        let identity = Identity {
            secret: &self.secret,
            ciphers: &self.ciphers,
            worker: self.worker,
        };
        let Ok(call) = Call::read(&identity, macs::body(datagram), self.secrets.draw()) else {
            stranger(path, None, cx);
            return Err(DropReason::HandshakeUndecryptable);
        };
        let known = self.links.iter().find(|(_, link)| link.key == call.caller);
        let Some(peer) = known.map(|(peer, _)| peer) else {
            stranger(path, Some(call.caller), cx);
            return Err(DropReason::HandshakeUnknownPeer);
        };
        if self.is_elsewhere(peer, path, cx) {
            return Err(DropReason::PeerElsewhere);
        }
        let local_index = self.new_index(peer);
        let identity = Identity {
            secret: &self.secret,
            ciphers: &self.ciphers,
            worker: self.worker,
        };
        let Some(link) = self.links.get_mut(peer) else {
            return Err(DropReason::HandshakeUnknownPeer);
        };
        if call.stamp <= link.newest_call {
            link.refuse_old_call(call, path, cx);
            return Err(DropReason::HandshakeReplayed);
        }
        // One that is not confirmed yet counts while it may be: a repeated call must not take its place.
        if link
            .sessions
            .next
            .as_ref()
            .is_some_and(|next| call.stamp <= next.stamp)
        {
            return Err(DropReason::HandshakeReplayed);
        }
        // Not before: nobody but the peer itself uses this up.
        if !link.calls.take(CALLS_PER_SECOND, cx.now) {
            return Err(DropReason::HandshakeRateLimited);
        }
        let (stamp, answer_key) = (call.stamp, call.answer_key);
        let (mut message, outcome) = call
            .answer(&identity, link.terms(), local_index)
            .map_err(|_| DropReason::HandshakeUndecryptable)?;
        link.stamp.append_to_answer(&mut message, &answer_key);
        cx.out.trains.push_datagram(path, &message);
        match outcome {
            Ok(agreed) => {
                let (calls, since) = link.unconfirmed;
                let since = if calls == 0 { cx.now } else { since };
                link.unconfirmed = (calls.saturating_add(1), since);
                link.sessions.next = Some(Answered {
                    session: Session::new(agreed, cx.now, self.rekey_after),
                    at: cx.now,
                    path,
                    stamp,
                });
                cx.timers.lower(Timer::Peers, link.deadline(self.keepalive));
                if calls.saturating_add(1) >= UNCONFIRMED_CALLS && cx.now >= since + UNCONFIRMED_FOR {
                    let why = "it calls but never confirms; compare the psk of both sides, and see whether our \
                               datagrams reach it";
                    self.refused(peer, why, cx);
                }
                Ok(())
            }
            Err(failure) => {
                self.no_agreement(peer, failure, cx);
                Err(DropReason::HandshakeNoAgreement)
            }
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
        let dial = link.dialing.as_mut().and_then(|dialing| dialing.dial.as_mut());
        let dial = dial
            .filter(|dial| dial.local_index == receiver)
            .ok_or(DropReason::HandshakeUnsolicited)?;
        // Anyone who sees our calls and knows our public key can make the rest of an answer. Before any arithmetic:
        if !macs::is_marked(datagram, &dial.answer_key) {
            return Err(DropReason::HandshakeForged);
        }
        match dial.finish(body, &link.protection, &self.ciphers) {
            Ok(agreed) => {
                let attempt = link.dialing.take().map_or(0, |dialing| dialing.attempt);
                link.answered_from(path, attempt, cx);
                self.begin(peer, agreed, cx);
                Ok(())
            }
            Err(Failure::Undecryptable) => {
                dial.failures += 1;
                if let Some(dialing) = link.dialing.as_mut() {
                    dialing.dial.take_if(|dial| dial.failures >= MAX_FAILURES);
                }
                let why = "its answer does not decrypt; compare the psk of both sides";
                self.refused(peer, why, cx);
                Err(DropReason::HandshakeUndecryptable)
            }
            Err(Failure::OldStamp(newest)) => {
                link.note_old_dial(newest, self.wall_clock, cx);
                Err(DropReason::HandshakeOldStamp)
            }
            Err(failure) => {
                if let Some(dialing) = link.dialing.as_mut() {
                    dialing.dial = None;
                }
                self.no_agreement(peer, failure, cx);
                Err(DropReason::HandshakeNoAgreement)
            }
        }
    }

    pub(super) fn handle_cookie(&mut self, datagram: &[u8], cx: &mut Context<'_>) -> Result<(), DropReason> {
        let receiver = cookie_receiver(datagram);
        let (peer, link) = self.find(receiver).ok_or(DropReason::HandshakeUnsolicited)?;
        let waiting = link
            .dialing
            .as_ref()
            .and_then(|dialing| dialing.dial.as_ref().map(|dial| (dial, dialing.attempt)));
        let Some((_, attempt)) = waiting.filter(|(dial, _)| dial.local_index == receiver) else {
            return Err(DropReason::HandshakeUnsolicited);
        };
        let first = !link.stamp.has_cookie(cx.now);
        if !link.stamp.accept_cookie(datagram, cx.now) {
            return Err(DropReason::HandshakeUnsolicited);
        }
        // Only the first one makes us call at once: whoever sees our calls and knows the peer's public key can make
        // cookie replies, and would else make us call without end. Any other waits for the timer.
        if first {
            self.dial(peer, attempt, cx);
        }
        Ok(())
    }

    /// Our call was answered: the new keys are ours to use at once, and the first record confirms them.
    fn begin(&mut self, peer: PeerId, agreed: Agreed, cx: &mut Context<'_>) {
        let session = Session::new(agreed, cx.now, self.rekey_after);
        if let Some(link) = self.links.get_mut(peer) {
            link.last_received = cx.now;
            link.owes_since = None;
        }
        self.promote(peer, session, cx);
        self.ping(peer, cx);
    }

    fn no_agreement(&mut self, peer: PeerId, failure: Failure, cx: &mut Context<'_>) {
        let what = match failure {
            Failure::NoAgreement(what) => what,
            Failure::Undecryptable | Failure::OldStamp(_) => "its handshake does not decrypt",
        };
        if let Some(link) = self.links.get_mut(peer) {
            let peer = link.name.clone();
            link.in_trouble(Event::NoAgreement { peer, what }, cx);
        }
    }

    /// Why no session comes about with a peer. While there is one, a failed call for new keys is no trouble yet.
    fn refused(&mut self, peer: PeerId, why: &'static str, cx: &mut Context<'_>) {
        let link = self.links.get_mut(peer);
        if let Some(link) = link.filter(|link| !link.is_up(cx.now)) {
            let peer = link.name.clone();
            link.in_trouble(Event::HandshakeRefused { peer, why }, cx);
        }
    }

    /// A session index: random to others, to us the peer; no other session of that peer has it.
    fn new_index(&mut self, peer: PeerId) -> u32 {
        loop {
            let random = self.random.u32();
            let Some(link) = self.links.get_mut(peer) else {
                return random;
            };
            let index = self.seats.index(link.seat, random);
            if !link.uses(index) {
                return index;
            }
        }
    }

    /// Microseconds since 1970, more than any stamp that this peer got from us, or told us of.
    fn new_stamp(&mut self, peer: PeerId, now: Instant) -> u64 {
        let wall = micros_now(self.wall_clock, now);
        self.links.get_mut(peer).map_or(wall, |link| {
            link.newest_dial = wall.max(link.newest_dial.saturating_add(1));
            link.newest_dial
        })
    }
}

/// Somebody calls who is none of our peers.
fn stranger(path: Path, key: Option<PublicKey>, cx: &mut Context<'_>) {
    cx.telemetry
        .happened(cx.now, 1, About::Strangers, || Event::Stranger {
            from: path.remote,
            key: key.map(|key| key.fingerprint()),
        });
}

impl Link {
    /// A call whose stamp is not greater than that of the newest. Either it is repeated, or the peer's clock was set
    /// back: then it can call again with the stamp that the answer tells it.
    fn refuse_old_call(&mut self, call: Call, path: Path, cx: &mut Context<'_>) {
        let behind = Duration::from_micros(self.newest_call.saturating_sub(call.stamp));
        if behind == Duration::ZERO || !self.old_call_answered.permits(cx.now, OLD_CALL_ANSWER_EVERY) {
            return;
        }
        let answer_key = call.answer_key;
        if let Ok(mut message) = call.refuse_stamp(self.psk.as_ref(), self.newest_call) {
            self.stamp.append_to_answer(&mut message, &answer_key);
            cx.out.trains.push_datagram(path, &message);
        }
        if behind > OVERTAKEN {
            let event = || Event::PeerClockBehind {
                peer: self.name.clone(),
                behind,
            };
            cx.telemetry.happened(cx.now, 1, About::ClockOf(self.id), event);
        }
    }

    /// The peer remembers a call of ours with this stamp: the next one gets a greater stamp.
    fn note_old_dial(&mut self, newest: u64, wall_clock: (Duration, Instant), cx: &mut Context<'_>) {
        if let Some(dialing) = &mut self.dialing {
            dialing.dial = None;
        }
        self.newest_dial = self.newest_dial.max(newest);
        let behind = Duration::from_micros(newest.saturating_sub(micros_now(wall_clock, cx.now)));
        if behind > OVERTAKEN {
            let event = || Event::OwnClockBehind {
                peer: self.name.clone(),
                behind,
            };
            cx.telemetry.happened(cx.now, 1, About::OurClock(self.id), event);
        }
    }
}

/// Microseconds since 1970, by what the wall clock said and the time since.
fn micros_now((unix_time, at): (Duration, Instant), now: Instant) -> u64 {
    let wall = unix_time.saturating_add(now.saturating_since(at));
    u64::try_from(wall.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use aoe_keys::SecretKey;

    use super::*;
    use crate::config::{PathMtu, PeerConfig, Protection, TunnelConfig};
    use crate::output::Output;
    use crate::random::Secrets;
    use crate::telemetry::Telemetry;
    use crate::tunnel::session::tests::pair;

    fn peer(secret: u8) -> PeerConfig {
        PeerConfig {
            name: "peer".to_owned(),
            key: SecretKey::from_bytes([secret; 32]).public(),
            psk: None,
            endpoint: Endpoint::Unknown,
            endpoint_pinned: false,
            protection: vec![Protection::Encrypt],
            path_mtu: PathMtu::Fixed(1280),
        }
    }

    fn links(secret: u8, peer: PeerConfig, now: Instant) -> Links {
        let secret = SecretKey::from_bytes([secret; 32]);
        let secrets = Secrets::new([3; 32]);
        Links::new(
            secret,
            vec![peer].into(),
            TunnelConfig::default(),
            secrets,
            now,
            Duration::ZERO,
        )
        .unwrap()
    }

    #[test]
    fn a_peer_that_calls_without_end_is_answered_ten_times_in_a_second() {
        let now = Instant::default();
        let (mut out, mut telemetry) = (Output::default(), Telemetry::default());
        let segments = crate::table::Table::default();
        let mut timers = crate::timers::Timers::new(now);
        let mut cx = Context {
            timers: &mut timers,
            segments: &segments,
            now,
            out: &mut out,
            telemetry: &mut telemetry,
        };
        let (mut caller, mut listener) = (links(1, peer(2), now), links(2, peer(1), now));
        let path = |n: u32| Path::new(0, SocketAddr::from((n.to_be_bytes(), 1)));
        let mut answered = 0;
        for n in 0..60 {
            // From ever new addresses, so that no limit for one of them counts.
            cx.now = now + Duration::from_millis(u64::from(n) * 10);
            caller.links.get_mut(PeerId(0)).unwrap().path = Some(path(n));
            caller.dial(PeerId(0), 0, &mut cx);
            let call = cx.out.trains.iter().next().unwrap().bytes.to_vec();
            cx.out.trains.clear();
            match listener.handle_init(path(n), &call, &mut cx) {
                Ok(()) => answered += 1,
                Err(reason) => assert_eq!(reason, DropReason::HandshakeRateLimited),
            }
            cx.out.trains.clear();
        }
        assert_eq!(answered, CALLS_PER_SECOND);
    }

    #[test]
    fn no_two_sessions_of_a_peer_have_one_index() {
        let now = Instant::default();
        let mut links = links(2, peer(1), now);
        // The session gets an index that this peer can have; 20 bits of it are random.
        let (mut session, _) = pair(now);
        session.local_index = links.new_index(PeerId(0));
        let used = session.local_index;
        links.links.get_mut(PeerId(0)).unwrap().sessions.previous = Some(session);
        assert!((0..3_000_000).all(|_| links.new_index(PeerId(0)) != used));
    }
}
