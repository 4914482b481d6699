//! What events name.

use crate::frame::Address;

/// Who limits the sectors of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameLimit {
    /// The MTU of our segment.
    OurSegment,
    /// The MTU of this peer's segment.
    TheirSegment(String),
    /// The target itself.
    Target,
}

/// Where a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At the edge, which presents the export here.
    Import(Address),
    /// At the exit, or at an edge that told the exit.
    Exit,
}

/// Why a peer does not get an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// There is no such export.
    Nowhere,
    /// No `[[allow]]` of it is for the peer.
    NotAllowed,
}

/// What becomes of an import for whose address another station answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignEffect {
    /// It is presented, and works.
    None,
    /// It is presented, and writes are refused.
    WritesRefused,
    /// It is not presented.
    NotPresented,
}
