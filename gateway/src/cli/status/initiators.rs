//! Who uses what.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use aoe_common::snapshot::{Initiator, Latency, Snapshot, Traffic};

use super::table::{Cell, Column, Table};
use super::view::View;
use super::words::{UNKNOWN, count, known, latency};
use crate::cli::rows;
use crate::cli::top::limits::words;

/// So many are shown; more are counted.
const SHOWN: usize = 20;

/// Writes the busiest.
pub(super) fn draw(out: &mut String, view: &View<'_>) {
    let columns = [
        Column::word("initiators"),
        Column::name("where"),
        Column::name("what"),
        view.amounts.head("requests", "req/s"),
        view.amounts.head("bytes", "bytes/s"),
    ]
    .into_iter()
    .chain(["flight", "resent", "p50", "p99", "seen"].map(Column::number));
    let mut table = Table::new(columns);
    let before = view.before.map(by_key).unwrap_or_default();
    let mut rows: Vec<(u64, &Initiator, Option<&Initiator>)> = view
        .now
        .initiators
        .iter()
        .map(|row| {
            let before = before.get(&rows::user(row)).copied();
            let weight = view
                .amounts
                .weight(row.traffic.requests, before.map(|before| before.traffic.requests));
            (weight, row, before)
        })
        .collect();
    rows.sort_by_key(|(weight, ..)| Reverse(*weight));
    for (_, row, before) in rows.iter().take(SHOWN) {
        table.row(cells(view, row, *before));
        if let Some(limit) = &row.limit {
            let line = format!("limit: {}", words(limit));
            table.note(Cell::styled(line, view.paint.faint));
        }
    }
    view.table(out, "initiators", &table);
    let summed = view.now.imports.iter().map(|import| import.others);
    let summed = summed.chain(view.now.exports.iter().map(|export| export.others));
    let hidden = u64::try_from(rows.len().saturating_sub(SHOWN)).unwrap_or(u64::MAX);
    let more = summed.fold(hidden, u64::saturating_add);
    if more > 0 {
        out.push_str(&format!("  and {} more\n", count(more)));
    }
}

fn cells(view: &View<'_>, row: &Initiator, before: Option<&Initiator>) -> [Cell; 10] {
    let moved = |traffic: &Traffic| Traffic {
        read_bytes: traffic.read_bytes.saturating_add(traffic.written_bytes),
        ..*traffic
    };
    let now = moved(&row.traffic);
    let [requests, moved, _] = view
        .amounts
        .traffic(&now, before.map(|before| moved(&before.traffic)).as_ref());
    let measured = view
        .amounts
        .latency(row.latency, before.and_then(|before| before.latency));
    let quantile = |part: fn(&Latency) -> u64| {
        Cell::from(measured.map_or(UNKNOWN.to_owned(), |measured| latency(part(&measured))))
    };
    let (place, what) = rows::place(row);
    [
        super::words::shorten(&known(&row.mac), 17).into(),
        known(place).into(),
        known(what).into(),
        requests,
        moved,
        count(row.traffic.in_flight).into(),
        count(row.traffic.resent).into(),
        quantile(|latency| latency.p50_us),
        quantile(|latency| latency.p99_us),
        view.age(row.last),
    ]
}

fn by_key(snapshot: &Snapshot) -> BTreeMap<rows::User<'_>, &Initiator> {
    snapshot
        .initiators
        .iter()
        .map(|row| (rows::user(row), row))
        .collect()
}
