//! How long a lost datagram takes to arrive after all: a repair is the very same bytes again.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use aoe_common::time::Instant;

/// Losses kept while their repair is awaited; of more, repairs are not seen.
const MOST_AWAITED: usize = 65_536;

/// Losses, and the times until the same bytes arrived.
#[derive(Clone, Debug, Default)]
pub struct Repairs {
    /// Datagrams lost; one that is lost again counts once.
    pub lost: u64,
    /// From the first loss of a datagram until its arrival, in the order in which they were sent.
    pub times: Vec<Duration>,
    /// When a datagram, by its hash, was lost first.
    awaited: HashMap<u64, Instant>,
}

impl Repairs {
    pub(super) fn lose(&mut self, datagram: &[u8], now: Instant) {
        let hash = hash(datagram);
        if self.awaited.contains_key(&hash) {
            return;
        }
        self.lost += 1;
        if self.awaited.len() < MOST_AWAITED {
            self.awaited.insert(hash, now);
        }
    }

    pub(super) fn arrive(&mut self, datagram: &[u8], due: Instant) {
        if self.awaited.is_empty() {
            return;
        }
        if let Some(lost) = self.awaited.remove(&hash(datagram)) {
            self.times.push(due.saturating_since(lost));
        }
    }
}

fn hash(datagram: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    datagram.hash(&mut hasher);
    hasher.finish()
}
