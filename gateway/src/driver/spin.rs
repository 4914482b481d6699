//! How long to look for more work before sleeping.

use std::time::Duration;

use aoe_common::time::Instant;

/// Looking for work without sleeping goes on for an interval after the last work was found: a gateway that nobody uses
/// sleeps. Between two looks the processor is offered to others, and if they keep it for long there are too few
/// processors for this, and a while goes by without it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spin {
    interval: Duration,
    until: Instant,
    not_before: Instant,
}

/// Others that keep the processor longer have work of their own on it; a target or an initiator that answers one frame
/// gives it back sooner.
const LONG: Duration = Duration::from_micros(200);
/// How long to go without spinning then. Finding out anew may cost a few milliseconds, the scheduler's slice, so this
/// is a hundred times that.
const STAND_BACK: Duration = Duration::from_millis(250);

impl Spin {
    /// Spins for `interval` at most; zero never spins.
    pub(super) fn new(interval: Duration) -> Self {
        Spin {
            interval,
            until: Instant::default(),
            not_before: Instant::default(),
        }
    }

    /// Work was found.
    pub(super) fn found_work(&mut self, now: Instant) {
        if now >= self.not_before {
            self.until = now + self.interval;
        }
    }

    /// The processor was offered to others and came back.
    pub(super) fn yielded(&mut self, offered: Instant, back: Instant) {
        if back.saturating_since(offered) >= LONG {
            self.until = back;
            self.not_before = back + STAND_BACK;
        }
    }

    /// Whether to look once more without sleeping.
    pub(super) fn goes_on(&self, now: Instant) -> bool {
        now < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn spinning_ends_an_interval_after_the_last_work_and_zero_never_begins() {
        let mut spin = Spin::new(Duration::from_micros(50));
        assert!(!spin.goes_on(at(0)), "there was no work yet");
        spin.found_work(at(100));
        assert!(spin.goes_on(at(100)) && spin.goes_on(at(149)));
        assert!(!spin.goes_on(at(150)));
        spin.found_work(at(140));
        assert!(spin.goes_on(at(189)) && !spin.goes_on(at(190)));
        let mut off = Spin::new(Duration::ZERO);
        off.found_work(at(100));
        assert!(!off.goes_on(at(100)));
    }

    #[test]
    fn a_processor_that_others_want_is_left_to_them_for_a_while() {
        let mut spin = Spin::new(Duration::from_millis(10));
        spin.found_work(at(0));
        spin.yielded(at(10), at(60));
        assert!(spin.goes_on(at(60)), "a frame's worth of work of somebody else");
        spin.yielded(at(60), at(2_060));
        assert!(!spin.goes_on(at(2_060)));
        spin.found_work(at(252_059));
        assert!(!spin.goes_on(at(252_059)));
        spin.found_work(at(252_060));
        assert!(spin.goes_on(at(252_060)));
    }
}
