//! Two gateways and what is around them: each has an export on segment 0 and the other's export on segment 1.
//!
//! Gateway 0 knows where gateway 1 lives; its export may be written, that of gateway 1 only read, and only by the
//! first two initiators. A friend of either may read. Whatever a gateway emits is checked here, once for all bodies.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use aoe_common::config::{
    Access, Allow, Cipher, ConfigString, Endpoint, ExportConfig, GatewayConfig, ImportConfig, OwnKeys,
    PathMtu, PeerConfig, PeerId, Protection, Revoked, SegmentConfig, SegmentId, Trust, TunnelConfig,
};
use aoe_common::engine::Engine;
use aoe_common::event::Event;
use aoe_common::frame::{
    Address, AoeCommand, Ata, AtaOpcode, ETHERNET_HEADER_LEN, Frame, MIN_FRAME_LEN, MacAddr, Pdu, Query, ata,
};
use aoe_common::output::{Output, Path, TRAIN_MAX_DATAGRAMS, TRAIN_MAX_LEN};
use aoe_common::segment::SegmentState;
use aoe_common::time::Instant;
use aoe_keys::{PublicKey, SecretKey};

use crate::station::target_mac;
use crate::work::Budget;

/// Where exports are.
pub(crate) const EXPORTS: SegmentId = SegmentId(0);
/// Where imports are presented.
pub(crate) const IMPORTS: SegmentId = SegmentId(1);
/// The other gateway, as each of the two counts its peers.
pub(crate) const PEER: PeerId = PeerId(0);
/// The friend of gateway 0, a third gateway which behaves; that of gateway 1 is the next one. See `friend`.
pub(crate) const FRIEND: u8 = 2;
/// Every target.
pub(crate) const TARGET: Address = Address { shelf: 7, slot: 3 };
/// Every import.
pub(crate) const IMPORT: Address = Address { shelf: 107, slot: 4 };

const PATH_MTU: u16 = 1280;
const LONGEST_DATAGRAM: usize = PATH_MTU as usize - 28;

/// One gateway, its clock, and what it says.
pub(crate) struct Gateway {
    pub(crate) engine: Engine,
    pub(crate) side: u8,
    pub(crate) now: Instant,
    pub(crate) states: [SegmentState; 2],
    /// Events of all time, the last ones first lost.
    pub(crate) events: VecDeque<Event>,
    budget: Budget,
    out: Output,
}

/// What one input made.
#[derive(Default)]
pub(crate) struct Emitted {
    pub(crate) frames: Vec<(SegmentId, Vec<u8>)>,
    /// For the other gateway, or the host that asked.
    pub(crate) datagrams: Vec<Vec<u8>>,
    /// For the friend.
    pub(crate) friendly: Vec<Vec<u8>>,
}

impl Gateway {
    /// Gateway `side` of the pair, in its process number `process`: with every segment up.
    pub(crate) fn start(side: u8, process: u8, now: Instant) -> Gateway {
        let unix_time = Duration::from_secs(1_790_000_000) + now.saturating_since(Instant::default());
        let seed = [side + 1, process].repeat(16).try_into().unwrap();
        let mut gateway = Gateway {
            engine: Engine::new(config(side), seed, now, unix_time),
            side,
            now,
            states: [SegmentState::Down; 2],
            events: VecDeque::new(),
            budget: Budget::default(),
            out: Output::default(),
        };
        for segment in [EXPORTS, IMPORTS] {
            gateway.set_segment(segment, Some(1500));
        }
        gateway
    }

    /// Hands the engine one input without bytes and takes what it makes of it.
    pub(crate) fn act(&mut self, input: impl FnOnce(&mut Engine, Instant, &mut Output)) -> Emitted {
        self.act_on(0, input)
    }

    /// Hands the engine one input of so many bytes and takes what it makes of it.
    pub(crate) fn act_on(
        &mut self,
        len: usize,
        input: impl FnOnce(&mut Engine, Instant, &mut Output),
    ) -> Emitted {
        input(&mut self.engine, self.now, &mut self.out);
        self.engine.flush(self.now, &mut self.out);
        let emitted = self.take();
        let mut events = 0;
        while let Some(event) = self.engine.poll_event() {
            assert!(!event.to_string().is_empty());
            events += 1;
            if self.events.len() == 64 {
                self.events.pop_front();
            }
            self.events.push_back(event);
        }
        self.budget.spend(len, &self.engine, events, &emitted);
        emitted
    }

    pub(crate) fn datagram(&mut self, from: SocketAddr, bytes: &[u8]) -> Emitted {
        let path = Path::new(0, from);
        self.act_on(bytes.len(), |engine, now, out| {
            engine.handle_datagram(path, &mut bytes.to_vec(), now, out)
        })
    }

    pub(crate) fn frame(&mut self, segment: SegmentId, bytes: &[u8]) -> Emitted {
        self.act_on(bytes.len(), |engine, now, out| {
            engine.handle_frame(segment, bytes, now, now, out)
        })
    }

    /// Calls the peer at its address.
    pub(crate) fn call(&mut self) -> Emitted {
        let path = Path::new(0, address(peer_of(self.side)));
        self.act(|engine, now, out| engine.set_endpoint(PEER, vec![path], now, out))
    }

    /// `None`: down.
    pub(crate) fn set_segment(&mut self, segment: SegmentId, mtu: Option<u16>) -> Emitted {
        let mac = own_mac(self.side, segment);
        let state = mtu.map_or(SegmentState::Down, |mtu| SegmentState::Up { mac, mtu });
        self.states[usize::from(segment.0)] = state;
        self.act(|engine, now, out| engine.handle_segment(segment, state, now, out))
    }

    /// Lets time pass and does what is due at its end.
    ///
    /// # Panics
    /// If the engine does not come to rest.
    pub(crate) fn wait(&mut self, time: Duration) -> Emitted {
        self.now = self.now + time;
        let mut emitted = self.act(Engine::handle_timeout);
        for _ in 0..8 {
            if self.engine.deadline().at > self.now {
                return emitted;
            }
            let more = self.act(Engine::handle_timeout);
            emitted.frames.extend(more.frames);
            emitted.datagrams.extend(more.datagrams);
            emitted.friendly.extend(more.friendly);
        }
        panic!("{:?} stays due at {:?}", self.engine.deadline(), self.now);
    }

    fn take(&mut self) -> Emitted {
        let mut emitted = Emitted::default();
        for (segment, frame) in self.out.frames.iter() {
            self.check_frame(segment, frame);
            emitted.frames.push((segment, frame.to_vec()));
        }
        for train in self.out.trains.iter() {
            assert!(!train.bytes.is_empty() && train.bytes.len() <= TRAIN_MAX_LEN);
            assert!(train.stride <= LONGEST_DATAGRAM, "{} bytes", train.stride);
            assert!(train.datagrams().count() <= TRAIN_MAX_DATAGRAMS);
            for datagram in train.datagrams() {
                assert!((1..=4).contains(&datagram[0]) && datagram.len() >= 32);
                if train.path.remote == address(FRIEND + self.side) {
                    emitted.friendly.push(datagram.to_vec());
                } else {
                    emitted.datagrams.push(datagram.to_vec());
                }
            }
        }
        self.out.clear();
        emitted
    }

    fn check_frame(&self, segment: SegmentId, bytes: &[u8]) {
        let SegmentState::Up { mac, mtu } = self.states[usize::from(segment.0)] else {
            panic!("a frame on a segment that is down")
        };
        let longest = usize::from(mtu).max(MIN_FRAME_LEN - ETHERNET_HEADER_LEN) + ETHERNET_HEADER_LEN;
        assert!(
            (MIN_FRAME_LEN..=longest).contains(&bytes.len()),
            "{} bytes on a segment with an MTU of {mtu}",
            bytes.len()
        );
        let frame = Frame::parse(bytes).unwrap();
        assert_eq!(frame.source(), mac, "frames leave from our own address");
        let pdu = Pdu::parse(frame.payload()).unwrap();
        assert_eq!(pdu.header().version, 1);
        if segment == IMPORTS {
            assert_eq!(pdu.address(), IMPORT);
            if !pdu.is_response() {
                // Who else has the address?
                assert_eq!(pdu.command(), AoeCommand::Query, "on this side we are a target");
                assert!(frame.destination().is_broadcast());
                let query = Query::parse(pdu.argument()).unwrap();
                assert!(query.command().is_read_only() && query.string().is_empty());
            }
        } else {
            assert_eq!(pdu.header().flags.bits(), 0, "on this side we are an initiator");
            assert_eq!(pdu.address(), TARGET);
            let to = frame.destination();
            assert!(to.is_broadcast() || to == target_mac(self.side) || !to.is_multicast());
            self.check_request(&pdu, bytes);
        }
    }

    /// What a target sees is what the export allows, whoever asked; nothing stale follows it.
    fn check_request(&self, pdu: &Pdu<'_>, frame: &[u8]) {
        let may_write = self.side == 0;
        let len = match pdu.command() {
            AoeCommand::Ata => {
                let view = Ata::parse(pdu.argument()).unwrap();
                match view.command() {
                    AtaOpcode::Write | AtaOpcode::WriteExt => {
                        assert!(may_write, "a write on a read-only export")
                    }
                    AtaOpcode::Other(code) => panic!("ATA command {code:#x} at a target"),
                    _ => {}
                }
                ata::request_len(&view).unwrap()
            }
            AoeCommand::Query => {
                let query = Query::parse(pdu.argument()).unwrap();
                assert!(may_write || query.command().is_read_only());
                query.pdu_len()
            }
            command => panic!("AoE command {command} at a target"),
        };
        let len = ETHERNET_HEADER_LEN + len;
        assert_eq!(frame.len(), len.max(MIN_FRAME_LEN));
        assert!(frame[len..].iter().all(|byte| *byte == 0), "stale padding");
    }
}

/// Whom gateway `side` knows as [`PEER`].
fn peer_of(side: u8) -> u8 {
    match side {
        0 | 1 => 1 - side,
        friend => friend - FRIEND,
    }
}

/// Where gateway `side` lives on the wire.
pub(crate) fn address(side: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, side + 1], 34978))
}

/// The MAC of gateway `side` on one of its segments.
pub(crate) fn own_mac(side: u8, segment: SegmentId) -> MacAddr {
    MacAddr([2, 0, 0, 0, side, u8::try_from(segment.0).unwrap()])
}

/// Who gateway `side` is.
pub(crate) fn public_key(side: u8) -> PublicKey {
    secret_key(side).public()
}

fn secret_key(side: u8) -> SecretKey {
    SecretKey::from_bytes([side + 1; 32])
}

pub(crate) fn config(side: u8) -> GatewayConfig {
    let segment = |name: &str| SegmentConfig {
        name: name.to_owned(),
    };
    let listed = || (0..2).map(crate::station::initiator_mac).collect();
    let allow = Allow {
        peer: PEER,
        access: if side == 0 {
            Access::ReadWrite
        } else {
            Access::ReadOnly
        },
        initiators: (side == 1).then(listed),
        config_string: if side == 0 {
            ConfigString::Set
        } else {
            ConfigString::Read
        },
        ..Allow::new(PEER, Access::ReadOnly)
    };
    let allow_friend = Allow::new(PeerId(1), Access::ReadOnly);
    let export = ExportConfig {
        name: "disk".to_owned(),
        segment: EXPORTS,
        target: TARGET,
        target_mac: None,
        safety: aoe_common::config::ExportSafety::default(),
        allow: vec![allow, allow_friend],
        limit: Default::default(),
    };
    let peer = |side: u8, endpoint| PeerConfig {
        name: format!("peer {side}"),
        trust: Trust::of_key(public_key(side)),
        endpoint,
        endpoint_pinned: false,
        protection: if side == 1 {
            vec![Protection::Encrypt, Protection::Authenticate]
        } else {
            vec![Protection::Authenticate, Protection::Encrypt]
        },
        path_mtu: PathMtu::Fixed(PATH_MTU),
        limit: Default::default(),
    };
    let called = if side == 1 {
        Endpoint::Unknown
    } else {
        Endpoint::Known
    };
    let mut peers = vec![peer(peer_of(side), called)];
    let mut exports = Vec::new();
    if side < FRIEND {
        peers.push(peer(FRIEND + side, Endpoint::Unknown));
        exports.push(export);
    }
    GatewayConfig {
        name: format!("gateway {side}"),
        keys: OwnKeys::of(secret_key(side)),
        revoked: Revoked::default(),
        tls: None,
        segments: vec![segment("targets"), segment("initiators")].into(),
        peers: peers.into(),
        exports: exports.into(),
        imports: vec![ImportConfig {
            peer: PEER,
            export: "disk".to_owned(),
            segment: IMPORTS,
            address: IMPORT,
            window: 64,
            on_conflict: aoe_common::config::OnConflict::Stop,
        }]
        .into(),
        tunnel: TunnelConfig {
            ciphers: vec![Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305],
            ..TunnelConfig::default()
        },
    }
}
