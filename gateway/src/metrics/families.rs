//! The table of all families.

use aoe_common::snapshot::Snapshot;

use super::writer::{Samples, head};
use super::{alarms, counters, expiring, exports, gateway, imports, initiators, keys, limits, network};

/// All of them, in the order in which they are written; each part brings its own.
pub(super) fn all() -> impl Iterator<Item = Family> {
    let tables = [
        gateway::FAMILIES,
        keys::FAMILIES,
        alarms::FAMILIES,
        expiring::FAMILIES,
        network::PEERS,
        network::SEGMENTS,
        imports::FAMILIES,
        exports::FAMILIES,
        initiators::FAMILIES,
        limits::FAMILIES,
        counters::FAMILIES,
    ];
    let rows = tables.into_iter().flat_map(|table| table.iter().copied());
    rows.chain(counters::families())
}

/// One family: samples that differ by their labels only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// Ends with the unit, and a counter with `_total`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What it means, in one line.
    pub(super) help: &'static str,
    pub(super) source: Source,
}

/// Where samples come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// Rows of the snapshot.
    Rows(fn(&Snapshot, &mut Samples<'_>)),
    /// The counter of this name.
    Counter(&'static str),
}

/// What a value does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only grows, until the gateway starts again.
    Counter,
    /// How many were how large.
    Histogram,
}

impl Kind {
    /// As the format calls it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        }
    }
}

/// How samples are taken.
type Take = fn(&Snapshot, &mut Samples<'_>);

const fn family(kind: Kind, name: &'static str, help: &'static str, take: Take) -> Family {
    Family {
        name,
        kind,
        help,
        source: Source::Rows(take),
    }
}

/// A gauge.
pub(super) const fn gauge(name: &'static str, help: &'static str, take: Take) -> Family {
    family(Kind::Gauge, name, help, take)
}

/// A counter.
pub(super) const fn counter(name: &'static str, help: &'static str, take: Take) -> Family {
    family(Kind::Counter, name, help, take)
}

/// A histogram.
pub(super) const fn histogram(name: &'static str, help: &'static str, take: Take) -> Family {
    family(Kind::Histogram, name, help, take)
}

impl Family {
    /// Writes it, if it has any samples.
    pub(super) fn write(&self, snapshot: &Snapshot, text: &mut String) {
        let start = text.len();
        head(text, self.name, self.kind.word(), self.help);
        let mut samples = Samples::new(text, self.name);
        match self.source {
            Source::Rows(take) => take(snapshot, &mut samples),
            Source::Counter(name) => {
                if let Some(n) = snapshot.counters.get(name) {
                    samples.add(&[], *n);
                }
            }
        }
        if samples.is_empty() {
            text.truncate(start);
        }
    }
}
