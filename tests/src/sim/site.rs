//! One gateway of the simulation: its process may end and come back.

use std::net::SocketAddr;
use std::time::Duration;

use aoe_common::config::{
    Access, Allow, GatewayConfig, KeyTrust, PeerConfig, PeerId, SegmentConfig, SegmentId, Trust,
};
use aoe_common::engine::Engine;
use aoe_common::event::Event;
use aoe_common::output::{Output, Path};
use aoe_common::segment::SegmentState;
use aoe_common::time::Instant;
use aoe_keys::Psk;

use super::keys::Kept;
use super::lan::LanId;
use super::plan::{Guard, PeerPlan, SitePlan};

/// Names a site of a [`Plan`](super::Plan).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SiteId(pub usize);

/// What the wall clocks say when a simulation starts: 2027-01-15.
pub const UNIX_START: Duration = Duration::from_secs(1_800_000_000);
/// A process's own clock does not start at its first instruction.
const OWN_ZERO: Duration = Duration::from_millis(3);

pub(super) struct Site {
    pub(super) plan: SitePlan,
    /// Its key at its start, which files of its peers have.
    pub(super) first: [u8; 32],
    /// What its host has written.
    pub(super) kept: Kept,
    pub(super) process: Option<Process>,
    pub(super) segments: Vec<(LanId, SegmentState)>,
    /// Where its sockets really are.
    pub(super) sockets: Vec<SocketAddr>,
    /// What its name resolves to.
    pub(super) name: Vec<SocketAddr>,
    pub(super) boots: u64,
    /// How wrong its wall clock is.
    pub(super) skew: Skew,
    pub(super) events: Vec<(Instant, Event)>,
}

/// How wrong a wall clock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// It runs ahead by this much.
    Fast(Duration),
    /// It is behind by this much.
    Slow(Duration),
}

/// A running gateway.
pub(super) struct Process {
    pub(super) engine: Engine,
    /// What it runs by.
    pub(super) config: GatewayConfig,
    pub(super) out: Output,
    /// World time at the zero of its own clock.
    zero: Instant,
    /// Whether it was fed since its last flush.
    pub(super) is_fed: bool,
    /// Whether it runs.
    pub(super) is_paused: bool,
    /// What waits in the sockets of a paused process, in order of arrival.
    pub(super) backlog: Vec<Input>,
}

/// What comes to a gateway from outside.
#[derive(Debug)]
pub(super) enum Input {
    /// With the moment at which it arrived, and which the kernel stamps on it.
    Frame(SegmentId, Vec<u8>, Instant),
    Datagram(Path, Vec<u8>),
}

/// Inputs that wait for a paused gateway; more are lost.
pub(super) const BACKLOG: usize = 2048;

impl Site {
    pub(super) fn new(plan: SitePlan) -> Self {
        Site {
            first: plan.secret,
            kept: Kept::default(),
            process: None,
            segments: plan
                .segments
                .iter()
                .map(|lan| (*lan, SegmentState::Down))
                .collect(),
            sockets: plan.sockets.clone(),
            name: plan.sockets.clone(),
            boots: 0,
            skew: Skew::Fast(Duration::ZERO),
            events: Vec::new(),
            plan,
        }
    }

    /// What its wall clock says.
    pub(super) fn wall_clock(&self, now: Instant) -> Duration {
        let wall = UNIX_START + now.saturating_since(Instant::from_micros(0));
        match self.skew {
            Skew::Fast(ahead) => wall + ahead,
            Skew::Slow(behind) => wall - behind,
        }
    }

    /// Starts a process; the one before it is gone without a word.
    pub(super) fn boot(&mut self, peers: Vec<PeerConfig>, entropy: [u8; 32], now: Instant) {
        self.boots += 1;
        let zero = Instant::from_micros(now.as_micros().saturating_sub(OWN_ZERO.as_micros() as u64));
        let own = Instant::from_micros(now.as_micros() - zero.as_micros());
        let config = self.config(peers.iter().map(PeerConfig::copy).collect());
        let mut engine = Engine::new(self.config(peers), entropy, own, self.wall_clock(now));
        if self.plan.keys.is_old_version {
            engine.know_nothing_of_keys();
        }
        if self.plan.guard == Guard::Off {
            engine.disable_order_guard();
        }
        self.process = Some(Process {
            engine,
            config,
            out: Output::default(),
            zero,
            is_fed: false,
            is_paused: false,
            backlog: Vec::new(),
        });
    }

    /// What its plan says, as a configuration.
    pub(super) fn config(&self, peers: Vec<PeerConfig>) -> GatewayConfig {
        GatewayConfig {
            name: self.plan.name.clone(),
            keys: self.own_keys(),
            revoked: self.plan.keys.revoked.clone(),
            tls: self.plan.tls.clone(),
            segments: (0..self.segments.len())
                .map(|index| SegmentConfig {
                    name: format!("lan{index}"),
                })
                .collect(),
            peers: peers.into(),
            exports: self.plan.exports.clone().into(),
            imports: self.plan.imports.clone().into(),
            tunnel: self.plan.tunnel.clone(),
        }
    }
}

impl Process {
    /// The process's own clock.
    pub(super) fn own(&self, now: Instant) -> Instant {
        Instant::from_micros(now.as_micros() - self.zero.as_micros())
    }

    /// Its clock stood still for so long.
    pub(super) fn lose_time(&mut self, stood: Duration) {
        self.zero = self.zero + stood;
    }

    /// Its deadline in world time, and what for.
    pub(super) fn deadline(&self) -> (Instant, &'static str) {
        let deadline = self.engine.deadline();
        if self.is_paused {
            return (Instant::NEVER, "a pause");
        }
        if deadline.at == Instant::NEVER {
            return (Instant::NEVER, deadline.why);
        }
        let at = deadline.at + self.zero.saturating_since(Instant::from_micros(0));
        (at, deadline.why)
    }
}

impl PeerPlan {
    /// `keys`: its keys.
    pub(super) fn config(&self, name: String, keys: KeyTrust) -> PeerConfig {
        let trust = match &self.certificate {
            Some(name) => Trust::of_certificate(name.clone()),
            None => Trust::Key(KeyTrust {
                psk: self.psk.map(Psk::from_bytes),
                post_quantum: self.post_quantum,
                ..keys
            }),
        };
        PeerConfig {
            name,
            trust,
            endpoint: self.endpoint,
            endpoint_pinned: self.endpoint_pinned,
            protection: self.protection.clone(),
            path_mtu: self.path_mtu,
            limit: aoe_common::config::PeerLimit {
                whole: self.limit,
                ..Default::default()
            },
        }
    }
}

impl SitePlan {
    /// What lets this peer use an export.
    pub(super) fn allow(&self, peer: SiteId, access: Access) -> Allow {
        Allow::new(self.peer_id(peer), access)
    }

    /// The peer that is `site`.
    ///
    /// # Panics
    /// If they were not introduced.
    pub fn peer_id(&self, site: SiteId) -> PeerId {
        let at = self.peers.iter().position(|peer| peer.site == site);
        PeerId(at.expect("these sites were introduced") as u16)
    }
}
