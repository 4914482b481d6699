//! Where a peer is, and what is known of the way there. One set of this for each path; a peer has one path today.

use std::net::IpAddr;
use std::time::Duration;

use super::counts::PathCounts;
use crate::config::{Endpoint, PeerConfig};
use crate::output::Path;
use crate::throttle::Throttle;
use crate::time::Instant;
use crate::tunnel::gaps::Tolerance;
use crate::tunnel::path_mtu::{Effect, PathMtu, Refused};
use crate::tunnel::peer_clock::{Came, PeerClock};

/// Ways to one peer that are tried. The names of gateways have one address or two, not hundreds.
const MAX_WAYS: usize = 16;
/// IPv4 (20) or IPv6 (40) and UDP (8) headers.
const UDP4_OVERHEAD: usize = 28;
const UDP6_OVERHEAD: usize = 48;
/// A peer's changes of address are logged at most this often.
const MOVE_EVENT_EVERY: Duration = Duration::from_millis(250);

/// The path to one peer.
pub(crate) struct PathState {
    /// Where the peer was last heard; what goes to it goes there.
    pub(crate) address: Option<Path>,
    /// Where it can be called, the best first: its endpoint, resolved.
    pub(crate) resolved: Vec<Path>,
    /// Whether it can be called at all.
    pub(crate) endpoint: Endpoint,
    /// Whether it lives at its endpoint and nowhere else.
    pub(crate) pinned: bool,
    /// Where the record that is being handled came from, if it is the newest and that is not where the peer lives.
    pub(crate) elsewhere: Option<Path>,
    /// Where it was asked last whether it is there, and when.
    pub(crate) challenged: Option<(Path, Instant)>,
    /// The host with which there was a session last.
    pub(crate) home: Option<IpAddr>,
    /// When a change of address was last logged.
    move_logged: Throttle,
    /// How far away it is, and what its clock says.
    pub(crate) clock: PeerClock,
    /// How the record that is being read came.
    pub(crate) came: Came,
    /// How long a datagram the path carries.
    pub(crate) mtu: PathMtu,
    /// How much later overtaken records come.
    pub(crate) tolerance: Tolerance,
    pub(crate) counts: PathCounts,
}

impl PathState {
    pub(super) fn new(config: &PeerConfig, now: Instant) -> PathState {
        PathState {
            address: None,
            resolved: Vec::new(),
            endpoint: config.endpoint,
            pinned: config.endpoint_pinned,
            elsewhere: None,
            challenged: None,
            home: None,
            move_logged: Throttle::default(),
            clock: PeerClock::default(),
            came: Came::AtOnce,
            mtu: PathMtu::new(config.path_mtu, now),
            tolerance: Tolerance::default(),
            counts: PathCounts::default(),
        }
    }

    /// The endpoint was resolved to these, the best first.
    pub(crate) fn resolve(&mut self, mut ways: Vec<Path>) {
        ways.truncate(MAX_WAYS);
        self.resolved = ways;
    }

    /// Longest datagram that goes there.
    pub(crate) fn datagram_len(&self) -> usize {
        usize::from(self.mtu.get()).saturating_sub(self.overhead())
    }

    /// Where to send what, and how long it may be.
    pub(crate) fn way(&self) -> Option<(Path, usize)> {
        Some((self.address?, self.datagram_len()))
    }

    /// Bytes of IP and UDP headers in front of a datagram.
    pub(super) fn overhead(&self) -> usize {
        match self.address {
            Some(path) if path.remote.is_ipv6() => UDP6_OVERHEAD,
            _ => UDP4_OVERHEAD,
        }
    }

    /// Where calls go, one after the other: first to where it was last heard, then to its other addresses.
    pub(crate) fn ways(&self) -> impl Iterator<Item = Path> {
        let known = self.address;
        let others = self.resolved.iter().copied();
        let others = others.filter(move |way| known.is_none_or(|known| !known.same_way(*way)));
        known.into_iter().chain(others)
    }

    /// Whether it may be on this host: it was heard there, can be called there, or there was a session last.
    pub(crate) fn is_at(&self, host: IpAddr) -> bool {
        self.home == Some(host) || self.ways().any(|way| way.remote.ip() == host)
    }

    /// Whether datagrams from there are not listened to: the peer is spoken to at its endpoint only.
    pub(crate) fn forbids(&self, path: Path) -> bool {
        self.pinned && !self.resolved.iter().any(|way| way.remote == path.remote)
    }

    /// Whether a change of address is logged now.
    pub(crate) fn logs_move(&mut self, now: Instant) -> bool {
        self.move_logged.permits(now, MOVE_EVENT_EVERY)
    }

    /// A pong came. What it says of the path's MTU.
    pub(crate) fn answered(&mut self, ping: u64, clock: u64, now: Instant) -> Effect {
        if self.clock.answered(ping, clock, self.came, now) {
            self.mtu.answered(ping, now)
        } else {
            Effect::Same
        }
    }

    /// The kernel does not take datagrams of this length for this path.
    pub(crate) fn refused(&mut self, datagram_len: usize, now: Instant) -> Refused {
        let mtu = u16::try_from(datagram_len + self.overhead()).unwrap_or(u16::MAX);
        self.mtu.refused(mtu, now)
    }

    /// A record of this length was lost.
    pub(super) fn doubt(&mut self, len: usize, now: Instant) {
        if len + self.overhead() > usize::from(crate::tunnel::path_mtu::LEAST) {
            self.mtu.doubt(now);
        }
    }
}
