//! What the runs came to.

use std::time::Duration;

use aoe_lab::workload::Figures;
use serde::{Deserialize, Serialize};

use crate::cpu::Reading;
use crate::frame_cost::FrameCost;
use crate::machine::Machine;
use crate::peers::Peer;
use crate::plan::{Load, Measure, Setting};

/// Bytes in a GiB.
const GIB: f64 = (1u64 << 30) as f64;

/// Everything, as it is written as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Which program.
    pub(crate) version: String,
    /// When it began.
    pub(crate) date: String,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// On which machine.
    pub(crate) machine: Machine,
    /// Seconds of each run that counted.
    pub(crate) seconds: f64,
    /// Seconds of load before, which did not.
    pub(crate) ramp_seconds: f64,
    /// How often each was run.
    pub(crate) rounds: usize,
    /// The peers asked for, whether they ran or not.
    pub(crate) peers: Vec<Participant>,
    /// The tables.
    pub(crate) tables: Vec<Table>,
    /// What went wrong.
    pub(crate) faults: Vec<String>,
}

/// A peer asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Participant {
    /// Which one.
    pub(crate) peer: Peer,
    /// What it is.
    pub(crate) description: String,
    /// Its version.
    pub(crate) version: Option<String>,
    /// Why it did not run.
    pub(crate) missing: Option<String>,
}

/// All runs in one setting.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Table {
    /// Where.
    pub(crate) setting: Setting,
    /// Sectors of all disks read back and found right after the last run.
    pub(crate) sectors_read_back: u64,
    /// Peers by loads.
    pub(crate) cells: Vec<Cell>,
    /// What a frame costs our gateways when they are saturated, one entry a round; empty where that was not asked.
    pub(crate) frame_costs: Vec<FrameCost>,
    /// How losses were repaired in all of the runs, for each peer of which that can be seen.
    pub(crate) repairs: Vec<Repaired>,
}

/// What a relay saw of the repairs of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Repaired {
    /// Whose.
    pub(crate) peer: Peer,
    /// Datagrams lost, in both directions.
    pub(crate) lost: u64,
    /// Those whose very bytes arrived later. Others are not sent again: probes, second copies of a repair.
    pub(crate) repaired: u64,
    /// Median time from loss to arrival.
    pub(crate) p50_us: f64,
    /// The same of the slowest hundredth.
    pub(crate) p99_us: f64,
}

/// All runs of one load through one peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// Through whom.
    pub(crate) peer: Peer,
    /// What.
    pub(crate) load: Load,
    /// The measure of `value`.
    pub(crate) unit: Measure,
    /// What it is judged by.
    pub(crate) value: Spread,
    /// The same as a share of the bridge's in the same round.
    pub(crate) ratio: Option<Spread>,
    /// One entry a round, in order.
    pub(crate) samples: Vec<Sample>,
}

/// Median and extremes of some numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
}

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

impl Repaired {
    /// Of so many losses and the times that repairs took, in any order.
    pub(crate) fn new(peer: Peer, lost: u64, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let micros = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(rank).map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        Repaired {
            peer,
            lost,
            repaired: times.len() as u64,
            p50_us: micros(50),
            p99_us: micros(99),
        }
    }
}

impl Spread {
    /// Of some numbers; zeros of none.
    pub(crate) fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
        let count = sorted.len();
        Spread {
            median: (at(count.saturating_sub(1) / 2) + at(count / 2)) / 2.0,
            min: at(0),
            max: at(count.saturating_sub(1)),
        }
    }
}

impl Cell {
    /// The median of any number of the runs.
    pub(crate) fn median(&self, number: impl Fn(&Sample) -> f64) -> f64 {
        Spread::of(self.samples.iter().map(number)).median
    }
}

impl Table {
    /// Puts the runs of a setting together: by peer, load and round.
    pub(crate) fn new(
        setting: Setting,
        runs: &[(Peer, Load, Sample)],
        frame_costs: &[FrameCost],
        sectors_read_back: u64,
    ) -> Self {
        let mut pairs: Vec<(Peer, Load)> = runs.iter().map(|(peer, load, _)| (*peer, *load)).collect();
        pairs.sort_unstable();
        pairs.dedup();
        let samples_of = |peer: Peer, load: Load| -> Vec<Sample> {
            let ours = runs.iter().filter(|run| (run.0, run.1) == (peer, load));
            ours.map(|run| run.2).collect()
        };
        let cell = |(peer, load): (Peer, Load)| {
            let measure = load.measure();
            let samples = samples_of(peer, load);
            // Run by run, for neighbours in time had the same machine.
            let ceiling = samples_of(Peer::Bridge, load);
            let pairs = samples.iter().zip(&ceiling);
            let ratios =
                pairs.map(|(sample, bridge)| sample.value(measure) / bridge.value(measure).max(1e-9));
            let ratio = (!ceiling.is_empty()).then(|| Spread::of(ratios));
            Cell {
                peer,
                load,
                unit: measure,
                value: Spread::of(samples.iter().map(|sample| sample.value(measure))),
                ratio,
                samples,
            }
        };
        Table {
            setting,
            sectors_read_back,
            cells: pairs.into_iter().map(cell).collect(),
            frame_costs: frame_costs.to_vec(),
            repairs: Vec::new(),
        }
    }

    /// One cell, if it was run.
    pub(crate) fn cell(&self, peer: Peer, load: Load) -> Option<&Cell> {
        self.cells
            .iter()
            .find(|cell| (cell.peer, cell.load) == (peer, load))
    }

    /// The peers that ran, in order.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        let mut peers: Vec<Peer> = self.cells.iter().map(|cell| cell.peer).collect();
        peers.dedup();
        peers
    }

    /// The loads that were run, in order.
    pub(crate) fn loads(&self) -> Vec<Load> {
        let mut loads: Vec<Load> = self.cells.iter().map(|cell| cell.load).collect();
        loads.sort_unstable();
        loads.dedup();
        loads
    }
}

impl Report {
    /// Whether every run was good.
    pub(crate) fn is_clean(&self) -> bool {
        let holds_something = |table: &Table| !table.cells.is_empty() || !table.frame_costs.is_empty();
        self.faults.is_empty() && self.tables.iter().all(holds_something)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_middle_and_the_ends() {
        let of = |numbers: &[f64]| Spread::of(numbers.iter().copied());
        assert_eq!(of(&[]).median, 0.0);
        let odd = of(&[3.0, 1.0, 2.0]);
        assert_eq!((odd.median, odd.min, odd.max), (2.0, 1.0, 3.0));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
    }

    #[test]
    fn repair_times_have_their_ranks_in_any_order() {
        let times = (1..=100).rev().map(Duration::from_millis).collect();
        let repaired = Repaired::new(Peer::Ours, 102, times);
        assert_eq!((repaired.lost, repaired.repaired), (102, 100));
        assert_eq!((repaired.p50_us, repaired.p99_us), (50_000.0, 99_000.0));
        assert_eq!(Repaired::new(Peer::Ours, 0, Vec::new()).p99_us, 0.0);
    }

    #[test]
    fn ratios_are_to_the_bridge_of_the_same_round() {
        let sample = |rate| Sample {
            rate,
            ..Sample::default()
        };
        let setting = Setting {
            segment_mtu: 1500,
            underlay_mtu: 1500,
            impairment: None,
            buffer_count: 16,
            disks: 1,
        };
        let load = Load::SeqRead16;
        let runs = [
            (Peer::Bridge, load, sample(100.0)),
            (Peer::Ours, load, sample(50.0)),
            (Peer::Ours, load, sample(20.0)),
            (Peer::Bridge, load, sample(200.0)),
        ];
        let table = Table::new(setting, &runs, &[], 0);
        let ratio = table.cell(Peer::Ours, load).and_then(|cell| cell.ratio).unwrap();
        assert_eq!((ratio.min, ratio.max), (0.1, 0.5));
        assert_eq!(table.peers(), [Peer::Bridge, Peer::Ours]);
    }
}
