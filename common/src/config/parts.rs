//! One gateway's configuration, divided among its workers.

use super::{GatewayConfig, PeerConfig, PeerId, PeerLimit, TunnelConfig};
use crate::table::{Id, Table};
use crate::worker::Worker;

impl GatewayConfig {
    /// The configurations of so many workers, in the order of their numbers. Each knows every segment and peer, and the
    /// exports and imports that are its own.
    pub fn for_workers(&self, workers: u8) -> Vec<GatewayConfig> {
        if workers <= 1 {
            return vec![self.copy()];
        }
        let peers = self.peers.map(|id, peer| PeerConfig {
            limit: PeerLimit {
                among: self.workers_for(id, workers),
                ..peer.limit
            },
            ..peer.copy()
        });
        let part = |number| {
            let worker = Worker { number, of: workers };
            let exports = those(&self.exports, |export| worker.serves(&export.name));
            let imports = those(&self.imports, |import| worker.serves(&import.export));
            GatewayConfig {
                exports,
                imports,
                peers: peers.map(|_, peer| peer.copy()),
                tunnel: TunnelConfig {
                    worker,
                    ..self.tunnel.clone()
                },
                ..self.copy()
            }
        };
        (0..workers).map(part).collect()
    }

    /// How many of these workers serve an export that the peer may use, at least 1.
    pub fn workers_for(&self, peer: PeerId, workers: u8) -> u8 {
        let serves = |worker: &Worker| {
            let mut allowed = self
                .exports
                .values()
                .filter(|export| export.allow.iter().any(|allow| allow.peer == peer));
            allowed.any(|export| worker.serves(&export.name))
        };
        let all = (0..workers).map(|number| Worker { number, of: workers });
        u8::try_from(all.filter(serves).count()).unwrap_or(workers).max(1)
    }

    /// The same once more: its secrets are erased with each of them.
    pub fn copy(&self) -> GatewayConfig {
        GatewayConfig {
            name: self.name.clone(),
            keys: self.keys.copy(),
            revoked: self.revoked.clone(),
            tls: self.tls.clone(),
            segments: self.segments.clone(),
            peers: self.peers.map(|_, peer| peer.copy()),
            exports: self.exports.clone(),
            imports: self.imports.clone(),
            tunnel: self.tunnel.clone(),
        }
    }
}

fn those<I: Id, T: Clone>(all: &Table<I, T>, ours: impl Fn(&T) -> bool) -> Table<I, T> {
    let own = all.iter().filter(|(_, thing)| ours(thing));
    own.map(|(id, thing)| (id, thing.clone())).collect()
}

impl PeerConfig {
    /// The same once more.
    pub fn copy(&self) -> PeerConfig {
        PeerConfig {
            name: self.name.clone(),
            trust: self.trust.copy(),
            endpoint: self.endpoint,
            endpoint_pinned: self.endpoint_pinned,
            protection: self.protection.clone(),
            path_mtu: self.path_mtu,
            limit: self.limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use aoe_keys::SecretKey;

    use super::*;
    use crate::config::{
        ExportConfig, ExportSafety, ImportConfig, OnConflict, OwnKeys, PeerId, Revoked, SegmentId,
    };
    use crate::frame::Address;

    #[test]
    fn every_export_and_import_has_exactly_one_worker_and_both_ends_agree() {
        let name = |n: u16| format!("disk-{n}");
        let address = |slot| Address { shelf: slot, slot: 0 };
        let config = GatewayConfig {
            name: "site".to_owned(),
            keys: OwnKeys::of(SecretKey::from_bytes([1; 32])),
            revoked: Revoked::default(),
            tls: None,
            segments: Table::default(),
            peers: Table::default(),
            exports: (0..100)
                .map(|n| ExportConfig {
                    name: name(n),
                    segment: SegmentId(0),
                    target: address(n),
                    target_mac: None,
                    allow: Vec::new(),
                    safety: ExportSafety::default(),
                    limit: Default::default(),
                })
                .collect(),
            imports: (0..100)
                .map(|n| ImportConfig {
                    peer: PeerId(0),
                    export: name(n),
                    segment: SegmentId(0),
                    address: address(1000 + n),
                    window: 64,
                    on_conflict: OnConflict::Stop,
                })
                .collect(),
            tunnel: TunnelConfig::default(),
        };
        let parts = config.for_workers(3);
        assert_eq!(parts.len(), 3);
        let mut seen = 0;
        for (number, part) in (0..).zip(&parts) {
            assert_eq!(part.tunnel.worker, Worker { number, of: 3 });
            let exports: Vec<_> = part.exports.values().map(|export| &export.name).collect();
            let imports: Vec<_> = part.imports.values().map(|import| &import.export).collect();
            assert_eq!(exports, imports);
            assert!(exports.len() > 15, "a fair share: {}", exports.len());
            seen += exports.len();
        }
        assert_eq!(seen, 100);
    }
}
