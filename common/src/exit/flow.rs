//! Initiators as the exit tells them apart: the queue of each.

use std::ops::Range;
use std::time::Duration;

use super::ids::FlowId;
use super::list::List;
use crate::config::{ExportId, ImportId, PeerId};
use crate::frame::MacAddr;
use crate::stats::{Carried, Times};
use crate::table::Table;
use crate::time::Instant;

/// Most initiators remembered of one peer; one that has been quiet for long makes room.
const MAX_FLOWS: usize = 8192;
/// Most of them looked at to find one that is quiet.
const LOOK: usize = 32;
/// Quiet for this long, and no old copy of a request of its can be under way any more.
pub(crate) const QUIET: Duration = Duration::from_secs(60);
/// Most requests one initiator may have here: as many as the largest window lets it have outstanding, and as many
/// again that overlapped a change of it.
pub(crate) const MAX_REQUESTS: u32 = 2048;

/// Most initiators of one export that have a row of their own, and times.
pub(crate) const MOST_ROWS: usize = 256;

/// One initiator's use of one export by one import of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlowKey {
    pub(crate) peer: PeerId,
    pub(crate) import: ImportId,
    pub(crate) export: ExportId,
    pub(crate) initiator: MacAddr,
}

/// What is remembered of it.
#[derive(Debug)]
pub(crate) struct Flow {
    /// Requests that could be sent if the target had room.
    pub(crate) queue: List,
    /// Whether it has a turn in its target's round.
    pub(crate) in_turn: bool,
    /// Whether its export is paused: it is left out when its turn comes.
    pub(crate) is_paused: bool,
    /// Requests of its that are not answered.
    pub(crate) requests: u32,
    pub(crate) carried: Carried,
    /// From arrival to answer; `None`: too many others of its export have that already.
    pub(crate) times: Option<Times>,
    pub(crate) export: ExportId,
    pub(crate) initiator: MacAddr,
    pub(crate) last_used: Instant,
    /// Since when it has asked for something at least once a minute.
    pub(crate) since: Instant,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    flows: Vec<Option<Flow>>,
    free: Vec<u32>,
    /// Sorted by key.
    index: Vec<(FlowKey, FlowId)>,
    /// Where looking for one that is quiet goes on.
    quiet_from: usize,
    /// Of how many of each export it is measured how long requests take.
    measured: Table<ExportId, usize>,
}

impl Flows {
    /// Finds or admits one, of an export that is paused or not. `None`: too many are busy.
    pub(crate) fn enter(&mut self, key: FlowKey, is_paused: bool, now: Instant) -> Option<FlowId> {
        let place = match self.index.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(place) => {
                let (_, id) = *self.index.get(place)?;
                let flow = self.get_mut(id)?;
                if now.saturating_since(flow.last_used) >= QUIET {
                    flow.since = now;
                }
                flow.last_used = now;
                return Some(id);
            }
            Err(place) if self.range(key.peer).len() < MAX_FLOWS => place,
            Err(_) => {
                self.dismiss_quiet(key.peer, now)?;
                self.index.binary_search_by_key(&key, |(key, _)| *key).err()?
            }
        };
        let flow = Flow {
            queue: List::default(),
            in_turn: false,
            is_paused,
            requests: 0,
            carried: Carried::default(),
            times: self.measure(key.export),
            export: key.export,
            initiator: key.initiator,
            last_used: now,
            since: now,
        };
        let id = match self.free.pop() {
            Some(id) => FlowId(id),
            None => {
                self.flows.push(None);
                FlowId(u32::try_from(self.flows.len() - 1).ok()?)
            }
        };
        *self.flows.get_mut(id.0 as usize)? = Some(flow);
        self.index.insert(place, (key, id));
        Some(id)
    }

    pub(crate) fn get(&self, id: FlowId) -> Option<&Flow> {
        self.flows.get(id.0 as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: FlowId) -> Option<&mut Flow> {
        self.flows.get_mut(id.0 as usize)?.as_mut()
    }

    /// Forgets these, of which nothing may be left in any list. Their ids, sorted.
    pub(crate) fn forget(&mut self, is_gone: impl Fn(&FlowKey) -> bool) -> Vec<FlowId> {
        let gone = self.index.extract_if(.., |(key, _)| is_gone(key));
        let gone: Vec<(FlowKey, FlowId)> = gone.collect();
        for (key, id) in &gone {
            self.release(key, *id);
        }
        let mut ids: Vec<FlowId> = gone.into_iter().map(|(_, id)| id).collect();
        ids.sort_unstable();
        ids
    }

    fn release(&mut self, key: &FlowKey, id: FlowId) {
        let flow = self.flows.get_mut(id.0 as usize).and_then(Option::take);
        let Some(flow) = flow else { return };
        self.free.push(id.0);
        if flow.times.is_some()
            && let Some(measured) = self.measured.get_mut(key.export)
        {
            *measured = measured.saturating_sub(1);
        }
    }

    /// What a new flow of this export is measured by: times take memory, so not all are.
    fn measure(&mut self, export: ExportId) -> Option<Times> {
        if self.measured.get(export).is_none() {
            self.measured.insert(export, 0);
        }
        let measured = self.measured.get_mut(export)?;
        (*measured < MOST_ROWS).then(|| {
            *measured += 1;
            Times::default()
        })
    }

    /// All flows.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&FlowKey, &Flow)> {
        self.index
            .iter()
            .filter_map(|(key, id)| Some((key, self.get(*id)?)))
    }

    /// A flow of an initiator behind a peer, by whichever import.
    pub(crate) fn of(&self, peer: PeerId, export: ExportId, initiator: MacAddr) -> Option<FlowId> {
        let theirs = self.index.get(self.range(peer))?.iter();
        let mut theirs = theirs.filter(|(key, _)| (key.export, key.initiator) == (export, initiator));
        theirs.next().map(|(_, id)| *id)
    }

    /// The flows by which an export is used.
    pub(crate) fn of_export(&self, export: ExportId) -> impl Iterator<Item = FlowId> {
        let theirs = self.index.iter().filter(move |(key, _)| key.export == export);
        theirs.map(|(_, id)| *id)
    }

    /// The same, with whose they are, in the order of peers.
    pub(crate) fn of_export_by_peer(&self, export: ExportId) -> Vec<(PeerId, FlowId)> {
        let theirs = self.index.iter().filter(|(key, _)| key.export == export);
        theirs.map(|(key, id)| (key.peer, *id)).collect()
    }

    /// Where in the index a peer's are.
    fn range(&self, peer: PeerId) -> Range<usize> {
        let start = self.index.partition_point(|(key, _)| key.peer < peer);
        let end = self.index.partition_point(|(key, _)| key.peer <= peer);
        start..end
    }

    /// Makes room for a new one of a peer; `None` if those that were looked at are all busy.
    fn dismiss_quiet(&mut self, peer: PeerId, now: Instant) -> Option<()> {
        let range = self.range(peer);
        let quiet = |place: &usize| {
            let flow = self.index.get(*place).and_then(|(_, id)| self.get(*id));
            flow.is_some_and(|flow| {
                flow.requests == 0 && !flow.in_turn && now.saturating_since(flow.last_used) >= QUIET
            })
        };
        let at = |n| range.start + n % range.len().max(1);
        let found = (self.quiet_from..).take(LOOK).map(at).find(quiet);
        self.quiet_from = self.quiet_from.wrapping_add(LOOK) % MAX_FLOWS;
        let place = found?;
        let (key, id) = self.index.remove(place);
        self.release(&key, id);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(peer: u16, n: u32) -> FlowKey {
        let [_, a, b, c] = n.to_be_bytes();
        FlowKey {
            peer: PeerId(peer),
            import: ImportId(0),
            export: ExportId(0),
            initiator: MacAddr([2, 0, 0, a, b, c]),
        }
    }

    #[test]
    fn flows_are_found_again_bounded_and_forgotten() {
        let (mut flows, now) = (Flows::default(), Instant::default());
        let first = flows.enter(key(0, 7), false, now).unwrap();
        let other = flows.enter(key(1, 7), false, now).unwrap();
        assert!(first != other && flows.enter(key(0, 7), false, now) == Some(first));
        for n in 0..10_000 {
            flows.enter(key(1, n), false, now);
        }
        assert_eq!(flows.index.len(), 1 + MAX_FLOWS);
        assert!(flows.enter(key(1, 1 << 20), false, now).is_none(), "all are busy");
        assert!(flows.enter(key(2, 1), false, now).is_some(), "of that peer");
        assert!(flows.enter(key(1, 1 << 20), false, now + QUIET).is_some());
        assert_eq!(flows.forget(|key| key.peer == PeerId(1)).len(), MAX_FLOWS);
        assert!(flows.get(other).is_none() && flows.get(first).is_some());
        assert!(flows.index.len() == 2 && flows.index.is_sorted());
        assert!(flows.enter(key(1, 1), false, now).is_some());
    }
}
