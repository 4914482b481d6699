//! All peers: finds the one a datagram belongs to, and keeps their sessions alive.
//!
//! - `records`: what arrives, and the sessions it comes by
//! - `calls`: handshakes that we start; `answers`: those that peers start
//! - `tls_calls`, `tls_answers`: the same by TLS; `tls`: what they share, and certificates that are not accepted any more
//! - `quantum`: exchanges of secrets for the next keys
//! - `moving`: a peer whose address changes; `ways`: what the gateway says of sockets and addresses
//! - `sending`: what goes out
//! - `messages`: what peers tell each other about the tunnel; `updates`: about the exports
//! - `due`: what is done because time passes
//! - `change`: peers that come, change and go
//! - `keys`: static keys that change
//! - `taking`: peers that an operator takes down and up
//! - `look`: how peers are, for people

mod answers;
mod calls;
mod change;
mod due;
mod keys;
mod look;
mod messages;
mod moving;
mod quantum;
mod records;
mod sending;
mod taking;
mod tls;
mod tls_answers;
mod tls_calls;
#[cfg(test)]
mod two;
mod updates;
mod ways;

use std::collections::VecDeque;
use std::time::Duration;

use aoe_keys::PublicKey;
use aws_lc_rs::hmac;

use self::tls::Tls;
use super::admission::Gate;
use super::handshake::tls::{COOKIE_LEN, HELLO_LEN, Ours};
use super::handshake::{INIT_LEN, INIT_NAMING_LEN, Local, RESPONSE_LEN};
use super::keyring::Keyring;
use super::link::{Identity, Link};
use super::macs::{COOKIE_REPLY_LEN, hmac_key};
use super::record::{
    TYPE_COOKIE, TYPE_INIT, TYPE_RECORD, TYPE_RESPONSE, TYPE_TLS_COOKIE, TYPE_TLS_DOWN, TYPE_TLS_HELLO,
    TYPE_TLS_UP,
};
use super::seats::Seats;
use crate::config::{Cipher, OwnKeys, PeerConfig, PeerId, Revoked, TunnelConfig};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::output::Path;
use crate::random::{Random, Secrets};
use crate::table::Table;
use crate::telemetry::Telemetry;
use crate::time::Instant;
use crate::timers::Timer;
use crate::worker::Worker;

/// A wall clock that is off by so much from what was expected was set.
const CLOCK_WAS_SET: Duration = Duration::from_millis(100);

/// All peers.
pub(crate) struct Links {
    us: Us,
    seats: Seats,
    rekey_after: Duration,
    keepalive: Duration,
    gate: Gate,
    tls: Tls,
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
    /// For tests: whether messages about keys are unknown here.
    #[cfg(feature = "fuzzing")]
    knows_nothing_of_keys: bool,
}

/// What we bring to every handshake.
struct Us {
    keys: Keyring,
    revoked: Revoked,
    /// Ciphers we offer, best first.
    ciphers: Vec<Cipher>,
    worker: Worker,
}

impl Us {
    /// The same by this key of ours; `None`: it is not accepted any more.
    fn local(&self, key: &PublicKey) -> Option<Local<'_>> {
        Some(Local {
            secret: self.keys.secret(key)?,
            public: *key,
            ciphers: &self.ciphers,
            worker: self.worker,
        })
    }

    /// The same for handshakes by TLS with this peer.
    fn for_tls<'a>(&'a self, peer: &'a Identity) -> Ours<'a> {
        Ours {
            boot: peer.boot,
            protection: &peer.protection,
            ciphers: &self.ciphers,
            worker: self.worker,
        }
    }
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
    /// A key of its session is not accepted any more: what it asked for is not wanted any more.
    Cut,
}

/// An opened record.
pub(crate) struct Opened<'a> {
    pub(crate) peer: PeerId,
    /// The session it came by.
    pub(crate) session: u32,
    /// Whether requests, replies and what belongs to them travel by it.
    pub(crate) carries_storage: bool,
    /// Its chunks.
    pub(crate) payload: &'a [u8],
}

impl Links {
    pub(crate) fn new(
        (keys, revoked): (OwnKeys, Revoked),
        peers: Table<PeerId, PeerConfig>,
        tunnel: TunnelConfig,
        mut secrets: Secrets,
        now: Instant,
        unix_time: Duration,
    ) -> Option<Links> {
        let keys = Keyring::new(keys, &revoked);
        let mut random = Random::drawn_from(&mut secrets);
        let gate = Gate::new(keys.live(), now, &mut random)?;
        let tls = Tls::new(now, &mut random);
        let mut links = Links {
            gate,
            tls,
            us: Us {
                keys,
                revoked,
                ciphers: tunnel.ciphers,
                worker: tunnel.worker,
            },
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
            #[cfg(feature = "fuzzing")]
            knows_nothing_of_keys: false,
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
        let link = Link::new((peer, seat), &config, &self.us.revoked, boot, now);
        self.links.insert(peer, link);
        Some(())
    }

    /// A peer's name, for events.
    pub(crate) fn name(&self, peer: PeerId) -> String {
        self.links.get(peer).map(Link::name).unwrap_or_default()
    }

    /// Asks for the addresses of the peers that we call, and notes who has to call us.
    pub(crate) fn start(&self, now: Instant, telemetry: &mut Telemetry) {
        self.links
            .values()
            .for_each(|link| link.await_session(now, telemetry));
    }

    /// Whether the path to a peer was found to carry packets of the least size.
    pub(crate) fn is_path_proven(&self, peer: PeerId) -> bool {
        self.links.get(peer).is_some_and(|link| link.path.mtu.is_proven())
    }

    /// Whether requests, replies and what belongs to them pass: the keys with the peer are good enough, if there are any.
    pub(crate) fn carries_storage(&self, peer: PeerId) -> bool {
        self.links.get(peer).is_some_and(Link::carries_storage)
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
        link.path.clock.age(captured, now).or_else(|| {
            let since = link.sessions.oldest_since()?;
            link.path
                .clock
                .ran_since(since)
                .then(|| now.saturating_since(since))
        })
    }

    /// A request of this peer was too old, or of no known age: its clock is read again soon.
    pub(crate) fn doubt_clock(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        if let Some(link) = self.links.get_mut(peer) {
            link.path.clock.doubt();
            cx.timers.lower(Timer::Peers, link.ping_at(self.keepalive));
        }
    }

    pub(crate) fn poll_change(&mut self) -> Option<(PeerId, Change)> {
        self.changes.pop_front()
    }

    /// What the wall clock says. When our keys are to be looked at by it.
    pub(crate) fn set_wall_clock(&mut self, unix_time: Duration, now: Instant) -> Instant {
        self.wall_clock = (unix_time, now);
        self.keys_due_at(now)
    }

    /// The wall clock says this: whether it was set, so that certificates may have expired, or not yet.
    pub(crate) fn clock_was_set(&mut self, unix_time: Duration, now: Instant) -> bool {
        let expected = Duration::from_micros(self.wall_micros(now));
        if expected.abs_diff(unix_time) < CLOCK_WAS_SET {
            return false;
        }
        let sessions = self.links.values_mut().flat_map(|link| link.sessions.all_mut());
        sessions.for_each(|session| session.note_wall_clock(unix_time, now));
        true
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
            Some(&TYPE_INIT) if [INIT_LEN, INIT_NAMING_LEN].contains(&datagram.len()) => {
                self.handle_init(path, datagram, cx).map(|()| None)
            }
            Some(&TYPE_RESPONSE) if datagram.len() == RESPONSE_LEN => {
                self.handle_response(path, datagram, cx).map(|()| None)
            }
            Some(&TYPE_COOKIE) if datagram.len() == COOKIE_REPLY_LEN => {
                self.handle_cookie(datagram, cx).map(|()| None)
            }
            Some(&TYPE_TLS_HELLO) if datagram.len() == HELLO_LEN => {
                self.handle_hello(path, datagram, cx).map(|()| None)
            }
            Some(&TYPE_TLS_COOKIE) if datagram.len() == COOKIE_LEN => {
                self.handle_tls_cookie(path, datagram, cx).map(|()| None)
            }
            Some(&TYPE_TLS_UP) => self.handle_up(path, datagram, cx).map(|()| None),
            Some(&TYPE_TLS_DOWN) => self.handle_down(path, datagram, cx).map(|()| None),
            Some(_) => Err(DropReason::DatagramUnknownType),
            None => Err(DropReason::DatagramTooShort),
        }
    }

    /// The index of the session with a peer that is in use; 0: there is none.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn session_in_use(&self, peer: PeerId) -> u32 {
        let session = self
            .links
            .get(peer)
            .and_then(|link| link.sessions.current.as_ref());
        session.map_or(0, |session| session.local_index)
    }

    /// The peer that may have a session, or a call under way, of this index.
    fn find(&mut self, index: u32) -> Option<(PeerId, &mut Link)> {
        let peer = self.seats.peer(index)?;
        Some((peer, self.links.get_mut(peer)?))
    }
}
