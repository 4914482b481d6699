//! How long the tunnel takes to repair a loss: from the moment a record was lost to the moment it is there after all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use aoe_common::time::Instant;

use super::super::wire::Datagram;
use super::World;

/// The first byte of a record.
const RECORD: u8 = 4;

/// Records that were lost, and how long others took to arrive after all.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    lost: BTreeMap<Name, Instant>,
    took: Vec<Duration>,
}

/// What a record is known by: where it goes, its session and counter.
type Name = (SocketAddr, [u8; 12]);

impl Repairs {
    pub(super) fn lost(&mut self, datagram: &Datagram, now: Instant) {
        if let Some(name) = name(datagram) {
            self.lost.entry(name).or_insert(now);
        }
    }

    pub(super) fn arrived(&mut self, datagram: &Datagram, now: Instant) {
        if let Some(since) = name(datagram).and_then(|name| self.lost.remove(&name)) {
            self.took.push(now.saturating_since(since));
        }
    }
}

impl World {
    /// Notes from now on how long repairs take.
    pub fn watch_repairs(&mut self) {
        self.repairs = Some(Repairs::default());
    }

    /// How long every record that was lost took to arrive after all, shortest first; and how many have not.
    pub fn repairs(&self) -> (Vec<Duration>, usize) {
        let Some(repairs) = &self.repairs else {
            return (Vec::new(), 0);
        };
        let mut took = repairs.took.clone();
        took.sort_unstable();
        (took, repairs.lost.len())
    }
}

fn name(datagram: &Datagram) -> Option<Name> {
    let head = datagram.bytes.first_chunk::<16>()?;
    let name = head.last_chunk::<12>()?;
    (head[0] == RECORD).then_some((datagram.to, *name))
}
