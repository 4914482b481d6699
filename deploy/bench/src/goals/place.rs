//! What the goals ask of a table: everything about our gateways at one pair of MTUs, and `None` of what was not run.

use crate::peers::Peer;
use crate::plan::Load;
use crate::reference::Reference;
use crate::results::{FrameCost, Table};

pub(super) struct Place<'a> {
    table: &'a Table,
}

impl<'a> Place<'a> {
    pub(super) fn of(table: &'a Table) -> Self {
        Place { table }
    }

    /// One number for segments of 1500, another for larger ones.
    pub(super) fn by_size(&self, small: f64, jumbo: f64) -> f64 {
        if self.table.setting.segment_mtu > 1500 {
            jumbo
        } else {
            small
        }
    }

    /// The smallest share of the bridge, each within its round.
    pub(super) fn share(&self, loads: &[Load]) -> Option<f64> {
        let ratio = |load: &Load| Some(self.table.cell(Peer::Ours, *load)?.ratio?.median);
        loads.iter().filter_map(ratio).reduce(f64::min)
    }

    /// How many times the best rival's rate, where that is least.
    pub(super) fn lead(&self, loads: &[Load]) -> Option<f64> {
        let lead = |load: &Load| {
            let best = self
                .rivals()
                .filter_map(|rival| self.value(rival, *load))
                .reduce(f64::max)?;
            Some(self.value(Peer::Ours, *load)? / best)
        };
        loads.iter().filter_map(lead).reduce(f64::min)
    }

    /// What authenticating alone reaches of encrypting, where that is least.
    pub(super) fn authenticating(&self, loads: &[Load]) -> Option<f64> {
        let share =
            |load: &Load| Some(self.value(Peer::OursAuthenticate, *load)? / self.value(Peer::Ours, *load)?);
        loads.iter().filter_map(share).reduce(f64::min)
    }

    /// Median latency of a lone 4 KiB read, in microseconds.
    pub(super) fn p50(&self, peer: Peer) -> Option<f64> {
        self.value(peer, Load::RandRead1)
    }

    /// The same of the best rival.
    pub(super) fn best_p50(&self) -> Option<f64> {
        self.rivals().filter_map(|rival| self.p50(rival)).reduce(f64::min)
    }

    /// Half of what a lone frame and its answer take longer than over the bridge, in microseconds.
    pub(super) fn added_one_way(&self, peer: Peer) -> Option<f64> {
        let p50 = |peer| self.value(peer, Load::Frame1);
        Some((p50(peer)? - p50(Peer::Bridge)?) / 2.0)
    }

    /// Processor seconds of both gateways per GiB, the most of these loads.
    pub(super) fn cpu_per_gib(&self, loads: &[Load]) -> Option<f64> {
        let cells = loads.iter().filter_map(|load| self.table.cell(Peer::Ours, *load));
        cells
            .map(|cell| cell.median(|run| run.cpu_a + run.cpu_b))
            .reduce(f64::max)
    }

    /// Frames sent again per GiB, the most of these loads.
    pub(super) fn resent(&self, loads: &[Load]) -> Option<f64> {
        let cells = loads.iter().filter_map(|load| self.table.cell(Peer::Ours, *load));
        cells.map(|cell| cell.median(|run| run.resent)).reduce(f64::max)
    }

    /// What a frame costs a saturated gateway.
    pub(super) fn frame_cost(&self) -> Option<FrameCost> {
        FrameCost::median(&self.table.frame_costs)
    }

    /// What it was to cost, where that was set, and how many times as long the machine of the day takes.
    pub(super) fn frame_goal(&self, goal: fn(&Reference) -> f64) -> Option<(f64, f64)> {
        let today = self
            .frame_cost()
            .filter(|_| self.table.setting.underlay_mtu == 1500)?;
        let reference = Reference::of(today.sectors)?;
        Some((goal(&reference), reference.scale(&today)))
    }

    fn value(&self, peer: Peer, load: Load) -> Option<f64> {
        Some(self.table.cell(peer, load)?.value.median)
    }

    fn rivals(&self) -> impl Iterator<Item = Peer> {
        self.table.peers().into_iter().filter(|peer| peer.is_rival())
    }
}
