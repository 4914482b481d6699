//! Parts that rows of several kinds have.

use aoe_common::drop_reason::DropReason;
use aoe_common::snapshot::{Directions, Latency, Refusals, Size, Split, Standing, State};

use super::writer::{Label, Samples, Value};

/// Every state, with the value of its label.
const STATES: [(State, &str); 6] = [
    (State::Up, "up"),
    (State::Degraded, "degraded"),
    (State::Starting, "starting"),
    (State::Leaving, "leaving"),
    (State::Paused, "paused"),
    (State::Down, "down"),
];

/// The word of a state.
pub(super) fn word(state: State) -> &'static str {
    let found = STATES.iter().find(|(other, _)| *other == state);
    found.map_or("unknown", |(_, word)| word)
}

/// Whether something can be used.
pub(super) fn up(labels: &[Label<'_>], standing: &Standing, samples: &mut Samples<'_>) {
    samples.add(labels, matches!(standing.state, State::Up | State::Degraded));
}

/// A sample for each state: 1 for the one that it is in.
pub(super) fn states(labels: &[Label<'_>], standing: &Standing, samples: &mut Samples<'_>) {
    for (state, word) in STATES {
        samples.add(&with(labels, "state", word), standing.state == state);
    }
}

/// When the state, or the reason for it, last changed.
pub(super) fn since(labels: &[Label<'_>], standing: &Standing, samples: &mut Samples<'_>) {
    samples.add(labels, Value::Seconds(standing.since));
}

/// What came in, and what went out.
pub(super) fn directions(labels: &[Label<'_>], both: Directions, samples: &mut Samples<'_>) {
    samples.add(&with(labels, "direction", "received"), both.received);
    samples.add(&with(labels, "direction", "sent"), both.sent);
}

/// A histogram for each stage that was measured.
pub(super) fn stages(labels: &[Label<'_>], split: &Split, samples: &mut Samples<'_>) {
    let stages: [(&str, Option<Latency>); 5] = [
        ("total", split.total),
        ("segment", split.segment),
        ("tunnel", split.tunnel),
        ("queue", split.queue),
        ("target", split.target),
    ];
    for (stage, latency) in stages {
        if let Some(latency) = latency {
            samples.latency(&with(labels, "stage", stage), &latency);
        }
    }
}

/// A number for each reason, zeroes too: a series that begins with its first refusal would not show that one.
pub(super) fn refusals(labels: &[Label<'_>], refusals: &[Refusals], samples: &mut Samples<'_>) {
    for refusal in refusals {
        samples.add(&with(labels, "reason", &refusal.reason), refusal.count);
    }
    for reason in DropReason::ALL.iter().map(|reason| reason.name()) {
        let is_refusal =
            reason.starts_with("refused_") || reason == DropReason::RequestInitiatorNotAllowed.name();
        if is_refusal && !refusals.iter().any(|refusal| refusal.reason == reason) {
            samples.add(&with(labels, "reason", reason), 0);
        }
    }
}

/// How large reads and writes were; `read` and `written` are their bytes.
pub(super) fn sizes(
    labels: &[Label<'_>],
    sizes: &[Size],
    (read, written): (u64, u64),
    samples: &mut Samples<'_>,
) {
    for (operation, bytes) in [("read", read), ("write", written)] {
        let part = |size: &Size| {
            if operation == "read" {
                size.reads
            } else {
                size.writes
            }
        };
        let mut sum: u64 = 0;
        let buckets: Vec<_> = SECTORS
            .iter()
            .map(|sectors| {
                let found = sizes.iter().find(|size| size.sectors == *sectors);
                sum = sum.saturating_add(found.map_or(0, part));
                (Value::Number(u64::from(*sectors) * 512), sum)
            })
            .collect();
        if sum > 0 {
            let labels = with(labels, "operation", operation);
            samples.histogram(&labels, buckets.into_iter(), sum, Value::Number(bytes));
        }
    }
}

/// Powers of two of sectors, up to the most that one request has.
const SECTORS: [u16; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// Labels, and one more.
pub(super) fn with<'a>(labels: &[Label<'a>], name: &'static str, value: &'a str) -> Vec<Label<'a>> {
    let mut all = labels.to_vec();
    all.push((name, value));
    all
}
