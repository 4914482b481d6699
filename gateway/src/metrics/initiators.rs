//! Who uses what. The busiest since the start have samples of their own; the number of the others is told.

use std::cmp::Reverse;

use aoe_common::snapshot::{Initiator, Side, Snapshot};

use super::families::{Family, counter, gauge, histogram};
use super::writer::{Label, Value};

/// So many initiators have samples of their own, here and behind peers together.
pub(super) const MOST: usize = 100;

pub(super) const FAMILIES: &[Family] = &[
    counter(
        "aoe_initiator_requests_total",
        "Requests of an initiator.",
        |now, samples| {
            initiators(now, |labels, row| samples.add(labels, row.traffic.requests));
        },
    ),
    counter(
        "aoe_initiator_read_bytes_total",
        "Bytes of sectors that an initiator read.",
        |now, samples| {
            initiators(now, |labels, row| samples.add(labels, row.traffic.read_bytes));
        },
    ),
    counter(
        "aoe_initiator_written_bytes_total",
        "Bytes of sectors that an initiator wrote.",
        |now, samples| {
            initiators(now, |labels, row| samples.add(labels, row.traffic.written_bytes));
        },
    ),
    gauge(
        "aoe_initiator_in_flight",
        "Requests of an initiator that are not answered yet.",
        |now, samples| {
            initiators(now, |labels, row| samples.add(labels, row.traffic.in_flight));
        },
    ),
    counter(
        "aoe_initiator_resent_total",
        "Requests that an initiator sent again.",
        |now, samples| {
            initiators(now, |labels, row| samples.add(labels, row.traffic.resent));
        },
    ),
    counter(
        "aoe_initiator_refused_total",
        "Requests of an initiator that were refused.",
        |now, samples| {
            initiators(now, |labels, row| samples.add(labels, row.traffic.refused));
        },
    ),
    gauge(
        "aoe_initiator_last_request_timestamp_seconds",
        "When an initiator last asked for something, in Unix time.",
        |now, samples| {
            initiators(now, |labels, row| samples.add(labels, Value::Seconds(row.last)));
        },
    ),
    histogram(
        "aoe_initiator_latency_seconds",
        "How long requests of an initiator took, from request to answer, as this gateway sees it.",
        |now, samples| {
            initiators(now, |labels, row| {
                if let Some(latency) = &row.latency {
                    samples.latency(labels, latency);
                }
            });
        },
    ),
    gauge(
        "aoe_unlisted_initiators",
        "Initiators that have no samples of their own: all but the 100 that asked most since the start.",
        |now, samples| {
            let hidden = u64::try_from(now.initiators.len().saturating_sub(MOST)).unwrap_or(u64::MAX);
            let imports = now.imports.iter().map(|import| import.others);
            let exports = now.exports.iter().map(|export| export.others);
            samples.add(&[], imports.chain(exports).fold(hidden, u64::saturating_add));
        },
    ),
];

/// The busiest. By totals, so that who is among them seldom changes.
pub(super) fn busiest(now: &Snapshot) -> Vec<&Initiator> {
    let mut rows: Vec<_> = now.initiators.iter().collect();
    rows.sort_by_key(|row| Reverse(row.traffic.requests));
    rows.truncate(MOST);
    rows
}

/// What names a row.
pub(super) fn labels(row: &Initiator) -> [Label<'_>; 5] {
    let side = match row.side {
        Side::Here => "here",
        Side::There => "there",
    };
    [
        ("initiator", row.mac.as_str()),
        ("side", side),
        ("peer", &row.peer),
        ("export", &row.export),
        ("import", &row.address),
    ]
}

fn initiators(now: &Snapshot, mut each: impl FnMut(&[Label<'_>], &Initiator)) {
    for row in busiest(now) {
        each(&labels(row), row);
    }
}
