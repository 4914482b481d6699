//! What stands between the running configuration and another one.

use std::path::PathBuf;

use aoe_common::config::{NeedsRestart, OutOfIds, diff};

use super::protocol::{Answer, Outcome};
use crate::config::{Faults, Loaded};

/// Why a gateway does not become what a configuration says. It stays as it is.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// The configuration has faults.
    Faults(Faults),
    /// Only a restart can change these.
    NeedsRestart(Vec<String>),
    /// Numbers that are used up.
    UsedUp(OutOfIds),
    /// A reload is only with the file that the gateway runs with.
    OtherFile {
        /// The one that was asked for.
        asked: PathBuf,
        /// The one that it runs with.
        running: PathBuf,
    },
    /// The gateway ends.
    Ending,
    /// The system refused something that the configuration needs.
    System {
        /// What, and what to do.
        reason: String,
    },
}

/// The candidate with the ids that the running configuration has, if a running gateway can become that.
///
/// # Errors
/// What stands in the way.
pub(super) fn compare(running: &Loaded, candidate: Loaded) -> Result<Loaded, Obstacle> {
    let Loaded {
        core,
        listen,
        endpoints,
        devices,
        metrics,
        settings,
        revocations,
        origin,
    } = candidate;
    let candidate = Loaded {
        core: core.take_ids(&running.core).map_err(Obstacle::UsedUp)?,
        listen,
        endpoints,
        devices,
        metrics,
        settings,
        revocations,
        origin,
    };
    let mut fields: Vec<String> = match diff(&running.core, &candidate.core) {
        Ok(_) => Vec::new(),
        Err(NeedsRestart { fields }) => fields.into_iter().map(str::to_owned).collect(),
    };
    let (keys, _) = running.settings.compare(&candidate.settings);
    fields.extend(keys.iter().map(|key| format!("`{key}` of [gateway]")));
    let segments = "[[segment]]".to_owned();
    if running.devices != candidate.devices && !fields.contains(&segments) {
        fields.push(segments);
    }
    if fields.is_empty() {
        Ok(candidate)
    } else {
        Err(Obstacle::NeedsRestart(fields))
    }
}

impl Obstacle {
    /// What it is and what to do, in one line.
    pub(super) fn reason(&self) -> String {
        match self {
            Obstacle::Faults(faults) => format!("the configuration has {}", faults.tally()),
            Obstacle::NeedsRestart(fields) => format!(
                "only a restart can change {}: restart the gateway, or write what was there before",
                fields.join(", ")
            ),
            Obstacle::UsedUp(error) => format!("{error}; restart the gateway"),
            Obstacle::OtherFile { asked, running } => format!(
                "this gateway runs with {}, not with {}: move the new file there, or look at it with `aoe-gateway check \
                 --diff`",
                running.display(),
                asked.display()
            ),
            Obstacle::Ending => "the gateway ends".to_owned(),
            Obstacle::System { reason, .. } => reason.clone(),
        }
    }

    /// The answer to who asked.
    pub(super) fn answer(&self) -> Answer {
        let mut answer = Answer::refused(self.reason());
        match self {
            Obstacle::Faults(faults) => {
                answer.outcome = Outcome::Faults;
                answer.tell(faults);
            }
            Obstacle::NeedsRestart(fields) => {
                answer.outcome = Outcome::NeedsRestart;
                answer.needs_restart.clone_from(fields);
            }
            Obstacle::UsedUp(_) => answer.outcome = Outcome::NeedsRestart,
            Obstacle::OtherFile { .. } | Obstacle::Ending => {}
            Obstacle::System { .. } => answer.outcome = Outcome::Failed,
        }
        answer
    }
}
