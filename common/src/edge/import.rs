//! One import: what the peer says about it, and what was asked of it.

use std::time::Duration;

use super::initiators::Initiators;
use super::inquiry::Inquiry;
use super::presence::Presence;
use super::stats::Stats;
use crate::config::{ExportId, ImportConfig, OnConflict, PeerId};
use crate::context::Context;
use crate::event::ImportFault;
use crate::export::{ExportState, Identity, TargetState, Withdrawn};
use crate::frame::{MacAddr, QueryHeader};
use crate::pause::Pauses;
use crate::segment::SegmentState;
use crate::standing::Standing;
use crate::time::Instant;
use crate::tunnel::links::Links;

/// An import that was not up is not missed earlier: peers and targets take a while to be heard.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// How long the MTU of the segment has been as it is before a read whose answer does not fit is refused.
///
/// An initiator sends a request at its size forever, and what fits may come back: a network card that is set up again, a
/// host that has just started. An error would make final what was passing. But after 180 s the Linux driver gives the
/// whole device up for one read that is not answered; before that an error is less harm.
const SETTLED: Duration = Duration::from_secs(120);

/// One import.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) config: ImportConfig,
    /// What the peer told us; `None` until it does, and again when its process changes.
    pub(crate) remote: Option<ExportState>,
    /// Why the peer took it away, if it did.
    pub(crate) withdrawn: Option<Withdrawn>,
    /// Whether the peer owes us word of it.
    pub(super) inquiry: Inquiry,
    /// How many exports the peer offers us, once it has told them all.
    pub(crate) offered: Option<u16>,
    /// Whether its process is about to end.
    pub(crate) peer_ends: bool,
    /// What initiators were last told; `None`: it cannot be used, and is silent.
    pub(crate) announced: Option<Announcement>,
    /// Whether the log says that it is up.
    pub(crate) said_up: bool,
    /// Whether somebody else answers for its address.
    pub(crate) presence: Presence,
    /// The MTU of the segment when it was last up, and since when it is that.
    mtu: (u16, Instant),
    /// Which disk it is, as the peer said last.
    identity: Option<Identity>,
    /// What they asked.
    pub(crate) initiators: Initiators,
    pub(super) pauses: Pauses,
    /// What was carried.
    pub(super) stats: Stats,
    /// How it is, for people.
    pub(super) standing: Standing,
    /// Not before this is it missed, if it was not up yet.
    pub(super) missed_at: Instant,
}

/// What initiators were told unasked, and from which address of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announcement {
    pub(crate) header: QueryHeader,
    pub(crate) mac: MacAddr,
}

impl Import {
    /// `late`: age above which a reply to a request that was sent again since is kept back.
    pub(crate) fn new(config: ImportConfig, late: Duration, inquiry: Inquiry, now: Instant) -> Import {
        Import {
            initiators: Initiators::new(config.window, late),
            config,
            inquiry,
            remote: None,
            withdrawn: None,
            offered: None,
            peer_ends: false,
            announced: None,
            said_up: false,
            presence: Presence::default(),
            mtu: (0, Instant::NEVER),
            identity: None,
            pauses: Pauses::default(),
            stats: Stats::default(),
            standing: Standing::new(now),
            missed_at: now + GRACE,
        }
    }

    /// Whose it is.
    pub(super) fn peer(&self) -> PeerId {
        self.config.peer
    }

    /// Whether the peer has not said yet whether it offers the export.
    pub(super) fn is_untold(&self) -> bool {
        self.remote.is_none() && self.withdrawn.is_none() && self.offered.is_none()
    }

    /// What we present to initiators, if it can be used.
    pub(crate) fn live(&self) -> Option<&ExportState> {
        self.announced.and(self.remote.as_ref())
    }

    /// What requests are judged by: the target is there, or was, and the exit keeps requests until it is back.
    pub(crate) fn usable(&self) -> Option<&ExportState> {
        let known = |remote: &&ExportState| remote.state != TargetState::Unknown;
        self.remote.as_ref().filter(known)
    }

    /// Why it cannot be presented now.
    pub(super) fn fault_now(&self, workers: u8, links: &Links, cx: &Context<'_>) -> Option<ImportFault> {
        let peer = self.config.peer;
        match (links.is_up(peer, cx.now), links.is_path_proven(peer)) {
            (true, true) if !links.carries_storage(peer) => Some(ImportFault::NotPostQuantum),
            (true, true) => self.fault(cx.segment(self.config.segment), workers),
            (true, false) => Some(ImportFault::PathUnproven),
            (false, _) => Some(ImportFault::NoSession),
        }
    }

    /// Why it cannot be presented, although there is a session with its peer.
    fn fault(&self, segment: SegmentState, workers: u8) -> Option<ImportFault> {
        if segment == SegmentState::Down {
            return Some(ImportFault::SegmentDown);
        }
        let Some(remote) = &self.remote else {
            // Another worker's exports are not counted here.
            let others = |offered| Some(offered).filter(|_| workers == 1);
            return Some(match (self.withdrawn, self.offered) {
                (Some(why), _) => ImportFault::Withdrawn(why),
                (None, None) => ImportFault::Untold,
                (None, Some(offered)) => ImportFault::NotOffered {
                    others: others(offered),
                },
            });
        };
        match remote.state {
            TargetState::Unknown => Some(ImportFault::TargetNeverHeard),
            TargetState::Away if self.peer_ends => Some(ImportFault::PeerEnding),
            TargetState::Away => Some(ImportFault::TargetAway),
            TargetState::Live if segment.max_sectors() == 0 => Some(ImportFault::FramesTooShortHere),
            TargetState::Live if remote.carried == 0 => Some(ImportFault::FramesTooShortThere),
            TargetState::Live => None,
        }
    }

    /// Takes what the peer says; whether it is another disk than the peer said before. One that only grew is not.
    pub(crate) fn learn(&mut self, remote: ExportState) -> bool {
        let told = Some(remote.identity).filter(|identity| *identity != Identity::default());
        self.remote = Some(remote);
        self.withdrawn = None;
        let Some(told) = told else { return false };
        let is_other = |known: Identity| known.digest != told.digest || known.size > told.size;
        self.identity.replace(told).is_some_and(is_other)
    }

    /// The peer does not offer this export any more.
    pub(super) fn lose(&mut self, export: ExportId, why: Withdrawn) {
        if self.remote.take_if(|remote| remote.export == export).is_some() {
            self.withdrawn = Some(why);
        }
    }

    /// The peer is another process: what it told is void.
    pub(super) fn forget(&mut self) {
        self.remote = None;
        self.withdrawn = None;
        self.offered = None;
        self.peer_ends = false;
        self.inquiry = Inquiry::from_the_start();
    }

    /// The segment is so now.
    pub(crate) fn note_segment(&mut self, state: SegmentState, now: Instant) {
        if let SegmentState::Up { mtu, .. } = state
            && mtu != self.mtu.0
        {
            self.mtu = (mtu, now);
        }
    }

    /// Whether the MTU of the segment has been the same for so long that what does not fit never will.
    pub(crate) fn has_settled(&self, now: Instant) -> bool {
        now.saturating_since(self.mtu.1) >= SETTLED
    }

    /// Whether writes are refused, because somebody else answers for the address.
    pub(crate) fn stops_writes(&self) -> bool {
        self.config.on_conflict == OnConflict::Stop && self.presence.is_disputed()
    }
}
