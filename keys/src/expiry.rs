//! How near the end of something is, and when a person should be told.

/// A day, in seconds.
const DAY: i64 = 86_400;
/// The nearest warning, in days.
const LAST_DAY: i64 = 1;
/// The second warning, in days; from then on there is one every day.
const LAST_WEEK: i64 = 7;
/// The first warning, in days.
const LAST_MONTH: i64 = 30;

/// How near an end is: warnings are due 30, 7 and 1 days before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Nearness {
    /// More than 30 days away.
    Far,
    /// At most 30 days away.
    Month,
    /// At most 7 days away.
    Week,
    /// At most 1 day away.
    Day,
    /// It is there, or past.
    Over,
}

impl Nearness {
    /// How near an end is, both in Unix time, in seconds.
    pub const fn of(end: i64, now: i64) -> Self {
        let left = end.saturating_sub(now);
        if left <= 0 {
            Self::Over
        } else if left <= LAST_DAY * DAY {
            Self::Day
        } else if left <= LAST_WEEK * DAY {
            Self::Week
        } else if left <= LAST_MONTH * DAY {
            Self::Month
        } else {
            Self::Far
        }
    }

    /// The same for something that began at `begin`. A warning that would come in the first half of its life is left out:
    /// what lives for a month is made again before its last week, and not as soon as it is made.
    pub const fn of_life(begin: i64, end: i64, now: i64) -> Self {
        let half = end.saturating_sub(begin) / 2;
        match Self::of(end, now) {
            Self::Month if half < LAST_MONTH * DAY => Self::Far,
            Self::Week if half < LAST_WEEK * DAY => Self::Far,
            Self::Day if half < LAST_DAY * DAY => Self::Far,
            near => near,
        }
    }

    /// Whether a person should be told.
    pub fn is_near(self) -> bool {
        self > Self::Far
    }

    /// Its name in metrics and JSON: `far`, `month`, `week`, `day`, `over`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Far => "far",
            Self::Month => "month",
            Self::Week => "week",
            Self::Day => "day",
            Self::Over => "over",
        }
    }

    /// Such as `it expires in 6 days` or `it expired 2 hours ago`.
    pub fn words(self, end: i64, now: i64) -> String {
        let left = end.saturating_sub(now);
        match left {
            0 => String::from("it expires now"),
            1.. => format!("it expires in {}", span(left)),
            _ => format!("it expired {} ago", span(left.saturating_neg())),
        }
    }
}

/// A span of time in one unit: seconds, minutes, hours or days, rounded down.
fn span(seconds: i64) -> String {
    let (amount, unit) = match seconds {
        ..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / DAY, "day"),
    };
    match amount {
        1 => format!("1 {unit}"),
        _ => format!("{amount} {unit}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_belongs_to_the_nearer_side() {
        let at = |left: i64| Nearness::of(1_000_000 + left, 1_000_000);
        for (left, nearness) in [
            (30 * DAY + 1, Nearness::Far),
            (30 * DAY, Nearness::Month),
            (7 * DAY + 1, Nearness::Month),
            (7 * DAY, Nearness::Week),
            (DAY + 1, Nearness::Week),
            (DAY, Nearness::Day),
            (1, Nearness::Day),
            (0, Nearness::Over),
            (-1, Nearness::Over),
        ] {
            assert_eq!(at(left), nearness, "{left}");
        }
        assert!(!Nearness::Far.is_near() && Nearness::Month.is_near() && Nearness::Over.is_near());
    }

    #[test]
    fn what_lives_shortly_is_not_warned_of_when_it_is_new() {
        let of = |life: i64, left: i64| Nearness::of_life(0, life * DAY, life * DAY - left);
        assert_eq!(of(365, 30 * DAY), Nearness::Month);
        assert_eq!(of(60, 30 * DAY), Nearness::Month);
        assert_eq!(of(59, 30 * DAY), Nearness::Far);
        assert_eq!(of(30, 7 * DAY), Nearness::Week);
        assert_eq!(of(7, 7 * DAY), Nearness::Far);
        assert_eq!(of(7, DAY), Nearness::Day);
        assert_eq!(of(1, DAY / 2), Nearness::Far);
        assert_eq!(of(1, 0), Nearness::Over);
    }

    #[test]
    fn an_end_is_told_in_one_unit() {
        let told = |left: i64| Nearness::of(left, 0).words(left, 0);
        assert_eq!(told(6 * DAY + 5), "it expires in 6 days");
        assert_eq!(told(25 * 3600), "it expires in 25 hours");
        assert_eq!(told(60), "it expires in 1 minute");
        assert_eq!(told(-2 * 3600), "it expired 2 hours ago");
        assert_eq!(told(0), "it expires now");
        // A certificate may say any date.
        assert!(Nearness::of(i64::MIN, i64::MAX) == Nearness::Over && !told(i64::MIN).is_empty());
    }
}
