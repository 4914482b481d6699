//! Telling of something that repeats itself, but not each time.

use std::time::Duration;

use crate::time::Instant;

/// Remembers when something was last told, so that it is told at most every so often.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seldom(Option<Instant>);

impl Seldom {
    /// Whether to tell now: never yet, or not within `every`. If so, it counts as told.
    pub(crate) fn tell(&mut self, now: Instant, every: Duration) -> bool {
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
        let (mut seldom, every) = (Seldom::default(), Duration::from_secs(1));
        let start = Instant::default();
        assert!(seldom.tell(start, every) && !seldom.tell(start, every));
        assert!(!seldom.tell(start + every / 2, every) && seldom.tell(start + every, every));
    }
}
