//! How a thing is, why, and since when.

use crate::snapshot::{self, State};
use crate::time::Instant;
use std::time::Duration;

/// How a thing is; keeps the moment of the last change.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    state: State,
    why: String,
    since: Instant,
}

impl Standing {
    /// It was not heard yet.
    pub(crate) fn new(now: Instant) -> Standing {
        Standing {
            state: State::Starting,
            why: String::new(),
            since: now,
        }
    }

    /// It is so now. The same again changes nothing.
    pub(crate) fn note(&mut self, state: State, why: impl AsRef<str>, now: Instant) {
        let why = why.as_ref();
        if self.state != state || self.why != why {
            *self = Standing {
                state,
                why: why.to_owned(),
                since: now,
            };
        }
    }

    /// How it is.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// The same as data.
    pub(crate) fn row(&self, moment: &Moment) -> snapshot::Standing {
        snapshot::Standing {
            state: self.state,
            why: self.why.clone(),
            since: moment.unix(self.since),
        }
    }
}

/// One moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    /// What the wall clock says, since 1970.
    pub(crate) wall: Duration,
}

impl Moment {
    /// An earlier or later moment in Unix time, in seconds, to the millisecond.
    pub(crate) fn unix(&self, at: Instant) -> f64 {
        let (before, after) = (self.now.saturating_since(at), at.saturating_since(self.now));
        let unix = self.wall.saturating_sub(before).saturating_add(after);
        #[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970 have 41 bits")]
        let millis = unix.as_millis() as f64;
        millis / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_the_last_change() {
        let at = |secs: u64| Instant::from_micros(secs * 1_000_000);
        let mut standing = Standing::new(at(1));
        standing.note(State::Up, "", at(2));
        standing.note(State::Up, "", at(3));
        let moment = Moment {
            now: at(10),
            wall: Duration::from_secs(1000),
        };
        assert_eq!(standing.row(&moment).since, 992.0);
        standing.note(State::Down, "the target is away", at(4));
        let row = standing.row(&moment);
        assert_eq!((row.state, row.since), (State::Down, 994.0));
        assert_eq!(moment.unix(at(12)), 1002.0);
    }
}
