//! What the gateways are to reach, and whether they do.

use aoe_lab::frames::sectors_per_frame;

use crate::peers::Peer;
use crate::plan::{Load, Setting};
use crate::results::{Report, Sample, Table};

/// One goal, held against the figures.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Goal {
    /// What is looked at.
    pub(crate) what: String,
    /// What it has to be.
    pub(crate) wanted: String,
    /// What it is.
    pub(crate) found: String,
    /// Whether that is enough.
    pub(crate) is_met: bool,
}

/// The sequential loads.
const SEQUENTIAL: [Load; 4] = [
    Load::SeqRead16,
    Load::SeqRead64,
    Load::SeqWrite16,
    Load::SeqWrite64,
];

/// The goals that these figures say something about.
pub(crate) fn goals(report: &Report) -> Vec<Goal> {
    let mut goals = Vec::new();
    for table in &report.tables {
        if table.setting.impairment.is_none() {
            speed(table, &mut goals);
        }
    }
    loss(&report.tables, &mut goals);
    goals
}

fn speed(table: &Table, goals: &mut Vec<Goal>) {
    let Setting {
        segment_mtu,
        underlay_mtu,
        ..
    } = table.setting;
    let jumbo = segment_mtu > 1500;
    let place = format!("segment {segment_mtu}, underlay {underlay_mtu}");
    let mut at_least = |what: &str, found: Option<f64>, wanted: f64| {
        goals.extend(found.map(|found| Goal {
            what: format!("{place}: {what}"),
            wanted: format!("at least {wanted:.2}"),
            found: format!("{found:.2}"),
            is_met: found >= wanted,
        }));
    };
    let ratio = |load| Some(table.cell(Peer::Ours, load)?.ratio?.median);
    let lowest = SEQUENTIAL.into_iter().filter_map(ratio).reduce(f64::min);
    let share = if jumbo { 0.45 } else { 0.50 };
    at_least("sequential, share of the bridge (worst of four)", lowest, share);
    let share = if jumbo { 0.40 } else { 0.50 };
    at_least(
        "4 KiB reads, 32 at a time, share of the bridge",
        ratio(Load::RandRead32),
        share,
    );
    let faster = SEQUENTIAL.into_iter().filter_map(|load| {
        let rate = |peer| Some(table.cell(peer, load)?.value.median);
        let best = table.peers().into_iter().filter(|peer| peer.is_rival());
        let best = best.filter_map(rate).reduce(f64::max)?;
        Some(rate(Peer::Ours)? / best)
    });
    at_least(
        "sequential, times the best encrypted peer here (worst of four)",
        faster.reduce(f64::min),
        1.0,
    );
    let modes = SEQUENTIAL.into_iter().filter_map(|load| {
        let rate = |peer| Some(table.cell(peer, load)?.value.median);
        Some(rate(Peer::OursAuthenticate)? / rate(Peer::Ours)?)
    });
    at_least(
        "`authenticate`, share of `encrypt` (worst of four sequential loads)",
        modes.reduce(f64::min),
        0.95,
    );

    let mut at_most = |what: &str, found: Option<f64>, wanted: f64, unit: &str| {
        goals.extend(found.map(|found| Goal {
            what: format!("{place}: {what}"),
            wanted: format!("at most {wanted:.1}{unit}"),
            found: format!("{found:.1}{unit}"),
            is_met: found <= wanted,
        }));
    };
    let p50 = |peer| Some(table.cell(peer, Load::RandRead1)?.value.median);
    let rivals = table.peers().into_iter().filter(|peer| peer.is_rival());
    if let Some(best) = rivals.filter_map(p50).reduce(f64::min) {
        at_most(
            "4 KiB reads, one at a time, p50, blocking (the best encrypted peer here)",
            p50(Peer::OursBlocking),
            best,
            " us",
        );
    }
    let both = |run: &Sample| run.cpu_a + run.cpu_b;
    let cell = |load| table.cell(Peer::Ours, load);
    let cpu = cell(Load::SeqRead16).map(|cell| cell.median(both));
    at_most(
        "CPU of both gateways per GiB read",
        cpu,
        if jumbo { 1.8 } else { 8.0 },
        " s",
    );
    let deep = [Load::SeqRead64, Load::SeqWrite64].into_iter().filter_map(cell);
    let resent = deep.map(|cell| cell.median(|run| run.resent)).reduce(f64::max);
    at_most("frames sent again per GiB, 64 in flight", resent, 0.0, "");
    let added = |peer| {
        let p50 = |peer| Some(table.cell(peer, Load::Frame1)?.value.median);
        Some((p50(peer)? - p50(Peer::Bridge)?) / 2.0)
    };
    at_most(
        "latency added to one frame, one way, blocking",
        added(Peer::OursBlocking),
        60.0,
        " us",
    );
    let spinning = if jumbo { 16.0 } else { 10.0 };
    at_most(
        "latency added to one frame, one way",
        added(Peer::Ours),
        spinning,
        " us",
    );
    if let Some(bridge) = p50(Peer::Bridge) {
        at_most(
            "4 KiB reads, one at a time, p50 (1.6 times the bridge)",
            p50(Peer::Ours),
            bridge * 1.6,
            " us",
        );
    }
    if underlay_mtu == 1500 {
        let bytes = f64::from(sectors_per_frame(segment_mtu)) * 512.0;
        let per_frame = |number: fn(&Sample) -> f64| {
            let cell = cell(Load::SeqWrite64)?;
            Some(cell.median(number) * 1e6 * bytes / (1u64 << 30) as f64)
        };
        let (sealing, opening) = if jumbo { (4.9, 5.4) } else { (1.1, 2.0) };
        at_most(
            "CPU of the sealing gateway per frame written (and its answer)",
            per_frame(|run| run.cpu_a),
            sealing,
            " us",
        );
        at_most(
            "CPU of the opening gateway per frame written (and its answer)",
            per_frame(|run| run.cpu_b),
            opening,
            " us",
        );
    }
}

/// Of the loss bench: at a round trip of 10 ms.
fn loss(tables: &[Table], goals: &mut Vec<Goal>) {
    let at = |loss: f64| {
        tables.iter().find(|table| {
            table
                .setting
                .path()
                .is_some_and(|path| path.delay.as_micros() == 5000 && (path.loss - loss).abs() < 1e-9)
        })
    };
    let (Some(clean), Some(bad)) = (at(0.0), at(0.01)) else {
        return;
    };
    let place = format!("segment {}, RTT 10 ms", clean.setting.segment_mtu);
    for load in [Load::BulkRead, Load::BulkWrite, Load::RandRead32] {
        let value = |table: &Table, peer| Some(table.cell(peer, load)?.value.median);
        let name = load.heading();
        let mut times = |what: &str, found: Option<f64>, wanted: f64| {
            goals.extend(found.map(|found| Goal {
                what: format!("{place}: {name}, {what}"),
                wanted: format!("at least {wanted:.1}"),
                found: format!("{found:.2}"),
                is_met: found >= wanted,
            }));
        };
        let own = || Some(value(bad, Peer::Ours)? / value(clean, Peer::Ours)?);
        times("1 % loss, share of no loss", own(), 0.9);
        if load != Load::RandRead32 {
            let window = || Some(value(clean, Peer::Ours)? / value(clean, Peer::Vxlan)?);
            times("no loss, times a plain tunnel", window(), 3.5);
            let both = || Some(value(bad, Peer::Ours)? / value(bad, Peer::Vxlan)?);
            times("1 % loss, times a plain tunnel", both(), 15.0);
        }
        let p99 = bad
            .cell(Peer::Ours, load)
            .map(|cell| cell.median(|run| run.p99_us) / 1e3);
        goals.extend(p99.map(|found| Goal {
            what: format!("{place}: {name}, 1 % loss, p99"),
            wanted: "under 100 ms".to_owned(),
            found: format!("{found:.0} ms"),
            is_met: found < 100.0,
        }));
    }
}
