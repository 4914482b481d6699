//! One import: what the peer says about it, and which initiators use it.

use crate::config::ImportConfig;
use crate::frame::{MacAddr, QueryHeader};
use crate::time::Instant;
use crate::tunnel::update::ExportState;

/// Initiators remembered per import; the one silent for longest makes room.
const MAX_INITIATORS: usize = 256;

/// One import.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) config: ImportConfig,
    /// What the peer told us; `None` until it does, and again when its process changes.
    pub(crate) remote: Option<ExportState>,
    /// What initiators were last told unasked; `None`: it cannot be used, and is silent.
    pub(crate) told: Option<QueryHeader>,
    initiators: Vec<Initiator>,
}

#[derive(Debug)]
struct Initiator {
    mac: MacAddr,
    next_number: u64,
    last_seen: Instant,
}

impl Import {
    pub(crate) fn new(config: ImportConfig) -> Import {
        Import {
            config,
            remote: None,
            told: None,
            initiators: Vec::new(),
        }
    }

    /// What we present to initiators, if it can be used.
    pub(crate) fn live(&self) -> Option<&ExportState> {
        self.told.and(self.remote.as_ref())
    }

    /// The number of the initiator's next request.
    pub(crate) fn next_number(&mut self, mac: MacAddr, now: Instant) -> u64 {
        let at = match self.initiators.iter().position(|one| one.mac == mac) {
            Some(at) => at,
            None => self.admit(mac, now),
        };
        let Some(initiator) = self.initiators.get_mut(at) else {
            return 0;
        };
        initiator.last_seen = now;
        initiator.next_number += 1;
        initiator.next_number
    }

    /// Whether this initiator has asked anything; replies go to nobody else.
    pub(crate) fn knows(&self, mac: MacAddr) -> bool {
        self.initiators.iter().any(|one| one.mac == mac)
    }

    /// A returning initiator must not number its requests below the ones it made before it was forgotten, so a
    /// newcomer starts at a number taken from the clock.
    fn admit(&mut self, mac: MacAddr, now: Instant) -> usize {
        let newcomer = Initiator {
            mac,
            next_number: now.as_micros() << 12,
            last_seen: now,
        };
        if self.initiators.len() < MAX_INITIATORS {
            self.initiators.push(newcomer);
            return self.initiators.len() - 1;
        }
        let oldest = self
            .initiators
            .iter()
            .enumerate()
            .min_by_key(|(_, one)| one.last_seen);
        let at = oldest.map_or(0, |(at, _)| at);
        if let Some(slot) = self.initiators.get_mut(at) {
            *slot = newcomer;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PeerId, SegmentId};
    use crate::frame::Address;

    fn import() -> Import {
        Import::new(ImportConfig {
            peer: PeerId(0),
            export: "backup".to_owned(),
            segment: SegmentId(0),
            address: Address { shelf: 107, slot: 3 },
            window: 64,
        })
    }

    #[test]
    fn numbers_grow_per_initiator_even_across_being_forgotten() {
        let mut import = import();
        let mac = |n: u16| {
            let [high, low] = n.to_be_bytes();
            MacAddr([2, 0, 0, 0, high, low])
        };
        let first = import.next_number(mac(0), Instant::from_micros(1));
        assert_eq!(import.next_number(mac(0), Instant::from_micros(2)), first + 1);
        for n in 1..=256 {
            import.next_number(mac(n), Instant::from_micros(2 + u64::from(n)));
        }
        assert!(!import.knows(mac(0)) && import.knows(mac(1)) && import.knows(mac(256)));
        assert!(import.next_number(mac(0), Instant::from_micros(1000)) > first + 1);
    }
}
