//! What one frame costs our gateways when they are saturated.

use serde::{Deserialize, Serialize};

use super::spread::Spread;

/// What a frame costs, and what the machine's parts do at the same time. Medians of all bursts of one run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FrameCost {
    /// Sectors of a frame.
    pub(crate) sectors: u8,
    /// Processor microseconds a frame costs the gateway that seals it.
    pub(crate) sealing_us: f64,
    /// Processor microseconds a frame costs the gateway that opens it.
    pub(crate) opening_us: f64,
    /// Nanoseconds of sealing one record as long as the frame.
    pub(crate) aead_ns: f64,
    /// Nanoseconds per frame of `sendmmsg` on a veth, 64 frames a call.
    pub(crate) sendmmsg_ns: f64,
}

impl FrameCost {
    /// The medians of some runs with frames of one size; `None` of none.
    pub(crate) fn median(runs: &[FrameCost]) -> Option<Self> {
        let of = |number: fn(&FrameCost) -> f64| Spread::of(runs.iter().map(number)).median;
        Some(FrameCost {
            sectors: runs.first()?.sectors,
            sealing_us: of(|run| run.sealing_us),
            opening_us: of(|run| run.opening_us),
            aead_ns: of(|run| run.aead_ns),
            sendmmsg_ns: of(|run| run.sendmmsg_ns),
        })
    }
}
