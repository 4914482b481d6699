//! What one run came to.

use std::time::Duration;

use aoe_lab::workload::Figures;
use serde::{Deserialize, Serialize};

use crate::cpu::Reading;
use crate::plan::Measure;

/// Bytes in a GiB.
const GIB: f64 = (1u64 << 30) as f64;

/// One run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Seconds from the first request to the last answer.
    pub(crate) seconds: f64,
    /// Millions of bytes a second.
    pub(crate) rate: f64,
    /// Requests a second.
    pub(crate) iops: f64,
    /// Median latency.
    pub(crate) p50_us: f64,
    /// Latency of the slowest hundredth.
    pub(crate) p99_us: f64,
    /// Data frames moved, copies included.
    pub(crate) frames: u64,
    /// Processor seconds per GiB of gateway A.
    pub(crate) cpu_a: f64,
    /// Processor seconds per GiB of gateway B.
    pub(crate) cpu_b: f64,
    /// Processor seconds per GiB of gateways, initiator, target and softirq threads.
    pub(crate) cpu_all: f64,
    /// Share of the machine that others used meanwhile.
    pub(crate) strangers: f64,
    /// Frames the initiator sent again, per GiB.
    pub(crate) resent: f64,
    /// Frames the initiator's own socket lost.
    pub(crate) dropped: u32,
}

impl Sample {
    /// What one clean run came to.
    pub(crate) fn new(figures: &Figures, used: &Reading, dropped: u32) -> Self {
        let gib = (figures.bytes as f64 / GIB).max(1e-9);
        let seconds = figures.elapsed.as_secs_f64().max(1e-9);
        let micros = |percent| figures.latency(percent).as_nanos() as f64 / 1e3;
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let per_gib = |time: Duration| time.as_secs_f64() / gib;
        Sample {
            seconds,
            rate: figures.megabytes_per_second(),
            iops: figures.iops(),
            p50_us: micros(50.0),
            p99_us: micros(99.0),
            frames: figures.frames,
            cpu_a: per_gib(used.a),
            cpu_b: per_gib(used.b),
            cpu_all: per_gib(used.ours()),
            strangers: used.machine.saturating_sub(used.ours()).as_secs_f64() / (seconds * cores),
            resent: figures.retransmits as f64 / gib,
            dropped,
        }
    }

    /// The number a load is judged by.
    pub(crate) fn value(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Rate => self.rate,
            Measure::Requests => self.iops,
            Measure::Latency => self.p50_us,
        }
    }
}
