//! Several engines in one gateway, each with a part of its exports and imports.
//!
//! An export belongs to one worker, and so do all imports of it, at both ends: so the order of one initiator's requests
//! to one export, its window at the target and everything else that is kept about them stay within one engine, and the
//! engines share nothing. Why: `docs/decisions/0013-workers.md`.

use aoe_keys::{Psk, SecretKey};
use aws_lc_rs::digest::{SHA256, digest};

use crate::config::{GatewayConfig, PeerConfig, TunnelConfig};

/// Which of a gateway's workers an engine is. It talks to the worker of the same number of each peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worker {
    /// From 0.
    pub number: u8,
    /// How many there are, itself included; at most [`MOST_WORKERS`].
    pub of: u8,
}

/// More workers than a gateway can use.
pub const MOST_WORKERS: u8 = 16;

impl Default for Worker {
    /// The only one.
    fn default() -> Self {
        Worker { number: 0, of: 1 }
    }
}

impl Worker {
    /// The number of the worker, of so many, that an export of this name belongs to: the first eight bytes of the
    /// name's SHA-256, modulo the number of workers.
    pub fn of_export(name: &str, workers: u8) -> u8 {
        let hash = digest(&SHA256, name.as_bytes());
        let head = hash.as_ref().first_chunk().copied().unwrap_or_default();
        let number = u64::from_be_bytes(head) % u64::from(workers.max(1));
        u8::try_from(number).unwrap_or_default()
    }

    /// Whether it serves an export of this name.
    pub fn serves(self, export: &str) -> bool {
        Worker::of_export(export, self.of) == self.number
    }
}

impl GatewayConfig {
    /// The configurations of so many workers, in the order of their numbers. Each knows every segment and peer, and the
    /// exports and imports that are its own.
    pub fn for_workers(self, workers: u8) -> Vec<GatewayConfig> {
        if workers <= 1 {
            return vec![self];
        }
        let part = |number| {
            let worker = Worker { number, of: workers };
            let exports = self.exports.iter().filter(|export| worker.serves(&export.name));
            let imports = self.imports.iter().filter(|import| worker.serves(&import.export));
            GatewayConfig {
                name: self.name.clone(),
                // Erased when dropped, as the original is.
                secret: SecretKey::from_bytes(*self.secret.expose()),
                segments: self.segments.clone(),
                peers: self.peers.iter().map(copy).collect(),
                exports: exports.cloned().collect(),
                imports: imports.cloned().collect(),
                tunnel: TunnelConfig {
                    worker,
                    ..self.tunnel.clone()
                },
            }
        };
        (0..workers).map(part).collect()
    }
}

fn copy(peer: &PeerConfig) -> PeerConfig {
    PeerConfig {
        name: peer.name.clone(),
        key: peer.key,
        psk: peer.psk.as_ref().map(|psk| Psk::from_bytes(*psk.expose())),
        endpoint: peer.endpoint,
        endpoint_pinned: peer.endpoint_pinned,
        protection: peer.protection.clone(),
        path_mtu: peer.path_mtu,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ExportConfig, ExportSafety, ImportConfig, OnConflict, PeerId, SegmentId};
    use crate::frame::Address;

    #[test]
    fn the_numbers_of_the_protocol_page() {
        let numbers = ["backup", "archive", "vm-images"].map(|name| Worker::of_export(name, 4));
        assert_eq!(numbers, [0, 1, 2]);
        assert_eq!(Worker::of_export("backup", 1), 0);
    }

    #[test]
    fn every_export_and_import_has_exactly_one_worker_and_both_ends_agree() {
        let name = |n: u16| format!("disk-{n}");
        let address = |slot| Address { shelf: slot, slot: 0 };
        let config = GatewayConfig {
            name: "site".to_owned(),
            secret: SecretKey::from_bytes([1; 32]),
            segments: Vec::new(),
            peers: Vec::new(),
            exports: (0..100)
                .map(|n| ExportConfig {
                    name: name(n),
                    segment: SegmentId(0),
                    target: address(n),
                    target_mac: None,
                    allow: Vec::new(),
                    safety: ExportSafety::default(),
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
            let exports: Vec<_> = part.exports.iter().map(|export| &export.name).collect();
            let imports: Vec<_> = part.imports.iter().map(|import| &import.export).collect();
            assert_eq!(exports, imports);
            assert!(exports.len() > 15, "a fair share: {}", exports.len());
            seen += exports.len();
        }
        assert_eq!(seen, 100);
    }
}
