use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const SOON: Duration = Duration::from_millis(1);
const PACE: Pace = Pace {
    tolerance: SOON,
    patience: Duration::from_millis(16),
};

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1000)
}

fn arrive(gaps: &mut Gaps, counters: impl IntoIterator<Item = u64>, now: Instant) {
    for counter in counters {
        assert!(gaps.arrived(counter, SOON, now).is_some());
    }
}

fn ranges(gaps: &mut Gaps, now: Instant) -> Vec<(u64, u64)> {
    let report = gaps.report(7, PACE, now);
    report.map_or(Vec::new(), |report| report.missing().collect())
}

#[test]
fn what_is_missing_is_asked_for_after_the_tolerance_twice_and_again_ever_more_rarely() {
    let mut gaps = Gaps::default();
    assert_eq!(gaps.arrived(0, SOON, at(0)), Some(Arrival::InOrder));
    assert_eq!(gaps.arrived(3, SOON, at(0)), Some(Arrival::Gap));
    assert_eq!(gaps.deadline(), at(1));
    gaps.note_news();
    let report = gaps.report(7, PACE, at(0)).unwrap();
    assert!(report.is_empty() && report.floor == 1 && report.next == 4);
    let mut asked = Vec::new();
    while gaps.deadline() < at(1000) {
        let now = gaps.deadline();
        assert_eq!(ranges(&mut gaps, now), [(1, 3)]);
        asked.push(now.as_micros() / 1000);
    }
    assert_eq!(asked, [1, 3, 17, 49, 113, 241, 497]);
    let report = gaps.report(7, PACE, at(1000)).unwrap();
    assert_eq!((report.floor, gaps.take_given_up()), (4, 2));
    assert_eq!(gaps.report(7, PACE, at(1000)), None);
    assert_eq!(gaps.arrived(2, SOON, at(1000)), Some(Arrival::GivenUp));
}

#[test]
fn what_arrives_late_is_not_asked_for_and_comes_once() {
    let mut gaps = Gaps::default();
    arrive(&mut gaps, [9, 4, 0, 8], at(0));
    assert_eq!(gaps.arrived(4, SOON, at(0)), None);
    assert_eq!(ranges(&mut gaps, at(1)), [(1, 4), (5, 8)]);
    let Some(Arrival::Late(late)) = gaps.arrived(6, SOON, at(4)) else {
        panic!("it was missed")
    };
    assert_eq!(
        (late.by, late.asked),
        (Duration::from_millis(4), Some(Duration::from_millis(3)))
    );
    arrive(&mut gaps, [5, 7, 3, 1, 2], at(4));
    assert_eq!(gaps.deadline(), Instant::NEVER);
    gaps.note_news();
    assert_eq!(gaps.report(7, PACE, at(4)).unwrap().floor, 10);
}

#[test]
fn rounds_go_on_side_by_side() {
    let mut gaps = Gaps::default();
    arrive(&mut gaps, [1], at(0));
    assert_eq!(ranges(&mut gaps, at(1)), [(0, 1)]);
    arrive(&mut gaps, [3], at(2));
    assert_eq!(
        ranges(&mut gaps, at(3)),
        [(0, 1), (2, 3)],
        "the second time, and the first"
    );
    arrive(&mut gaps, [5], at(4));
    assert_eq!(ranges(&mut gaps, at(4)), []);
    assert_eq!(ranges(&mut gaps, at(5)), [(2, 3), (4, 5)]);
    assert_eq!(ranges(&mut gaps, at(17)), [(0, 1), (4, 5)]);
}

#[test]
fn nothing_in_the_window_is_forgotten_and_a_report_is_short() {
    // Every other record of a whole window is lost; each is asked for, in many reports.
    let mut gaps = Gaps::default();
    arrive(&mut gaps, (0..WINDOW / 2).map(|n| 2 * n + 1), at(0));
    let mut asked = BTreeSet::new();
    for report in 0.. {
        let ranges = ranges(&mut gaps, at(1));
        if ranges.is_empty() {
            assert_eq!(report, WINDOW / 2 / 32);
            break;
        }
        assert!(ranges.len() <= 32);
        asked.extend(ranges.into_iter().flat_map(|(first, end)| first..end));
    }
    assert!(asked.into_iter().eq((0..WINDOW / 2).map(|n| 2 * n)));
    // What leaves the window is given up.
    arrive(&mut gaps, [WINDOW + 99], at(2));
    assert_eq!(gaps.take_given_up(), 50);
    arrive(&mut gaps, [1 << 33], at(2));
    let behind = (1 << 33) + 1 - WINDOW;
    assert_eq!(gaps.take_given_up(), behind - 50 - (WINDOW / 2 + 1));
    assert_eq!(ranges(&mut gaps, at(9)), [(behind, 1 << 33)]);
}

#[test]
fn moments_of_long_ago_are_remembered_less_exactly() {
    let mut gaps = Gaps::default();
    for millis in 0..900 {
        arrive(&mut gaps, [2 * millis + 1], at(millis));
        assert!(gaps.marks.len() <= MAX_MARKS);
    }
    let marks: Vec<_> = gaps
        .marks
        .iter()
        .map(|mark| mark.noticed.as_micros() / 1000)
        .collect();
    assert!(marks.windows(2).all(|two| two[0] < two[1]) && marks[marks.len() - 60] == 840);
    assert!(
        gaps.marks
            .iter()
            .all(|mark| mark.end < 2 * mark.noticed.as_micros() / 1000 + 2)
    );
}

#[test]
fn what_the_sender_abandons_is_not_missed() {
    let mut gaps = Gaps::default();
    arrive(&mut gaps, [4, 9, 20], at(0));
    gaps.abandon(2, 6);
    gaps.abandon(12, 14);
    assert_eq!(ranges(&mut gaps, at(1)), [(0, 2), (6, 9), (10, 12), (14, 20)]);
    assert_eq!(
        gaps.arrived(3, SOON, at(2)),
        None,
        "what was in it came by another"
    );
    gaps.abandon(0, u64::MAX);
    assert_eq!(gaps.report(7, PACE, at(2)).unwrap().floor, 21);
    arrive(&mut gaps, [21], at(2));
}

#[test]
fn the_tolerance_follows_what_came_by_itself_and_not_what_was_repaired() {
    let millis = Duration::from_millis;
    let round_trip = RoundTrip::first(millis(40), at(0));
    let known = Some(&round_trip);
    let late = |by, asked: Option<u64>| Late {
        by: millis(by),
        asked: asked.map(millis),
    };
    let mut tolerance = Tolerance::default();
    assert_eq!(
        (tolerance.get(None), tolerance.get(known)),
        (FIRST_TOLERANCE, millis(10))
    );
    // A repair may take less than any ping of late, and is not there before half the way is done.
    (0..100).for_each(|_| tolerance.learn(late(45, Some(20)), known));
    tolerance.learn(late(20, Some(10)), None);
    assert_eq!(tolerance.get(known), millis(10));
    tolerance.learn(late(8, None), known);
    assert_eq!(tolerance.get(known), millis(10));
    tolerance.learn(late(20, Some(10)), known);
    assert_eq!(tolerance.get(known), millis(25));
    tolerance.learn(late(300, Some(19)), known);
    assert_eq!(tolerance.get(known), millis(40), "no more than a round trip");
    let near = RoundTrip::first(millis(1), at(0));
    assert_eq!(tolerance.get(Some(&near)), FIRST_TOLERANCE);
    (0..200).for_each(|_| tolerance.learn(late(120, Some(110)), known));
    assert_eq!(tolerance.get(known), millis(10));
}

proptest! {
    #[test]
    fn agrees_with_a_set(steps in prop::collection::vec((0u64..300, 0u64..4, 0u64..9), 1..200)) {
        let mut gaps = Gaps::default();
        let mut seen = BTreeSet::new();
        let mut now = at(0);
        for (counter, pause, step) in steps {
            now = now + Duration::from_millis(pause);
            if step == 0 {
                let next = seen.last().map_or(0, |last| last + 1);
                gaps.abandon(counter, counter + 3);
                seen.extend((counter..counter + 3).filter(|counter| *counter < next));
            } else {
                prop_assert_eq!(gaps.arrived(counter, SOON, now).is_some(), seen.insert(counter));
            }
            if step == 1 {
                // Never what is there, and in order.
                let ranges = ranges(&mut gaps, now);
                prop_assert!(ranges.windows(2).all(|two| two[0].1 < two[1].0));
                prop_assert!(ranges.iter().all(|(first, end)| (*first..*end).all(|one| !seen.contains(&one))));
            }
        }
        let newest = seen.last().copied().unwrap_or(0);
        let missing: BTreeSet<_> = (0..newest).filter(|counter| !seen.contains(counter)).collect();
        prop_assert_eq!(gaps.missing, missing.len() as u64);
        // All of it is asked for again, and in the end given up.
        let mut asked = BTreeSet::new();
        while gaps.deadline() < now + Duration::from_secs(2) {
            let at = gaps.deadline();
            asked.extend(ranges(&mut gaps, at).into_iter().flat_map(|(first, end)| first..end));
        }
        prop_assert_eq!(asked, missing.clone());
        prop_assert_eq!(gaps.take_given_up(), missing.len() as u64);
    }
}
