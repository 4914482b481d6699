//! What pings tell of a peer: how far away it is, and what its clock says.
//!
//! ```text
//!   ours   t1 ────────────────── t4 ──────────────── now
//!             ping ╲      ╱ pong                ╱
//!   theirs          ╲── p ──────────────── c ──╱
//! ```
//! The peer read its clock (`p`) after we asked (`t1`) and captured the request (`c`) after that, so the request is at
//! most `(now − t1) − (c − p)` old. That errs by the ping's way to the peer, and by what two clocks drift apart.
//!
//! Which reading may be used, if clocks can stand still (a virtual machine that is paused, moved or restored):
//!
//! - *The peer's clock stood still.* Between `p` and `c`: it was captured later than it looks, so it is younger than
//!   computed. After `c`: our own clock counted that. Between `c` and `p`: it would be older than computed. So only a
//!   reading taken **before the capture** counts, and of those, each of which is an upper bound, the lowest. After such
//!   a stop everything is too old until the peer has read its clock once more, and what it captured before it did
//!   (what waited in its network card) stays so.
//! - *Our clock stood still.* Readings from before the stop make everything younger than it is. They are void as soon
//!   as the peer's clock is seen ahead of what they allow, in a pong or in a request; that request and what follows
//!   has no age until the next pong. What cannot be seen: requests that waited for us all through our stop and are read
//!   before anything newer. A later stop that is shorter than the way of a pong is not seen either.
//! - *The path became longer or shorter.* Old readings stay right. A worse one does not replace a better one until
//!   drift has made that worse.

use std::time::Duration;

use super::round_trip::RoundTrip;
use crate::time::Instant;

/// Pings whose answers are waited for; an older one is forgotten.
const ASKED: usize = 16;
/// How much two clocks may drift apart: 1 in this many, five times what crystals and a slewing clock make together.
const DRIFT: u32 = 1000;
/// A clock that is ahead by less than this is not ahead: microseconds are rounded.
const ROUNDING: Duration = Duration::from_millis(1);
/// A reading of the peer's clock this old says nothing any more: the 32 bits of a capture time wrap after 71 minutes.
const READING_LASTS: Duration = Duration::from_secs(600);
/// How far back captures are of interest: the largest `max_age`, and some.
const OF_INTEREST: Duration = Duration::from_secs(15);
/// Readings kept. Without one of them an age is found to be larger, never smaller.
const READINGS: usize = 8;
/// Pings of one peer and what their answers told.
#[derive(Debug, Default)]
pub(crate) struct PeerClock {
    next_ping: u64,
    asked: [Option<Asked>; ASKED],
    /// The oldest first. Each puts the peer's clock lower than the one before it.
    readings: Vec<Reading>,
    round_trip: Option<RoundTrip>,
    /// Whether a request looked too old since the last ping.
    is_doubted: bool,
    /// When our own clock was found to have stood still.
    stood_still: Instant,
}

/// A ping under way.
#[derive(Clone, Copy, Debug)]
struct Asked {
    ping: u64,
    at: Instant,
    /// The record it went in: the receiver's index of the session, and the counter.
    record: Option<(u32, u64)>,
    /// Whether that record was sent again.
    is_repaired: bool,
}

/// How a pong arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// As it was sent at first.
    AtOnce,
    /// Perhaps only when it was asked for: it says nothing of the way.
    Repaired,
}

/// One reading of the peer's clock.
#[derive(Clone, Copy, Debug)]
struct Reading {
    asked: Instant,
    /// Microseconds of the peer's clock.
    clock: u64,
}

impl PeerClock {
    /// The number of a ping that goes out now.
    pub(crate) fn ask(&mut self, now: Instant) -> u64 {
        let ping = self.next_ping;
        self.next_ping += 1;
        self.is_doubted = false;
        if let Some(slot) = self.asked.get_mut(slot(ping)) {
            *slot = Some(Asked {
                ping,
                at: now,
                record: None,
                is_repaired: false,
            });
        }
        ping
    }

    /// The ping travels in this record.
    pub(crate) fn asked_in(&mut self, ping: u64, receiver: u32, counter: u64) {
        let asked = self.asked.iter_mut().flatten().find(|asked| asked.ping == ping);
        if let Some(asked) = asked {
            asked.record = Some((receiver, counter));
        }
    }

    /// A record was sent again: how long the answer to a ping in it takes says nothing (Karn's algorithm, RFC 6298
    /// section 3).
    pub(crate) fn resent(&mut self, receiver: u32, counter: u64) {
        let mut asked = self.asked.iter_mut().flatten();
        if let Some(asked) = asked.find(|asked| asked.record == Some((receiver, counter))) {
            asked.is_repaired = true;
        }
    }

    /// A pong came: the ping it answers, and the peer's clock in microseconds. False if we wait for no such pong;
    /// then it tells nothing.
    pub(crate) fn answered(&mut self, ping: u64, clock: u64, came: Came, now: Instant) -> bool {
        let waiting = self.asked.get_mut(slot(ping));
        let Some(asked) = waiting.and_then(|waiting| waiting.take_if(|asked| asked.ping == ping)) else {
            return false;
        };
        let took = now.saturating_since(asked.at);
        let reading = Reading {
            asked: asked.at,
            clock,
        };
        self.learn(reading, now);
        if asked.is_repaired || came == Came::Repaired {
            return true;
        }
        match &mut self.round_trip {
            None => self.round_trip = Some(RoundTrip::first(took, now)),
            Some(round_trip) => round_trip.add(took, now),
        }
        true
    }

    fn learn(&mut self, reading: Reading, now: Instant) {
        if self
            .readings
            .iter()
            .any(|known| known.allows_less_than(reading.clock, now))
        {
            self.our_clock_stood_still(now);
        }
        self.readings
            .retain(|known| now.saturating_since(known.asked) <= READING_LASTS);
        let lowest = self.readings.last().map(|known| known.theirs(now));
        if lowest.is_some_and(|lowest| lowest < reading.theirs(now)) {
            return;
        }
        while let [_, second, ..] = self.readings.as_slice()
            && reading.clock.saturating_sub(second.clock) > micros(OF_INTEREST)
        {
            self.readings.remove(0);
        }
        if self.readings.len() == READINGS {
            self.readings.remove(1);
        }
        self.readings.push(reading);
    }

    fn our_clock_stood_still(&mut self, now: Instant) {
        self.readings.clear();
        self.stood_still = now;
    }

    /// How old what the peer captured then (microseconds of its clock, modulo 2^32) is at most; `None` if that is not
    /// known. Right for what is less than half an hour old.
    pub(crate) fn age(&mut self, captured: u32, now: Instant) -> Option<Duration> {
        let after = |reading: &&Reading| reading.ran_until(captured).is_some();
        let reading = *self.readings.iter().rev().find(after)?;
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

    /// A request looked too old, or has no age: perhaps the clock has to be read again.
    pub(crate) fn doubt(&mut self) {
        self.is_doubted = true;
    }

    /// Whether it is to be read soon.
    pub(crate) fn wants_reading(&self) -> bool {
        self.is_doubted || self.round_trip.is_none()
    }

    /// Whether a session that began then, by our clock, is as old as it seems.
    pub(crate) fn ran_since(&self, moment: Instant) -> bool {
        moment >= self.stood_still
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
        assert!(clock.answered(ping, 77, Came::AtOnce, at(7)));
        assert!(clock.age(78, at(8)).is_some() && clock.round_trip().is_some());
        let ping = clock.ask(at(9));
        clock.forget();
        assert!(clock.age(0, at(10)).is_none() && clock.round_trip().is_none());
        assert!(
            !clock.answered(ping, 77, Came::AtOnce, at(11)),
            "that pong is of the old process"
        );
    }

    #[test]
    fn a_pong_counts_once_and_only_for_a_ping_of_ours() {
        let mut clock = PeerClock::default();
        let ping = clock.ask(at(0));
        assert!(
            !clock.answered(ping + 1, 5, Came::AtOnce, at(1))
                && !clock.answered(u64::MAX, 5, Came::AtOnce, at(1))
        );
        assert!(clock.answered(ping, 5, Came::AtOnce, at(1)));
        assert!(!clock.answered(ping, 5, Came::AtOnce, at(1)));
        let first = clock.ask(at(2));
        (0..ASKED).for_each(|_| _ = clock.ask(at(3)));
        assert!(
            !clock.answered(first, 5, Came::AtOnce, at(4)),
            "only so many are remembered"
        );
    }

    /// Asks at `asked`, and hears after `took` that the peer's clock says `says`.
    fn read(clock: &mut PeerClock, asked: u64, took: u64, says: u64) {
        let ping = clock.ask(at(asked));
        assert!(clock.answered(ping, says, Came::AtOnce, at(asked + took)));
    }

    fn age(clock: &mut PeerClock, captured: u64, now: u64) -> Option<u64> {
        let captured = u32::try_from(captured).unwrap();
        let age = clock.age(captured, at(now))?;
        Some(u64::try_from(age.as_micros()).unwrap())
    }

    #[test]
    fn a_near_reading_stays_until_its_drift_outweighs_a_far_one() {
        let mut clock = PeerClock::default();
        // The peer's clock is 1000 ahead; a pong of 10 errs by little, one of 5000 by up to 5000.
        read(&mut clock, 0, 10, 1005);
        read(&mut clock, 100_000, 5000, 106_000);
        assert_eq!(age(&mut clock, 107_000, 110_000), Some(4_005 + 110));
        // Ten seconds later the first one may be wrong by 10 ms.
        read(&mut clock, 10_000_000, 5000, 10_005_900);
        assert_eq!(age(&mut clock, 10_008_000, 10_010_000), Some(7_900 + 10));
        // What was captured before that reading is judged by the first.
        assert_eq!(age(&mut clock, 10_000_000, 10_010_000), Some(11_005 + 10_010));
        assert_eq!(
            age(&mut clock, 11_000_000, 700_000_000),
            None,
            "too old a reading"
        );
    }

    /// The path takes 50 ms each way, so no reading is better than the one before.
    #[test]
    fn after_a_stop_of_the_peers_clock_one_reading_is_enough_and_what_was_captured_before_it_stays_old() {
        for stop in [300_000, 8_000_000, 30_000_000] {
            let mut clock = PeerClock::default();
            for asked in (0..10_000_000).step_by(1_000_000) {
                read(&mut clock, asked, 100_000, asked + 50_000);
            }
            let now = 10_000_000 + stop;
            // Captured in the first moment after the stop: perhaps it waited there all the time.
            let found = age(&mut clock, 10_000_000, now + 50_000).unwrap();
            assert!((stop + 50_000..stop + 200_000).contains(&found), "{found}");
            read(&mut clock, now + 100_000, 100_000, 10_150_000);
            let found = age(&mut clock, 10_150_000, now + 200_000).unwrap();
            assert!((50_000..101_000).contains(&found), "{found}");
            assert!(age(&mut clock, 10_149_999, now + 200_000).unwrap() >= stop + 50_000);
        }
    }

    #[test]
    fn after_a_stop_of_our_clock_nothing_looks_young_once_a_newer_request_or_a_pong_was_seen() {
        for stop in [300_000, 8_000_000, 30_000_000] {
            let known = || {
                let mut clock = PeerClock::default();
                read(&mut clock, 0, 100_000, 50_000);
                clock
            };
            let theirs = 1_000_000 + stop;
            // The request that shows it has no age itself, nor has what follows.
            let mut clock = known();
            assert!(age(&mut clock, 950_000, 1_000_000).is_some());
            assert_eq!(age(&mut clock, theirs, 1_050_000), None);
            assert_eq!(age(&mut clock, 950_000, 1_050_000), None);
            assert!(!clock.ran_since(at(1_000_000)) && clock.ran_since(at(1_050_000)));
            // Nor has what was captured before the pong that shows it.
            let mut clock = known();
            read(&mut clock, 1_000_000, 100_000, theirs + 50_000);
            assert_eq!(age(&mut clock, theirs + 49_999, 1_100_000), None);
            assert_eq!(age(&mut clock, theirs + 60_000, 1_110_000), Some(100_110));
        }
    }

    #[test]
    fn many_readings_that_are_each_a_little_better_keep_an_old_one_for_old_captures() {
        let mut clock = PeerClock::default();
        for n in 0..100 {
            read(&mut clock, n * 1_000, 5_000, n * 1_000 + 5_000 - n * 2);
        }
        assert_eq!(clock.readings.len(), READINGS);
        assert!(age(&mut clock, 6_000, 110_000).unwrap() >= 104_000);
        read(&mut clock, 60_000_000, 1_000, 60_000_000);
        assert_eq!(clock.readings.len(), 2);
    }

    #[test]
    fn what_was_repaired_says_nothing_of_the_way() {
        let mut clock = PeerClock::default();
        let read = |clock: &mut PeerClock, asked, resent, came, took| {
            let ping = clock.ask(at(asked));
            clock.asked_in(ping, 7, asked);
            clock.resent(7, resent);
            assert!(clock.answered(ping, 0, came, at(asked + took)));
        };
        read(&mut clock, 0, 99, Came::AtOnce, 1000);
        let known = clock.round_trip().unwrap().patience();
        read(&mut clock, 10_000, 10_000, Came::AtOnce, 3000);
        read(&mut clock, 20_000, 20_001, Came::Repaired, 3000);
        assert_eq!(clock.round_trip().unwrap().patience(), known);
        read(&mut clock, 30_000, 30_001, Came::AtOnce, 3000);
        assert!(clock.round_trip().unwrap().patience() > known);
    }

    proptest! {
        #[test]
        fn an_age_is_never_too_small_and_too_large_by_a_way_and_drift_at_most(
            zero in any::<u64>(),
            pings in prop::collection::vec((0u64..2_000_000, 1u64..80_000, 0u64..80_000, 0u64..3), 1..30),
            later in 0u64..5_000_000,
            age in 0u64..30_000_000,
            drift in -200i64..200,
        ) {
            // The peer's clock has another zero, runs by up to 200 ppm faster or slower, and before some of the pings
            // it stands still for half a second.
            let zero = zero >> 1;
            let mut stops: Vec<u64> = Vec::new();
            let theirs = |micros: u64, stops: &[u64]| {
                let stood: u64 = stops.iter().map(|from| micros.saturating_sub(*from).min(500_000)).sum();
                let gained = i64::try_from(micros).unwrap() * drift / 1_000_000;
                zero.wrapping_add(micros - stood).wrapping_add_signed(gained)
            };
            let mut clock = PeerClock::default();
            let mut now = 40_000_000;
            let mut readings = Vec::new();
            for (pause, out, back, stop) in pings {
                now += pause;
                if stop == 0 {
                    stops.push(now);
                    now += 500_000;
                }
                let ping = clock.ask(at(now));
                let (asked, read) = (now, now + out);
                now += out + back;
                prop_assert!(clock.answered(ping, theirs(read, &stops), Came::AtOnce, at(now)));
                readings.push((asked, read));
            }
            now += later;
            let captured = now - age;
            let says = u32::try_from(theirs(captured, &stops) & u64::from(u32::MAX)).unwrap();
            let found = clock.age(says, at(now)).map(|age| u64::try_from(age.as_micros()).unwrap());
            prop_assert!(found.is_none_or(|found| found >= age), "{:?} < {}", found, age);
            // The last reading before the capture, if it is among those that are kept.
            let last = readings.iter().rev().find(|(_, read)| *read < captured);
            if let (Some((asked, read)), true) = (last, readings.len() <= READINGS) {
                let stood = theirs(captured, &[]).wrapping_sub(theirs(captured, &stops))
                    - theirs(*read, &[]).wrapping_sub(theirs(*read, &stops));
                let most = age + (read - asked) + stood + (now - asked) / 500 + 10;
                prop_assert!(found.is_some_and(|found| found <= most), "{:?} > {}", found, most);
            }
        }
    }
}
