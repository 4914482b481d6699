//! What the runs came to.

mod frame_cost;
mod repaired;
mod sample;
mod spread;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::peers::Peer;
use crate::plan::{Load, Measure, Setting};

pub(crate) use frame_cost::FrameCost;
pub(crate) use repaired::Repaired;
pub(crate) use sample::Sample;
pub(crate) use spread::Spread;

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
