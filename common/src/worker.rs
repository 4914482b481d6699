//! Several engines in one gateway, each with a part of its exports and imports.
//!
//! An export belongs to one worker, and so do all imports of it, at both ends: so the order of one initiator's requests
//! to one export, its window at the target and everything else that is kept about them stay within one engine, and the
//! engines share nothing. Why: `docs/decisions/0013-workers.md`.

use aws_lc_rs::digest::{SHA256, digest};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_the_protocol_page() {
        let numbers = ["backup", "archive", "vm-images"].map(|name| Worker::of_export(name, 4));
        assert_eq!(numbers, [0, 1, 2]);
        assert_eq!(Worker::of_export("backup", 1), 0);
    }
}
