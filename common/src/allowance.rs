//! At most so many in a second.

use std::time::Duration;

use crate::time::Instant;

/// Counts what was done in the second that began then.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowance {
    since: Instant,
    spent: u32,
}

impl Allowance {
    /// One more, unless `per_second` are spent.
    pub(crate) fn take(&mut self, per_second: u32, now: Instant) -> bool {
        if now.saturating_since(self.since) >= Duration::from_secs(1) {
            (self.since, self.spent) = (now, 0);
        }
        let left = self.spent < per_second;
        self.spent += u32::from(left);
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_and_the_next_as_many_again() {
        let (mut allowance, start) = (Allowance::default(), Instant::from_micros(5));
        let taken = |allowance: &mut Allowance, now| (0..9).filter(|_| allowance.take(3, now)).count();
        assert_eq!(taken(&mut allowance, start), 3);
        assert_eq!(taken(&mut allowance, start + Duration::from_millis(999)), 0);
        let second = start + Duration::from_secs(1);
        assert!(allowance.take(3, second));
        assert_eq!(taken(&mut allowance, second), 2);
        assert_eq!(taken(&mut allowance, second + Duration::from_secs(1)), 3);
    }
}
