//! One export: its target, who may use it, and what they have been told.

use super::calendar::Nearness;
use super::ids::TargetId;
use super::liveness::Life;
use super::stats::Stats;
use super::target::Target;
use crate::config::{Allow, ExportConfig, ExportId, ExportSafety, OnConflict, PeerId, Until};
use crate::export::{ExportState, Rights, TargetInfo, TargetState, Withdrawn, Writes};
use crate::pause::Pauses;
use crate::policy::MAX_SECTORS;
use crate::segment::SegmentState;
use crate::standing::Standing;
use crate::time::Instant;

/// One export.
#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) id: ExportId,
    pub(crate) name: String,
    pub(crate) target: TargetId,
    pub(crate) safety: ExportSafety,
    /// Requests of it that are kept, at its target and before.
    pub(crate) requests: u32,
    pub(crate) stats: Stats,
    pub(crate) standing: Standing,
    pub(crate) pauses: Pauses,
    /// What is allowed, in force or not any more.
    pub(super) allow: Vec<Allow>,
    /// What was last said of permissions that end.
    pub(super) noted: Vec<(PeerId, Until, Nearness)>,
    /// What is in force, sorted by peer.
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
pub(crate) enum Knowledge {
    Current,
    Stale,
    /// It does not know the export at all.
    Untold,
}

impl Export {
    /// `unix`: what the wall clock says, in seconds since 1970.
    pub(crate) fn new(
        id: ExportId,
        config: ExportConfig,
        target: TargetId,
        now: Instant,
        unix: u64,
    ) -> Export {
        let mut export = Export {
            id,
            target,
            safety: config.safety,
            requests: 0,
            stats: Stats::default(),
            standing: Standing::new(now),
            allow: config.allow,
            noted: Vec::new(),
            pauses: Pauses::default(),
            grants: Vec::new(),
            name: config.name,
        };
        for (peer, rights) in export.in_force(unix) {
            export.grant(peer, rights, Knowledge::Untold);
        }
        export
    }

    /// The rights that peers have at this time by what is allowed.
    pub(super) fn in_force(&self, unix: u64) -> Vec<(PeerId, Rights)> {
        let mut peers: Vec<PeerId> = self.allow.iter().map(|allow| allow.peer).collect();
        peers.sort_unstable();
        peers.dedup();
        let rights = |peer| {
            let theirs = self.allow.iter().filter(|allow| allow.peer == peer);
            Some((peer, Rights::of(theirs, unix)?))
        };
        peers.into_iter().filter_map(rights).collect()
    }

    /// Why a peer may do nothing.
    pub(super) fn why_none(&self, peer: PeerId) -> Withdrawn {
        match self.allow.iter().any(|allow| allow.peer == peer) {
            true => Withdrawn::Ended,
            false => Withdrawn::NotAllowed,
        }
    }

    /// What ends, and when.
    pub(super) fn ends(&self) -> impl Iterator<Item = (PeerId, Until)> {
        self.allow
            .iter()
            .filter_map(|allow| Some((allow.peer, allow.until?)))
    }

    /// A peer may do this from now on; it has to be told. `knowledge` is what it knows if it had no rights until now.
    pub(crate) fn grant(&mut self, peer: PeerId, rights: Rights, knowledge: Knowledge) {
        match self.grants.binary_search_by_key(&peer, |grant| grant.peer) {
            Ok(place) => {
                if let Some(grant) = self.grants.get_mut(place) {
                    grant.rights = rights;
                    grant.knowledge.expire();
                }
            }
            Err(place) => {
                let grant = Grant {
                    peer,
                    rights,
                    knowledge,
                };
                self.grants.insert(place, grant);
            }
        }
    }

    /// A peer may do nothing from now on; what it knows of the export, if it was allowed anything.
    pub(crate) fn revoke(&mut self, peer: PeerId) -> Option<Knowledge> {
        let place = self.place(peer)?;
        Some(self.grants.remove(place).knowledge)
    }

    /// Who may use it.
    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.grants.iter().map(|grant| grant.peer)
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
            grant.knowledge.expire();
        }
    }

    /// This peer has to be told again.
    pub(crate) fn changed_for(&mut self, peer: PeerId) {
        if let Some(knowledge) = self.knowledge(peer) {
            knowledge.expire();
        }
    }

    /// The peer process is another one, which knows nothing.
    pub(crate) fn forgotten_by(&mut self, peer: PeerId) {
        if let Some(knowledge) = self.knowledge(peer) {
            *knowledge = Knowledge::Untold;
        }
    }

    fn knowledge(&mut self, peer: PeerId) -> Option<&mut Knowledge> {
        let place = self.place(peer)?;
        self.grants.get_mut(place).map(|grant| &mut grant.knowledge)
    }

    /// Peers that have to be told.
    pub(crate) fn uninformed(&self) -> impl Iterator<Item = PeerId> {
        self.grants
            .iter()
            .filter(|grant| grant.knowledge != Knowledge::Current)
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
        let liveness = &target.liveness;
        let state = match liveness.life {
            _ if liveness.mac().is_none() => TargetState::Unknown,
            Life::Up if segment != SegmentState::Down => TargetState::Live,
            Life::Up | Life::Down => TargetState::Away,
        };
        Some(ExportState {
            export: self.id,
            name: self.name.clone(),
            state,
            is_paused: self.pauses.is_on(),
            writes: if target.conflict && self.safety.on_conflict == OnConflict::Stop {
                Writes::Stopped
            } else {
                Writes::Carried
            },
            rights: grant.rights.clone(),
            identity: target.recognition.disk().map(Into::into).unwrap_or_default(),
            target: TargetInfo {
                sectors: max_sectors(target, segment),
                ..liveness.info.clone()
            },
            carried: carried(segment),
        })
    }
}

impl Knowledge {
    /// What the peer was told is not so any more.
    fn expire(&mut self) {
        if *self == Knowledge::Current {
            *self = Knowledge::Stale;
        }
    }
}

/// Sectors that one frame to or from the target can carry. Through a segment that is down it is what the target said:
/// requests wait for it to come back.
pub(crate) fn max_sectors(target: &Target, segment: SegmentState) -> u8 {
    target.liveness.info.max_sectors().min(carried(segment))
}

fn carried(segment: SegmentState) -> u8 {
    match segment {
        SegmentState::Down => MAX_SECTORS,
        SegmentState::Up { .. } => segment.max_sectors().min(MAX_SECTORS),
    }
}
