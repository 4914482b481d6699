//! Readings of a peer's clock, and how old what it captured is at most.

use std::time::Duration;

use crate::time::Instant;

/// How much two clocks may drift apart: 1 in this many, five times what crystals and a slewing clock make together.
const DRIFT: u32 = 1000;
/// A clock that is ahead by less than this is not ahead: microseconds are rounded.
const ROUNDING: Duration = Duration::from_millis(1);
/// A reading of the peer's clock this old says nothing any more: the 32 bits of a capture time wrap after 71 minutes.
const READING_LASTS: Duration = Duration::from_secs(600);
/// How far back captures are of interest: the largest `max_age`, and some.
const OF_INTEREST: Duration = Duration::from_secs(15);
/// Readings kept. Without one of them an age is found to be larger, never smaller.
pub(super) const READINGS: usize = 8;

/// What is known of a peer's clock.
#[derive(Debug, Default)]
pub(super) struct Readings {
    /// The oldest first. Each puts the peer's clock lower than the one before it.
    all: Vec<Reading>,
    /// When our own clock was found to have stood still.
    stood_still: Instant,
}

/// One reading of the peer's clock.
#[derive(Clone, Copy, Debug)]
struct Reading {
    asked: Instant,
    /// Microseconds of the peer's clock.
    clock: u64,
}

impl Readings {
    /// After `asked`, and before now, the peer's clock showed this.
    pub(super) fn learn(&mut self, asked: Instant, clock: u64, now: Instant) {
        let reading = Reading { asked, clock };
        if self
            .all
            .iter()
            .any(|known| known.allows_less_than(reading.clock, now))
        {
            self.our_clock_stood_still(now);
        }
        self.all
            .retain(|known| now.saturating_since(known.asked) <= READING_LASTS);
        let lowest = self.all.last().map(|known| known.theirs(now));
        if lowest.is_some_and(|lowest| lowest < reading.theirs(now)) {
            return;
        }
        while let [_, second, ..] = self.all.as_slice()
            && reading.clock.saturating_sub(second.clock) > micros(OF_INTEREST)
        {
            self.all.remove(0);
        }
        if self.all.len() == READINGS {
            self.all.remove(1);
        }
        self.all.push(reading);
    }

    /// How old what the peer captured then (microseconds of its clock, modulo 2^32) is at most; `None` if that is not
    /// known. Right for what is less than half an hour old.
    pub(super) fn age(&mut self, captured: u32, now: Instant) -> Option<Duration> {
        let after = |reading: &&Reading| reading.ran_until(captured).is_some();
        let reading = *self.all.iter().rev().find(after)?;
        let ran = reading.ran_until(captured)?;
        if now.saturating_since(reading.asked) > READING_LASTS {
            return None;
        }
        if reading.allows_less_than(reading.clock.saturating_add(ran), now) {
            self.our_clock_stood_still(now);
            return None;
        }
        let age = reading
            .theirs(now)
            .saturating_sub(reading.clock)
            .saturating_sub(ran);
        Some(Duration::from_micros(age))
    }

    /// Whether what began then, by our clock, is as old as it seems.
    pub(super) fn ran_since(&self, moment: Instant) -> bool {
        moment >= self.stood_still
    }

    fn our_clock_stood_still(&mut self, now: Instant) {
        self.all.clear();
        self.stood_still = now;
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}

impl Reading {
    /// What the peer's clock shows now at most.
    fn theirs(&self, now: Instant) -> u64 {
        let since = now.saturating_since(self.asked);
        self.clock.saturating_add(micros(since + since / DRIFT))
    }

    /// Whether the peer's clock cannot have shown that by now, if ours ran all the time.
    fn allows_less_than(&self, clock: u64, now: Instant) -> bool {
        clock > self.theirs(now).saturating_add(micros(ROUNDING))
    }

    /// Microseconds from the reading to a capture; `None` if that was before it.
    fn ran_until(&self, captured: u32) -> Option<u64> {
        #[allow(clippy::cast_possible_truncation, reason = "modulo 2^32 is what is meant")]
        let ran = captured.wrapping_sub(self.clock as u32);
        i32::try_from(ran).is_ok().then_some(ran.into())
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
