//! Which warnings are due: once for each threshold, and every day in the last week.

use std::collections::BTreeMap;

use aoe_keys::expiry::Nearness;

use super::Ending;

/// How long it is silent about one ending in its last week and after it, in seconds.
const DAILY: i64 = 86_400;

/// What was said already.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    /// By the ending; what is renewed is another one.
    said: BTreeMap<Key, Said>,
}

type Key = (&'static str, String, i64);

#[derive(Clone, Copy, Debug)]
struct Said {
    nearness: Nearness,
    at: i64,
}

impl Warnings {
    /// The endings of which a warning is due now, the nearest first. What is no longer there is forgotten.
    pub(super) fn due<'a>(&mut self, endings: &'a [Ending], now: i64) -> Vec<&'a Ending> {
        let key = |ending: &Ending| -> Key { (ending.what, ending.name.clone(), ending.end) };
        let before = std::mem::take(&mut self.said);
        let mut due = Vec::new();
        for ending in endings {
            let nearness = ending.nearness(now);
            if !nearness.is_near() {
                continue;
            }
            let known = before.get(&key(ending)).copied();
            let said = match known {
                Some(said) if !is_due(said, nearness, now) => said,
                _ => {
                    due.push(ending);
                    Said { nearness, at: now }
                }
            };
            self.said.insert(key(ending), said);
        }
        due.sort();
        due.dedup();
        due
    }
}

/// Whether there is something to be said again. A clock that is set back says nothing twice in a day.
fn is_due(said: Said, nearness: Nearness, now: i64) -> bool {
    let again = nearness >= Nearness::Week && now.saturating_sub(said.at) >= DAILY;
    nearness > said.nearness || again
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DAY, YEAR, certificate};
    use super::*;

    /// The days before the end on which something was said, looking every minute.
    fn days(endings: &[Ending], from: i64, until: i64) -> Vec<i64> {
        let mut warnings = Warnings::default();
        let minutes = (from..until).step_by(60);
        let said = minutes.filter(|now| !warnings.due(endings, *now).is_empty());
        said.map(|now| (YEAR - now) / DAY).collect()
    }

    #[test]
    fn a_year_brings_one_warning_a_month_before_and_one_each_day_of_the_last_week() {
        assert_eq!(
            days(&[certificate("a")], 0, YEAR + 2 * DAY),
            [30, 7, 6, 5, 4, 3, 2, 1, 0, -1]
        );
    }

    #[test]
    fn a_gateway_that_starts_late_says_at_once_what_is_near() {
        assert_eq!(days(&[certificate("a")], YEAR - 20 * DAY, YEAR - 8 * DAY), [20]);
        assert_eq!(days(&[certificate("a")], YEAR + DAY, YEAR + DAY + 60), [-1]);
    }

    #[test]
    fn what_lives_for_a_month_is_not_warned_of_when_it_is_new() {
        let list = Ending {
            begin: YEAR - 30 * DAY,
            ..certificate("ca.crl")
        };
        assert_eq!(days(&[list], YEAR - 30 * DAY, YEAR), [7, 6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn what_is_renewed_begins_again_and_what_is_gone_is_silent() {
        let mut warnings = Warnings::default();
        let now = YEAR - 5 * DAY;
        let old = [certificate("a")];
        assert_eq!(warnings.due(&old, now).len(), 1);
        assert!(warnings.due(&old, now + 1).is_empty());
        let renewed = [Ending {
            end: 2 * YEAR,
            ..certificate("a")
        }];
        assert!(warnings.due(&renewed, now + 2).is_empty());
        assert!(warnings.said.is_empty());
        assert_eq!(warnings.due(&old, now + 3).len(), 1, "the old one is back");
    }

    #[test]
    fn the_same_file_twice_is_one_warning_and_a_clock_set_back_brings_none() {
        let mut warnings = Warnings::default();
        let twice = [certificate("a"), certificate("a")];
        let now = YEAR - 5 * DAY;
        assert_eq!(warnings.due(&twice, now).len(), 1);
        assert!(warnings.due(&twice, now - DAY / 2).is_empty());
    }
}
