//! The list of peers.

use std::collections::BTreeMap;

use aoe_common::snapshot::{Peer, Snapshot};

use super::between::{self, Between, both};
use super::column::Column;
use super::row::{Row, id};
use super::value::Value;

pub(super) const COLUMNS: [Column; 14] = [
    Column::name("peer", 0),
    Column::state(),
    Column::number("in/s", 1),
    Column::number("out/s", 1),
    Column::number("req/s", 2),
    Column::number("RTT", 3),
    Column::wide("loss in", 7, 4),
    Column::wide("out", 7, 4),
    Column::number("again/s", 6),
    Column::number("lost/s", 5),
    Column::number("limited", 7),
    Column::wide("MTU", 5, 8),
    Column::name("address", 9),
    Column::number("since", 10),
];

/// The column that it is sorted by at first.
pub(super) const SORTED: usize = 2;

/// `users` are the rows of initiators.
pub(super) fn rows(between: &Between, users: &[Row]) -> Vec<Row> {
    let before = by_name(between.before.as_deref());
    let requests = requests(between, users);
    let row = |peer: &Peer| {
        let before = before
            .get(&(peer.name.as_str(), peer.worker))
            .map(|peer| &peer.path);
        let path = &peer.path;
        let [loss_in, loss_out] = between::loss(path, before);
        let moved = between.rate(both(path.bytes), before.map(|path| both(path.bytes)));
        let cells: [Value; COLUMNS.len()] = [
            Value::name(&name(peer, between.now.gateway.workers)),
            Value::State(peer.standing.state),
            between.bytes(path.bytes.received, before.map(|path| path.bytes.received)),
            between.bytes(path.bytes.sent, before.map(|path| path.bytes.sent)),
            Value::of(requests.get(peer.name.as_str()).copied(), Value::Count),
            Value::of(path.round_trip_us, Value::Micros),
            loss_in,
            loss_out,
            between.counts(both(path.repaired), before.map(|path| both(path.repaired))),
            between.counts(both(path.lost), before.map(|path| both(path.lost))),
            super::limits::waiting(peer.limit.iter()),
            match path.mtu {
                0 => Value::Unknown,
                mtu => Value::Name(mtu.to_string()),
            },
            Value::name(&path.remote),
            Value::ago(between.made(), peer.standing.since),
        ];
        Row::new(&[&peer.name, &peer.worker.to_string()], cells, why(peer), moved)
    };
    between.now.peers.iter().map(row).collect()
}

/// The peer that a row is about.
pub(super) fn find<'a>(snapshot: &'a Snapshot, row: &str) -> Option<&'a Peer> {
    let is_it = |peer: &&Peer| id(&[&peer.name, &peer.worker.to_string()]) == row;
    snapshot.peers.iter().find(is_it)
}

/// What a peer is called where each worker has a session with it.
pub(super) fn name(peer: &Peer, workers: u8) -> String {
    match workers {
        0 | 1 => peer.name.clone(),
        _ => format!("{} #{}", peer.name, peer.worker),
    }
}

/// Why it is as it is, or its path.
fn why(peer: &Peer) -> &str {
    match peer.standing.why.as_str() {
        "" if peer.session.is_some() => &peer.path.standing.why,
        why => why,
    }
}

/// Requests a second of all initiators with each peer. Only where there is one session: initiators do not say which one
/// they use.
fn requests<'a>(between: &'a Between, users: &[Row]) -> BTreeMap<&'a str, u64> {
    let mut sums = BTreeMap::new();
    if between.before.is_none() || between.now.gateway.workers > 1 {
        return sums;
    }
    for peer in &between.now.peers {
        sums.insert(peer.name.as_str(), 0);
    }
    for (initiator, row) in between.now.initiators.iter().zip(users) {
        if let Some(sum) = sums.get_mut(initiator.peer.as_str()) {
            *sum = row.rate.unwrap_or(0).saturating_add(*sum);
        }
    }
    sums
}

fn by_name(snapshot: Option<&Snapshot>) -> BTreeMap<(&str, u8), &Peer> {
    let peers = snapshot.iter().flat_map(|snapshot| &snapshot.peers);
    peers
        .map(|peer| ((peer.name.as_str(), peer.worker), peer))
        .collect()
}
