//! Pauses of an export or import: how long they may last, so that no initiator gives its disk up.
//!
//! The Linux driver gives a device up when a request of it has not been answered for 180 s (`aoe_deadsecs`), counted from
//! its first copy. So a pause is bounded by what initiators may have waited already: from the oldest request that waits,
//! and from the pause before, until everybody has had the time to be served in between.

use std::time::Duration;

use crate::snapshot;
use crate::standing::Moment;
use crate::steer;
use crate::time::Instant;

/// Longest time that a request waits because of pauses: below 180 s by what a path, a queue and a slow disk may take.
pub(crate) const LONGEST: Duration = Duration::from_secs(150);
/// Not worth a pause.
const SHORTEST: Duration = Duration::from_secs(1);
/// Who waits for something has asked for it again within this time: the Linux driver asks every 17 s at least.
pub(crate) const ASKED_AGAIN: Duration = Duration::from_secs(20);

/// The pause of a thing, and the one before.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    on: Option<Pause>,
    /// From when somebody may have waited until the last pause ended, and when that was.
    last: Option<(Instant, Instant)>,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    /// Who said so, in words.
    pub(crate) by: String,
    pub(crate) since: Instant,
    /// When it ends by itself.
    pub(crate) until: Instant,
    /// From when somebody may have waited.
    first: Instant,
}

impl Pauses {
    /// Whether one is on.
    pub(crate) fn is_on(&self) -> bool {
        self.on.is_some()
    }

    /// The one that is on.
    pub(crate) fn on(&self) -> Option<&Pause> {
        self.on.as_ref()
    }

    /// How long a pause may last from now on, if a request waits that was first asked at `oldest`.
    pub(crate) fn possible(&self, oldest: Option<Instant>, now: Instant) -> Duration {
        (self.first(oldest, now) + LONGEST).saturating_since(now)
    }

    fn first(&self, oldest: Option<Instant>, now: Instant) -> Instant {
        let on = self.on.as_ref().map(|pause| pause.first);
        let last = self
            .last
            .filter(|(_, ended)| now.saturating_since(*ended) < ASKED_AGAIN);
        let last = last.map(|(first, _)| first);
        [oldest, on, last].into_iter().flatten().fold(now, Instant::min)
    }

    /// Begins a pause, or lets the one that is on end at another time: `asked` from now, or as late as it may.
    /// False: one may not begin, for somebody has waited for too long.
    pub(crate) fn begin(&mut self, asked: Duration, by: &str, oldest: Option<Instant>, now: Instant) -> bool {
        let possible = self.possible(oldest, now);
        let first = self.first(oldest, now);
        let until = now + asked.min(possible);
        match &mut self.on {
            Some(pause) => {
                *pause = Pause {
                    by: by.to_owned(),
                    since: pause.since,
                    until,
                    first,
                }
            }
            None if possible < SHORTEST => return false,
            None => {
                self.on = Some(Pause {
                    by: by.to_owned(),
                    since: now,
                    until,
                    first,
                })
            }
        }
        true
    }

    /// It is over.
    pub(crate) fn end(&mut self, now: Instant) -> Option<Pause> {
        let pause = self.on.take()?;
        self.last = Some((pause.first, now));
        Some(pause)
    }

    /// When the last pause ended, if none is on.
    pub(crate) fn ended(&self) -> Instant {
        self.last.map_or(Instant::default(), |(_, ended)| ended)
    }

    /// When it ends by itself.
    pub(crate) fn deadline(&self) -> Instant {
        self.on.as_ref().map_or(Instant::NEVER, |pause| pause.until)
    }

    /// For people.
    pub(crate) fn row(&self, moment: &Moment) -> Option<snapshot::Paused> {
        let pause = self.on.as_ref()?;
        Some(snapshot::Paused {
            by: pause.by.clone(),
            since: moment.unix(pause.since),
            resumes: moment.unix(pause.until),
        })
    }

    /// For who asked for it.
    pub(crate) fn steered(&self, oldest: Option<Instant>, now: Instant) -> steer::Pausing {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        steer::Pausing {
            is_on: self.is_on(),
            by: self.on.as_ref().map(|pause| pause.by.clone()).unwrap_or_default(),
            left_ms: self
                .on
                .as_ref()
                .map_or(0, |pause| millis(pause.until.saturating_since(now))),
            possible_ms: millis(self.possible(oldest, now)),
            oldest_ms: millis(oldest.map_or(Duration::ZERO, |oldest| now.saturating_since(oldest))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::from_micros(secs * 1_000_000)
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_pause_ends_when_it_was_asked_to_or_when_it_has_to() {
        let mut pauses = Pauses::default();
        assert!(pauses.begin(MINUTE, "me", None, at(1000)));
        assert_eq!(pauses.deadline(), at(1060));
        // Once more, and once more: from the first on.
        assert!(pauses.begin(MINUTE, "me", None, at(1050)));
        assert_eq!(pauses.deadline(), at(1110));
        assert!(pauses.begin(MINUTE, "me", None, at(1105)));
        assert_eq!(pauses.deadline(), at(1150));
        assert!(pauses.begin(MINUTE, "me", None, at(1149)));
        assert_eq!(pauses.deadline(), at(1150));
        // It may be made shorter.
        let mut pauses = Pauses::default();
        assert!(pauses.begin(MINUTE, "me", None, at(1000)));
        assert!(pauses.begin(MINUTE / 6, "me", None, at(1000)));
        assert_eq!(pauses.deadline(), at(1010));
    }

    #[test]
    fn what_initiators_have_waited_counts() {
        let mut pauses = Pauses::default();
        assert_eq!(
            pauses.possible(Some(at(900)), at(1000)),
            LONGEST - Duration::from_secs(100)
        );
        assert!(pauses.begin(MINUTE, "me", Some(at(900)), at(1000)));
        assert_eq!(pauses.deadline(), at(1050));
        // The request that waited is gone; what it waited is not forgotten while its initiator may not have been served.
        assert_eq!(pauses.end(at(1040)).unwrap().since, at(1000));
        assert!(pauses.begin(MINUTE, "me", None, at(1041)));
        assert_eq!(pauses.deadline(), at(1050));
        pauses.end(at(1050));
        assert!(!pauses.begin(MINUTE, "me", None, at(1051)));
        assert!(!pauses.is_on());
        assert!(pauses.begin(MINUTE, "me", None, at(1070)));
        assert_eq!(pauses.deadline(), at(1130));
    }
}
