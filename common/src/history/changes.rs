//! What became of what: how things are, compared with how they were at the look before.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::is_partial;
use crate::snapshot::{Alarm, Snapshot, Standing, State, StateChange};
use crate::time::Instant;

/// What an alarm is called in front of what it is about.
const ALARM: &str = "alarm ";
/// Changes that are kept.
const MOST: usize = 512;
/// How long they are kept, in microseconds: an hour.
const KEPT: u64 = 3_600_000_000;
/// Things that are compared; more are not.
const MOST_THINGS: usize = 8192;
/// A moment that moved by less, in seconds, is the same: clocks are read one after the other.
const SLACK: f64 = 0.5;

/// The changes of the last hour.
#[derive(Debug, Default)]
pub struct Changes {
    /// How things were at the last look.
    known: BTreeMap<String, Known>,
    /// The oldest first.
    log: VecDeque<(Instant, StateChange)>,
    last: Option<Instant>,
}

/// How a thing was.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    state: State,
    why: String,
    /// How long it had been so, in seconds.
    age: f64,
}

impl Changes {
    /// Compares a snapshot, made at `at`, with the one before. Nothing has changed at the first.
    pub fn look(&mut self, at: Instant, snapshot: &Snapshot) {
        let Some(last) = self.last.replace(at) else {
            self.known = Things::of(snapshot);
            return;
        };
        let passed = at.saturating_since(last).as_secs_f64();
        let mut before = std::mem::take(&mut self.known);
        let mut new = Vec::new();
        self.known = Things::of(snapshot);
        for (about, is) in &self.known {
            if let Some(change) = change(about, before.remove(about), is, passed) {
                new.push((is.age.min(passed), about.clone(), change));
            }
        }
        // What belongs to a worker that did not answer is not gone.
        let is_whole = !is_partial(snapshot);
        for (about, was) in before {
            if is_whole {
                new.push((0.0, about.clone(), end(&about, was)));
            } else {
                self.known.insert(about, was);
            }
        }
        new.sort_by(|(one, ..), (other, ..)| other.total_cmp(one));
        for (age, about, (was, is, why)) in new {
            self.note(
                ago(at, age),
                StateChange {
                    about,
                    at: 0.0,
                    was,
                    is,
                    why,
                },
            );
        }
        self.forget(at);
    }

    /// The newest first; `unix` is the time by the wall clock at `now`, in seconds.
    pub fn rows(&self, now: Instant, unix: f64) -> Vec<StateChange> {
        let row = |(at, change): &(Instant, StateChange)| StateChange {
            at: unix - now.saturating_since(*at).as_secs_f64(),
            ..change.clone()
        };
        let young = |(at, _): &&(Instant, StateChange)| now.micros_since(*at) < KEPT;
        self.log.iter().rev().take_while(young).map(row).collect()
    }

    fn note(&mut self, at: Instant, change: StateChange) {
        if self.log.len() >= MOST {
            self.log.pop_front();
        }
        self.log.push_back((at, change));
    }

    fn forget(&mut self, now: Instant) {
        while self
            .log
            .front()
            .is_some_and(|(at, _)| now.micros_since(*at) >= KEPT)
        {
            self.log.pop_front();
        }
    }
}

/// How it was, how it is, and why.
type Turn = (State, State, String);

fn change(about: &str, was: Option<Known>, is: &Known, passed: f64) -> Option<Turn> {
    let Some(was) = was else {
        let was = if about.starts_with(ALARM) {
            State::Up
        } else {
            State::Starting
        };
        let is_news = is.state != was && is.age <= passed + SLACK;
        return is_news.then(|| (was, is.state, is.why.clone()));
    };
    let is_new = is.age <= passed + SLACK && is.age + SLACK < was.age + passed;
    if was.state == is.state && was.why == is.why {
        // It is as it was, but not since then.
        return is_new.then(|| {
            (
                was.state,
                is.state,
                format!("changed and came back between two looks{}", after(&is.why)),
            )
        });
    }
    // A number that goes on within the words is no change.
    let is_other = was.state != is.state || is_new || words(&was.why).ne(words(&is.why));
    is_other.then(|| (was.state, is.state, is.why.clone()))
}

fn after(why: &str) -> String {
    if why.is_empty() {
        String::new()
    } else {
        format!(": {why}")
    }
}

fn words(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !c.is_ascii_digit())
}

fn end(about: &str, was: Known) -> Turn {
    if about.starts_with(ALARM) {
        (was.state, State::Up, format!("over{}", after(&was.why)))
    } else {
        (
            was.state,
            State::Leaving,
            "it is not in the configuration any more".to_owned(),
        )
    }
}

fn ago(now: Instant, seconds: f64) -> Instant {
    now.saturating_sub(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// Everything that has a state, by what it is called.
#[derive(Debug)]
struct Things {
    now: f64,
    all: BTreeMap<String, Known>,
}

impl Things {
    fn of(snapshot: &Snapshot) -> BTreeMap<String, Known> {
        let mut things = Things {
            now: snapshot.gateway.now,
            all: BTreeMap::new(),
        };
        for peer in &snapshot.peers {
            let worker = match snapshot.gateway.workers {
                0 | 1 => String::new(),
                _ => format!(" #{}", peer.worker),
            };
            things.add(format!("peer {}{worker}", peer.name), &peer.standing);
            things.add(format!("path {}{worker}", peer.name), &peer.path.standing);
        }
        for segment in &snapshot.segments {
            things.add(format!("segment {}", segment.name), &segment.standing);
        }
        for import in &snapshot.imports {
            things.add(format!("import {}", import.address), &import.standing);
        }
        for export in &snapshot.exports {
            things.add(format!("export {}", export.name), &export.standing);
        }
        let others: Vec<&Alarm> = snapshot
            .alarms
            .iter()
            .filter(|alarm| !things.says(alarm))
            .collect();
        for alarm in others {
            things.add(format!("{ALARM}{}", alarm.about), &alarm.standing);
        }
        things.all
    }

    /// Of two of one name the first one counts: the other one is leaving, or is older.
    fn add(&mut self, about: String, standing: &Standing) {
        if self.all.len() < MOST_THINGS {
            self.all.entry(about).or_insert_with(|| Known {
                state: standing.state,
                why: standing.why.clone(),
                age: (self.now - standing.since).max(0.0),
            });
        }
    }

    /// Whether the row of a thing says the same as an alarm about it.
    fn says(&self, alarm: &Alarm) -> bool {
        let row = self.all.get(&alarm.about);
        row.is_some_and(|row| !row.why.is_empty() && alarm.standing.why.contains(&row.why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Export;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    fn standing(state: State, why: &str, since: f64) -> Standing {
        Standing {
            state,
            why: why.to_owned(),
            since,
        }
    }

    fn snapshot(now: f64, standing: Standing) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.gateway.now = now;
        snapshot.exports = vec![Export {
            name: "disk".to_owned(),
            standing,
            ..Export::default()
        }];
        snapshot
    }

    fn row(about: &str, at: f64, was: State, is: State, why: &str) -> StateChange {
        StateChange {
            about: about.to_owned(),
            at,
            was,
            is,
            why: why.to_owned(),
        }
    }

    /// The wall clock is 1000 s ahead.
    fn rows(changes: &Changes, millis: u64) -> Vec<StateChange> {
        #[allow(clippy::cast_precision_loss, reason = "small numbers")]
        let unix = 1000.0 + millis as f64 / 1000.0;
        changes.rows(at(millis), unix)
    }

    #[test]
    fn what_became_of_a_thing_is_told_the_newest_first() {
        let mut changes = Changes::default();
        changes.look(at(0), &snapshot(1000.0, standing(State::Up, "", 900.0)));
        changes.look(at(1000), &snapshot(1001.0, standing(State::Up, "", 900.0)));
        assert_eq!(rows(&changes, 1000), []);
        changes.look(
            at(2000),
            &snapshot(1002.0, standing(State::Down, "silent", 1001.25)),
        );
        changes.look(at(3000), &snapshot(1003.0, standing(State::Up, "", 1002.5)));
        changes.look(at(4000), &Snapshot::default());
        assert_eq!(
            rows(&changes, 5000),
            [
                row(
                    "export disk",
                    1004.0,
                    State::Up,
                    State::Leaving,
                    "it is not in the configuration any more"
                ),
                row("export disk", 1002.5, State::Down, State::Up, ""),
                row("export disk", 1001.25, State::Up, State::Down, "silent"),
            ]
        );
        assert_eq!(rows(&changes, 3_603_000).len(), 1, "of the last hour");
    }

    #[test]
    fn a_flap_between_two_looks_is_a_change_and_a_clock_that_steps_is_none() {
        let mut changes = Changes::default();
        changes.look(at(0), &snapshot(1000.0, standing(State::Up, "", 900.0)));
        changes.look(at(1000), &snapshot(5001.0, standing(State::Up, "", 4900.0)));
        changes.look(at(2000), &snapshot(1.0, standing(State::Up, "", 0.0)));
        let forward = rows(&changes, 2000);
        // Unix time has no moments before 0, so a clock that stands there makes everything young once.
        assert!(forward.len() <= 1, "{forward:?}");
        let mut changes = Changes::default();
        changes.look(at(0), &snapshot(1000.0, standing(State::Down, "silent", 900.0)));
        changes.look(
            at(1000),
            &snapshot(1001.0, standing(State::Down, "silent", 1000.6)),
        );
        let [flap] = rows(&changes, 1000).try_into().unwrap();
        assert_eq!((flap.was, flap.is), (State::Down, State::Down));
        assert!((flap.at - 1000.6).abs() < 0.001);
        assert!(flap.why.ends_with("between two looks: silent"), "{flap:?}");
    }

    #[test]
    fn numbers_that_go_on_are_no_change() {
        let mut changes = Changes::default();
        for (n, why) in (0_u32..).zip(["5 of its requests", "4 of its requests", "3 of its disks"]) {
            let now = 1000.0 + f64::from(n);
            changes.look(
                at(u64::from(n) * 1000),
                &snapshot(now, standing(State::Leaving, why, 900.0)),
            );
        }
        assert_eq!(rows(&changes, 2000).len(), 1);
    }

    #[test]
    fn an_alarm_is_told_unless_its_row_says_the_same() {
        let mut changes = Changes::default();
        let quiet = snapshot(1000.0, standing(State::Up, "", 900.0));
        changes.look(at(0), &quiet);
        let mut loud = snapshot(1001.0, standing(State::Down, "silent", 1000.5));
        for (about, why) in [("export disk", "export disk: silent; look"), ("network", "full")] {
            loud.alarms.push(Alarm {
                about: about.to_owned(),
                standing: standing(State::Degraded, why, 1000.75),
            });
        }
        changes.look(at(1000), &loud);
        let mut over = snapshot(1002.0, standing(State::Down, "silent", 1000.5));
        over.alarms.clear();
        changes.look(at(2000), &over);
        assert_eq!(
            rows(&changes, 2000),
            [
                row("alarm network", 1002.0, State::Degraded, State::Up, "over: full"),
                row("alarm network", 1000.75, State::Up, State::Degraded, "full"),
                row("export disk", 1000.5, State::Up, State::Down, "silent"),
            ]
        );
    }

    #[test]
    fn what_a_silent_worker_does_not_say_has_not_changed() {
        let mut changes = Changes::default();
        let all = snapshot(1000.0, standing(State::Up, "", 900.0));
        changes.look(at(0), &all);
        let mut part = Snapshot::default();
        part.gateway.now = 1001.0;
        part.alarms.push(Alarm {
            about: "worker 1".to_owned(),
            standing: standing(State::Down, "hangs", 1001.0),
        });
        changes.look(at(1000), &part);
        changes.look(at(2000), &snapshot(1002.0, standing(State::Up, "", 900.0)));
        let about: Vec<_> = rows(&changes, 2000).into_iter().map(|row| row.about).collect();
        assert_eq!(about, ["alarm worker 1", "alarm worker 1"]);
    }

    #[test]
    fn they_are_bounded() {
        let mut changes = Changes::default();
        for n in 0..2000_u32 {
            let now = 1000.0 + f64::from(n);
            let state = if n % 2 == 0 { State::Up } else { State::Down };
            changes.look(at(u64::from(n) * 1000), &snapshot(now, standing(state, "", now)));
        }
        assert_eq!(rows(&changes, 2_000_000).len(), MOST);
    }
}
