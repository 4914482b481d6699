//! `/healthz`: whether this process works. `/readyz`: whether everything that is configured can be used.
//!
//! A supervisor should end what is not healthy; the watchdog of the gateway does so itself. It should not end what is not
//! ready: a target that is away does not come back by that.

use std::sync::Arc;
use std::time::Duration;

use aoe_common::snapshot::{Snapshot, Standing, State};
use hyper::StatusCode;
use tokio::time::{Instant, sleep};

use super::Site;
use super::answer::Answer;
use super::routes::{Making, Respond, Route};
use crate::driver::CommandSender;

pub(super) const ROUTES: &[Route] = &[
    Route {
        path: "/healthz",
        respond: Respond::Made(healthz),
    },
    Route {
        path: "/readyz",
        respond: Respond::Made(readyz),
    },
];

/// How long a data plane may take to make a turn.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(2);

fn healthz(site: Arc<Site>, _: String) -> Making {
    Box::pin(async move { verdict("healthy", stuck(&site.workers).await) })
}

fn readyz(site: Arc<Site>, _: String) -> Making {
    Box::pin(async move {
        let stuck = stuck(&site.workers).await;
        if !stuck.is_empty() {
            // What belongs to these workers is missing in a snapshot, so nothing can be said of it.
            return verdict("ready", stuck);
        }
        let snapshot = site.snapshots.snapshot().await;
        let (faults, notes) = unready(&snapshot);
        let mut answer = verdict("ready", faults);
        if answer.status.is_success() && !notes.is_empty() {
            answer.body = format!("ready\n{}", lines(&notes)).into();
        }
        answer
    })
}

/// 200 if there are no faults, else 503 and a line for each.
fn verdict(word: &str, faults: Vec<String>) -> Answer {
    match faults.as_slice() {
        [] => Answer::plain(StatusCode::OK, format!("{word}\n")),
        faults => Answer::plain(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not {word}\n{}", lines(faults)),
        ),
    }
}

fn lines(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

/// A line for each data plane that makes no turn when it is asked to.
async fn stuck(workers: &[CommandSender]) -> Vec<String> {
    let before: Vec<_> = workers.iter().map(CommandSender::turns).collect();
    workers.iter().for_each(CommandSender::wake);
    let until = Instant::now() + PATIENCE;
    loop {
        let turns = workers.iter().map(CommandSender::turns).zip(&before);
        let stuck: Vec<_> = turns
            .enumerate()
            .filter_map(|(number, (now, before))| match now {
                None => Some(format!("data plane {number} has ended: the gateway ends")),
                Some(_) if now == *before => Some(format!(
                    "data plane {number} makes no turn for {} s",
                    PATIENCE.as_secs()
                )),
                Some(_) => None,
            })
            .collect();
        let has_ended = workers.iter().any(|worker| worker.turns().is_none());
        if stuck.is_empty() || has_ended || Instant::now() >= until {
            return stuck;
        }
        sleep(PAUSE).await;
    }
}

/// A line for each import and export that cannot be used, and one for each that is not used on purpose.
fn unready(snapshot: &Snapshot) -> (Vec<String>, Vec<String>) {
    let imports = snapshot.imports.iter().map(|import| {
        let name = format!("import {} ({}/{})", import.address, import.peer, import.export);
        (name, &import.standing)
    });
    let exports = snapshot.exports.iter().map(|export| {
        let name = format!("export {} ({} on {})", export.name, export.target, export.segment);
        (name, &export.standing)
    });
    let (mut faults, mut notes) = (Vec::new(), Vec::new());
    for (name, standing) in imports.chain(exports) {
        match standing.state {
            // One that leaves is in no configuration any more.
            State::Up | State::Degraded | State::Leaving => {}
            State::Paused => notes.push(line(&name, "paused", standing)),
            State::Starting => faults.push(line(&name, "starting", standing)),
            State::Down => faults.push(line(&name, "down", standing)),
            State::Unknown => faults.push(line(&name, "unknown", standing)),
        }
    }
    (faults, notes)
}

fn line(name: &str, state: &str, standing: &Standing) -> String {
    let why: String = standing.why.chars().filter(|c| !c.is_control()).collect();
    match why.as_str() {
        "" => format!("{name}: {state}"),
        why => format!("{name}: {state}: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples;

    #[test]
    fn what_cannot_be_used_is_not_ready_and_what_is_paused_is_told() {
        let mut snapshot = samples::typical();
        let (faults, notes) = unready(&snapshot);
        assert_eq!((faults.len(), notes.len()), (1, 0), "{faults:?} {notes:?}");
        assert!(faults[0].starts_with("export archive (e7.4 on san): down: target e7.4 does not answer"));
        snapshot.exports[1].standing.state = State::Paused;
        let (faults, notes) = unready(&snapshot);
        assert_eq!((faults.len(), notes.len()), (0, 1));
        assert!(
            notes[0].starts_with("export archive (e7.4 on san): paused"),
            "{notes:?}"
        );
        for (state, is_fault) in [
            (State::Starting, true),
            (State::Unknown, true),
            (State::Leaving, false),
            (State::Degraded, false),
        ] {
            snapshot.imports[0].standing.state = state;
            assert_eq!(unready(&snapshot).0.len(), usize::from(is_fault), "{state:?}");
        }
    }

    #[tokio::test]
    async fn a_data_plane_that_makes_no_turn_is_named() {
        let (commands, receiver) = crate::driver::channel().unwrap();
        let turning = async {
            sleep(PAUSE * 3).await;
            receiver.turned();
        };
        let workers = [commands];
        let (found, ()) = tokio::join!(stuck(&workers), turning);
        assert!(found.is_empty(), "{found:?}");
        let found = stuck(&workers).await;
        assert!(
            found.len() == 1 && found[0].contains("data plane 0 makes no turn"),
            "{found:?}"
        );
        drop(receiver);
        assert!(stuck(&workers).await[0].contains("has ended"));
    }
}
