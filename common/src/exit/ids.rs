//! Numbers by which the exit's parts name each other's things.

use crate::table::ids;

ids! {
    /// A target. Also in the tags of questions.
    pub(crate) TargetId,
}

/// Most slots: as many as a tag can number.
pub(crate) const MAX_SLOTS: usize = 1 << 16;

/// Index of a slot: a request that is here. Also in the tags of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SlotId(pub(crate) u16);

/// Index of a flow: one initiator's use of one export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlowId(pub(super) u32);
