//! What each worker of a gateway has for itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use aoe_common::config::{GatewayConfig, PeerId, SegmentId};
use aoe_common::frame::Address;

use crate::config::Loaded;
use crate::resolver::Sockets;
use crate::sys::packet::Addresses;

/// Which frames of a segment each worker captures, given the configurations of all. The first one takes what belongs to
/// nobody too, so that it is counted, once.
pub fn shares(parts: &[&GatewayConfig], segment: SegmentId) -> Vec<Addresses> {
    let Some((_, others)) = parts.split_first() else {
        return Vec::new();
    };
    if others.is_empty() {
        return vec![Addresses::All];
    }
    let own = |part: &GatewayConfig| Vec::from_iter(addresses(part, segment));
    let of_others = others.iter().flat_map(|part| addresses(part, segment));
    std::iter::once(Addresses::AllBut(of_others.collect()))
        .chain(others.iter().map(|part| Addresses::Only(own(part))))
        .collect()
}

/// What a worker captures that must miss nothing of either.
pub fn either(one: &Addresses, other: &Addresses) -> Addresses {
    match (one, other) {
        (Addresses::Only(one), Addresses::Only(other)) => {
            let more = other.iter().filter(|address| !one.contains(address));
            Addresses::Only(one.iter().chain(more).copied().collect())
        }
        (Addresses::AllBut(one), Addresses::AllBut(other)) => {
            let both = one.iter().filter(|address| other.contains(address));
            Addresses::AllBut(both.copied().collect())
        }
        // Which of them a worker has does not change while it runs.
        (Addresses::All | Addresses::Only(_) | Addresses::AllBut(_), _) => Addresses::All,
    }
}

/// The sockets of a gateway that has just started, by their numbers.
pub fn sockets(listen: &[SocketAddr]) -> Sockets {
    (0..=u8::MAX).zip(listen.iter().copied()).collect()
}

/// Of each peer its name, and its `host:port` if the configuration has one.
pub fn endpoints(loaded: &Loaded) -> BTreeMap<PeerId, (String, Option<String>)> {
    let peers = loaded.core.peers.iter();
    let endpoint = |name: &str| loaded.endpoints.get(name).cloned();
    peers
        .map(|(id, peer)| (id, (peer.name.clone(), endpoint(&peer.name))))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_things_change_nothing_of_before_or_after_is_missed() {
        let list = |slots: &[u8]| -> Vec<Address> {
            slots
                .iter()
                .map(|slot| Address {
                    shelf: 7,
                    slot: *slot,
                })
                .collect()
        };
        let only = |slots: &[u8]| Addresses::Only(list(slots));
        let but = |slots: &[u8]| Addresses::AllBut(list(slots));
        assert_eq!(either(&only(&[1, 2]), &only(&[2, 3])), only(&[1, 2, 3]));
        assert_eq!(either(&but(&[1, 2]), &but(&[2, 3])), but(&[2]));
        assert_eq!(either(&Addresses::All, &Addresses::All), Addresses::All);
    }
}
