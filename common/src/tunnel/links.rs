//! All peers: finds the one a datagram belongs to, and keeps their sessions alive.

use std::collections::VecDeque;
use std::time::Duration;

use aoe_keys::SecretKey;

use super::admission::{self, Admission, COOKIE_REPLY_LEN, Gate, cookie_receiver};
use super::handshake::{Call, Dial, Failure, INIT_LEN, Identity, RESPONSE_LEN, response_receiver};
use super::link::{
    ASK_AFTER, Dialing, LOST_AFTER, Link, OutgoingUpdate, Promotion, REDIAL_AFTER, Slot, UPDATE_RETRY,
};
use super::message::{Kind, Position};
use super::pack::{Outlet, Packer};
use super::reassembly::{Step, Whole};
use super::record::{
    HEADER_LEN, MAX_RECORD_LEN, RecordHeader, TYPE_COOKIE, TYPE_INIT, TYPE_RECORD, TYPE_RESPONSE,
};
use super::session::{Agreed, Freshness, Session};
use crate::config::{Cipher, Endpoint, PeerConfig, PeerId, TunnelConfig};
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::output::{Output, Path};
use crate::random::Random;
use crate::telemetry::{Count, Telemetry};
use crate::time::Instant;

/// Bits of a session index that hold the peer; the rest is random.
const PEER_BITS: u32 = 12;
/// Refused handshakes are told of at most this often: of each peer, and of all strangers together, so that strangers
/// cannot hide what is wrong with a peer.
const REFUSAL_EVENT_EVERY: Duration = Duration::from_secs(10);
/// Calls without confirmation before we say so.
const UNCONFIRMED_CALLS: u32 = 3;

/// All peers.
pub(crate) struct Links {
    secret: SecretKey,
    ciphers: Vec<Cipher>,
    boot: u64,
    index_mask: u32,
    rekey_after: Duration,
    keepalive: Duration,
    gate: Gate,
    random: Random,
    /// Wall clock at zero of our own clock, and the newest stamp made from it.
    unix_zero: Duration,
    last_stamp: u64,
    links: Vec<Link>,
    /// Peers with something packed.
    packed: Vec<PeerId>,
    changes: VecDeque<(PeerId, Change)>,
    /// When strangers were last told of; a peer's is in its link.
    last_refusal: Option<Instant>,
    wake: Instant,
}

/// A change that the rest of the engine must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A session where there was none.
    Up,
    /// The peer process is another one: whatever it told us is void.
    Restarted,
    /// The session is gone.
    Lost,
    /// An update was acknowledged: the next one may go.
    UpdateAcked,
}

/// What every input of the tunnel needs.
pub(crate) struct Io<'a> {
    pub(crate) now: Instant,
    pub(crate) out: &'a mut Output,
    pub(crate) telemetry: &'a mut Telemetry,
}

impl Links {
    pub(crate) fn new(
        secret: SecretKey,
        peers: Vec<PeerConfig>,
        tunnel: TunnelConfig,
        mut random: Random,
        now: Instant,
        unix_time: Duration,
    ) -> Option<Links> {
        let our_key = secret.public();
        let gate = Gate::new(our_key, now, &mut random)?;
        Some(Links {
            gate,
            secret,
            ciphers: tunnel.ciphers,
            boot: random.u64(),
            index_mask: random.u32(),
            rekey_after: tunnel.rekey_after,
            keepalive: tunnel.keepalive,
            random,
            unix_zero: unix_time.saturating_sub(now.saturating_since(Instant::default())),
            last_stamp: 0,
            links: peers
                .into_iter()
                .map(|peer| Link::new(peer, our_key, now))
                .collect::<Option<Vec<_>>>()?,
            packed: Vec::new(),
            changes: VecDeque::new(),
            last_refusal: None,
            wake: now,
        })
    }

    /// A peer's name, for events.
    pub(crate) fn name(&self, peer: PeerId) -> String {
        self.links
            .get(usize::from(peer.0))
            .map(|link| link.name.clone())
            .unwrap_or_default()
    }

    /// Peers whose endpoint has a name to resolve.
    pub(crate) fn callable(&self) -> impl Iterator<Item = PeerId> {
        let known = |link: &Link| link.endpoint == Endpoint::Known;
        (0..)
            .zip(&self.links)
            .filter(move |(_, link)| known(link))
            .map(|(peer, _)| PeerId(peer))
    }

    pub(crate) fn is_up(&self, peer: PeerId, now: Instant) -> bool {
        self.links
            .get(usize::from(peer.0))
            .is_some_and(|link| link.is_up(now))
    }

    pub(crate) fn poll_change(&mut self) -> Option<(PeerId, Change)> {
        self.changes.pop_front()
    }

    /// The next moment at which [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(crate) fn deadline(&self) -> Instant {
        self.wake
    }

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
        io: &mut Io<'_>,
    ) -> Result<(), DropReason> {
        let link = self
            .links
            .get_mut(usize::from(peer.0))
            .ok_or(DropReason::NoSession)?;
        if link.owes_since.is_none() && expects_answer(kind) {
            link.owes_since = Some(io.now);
            self.wake = self.wake.min(io.now + ASK_AFTER);
        }
        if !self.packed.contains(&peer) {
            self.packed.push(peer);
        }
        link.with_outlet(io, |packer, outlet| packer.push(kind, head, body, outlet))
    }

    /// Seals what was packed since the last flush.
    pub(crate) fn flush(&mut self, io: &mut Io<'_>) {
        for peer in self.packed.drain(..) {
            let Some(link) = self.links.get_mut(usize::from(peer.0)) else {
                continue;
            };
            link.flush(io);
        }
    }

    /// Takes a peer's (newly resolved) address. A session that lives keeps the address it has: only
    /// authenticated data moves it.
    pub(crate) fn set_endpoint(&mut self, peer: PeerId, path: Path, io: &mut Io<'_>) {
        let Some(link) = self.links.get_mut(usize::from(peer.0)) else {
            return;
        };
        let owed_for = link
            .owes_since
            .map_or(Duration::ZERO, |since| io.now.saturating_since(since));
        if link.sessions.current.is_some() && owed_for < REDIAL_AFTER {
            return;
        }
        link.path = Some(path);
        if link.dialing.is_none() {
            self.dial(peer, 0, io);
        }
    }

    /// Opens a datagram. Handshakes are dealt with here; what comes out is the peer and the chunks of a record.
    pub(crate) fn handle_datagram<'a>(
        &mut self,
        path: Path,
        datagram: &'a mut [u8],
        io: &mut Io<'_>,
    ) -> Result<Option<(PeerId, &'a [u8])>, DropReason> {
        match datagram.first() {
            Some(&TYPE_RECORD) => self.handle_record(path, datagram, io).map(Some),
            Some(&TYPE_INIT) if datagram.len() == INIT_LEN => {
                self.handle_init(path, datagram, io).map(|()| None)
            }
            Some(&TYPE_RESPONSE) if datagram.len() == RESPONSE_LEN => {
                self.handle_response(path, datagram, io).map(|()| None)
            }
            Some(&TYPE_COOKIE) if datagram.len() == COOKIE_REPLY_LEN => {
                self.handle_cookie(datagram, io).map(|()| None)
            }
            Some(_) => Err(DropReason::DatagramUnknownType),
            None => Err(DropReason::DatagramTooShort),
        }
    }

    /// Deals with a message that concerns the tunnel itself.
    pub(crate) fn handle_control(&mut self, peer: PeerId, kind: Kind, message: &[u8], io: &mut Io<'_>) {
        match kind {
            Kind::Ping => {
                let echo = message.get(..message.len().min(PING_LEN)).unwrap_or_default();
                self.send_or_count(peer, Kind::Pong, echo, io);
            }
            Kind::UpdateAck => {
                let Some(link) = self.links.get_mut(usize::from(peer.0)) else {
                    return;
                };
                let acked = message.first_chunk().map(|serial| u32::from_be_bytes(*serial));
                if link
                    .outgoing
                    .as_ref()
                    .is_some_and(|update| Some(update.serial) == acked)
                {
                    link.outgoing = None;
                    self.changes.push_back((peer, Change::UpdateAcked));
                }
            }
            Kind::Close => {
                if let Some(link) = self.links.get_mut(usize::from(peer.0)) {
                    link.sessions.next = None;
                }
                self.lose(peer, "the peer was shut down", io);
            }
            Kind::Pong | Kind::Request | Kind::Reply | Kind::Update => {}
        }
    }

    /// Puts a fragment to its message; returns the message once it is whole.
    pub(crate) fn reassemble(
        &mut self,
        peer: PeerId,
        position: Position,
        part: &[u8],
        io: &mut Io<'_>,
    ) -> Option<Whole> {
        let link = self.links.get_mut(usize::from(peer.0))?;
        match link.reassembly.add(position, part, io.now) {
            Step::Complete(whole) => Some(whole),
            Step::Waiting => {
                self.wake = self.wake.min(link.reassembly.deadline());
                None
            }
            Step::Refused(reason) => {
                io.telemetry.drop(reason);
                None
            }
        }
    }

    /// Takes back the memory of a message.
    pub(crate) fn recycle(&mut self, peer: PeerId, whole: Whole) {
        if let Some(link) = self.links.get_mut(usize::from(peer.0)) {
            link.reassembly.recycle(whole);
        }
    }

    /// Whether an update can be sent: one at a time is under way.
    pub(crate) fn takes_update(&self, peer: PeerId, now: Instant) -> bool {
        self.links
            .get(usize::from(peer.0))
            .is_some_and(|link| link.outgoing.is_none() && link.is_up(now))
    }

    /// Sends an update (`entries` without the serial) until it is acknowledged.
    pub(crate) fn send_update(&mut self, peer: PeerId, entries: &[u8], io: &mut Io<'_>) {
        let Some(link) = self.links.get_mut(usize::from(peer.0)) else {
            return;
        };
        let serial = link.next_serial;
        link.next_serial = link.next_serial.wrapping_add(1).max(1);
        let mut message = serial.to_be_bytes().to_vec();
        message.extend_from_slice(entries);
        let again_at = io.now + UPDATE_RETRY;
        self.send_or_count(peer, Kind::Update, &message, io);
        if let Some(link) = self.links.get_mut(usize::from(peer.0)) {
            link.outgoing = Some(OutgoingUpdate {
                message,
                serial,
                again_at,
            });
        }
        self.wake = self.wake.min(again_at);
    }

    /// Acknowledges an update; false if it was applied before.
    pub(crate) fn accept_update(&mut self, peer: PeerId, serial: u32, io: &mut Io<'_>) -> bool {
        let Some(link) = self.links.get_mut(usize::from(peer.0)) else {
            return false;
        };
        let fresh = serial > link.seen_serial;
        link.seen_serial = link.seen_serial.max(serial);
        self.send_or_count(peer, Kind::UpdateAck, &serial.to_be_bytes(), io);
        fresh
    }

    /// Tells every peer that we go.
    pub(crate) fn close_all(&mut self, io: &mut Io<'_>) {
        for (peer, link) in (0..).map(PeerId).zip(0..self.links.len()) {
            if self.links.get(link).is_some_and(|link| link.is_up(io.now)) {
                self.send_or_count(peer, Kind::Close, &[], io);
            }
        }
    }

    /// Does what is due: pings, calls, rekeying, giving up.
    pub(crate) fn handle_timeout(&mut self, io: &mut Io<'_>) {
        if io.now < self.wake {
            return;
        }
        for peer in (0..).map(PeerId).take(self.links.len()) {
            self.tend(peer, io);
        }
        self.wake = self
            .links
            .iter()
            .map(|link| link.deadline(self.keepalive))
            .min()
            .unwrap_or(Instant::NEVER);
    }

    fn tend(&mut self, peer: PeerId, io: &mut Io<'_>) {
        let now = io.now;
        let Some(link) = self.links.get_mut(usize::from(peer.0)) else {
            return;
        };
        io.telemetry
            .drops(DropReason::ReassemblyExpired, link.reassembly.expire(now));
        let owed_for = link
            .owes_since
            .map_or(Duration::ZERO, |since| now.saturating_since(since));
        if !link.sessions.expire(now) {
            return self.lose(peer, "its keys are too old and no new ones came", io);
        }
        if owed_for >= LOST_AFTER {
            return self.lose(peer, "it does not answer", io);
        }
        let up = link.is_up(now);
        let idle = now.saturating_since(link.last_received.max(link.last_ping)) >= self.keepalive;
        let ask = owed_for >= ASK_AFTER && now.saturating_since(link.last_ping) >= ASK_AFTER;
        let update = link.outgoing.as_mut().filter(|update| now >= update.again_at);
        let update = update.map(|update| {
            update.again_at = now + UPDATE_RETRY;
            update.message.clone()
        });
        let redial = link
            .dialing
            .as_ref()
            .filter(|dialing| now >= dialing.again_at)
            .map(|dialing| dialing.attempt + 1);
        let first = link.wants_dial(now).then_some(0);
        if idle || ask {
            link.last_ping = now;
        }
        if up && (idle || ask) {
            self.send_or_count(peer, Kind::Ping, &now.as_micros().to_be_bytes(), io);
        }
        if let (true, Some(message)) = (up, update) {
            self.send_or_count(peer, Kind::Update, &message, io);
        }
        if let Some(attempt) = redial.or(first) {
            self.dial(peer, attempt, io);
        }
    }

    /// Calls a peer.
    fn dial(&mut self, peer: PeerId, attempt: u32, io: &mut Io<'_>) {
        let local_index = self.new_index(peer);
        let stamp = self.new_stamp(io.now);
        let identity = Identity {
            secret: &self.secret,
            boot: self.boot,
            ciphers: &self.ciphers,
        };
        let Some(link) = self.links.get_mut(usize::from(peer.0)) else {
            return;
        };
        let Some(path) = link.path else {
            link.dialing = None;
            return;
        };
        let psk = link.psk.as_ref();
        let started = Dial::start(
            &identity,
            link.key,
            psk,
            &link.protection,
            stamp,
            local_index,
            &mut self.random,
        );
        let again_at = io.now + self.random.jitter(Link::dial_wait(attempt));
        self.wake = self.wake.min(again_at);
        let (dial, message) = started.unzip();
        if let Some(mut message) = message {
            link.stamp.append(&mut message, io.now);
            io.out.trains.push_datagram(path, &message);
        }
        link.dialing = Some(Dialing {
            dial,
            attempt,
            again_at,
        });
        if attempt % 3 == 2 && link.endpoint == Endpoint::Known {
            io.telemetry.event(Event::EndpointNeeded(peer));
        }
    }

    fn handle_init(&mut self, path: Path, datagram: &[u8], io: &mut Io<'_>) -> Result<(), DropReason> {
        match self.gate.admit(datagram, path.remote, io.now, &mut self.random) {
            Admission::Admit => {}
            Admission::Cookie(reply) => {
                io.out.trains.push_datagram(path, &reply);
                return Err(DropReason::HandshakeCookieSent);
            }
            Admission::Refuse(reason) => return Err(reason),
        }
        let identity = Identity {
            secret: &self.secret,
            boot: self.boot,
            ciphers: &self.ciphers,
        };
        let Ok(call) = Call::read(&identity, admission::body(datagram), &mut self.random) else {
            self.refused(
                None,
                "a caller that knows our public key could not be understood",
                io,
            );
            return Err(DropReason::HandshakeUndecryptable);
        };
        let Some(at) = self.links.iter().position(|link| link.key == call.caller) else {
            self.refused(None, "a caller with a key that no [[peer]] has", io);
            return Err(DropReason::HandshakeUnknownPeer);
        };
        let peer = PeerId(u16::try_from(at).unwrap_or(u16::MAX));
        let local_index = self.new_index(peer);
        let identity = Identity {
            secret: &self.secret,
            boot: self.boot,
            ciphers: &self.ciphers,
        };
        let Some(link) = self.links.get_mut(at) else {
            return Err(DropReason::HandshakeUnknownPeer);
        };
        if call.stamp <= link.newest_call {
            return Err(DropReason::HandshakeReplayed);
        }
        link.newest_call = call.stamp;
        let (mut message, outcome) = call
            .answer(&identity, link.psk.as_ref(), &link.protection, local_index)
            .map_err(|_| DropReason::HandshakeUndecryptable)?;
        link.stamp.append(&mut message, io.now);
        io.out.trains.push_datagram(path, &message);
        match outcome {
            Ok(agreed) => {
                link.unconfirmed += 1;
                let session = Session::new(agreed, io.now, self.rekey_after);
                link.sessions.next = Some((session, io.now));
                self.wake = self.wake.min(link.deadline(self.keepalive));
                if link.unconfirmed == UNCONFIRMED_CALLS {
                    let why = "it calls but never confirms; compare the psk of both sides, and see whether our \
                               datagrams reach it";
                    self.refused(Some(peer), why, io);
                }
                Ok(())
            }
            Err(failure) => {
                self.no_agreement(peer, failure, io);
                Err(DropReason::HandshakeNoAgreement)
            }
        }
    }

    fn handle_response(&mut self, path: Path, datagram: &[u8], io: &mut Io<'_>) -> Result<(), DropReason> {
        if !self.gate.mac1_is_right(datagram) {
            return Err(DropReason::HandshakeBadMac);
        }
        let body = admission::body(datagram);
        let receiver = response_receiver(body);
        let peer = self.peer_of(receiver);
        let link = self
            .links
            .get_mut(usize::from(peer.0))
            .ok_or(DropReason::HandshakeUnsolicited)?;
        let dial = link.dialing.as_mut().and_then(|dialing| dialing.dial.as_mut());
        let dial = dial
            .filter(|dial| dial.local_index == receiver)
            .ok_or(DropReason::HandshakeUnsolicited)?;
        match dial.finish(body, &link.protection, &self.ciphers) {
            Ok(agreed) => {
                link.dialing = None;
                link.path = Some(path);
                self.begin(peer, agreed, io);
                Ok(())
            }
            Err(Failure::Undecryptable) => {
                self.refused(
                    Some(peer),
                    "its answer does not decrypt; compare the psk of both sides",
                    io,
                );
                Err(DropReason::HandshakeUndecryptable)
            }
            Err(failure) => {
                if let Some(dialing) = link.dialing.as_mut() {
                    dialing.dial = None;
                }
                self.no_agreement(peer, failure, io);
                Err(DropReason::HandshakeNoAgreement)
            }
        }
    }

    fn handle_cookie(&mut self, datagram: &[u8], io: &mut Io<'_>) -> Result<(), DropReason> {
        let receiver = cookie_receiver(datagram);
        let peer = self.peer_of(receiver);
        let link = self
            .links
            .get_mut(usize::from(peer.0))
            .ok_or(DropReason::HandshakeUnsolicited)?;
        let waiting = link
            .dialing
            .as_ref()
            .and_then(|dialing| dialing.dial.as_ref().map(|dial| (dial, dialing.attempt)));
        let Some((_, attempt)) = waiting.filter(|(dial, _)| dial.local_index == receiver) else {
            return Err(DropReason::HandshakeUnsolicited);
        };
        let first = !link.stamp.has_cookie(io.now);
        if !link.stamp.accept_cookie(datagram, io.now) {
            return Err(DropReason::HandshakeUnsolicited);
        }
        // Only the first one makes us call at once: whoever sees our calls and knows the peer's public key can make
        // cookie replies, and would else make us call without end. Any other waits for the timer.
        if first {
            self.dial(peer, attempt, io);
        }
        Ok(())
    }

    fn handle_record<'a>(
        &mut self,
        path: Path,
        datagram: &'a mut [u8],
        io: &mut Io<'_>,
    ) -> Result<(PeerId, &'a [u8]), DropReason> {
        if datagram.len() > MAX_RECORD_LEN {
            return Err(DropReason::DatagramTooLong);
        }
        let head = datagram
            .first_chunk::<HEADER_LEN>()
            .ok_or(DropReason::DatagramTooShort)?;
        let header = RecordHeader::parse(*head).ok_or(DropReason::DatagramUnknownType)?;
        let peer = self.peer_of(header.receiver);
        let link = self
            .links
            .get_mut(usize::from(peer.0))
            .ok_or(DropReason::RecordUnknownSession)?;
        let (slot, session) = link
            .sessions
            .find(header.receiver)
            .ok_or(DropReason::RecordUnknownSession)?;
        let (payload, freshness) = session.open(header, datagram, io.now)?;
        io.telemetry.count(Count::RecordsOpened);
        link.last_received = io.now;
        link.owes_since = None;
        if slot == Slot::Next
            && !link.sessions.keeps_current(link.precedence)
            && let Some((session, _)) = link.sessions.next.take()
        {
            self.promote(peer, session, io);
        }
        let Some(link) = self.links.get_mut(usize::from(peer.0)) else {
            return Ok((peer, payload));
        };
        if slot != Slot::Previous && freshness == Freshness::Newest && link.path != Some(path) {
            link.flush(io);
            if link.path.replace(path).is_some() {
                io.telemetry.event(Event::PeerMoved {
                    peer: link.name.clone(),
                });
            }
        }
        Ok((peer, payload))
    }

    /// Our call was answered: the new keys are ours to use at once, and the first record confirms them.
    fn begin(&mut self, peer: PeerId, agreed: Agreed, io: &mut Io<'_>) {
        let session = Session::new(agreed, io.now, self.rekey_after);
        if let Some(link) = self.links.get_mut(usize::from(peer.0)) {
            link.last_received = io.now;
            link.owes_since = None;
        }
        self.promote(peer, session, io);
        self.send_or_count(peer, Kind::Ping, &io.now.as_micros().to_be_bytes(), io);
    }

    fn promote(&mut self, peer: PeerId, session: Session, io: &mut Io<'_>) {
        let Some(link) = self.links.get_mut(usize::from(peer.0)) else {
            return;
        };
        link.flush(io);
        link.unconfirmed = 0;
        // Whoever called: there are new keys, and a call of ours that is still under way is not needed.
        link.dialing = None;
        let (protection, cipher) = (session.protection, session.cipher);
        let was_up = link.sessions.current.is_some();
        let promotion = link.sessions.promote(session);
        io.telemetry.count(Count::Handshakes);
        match promotion {
            Promotion::Rekeyed => io.telemetry.event(Event::SessionRekeyed {
                peer: link.name.clone(),
            }),
            Promotion::Up => self.changes.push_back((peer, Change::Up)),
            Promotion::Restarted => {
                link.reassembly.clear();
                link.seen_serial = 0;
                if was_up {
                    let why = "the peer was restarted";
                    io.telemetry.event(Event::SessionLost {
                        peer: link.name.clone(),
                        why,
                    });
                }
                self.changes.push_back((peer, Change::Restarted));
            }
        }
        if promotion != Promotion::Rekeyed {
            io.telemetry.event(Event::SessionUp {
                peer: link.name.clone(),
                protection,
                cipher,
            });
        }
        self.wake = self.wake.min(link.deadline(self.keepalive));
    }

    fn lose(&mut self, peer: PeerId, why: &'static str, io: &mut Io<'_>) {
        let Some(link) = self.links.get_mut(usize::from(peer.0)) else {
            return;
        };
        link.packer.discard();
        link.owes_since = None;
        link.sessions.previous = None;
        if link.sessions.current.take().is_some() {
            io.telemetry.event(Event::SessionLost {
                peer: link.name.clone(),
                why,
            });
            self.changes.push_back((peer, Change::Lost));
        }
        match link.endpoint {
            Endpoint::Known => {
                io.telemetry.event(Event::EndpointNeeded(peer));
                if link.dialing.is_none() {
                    let again_at = io.now + self.random.jitter(Link::dial_wait(0));
                    link.dialing = Some(Dialing {
                        dial: None,
                        attempt: 0,
                        again_at,
                    });
                }
            }
            Endpoint::Unknown => {
                link.path = None;
                link.dialing = None;
            }
        }
        self.wake = self.wake.min(link.deadline(self.keepalive));
    }

    fn no_agreement(&mut self, peer: PeerId, failure: Failure, io: &mut Io<'_>) {
        let what = match failure {
            Failure::NoAgreement(what) => what,
            Failure::Undecryptable => "its handshake does not decrypt",
        };
        if self.may_tell_refusal(Some(peer), io.now) {
            io.telemetry.event(Event::NoAgreement {
                peer: self.name(peer),
                what,
            });
        }
    }

    fn refused(&mut self, peer: Option<PeerId>, why: &'static str, io: &mut Io<'_>) {
        if self.may_tell_refusal(peer, io.now) {
            io.telemetry.event(Event::HandshakeRefused {
                peer: peer.map(|peer| self.name(peer)),
                why,
            });
        }
    }

    fn may_tell_refusal(&mut self, peer: Option<PeerId>, now: Instant) -> bool {
        let link = peer.and_then(|peer| self.links.get_mut(usize::from(peer.0)));
        let last_refusal = link.map_or(&mut self.last_refusal, |link| &mut link.last_refusal);
        let quiet = last_refusal.is_none_or(|last| now.saturating_since(last) >= REFUSAL_EVENT_EVERY);
        if quiet {
            *last_refusal = Some(now);
        }
        quiet
    }

    /// Sends a message of the tunnel itself; whoever asked for it asks again if it is lost.
    fn send_or_count(&mut self, peer: PeerId, kind: Kind, message: &[u8], io: &mut Io<'_>) {
        if let Err(reason) = self.send(peer, kind, message, &[], io) {
            io.telemetry.drop(reason);
        }
    }

    /// A session index: random to others, to us the peer.
    fn new_index(&mut self, peer: PeerId) -> u32 {
        ((self.random.u32() << PEER_BITS) | u32::from(peer.0)) ^ self.index_mask
    }

    fn peer_of(&self, index: u32) -> PeerId {
        #[allow(clippy::cast_possible_truncation, reason = "masked to 12 bits")]
        PeerId(((index ^ self.index_mask) & ((1 << PEER_BITS) - 1)) as u16)
    }

    /// Microseconds since 1970, more than any stamp before.
    fn new_stamp(&mut self, now: Instant) -> u64 {
        let wall = self.unix_zero + now.saturating_since(Instant::default());
        self.last_stamp = u64::try_from(wall.as_micros())
            .unwrap_or(u64::MAX)
            .max(self.last_stamp + 1);
        self.last_stamp
    }
}

impl Link {
    /// Lends the packer what it needs to seal for this peer.
    fn with_outlet(
        &mut self,
        io: &mut Io<'_>,
        work: impl FnOnce(&mut Packer, &mut Outlet<'_>) -> Result<(), DropReason>,
    ) -> Result<(), DropReason> {
        let datagram_len = self.datagram_len();
        let (Some(path), Some(session)) = (self.path, self.sessions.current.as_mut()) else {
            return Err(DropReason::NoSession);
        };
        if !session.is_usable(io.now) {
            return Err(DropReason::NoSession);
        }
        let mut outlet = Outlet {
            session,
            path,
            datagram_len,
            trains: &mut io.out.trains,
            sealed: 0,
        };
        let result = work(&mut self.packer, &mut outlet);
        io.telemetry.add(Count::RecordsSealed, outlet.sealed);
        result
    }

    fn flush(&mut self, io: &mut Io<'_>) {
        if let Err(reason) = self.with_outlet(io, Packer::flush) {
            if !self.packer.is_empty() {
                io.telemetry.drop(reason);
            }
            self.packer.discard();
        }
    }
}

/// A ping carries the sender's time; only so much is echoed.
const PING_LEN: usize = 8;

fn expects_answer(kind: Kind) -> bool {
    match kind {
        Kind::Request | Kind::Ping | Kind::Update => true,
        Kind::Reply | Kind::Pong | Kind::UpdateAck | Kind::Close => false,
    }
}
