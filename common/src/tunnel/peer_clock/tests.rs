use proptest::prelude::*;

use super::readings::READINGS;
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
