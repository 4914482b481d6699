//! Targets here that peers may use.

use aoe_common::snapshot::{Export, Snapshot};

use super::families::{Family, counter, gauge, histogram};
use super::parts;
use super::writer::{Label, Value};

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        "aoe_export_up",
        "Whether the target of an export answers and is who it was.",
        |now, samples| {
            exports(now, |labels, row| parts::up(labels, &row.standing, samples));
        },
    ),
    gauge(
        "aoe_export_state",
        "Which state an export is in: 1 for that one, 0 for all others.",
        |now, samples| {
            exports(now, |labels, row| parts::states(labels, &row.standing, samples));
        },
    ),
    gauge(
        "aoe_export_state_timestamp_seconds",
        "When the state of an export, or the reason for it, last changed, in Unix time.",
        |now, samples| {
            exports(now, |labels, row| parts::since(labels, &row.standing, samples));
        },
    ),
    gauge(
        "aoe_export_buffers",
        "Requests that a target takes at a time; 0 until it was asked.",
        |now, samples| {
            exports(now, |labels, row| samples.add(labels, u64::from(row.buffers)));
        },
    ),
    gauge(
        "aoe_export_at_target",
        "Requests that are at the target now.",
        |now, samples| {
            exports(now, |labels, row| samples.add(labels, row.at_target));
        },
    ),
    gauge(
        "aoe_export_waiting",
        "Requests that wait for the target now.",
        |now, samples| {
            exports(now, |labels, row| samples.add(labels, row.waiting));
        },
    ),
    gauge(
        "aoe_export_size_bytes",
        "The size of the disk behind an export; 0 until it was asked.",
        |now, samples| {
            exports(now, |labels, row| samples.add(labels, row.size_bytes));
        },
    ),
    counter(
        "aoe_export_requests_total",
        "Requests accepted at an export.",
        |now, samples| {
            exports(now, |labels, row| samples.add(labels, row.traffic.requests));
        },
    ),
    counter(
        "aoe_export_answered_total",
        "Requests of an export that were answered.",
        |now, samples| {
            exports(now, |labels, row| samples.add(labels, row.traffic.answered));
        },
    ),
    counter(
        "aoe_export_read_bytes_total",
        "Bytes of sectors read from an export.",
        |now, samples| {
            exports(now, |labels, row| samples.add(labels, row.traffic.read_bytes));
        },
    ),
    counter(
        "aoe_export_written_bytes_total",
        "Bytes of sectors written to an export.",
        |now, samples| {
            exports(now, |labels, row| samples.add(labels, row.traffic.written_bytes));
        },
    ),
    gauge(
        "aoe_export_in_flight",
        "Requests of an export that are not answered yet.",
        |now, samples| {
            exports(now, |labels, row| samples.add(labels, row.traffic.in_flight));
        },
    ),
    counter(
        "aoe_export_resent_total",
        "Requests that initiators sent again at an export.",
        |now, samples| {
            exports(now, |labels, row| samples.add(labels, row.traffic.resent));
        },
    ),
    counter(
        "aoe_export_refused_total",
        "Requests refused at an export, by reason.",
        |now, samples| {
            exports(now, |labels, row| parts::refusals(labels, &row.refusals, samples));
        },
    ),
    histogram(
        "aoe_export_latency_seconds",
        "How long requests were here, by where they were: waiting for the target (queue), at the target.",
        |now, samples| {
            exports(now, |labels, row| parts::stages(labels, &row.latency, samples));
        },
    ),
    histogram(
        "aoe_export_request_size_bytes",
        "How large reads and writes of an export were that were answered with success.",
        |now, samples| {
            exports(now, |labels, row| {
                let bytes = (row.traffic.read_bytes, row.traffic.written_bytes);
                parts::sizes(labels, &row.sizes, bytes, samples);
            });
        },
    ),
    gauge(
        "aoe_export_unlisted_initiators",
        "Initiators of an export that are counted in its sums only: they have no row of their own.",
        |now, samples| {
            exports(now, |labels, row| samples.add(labels, row.others));
        },
    ),
    gauge(
        "aoe_grant_ends_timestamp_seconds",
        "When the first rule for a peer at an export ends, or the last one ended, in Unix time; only of those that end.",
        |now, samples| {
            exports(now, |labels, row| {
                for grant in &row.allow {
                    if let Some(until) = grant.until {
                        samples.add(&parts::with(labels, "peer", &grant.peer), Value::Seconds(until));
                    }
                }
            });
        },
    ),
];

fn exports(now: &Snapshot, mut each: impl FnMut(&[Label<'_>], &Export)) {
    for row in &now.exports {
        let labels: &[Label<'_>] = &[
            ("export", &row.name),
            ("segment", &row.segment),
            ("target", &row.target),
        ];
        each(labels, row);
    }
}
