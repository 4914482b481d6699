//! Ceilings and floors, and what they do. A limit is of a peer, an export, a peer at an export, or an initiator; labels that
//! do not say which are empty.

use aoe_common::snapshot::{Limit, Snapshot};

use super::families::{Family, counter, gauge, histogram};
use super::initiators::busiest;
use super::writer::Label;

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        "aoe_limit_requests_per_second",
        "Requests a second that a limit allows at most.",
        |now, samples| {
            limits(now, |labels, limit| {
                if let Some(n) = limit.iops {
                    samples.add(labels, n);
                }
            });
        },
    ),
    gauge(
        "aoe_limit_bytes_per_second",
        "Bytes of sectors a second that a limit allows at most.",
        |now, samples| {
            limits(now, |labels, limit| {
                if let Some(n) = limit.bandwidth {
                    samples.add(labels, n);
                }
            });
        },
    ),
    gauge(
        "aoe_limit_floor_requests_per_second",
        "Requests a second that are kept free.",
        |now, samples| {
            limits(now, |labels, limit| {
                if let Some(n) = limit.floor_iops {
                    samples.add(labels, n);
                }
            });
        },
    ),
    gauge(
        "aoe_limit_floor_bytes_per_second",
        "Bytes of sectors a second that are kept free.",
        |now, samples| {
            limits(now, |labels, limit| {
                if let Some(n) = limit.floor_bandwidth {
                    samples.add(labels, n);
                }
            });
        },
    ),
    counter(
        "aoe_limit_delayed_total",
        "Requests that had to wait for a limit.",
        |now, samples| {
            limits(now, |labels, limit| samples.add(labels, limit.delayed));
        },
    ),
    gauge(
        "aoe_limit_waiting",
        "Requests that wait for a limit now.",
        |now, samples| {
            limits(now, |labels, limit| samples.add(labels, limit.waiting));
        },
    ),
    histogram(
        "aoe_limit_wait_seconds",
        "How long requests that had to wait for a limit did.",
        |now, samples| {
            limits(now, |labels, limit| {
                if let Some(wait) = &limit.wait {
                    samples.latency(labels, wait);
                }
            });
        },
    ),
];

fn limits(now: &Snapshot, mut each: impl FnMut(&[Label<'_>], &Limit)) {
    let mut one = |of: &str, [peer, export, initiator]: [&str; 3], worker: &str, limit: &Option<Limit>| {
        if let Some(limit) = limit {
            let labels: &[Label<'_>] = &[
                ("of", of),
                ("peer", peer),
                ("export", export),
                ("initiator", initiator),
                ("worker", worker),
            ];
            each(labels, limit);
        }
    };
    for peer in &now.peers {
        one(
            "peer",
            [&peer.name, "", ""],
            &peer.worker.to_string(),
            &peer.limit,
        );
    }
    for export in &now.exports {
        let worker = export.worker.to_string();
        one("export", ["", &export.name, ""], &worker, &export.limit);
        for grant in &export.allow {
            one("grant", [&grant.peer, &export.name, ""], &worker, &grant.limit);
        }
    }
    for row in busiest(now) {
        one("initiator", [&row.peer, &row.export, &row.mac], "", &row.limit);
    }
}
