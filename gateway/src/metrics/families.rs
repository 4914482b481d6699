//! The table of all families.

use aoe_common::snapshot::Snapshot;

use super::writer::Samples;
use super::{disks, gateway};

/// All of them; each part brings its own.
pub(super) const FAMILIES: &[&[Family]] = &[gateway::FAMILIES, disks::FAMILIES];

/// One family: samples that differ by their labels only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// Ends with the unit, and a counter with `_total`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What it means, in one line.
    pub(super) help: &'static str,
    pub(super) samples: fn(&Snapshot, &mut Samples<'_>),
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

/// A gauge.
pub(super) const fn gauge(
    name: &'static str,
    help: &'static str,
    samples: fn(&Snapshot, &mut Samples<'_>),
) -> Family {
    Family {
        name,
        kind: Kind::Gauge,
        help,
        samples,
    }
}

/// A counter.
pub(super) const fn counter(
    name: &'static str,
    help: &'static str,
    samples: fn(&Snapshot, &mut Samples<'_>),
) -> Family {
    Family {
        name,
        kind: Kind::Counter,
        help,
        samples,
    }
}

/// A histogram.
pub(super) const fn histogram(
    name: &'static str,
    help: &'static str,
    samples: fn(&Snapshot, &mut Samples<'_>),
) -> Family {
    Family {
        name,
        kind: Kind::Histogram,
        help,
        samples,
    }
}

impl Family {
    /// Writes it, if it has any samples.
    pub(super) fn write(&self, snapshot: &Snapshot, text: &mut String) {
        let start = text.len();
        super::writer::head(text, self.name, self.kind.word(), self.help);
        let mut samples = Samples::new(text, self.name);
        (self.samples)(snapshot, &mut samples);
        if samples.is_empty() {
            text.truncate(start);
        }
    }
}
