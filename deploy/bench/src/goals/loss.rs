//! The goals of the loss bench: repairs at round trips of 10 and 50 ms, loads at 10 ms.

use crate::peers::Peer;
use crate::plan::Load;
use crate::results::Table;

use super::goal::{Goal, MILLIS, TIMES};

/// Those that the tables say something about.
pub(super) fn goals(tables: &[Table]) -> Vec<Goal> {
    let at = |round_trip: u32, loss: f64| {
        tables.iter().find(|table| {
            let path = table.setting.path();
            path.is_some_and(|path| {
                path.delay.as_micros() * 2 == u128::from(round_trip) * 1000 && (path.loss - loss).abs() < 1e-9
            })
        })
    };
    let repairs = [10, 50].map(|round_trip| at(round_trip, 0.01).and_then(|bad| of_repairs(bad, round_trip)));
    let mut goals: Vec<Goal> = repairs.into_iter().flatten().collect();
    if let (Some(clean), Some(bad)) = (at(10, 0.0), at(10, 0.01)) {
        let loads = [
            Load::SeqRead64,
            Load::ColdRead64,
            Load::BulkRead,
            Load::BulkWrite,
            Load::RandRead32,
        ];
        goals.extend(loads.into_iter().flat_map(|load| of_load(load, clean, bad)));
    }
    goals
}

/// At least one and a half round trips: the next record, the question, the repair. The slowest have lost one of them.
fn of_repairs(bad: &Table, round_trip: u32) -> Option<Goal> {
    let ours = bad.repairs.iter().find(|repairs| repairs.peer == Peer::Ours)?;
    let what = format!(
        "segment {}, RTT {round_trip} ms: 1 % loss, from loss to arrival, p99",
        bad.setting.segment_mtu
    );
    MILLIS.at_most(&what, Some(ours.p99_us / 1e3), f64::from(round_trip) * 2.4 + 2.0)
}

fn of_load(load: Load, clean: &Table, bad: &Table) -> Vec<Goal> {
    let value = |table: &Table, peer| Some(table.cell(peer, load)?.value.median);
    let ratio = |one: Option<f64>, other: Option<f64>| Some(one? / other?);
    let plain = |table| value(table, Peer::Vxlan).filter(|_| load != Load::RandRead32);
    let p99 = bad
        .cell(Peer::Ours, load)
        .map(|cell| cell.median(|run| run.p99_us) / 1e3);
    let goals = [
        TIMES.at_least(
            "1 % loss, share of no loss",
            ratio(value(bad, Peer::Ours), value(clean, Peer::Ours)),
            0.9,
        ),
        TIMES.at_least(
            "no loss, times a plain tunnel",
            ratio(value(clean, Peer::Ours), plain(clean)),
            3.5,
        ),
        TIMES.at_least(
            "1 % loss, times a plain tunnel",
            ratio(value(bad, Peer::Ours), plain(bad)),
            15.0,
        ),
        MILLIS.at_most("1 % loss, p99", p99, 100.0),
    ];
    let place = format!("segment {}, RTT 10 ms", clean.setting.segment_mtu);
    let named = |goal: Goal| Goal {
        what: format!("{place}: {}, {}", load.heading(), goal.what),
        ..goal
    };
    goals.into_iter().flatten().map(named).collect()
}
