//! One goal, and its number.

/// One goal, held against the figures.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Goal {
    /// What is looked at.
    pub(crate) what: String,
    /// What it has to be.
    pub(crate) wanted: String,
    /// What it is.
    pub(crate) found: String,
    /// Whether that is enough.
    pub(crate) is_met: bool,
}

/// A number with its unit, and how many digits of it mean anything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    name: &'static str,
    digits: usize,
}

pub(super) const TIMES: Unit = Unit::new("", 2);
pub(super) const COUNT: Unit = Unit::new("", 1);
pub(super) const SECONDS: Unit = Unit::new(" s", 1);
pub(super) const MILLIS: Unit = Unit::new(" ms", 0);
pub(super) const MICROS: Unit = Unit::new(" us", 1);
/// For what one frame costs.
pub(super) const FEW_MICROS: Unit = Unit::new(" us", 2);

impl Unit {
    const fn new(name: &'static str, digits: usize) -> Self {
        Unit { name, digits }
    }

    fn show(self, number: f64) -> String {
        format!("{number:.*}{}", self.digits, self.name)
    }

    /// A goal for something that may not be smaller; none without a figure, or without anything to compare it with.
    pub(super) fn at_least(
        self,
        what: &str,
        found: Option<f64>,
        wanted: impl Into<Option<f64>>,
    ) -> Option<Goal> {
        self.goal(what, found, ("at least", wanted.into()), |found, wanted| {
            found >= wanted
        })
    }

    /// A goal for something that may not be larger.
    pub(super) fn at_most(
        self,
        what: &str,
        found: Option<f64>,
        wanted: impl Into<Option<f64>>,
    ) -> Option<Goal> {
        self.goal(what, found, ("at most", wanted.into()), |found, wanted| {
            found <= wanted
        })
    }

    fn goal(
        self,
        what: &str,
        found: Option<f64>,
        (bound, wanted): (&str, Option<f64>),
        is_met: fn(f64, f64) -> bool,
    ) -> Option<Goal> {
        let (found, wanted) = (found?, wanted?);
        Some(Goal {
            what: what.to_owned(),
            wanted: format!("{bound} {}", self.show(wanted)),
            found: self.show(found),
            is_met: is_met(found, wanted),
        })
    }

    /// As [`Unit::at_most`], of what takes `scale` times as long on the machine of the day as where the goal was set.
    pub(super) fn at_most_scaled(
        self,
        what: &str,
        found: Option<f64>,
        set: Option<(f64, f64)>,
    ) -> Option<Goal> {
        let (set, scale) = set?;
        let goal = self.at_most(what, found, set * scale)?;
        let wanted = format!("{} ({} x {scale:.2})", goal.wanted, self.show(set));
        Some(Goal { wanted, ..goal })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_needs_a_figure_and_something_to_hold_it_against() {
        assert_eq!(TIMES.at_least("x", None, 0.5), None);
        assert_eq!(TIMES.at_least("x", Some(0.5), None), None);
        let goal = TIMES.at_least("x", Some(0.5), 0.5).unwrap();
        assert_eq!(
            (goal.wanted.as_str(), goal.found.as_str(), goal.is_met),
            ("at least 0.50", "0.50", true)
        );
        assert!(!TIMES.at_least("x", Some(0.49), 0.5).unwrap().is_met);
        assert!(COUNT.at_most("x", Some(0.0), 0.0).unwrap().is_met);
        assert!(!COUNT.at_most("x", Some(1.0), 0.0).unwrap().is_met);
    }

    #[test]
    fn a_slower_machine_gets_more_time_and_a_faster_one_less() {
        let goal = |scale| {
            FEW_MICROS
                .at_most_scaled("x", Some(5.0), Some((4.9, scale)))
                .unwrap()
        };
        assert!(goal(1.1).is_met && !goal(1.0).is_met);
        assert_eq!(goal(1.1).wanted, "at most 5.39 us (4.90 us x 1.10)");
    }
}
