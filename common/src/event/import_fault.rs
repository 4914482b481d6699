//! Why an import cannot be used.

use super::Withdrawn;

/// Why an import cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportFault {
    /// There is no session with the peer, which is logged.
    NoSession,
    /// The path to the peer has not been found to carry what we need; if it does not, that is logged.
    PathUnproven,
    /// The keys with the peer are not post-quantum yet, as one side requires; if they stay so, that is logged.
    NotPostQuantum,
    /// The peer was restarted, which is logged: it has not told its exports yet.
    PeerRestarted,
    /// The peer is shutting down, which is logged when it is gone.
    PeerEnding,
    /// Our segment is down, which is logged.
    SegmentDown,
    /// Another station has its address, which is logged.
    Taken,
    /// The peer has not told its exports.
    Untold,
    /// The peer does not offer it.
    NotOffered {
        /// How many others it offers, where that is known.
        others: Option<u16>,
    },
    /// The peer offered it and does not any more.
    Withdrawn(Withdrawn),
    /// It is not configured any more.
    Removed,
    /// Its target has not answered since the peer's gateway was started.
    TargetNeverHeard,
    /// Its target does not answer any more.
    TargetAway,
    /// Frames on our segment are too short for a sector.
    FramesTooShortHere,
    /// Frames on the peer's segment are too short for a sector.
    FramesTooShortThere,
}

impl ImportFault {
    /// Whether it may only be that something was not heard yet.
    pub(crate) fn may_be_early(&self) -> bool {
        match self {
            ImportFault::NoSession
            | ImportFault::PathUnproven
            | ImportFault::NotPostQuantum
            | ImportFault::PeerRestarted
            | ImportFault::SegmentDown
            | ImportFault::Untold
            | ImportFault::TargetNeverHeard => true,
            ImportFault::PeerEnding
            | ImportFault::Taken
            | ImportFault::NotOffered { .. }
            | ImportFault::Withdrawn(_)
            | ImportFault::Removed
            | ImportFault::TargetAway
            | ImportFault::FramesTooShortHere
            | ImportFault::FramesTooShortThere => false,
        }
    }

    /// Whether another line says what is wrong, or nothing is.
    pub(crate) fn is_logged_elsewhere(&self) -> bool {
        matches!(
            self,
            ImportFault::NoSession
                | ImportFault::PathUnproven
                | ImportFault::NotPostQuantum
                | ImportFault::PeerRestarted
                | ImportFault::PeerEnding
                | ImportFault::SegmentDown
                | ImportFault::Taken
                | ImportFault::Removed
        )
    }
}
