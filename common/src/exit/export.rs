//! One export: its target, who may use it, what is at the target and what waits.

use super::queue::Queue;
use super::target::{Liveness, Target};
use crate::config::{Allow, ExportConfig, ExportId, PeerId, SegmentId};
use crate::frame::Address;
use crate::segment::SegmentState;
use crate::time::Instant;
use crate::tunnel::update::{ExportState, Rights, TargetInfo};

/// A target that says 0 sectors means 2 (`aoecmd_cfg_rsp`).
const DEFAULT_SECTORS: u8 = 2;

/// One export.
#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) id: ExportId,
    pub(crate) name: String,
    pub(crate) segment: SegmentId,
    pub(crate) address: Address,
    pub(crate) target: Target,
    pub(crate) queue: Queue,
    /// Requests that occupy a buffer of the target.
    pub(crate) at_target: usize,
    /// When a second responder was last told of.
    pub(crate) imposter_told: Option<Instant>,
    /// When a change of the target was last told of.
    pub(crate) change_told: Option<Instant>,
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
    pub(crate) fn new(id: ExportId, config: ExportConfig, now: Instant) -> Export {
        let grant = |allow: &Allow| Grant {
            peer: allow.peer,
            rights: Rights::from(allow),
            knowledge: Knowledge::Stale,
        };
        Export {
            id,
            segment: config.segment,
            address: config.target,
            target: Target::new(config.target_mac, now),
            queue: Queue::default(),
            at_target: 0,
            imposter_told: None,
            change_told: None,
            grants: config.allow.iter().map(grant).collect(),
            name: config.name,
        }
    }

    /// What a peer may do; `None`: it does not learn that the export exists.
    pub(crate) fn rights(&self, peer: PeerId) -> Option<&Rights> {
        self.grants
            .iter()
            .find(|grant| grant.peer == peer)
            .map(|grant| &grant.rights)
    }

    /// Whether the target takes one more request now.
    pub(crate) fn has_room(&self) -> bool {
        self.at_target < self.target.window()
    }

    /// Sectors that one frame to or from the target can carry.
    pub(crate) fn max_sectors(&self, segment: SegmentState) -> u8 {
        let told = if self.target.info.sectors == 0 {
            DEFAULT_SECTORS
        } else {
            self.target.info.sectors
        };
        told.min(segment.max_sectors())
    }

    /// Something changed that peers are told.
    pub(crate) fn changed(&mut self) {
        for grant in &mut self.grants {
            grant.knowledge = Knowledge::Stale;
        }
    }

    /// This peer has to be told anew.
    pub(crate) fn changed_for(&mut self, peer: PeerId) {
        for grant in self.grants.iter_mut().filter(|grant| grant.peer == peer) {
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
    pub(crate) fn news(&mut self, peer: PeerId, segment: SegmentState) -> Option<ExportState> {
        let sectors = self.max_sectors(segment);
        let grant = self.grants.iter_mut().find(|grant| grant.peer == peer)?;
        if std::mem::replace(&mut grant.knowledge, Knowledge::Current) == Knowledge::Current {
            return None;
        }
        Some(ExportState {
            export: self.id,
            name: self.name.clone(),
            live: self.target.liveness == Liveness::Up && segment != SegmentState::Down,
            rights: grant.rights.clone(),
            target: TargetInfo {
                sectors,
                ..self.target.info.clone()
            },
        })
    }
}
