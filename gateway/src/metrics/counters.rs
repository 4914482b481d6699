//! Counters of the whole gateway.

use aoe_common::drop_reason::DropReason;
use aoe_common::snapshot::Snapshot;
use aoe_common::telemetry::Count;

use super::families::{Family, Kind, Source, counter};
use super::writer::Samples;

pub(super) const FAMILIES: &[Family] = &[
    counter(
        "aoe_drops_total",
        "Frames, requests, datagrams, records and handshakes that ended here, by reason.",
        |now, samples| {
            for reason in DropReason::ALL {
                labelled(now, samples, "reason", reason.name(), reason.name());
            }
        },
    ),
    Family {
        name: "aoe_audit_written_total",
        kind: Kind::Counter,
        help: "Lines written to the audit log.",
        source: Source::Counter("audit_written"),
    },
    Family {
        name: "aoe_audit_lost_total",
        kind: Kind::Counter,
        help: "Lines that the audit log should have and has not.",
        source: Source::Counter("audit_lost"),
    },
    Family {
        name: "aoe_http_connections_total",
        kind: Kind::Counter,
        help: "Connections to the HTTP listener.",
        source: Source::Counter("http_connections"),
    },
    counter(
        "aoe_http_requests_total",
        "HTTP requests, by what became of them: answered, refused (another method, path or host, or a body), or failed.",
        |now, samples| {
            for result in ["answered", "refused", "failed"] {
                labelled(now, samples, "result", result, &format!("http_{result}"));
            }
        },
    ),
    counter(
        "aoe_http_dropped_total",
        "HTTP connections that were dropped: too many of them (crowded), a request or a reader that is too slow, or what is \
         no HTTP (malformed).",
        |now, samples| {
            for reason in ["crowded", "slow_request", "slow_reader", "malformed"] {
                labelled(now, samples, "reason", reason, &format!("http_dropped_{reason}"));
            }
        },
    ),
];

/// A family for each thing that goes well.
pub(super) fn families() -> impl Iterator<Item = Family> {
    Count::ALL.iter().map(|count| Family {
        name: count.metric(),
        kind: Kind::Counter,
        help: count.words(),
        source: Source::Counter(count.name()),
    })
}

/// One sample of a counter, if there is that one.
fn labelled(now: &Snapshot, samples: &mut Samples<'_>, label: &'static str, value: &str, counter: &str) {
    if let Some(n) = now.counters.get(counter) {
        samples.add(&[(label, value)], *n);
    }
}
