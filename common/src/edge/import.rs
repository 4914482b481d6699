//! One import: what the peer says about it, and which initiators use it.

use std::time::Duration;

use super::ledger::{Key, Ledger, Verdict};
use super::presence::Presence;
use crate::config::{ImportConfig, OnConflict};
use crate::frame::{MacAddr, QueryHeader, Tag};
use crate::time::Instant;
use crate::tunnel::update::{ExportState, Identity, TargetState};

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
    /// Whether somebody else answers for its address.
    pub(crate) presence: Presence,
    /// Which disk it is, as the peer said last.
    identity: Option<Identity>,
    /// Sorted by MAC.
    initiators: Vec<Initiator>,
    /// Age above which a reply to a superseded request is kept back.
    late: Duration,
}

#[derive(Debug)]
struct Initiator {
    mac: MacAddr,
    ledger: Ledger,
    last_seen: Instant,
}

impl Import {
    pub(crate) fn new(config: ImportConfig, late: Duration) -> Import {
        Import {
            config,
            remote: None,
            told: None,
            presence: Presence::default(),
            identity: None,
            initiators: Vec::new(),
            late,
        }
    }

    /// What we present to initiators, if it can be used.
    pub(crate) fn live(&self) -> Option<&ExportState> {
        self.told.and(self.remote.as_ref())
    }

    /// What requests are judged by: the target is there, or was, and the exit keeps requests until it is back.
    pub(crate) fn usable(&self) -> Option<&ExportState> {
        let known = |remote: &&ExportState| remote.state != TargetState::Unknown;
        self.remote.as_ref().filter(known)
    }

    /// Takes what the peer says; whether it is another disk than the peer said before. One that only grew is not.
    pub(crate) fn learn(&mut self, remote: ExportState) -> bool {
        let told = Some(remote.identity).filter(|identity| *identity != Identity::default());
        self.remote = Some(remote);
        let Some(told) = told else { return false };
        let is_other = |known: Identity| known.digest != told.digest || known.size > told.size;
        self.identity.replace(told).is_some_and(is_other)
    }

    /// Whether writes are refused, because somebody else answers for the address.
    pub(crate) fn stops_writes(&self) -> bool {
        self.config.on_conflict == OnConflict::Stop && self.presence.is_disputed()
    }

    /// Notes a request of the initiator; its number.
    pub(crate) fn capture(&mut self, mac: MacAddr, key: Key, tag: Tag, now: Instant) -> u64 {
        let at = self.place(mac).unwrap_or_else(|_| self.admit(mac, now));
        let Some(initiator) = self.initiators.get_mut(at) else {
            return 0;
        };
        initiator.last_seen = now;
        initiator.ledger.capture(key, tag, now)
    }

    /// Judges a reply to the initiator's request of this number.
    pub(crate) fn answer(&mut self, mac: MacAddr, number: u64, now: Instant) -> Verdict {
        let at = self.place(mac).ok();
        let initiator = at.and_then(|at| self.initiators.get_mut(at));
        initiator.map_or(Verdict::Unknown, |one| one.ledger.answer(number, now))
    }

    /// Where an initiator is, or would be.
    fn place(&self, mac: MacAddr) -> Result<usize, usize> {
        self.initiators.binary_search_by_key(&mac, |one| one.mac)
    }

    /// A returning initiator must not number its requests below the ones it made before it was forgotten, so a
    /// newcomer starts at a number taken from the clock.
    fn admit(&mut self, mac: MacAddr, now: Instant) -> usize {
        if self.initiators.len() >= MAX_INITIATORS {
            let all = self.initiators.iter().enumerate();
            let oldest = all.min_by_key(|(_, one)| one.last_seen);
            let oldest = oldest.map(|(at, _)| at);
            oldest.map(|at| self.initiators.remove(at));
        }
        let newcomer = Initiator {
            mac,
            ledger: Ledger::new(now.as_micros() << 12, self.config.window, self.late),
            last_seen: now,
        };
        let (Ok(at) | Err(at)) = self.place(mac);
        self.initiators.insert(at, newcomer);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PeerId, SegmentId};
    use crate::frame::Address;

    fn import() -> Import {
        let config = ImportConfig {
            peer: PeerId(0),
            export: "backup".to_owned(),
            segment: SegmentId(0),
            address: Address { shelf: 107, slot: 3 },
            window: 64,
            on_conflict: OnConflict::Stop,
        };
        Import::new(config, Duration::from_secs(1))
    }

    #[test]
    fn numbers_grow_per_initiator_even_across_being_forgotten() {
        let mut import = import();
        let mac = |n: u16| {
            let [high, low] = n.to_be_bytes();
            MacAddr([2, 0, 0, 0, high, low])
        };
        let key = Key::new(0x24, 0, 1);
        let mut capture = |n, at| import.capture(mac(n), key, Tag(1), Instant::from_micros(at));
        let first = capture(0, 1);
        assert_eq!(capture(0, 2), first + 1);
        let others: Vec<u64> = (1..=256).map(|n| capture(n, 2 + u64::from(n))).collect();
        assert!(capture(0, 1000) > first + 1);
        // The one silent for longest made room, and then the next one.
        let now = Instant::from_micros(1000);
        assert_eq!(import.answer(mac(0), first, now), Verdict::Unknown);
        assert_eq!(import.answer(mac(1), others[0], now), Verdict::Unknown);
        assert_eq!(import.answer(mac(2), others[1], now), Verdict::Deliver);
        assert_eq!(import.answer(mac(256), others[255], now), Verdict::Deliver);
    }
}
