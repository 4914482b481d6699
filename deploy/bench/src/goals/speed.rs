//! The goals for a path without loss.

use crate::peers::Peer;
use crate::plan::Load;
use crate::results::Table;

use super::goal::{COUNT, FEW_MICROS, Goal, MICROS, SECONDS, TIMES};
use super::place::Place;

/// Reads and writes, so many frames in flight: the worse of both counts.
const DEPTH_16: [Load; 2] = [Load::SeqRead16, Load::SeqWrite16];
const DEPTH_64: [Load; 2] = [Load::SeqRead64, Load::SeqWrite64];
/// All of them: the worst of four counts.
const SEQUENTIAL: [Load; 4] = [
    Load::SeqRead16,
    Load::SeqRead64,
    Load::SeqWrite16,
    Load::SeqWrite64,
];

/// Those that a table says something about.
pub(super) fn goals(table: &Table) -> Vec<Goal> {
    let at = Place::of(table);
    let frame = at.frame_cost();
    #[rustfmt::skip]
    let goals = [
        TIMES.at_least("sequential, 16 in flight, share of the bridge", at.share(&DEPTH_16), at.by_size(0.50, 0.45)),
        TIMES.at_least("sequential, 64 in flight, share of the bridge", at.share(&DEPTH_64), at.by_size(0.50, 0.45)),
        TIMES.at_least("4 KiB reads, 32 at a time, share of the bridge", at.share(&[Load::RandRead32]), at.by_size(0.50, 0.40)),
        TIMES.at_least("sequential, times the best encrypted peer here", at.lead(&SEQUENTIAL), 1.0),
        TIMES.at_least("sequential, `authenticate`, share of `encrypt`", at.authenticating(&SEQUENTIAL), 0.95),
        MICROS.at_most("4 KiB reads, one at a time, p50 (1.6 times the bridge)", at.p50(Peer::Ours), at.p50(Peer::Bridge).map(|bridge| bridge * 1.6)),
        MICROS.at_most("4 KiB reads, one at a time, p50, blocking (the best encrypted peer here)", at.p50(Peer::OursBlocking), at.best_p50()),
        MICROS.at_most("latency added to one frame, one way", at.added_one_way(Peer::Ours), at.by_size(10.0, 16.0)),
        MICROS.at_most("latency added to one frame, one way, blocking", at.added_one_way(Peer::OursBlocking), 60.0),
        SECONDS.at_most("CPU of both gateways per GiB, 16 in flight", at.cpu_per_gib(&DEPTH_16), at.by_size(8.0, 1.8)),
        SECONDS.at_most("CPU of both gateways per GiB, 64 in flight", at.cpu_per_gib(&DEPTH_64), at.by_size(8.0, 1.8)),
        COUNT.at_most("frames sent again per GiB, 64 in flight", at.resent(&DEPTH_64), 0.0),
        FEW_MICROS.at_most_scaled("CPU of the sealing gateway per frame, saturated", frame.map(|cost| cost.sealing_us), at.frame_goal(|goal| goal.sealing_us)),
        FEW_MICROS.at_most_scaled("CPU of the opening gateway per frame, saturated", frame.map(|cost| cost.opening_us), at.frame_goal(|goal| goal.opening_us)),
    ];
    let setting = &table.setting;
    let place = format!(
        "segment {}, underlay {}",
        setting.segment_mtu, setting.underlay_mtu
    );
    let named = |goal: Goal| Goal {
        what: format!("{place}: {}", goal.what),
        ..goal
    };
    goals.into_iter().flatten().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Setting;
    use crate::results::{FrameCost, Sample};

    const SETTING: Setting = Setting {
        segment_mtu: 1500,
        underlay_mtu: 1500,
        impairment: None,
        buffer_count: 128,
        disks: 1,
    };

    fn run(peer: Peer, load: Load, sample: Sample) -> (Peer, Load, Sample) {
        (peer, load, sample)
    }

    fn found(table: &Table) -> Vec<(String, String, bool)> {
        let short = |goal: Goal| {
            let what = goal.what.strip_prefix("segment 1500, underlay 1500: ").unwrap();
            (what.to_owned(), goal.found, goal.is_met)
        };
        goals(table).into_iter().map(short).collect()
    }

    #[test]
    fn the_worse_of_reads_and_writes_counts_and_each_depth_by_itself() {
        let fast = |rate| Sample {
            rate,
            ..Sample::default()
        };
        let cpu = |rate, seconds| Sample {
            rate,
            cpu_a: seconds,
            cpu_b: 1.0,
            ..Sample::default()
        };
        let runs = [
            run(Peer::Bridge, Load::SeqRead16, fast(100.0)),
            run(Peer::Bridge, Load::SeqWrite16, fast(100.0)),
            run(Peer::Bridge, Load::SeqRead64, fast(100.0)),
            run(Peer::Ours, Load::SeqRead16, cpu(60.0, 1.0)),
            run(Peer::Ours, Load::SeqWrite16, cpu(40.0, 8.0)),
            run(Peer::Ours, Load::SeqRead64, cpu(70.0, 2.0)),
        ];
        let table = Table::new(SETTING, &runs, &[], 0);
        let expected = [
            ("sequential, 16 in flight, share of the bridge", "0.40", false),
            ("sequential, 64 in flight, share of the bridge", "0.70", true),
            ("CPU of both gateways per GiB, 16 in flight", "9.0 s", false),
            ("CPU of both gateways per GiB, 64 in flight", "3.0 s", true),
            ("frames sent again per GiB, 64 in flight", "0.0", true),
        ];
        assert_eq!(
            found(&table),
            expected.map(|(what, found, met)| (what.to_owned(), found.to_owned(), met))
        );
    }

    #[test]
    fn as_it_comes_it_is_held_against_the_bridge_and_blocking_against_other_tunnels() {
        let wait = |p50_us| Sample {
            p50_us,
            ..Sample::default()
        };
        let runs = [
            run(Peer::Bridge, Load::RandRead1, wait(50.0)),
            run(Peer::Ours, Load::RandRead1, wait(79.0)),
            run(Peer::OursBlocking, Load::RandRead1, wait(160.0)),
            run(Peer::FastdAes, Load::RandRead1, wait(170.0)),
            run(Peer::Vpncloud, Load::RandRead1, wait(150.0)),
            run(Peer::Bridge, Load::Frame1, wait(40.0)),
            run(Peer::Ours, Load::Frame1, wait(62.0)),
            run(Peer::OursBlocking, Load::Frame1, wait(140.0)),
        ];
        let table = Table::new(SETTING, &runs, &[], 0);
        let verdicts: Vec<(String, bool)> = found(&table)
            .into_iter()
            .map(|(_, found, met)| (found, met))
            .collect();
        let expected = [
            ("79.0 us", true),
            ("160.0 us", false),
            ("11.0 us", false),
            ("50.0 us", true),
        ];
        assert_eq!(verdicts, expected.map(|(found, met)| (found.to_owned(), met)));
    }

    #[test]
    fn a_frames_goals_are_scaled_by_the_median_of_the_rounds() {
        let cost = |slow: f64| FrameCost {
            sectors: 2,
            sealing_us: 1.3,
            opening_us: 2.1,
            aead_ns: 257.0 * slow,
            sendmmsg_ns: 1127.0 * slow,
        };
        let table = Table::new(SETTING, &[], &[cost(1.0), cost(1.2), cost(9.0)], 0);
        let all = goals(&table);
        let wanted: Vec<&str> = all.iter().map(|goal| goal.wanted.as_str()).collect();
        assert_eq!(
            wanted,
            [
                "at most 1.32 us (1.10 us x 1.20)",
                "at most 2.40 us (2.00 us x 1.20)"
            ]
        );
        assert!(all.iter().all(|goal| goal.is_met));
    }
}
