//! What was: how much was carried in each second of the last hour and each minute of the last day, and by whom.
//!
//! It is made of snapshots, so it costs the data plane no more than they do. Times are counted by a clock that never
//! steps; wall clock is what they are called when somebody asks. What was not seen is a gap, not nothing.
//!
//! **Memory.** [`MOST_THINGS`] exports and imports are followed, 2.9 kB each. Samples are 16 bytes, kept in pages of 60,
//! and only pages on which something happened take memory (960 bytes): 58 kB an hour of seconds and 23 kB a day of
//! minutes of a thing that is always busy. There are at most [`MOST_PAGES`] pages of seconds and as many of minutes, 15.7 MB each:
//! enough for 273 things that are always busy. With more of them the past is shorter: with 1024 a quarter of an hour of
//! seconds, and 16 hours of minutes. The busiest [initiators](Minute) of an hour take 0.2 MB.

mod answer;
mod changes;
mod ring;
mod series;
mod short;
mod usage;
mod users;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

pub use self::answer::{Columns, Index, Row, Span};
pub use self::changes::Changes;
use self::ring::{PAGE, Pages};
use self::series::{Interval, SECOND, Series};
use self::usage::Usage;
use self::users::Users;
pub use self::users::{Minute, Used, User};
use crate::snapshot::{Snapshot, Split, Traffic};
use crate::time::Instant;

/// Exports and imports that are followed.
pub const MOST_THINGS: usize = 2048;
/// Pages of 60 samples of seconds that are kept, and as many of minutes.
pub const MOST_PAGES: usize = 16_384;
/// Seconds in an hour.
const HOUR: u64 = 3600;
/// Seconds in a day.
const DAY: u64 = 24 * HOUR;

/// What there is a past of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// All imports together.
    Imports,
    /// All exports together.
    Exports,
    /// One import. Times are from capture to answer.
    Import,
    /// One export. Times are those at its target.
    Export,
}

/// What it is the past of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Thing {
    kind: Kind,
    /// The name of an export, the shelf.slot of an import.
    name: String,
    /// The segment of an import.
    segment: String,
}

impl Thing {
    /// All of a kind together.
    fn all(kind: Kind) -> Thing {
        Thing {
            kind,
            name: String::new(),
            segment: String::new(),
        }
    }

    fn is_sum(&self) -> bool {
        matches!(self.kind, Kind::Imports | Kind::Exports)
    }
}

/// The past of a gateway.
#[derive(Debug)]
pub struct History {
    things: BTreeMap<Thing, (u32, Series)>,
    /// How many things have had a number. None is used twice.
    numbered: u32,
    users: Users,
    /// The last look.
    last: Option<Instant>,
    /// How often it looks.
    period: Duration,
    /// Things that there is no room for.
    untold: usize,
    seconds: Pages,
    minutes: Pages,
}

impl Default for History {
    fn default() -> Self {
        History::new(MOST_PAGES)
    }
}

impl History {
    fn new(pages: usize) -> Self {
        let sum = |(id, kind)| (Thing::all(kind), (id, Series::new(0)));
        History {
            things: [(1, Kind::Imports), (2, Kind::Exports)].map(sum).into(),
            numbered: 2,
            users: Users::default(),
            last: None,
            period: Duration::from_secs(1),
            untold: 0,
            seconds: Pages::new(pages),
            minutes: Pages::new(pages),
        }
    }

    /// Looks at a snapshot that was made at `at`; the next look should be `period` later.
    ///
    /// A second look within a second is none. One that comes a second too late or more leaves a gap.
    pub fn look(&mut self, at: Instant, snapshot: &Snapshot, period: Duration) {
        let now = second(at);
        let interval = match self.last {
            Some(last) if second(last) >= now => return,
            Some(last) => Some(Interval {
                seconds: (second(last), now),
                took: at.micros_since(last),
                is_whole: at.saturating_since(last) < self.period + Duration::from_secs(1),
            }),
            None => None,
        };
        self.last = Some(at);
        self.period = period;
        if let Some(Interval {
            seconds: (before, _), ..
        }) = interval
            && before / PAGE != now / PAGE
        {
            self.close(before / PAGE);
        }
        self.users.look(snapshot);
        // First, so that no page is overwritten whose memory is still counted.
        self.forget(now);
        self.look_at_things(now, interval, snapshot);
        self.trim();
    }

    /// When the next look is due: as its second begins.
    pub fn next(&self) -> Instant {
        let last = self.last.map(|last| second(last).saturating_mul(SECOND));
        last.map_or(Instant::default(), |last| {
            Instant::from_micros(last) + self.period
        })
    }

    /// This minute is over.
    fn close(&mut self, minute: u64) {
        self.users.close(minute);
        let all = self.things.values_mut();
        let taken: usize = all.map(|(_, series)| series.close(minute)).sum();
        self.minutes.take(taken);
    }

    fn look_at_things(&mut self, now: u64, interval: Option<Interval>, snapshot: &Snapshot) {
        self.untold = 0;
        let mut sums = [
            (Kind::Imports, Usage::default()),
            (Kind::Exports, Usage::default()),
        ];
        let [(_, imports), (_, exports)] = &mut sums;
        for row in &snapshot.imports {
            let thing = Thing {
                kind: Kind::Import,
                name: row.address.clone(),
                segment: row.segment.clone(),
            };
            self.look_at(thing, usage(row.traffic, row.latency), now, interval, imports);
        }
        for row in &snapshot.exports {
            let thing = Thing {
                kind: Kind::Export,
                name: row.name.clone(),
                segment: String::new(),
            };
            self.look_at(thing, usage(row.traffic, row.latency), now, interval, exports);
        }
        // Without what belongs to a worker that did not answer a sum would be wrong.
        let is_whole = !is_partial(snapshot);
        for (kind, sum) in sums {
            let thing = Thing::all(kind);
            if let (Some(series), Some(interval), true) = (self.series(thing, now), interval, is_whole) {
                let taken = series.keep(&sum, interval);
                self.seconds.take(taken);
            }
        }
        for (thing, (_, series)) in &mut self.things {
            if series.seen != now && !thing.is_sum() {
                series.is_away();
            }
        }
    }

    fn look_at(&mut self, thing: Thing, usage: Usage, now: u64, interval: Option<Interval>, sum: &mut Usage) {
        let Some(series) = self.series(thing, now) else {
            self.untold = self.untold.saturating_add(1);
            return;
        };
        // Of two of one name the first one counts: the other one is leaving.
        if series.seen == now && series.is_there() {
            return;
        }
        series.seen = now;
        if let (Some(usage), Some(interval)) = (series.look(usage), interval) {
            sum.add(&usage);
            let taken = series.keep(&usage, interval);
            self.seconds.take(taken);
        }
    }

    /// The past of a thing; `None`: there is no room for one more.
    fn series(&mut self, thing: Thing, now: u64) -> Option<&mut Series> {
        if !self.things.contains_key(&thing) {
            if self.things.len() >= MOST_THINGS.saturating_add(2) && !self.make_room() {
                return None;
            }
            self.numbered = self.numbered.saturating_add(1);
            self.things
                .insert(thing.clone(), (self.numbered, Series::new(now)));
        }
        self.things.get_mut(&thing).map(|(_, series)| series)
    }

    /// Forgets what has been away for longest.
    fn make_room(&mut self) -> bool {
        let away = self.things.iter().filter(|(_, (_, series))| !series.is_there());
        let away = away.filter(|(thing, _)| !thing.is_sum());
        let oldest = away.min_by_key(|(_, (_, series))| series.seen);
        let Some(thing) = oldest.map(|(thing, _)| thing.clone()) else {
            return false;
        };
        if let Some((_, mut series)) = self.things.remove(&thing) {
            self.seconds.give_back(series.forget_seconds(u64::MAX));
            self.minutes.give_back(series.forget_minutes(u64::MAX));
        }
        true
    }

    /// Forgets what is too old.
    fn forget(&mut self, now: u64) {
        let oldest = (now / PAGE).saturating_sub(HOUR / PAGE);
        self.seconds.first = self.seconds.first.max(oldest);
        let oldest = (now / HOUR).saturating_sub(DAY / HOUR);
        self.minutes.first = self.minutes.first.max(oldest);
        let (seconds, minutes) = (self.seconds.first, self.minutes.first);
        for (_, series) in self.things.values_mut() {
            self.seconds.give_back(series.forget_seconds(seconds));
            self.minutes.give_back(series.forget_minutes(minutes));
        }
        self.things
            .retain(|thing, (_, series)| thing.is_sum() || !series.is_over());
    }

    /// While there are too many pages, the oldest of all things go.
    fn trim(&mut self) {
        while self.seconds.is_too_much() {
            let all = self.things.values_mut();
            let freed = all
                .map(|(_, series)| series.forget_seconds(self.seconds.first))
                .sum();
            self.seconds.give_back(freed);
        }
        while self.minutes.is_too_much() {
            let all = self.things.values_mut();
            let freed = all
                .map(|(_, series)| series.forget_minutes(self.minutes.first))
                .sum();
            self.minutes.give_back(freed);
        }
    }
}

/// The second of a moment, counted from the start.
fn second(at: Instant) -> u64 {
    at.as_micros() / SECOND
}

/// Whether a worker did not answer, so that what belongs to it is missing.
fn is_partial(snapshot: &Snapshot) -> bool {
    snapshot
        .alarms
        .iter()
        .any(|alarm| alarm.about.starts_with("worker "))
}

/// What is kept of a row. The time is the whole one, where this gateway sees it, else that at the target.
fn usage(traffic: Traffic, latency: Split) -> Usage {
    Usage {
        traffic,
        latency: latency.total.or(latency.target).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
