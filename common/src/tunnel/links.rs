//! All peers: finds the one a datagram belongs to, and keeps their sessions alive.
//!
//! - `calls`: handshakes, ours and theirs
//! - `messages`: what peers tell each other about the tunnel and the exports

mod calls;
mod messages;

use std::collections::VecDeque;
use std::time::Duration;

use aoe_keys::SecretKey;

use super::admission::Gate;
use super::gaps::Arrival;
use super::handshake::{INIT_LEN, RESPONSE_LEN};
use super::link::{ASK_AFTER, Dialing, LOST_AFTER, Link, REDIAL_AFTER, UPDATE_RETRY};
use super::macs::COOKIE_REPLY_LEN;
use super::message::Kind;
use super::path_mtu::Refused;
use super::record::{
    HEADER_LEN, MAX_RECORD_LEN, RecordHeader, TYPE_COOKIE, TYPE_INIT, TYPE_RECORD, TYPE_RESPONSE,
};
use super::session::{Freshness, Session};
use super::sessions::{Promotion, Slot};
use crate::config::{Cipher, Endpoint, PeerConfig, PeerId, TunnelConfig};
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::output::{Output, Path};
use crate::random::Random;
use crate::seldom::Seldom;
use crate::telemetry::{Count, Telemetry};
use crate::time::Instant;
use crate::worker::Worker;

/// Bits of a session index that hold the peer; the rest is random.
const PEER_BITS: u32 = 12;

/// A peer's changes of address are told of at most this often: whoever is on the path can send genuine records on from
/// ever new addresses.
const MOVE_EVENT_EVERY: Duration = Duration::from_millis(250);

/// All peers.
pub(crate) struct Links {
    secret: SecretKey,
    ciphers: Vec<Cipher>,
    worker: Worker,
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
    last_refusal: Seldom,
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

/// An opened record.
pub(crate) struct Opened<'a> {
    pub(crate) peer: PeerId,
    /// The session it came by.
    pub(crate) session: u32,
    /// Its chunks.
    pub(crate) payload: &'a [u8],
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
            worker: tunnel.worker,
            boot: random.u64(),
            index_mask: random.u32(),
            rekey_after: tunnel.rekey_after,
            keepalive: tunnel.keepalive,
            random,
            unix_zero: unix_time.saturating_sub(now.saturating_since(Instant::default())),
            last_stamp: 0,
            links: (0..)
                .map(PeerId)
                .zip(peers)
                .map(|(id, peer)| Link::new(id, peer, our_key, now))
                .collect::<Option<Vec<_>>>()?,
            packed: Vec::new(),
            changes: VecDeque::new(),
            last_refusal: Seldom::default(),
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

    /// How old what a peer captured then (microseconds of its clock, modulo 2^32) is at most; `None` if we do not know
    /// its clock. See [`PeerClock::age`](super::peer_clock::PeerClock::age).
    pub(crate) fn request_age(&self, peer: PeerId, captured: u32, now: Instant) -> Option<Duration> {
        self.links
            .get(usize::from(peer.0))
            .and_then(|link| link.clock.age(captured, now))
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
        if !link.is_packed {
            link.is_packed = true;
            self.packed.push(peer);
        }
        link.push(kind, head, body, io)?;
        if link.owes_since.is_none() && expects_answer(kind) {
            link.owes_since = Some(io.now);
            self.wake = self.wake.min(io.now + ASK_AFTER);
        }
        if !link.busy && matches!(kind, Kind::Request | Kind::Reply) {
            link.busy = true;
            self.wake = self.wake.min(link.ping_at(self.keepalive));
        }
        Ok(())
    }

    /// Seals what was packed since the last flush; reports of what arrived go along.
    pub(crate) fn flush(&mut self, io: &mut Io<'_>) {
        self.keep_sent(io);
        for peer in self.packed.drain(..) {
            let Some(link) = self.links.get_mut(usize::from(peer.0)) else {
                continue;
            };
            link.is_packed = false;
            if link.repair.reports_along(link.ask_at(), io.now) {
                link.report(io);
            }
            link.flush(io);
            self.wake = self.wake.min(link.repair_at());
        }
    }

    /// Keeps what was sent since the last time, to send it again if it is lost.
    fn keep_sent(&mut self, io: &mut Io<'_>) {
        while let Some(sent) = io.out.trains.pop_sent() {
            match self.links.get_mut(usize::from(sent.records.peer.0)) {
                Some(link) => link.repair.keep(sent, io.now, &mut io.out.trains),
                None => io.out.trains.give_back(sent.bytes),
            }
        }
    }

    /// A record of a peer held a message of which it wants to hear that it arrived.
    pub(crate) fn note_news(&mut self, peer: PeerId, session: u32, len: usize, now: Instant) {
        let Some(link) = self.links.get_mut(usize::from(peer.0)) else {
            return;
        };
        if let Some((_, session)) = link.sessions.find(session) {
            session.gaps.note_news();
            link.repair.note_news(len, now);
            self.wake = self.wake.min(link.repair.report_at(Instant::NEVER));
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
        // What is packed was made to the measure of the old path.
        link.flush(io);
        link.path = Some(path);
        link.path_mtu.restart(io.now);
        if link.dialing.is_none() {
            self.dial(peer, 0, io);
        }
    }

    /// The kernel did not take a datagram of this length, for it is longer than the device allows.
    pub(crate) fn handle_refused(
        &mut self,
        path: Path,
        len: usize,
        now: Instant,
        telemetry: &mut Telemetry,
    ) -> Refused {
        let Some(link) = self.links.iter_mut().find(|link| link.path == Some(path)) else {
            return Refused::Fixed;
        };
        let refused = link.refused(len, now);
        if refused == Refused::Lowered {
            telemetry.count(Count::PathMtuLowered);
        }
        if refused != Refused::Fixed {
            self.wake = self.wake.min(now);
        }
        refused
    }

    /// Opens a datagram. Handshakes are dealt with here; what comes out is a record.
    pub(crate) fn handle_datagram<'a>(
        &mut self,
        path: Path,
        datagram: &'a mut [u8],
        io: &mut Io<'_>,
    ) -> Result<Option<Opened<'a>>, DropReason> {
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
        self.keep_sent(io);
        for peer in (0..).map(PeerId).take(self.links.len()) {
            let link = self.links.get(usize::from(peer.0));
            if link.is_some_and(|link| link.deadline(self.keepalive) <= io.now) {
                self.tend(peer, io);
            }
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
        link.repair.expire(now, &mut io.out.trains);
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
        if up {
            link.probe_path(io);
        }
        let reports = up && now >= link.repair.report_at(link.ask_at());
        let ping = now >= link.ping_at(self.keepalive) || up && link.probe(io);
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
        if ping && up {
            self.ping(peer, io);
        } else if ping {
            link.last_ping = now;
        }
        if reports {
            self.report(peer, io);
        }
        if let (true, Some(message)) = (up, update) {
            self.send_or_count(peer, Kind::Update, &message, io);
        }
        if let Some(attempt) = redial.or(first) {
            self.dial(peer, attempt, io);
        }
    }

    fn handle_record<'a>(
        &mut self,
        path: Path,
        datagram: &'a mut [u8],
        io: &mut Io<'_>,
    ) -> Result<Opened<'a>, DropReason> {
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
        let tolerance = link.repair.tolerance.get(link.clock.round_trip());
        match session.gaps.arrived(header.counter, io.now, tolerance) {
            Arrival::InOrder => {}
            Arrival::Gap(ask_at) => {
                io.telemetry
                    .add(Count::RecordsGivenUp, session.gaps.expire(io.now));
                self.wake = self.wake.min(ask_at);
            }
            Arrival::Late(late) => {
                link.repair.tolerance.learn(late, link.clock.round_trip());
                // The sender still keeps it.
                session.gaps.note_news();
                link.repair.note_news(0, io.now);
            }
        }
        link.repair.note_arrival(payload.len());
        link.last_received = io.now;
        link.owes_since = None;
        let confirmed = slot == Slot::Next && !link.sessions.keeps_current(link.precedence);
        let confirmed = confirmed.then(|| link.sessions.next.take()).flatten();
        let is_new = confirmed.is_some();
        if let Some((session, _)) = confirmed {
            self.promote(peer, session, io);
        }
        let opened = Opened {
            peer,
            session: header.receiver,
            payload,
        };
        let Some(link) = self.links.get_mut(usize::from(peer.0)) else {
            return Ok(opened);
        };
        if slot != Slot::Previous && freshness == Freshness::Newest && link.path != Some(path) {
            link.flush(io);
            link.path_mtu.restart(io.now);
            self.wake = self.wake.min(io.now);
            if link.path.replace(path).is_some() && link.move_told.tell(io.now, MOVE_EVENT_EVERY) {
                io.telemetry.event(Event::PeerMoved {
                    peer: link.name.clone(),
                });
            }
        }
        if is_new {
            // Only now is it known where to.
            self.ping(peer, io);
        }
        Ok(opened)
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
        if promotion != Promotion::Rekeyed {
            link.path_mtu.restart(io.now);
        }
        match promotion {
            Promotion::Rekeyed => io.telemetry.event(Event::SessionRekeyed {
                peer: link.name.clone(),
            }),
            Promotion::Up => self.changes.push_back((peer, Change::Up)),
            Promotion::Restarted => {
                link.reassembly.clear();
                link.repair.clear(&mut io.out.trains);
                link.clock.forget();
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
        link.repair.clear(&mut io.out.trains);
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

    /// Tells a peer what arrived and what did not.
    fn report(&mut self, peer: PeerId, io: &mut Io<'_>) {
        if let Some(link) = self.links.get_mut(usize::from(peer.0)) {
            if !link.is_packed {
                link.is_packed = true;
                self.packed.push(peer);
            }
            link.report(io);
        }
    }

    /// Asks a peer for a sign of life and its clock.
    fn ping(&mut self, peer: PeerId, io: &mut Io<'_>) {
        let Some(link) = self.links.get_mut(usize::from(peer.0)) else {
            return;
        };
        (link.last_ping, link.busy) = (io.now, false);
        let number = link.clock.ask(io.now);
        self.send_or_count(peer, Kind::Ping, &number.to_be_bytes(), io);
    }

    /// Sends a message of the tunnel itself; whoever asked for it asks again if it is lost.
    fn send_or_count(&mut self, peer: PeerId, kind: Kind, message: &[u8], io: &mut Io<'_>) {
        if let Err(reason) = self.send(peer, kind, message, &[], io) {
            io.telemetry.drop(reason);
        }
    }

    fn peer_of(&self, index: u32) -> PeerId {
        #[allow(clippy::cast_possible_truncation, reason = "masked to 12 bits")]
        PeerId(((index ^ self.index_mask) & ((1 << PEER_BITS) - 1)) as u16)
    }
}

fn expects_answer(kind: Kind) -> bool {
    match kind {
        Kind::Request | Kind::Ping | Kind::Update => true,
        Kind::Reply | Kind::Pong | Kind::UpdateAck | Kind::Close | Kind::Report | Kind::Abandon => false,
    }
}
