//! Imports, exports, and who uses them.

use serde::{Deserialize, Serialize};

use super::{Latency, Limit, Paused, Refusals, Size, Split, Standing, Traffic};

/// An export of a peer that is presented here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Import {
    /// Its shelf.slot here.
    pub address: String,
    /// The segment.
    pub segment: String,
    /// Whose export.
    pub peer: String,
    /// Its name there.
    pub export: String,
    /// Whether initiators can use it.
    #[serde(flatten)]
    pub standing: Standing,
    /// The pause that is on; `None`: none is.
    pub paused: Option<Paused>,
    /// `read-only` or `read-write`; empty while the peer has not said.
    pub access: String,
    /// Sectors that one frame carries.
    pub sectors: u8,
    /// Frames in flight that initiators are told they may have.
    pub window: u16,
    /// What was carried.
    pub traffic: Traffic,
    /// How large the requests were, the smallest first; a row for each size that there was.
    pub sizes: Vec<Size>,
    /// Where the time went.
    pub latency: Split,
    /// What was refused, by reason.
    pub refusals: Vec<Refusals>,
    /// Initiators that are summed in `traffic` and not listed.
    pub others: u64,
    /// The worker that serves it.
    pub worker: u8,
}

/// A target here that peers may use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// The segment of its target.
    pub segment: String,
    /// The shelf.slot of its target.
    pub target: String,
    /// Whether its target answers and is who it was.
    #[serde(flatten)]
    pub standing: Standing,
    /// The pause that is on; `None`: none is.
    pub paused: Option<Paused>,
    /// The MAC of the target; empty until it was heard.
    pub mac: String,
    /// The disk behind it, as it identifies itself; empty until it was asked.
    pub disk: String,
    /// Its size in bytes; 0 until it was asked.
    pub size_bytes: u64,
    /// Frames it takes at a time.
    pub buffers: u16,
    /// Requests at the target.
    pub at_target: u64,
    /// Requests that wait for it.
    pub waiting: u64,
    /// What all users together may have; `None`: as much as they like.
    pub limit: Option<Limit>,
    /// Who may use it.
    pub allow: Vec<Grant>,
    /// What was carried.
    pub traffic: Traffic,
    /// How large the requests were, the smallest first; a row for each size that there was.
    pub sizes: Vec<Size>,
    /// Where the time went.
    pub latency: Split,
    /// What was refused, by reason.
    pub refusals: Vec<Refusals>,
    /// Initiators that are summed in `traffic` and not listed.
    pub others: u64,
    /// The worker that serves it.
    pub worker: u8,
}

/// What a peer may do with an export.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grant {
    /// The peer.
    pub peer: String,
    /// `read-only` or `read-write`: what its rules in force come to together; `ended`: it has none, and had one.
    pub access: String,
    /// When the first of its rules in force ends, or the last one did, in Unix time, in seconds; `None`: none has an end.
    pub until: Option<f64>,
    /// What each of its rules in force allows, in short; empty if `access` and `until` say all.
    pub rules: Vec<String>,
    /// Initiators of this peer that used it in the last minute.
    pub in_use: u64,
    /// What it may have of this export; `None`: as much as it likes.
    pub limit: Option<Limit>,
}

/// One initiator's use of one import here, or of one export from behind a peer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Initiator {
    /// Its MAC.
    pub mac: String,
    /// Whether it is here, or behind a peer.
    pub side: Side,
    /// The peer that has the export, or behind which it is.
    pub peer: String,
    /// The export.
    pub export: String,
    /// The shelf.slot it uses, if it is here.
    pub address: String,
    /// Whether it is at work: it asked something in the last minute.
    #[serde(flatten)]
    pub standing: Standing,
    /// When it last asked something, in Unix time, in seconds.
    pub last: f64,
    /// What was carried.
    pub traffic: Traffic,
    /// From request to answer, as this gateway sees it.
    pub latency: Option<Latency>,
    /// What it may have; `None`: as much as it likes.
    pub limit: Option<Limit>,
}

/// Where an initiator is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// On a segment of this gateway.
    #[default]
    Here,
    /// On a segment of a peer.
    There,
}
