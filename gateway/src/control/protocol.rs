//! What is asked by the control socket, and what is answered: one line of JSON each. Before the last answer others may say
//! what still waits.

use std::path::PathBuf;

use aoe_common::steer::Steered;
use serde::{Deserialize, Serialize};

use super::captures::lines::{Begun, Wanted};
pub(crate) use super::limiting::{NewRates, Users};
use super::words::Line;
use crate::config::{Fault, Faults};

/// No request is longer, in bytes.
pub(crate) const LONGEST: usize = 64 << 10;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// Become what this file says; the file that the gateway runs with.
    Reload {
        /// The gateway file, by its whole path.
        config: PathBuf,
    },
    /// Say what a reload with this file would change; any file.
    Diff {
        /// The gateway file, by its whole path.
        config: PathBuf,
    },
    /// Keep new requests from an export or import for a while.
    Pause {
        /// What: an export's name, or an import as `e107.3`, `SEGMENT:e107.3` or `PEER/EXPORT`.
        what: String,
        /// For how many seconds, if not for as long as usual.
        #[serde(default)]
        seconds: Option<u64>,
    },
    /// End a pause.
    Resume {
        /// Of what.
        what: String,
    },
    /// Pause, and answer when nothing is under way any more.
    Drain {
        /// What.
        what: String,
        /// For how many seconds it is paused, if not for as long as usual.
        #[serde(default)]
        seconds: Option<u64>,
        /// How many seconds to wait for what is under way, if not as long as usual.
        #[serde(default)]
        timeout: Option<u64>,
        /// Whether the pause ends as soon as nothing is under way, or too long has been waited.
        #[serde(default)]
        then_resume: bool,
    },
    /// End the session with a peer, and have none.
    PeerDown {
        /// The peer's name.
        peer: String,
    },
    /// Have a session with a peer that was taken down.
    PeerUp {
        /// The peer's name.
        peer: String,
    },
    /// Take the disk behind an export for the right one.
    AcceptDisk {
        /// The export's name.
        export: String,
    },
    /// Log this, until the gateway ends or a reload changes `log`.
    Log {
        /// As `--log-level` takes it.
        filter: String,
    },
    /// Hand over copies of frames, behind the answer.
    Capture(Wanted),
    /// Limit somebody, until the gateway ends.
    SetLimit {
        /// Whom.
        users: Users,
        /// To what.
        rates: NewRates,
    },
    /// Let what the files say count again.
    ClearLimit {
        /// Of whom.
        users: Users,
    },
    /// Say which limits are in force.
    Limits,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Answer {
    /// What came of it.
    pub(crate) outcome: Outcome,
    /// What has changed, or would.
    pub(crate) changes: Vec<Line>,
    /// Why nothing was changed, and what to do, unless it is for the faults.
    pub(crate) reason: String,
    /// Keys and sections that only a restart can change.
    pub(crate) needs_restart: Vec<String>,
    /// What is wrong with the configuration, warnings too, as `check --json` has it.
    pub(crate) faults: Vec<Fault>,
    /// How many more faults there are than are listed.
    pub(crate) left_out: usize,
    /// What an operator's verb did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verb: Option<Done>,
    /// The capture that was begun: its frames follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) capture: Option<Begun>,
}

/// What an operator's verb did, found, or still waits for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Done {
    /// What it is about, such as `export backup`.
    pub(crate) about: String,
    /// What was done and what is so now, for people, in whole lines.
    pub(crate) said: Vec<String>,
    /// For how long it is so, and whether a restart ends it.
    pub(crate) lasts: String,
    /// Whether it is still so after a restart.
    pub(crate) survives_restart: bool,
    /// The same as numbers.
    #[serde(flatten)]
    pub(crate) found: Steered,
}

impl Answer {
    /// Takes in what is wrong with the configuration, warnings too.
    pub(crate) fn tell(&mut self, faults: &Faults) {
        self.faults = faults.iter().cloned().collect();
        self.left_out = faults.left_out();
    }

    /// An operator's verb came to this.
    pub(crate) fn of_verb(outcome: Outcome, verb: Done) -> Answer {
        Answer {
            outcome,
            verb: Some(verb),
            ..Answer::default()
        }
    }

    /// An operator's verb changed something, or found it so already.
    pub(crate) fn of_done(verb: Done) -> Answer {
        let outcome = match verb.found.changed {
            true => Outcome::Changed,
            false => Outcome::Same,
        };
        Answer::of_verb(outcome, verb)
    }

    /// Nothing was changed, for this reason.
    pub(crate) fn refused(reason: impl ToString) -> Answer {
        Answer {
            outcome: Outcome::Refused,
            reason: reason.to_string(),
            ..Answer::default()
        }
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// The gateway is now as the file says, or as the operator's verb.
    Changed,
    /// It would be.
    WouldChange,
    /// It was so already.
    Same,
    /// The file has faults.
    Faults,
    /// Only a restart can do it.
    NeedsRestart,
    /// It was asked for in a way in which it is not done.
    #[default]
    Refused,
    /// The system did not give what the configuration needs.
    Failed,
    /// Something still waits. More answers follow.
    Waits,
    /// It was begun, and what it waits for has not happened in time.
    Unfinished,
    /// No gateway runs. No gateway says so.
    NotRunning,
}
