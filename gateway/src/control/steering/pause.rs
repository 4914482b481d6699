//! `pause`, `resume` and `drain`.

use std::time::Duration;

use aoe_common::steer::{Order, Steered, Thing};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::words::{begun, cut, goes_on, left, requests, under_way};
use super::{LOOK_EVERY, nobody, steer};
use crate::control::change::Running;
use crate::control::orders::By;
use crate::control::protocol::{Answer, Done, Outcome};
use crate::control::things::{self, Named};
use crate::driver::CommandSender;
use crate::logging::id;

/// How long a pause lasts, if nothing is said.
const USUAL: u64 = 60;
/// How long it lasts at most, in seconds. The core has the same bound, and counts what initiators have waited before.
const MOST: u64 = 150;
/// How long a drain waits, if nothing is said.
const TIMEOUT: u64 = 10;
/// How often a drain says what still waits.
const SAY_EVERY: Duration = Duration::from_secs(1);

const ENDS_WITH_PROCESS: &str = "a restart ends the pause";

/// How a drain goes on.
#[derive(Clone, Copy, Debug)]
pub(in crate::control) struct Drain {
    /// How many seconds it waits.
    pub(in crate::control) timeout: Option<u64>,
    /// Whether the pause ends then.
    pub(in crate::control) then_resume: bool,
}

/// A drain that has begun.
#[derive(Debug)]
pub(in crate::control) struct Draining {
    what: Named,
    how: Drain,
    by: By,
    workers: Vec<CommandSender>,
    /// Exports of the same target, which are not paused by this.
    others: Vec<String>,
}

impl Running {
    /// Keeps new requests from something for a while.
    pub(in crate::control) async fn pause(&self, word: &str, seconds: Option<u64>, by: By) -> Answer {
        match self.begin(word, seconds, by).await {
            Ok((what, found)) => {
                let mut said = vec![begun(&found)];
                said.push(left(&what, &found));
                said.extend(cut(seconds.unwrap_or(USUAL), &found));
                said.extend(self.others(&what).iter().map(|other| goes_on(other)));
                verb(&what, said, found)
            }
            Err(answer) => answer,
        }
    }

    /// Ends a pause.
    pub(in crate::control) async fn resume(&self, word: &str, by: By) -> Answer {
        let what = match things::thing(self.loaded(), word) {
            Ok(what) => what,
            Err(reason) => return Answer::refused(reason),
        };
        end(&self.followers().workers, &what, by).await
    }

    /// Pauses something; what then runs waits until nothing of it is under way.
    pub(in crate::control) async fn drain(
        &self,
        word: &str,
        seconds: Option<u64>,
        how: Drain,
        by: By,
    ) -> Result<Draining, Answer> {
        if how.timeout.is_some_and(|timeout| timeout > MOST) {
            return Err(Answer::refused(format!(
                "a drain waits for {MOST} s at most, for a pause lasts no longer"
            )));
        }
        let (what, _) = self.begin(word, seconds, by).await?;
        Ok(Draining {
            others: self.others(&what),
            what,
            how,
            by,
            workers: self.followers().workers.clone(),
        })
    }

    async fn begin(&self, word: &str, seconds: Option<u64>, by: By) -> Result<(Named, Steered), Answer> {
        let what = things::thing(self.loaded(), word).map_err(Answer::refused)?;
        let seconds = seconds.unwrap_or(USUAL);
        if !(1..=MOST).contains(&seconds) {
            return Err(Answer::refused(format!(
                "a pause lasts 1 to {MOST} s: initiators give a disk up that does not answer for 180 s"
            )));
        }
        let order = Order::Pause {
            what: what.thing,
            how_long: Duration::from_secs(seconds),
            by: by.to_string(),
        };
        let Some(found) = steer(&self.followers().workers, &order).await else {
            return Err(nobody(&what.to_string()));
        };
        match &found.pause {
            Some(pause) if pause.is_on => Ok((what, found)),
            pause => {
                let oldest = pause.as_ref().map_or(0, |pause| pause.oldest_ms / 1000);
                Err(Answer {
                    verb: Some(Done {
                        about: what.to_string(),
                        found: found.clone(),
                        ..Done::default()
                    }),
                    ..Answer::refused(format!(
                        "{what} cannot be paused now: a request has waited for {oldest} s, or a pause has just ended, and \
                         initiators give a disk up after 180 s; try again when it has worked for 20 s"
                    ))
                })
            }
        }
    }

    /// Exports of the same target as this one.
    fn others(&self, what: &Named) -> Vec<String> {
        let exports = &self.loaded().core.exports;
        let Thing::Export(id) = what.thing else {
            return Vec::new();
        };
        let Some(one) = exports.get(id) else {
            return Vec::new();
        };
        let same = exports.iter().filter(|(other, export)| {
            *other != id && (export.segment, export.target) == (one.segment, one.target)
        });
        same.map(|(_, export)| export.name.clone()).collect()
    }
}

impl Draining {
    /// Waits until nothing is under way, and says now and then what is.
    pub(in crate::control) async fn run(self, reply: mpsc::Sender<Answer>) {
        let begun = Instant::now();
        let until = begun + Duration::from_secs(self.how.timeout.unwrap_or(TIMEOUT));
        let mut say_at = begun + SAY_EVERY;
        let answer = loop {
            let look = steer(&self.workers, &Order::Look(self.what.thing)).await;
            let Some(found) = look else {
                break nobody(&self.what.to_string());
            };
            let is_paused = found.pause.as_ref().is_some_and(|pause| pause.is_on);
            let now = Instant::now();
            if found.in_flight == 0 || now >= until || !is_paused {
                break self.end(found, now.saturating_duration_since(begun)).await;
            }
            if now >= say_at {
                say_at = now + SAY_EVERY;
                let done = Done {
                    about: self.what.to_string(),
                    said: vec![left(&self.what, &found)],
                    found,
                    ..Done::default()
                };
                // Who does not read it misses nothing but this.
                let _ = reply.try_send(Answer::of_verb(Outcome::Waits, done));
            }
            sleep(LOOK_EVERY).await;
        };
        // Who has gone meanwhile finds it in `status`.
        let _ = reply.send(answer).await;
    }

    async fn end(self, found: Steered, took: Duration) -> Answer {
        let is_drained = found.in_flight == 0;
        let secs = took.as_secs_f64();
        let first = match is_drained {
            true => format!("drained: nothing is under way, after {secs:.1} s"),
            false => format!("not drained after {secs:.1} s: {}", under_way(&self.what, &found)),
        };
        tracing::info!(id = id::OPERATOR, "{}: {first}", self.what);
        let mut said = vec![first];
        let mut found = found;
        let mut lasts = ENDS_WITH_PROCESS;
        if self.how.then_resume {
            let resumed = end(&self.workers, &self.what, self.by).await;
            if let Some(done) = resumed.verb {
                said.extend(done.said);
                found = Steered {
                    in_flight: found.in_flight,
                    ..done.found
                };
            }
            lasts = "";
        } else {
            said.push(left(&self.what, &found));
        }
        said.extend(self.others.iter().map(|other| goes_on(other)));
        found.changed = true;
        Answer::of_verb(
            match is_drained {
                true => Outcome::Changed,
                false => Outcome::Unfinished,
            },
            Done {
                about: self.what.to_string(),
                said,
                lasts: lasts.to_owned(),
                survives_restart: false,
                found,
            },
        )
    }
}

/// Ends a pause.
async fn end(workers: &[CommandSender], what: &Named, by: By) -> Answer {
    let order = Order::Resume {
        what: what.thing,
        by: by.to_string(),
    };
    let Some(found) = steer(workers, &order).await else {
        return nobody(&what.to_string());
    };
    let mut said = vec![match found.changed {
        true => "goes on".to_owned(),
        false => "was not paused".to_owned(),
    }];
    if found.waiting > 0 {
        said.push(format!(
            "{} wait for their turn at the target",
            requests(found.waiting)
        ));
    }
    if found.dropped > 0 {
        said.push(format!(
            "{} had waited for more than 5 s and are asked again by their initiators, within seconds",
            requests(found.dropped)
        ));
    }
    let mut answer = verb(what, said, found);
    if let Some(done) = &mut answer.verb {
        done.lasts.clear();
    }
    answer
}

fn verb(what: &Named, said: Vec<String>, found: Steered) -> Answer {
    Answer::of_done(Done {
        about: what.to_string(),
        said,
        lasts: ENDS_WITH_PROCESS.to_owned(),
        survives_restart: false,
        found,
    })
}
