//! What each worker of a gateway has for itself.

use std::net::SocketAddr;

use aoe_common::config::{GatewayConfig, SegmentId};
use aoe_common::frame::Address;

use crate::sys::packet::Addresses;

/// Which frames of a segment each worker captures, given the configurations of all. The first one takes what belongs to
/// nobody too, so that it is counted, once.
pub fn shares(parts: &[GatewayConfig], segment: SegmentId) -> Vec<Addresses> {
    let Some((_, others)) = parts.split_first() else {
        return Vec::new();
    };
    if others.is_empty() {
        return vec![Addresses::All];
    }
    let own = |part| Vec::from_iter(addresses(part, segment));
    let of_others = others.iter().flat_map(|part| addresses(part, segment));
    std::iter::once(Addresses::AllBut(of_others.collect()))
        .chain(others.iter().map(|part| Addresses::Only(own(part))))
        .collect()
}

/// The address of a worker, given that of the first: each has a port of its own. A port that the kernel is to choose
/// stays one.
pub fn listen_address(first: SocketAddr, worker: u8) -> SocketAddr {
    let mut address = first;
    if first.port() != 0 {
        // The configuration was refused if that is no port.
        address.set_port(first.port().saturating_add(worker.into()));
    }
    address
}

/// What an initiator asks for there, and what targets answer from.
fn addresses(part: &GatewayConfig, segment: SegmentId) -> impl Iterator<Item = Address> {
    let imports = part
        .imports
        .values()
        .filter(move |import| import.segment == segment);
    let exports = part
        .exports
        .values()
        .filter(move |export| export.segment == segment);
    imports
        .map(|import| import.address)
        .chain(exports.map(|export| export.target))
}
