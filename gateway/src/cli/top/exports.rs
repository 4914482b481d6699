//! The list of exports.

use std::collections::BTreeMap;

use aoe_common::snapshot::{Export, Snapshot};

use super::between::Between;
use super::column::Column;
use super::row::{Row, id};
use super::value::Value;

pub(super) const COLUMNS: [Column; 14] = [
    Column::name("export", 0),
    Column::state(),
    Column::number("req/s", 1),
    Column::number("read/s", 2),
    Column::number("write/s", 2),
    Column::number("at tgt", 4),
    Column::number("waiting", 6),
    Column::number("queue99", 7),
    Column::number("p50", 5),
    Column::number("p99", 3),
    Column::number("limited", 8),
    Column::number("refus/s", 9),
    Column::name("target", 10),
    Column::number("since", 11),
];

/// The column that it is sorted by at first.
pub(super) const SORTED: usize = 2;

pub(super) fn rows(between: &Between) -> Vec<Row> {
    let before = by_name(between.before.as_deref());
    let base = by_name(between.base.as_deref());
    let row = |export: &Export| {
        let name = export.name.as_str();
        let before = before.get(name).map(|export| export.traffic);
        let base = base.get(name).map(|export| export.latency);
        let now = &export.traffic;
        let queue = between.recent(export.latency.queue, base.and_then(|split| split.queue));
        let target = between.recent(export.latency.target, base.and_then(|split| split.target));
        let rate = between.rate(now.requests, before.map(|traffic| traffic.requests));
        let limit = export.limit.iter();
        let limits = limit.chain(export.allow.iter().filter_map(|grant| grant.limit.as_ref()));
        let cells: [Value; COLUMNS.len()] = [
            Value::name(name),
            Value::State(export.standing.state),
            Value::of(rate, Value::Count),
            between.bytes(now.read_bytes, before.map(|traffic| traffic.read_bytes)),
            between.bytes(now.written_bytes, before.map(|traffic| traffic.written_bytes)),
            Value::Of(export.at_target, export.buffers.into()),
            Value::Count(export.waiting),
            Value::of(queue.map(|latency| latency.p99_us), Value::Micros),
            Value::of(target.map(|latency| latency.p50_us), Value::Micros),
            Value::of(target.map(|latency| latency.p99_us), Value::Micros),
            super::limits::waiting(limits),
            between.counts(now.refused, before.map(|traffic| traffic.refused)),
            Value::name(&export.target),
            Value::ago(between.made(), export.standing.since),
        ];
        Row::new(&[name], cells, &export.standing.why, rate)
    };
    between.now.exports.iter().map(row).collect()
}

/// The export that a row is about.
pub(super) fn find<'a>(snapshot: &'a Snapshot, row: &str) -> Option<&'a Export> {
    snapshot.exports.iter().find(|export| id(&[&export.name]) == row)
}

fn by_name(snapshot: Option<&Snapshot>) -> BTreeMap<&str, &Export> {
    let exports = snapshot.iter().flat_map(|snapshot| &snapshot.exports);
    exports.map(|export| (export.name.as_str(), export)).collect()
}
