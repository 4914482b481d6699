//! What differs between two configurations, in terms of rights and service: what an operator has to know before a reload.
//!
//! A pure function of both and of who uses what now. Losses come first. Secrets are compared and never shown.

mod exports;
mod imports;
mod keys;
mod peers;
mod rights;
mod settings;
#[cfg(test)]
mod tests;
mod tls;
mod usage;

use aoe_common::config::Limit;
use aoe_common::snapshot::Snapshot;
use serde::{Deserialize, Serialize};

pub(crate) use self::rights::words as rights_in_words;
use self::usage::Usage;
use crate::config::Loaded;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Line {
    /// What it means for somebody.
    pub(crate) kind: Kind,
    /// The words.
    pub(crate) text: String,
}

/// What a difference means for somebody; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Somebody may do less.
    Loss,
    /// Something is there no longer.
    Disappears,
    /// Something is served in another way.
    Changes,
    /// Something is there that was not.
    Appears,
    /// Somebody may do more.
    Gain,
    /// A setting of the gateway.
    Setting,
}

/// The lines so far.
#[derive(Debug, Default)]
struct Lines(Vec<Line>);

impl Lines {
    fn add(&mut self, kind: Kind, text: impl Into<String>) {
        let text = text.into();
        self.0.push(Line { kind, text });
    }

    /// Adds `subject: what OLD becomes NEW`, if they differ.
    /// How much somebody may have, and whether that is overruled now.
    fn limit(&mut self, subject: &str, (old, new): (&Limit, &Limit), overruled: &str) {
        if old != new {
            let text = format!("{subject}: limit {old} becomes {new}{overruled}");
            self.add(Kind::Changes, text);
        }
    }

    fn becomes(&mut self, subject: &str, what: &str, old: impl ToString, new: impl ToString) {
        let (old, new) = (old.to_string(), new.to_string());
        if old != new {
            self.add(Kind::Changes, format!("{subject}: {what} {old} becomes {new}"));
        }
    }
}

/// What a reload from `old` to `new` changes. `new` has taken its ids from `old`; `now` says who uses what; `log` is what
/// the command line says about the log, if it does.
pub(crate) fn words(old: &Loaded, new: &Loaded, now: &Snapshot, log: Option<&str>) -> Vec<Line> {
    let usage = Usage(now);
    let mut lines = Lines::default();
    exports::compare(old, new, &usage, &mut lines);
    imports::compare(old, new, &usage, &mut lines);
    peers::compare(old, new, &usage, &mut lines);
    keys::compare(old, new, &mut lines);
    tls::compare(old, new, &mut lines);
    settings::compare(old, new, log, &mut lines);
    // Stable: within a kind they stay in the order of the configuration.
    lines.0.sort_by_key(|line| line.kind);
    lines.0
}

/// The name of a thing that others refer to by id.
fn peer_name(loaded: &Loaded, id: aoe_common::config::PeerId) -> &str {
    loaded.core.peers.get(id).map_or("?", |peer| &peer.name)
}

fn segment_name(loaded: &Loaded, id: aoe_common::config::SegmentId) -> &str {
    loaded.core.segments.get(id).map_or("?", |segment| &segment.name)
}
