//! The goals of the loss bench, at a round trip of 10 ms.

use crate::peers::Peer;
use crate::plan::Load;
use crate::results::Table;

use super::{Goal, MILLIS, TIMES};

/// Those that the tables say something about.
pub(super) fn goals(tables: &[Table]) -> Vec<Goal> {
    let at = |loss: f64| {
        tables.iter().find(|table| {
            let path = table.setting.path();
            path.is_some_and(|path| path.delay.as_micros() == 5000 && (path.loss - loss).abs() < 1e-9)
        })
    };
    let (Some(clean), Some(bad)) = (at(0.0), at(0.01)) else {
        return Vec::new();
    };
    let loads = [Load::BulkRead, Load::BulkWrite, Load::RandRead32];
    loads
        .into_iter()
        .flat_map(|load| of_load(load, clean, bad))
        .collect()
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
