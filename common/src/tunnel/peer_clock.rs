//! What pings tell of a peer: how far away it is, and what its clock says.
//!
//! ```text
//!   ours   t1 ─────────────────────── t4        now
//!             ping ╲         ╱ pong              │
//!   theirs          ╲─── p ─╱        c ≤ p + (now − t1)
//! ```
//! The peer read its clock (`p`) after `t1`, so its clock shows at most `p + (now − t1)` now: what it captured at
//! `c` is at most so much older. The nearer the pong, the nearer that is to the truth: it errs by one way of one
//! round trip, the shortest of late, and by what two clocks drift apart.

use std::time::Duration;

use crate::time::Instant;

/// Pings whose answers are waited for; an older one is forgotten.
const ASKED: usize = 16;
/// How much two clocks may drift apart: 1 in this many, five times what crystals and a slewing clock make together.
const DRIFT: u32 = 1000;
/// A reading of the peer's clock this old says nothing any more: the 32 bits of a capture time wrap after 71 minutes.
const READING_LASTS: Duration = Duration::from_secs(600);
/// How long the shortest round trip counts as the shortest: paths change.
const SHORTEST_LASTS: Duration = Duration::from_secs(10);

/// Pings of one peer and what their answers told.
#[derive(Debug, Default)]
pub(crate) struct PeerClock {
    next_ping: u64,
    asked: [Option<(u64, Instant)>; ASKED],
    reading: Option<Reading>,
    round_trip: Option<RoundTrip>,
}

/// One reading of the peer's clock.
#[derive(Clone, Copy, Debug)]
struct Reading {
    asked: Instant,
    took: Duration,
    /// Microseconds of the peer's clock.
    clock: u64,
}

/// How long pongs take: RFC 6298's smoothing, and the shortest of late.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoundTrip {
    smoothed: Duration,
    variation: Duration,
    shortest: Duration,
    shortest_at: Instant,
}

impl PeerClock {
    /// The number of a ping that goes out now.
    pub(crate) fn ask(&mut self, now: Instant) -> u64 {
        let ping = self.next_ping;
        self.next_ping += 1;
        if let Some(slot) = self.asked.get_mut(slot(ping)) {
            *slot = Some((ping, now));
        }
        ping
    }

    /// A pong came: the ping it answers, and the peer's clock in microseconds. False if we wait for no such pong;
    /// then it tells nothing.
    pub(crate) fn answered(&mut self, ping: u64, clock: u64, now: Instant) -> bool {
        let waiting = self.asked.get_mut(slot(ping));
        let Some((_, asked)) = waiting.and_then(|waiting| waiting.take_if(|(asked, _)| *asked == ping))
        else {
            return false;
        };
        let took = now.saturating_since(asked);
        let reading = Reading { asked, took, clock };
        if self
            .reading
            .is_none_or(|known| reading.error(now) <= known.error(now))
        {
            self.reading = Some(reading);
        }
        match &mut self.round_trip {
            None => self.round_trip = Some(RoundTrip::first(took, now)),
            Some(round_trip) => round_trip.add(took, now),
        }
        true
    }

    /// How old what the peer captured then (microseconds of its clock, modulo 2^32) is at most; `None` if we do not
    /// know its clock. Right for what is less than half an hour old.
    pub(crate) fn age(&self, captured: u32, now: Instant) -> Option<Duration> {
        let reading = self.reading?;
        let since = now.saturating_since(reading.asked);
        if since > READING_LASTS {
            return None;
        }
        let micros = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        #[allow(clippy::cast_possible_truncation, reason = "modulo 2^32 is what is meant")]
        let theirs = reading.clock.wrapping_add(micros) as u32;
        #[allow(
            clippy::cast_possible_wrap,
            reason = "the upper half is the peer's future, which is now"
        )]
        let ago = theirs.wrapping_sub(captured) as i32;
        let ago = Duration::from_micros(u64::try_from(ago).unwrap_or(0));
        Some(ago + since.max(ago) / DRIFT)
    }

    /// How long pongs take, once one has come.
    pub(crate) fn round_trip(&self) -> Option<&RoundTrip> {
        self.round_trip.as_ref()
    }

    /// The peer is another process: its clock has another zero, and it answers none of our old pings.
    pub(crate) fn forget(&mut self) {
        *self = PeerClock {
            next_ping: self.next_ping,
            ..PeerClock::default()
        };
    }
}

impl Reading {
    /// How wrong it may be by now.
    fn error(&self, now: Instant) -> Duration {
        self.took + now.saturating_since(self.asked) / DRIFT
    }
}

impl RoundTrip {
    fn first(took: Duration, now: Instant) -> RoundTrip {
        RoundTrip {
            smoothed: took,
            variation: took / 2,
            shortest: took,
            shortest_at: now,
        }
    }

    fn add(&mut self, took: Duration, now: Instant) {
        self.variation = (self.variation * 3 + self.smoothed.abs_diff(took)) / 4;
        self.smoothed = (self.smoothed * 7 + took) / 8;
        if took <= self.shortest || now.saturating_since(self.shortest_at) >= SHORTEST_LASTS {
            (self.shortest, self.shortest_at) = (took, now);
        }
    }

    /// The shortest time of late.
    pub(crate) fn shortest(&self) -> Duration {
        self.shortest
    }

    /// A time that an answer rarely exceeds: the usual one and four times its variation.
    pub(crate) fn patience(&self) -> Duration {
        self.smoothed + self.variation * 4
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a remainder by ASKED")]
fn slot(ping: u64) -> usize {
    (ping % ASKED as u64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn nothing_is_known_before_the_first_pong_nor_after_a_restart() {
        let mut clock = PeerClock::default();
        assert_eq!(clock.age(0, at(5)), None);
        let ping = clock.ask(at(5));
        assert_eq!(clock.age(0, at(6)), None);
        assert!(clock.answered(ping, 77, at(7)));
        assert!(clock.age(0, at(8)).is_some() && clock.round_trip().is_some());
        let ping = clock.ask(at(9));
        clock.forget();
        assert!(clock.age(0, at(10)).is_none() && clock.round_trip().is_none());
        assert!(
            !clock.answered(ping, 77, at(11)),
            "that pong is of the old process"
        );
    }

    #[test]
    fn a_pong_counts_once_and_only_for_a_ping_of_ours() {
        let mut clock = PeerClock::default();
        let ping = clock.ask(at(0));
        assert!(!clock.answered(ping + 1, 5, at(1)) && !clock.answered(u64::MAX, 5, at(1)));
        assert!(clock.answered(ping, 5, at(1)));
        assert!(!clock.answered(ping, 5, at(1)));
        let first = clock.ask(at(2));
        (0..ASKED).for_each(|_| _ = clock.ask(at(3)));
        assert!(!clock.answered(first, 5, at(4)), "only so many are remembered");
    }

    #[test]
    fn a_near_reading_stays_until_its_drift_outweighs_a_far_one() {
        let mut clock = PeerClock::default();
        let read = |clock: &mut PeerClock, asked, took, says| {
            let ping = clock.ask(at(asked));
            assert!(clock.answered(ping, says, at(asked + took)));
        };
        // The peer's clock is 1000 ahead; a pong of 10 errs by little, one of 5000 by up to 5000.
        read(&mut clock, 0, 10, 1005);
        read(&mut clock, 100_000, 5000, 106_000);
        assert_eq!(
            clock.age(101_000, at(110_000)),
            Some(Duration::from_micros(10_005 + 110))
        );
        // Ten seconds later the first one may be wrong by 10 ms.
        read(&mut clock, 10_000_000, 5000, 10_005_900);
        assert_eq!(
            clock.age(10_000_000, at(10_010_000)),
            Some(Duration::from_nanos(15_915_900))
        );
        assert_eq!(clock.age(0, at(700_000_000)), None, "too old a reading");
    }

    #[test]
    fn round_trips_are_smoothed_and_the_shortest_fades() {
        let mut clock = PeerClock::default();
        for n in 0..200u64 {
            let took = if n == 0 { 4000 } else { 10_000 };
            let ping = clock.ask(at(n * 100_000));
            assert!(clock.answered(ping, 0, at(n * 100_000 + took)));
            let shortest = clock.round_trip().unwrap().shortest().as_micros();
            assert_eq!(shortest, if n < 100 { 4000 } else { 10_000 }, "{n}");
        }
        let round_trip = clock.round_trip().unwrap();
        assert!((9990..=10_000).contains(&round_trip.smoothed.as_micros()));
        assert!((10_000..10_100).contains(&round_trip.patience().as_micros()));
    }

    proptest! {
        #[test]
        fn an_age_is_never_too_small_and_too_large_by_a_round_trip_and_drift_at_most(
            zero in any::<u64>(),
            pings in prop::collection::vec((0u64..2_000_000, 1u64..80_000, 0u64..80_000), 1..30),
            later in 0u64..5_000_000,
            age in 0u64..30_000_000,
            drift in -200i64..200,
        ) {
            // The peer's clock has another zero and runs by up to 200 ppm faster or slower.
            let theirs = |micros: u64| {
                let gained = i64::try_from(micros).unwrap() * drift / 1_000_000;
                zero.wrapping_add(micros).wrapping_add_signed(gained)
            };
            let mut clock = PeerClock::default();
            let mut now = 40_000_000;
            let mut readings = Vec::new();
            for (pause, out, back) in pings {
                now += pause;
                let ping = clock.ask(at(now));
                let says = theirs(now + out);
                now += out + back;
                prop_assert!(clock.answered(ping, says, at(now)));
                readings.push((now, out + back));
            }
            now += later;
            let captured = u32::try_from(theirs(now - age) & u64::from(u32::MAX)).unwrap();
            let found = u64::try_from(clock.age(captured, at(now)).unwrap().as_micros()).unwrap();
            prop_assert!(found >= age, "{} < {}", found, age);
            let error = readings.iter().map(|(at, took)| took + (now - at + took) / 1000).min().unwrap();
            let slack = (now - 40_000_000).max(age) / 500 + 10;
            prop_assert!(found <= age + error + slack, "{} > {} + {}", found, age, error);
        }
    }
}
