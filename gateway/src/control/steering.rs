//! What an operator says to the workers of a running gateway, and what is said back.

use std::time::Duration;

use aoe_common::steer::{Accepted, Order, Steered};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout_at};

use super::captures::lines::Wanted;
use super::change::Running;
use super::orders::By;
use super::protocol::{Answer, Done, Outcome};
use super::things;
use crate::disks::Note;
use crate::driver::{Command, CommandSender};
use crate::logging::id;
use crate::logging::parse_filter;

/// How long a worker may take. One that is at work answers within its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a disk that is accepted may take to say which it is.
const IDENTIFIED: Duration = Duration::from_secs(2);
/// How often something that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Has every worker do this, and adds what they say. `None`: the thing is none of theirs, which a reload that has just
/// taken it away explains.
pub(super) async fn steer(workers: &[CommandSender], order: &Order) -> Option<Steered> {
    let ask = |worker: &CommandSender| {
        let (asker, answer) = oneshot::channel();
        worker.send(Command::Steer(order.clone(), asker));
        answer
    };
    let answers: Vec<_> = workers.iter().map(ask).collect();
    let until = Instant::now() + PATIENCE;
    let mut all: Option<Steered> = None;
    for answer in answers {
        // One that hangs is ended by the watchdog, and we with it.
        let Ok(Ok(Some(part))) = timeout_at(until, answer).await else {
            continue;
        };
        match &mut all {
            Some(all) => all.merge(part),
            None => all = Some(part),
        }
    }
    all
}

/// What is said when no worker has the thing.
pub(super) fn nobody(about: &str) -> Answer {
    Answer {
        outcome: Outcome::Failed,
        ..Answer::refused(format!(
            "{about}: the gateway does not answer, or ends; see its log"
        ))
    }
}

impl Running {
    /// Prepares a capture; it begins when its caller has the answer.
    pub(super) fn capture(&self, wanted: &Wanted, by: By) -> Answer {
        match self.followers().captures.prepare(wanted, by, &self.loaded().core) {
            Ok(begun) => Answer {
                outcome: Outcome::Changed,
                capture: Some(begun),
                ..Answer::default()
            },
            Err(reason) => Answer::refused(reason),
        }
    }

    /// Takes the disk behind an export for the right one.
    pub(super) async fn accept_disk(&self, export: &str, by: By) -> Answer {
        let id = match things::export(self.loaded(), export) {
            Ok(id) => id,
            Err(reason) => return Answer::refused(reason),
        };
        let about = format!("export {export}");
        let workers = &self.followers().workers;
        let Some(mut found) = steer(workers, &Order::AcceptDisk(id)).await else {
            return nobody(&about);
        };
        tracing::info!(id = id::DISK_ACCEPTED, export, "{about}: {by} accepts its disk");
        let until = Instant::now() + IDENTIFIED;
        while found.disk.as_ref().is_some_and(|disk| disk.is.is_empty()) && Instant::now() < until {
            sleep(LOOK_EVERY).await;
            let Some(Steered { disk: Some(now), .. }) = steer(workers, &Order::LookAtDisk(id)).await else {
                break;
            };
            if let Some(disk) = &mut found.disk {
                disk.is = now.is;
            }
        }
        let Accepted { was, is } = found.disk.clone().unwrap_or_default();
        found.changed = was != is;
        let kept = match self.followers().disks.clone() {
            // What is found is written down by who keeps the files.
            Some(_) if !is.is_empty() => true,
            Some(disks) => {
                let name = export.to_owned();
                let written = spawn_blocking(move || disks.write(&name, &Note::AcceptNext)).await;
                matches!(written, Ok(Ok(())))
            }
            None => false,
        };
        let mut said = match (was.as_str(), is.as_str()) {
            ("", "") => vec!["the next disk that answers is accepted; none has so far".to_owned()],
            (was, "") => vec![
                format!("its disk was {was}"),
                "the next disk that answers is accepted; none has so far".to_owned(),
            ],
            ("", is) => vec![format!("its disk is {is}")],
            (was, is) if was == is => vec![format!("its disk is the one it was: {is}")],
            (was, is) => vec![format!("its disk was {was}"), format!("its disk is  {is}")],
        };
        said.retain(|line| !line.is_empty());
        let lasts = match kept {
            true => "it is written down in the state directory, and stays so after a restart",
            false => {
                "after a restart the first disk that answers is taken: there is no state directory, or it cannot be \
                 written (`state` of [gateway])"
            }
        };
        let outcome = match found.changed {
            true => Outcome::Changed,
            false => Outcome::Same,
        };
        Answer::of_verb(
            outcome,
            Done {
                about,
                said,
                lasts: lasts.to_owned(),
                survives_restart: kept,
                found,
            },
        )
    }

    /// Logs what this filter says.
    pub(super) fn log_this(&self, filter: &str, by: By) -> Answer {
        let filter = match parse_filter(filter) {
            Ok(filter) => filter,
            Err(found) => {
                return Answer::refused(format!(
                    "{found}; write what --log-level takes, such as \"info\" or \"info,aoe_gateway::segment=debug\""
                ));
            }
        };
        // Said by the old filter and by the new one: at least one of them lets it through, unless both are `off`.
        tracing::info!(id = id::OPERATOR, "log: {by} sets {filter:?}");
        self.log().set_live(&filter);
        tracing::info!(id = id::OPERATOR, "log: {filter:?} is in force");
        let lasts =
            "until the gateway ends, or a reload changes `log`; to keep it, set `log` of [gateway] as well";
        Answer::of_verb(
            Outcome::Changed,
            Done {
                about: "log".to_owned(),
                said: vec![format!("the log is filtered by {filter:?} now")],
                lasts: lasts.to_owned(),
                survives_restart: false,
                found: Steered {
                    changed: true,
                    ..Steered::default()
                },
            },
        )
    }
}
