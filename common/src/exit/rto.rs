//! How long a target may take before a request is sent to it again (RFC 6298).

use std::time::Duration;

/// Before any answer was timed.
const FIRST: Duration = Duration::from_millis(250);
/// However often in vain.
const MOST: Duration = Duration::from_secs(2);
/// Doublings that reach [`MOST`] from the least time there is, and then some.
const MOST_DOUBLINGS: u32 = 8;

/// The retransmission timer of one target.
#[derive(Debug)]
pub(crate) struct Rto {
    /// A target with a disk behind it may always take this long.
    least: Duration,
    /// Smoothed time to an answer and its variation; `None` before the first.
    estimate: Option<(Duration, Duration)>,
    doublings: u32,
}

impl Rto {
    /// Nothing was answered yet. A request is never sent again before `least`.
    pub(crate) fn new(least: Duration) -> Rto {
        Rto {
            least,
            estimate: None,
            doublings: 0,
        }
    }

    /// From now on a request is not sent again before `least`.
    pub(crate) fn set_least(&mut self, least: Duration) {
        self.least = least;
    }

    /// A request is never sent again before.
    pub(crate) fn least(&self) -> Duration {
        self.least
    }

    /// How long to wait for an answer now.
    pub(crate) fn wait(&self) -> Duration {
        let base = match self.estimate {
            None => FIRST.max(self.least),
            Some((smoothed, variation)) => (smoothed + 4 * variation).max(self.least),
        };
        (base * (1 << self.doublings)).min(MOST)
    }

    /// After how long without an answer a request is not at the target any more, if that answers others.
    pub(crate) fn lost_after(&self) -> Duration {
        let usual = self
            .estimate
            .map_or(FIRST, |(smoothed, variation)| smoothed + 4 * variation);
        MOST + 2 * usual
    }

    /// A copy of a request was answered after `took`. Each has a tag of its own, so it is known which.
    pub(crate) fn sample(&mut self, took: Duration) {
        self.estimate = Some(match self.estimate {
            None => (took, took / 2),
            Some((smoothed, variation)) => (
                smoothed * 7 / 8 + took / 8,
                variation * 3 / 4 + smoothed.abs_diff(took) / 4,
            ),
        });
    }

    /// The target answered something: it lives. Whether it had seemed not to.
    pub(crate) fn answered(&mut self) -> bool {
        std::mem::take(&mut self.doublings) > 0
    }

    /// Whether nothing was answered since something was last sent again.
    pub(crate) fn is_backed_off(&self) -> bool {
        self.doublings > 0
    }

    /// It did not answer in time.
    pub(crate) fn expired(&mut self) {
        self.doublings = (self.doublings + 1).min(MOST_DOUBLINGS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Duration = Duration::from_millis(50);

    #[test]
    fn an_operator_may_give_a_target_more_time_or_less() {
        let mut rto = Rto::new(Duration::from_millis(400));
        assert_eq!(rto.wait(), Duration::from_millis(400));
        for _ in 0..100 {
            rto.sample(Duration::from_micros(200));
        }
        assert_eq!(rto.wait(), Duration::from_millis(400));
        rto.set_least(Duration::from_millis(10));
        assert_eq!(rto.wait(), Duration::from_millis(10));
        for _ in 0..8 {
            rto.expired();
        }
        assert_eq!(rto.wait(), MOST);
    }

    #[test]
    fn the_timer_follows_the_target_and_backs_off() {
        let mut rto = Rto::new(LEAST);
        assert_eq!(rto.wait(), FIRST);
        for _ in 0..100 {
            rto.sample(Duration::from_micros(200));
        }
        assert_eq!(rto.wait(), LEAST);
        for _ in 0..100 {
            rto.sample(Duration::from_millis(300));
        }
        assert!(rto.wait() >= Duration::from_millis(300) && rto.wait() < Duration::from_millis(400));
        rto.expired();
        assert!(rto.wait() >= Duration::from_millis(600));
        for _ in 0..40 {
            rto.expired();
        }
        assert_eq!(rto.wait(), MOST);
        assert!(rto.answered() && !rto.is_backed_off());
        assert!(rto.wait() < Duration::from_millis(400));
    }
}
