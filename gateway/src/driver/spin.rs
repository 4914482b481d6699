//! How long to look for more work before sleeping.

use std::time::Duration;

use aoe_common::time::Instant;

/// Looking for work without sleeping goes on for an interval after the last work was found, as long as that pays:
///
/// - Work that comes later than the interval was looked for in vain. After [`PATIENCE`] such times in a row it is not
///   looked for any more, until work comes sooner again. So a gateway with a keepalive or a slow disk sleeps.
/// - Between two looks the processor is offered to others. If they keep it for [`LONG`], there may be too few processors
///   for this, and [`STAND_BACK`] times as long goes by without it: so at most a hundredth of the time is lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spin {
    interval: Duration,
    /// When work was found last.
    found: Instant,
    /// How many times in a row work came later than the interval.
    in_vain: u8,
    not_before: Instant,
}

/// How often to look in vain before giving up.
const PATIENCE: u8 = 4;
/// Others that keep the processor longer have work of their own on it; a target or an initiator that answers one frame
/// gives it back sooner.
const LONG: Duration = Duration::from_micros(200);
/// For how many times as long as the processor was away not to offer it again. A scheduler's slice is some
/// milliseconds, a moment taken by the host of a virtual machine some tenths of one.
const STAND_BACK: u32 = 100;
/// The longest time not to offer it again.
const LONGEST: Duration = Duration::from_secs(1);

impl Spin {
    /// Spins for `interval` at most; zero never spins.
    pub(super) fn new(interval: Duration) -> Self {
        Spin {
            interval,
            found: Instant::default(),
            in_vain: PATIENCE,
            not_before: Instant::default(),
        }
    }

    /// Work was found.
    pub(super) fn found_work(&mut self, now: Instant) {
        let is_soon = now.saturating_since(self.found) <= self.interval;
        self.in_vain = if is_soon {
            0
        } else {
            PATIENCE.min(self.in_vain + 1)
        };
        self.found = now;
    }

    /// The processor was offered to others and came back.
    pub(super) fn yielded(&mut self, offered: Instant, back: Instant) {
        let away = back.saturating_since(offered);
        if away >= LONG {
            self.not_before = back + away.saturating_mul(STAND_BACK).min(LONGEST);
        }
    }

    /// Whether to look once more without sleeping.
    pub(super) fn goes_on(&self, now: Instant) -> bool {
        self.in_vain < PATIENCE && now >= self.not_before && now < self.found + self.interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    /// Work was found twice within the interval, the last time at 100 us.
    fn busy(interval: u64) -> Spin {
        let mut spin = Spin::new(Duration::from_micros(interval));
        spin.found_work(at(90));
        spin.found_work(at(100));
        spin
    }

    #[test]
    fn spinning_ends_an_interval_after_the_last_work_and_zero_never_begins() {
        let mut spin = busy(50);
        assert!(spin.goes_on(at(100)) && spin.goes_on(at(149)));
        assert!(!spin.goes_on(at(150)));
        spin.found_work(at(140));
        assert!(spin.goes_on(at(189)) && !spin.goes_on(at(190)));
        assert!(!busy(0).goes_on(at(100)));
    }

    #[test]
    fn looking_in_vain_a_few_times_ends_it_until_work_comes_soon_again() {
        let mut spin = busy(50);
        for late in 1..PATIENCE.into() {
            spin.found_work(at(100 + late * 1000));
            assert!(spin.goes_on(at(100 + late * 1000)), "in vain {late} times");
        }
        spin.found_work(at(10_000));
        assert!(!spin.goes_on(at(10_000)));
        spin.found_work(at(10_051));
        assert!(!spin.goes_on(at(10_051)));
        spin.found_work(at(10_101));
        assert!(spin.goes_on(at(10_101)));
    }

    #[test]
    fn a_processor_that_others_want_is_left_to_them_for_a_while() {
        let always = 10_000_000;
        let mut spin = busy(always);
        spin.yielded(at(110), at(160));
        assert!(spin.goes_on(at(160)), "a frame's worth of work of somebody else");
        for (away, back_on) in [(200, 20_300), (2_000, 202_100), (1_000_000, 2_000_100)] {
            let mut spin = busy(always);
            spin.yielded(at(100), at(100 + away));
            assert!(!spin.goes_on(at(back_on - 1)), "away for {away} us");
            assert!(spin.goes_on(at(back_on)), "away for {away} us");
        }
    }
}
