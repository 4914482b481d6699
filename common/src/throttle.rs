//! Logs what repeats itself, but not each time.

use std::time::Duration;

use crate::time::Instant;

/// Remembers when something was last logged, so that it is logged at most every so often.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Throttle(Option<Instant>);

impl Throttle {
    /// Whether to log it now: never yet, or not within `every`. If so, it counts as logged.
    pub(crate) fn permits(&mut self, now: Instant, every: Duration) -> bool {
        let due = self.0.is_none_or(|told| now.saturating_since(told) >= every);
        if due {
            self.0 = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_at_once_and_then_at_most_so_often() {
        let (mut throttle, every) = (Throttle::default(), Duration::from_secs(1));
        let start = Instant::default();
        assert!(throttle.permits(start, every) && !throttle.permits(start, every));
        assert!(!throttle.permits(start + every / 2, every) && throttle.permits(start + every, every));
    }
}
