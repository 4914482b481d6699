//! Things that end: certificates, revocation lists, keys that are dropped at a date.
//!
//! The code that knows such a thing makes an [`Ending`] of it; all else is here. Who reads the configuration gives it to its
//! `Reader::ends`; what is known only later goes into `endings` of `control::About`. `status` and metrics show them, an alarm
//! stands in the last week, and [`warn`] has it logged 30, 7 and 1 days before.

mod warnings;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use aoe_common::snapshot::{Alarm, Expiring, Standing, State};
use aoe_keys::expiry::Nearness;
use tokio::time::sleep;

use self::warnings::Warnings;
use crate::clock::unix_time;
use crate::control::Snapshots;
use crate::logging::id;

/// How often it is looked whether a warning is due. By the wall clock, which may be set.
const LOOK: Duration = Duration::from_secs(60);
/// Endings that a document has; the nearest of them.
pub(crate) const MOST: usize = 256;

/// Something that ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ending {
    /// When, in Unix time, in seconds.
    pub(crate) end: i64,
    /// When it began, in Unix time, in seconds.
    pub(crate) begin: i64,
    /// What kind of thing it is: `certificate`, `ca`, `crl`, `key`.
    pub(crate) what: &'static str,
    /// Which: a file, or a name.
    pub(crate) name: String,
    /// What happens then, such as `no peer can be called with it`.
    pub(crate) then: &'static str,
    /// What to do, such as `aoe-keys ca renew site-a`.
    pub(crate) cure: String,
}

impl Ending {
    /// How near it is.
    pub(crate) fn nearness(&self, now: i64) -> Nearness {
        Nearness::of_life(self.begin, self.end, now)
    }

    /// What ends, when, and what that means.
    pub(crate) fn told(&self, now: i64) -> String {
        let when = self.nearness(now).words(self.end, now);
        let Ending { what, name, then, .. } = self;
        format!("{what} {name}: {when}; then {then}")
    }

    /// Everything there is to say, in one sentence.
    pub(crate) fn words(&self, now: i64) -> String {
        format!("{}; to mend it: {}", self.told(now), self.cure)
    }

    fn row(&self, now: i64) -> Expiring {
        let nearness = self.nearness(now);
        Expiring {
            what: self.what.to_owned(),
            name: self.name.clone(),
            // Exact until the year 285 million.
            #[expect(
                clippy::cast_precision_loss,
                reason = "a date is far smaller than 2^53 seconds"
            )]
            not_after: self.end as f64,
            within: nearness.word().to_owned(),
            why: if nearness.is_near() {
                self.words(now)
            } else {
                String::new()
            },
        }
    }

    /// What an operator should look at, from the last week on.
    fn alarm(&self, now: i64) -> Option<Alarm> {
        let nearness = self.nearness(now);
        let (state, ahead) = match nearness {
            Nearness::Far | Nearness::Month => return None,
            Nearness::Week => (State::Degraded, 7 * 86_400),
            Nearness::Day => (State::Degraded, 86_400),
            Nearness::Over => (State::Down, 0),
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "a date is far smaller than 2^53 seconds"
        )]
        let since = self.end.saturating_sub(ahead) as f64;
        Some(Alarm {
            about: format!("{} {}", self.what, self.name),
            standing: Standing {
                state,
                why: self.words(now),
                since,
            },
        })
    }
}

/// The rows of a document, the nearest end first, and the alarms.
pub(crate) fn rows(endings: &[Ending], now: i64) -> (Vec<Expiring>, Vec<Alarm>) {
    let mut sorted: Vec<&Ending> = endings.iter().collect();
    sorted.sort();
    sorted.truncate(MOST);
    let rows = sorted.iter().map(|ending| ending.row(now)).collect();
    let alarms = sorted.iter().filter_map(|ending| ending.alarm(now)).collect();
    (rows, alarms)
}

/// Has every warning logged when it is due.
pub(crate) async fn warn(snapshots: Arc<Snapshots>) -> Infallible {
    let mut warnings = Warnings::default();
    loop {
        let now = i64::try_from(unix_time().as_secs()).unwrap_or(i64::MAX);
        for ending in warnings.due(&snapshots.endings(), now) {
            tracing::warn!(
                id = id::EXPIRES,
                what = ending.what,
                name = ending.name,
                "{}",
                ending.words(now)
            );
        }
        sleep(LOOK).await;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const DAY: i64 = 86_400;
    pub(crate) const YEAR: i64 = 365 * DAY;

    /// A certificate that counts from the day 0 for a year.
    pub(crate) fn certificate(name: &str) -> Ending {
        Ending {
            end: YEAR,
            begin: 0,
            what: "certificate",
            name: name.to_owned(),
            then: "no session can be made with it",
            cure: format!("aoe-keys ca renew {name}"),
        }
    }

    #[test]
    fn what_is_far_is_a_row_and_what_is_near_says_why() {
        let (rows, alarms) = rows(&[certificate("a")], 100 * DAY);
        assert_eq!((rows[0].within.as_str(), rows[0].why.as_str()), ("far", ""));
        assert!(alarms.is_empty());
        let (rows, alarms) = super::rows(&[certificate("a")], YEAR - 20 * DAY);
        assert_eq!(
            rows[0].why,
            "certificate a: it expires in 20 days; then no session can be made with it; to mend it: aoe-keys ca renew a"
        );
        assert!(alarms.is_empty(), "a month before, nothing is degraded");
    }

    #[test]
    fn an_alarm_stands_in_the_last_week_and_is_worse_at_the_end() {
        for (left, state, since) in [
            (7 * DAY, State::Degraded, YEAR - 7 * DAY),
            (DAY / 2, State::Degraded, YEAR - DAY),
            (0, State::Down, YEAR),
            (-5, State::Down, YEAR),
        ] {
            let (_, alarms) = rows(&[certificate("a")], YEAR - left);
            assert_eq!(alarms.len(), 1, "{left}");
            assert_eq!(alarms[0].about, "certificate a");
            assert_eq!(alarms[0].standing.state, state, "{left}");
            assert_eq!(alarms[0].standing.since, since as f64, "{left}");
        }
    }

    #[test]
    fn the_nearest_are_shown_if_there_are_too_many() {
        let many: Vec<_> = (0..1000)
            .map(|n| Ending {
                end: YEAR - n,
                ..certificate(&format!("{n:03}"))
            })
            .collect();
        let (rows, _) = rows(&many, 0);
        assert_eq!(rows.len(), MOST);
        assert_eq!(rows[0].name, "999");
    }
}
