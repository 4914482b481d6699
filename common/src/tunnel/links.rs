//! All peers: finds the one a datagram belongs to, and keeps their sessions alive.
//!
//! - `records`: what arrives, and the sessions it comes by
//! - `calls`: handshakes, ours and theirs
//! - `moving`: a peer whose address changes
//! - `messages`: what peers tell each other about the tunnel and the exports
//! - `due`: what is done because time passes
//! - `change`: peers that come, change and go
//! - `seats`: which peer a session index belongs to

mod calls;
mod change;
mod due;
mod look;
mod messages;
mod moving;
mod records;
mod seats;
#[cfg(test)]
mod two;

pub(crate) use messages::Applies;
pub(crate) use seats::Seat;

use std::collections::VecDeque;
use std::time::Duration;

use aoe_keys::SecretKey;
use aws_lc_rs::hmac;

use self::change::Closing;
use self::seats::Seats;
use super::admission::Gate;
use super::handshake::{INIT_LEN, RESPONSE_LEN};
use super::link::{ASK_AFTER, CALL_WITHIN, Link};
use super::macs::{COOKIE_REPLY_LEN, hmac_key};
use super::message::Kind;
use super::path_mtu::Refused;
use super::record::{TYPE_COOKIE, TYPE_INIT, TYPE_RECORD, TYPE_RESPONSE};
use crate::config::{Cipher, Endpoint, PeerConfig, PeerId, TunnelConfig};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::output::Path;
use crate::random::{Random, Secrets};
use crate::table::Table;
use crate::telemetry::{Count, Telemetry};
use crate::time::Instant;
use crate::timers::{Timer, Timers};
use crate::trouble::About;
use crate::worker::Worker;

/// Ways to one peer that are tried. The names of gateways have one address or two, not hundreds.
const MAX_WAYS: usize = 16;

/// All peers.
pub(crate) struct Links {
    secret: SecretKey,
    ciphers: Vec<Cipher>,
    worker: Worker,
    seats: Seats,
    rekey_after: Duration,
    keepalive: Duration,
    gate: Gate,
    secrets: Secrets,
    random: Random,
    /// Makes the challenges for new addresses.
    path_secret: hmac::Key,
    /// What the wall clock said, and when.
    wall_clock: (Duration, Instant),
    links: Table<PeerId, Link>,
    /// Peers with something packed.
    packed: Vec<PeerId>,
    changes: VecDeque<(PeerId, Change)>,
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
    /// The path was found to carry what we need, or not to.
    Path,
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

impl Links {
    pub(crate) fn new(
        secret: SecretKey,
        peers: Table<PeerId, PeerConfig>,
        tunnel: TunnelConfig,
        mut secrets: Secrets,
        now: Instant,
        unix_time: Duration,
    ) -> Option<Links> {
        let our_key = secret.public();
        let mut random = Random::drawn_from(&mut secrets);
        let gate = Gate::new(our_key, now, &mut random)?;
        let mut links = Links {
            gate,
            secret,
            ciphers: tunnel.ciphers,
            worker: tunnel.worker,
            seats: Seats::new(random.u32()),
            rekey_after: tunnel.rekey_after,
            keepalive: tunnel.keepalive,
            random,
            path_secret: hmac_key(secrets.draw().as_slice()),
            secrets,
            wall_clock: (unix_time, now),
            links: Table::default(),
            packed: Vec::new(),
            changes: VecDeque::new(),
        };
        for (id, peer) in peers {
            links.insert(id, peer, now)?;
        }
        Some(links)
    }

    /// A peer that was not heard yet. `None`: there are 4096 already.
    fn insert(&mut self, peer: PeerId, config: PeerConfig, now: Instant) -> Option<()> {
        let seat = self.seats.take(peer)?;
        let boot = self.random.u64();
        let link = Link::new((peer, seat), config, self.secret.public(), boot, now)?;
        self.links.insert(peer, link);
        Some(())
    }

    /// A peer's name, for events.
    pub(crate) fn name(&self, peer: PeerId) -> String {
        self.links
            .get(peer)
            .map(|link| link.name.clone())
            .unwrap_or_default()
    }

    /// Asks for the addresses of the peers that we call, and notes who has to call us.
    pub(crate) fn start(&self, now: Instant, telemetry: &mut Telemetry) {
        self.links
            .values()
            .for_each(|link| link.await_session(now, telemetry));
    }

    /// Whether the path to a peer was found to carry packets of the least size.
    pub(crate) fn is_path_proven(&self, peer: PeerId) -> bool {
        self.links.get(peer).is_some_and(|link| link.path_mtu.is_proven())
    }

    pub(crate) fn is_up(&self, peer: PeerId, now: Instant) -> bool {
        self.links.get(peer).is_some_and(|link| link.is_up(now))
    }

    /// How old what a peer captured then (microseconds of its clock, modulo 2^32) is at most; `None` if that is not
    /// known. See [`peer_clock`](super::peer_clock).
    ///
    /// A peer whose clock was not read yet sealed it after its session began; how old it was then is the peer's
    /// affair.
    pub(crate) fn request_age(&mut self, peer: PeerId, captured: u32, now: Instant) -> Option<Duration> {
        let link = self.links.get_mut(peer)?;
        link.clock.age(captured, now).or_else(|| {
            let since = link.sessions.oldest_since()?;
            link.clock.ran_since(since).then(|| now.saturating_since(since))
        })
    }

    /// A request of this peer was too old, or of no known age: its clock is read again soon.
    pub(crate) fn doubt_clock(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        if let Some(link) = self.links.get_mut(peer) {
            link.clock.doubt();
            cx.timers.lower(Timer::Peers, link.ping_at(self.keepalive));
        }
    }

    pub(crate) fn poll_change(&mut self) -> Option<(PeerId, Change)> {
        self.changes.pop_front()
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
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let link = self.links.get_mut(peer).ok_or(DropReason::NoSession)?;
        if !link.is_packed {
            link.is_packed = true;
            self.packed.push(peer);
        }
        link.push(kind, head, body, cx)?;
        if link.owes_since.is_none() && expects_answer(kind) {
            link.owes_since = Some(cx.now);
            cx.timers.lower(Timer::Peers, cx.now + ASK_AFTER);
        }
        if !link.busy && matches!(kind, Kind::Request | Kind::Reply) {
            link.busy = true;
            cx.timers.lower(Timer::Peers, link.ping_at(self.keepalive));
        }
        Ok(())
    }

    /// Packs chunks as they are, and says by which session they go, as its receiver counts it.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn send_payload(&mut self, peer: PeerId, payload: &[u8], cx: &mut Context<'_>) -> Option<u32> {
        let link = self.links.get_mut(peer)?;
        let session = link.sessions.current.as_ref()?.local_index;
        if !link.is_packed {
            link.is_packed = true;
            self.packed.push(peer);
        }
        for chunk in super::message::chunks(payload).flatten() {
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
            link.is_packed = false;
            if link.repair.reports_along(link.ask_at(), cx.now) {
                link.report(cx);
            }
            link.flush(cx);
            cx.timers.lower(Timer::Peers, link.repair_at());
        }
    }

    /// Keeps what was sent since the last time, to send it again if it is lost.
    fn keep_sent(&mut self, cx: &mut Context<'_>) {
        while let Some(sent) = cx.out.trains.pop_sent() {
            match self.links.get_mut(sent.records.peer) {
                Some(link) => link.repair.keep(sent, cx.now, &mut cx.out.trains),
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
            link.repair.note_news(len, cx.now);
            cx.timers
                .lower(Timer::Peers, link.repair.report_at(Instant::NEVER));
        }
    }

    /// What the wall clock says.
    pub(crate) fn set_wall_clock(&mut self, unix_time: Duration, now: Instant) {
        self.wall_clock = (unix_time, now);
    }

    /// Takes the (newly resolved) ways to a peer, the best first. Calls go there in turn; a session keeps the way it has,
    /// until an answer or authenticated data moves it.
    pub(crate) fn set_endpoint(&mut self, peer: PeerId, mut ways: Vec<Path>, cx: &mut Context<'_>) {
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        ways.truncate(MAX_WAYS);
        link.ways = ways;
        if link.settle_way(cx) {
            self.changes.push_back((peer, Change::Path));
        }
        if link.sessions.current.is_none() && link.dialing.is_none() {
            self.dial(peer, 0, cx);
        }
    }

    /// The kernel did not take a datagram of this length, for it is longer than the device allows.
    pub(crate) fn handle_refused(
        &mut self,
        path: Path,
        len: usize,
        now: Instant,
        (telemetry, timers): (&mut Telemetry, &mut Timers),
    ) -> Refused {
        let Some(link) = self.links.values_mut().find(|link| link.path == Some(path)) else {
            return Refused::Fixed;
        };
        let refused = link.refused(len, now);
        if refused == Refused::Lowered {
            telemetry.count(Count::PathMtuLowered);
        }
        if refused != Refused::Fixed {
            timers.lower(Timer::Peers, now);
        }
        refused
    }

    /// The kernel did not take datagrams for this path. While there is no session with the peer this is why.
    pub(crate) fn note_send_failed(
        &mut self,
        path: Path,
        now: Instant,
        error: impl FnOnce() -> String,
        telemetry: &mut Telemetry,
    ) {
        let found = self.links.values_mut().find(|link| link.path == Some(path));
        let failed = |link: Option<&Link>| Event::SendFailed {
            peer: link.map(|link| link.name.clone()),
            error: error(),
        };
        match found {
            Some(link) if link.sessions.current.is_none() => {
                let failed = failed(Some(link));
                link.presence.down(&failed, now);
                telemetry.raise(now, About::Session(link.id), failed);
            }
            found => {
                let found = found.as_deref();
                telemetry.happened(now, 1, About::Sending(found.map(|link| link.id)), || {
                    failed(found)
                });
            }
        }
    }

    /// Opens a datagram. Handshakes are dealt with here; what comes out is a record.
    pub(crate) fn handle_datagram<'a>(
        &mut self,
        path: Path,
        datagram: &'a mut [u8],
        cx: &mut Context<'_>,
    ) -> Result<Option<Opened<'a>>, DropReason> {
        match datagram.first() {
            Some(&TYPE_RECORD) => self.handle_record(path, datagram, cx).map(Some),
            Some(&TYPE_INIT) if datagram.len() == INIT_LEN => {
                self.handle_init(path, datagram, cx).map(|()| None)
            }
            Some(&TYPE_RESPONSE) if datagram.len() == RESPONSE_LEN => {
                self.handle_response(path, datagram, cx).map(|()| None)
            }
            Some(&TYPE_COOKIE) if datagram.len() == COOKIE_REPLY_LEN => {
                self.handle_cookie(datagram, cx).map(|()| None)
            }
            Some(_) => Err(DropReason::DatagramUnknownType),
            None => Err(DropReason::DatagramTooShort),
        }
    }

    /// Tells every peer that we go.
    pub(crate) fn close_all(&mut self, cx: &mut Context<'_>) {
        let peers: Vec<PeerId> = self.links.ids().collect();
        for peer in peers {
            self.close(peer, Closing::Ending, cx);
        }
    }

    /// Sends a message of the tunnel itself; whoever asked for it asks again if it is lost.
    fn send_or_count(&mut self, peer: PeerId, kind: Kind, message: &[u8], cx: &mut Context<'_>) {
        if let Err(reason) = self.send(peer, kind, message, &[], cx) {
            cx.telemetry.drop(reason);
        }
    }

    /// The peer that may have a session, or a call under way, of this index.
    fn find(&mut self, index: u32) -> Option<(PeerId, &mut Link)> {
        let peer = self.seats.peer(index)?;
        Some((peer, self.links.get_mut(peer)?))
    }
}

impl Link {
    /// There is no session: asks for the peer's addresses, or notes that it has to call.
    fn await_session(&self, now: Instant, telemetry: &mut Telemetry) {
        match self.endpoint {
            Endpoint::Known => telemetry.event(Event::EndpointNeeded(self.id)),
            Endpoint::Unknown => {
                let nobody = Event::NobodyCalls {
                    peer: self.name.clone(),
                };
                telemetry.raise_after(CALL_WITHIN, now, About::Session(self.id), nobody);
            }
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
        | Kind::PathResponse => false,
    }
}
