//! What was carried, how long it took, what was refused.

use serde::{Deserialize, Serialize};

use super::Latency;

/// What was carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Traffic {
    /// Requests accepted.
    pub requests: u64,
    /// Requests answered.
    pub answered: u64,
    /// Bytes of sectors read.
    pub read_bytes: u64,
    /// Bytes of sectors written.
    pub written_bytes: u64,
    /// Requests that are not answered yet.
    pub in_flight: u64,
    /// Requests that the initiator sent again.
    pub resent: u64,
    /// Requests refused.
    pub refused: u64,
}

/// Reads and writes of about one size that were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Size {
    /// They moved no more sectors than this power of two, and more than half as many.
    pub sectors: u16,
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
}

/// Where a request spends its time. Parts that this gateway does not see are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Split {
    /// From capture to answer.
    pub total: Option<Latency>,
    /// From capture on the initiator's segment until it was handed to the tunnel.
    pub segment: Option<Latency>,
    /// There and back between the gateways.
    pub tunnel: Option<Latency>,
    /// Waiting at the exit for room at the target.
    pub queue: Option<Latency>,
    /// At the target.
    pub target: Option<Latency>,
}

/// Requests refused for one reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Refusals {
    /// The reason, as counters name it.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// The last one: whose, such as an initiator's MAC.
    pub last_who: String,
    /// The last one: what it was, in the words of the log.
    pub last_what: String,
    /// The last one: when, in Unix time, in seconds.
    pub last: f64,
}

/// Ceilings and floors in force, and what they do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limit {
    /// Requests a second, at most.
    pub iops: Option<u64>,
    /// Bytes of sectors a second, at most.
    pub bandwidth: Option<u64>,
    /// Requests a second that are kept free for it.
    pub floor_iops: Option<u64>,
    /// Bytes of sectors a second that are kept free for it.
    pub floor_bandwidth: Option<u64>,
    /// `file`, or `live` if an operator set it while the gateway ran.
    pub from: String,
    /// Requests that had to wait for it.
    pub delayed: u64,
    /// Requests that wait for it now.
    pub waiting: u64,
    /// How long those that had to wait for it did.
    pub wait: Option<Latency>,
}
