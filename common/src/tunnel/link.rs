//! One peer: its address, its sessions, and what else is known of it.
//!
//! - `counts`: what the path did
//! - `due`: when anything of it is due
//! - `sending`: what is packed for it, sealed, and sent again
//! - `standing`: how it is, for people

mod counts;
mod due;
mod sending;
mod standing;

pub(crate) use standing::{CALL_WITHIN, Presence};

use std::net::IpAddr;
use std::time::Duration;

use aoe_keys::{Psk, PublicKey};

use self::counts::PathCounts;
use super::admission::Stamp;
use super::handshake::{Dial, Terms};
use super::links::Seat;
use super::pack::Packer;
use super::path_mtu::{Effect, PathMtu, Refused};
use super::peer_clock::{Came, PeerClock};
use super::reassembly::Reassembly;
use super::repair::Repair;
use super::sessions::{Precedence, Sessions};
use crate::allowance::Allowance;
use crate::config::{Endpoint, PeerConfig, PeerId, Protection};
use crate::context::Context;
use crate::output::Path;
use crate::telemetry::Count;
use crate::throttle::Throttle;
use crate::time::Instant;

/// A peer that owes us an answer this long is asked by a ping.
pub(crate) const ASK_AFTER: Duration = Duration::from_secs(1);
/// A peer that owes us an answer this long is called again: perhaps it was restarted. No peer with a session is
/// called earlier, but to change its keys.
pub(crate) const REDIAL_AFTER: Duration = Duration::from_secs(3);
/// A peer that owes us an answer this long is gone.
pub(crate) const LOST_AFTER: Duration = Duration::from_secs(10);
/// How long an update waits for its ack before it is sent again.
pub(crate) const UPDATE_RETRY: Duration = Duration::from_millis(250);
/// Updates of one peer applied in a second: each may make us announce something to many initiators. An honest peer
/// sends one per round trip at most, and sends again what is not acknowledged.
const UPDATES_PER_SECOND: u32 = 64;
/// IPv4 (20) or IPv6 (40) and UDP (8) headers.
const UDP4_OVERHEAD: usize = 28;
const UDP6_OVERHEAD: usize = 48;

/// One peer.
pub(crate) struct Link {
    pub(crate) id: PeerId,
    /// Its place in session indexes.
    pub(crate) seat: Seat,
    /// What we are to it: drawn when this link began. A peer that is removed and added again meets us as a new process.
    pub(crate) boot: u64,
    pub(crate) name: String,
    pub(crate) key: PublicKey,
    pub(crate) precedence: Precedence,
    pub(crate) psk: Option<Psk>,
    pub(crate) protection: Vec<Protection>,
    pub(crate) endpoint: Endpoint,
    pub(crate) path_mtu: PathMtu,
    pub(crate) counts: PathCounts,
    /// How it is, for people.
    pub(crate) presence: Presence,
    /// Where it was last heard.
    pub(crate) path: Option<Path>,
    /// Where it can be called, the best first: its endpoint, resolved.
    pub(crate) ways: Vec<Path>,
    /// Whether it lives there and nowhere else.
    pub(crate) pinned: bool,
    /// Where the record that is being handled came from, if it is the newest and that is not where the peer lives.
    pub(crate) elsewhere: Option<Path>,
    /// Where it was asked last whether it is there, and when.
    pub(crate) challenged: Option<(Path, Instant)>,
    /// The host with which there was a session last.
    pub(crate) home: Option<IpAddr>,
    pub(crate) stamp: Stamp,
    pub(crate) sessions: Sessions,
    pub(crate) dialing: Option<Dialing>,
    /// The greatest stamp of its calls that led to a session; what is not greater is old.
    pub(crate) newest_call: u64,
    /// Calls in a row that we answered and it did not confirm, and when the first one came.
    pub(crate) unconfirmed: (u32, Instant),
    /// The greatest stamp of our calls.
    pub(crate) newest_dial: u64,
    /// Its calls that were answered in this second.
    pub(crate) calls: Allowance,
    /// When a call was last answered by our refusal of its stamp.
    pub(crate) old_call_answered: Throttle,
    pub(crate) packer: Packer,
    /// Whether it is on the list of those to flush.
    pub(crate) is_packed: bool,
    /// Whether something is packed of which the peer is to tell that it arrived.
    awaits_news: bool,
    pub(crate) repair: Repair,
    /// A report on its way into the packer.
    report: Vec<u8>,
    pub(crate) reassembly: Reassembly,
    pub(crate) last_received: Instant,
    pub(crate) last_ping: Instant,
    pub(crate) clock: PeerClock,
    /// How the record that is being read came.
    pub(crate) came: Came,
    /// Whether requests or replies went to it since the last ping.
    pub(crate) busy: bool,
    /// Since when it owes us an answer.
    pub(crate) owes_since: Option<Instant>,
    pub(crate) outgoing: Option<OutgoingUpdate>,
    pub(crate) next_serial: u32,
    pub(crate) seen_serial: u32,
    /// When a change of address was last told of.
    pub(crate) move_told: Throttle,
    /// Updates applied in this second.
    updates: Allowance,
    /// Its reports read in this second.
    pub(crate) reports: Allowance,
    /// Its inquiries answered in this second.
    pub(crate) inquiries: Allowance,
}

/// A call under way.
pub(crate) struct Dialing {
    /// `None` after an answer without agreement, or too many of the peer that do not decrypt: nothing more is expected
    /// for this call.
    pub(crate) dial: Option<Dial>,
    pub(crate) attempt: u32,
    pub(crate) again_at: Instant,
}

/// An update sent and not acknowledged.
pub(crate) struct OutgoingUpdate {
    pub(crate) message: Vec<u8>,
    pub(crate) serial: u32,
    pub(crate) again_at: Instant,
}

impl Link {
    /// A peer that was not heard yet. `boot` is random.
    pub(crate) fn new(
        (id, seat): (PeerId, Seat),
        config: PeerConfig,
        our_key: PublicKey,
        boot: u64,
        now: Instant,
    ) -> Option<Link> {
        let precedence = if our_key.as_bytes() < config.key.as_bytes() {
            Precedence::Ours
        } else {
            Precedence::Theirs
        };
        Some(Link {
            id,
            seat,
            boot,
            stamp: Stamp::new(config.key)?,
            precedence,
            name: config.name,
            key: config.key,
            psk: config.psk,
            protection: config.protection,
            endpoint: config.endpoint,
            path_mtu: PathMtu::new(config.path_mtu, now),
            counts: PathCounts::default(),
            presence: Presence::new(now),
            path: None,
            ways: Vec::new(),
            pinned: config.endpoint_pinned,
            elsewhere: None,
            challenged: None,
            home: None,
            sessions: Sessions::default(),
            dialing: None,
            newest_call: 0,
            unconfirmed: (0, now),
            newest_dial: 0,
            calls: Allowance::default(),
            old_call_answered: Throttle::default(),
            packer: Packer::default(),
            is_packed: false,
            awaits_news: false,
            repair: Repair::new(now),
            report: Vec::new(),
            reassembly: Reassembly::default(),
            last_received: now,
            last_ping: now,
            clock: PeerClock::default(),
            came: Came::AtOnce,
            busy: false,
            owes_since: None,
            outgoing: None,
            next_serial: 1,
            seen_serial: 0,
            move_told: Throttle::default(),
            updates: Allowance::default(),
            reports: Allowance::default(),
            inquiries: Allowance::default(),
        })
    }

    /// What we bring to handshakes with it.
    pub(crate) fn terms(&self) -> Terms<'_> {
        Terms {
            boot: self.boot,
            psk: self.psk.as_ref(),
            protection: &self.protection,
        }
    }

    /// Whether one more update of the peer is applied now.
    pub(crate) fn applies_update(&mut self, now: Instant) -> bool {
        self.updates.take(UPDATES_PER_SECOND, now)
    }

    /// Whether a session of ours with this peer, or one to be, has this index.
    pub(crate) fn uses(&mut self, index: u32) -> bool {
        let dial = self.dialing.as_ref().and_then(|dialing| dialing.dial.as_ref());
        dial.is_some_and(|dial| dial.local_index == index) || self.sessions.find(index).is_some()
    }

    /// Longest datagram towards the peer.
    pub(crate) fn datagram_len(&self) -> usize {
        usize::from(self.path_mtu.get()).saturating_sub(self.overhead())
    }

    /// Bytes of IP and UDP headers in front of a datagram.
    fn overhead(&self) -> usize {
        match self.path {
            Some(path) if path.remote.is_ipv6() => UDP6_OVERHEAD,
            _ => UDP4_OVERHEAD,
        }
    }

    /// Where calls go, one after the other: first to where it was last heard, then to its other addresses.
    pub(crate) fn ways(&self) -> impl Iterator<Item = Path> {
        let known = self.path;
        let others = self.ways.iter().copied();
        let others = others.filter(move |way| known.is_none_or(|known| !known.same_way(*way)));
        known.into_iter().chain(others)
    }

    /// Goes by this path from now on. Returns whether the peer was at another address before.
    pub(crate) fn go_by(&mut self, path: Path, cx: &mut Context<'_>) -> bool {
        if self.path.is_none_or(|known| !known.same_way(path)) {
            // What is packed was made to the measure of the old path.
            self.flush(cx);
            self.path_mtu.moved(cx.now);
        }
        let before = self.path.replace(path);
        before.is_some_and(|known| known.remote != path.remote)
    }

    /// Whether it may be on this host: it was heard there, can be called there, or there was a session last.
    pub(crate) fn is_at(&self, host: IpAddr) -> bool {
        self.home == Some(host) || self.ways().any(|way| way.remote.ip() == host)
    }

    /// Whether records can be sealed.
    pub(crate) fn is_up(&self, now: Instant) -> bool {
        self.path.is_some()
            && self
                .sessions
                .current
                .as_ref()
                .is_some_and(|session| session.is_usable(now))
    }

    /// Takes a pong.
    pub(crate) fn answered(&mut self, ping: u64, clock: u64, cx: &mut Context<'_>) {
        if self.clock.answered(ping, clock, self.came, cx.now)
            && self.path_mtu.answered(ping, cx.now) == Effect::Raised
        {
            cx.telemetry.count(Count::PathMtuRaised);
        }
    }

    /// The kernel does not take datagrams of this length for the peer's path.
    pub(crate) fn refused(&mut self, datagram_len: usize, now: Instant) -> Refused {
        let mtu = u16::try_from(datagram_len + self.overhead()).unwrap_or(u16::MAX);
        self.path_mtu.refused(mtu, now)
    }
}
