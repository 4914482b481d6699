//! An export as both gateways see it: its target, and what a peer may do there.

use crate::config::ExportId;
pub(crate) use crate::policy::Rights;

/// One export, as one peer may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExportState {
    /// The exit's number for it.
    pub(crate) export: ExportId,
    /// Its name, at most 255 bytes.
    pub(crate) name: String,
    /// Whether the target answers.
    pub(crate) state: TargetState,
    /// Whether the exit's operator keeps requests from it for a while.
    pub(crate) is_paused: bool,
    /// Whether writes are refused because another disk may answer.
    pub(crate) writes: Writes,
    /// What the peer may do.
    pub(crate) rights: Rights,
    /// Which disk it is; zeros if it is not known.
    pub(crate) identity: Identity,
    /// The target's own Config answer, sectors already limited to what the exit's segment carries.
    pub(crate) target: TargetInfo,
    /// Sectors that a frame on the exit's segment carries.
    pub(crate) carried: u8,
}

/// Why a peer may not use an export any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawn {
    /// Its gateway does not export it any more.
    NotExported,
    /// No `[[allow]]` of it is for the peer any more.
    NotAllowed,
    /// What it was allowed has come to its end.
    Ended,
}

/// What becomes of writes that are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    Carried,
    Stopped,
}

/// Which disk a target is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Sectors of 512 bytes.
    pub(crate) size: u64,
    /// The beginning of the SHA-256 of serial number and model.
    pub(crate) digest: [u8; 8],
}

/// How a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetState {
    /// It has not been heard since the exit started.
    Unknown,
    /// It answers.
    Live,
    /// It did and does not: the exit keeps requests for it.
    Away,
}

/// What a target says about itself in a Config response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TargetInfo {
    pub(crate) buffer_count: u16,
    pub(crate) firmware: u16,
    pub(crate) sectors: u8,
    /// The config string, at most 1024 bytes.
    pub(crate) string: Vec<u8>,
}

impl TargetInfo {
    /// Sectors that it takes at a time; 0 means 2 (`aoecmd_cfg_rsp` of the Linux driver).
    pub(crate) fn max_sectors(&self) -> u8 {
        match self.sectors {
            0 => 2,
            told => told,
        }
    }
}
