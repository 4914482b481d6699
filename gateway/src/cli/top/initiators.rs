//! The list of initiators.

use std::collections::BTreeMap;

use aoe_common::snapshot::{Initiator, Side, Snapshot};

use super::between::Between;
use super::column::Column;
use super::row::{Row, id};
use super::value::Value;
use crate::cli::rows::{self, User};

pub(super) const COLUMNS: [Column; 13] = [
    Column::word("initiator", 17, 0),
    Column::name("where", 5),
    Column::name("uses", 3),
    Column::number("req/s", 1),
    Column::number("read/s", 2),
    Column::number("write/s", 2),
    Column::number("flight", 6),
    Column::number("p50", 7),
    Column::number("p99", 4),
    Column::number("limited", 8),
    Column::number("again/s", 9),
    Column::number("refus/s", 10),
    Column::number("seen", 11),
];

/// The column that it is sorted by at first.
pub(super) const SORTED: usize = 3;

pub(super) fn rows(between: &Between) -> Vec<Row> {
    let before = by_user(between.before.as_deref());
    let base = by_user(between.base.as_deref());
    let row = |initiator: &Initiator| {
        let user = rows::user(initiator);
        let before = before.get(&user).map(|initiator| initiator.traffic);
        let base = base.get(&user).and_then(|initiator| initiator.latency);
        let now = &initiator.traffic;
        let total = between.recent(initiator.latency, base);
        let rate = between.rate(now.requests, before.map(|traffic| traffic.requests));
        let (place, what) = rows::place(initiator);
        let cells: [Value; COLUMNS.len()] = [
            Value::name(&initiator.mac),
            Value::name(place),
            Value::name(what),
            Value::of(rate, Value::Count),
            between.bytes(now.read_bytes, before.map(|traffic| traffic.read_bytes)),
            between.bytes(now.written_bytes, before.map(|traffic| traffic.written_bytes)),
            Value::Count(now.in_flight),
            Value::of(total.map(|latency| latency.p50_us), Value::Micros),
            Value::of(total.map(|latency| latency.p99_us), Value::Micros),
            super::limits::waiting(initiator.limit.iter()),
            between.counts(now.resent, before.map(|traffic| traffic.resent)),
            between.counts(now.refused, before.map(|traffic| traffic.refused)),
            Value::ago(between.made(), initiator.last),
        ];
        Row::new(&words(initiator), cells, &initiator.standing.why, rate)
    };
    between.now.initiators.iter().map(row).collect()
}

/// The initiator that a row is about.
pub(super) fn find<'a>(snapshot: &'a Snapshot, row: &str) -> Option<&'a Initiator> {
    snapshot
        .initiators
        .iter()
        .find(|initiator| id(&words(initiator)) == row)
}

fn words(initiator: &Initiator) -> [&str; 5] {
    let side = match initiator.side {
        Side::Here => "here",
        Side::There => "there",
    };
    [
        &initiator.mac,
        side,
        &initiator.peer,
        &initiator.export,
        &initiator.address,
    ]
}

fn by_user(snapshot: Option<&Snapshot>) -> BTreeMap<User<'_>, &Initiator> {
    let initiators = snapshot.iter().flat_map(|snapshot| &snapshot.initiators);
    initiators
        .map(|initiator| (rows::user(initiator), initiator))
        .collect()
}
