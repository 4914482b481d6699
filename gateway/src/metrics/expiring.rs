//! What ends by itself.

use aoe_common::snapshot::{Expiring, Snapshot};

use super::families::{Family, gauge};
use super::writer::{Label, Samples, Value};

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        "aoe_expires_timestamp_seconds",
        "When something ends, such as a certificate or a revocation list, in Unix time; the nearest 256.",
        |now, samples| each(now, samples, |row| Value::Seconds(row.not_after)),
    ),
    gauge(
        "aoe_expiry_warning",
        "How near that end is: 0 far, 1 within a month, 2 within a week, 3 within a day, 4 over.",
        |now, samples| each(now, samples, |row| level(&row.within).into()),
    ),
];

fn each(now: &Snapshot, samples: &mut Samples<'_>, value: fn(&Expiring) -> Value) {
    for row in &now.expiring {
        let labels: [Label<'_>; 2] = [("what", &row.what), ("name", &row.name)];
        samples.add(&labels, value(row));
    }
}

fn level(within: &str) -> u64 {
    match within {
        "month" => 1,
        "week" => 2,
        "day" => 3,
        "over" => 4,
        _ => 0,
    }
}
