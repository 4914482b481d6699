//! Imports and exports.

use aoe_common::snapshot::{Export, Import, Latency, Split};

use super::families::{Family, histogram};
use super::writer::Samples;

pub(super) const FAMILIES: &[Family] = &[
    histogram(
        "aoe_import_latency_seconds",
        "How long requests took, by where they were: in total, on our segment, in the tunnel, waiting at the exit, at the target.",
        |now, samples| {
            for import in &now.imports {
                stages(&import_labels(import), &import.latency, samples);
            }
        },
    ),
    histogram(
        "aoe_export_latency_seconds",
        "How long requests were here, by where they were: waiting for the target, at the target.",
        |now, samples| {
            for export in &now.exports {
                stages(&export_labels(export), &export.latency, samples);
            }
        },
    ),
];

/// What names an import.
fn import_labels(import: &Import) -> [(&'static str, &str); 4] {
    [
        ("import", &import.address),
        ("segment", &import.segment),
        ("peer", &import.peer),
        ("export", &import.export),
    ]
}

/// What names an export.
fn export_labels(export: &Export) -> [(&'static str, &str); 3] {
    [
        ("export", &export.name),
        ("segment", &export.segment),
        ("target", &export.target),
    ]
}

/// A histogram for each stage that was measured.
fn stages<'a>(labels: &[(&'static str, &'a str)], split: &Split, samples: &mut Samples<'_>) {
    let stages: [(&'a str, Option<Latency>); 5] = [
        ("total", split.total),
        ("segment", split.segment),
        ("tunnel", split.tunnel),
        ("queue", split.queue),
        ("target", split.target),
    ];
    for (stage, latency) in stages {
        if let Some(latency) = latency {
            let mut all = labels.to_vec();
            all.push(("stage", stage));
            samples.latency(&all, &latency);
        }
    }
}
