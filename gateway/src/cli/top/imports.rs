//! The list of imports.

use std::collections::BTreeMap;

use aoe_common::snapshot::{Import, Snapshot};

use super::between::Between;
use super::column::Column;
use super::row::{Row, id};
use super::value::Value;
use crate::cli::rows::access;

pub(super) const COLUMNS: [Column; 14] = [
    Column::name("import", 0),
    Column::name("export", 3),
    Column::state(),
    Column::number("req/s", 1),
    Column::number("read/s", 2),
    Column::number("write/s", 2),
    Column::number("flight", 5),
    Column::number("p50", 6),
    Column::number("p99", 4),
    Column::number("again/s", 7),
    Column::number("refus/s", 8),
    Column::word("access", 6, 10),
    Column::name("segment", 11),
    Column::number("since", 12),
];

/// The column that it is sorted by at first.
pub(super) const SORTED: usize = 3;

pub(super) fn rows(between: &Between) -> Vec<Row> {
    let before = by_place(between.before.as_deref());
    let base = by_place(between.base.as_deref());
    let row = |import: &Import| {
        let before = before.get(&place(import)).map(|import| import.traffic);
        let base = base.get(&place(import)).and_then(|import| import.latency.total);
        let now = &import.traffic;
        let total = between.recent(import.latency.total, base);
        let rate = between.rate(now.requests, before.map(|traffic| traffic.requests));
        let cells: [Value; COLUMNS.len()] = [
            Value::name(&import.address),
            Value::name(&format!("{}/{}", import.peer, import.export)),
            Value::State(import.standing.state),
            Value::of(rate, Value::Count),
            between.bytes(now.read_bytes, before.map(|traffic| traffic.read_bytes)),
            between.bytes(now.written_bytes, before.map(|traffic| traffic.written_bytes)),
            Value::Count(now.in_flight),
            Value::of(total.map(|latency| latency.p50_us), Value::Micros),
            Value::of(total.map(|latency| latency.p99_us), Value::Micros),
            between.counts(now.resent, before.map(|traffic| traffic.resent)),
            between.counts(now.refused, before.map(|traffic| traffic.refused)),
            Value::name(&access(&import.access)),
            Value::name(&import.segment),
            Value::ago(between.made(), import.standing.since),
        ];
        let (segment, address) = place(import);
        Row::new(&[segment, address], cells, &import.standing.why, rate)
    };
    between.now.imports.iter().map(row).collect()
}

/// The import that a row is about.
pub(super) fn find<'a>(snapshot: &'a Snapshot, row: &str) -> Option<&'a Import> {
    let is_it = |import: &&Import| id(&[&import.segment, &import.address]) == row;
    snapshot.imports.iter().find(is_it)
}

fn place(import: &Import) -> (&str, &str) {
    (&import.segment, &import.address)
}

fn by_place(snapshot: Option<&Snapshot>) -> BTreeMap<(&str, &str), &Import> {
    let imports = snapshot.iter().flat_map(|snapshot| &snapshot.imports);
    imports.map(|import| (place(import), import)).collect()
}
