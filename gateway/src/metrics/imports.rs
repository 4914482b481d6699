//! Exports of peers that are presented here.

use aoe_common::snapshot::{Import, Snapshot};

use super::families::{Family, counter, gauge, histogram};
use super::parts;
use super::writer::Label;

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        "aoe_import_up",
        "Whether an import can be used.",
        |now, samples| {
            imports(now, |labels, row| parts::up(labels, &row.standing, samples));
        },
    ),
    gauge(
        "aoe_import_state",
        "Which state an import is in: 1 for that one, 0 for all others.",
        |now, samples| {
            imports(now, |labels, row| parts::states(labels, &row.standing, samples));
        },
    ),
    gauge(
        "aoe_import_state_timestamp_seconds",
        "When the state of an import, or the reason for it, last changed, in Unix time.",
        |now, samples| {
            imports(now, |labels, row| parts::since(labels, &row.standing, samples));
        },
    ),
    gauge(
        "aoe_import_window_frames",
        "Frames in flight that initiators are told they may have.",
        |now, samples| {
            imports(now, |labels, row| samples.add(labels, u64::from(row.window)));
        },
    ),
    gauge(
        "aoe_import_frame_sectors",
        "Sectors of 512 bytes that one frame carries.",
        |now, samples| {
            imports(now, |labels, row| samples.add(labels, u64::from(row.sectors)));
        },
    ),
    counter(
        "aoe_import_requests_total",
        "Requests accepted at an import.",
        |now, samples| {
            imports(now, |labels, row| samples.add(labels, row.traffic.requests));
        },
    ),
    counter(
        "aoe_import_answered_total",
        "Requests of an import that were answered.",
        |now, samples| {
            imports(now, |labels, row| samples.add(labels, row.traffic.answered));
        },
    ),
    counter(
        "aoe_import_read_bytes_total",
        "Bytes of sectors read from an import.",
        |now, samples| {
            imports(now, |labels, row| samples.add(labels, row.traffic.read_bytes));
        },
    ),
    counter(
        "aoe_import_written_bytes_total",
        "Bytes of sectors written to an import.",
        |now, samples| {
            imports(now, |labels, row| samples.add(labels, row.traffic.written_bytes));
        },
    ),
    gauge(
        "aoe_import_in_flight",
        "Requests of an import that are not answered yet.",
        |now, samples| {
            imports(now, |labels, row| samples.add(labels, row.traffic.in_flight));
        },
    ),
    counter(
        "aoe_import_resent_total",
        "Requests that initiators sent again at an import.",
        |now, samples| {
            imports(now, |labels, row| samples.add(labels, row.traffic.resent));
        },
    ),
    counter(
        "aoe_import_refused_total",
        "Requests refused at an import, by reason.",
        |now, samples| {
            imports(now, |labels, row| parts::refusals(labels, &row.refusals, samples));
        },
    ),
    histogram(
        "aoe_import_latency_seconds",
        "How long requests took, by where they were: in total, on our segment, in the tunnel, waiting at the exit (queue), at the target.",
        |now, samples| {
            imports(now, |labels, row| parts::stages(labels, &row.latency, samples));
        },
    ),
    histogram(
        "aoe_import_request_size_bytes",
        "How large reads and writes of an import were that were answered with success.",
        |now, samples| {
            imports(now, |labels, row| {
                let bytes = (row.traffic.read_bytes, row.traffic.written_bytes);
                parts::sizes(labels, &row.sizes, bytes, samples);
            });
        },
    ),
    gauge(
        "aoe_import_unlisted_initiators",
        "Initiators of an import that are counted in its sums only: they have no row of their own.",
        |now, samples| {
            imports(now, |labels, row| samples.add(labels, row.others));
        },
    ),
];

fn imports(now: &Snapshot, mut each: impl FnMut(&[Label<'_>], &Import)) {
    for row in &now.imports {
        let labels: &[Label<'_>] = &[
            ("import", &row.address),
            ("segment", &row.segment),
            ("peer", &row.peer),
            ("export", &row.export),
        ];
        each(labels, row);
    }
}
