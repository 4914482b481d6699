//! One export: its target, who may use it, and what they have been told.

use super::target::{Target, TargetId};
use super::watch::Liveness;
use crate::config::{Allow, ExportConfig, ExportId, ExportSafety, OnConflict, PeerId};
use crate::export::{ExportState, Rights, TargetInfo, TargetState, Writes};
use crate::policy::MAX_SECTORS;
use crate::segment::SegmentState;

/// One export.
#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) id: ExportId,
    pub(crate) name: String,
    pub(crate) target: TargetId,
    pub(crate) safety: ExportSafety,
    /// Sorted by peer.
    grants: Vec<Grant>,
}

#[derive(Debug)]
struct Grant {
    peer: PeerId,
    rights: Rights,
    knowledge: Knowledge,
}

/// Whether a peer has been told how an export is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Knowledge {
    Current,
    Stale,
}

impl Export {
    pub(crate) fn new(id: ExportId, config: ExportConfig, target: TargetId) -> Export {
        let grant = |allow: &Allow| Grant {
            peer: allow.peer,
            rights: Rights::from(allow),
            knowledge: Knowledge::Stale,
        };
        let mut grants: Vec<Grant> = config.allow.iter().map(grant).collect();
        grants.sort_by_key(|grant| grant.peer);
        Export {
            id,
            target,
            safety: config.safety,
            grants,
            name: config.name,
        }
    }

    /// What a peer may do; `None`: it does not learn that the export exists.
    pub(crate) fn rights(&self, peer: PeerId) -> Option<&Rights> {
        let place = self.place(peer)?;
        self.grants.get(place).map(|grant| &grant.rights)
    }

    fn place(&self, peer: PeerId) -> Option<usize> {
        self.grants.binary_search_by_key(&peer, |grant| grant.peer).ok()
    }

    /// Something changed that peers are told.
    pub(crate) fn changed(&mut self) {
        for grant in &mut self.grants {
            grant.knowledge = Knowledge::Stale;
        }
    }

    /// This peer has to be told anew.
    pub(crate) fn changed_for(&mut self, peer: PeerId) {
        let place = self.place(peer);
        if let Some(grant) = place.and_then(|place| self.grants.get_mut(place)) {
            grant.knowledge = Knowledge::Stale;
        }
    }

    /// Peers that have to be told.
    pub(crate) fn uninformed(&self) -> impl Iterator<Item = PeerId> {
        self.grants
            .iter()
            .filter(|grant| grant.knowledge == Knowledge::Stale)
            .map(|grant| grant.peer)
    }

    /// The news for a peer, if there is any; it counts as told.
    pub(crate) fn news(
        &mut self,
        peer: PeerId,
        target: &Target,
        segment: SegmentState,
    ) -> Option<ExportState> {
        let place = self.place(peer)?;
        let grant = self.grants.get_mut(place)?;
        if std::mem::replace(&mut grant.knowledge, Knowledge::Current) == Knowledge::Current {
            return None;
        }
        let watch = &target.watch;
        let state = match watch.liveness {
            _ if watch.mac().is_none() => TargetState::Unknown,
            Liveness::Up if segment != SegmentState::Down => TargetState::Live,
            Liveness::Up | Liveness::Down => TargetState::Away,
        };
        Some(ExportState {
            export: self.id,
            name: self.name.clone(),
            state,
            writes: if target.conflict && self.safety.on_conflict == OnConflict::Stop {
                Writes::Stopped
            } else {
                Writes::Carried
            },
            rights: grant.rights.clone(),
            identity: target.recognition.disk().map(Into::into).unwrap_or_default(),
            target: TargetInfo {
                sectors: max_sectors(target, segment),
                ..watch.info.clone()
            },
            carried: carried(segment),
        })
    }
}

/// Sectors that one frame to or from the target can carry. Through a segment that is down it is what the target said:
/// requests wait for it to come back.
pub(crate) fn max_sectors(target: &Target, segment: SegmentState) -> u8 {
    target.watch.info.max_sectors().min(carried(segment))
}

fn carried(segment: SegmentState) -> u8 {
    match segment {
        SegmentState::Down => MAX_SECTORS,
        SegmentState::Up { .. } => segment.max_sectors().min(MAX_SECTORS),
    }
}
