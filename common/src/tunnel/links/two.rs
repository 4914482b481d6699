//! Two gateways that talk to each other, for tests.

use std::time::Duration;

use aoe_keys::SecretKey;

use super::Links;
use crate::config::{
    Endpoint, OwnKeys, PathMtu, PeerConfig, PeerId, PostQuantum, Protection, Revoked, Trust, TunnelConfig,
};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::output::{Output, Path};
use crate::random::Secrets;
use crate::segment::SegmentState;
use crate::table::Table;
use crate::telemetry::Telemetry;
use crate::time::Instant;
use crate::timers::Timers;
use crate::tunnel::link::Link;
use crate::tunnel::message::Kind;

/// The one peer of a side at its start.
pub(super) const FIRST: PeerId = PeerId(0);

/// One gateway: what it has, and its key.
pub(super) struct Side {
    pub(super) secret: u8,
    pub(super) links: Links,
    pub(super) out: Output,
    pub(super) telemetry: Telemetry,
    pub(super) timers: Timers,
    pub(super) now: Instant,
    /// Where datagrams come in.
    pub(super) socket: u8,
    /// The longest datagram that gets out.
    pub(super) most: usize,
}

pub(super) fn key(secret: u8) -> SecretKey {
    SecretKey::from_bytes([secret; 32])
}

/// Without post-quantum keys: most tests want one handshake and not two.
fn trust(secret: u8) -> Trust {
    let mut trust = Trust::of_key(key(secret).public());
    trust.set_post_quantum(PostQuantum::Off);
    trust
}

pub(super) fn config(secret: u8) -> PeerConfig {
    PeerConfig {
        name: format!("site-{secret}"),
        trust: trust(secret),
        endpoint: Endpoint::Known,
        endpoint_pinned: false,
        protection: vec![Protection::Encrypt],
        path_mtu: PathMtu::Fixed(1280),
        limit: Default::default(),
    }
}

pub(super) fn way_to(secret: u8) -> Path {
    Path::new(0, format!("192.0.2.{secret}:1").parse().unwrap())
}

impl Side {
    pub(super) fn new(secret: u8, peers: Vec<PeerConfig>) -> Side {
        Side::seeded(secret, secret, peers)
    }

    /// A process of its own: all that it draws comes from this seed.
    pub(super) fn seeded(secret: u8, seed: u8, peers: Vec<PeerConfig>) -> Side {
        let now = Instant::from_micros(5_000_000);
        let unix_time = Duration::from_secs(1_800_000_000);
        let (tunnel, secrets) = (TunnelConfig::default(), Secrets::new([seed; 32]));
        Side {
            secret,
            links: Links::new(
                (OwnKeys::of(key(secret)), Revoked::default()),
                peers.into(),
                tunnel,
                secrets,
                now,
                unix_time,
            )
            .unwrap(),
            out: Output::default(),
            telemetry: Telemetry::default(),
            timers: Timers::new(now),
            now,
            socket: 0,
            most: usize::MAX,
        }
    }

    pub(super) fn with<T>(&mut self, work: impl FnOnce(&mut Links, &mut Context<'_>) -> T) -> T {
        let segments: Table<_, SegmentState> = Table::default();
        let mut cx = Context {
            now: self.now,
            out: &mut self.out,
            telemetry: &mut self.telemetry,
            timers: &mut self.timers,
            segments: &segments,
            tap: None,
        };
        work(&mut self.links, &mut cx)
    }

    /// What it has sent since the last time.
    pub(super) fn take_sent(&mut self) -> Vec<Vec<u8>> {
        self.with(|links, cx| links.flush(cx));
        let trains = self.out.trains.iter();
        let sent = trains.flat_map(|train| train.datagrams().map(<[u8]>::to_vec).collect::<Vec<_>>());
        let sent = sent.filter(|datagram| datagram.len() <= self.most).collect();
        self.out.clear();
        sent
    }

    /// Takes a datagram of this side.
    pub(super) fn take(&mut self, from: u8, datagram: &[u8]) -> Result<(), DropReason> {
        let mut datagram = datagram.to_vec();
        let path = Path {
            socket: self.socket,
            ..way_to(from)
        };
        self.with(|links, cx| {
            let opened = links.handle_datagram(path, &mut datagram, cx)?;
            let Some(opened) = opened else {
                return Ok(());
            };
            let (peer, session, payload) = (opened.peer, opened.session, opened.payload.to_vec());
            for chunk in crate::tunnel::message::chunks(&payload).flatten() {
                let whole;
                let bytes = match chunk.position {
                    None => chunk.bytes,
                    Some(position) => {
                        let Some(made) = links.reassemble(peer, position, chunk.bytes, cx) else {
                            continue;
                        };
                        whole = made;
                        whole.bytes()
                    }
                };
                match chunk.kind {
                    Kind::Keys => links.handle_keys(peer, session, bytes, cx)?,
                    Kind::KeysAck => links.handle_keys_ack(peer, bytes, cx)?,
                    kind => links.handle_control(peer, kind, bytes, cx),
                }
            }
            Ok(())
        })
    }

    /// What its log says since the last time.
    pub(super) fn log(&mut self) -> Vec<String> {
        let events = std::iter::from_fn(|| self.telemetry.poll_event());
        events.map(|event| event.to_string()).collect()
    }

    pub(super) fn pass_time(&mut self, time: Duration) {
        self.now = self.now + time;
        self.with(|links, cx| links.handle_timeout(cx));
        self.telemetry.handle_timeout(self.now);
    }

    pub(super) fn is_up(&self, peer: PeerId) -> bool {
        self.links.is_up(peer, self.now)
    }

    pub(super) fn link(&self, peer: PeerId) -> &Link {
        self.links.links.get(peer).unwrap()
    }

    /// The index of the session in use.
    pub(super) fn session(&self, peer: PeerId) -> u32 {
        self.link(peer).sessions.current.as_ref().unwrap().local_index
    }

    pub(super) fn change(&mut self, change: impl FnOnce(&mut PeerConfig), other: u8) {
        let mut config = config(other);
        change(&mut config);
        self.with(|links, cx| links.change(FIRST, config, cx));
    }

    /// Calls this peer.
    pub(super) fn call(&mut self, peer: PeerId, other: u8) {
        self.with(|links, cx| links.set_endpoint(peer, vec![way_to(other)], cx));
    }
}

/// Carries what both have to say until neither has anything to say; what was dropped.
pub(super) fn carry(one: &mut Side, other: &mut Side) -> Vec<DropReason> {
    let mut dropped = Vec::new();
    for _ in 0..20 {
        for datagram in one.take_sent() {
            dropped.extend(other.take(one.secret, &datagram).err());
        }
        for datagram in other.take_sent() {
            dropped.extend(one.take(other.secret, &datagram).err());
        }
    }
    dropped
}

/// Lets time pass on both sides, in steps of 100 ms.
pub(super) fn run(one: &mut Side, other: &mut Side, time: Duration) {
    for _ in 0..time.as_millis() / 100 {
        one.pass_time(Duration::from_millis(100));
        other.pass_time(Duration::from_millis(100));
        carry(one, other);
    }
}

/// Two sides with a session, which the first one called for.
pub(super) fn pair() -> (Side, Side) {
    pair_with(|_| ())
}

pub(super) fn pair_with(change: impl Fn(&mut PeerConfig)) -> (Side, Side) {
    let config = |secret| {
        let mut config = config(secret);
        change(&mut config);
        config
    };
    let (mut one, mut other) = (Side::new(1, vec![config(2)]), Side::new(2, vec![config(1)]));
    one.call(FIRST, 2);
    carry(&mut one, &mut other);
    other.with(|links, cx| links.set_endpoint(FIRST, vec![way_to(1)], cx));
    run(&mut one, &mut other, Duration::from_secs(1));
    assert!(one.is_up(FIRST) && other.is_up(FIRST));
    one.log();
    other.log();
    (one, other)
}
