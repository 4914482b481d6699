//! What an operator says to the workers of a running gateway, and what is said back.
//!
//! - `pause`: pause, resume, drain
//! - `peers`: peer down, peer up
//! - `capture`: captures; `disk`: accept-disk; `log`: log level

mod capture;
mod disk;
mod log;
mod pause;
mod peers;
mod words;

use std::time::Duration;

use aoe_common::steer::{Order, Steered};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

pub(super) use self::pause::Drain;
use super::protocol::{Answer, Outcome};
use crate::driver::{Command, CommandSender};

/// How long a worker may take. One that is at work answers within its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often something that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Has every worker do this, and adds what they say. `None`: the thing is none of theirs, which a reload that has just
/// taken it away explains.
pub(in crate::control) async fn steer(workers: &[CommandSender], order: &Order) -> Option<Steered> {
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
pub(in crate::control) fn nobody(about: &str) -> Answer {
    Answer {
        outcome: Outcome::Failed,
        ..Answer::refused(format!(
            "{about}: the gateway does not answer, or ends; see its log"
        ))
    }
}
