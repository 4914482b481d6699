//! Who everybody is: addresses, keys, configurations.

use std::net::SocketAddr;

use aoe_common::config::{
    Access, Allow, Endpoint, ExportConfig, ExportSafety, GatewayConfig, ImportConfig, OnConflict, OwnKeys,
    PathMtu, PeerConfig, PeerId, Protection, Revoked, SegmentConfig, SegmentId, Trust, TunnelConfig,
};
use aoe_common::frame::{Address, MacAddr};
use aoe_common::output::Path;
use aoe_keys::SecretKey;

use super::{Plan, WINDOW};

/// Everybody's only segment.
pub(super) const SAN: SegmentId = SegmentId(0);
/// Every edge there.
pub(super) const EDGE: MacAddr = MacAddr([2, 0, 0, 0, 3, 1]);
/// The exit there.
pub(super) const EXIT: MacAddr = MacAddr([2, 0, 0, 0, 3, 2]);
/// The exit's number; edges have smaller ones.
const EXIT_NUMBER: usize = 250;

pub(super) fn path_to_edge(number: usize) -> Path {
    path(number)
}

pub(super) fn path_to_exit() -> Path {
    path(EXIT_NUMBER)
}

fn path(number: usize) -> Path {
    let remote = SocketAddr::from(([192, 0, 2, number as u8], 34978));
    Path::new(0, remote)
}

/// Whose address it is.
pub(super) fn number(address: SocketAddr) -> usize {
    match address {
        SocketAddr::V4(address) => usize::from(address.ip().octets()[3]),
        SocketAddr::V6(_) => 0,
    }
}

/// Where an edge presents an export.
pub(super) fn import(number: u16) -> Address {
    address(107, number)
}

fn address(shelf: u16, number: u16) -> Address {
    Address {
        shelf: shelf + number / 128,
        slot: (number % 128) as u8,
    }
}

pub(super) fn edge(number: u16, plan: Plan) -> GatewayConfig {
    let imports = if number + 1 == plan.peers { plan.exports } else { 0 };
    let exit = peer(EXIT_NUMBER, Endpoint::Known, plan);
    GatewayConfig {
        imports: (0..imports)
            .map(|number| ImportConfig {
                peer: PeerId(0),
                export: format!("disk{number}"),
                segment: SAN,
                address: import(number),
                window: if plan.waiting > 0 { WINDOW } else { 64 },
                on_conflict: OnConflict::Stop,
            })
            .collect(),
        ..gateway(usize::from(number), vec![exit])
    }
}

pub(super) fn exit(plan: Plan) -> GatewayConfig {
    let allow = |peer| Allow::new(PeerId(peer), Access::ReadWrite);
    let edges = (0..usize::from(plan.peers)).map(|number| peer(number, Endpoint::Unknown, plan));
    GatewayConfig {
        exports: (0..plan.exports)
            .map(|number| ExportConfig {
                name: format!("disk{number}"),
                segment: SAN,
                target: address(7, number),
                target_mac: None,
                safety: ExportSafety::default(),
                allow: (0..plan.peers).map(allow).collect(),
                limit: Default::default(),
            })
            .collect(),
        ..gateway(EXIT_NUMBER, edges.collect())
    }
}

fn gateway(number: usize, peers: Vec<PeerConfig>) -> GatewayConfig {
    GatewayConfig {
        name: format!("site {number}"),
        keys: OwnKeys::of(secret(number)),
        revoked: Revoked::default(),
        tls: None,
        segments: vec![SegmentConfig {
            name: "san".to_owned(),
        }]
        .into(),
        peers: peers.into(),
        exports: Vec::new().into(),
        imports: Vec::new().into(),
        tunnel: TunnelConfig::default(),
    }
}

fn peer(number: usize, endpoint: Endpoint, plan: Plan) -> PeerConfig {
    PeerConfig {
        name: format!("site {number}"),
        trust: Trust::of_key(secret(number).public()),
        endpoint,
        endpoint_pinned: false,
        protection: vec![Protection::Encrypt],
        path_mtu: PathMtu::Fixed(plan.path_mtu),
        limit: Default::default(),
    }
}

fn secret(number: usize) -> SecretKey {
    SecretKey::from_bytes([number as u8 + 1; 32])
}
