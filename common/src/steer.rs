//! What an operator tells a running engine to do, and what came of it.
//!
//! A gateway asks all its workers. An export or import belongs to one of them, and the others say `None`; a peer has a
//! session with each, and what they say is added.

use serde::{Deserialize, Serialize};

use crate::config::ExportId;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// The disk behind an export is the right one although it was another, or the next one that answers will be.
    AcceptDisk(ExportId),
    /// Nothing: say which disk an export has.
    LookAtDisk(ExportId),
}

/// What came of an order, or how the thing it is about is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Steered {
    /// Whether anything is different from before.
    pub changed: bool,
    /// Which disk an export has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<Accepted>,
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
        self.disk = self.disk.take().or(other.disk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_worker_found_stays_when_another_found_nothing() {
        let disk = Accepted {
            was: "one".into(),
            is: "other".into(),
        };
        let mut all = Steered::default();
        all.merge(Steered {
            changed: true,
            disk: Some(disk.clone()),
        });
        all.merge(Steered::default());
        assert_eq!(
            all,
            Steered {
                changed: true,
                disk: Some(disk)
            }
        );
    }
}
