//! What an operator tells a running engine to do, and what came of it.
//!
//! A gateway asks all its workers. An export or import belongs to one of them, and the others say `None`; a peer has a
//! session with each, and what they say is added.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{ExportId, ImportId, LimitChange, Limited, PeerId};
use crate::snapshot::Limit;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing new goes on, for so long or as long as it may; what is under way is finished.
    Pause {
        /// Of what.
        what: Thing,
        /// How long, from now.
        how_long: Duration,
        /// Who says so, in words.
        by: String,
    },
    /// A pause ends.
    Resume {
        /// Of what.
        what: Thing,
        /// Who says so, in words.
        by: String,
    },
    /// Nothing: say how it is.
    Look(Thing),
    /// The session of a peer ends, and there is none until it is taken up again.
    TakeDown {
        /// The peer.
        peer: PeerId,
        /// Who says so, in words.
        by: String,
    },
    /// A peer that was taken down is one like the others again.
    TakeUp {
        /// The peer.
        peer: PeerId,
        /// Who says so, in words.
        by: String,
    },
    /// The disk behind an export is the right one although it was another, or the next one that answers will be.
    AcceptDisk(ExportId),
    /// Nothing: say which disk an export has.
    LookAtDisk(ExportId),
    /// Another limit for these, until the process ends.
    SetLimit(Limited, LimitChange),
    /// The limit that the configuration gives these.
    ClearLimit(Limited),
    /// Nothing: say which limits there are.
    LookAtLimits,
}

/// What can be paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// At the gateway next to the target.
    Export(ExportId),
    /// At the gateway next to the initiators.
    Import(ImportId),
}

/// What came of an order, or how the thing it is about is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Steered {
    /// Whether anything is different from before.
    pub changed: bool,
    /// Whether an export or import is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pausing>,
    /// Requests under way: of an export at its target, of an import those that were carried on and not answered.
    pub in_flight: u64,
    /// Requests of an export that wait here and are not at the target.
    pub waiting: u64,
    /// Sessions that were closed.
    pub closed: u64,
    /// Requests that were dropped, or whose answers go nowhere.
    pub dropped: u64,
    /// Which disk an export has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<Accepted>,
    /// Why it was not done, if it was not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub refused: String,
    /// The limit that was in force before, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub limit_was: String,
    /// Limits that are in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitOf>,
}

/// A limit in force, and whom it is for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitOf {
    /// The export; empty: all that the peer may use.
    pub export: String,
    /// The peer; empty: all users of the export together.
    pub peer: String,
    /// The initiator behind the peer; empty: all of them together.
    pub initiator: String,
    /// With several workers that of a peer is the sum of its parts.
    #[serde(flatten)]
    pub limit: Limit,
}

/// Whether something is paused, and for how long it may be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pausing {
    /// Whether it is.
    pub is_on: bool,
    /// Who said so; empty if it is not.
    pub by: String,
    /// How long it is yet to last, in milliseconds.
    pub left_ms: u64,
    /// How long it could yet last, in milliseconds.
    pub possible_ms: u64,
    /// How long the oldest request that waits has waited, as far as this gateway knows, in milliseconds.
    pub oldest_ms: u64,
}

/// Which disk an export had and has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Accepted {
    /// The one that was expected, in words; empty if none was.
    pub was: String,
    /// The one that is expected from now on, in words; empty: the next one that answers.
    pub is: String,
}

impl Steered {
    /// Adds what another worker says.
    pub fn merge(&mut self, other: Steered) {
        self.changed |= other.changed;
        self.pause = self.pause.take().or(other.pause);
        self.in_flight += other.in_flight;
        self.waiting += other.waiting;
        self.closed += other.closed;
        self.dropped += other.dropped;
        self.disk = self.disk.take().or(other.disk);
        if self.refused.is_empty() {
            self.refused = other.refused;
        }
        if self.limit_was.is_empty() {
            self.limit_was = other.limit_was;
        }
        for theirs in other.limits {
            match self.limits.iter_mut().find(|ours| ours.is_for_the_same(&theirs)) {
                Some(ours) => ours.add(theirs.limit),
                None => self.limits.push(theirs),
            }
        }
    }
}

impl LimitOf {
    fn is_for_the_same(&self, other: &LimitOf) -> bool {
        (&self.export, &self.peer, &self.initiator) == (&other.export, &other.peer, &other.initiator)
    }

    /// Another worker has a part of it as well. Of the times waited those of who waited more often stay.
    fn add(&mut self, other: Limit) {
        let sum = |one: Option<u64>, other: Option<u64>| one.zip(other).map(|(a, b)| a.saturating_add(b));
        let ours = &mut self.limit;
        ours.iops = sum(ours.iops, other.iops);
        ours.bandwidth = sum(ours.bandwidth, other.bandwidth);
        ours.floor_iops = sum(ours.floor_iops, other.floor_iops);
        ours.floor_bandwidth = sum(ours.floor_bandwidth, other.floor_bandwidth);
        if other.delayed > ours.delayed {
            ours.wait = other.wait;
        }
        ours.delayed = ours.delayed.saturating_add(other.delayed);
        ours.waiting = ours.waiting.saturating_add(other.waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_limit_are_added() {
        let part = |peer: &str, iops, delayed| LimitOf {
            peer: peer.into(),
            limit: Limit {
                iops: Some(iops),
                delayed,
                ..Limit::default()
            },
            ..LimitOf::default()
        };
        let of = |limits| Steered {
            limits,
            ..Steered::default()
        };
        let mut all = of(vec![part("a", 5, 1)]);
        all.merge(of(vec![part("b", 7, 0), part("a", 6, 2)]));
        assert_eq!(all.limits, [part("a", 11, 3), part("b", 7, 0)]);
    }

    #[test]
    fn what_one_worker_found_stays_when_another_found_nothing() {
        let disk = Accepted {
            was: "one".into(),
            is: "other".into(),
        };
        let mut all = Steered::default();
        let found = Steered {
            changed: true,
            closed: 1,
            disk: Some(disk),
            ..Steered::default()
        };
        all.merge(found.clone());
        all.merge(Steered::default());
        assert_eq!(all, found);
    }
}
