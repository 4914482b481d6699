//! Sets of sectors.

use crate::config::LbaRange;

/// A set of sectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reach {
    /// None.
    #[default]
    Nothing,
    /// All there are.
    Everything,
    /// These: ascending, with at least one sector between two of them.
    Runs(Box<[LbaRange]>),
}

impl Reach {
    /// All sectors of these lists, of which `None` has all.
    pub(crate) fn of<'a>(lists: impl Iterator<Item = Option<&'a [LbaRange]>>) -> Reach {
        let mut runs = Vec::new();
        for list in lists {
            match list {
                None => return Reach::Everything,
                Some(list) => runs.extend_from_slice(list),
            }
        }
        Reach::from_runs(runs)
    }

    /// The sectors of all these runs, in any order, overlapping or not.
    pub(crate) fn from_runs(mut runs: Vec<LbaRange>) -> Reach {
        runs.sort_unstable();
        let mut apart: Vec<LbaRange> = Vec::with_capacity(runs.len());
        for run in runs {
            match apart.last_mut() {
                Some(last) if run.first() <= last.last().saturating_add(1) => {
                    let end = last.last().max(run.last());
                    *last = LbaRange::new(last.first(), end).unwrap_or(*last);
                }
                _ => apart.push(run),
            }
        }
        match apart.as_slice() {
            [] => Reach::Nothing,
            [LbaRange::ALL] => Reach::Everything,
            _ => Reach::Runs(apart.into_boxed_slice()),
        }
    }

    /// Whether all sectors from `first` to `last` are in it.
    #[inline]
    pub(crate) fn holds(&self, first: u64, last: u64) -> bool {
        match self {
            Reach::Everything => true,
            Reach::Nothing => false,
            Reach::Runs(runs) => {
                let at = runs.partition_point(|run| run.last() < first);
                // They are apart, so what two of them hold together no one run does.
                runs.get(at)
                    .is_some_and(|run| run.first() <= first && last <= run.last())
            }
        }
    }

    /// Its runs.
    pub(crate) fn runs(&self) -> &[LbaRange] {
        match self {
            Reach::Nothing => &[],
            Reach::Everything => &[LbaRange::ALL],
            Reach::Runs(runs) => runs,
        }
    }

    /// What is in it and not in the other.
    pub(crate) fn without(&self, other: &Reach) -> Vec<LbaRange> {
        let mut left = Vec::new();
        for run in self.runs() {
            let mut next = run.first();
            for hole in other.runs().iter().filter(|hole| hole.last() >= run.first()) {
                if hole.first() > run.last() {
                    break;
                }
                left.extend(
                    hole.first()
                        .checked_sub(1)
                        .and_then(|end| LbaRange::new(next, end)),
                );
                next = next.max(hole.last() + 1);
            }
            left.extend(LbaRange::new(next, run.last()));
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(first: u64, last: u64) -> LbaRange {
        LbaRange::new(first, last).unwrap()
    }

    #[test]
    fn ends_are_included_and_neighbours_are_one() {
        let reach = Reach::from_runs(vec![run(10, 19), run(20, 29), run(40, 40)]);
        assert_eq!(reach.runs(), [run(10, 29), run(40, 40)]);
        for (first, last, holds) in [
            (10, 29, true),
            (9, 10, false),
            (29, 30, false),
            (29, 29, true),
            (19, 20, true),
            (40, 40, true),
            (39, 40, false),
            (29, 40, false),
        ] {
            assert_eq!(reach.holds(first, last), holds, "{first} to {last}");
        }
        assert_eq!(Reach::from_runs(vec![LbaRange::ALL]), Reach::Everything);
    }

    proptest! {
        /// Sector by sector, over few of them.
        #[test]
        fn sets_are_what_their_sectors_say(
            ours in prop::collection::vec((0u64..40, 0u64..12), 0..6),
            theirs in prop::collection::vec((0u64..40, 0u64..12), 0..6),
        ) {
            let runs = |list: &[(u64, u64)]| list.iter().map(|(first, more)| run(*first, first + more)).collect::<Vec<_>>();
            let (ours, theirs) = (runs(&ours), runs(&theirs));
            let is_in = |list: &[LbaRange], sector| list.iter().any(|run| run.first() <= sector && sector <= run.last());
            let (one, other) = (Reach::from_runs(ours.clone()), Reach::from_runs(theirs.clone()));
            let left = one.without(&other);
            for sector in 0..60 {
                prop_assert_eq!(one.holds(sector, sector), is_in(&ours, sector));
                prop_assert_eq!(is_in(&left, sector), is_in(&ours, sector) && !is_in(&theirs, sector));
                for last in sector..60 {
                    let whole = (sector..=last).all(|sector| is_in(&ours, sector));
                    prop_assert_eq!(one.holds(sector, last), whole);
                }
            }
        }
    }
}
