use super::*;

const MAC: MacAddr = MacAddr([4; 6]);

fn disk(serial: &str, size: u64) -> Option<Disk> {
    Some(Disk {
        size,
        serial: serial.to_owned(),
        model: String::new(),
    })
}

fn known(now: Instant) -> Recognition {
    let mut recognition = Recognition::new(now);
    assert!(recognition.wants_answer(now) && !recognition.is_settled());
    recognition.asked(now, Duration::ZERO);
    assert_eq!(recognition.answered(disk("a", 8), now), Answer::First);
    assert!(recognition.is_settled());
    recognition
}

#[test]
fn another_disk_is_a_conflict_until_the_first_returns() {
    let now = Instant::default();
    let mut target = known(now);
    assert!(!target.wants_answer(now) && target.wants_answer(now + EVERY));
    for (serial, size, conflict) in [
        ("a", 8, false),
        ("b", 8, true),
        ("b", 9, true),
        ("a", 8, false),
        ("a", 7, true),
        ("a", 8, false),
    ] {
        assert_eq!(ask(&mut target, serial, size), Answer::Compared);
        assert_eq!(target.conflict(now).is_some(), conflict, "{serial} {size}");
    }
    assert_eq!(target.answered(disk("b", 8), now), Answer::Unasked);
    assert_eq!(target.conflict(now), None);
}

fn ask(target: &mut Recognition, serial: &str, size: u64) -> Answer {
    let now = Instant::default();
    target.doubt(now);
    assert!(!target.is_settled() && target.wants_answer(now));
    target.asked(now, Duration::ZERO);
    target.answered(disk(serial, size), now)
}

#[test]
fn a_disk_that_grew_is_the_same_and_one_that_is_accepted_becomes_it() {
    let now = Instant::default();
    let mut target = known(now);
    assert_eq!(ask(&mut target, "a", 9), Answer::Grown { was: 8 });
    assert_eq!(ask(&mut target, "a", 9), Answer::Compared);
    assert_eq!(target.conflict(now), None);
    ask(&mut target, "b", 9);
    assert!(target.conflict(now).is_some());
    assert_eq!(target.accept(now), disk("b", 9).as_ref());
    assert_eq!(target.conflict(now), None);
    // Nothing else is there: the next one is taken, and only that.
    assert_eq!(target.accept(now), None);
    assert_eq!(ask(&mut target, "c", 1), Answer::First);
    assert_eq!(ask(&mut target, "b", 9), Answer::Compared);
    assert!(target.conflict(now).is_some());
}

#[test]
fn a_disk_that_is_remembered_counts_before_the_first_answer() {
    let now = Instant::default();
    for (remembered, conflict) in [(disk("a", 8), false), (Some(Disk::unlike_any()), true)] {
        let mut target = Recognition::new(now);
        target.remember(remembered.unwrap());
        assert_eq!(ask(&mut target, "a", 8), Answer::Compared);
        assert_eq!(target.conflict(now).is_some(), conflict);
    }
}

#[test]
fn one_that_never_says_who_it_is_is_used_and_one_that_did_is_not_without_it() {
    let mut now = Instant::default();
    let fail = |target: &mut Recognition, now: &mut Instant| {
        for _ in 0..TRIES {
            assert!(target.wants_answer(*now));
            target.asked(*now, Duration::ZERO);
            assert!(!target.gave_up(*now));
            *now = target.deadline();
            assert!(target.gave_up(*now));
        }
    };
    let mut silent = Recognition::new(now);
    fail(&mut silent, &mut now);
    assert!(silent.is_settled() && silent.deadline() == now + EVERY);
    silent.doubt(now);
    assert!(silent.is_settled(), "it cannot be compared");
    let mut target = known(now);
    target.doubt(now);
    fail(&mut target, &mut now);
    assert!(!target.is_settled());
}

#[test]
fn a_second_station_has_to_show_that_it_is_the_same_disk() {
    let now = Instant::default();
    let mut target = known(now);
    assert!(target.second(MAC, now) && !target.second(MAC, now));
    assert_eq!(target.conflict(now), None, "it may yet");
    assert_eq!(target.conflict(now + PROOF), Some(Conflict::Second(MAC)));
    assert!(target.second_answered(MAC, disk("a", 8).as_ref()));
    assert_eq!(target.conflict(now + PROOF), None);
    assert!(target.second_answered(MAC, disk("b", 8).as_ref()));
    assert_eq!(target.conflict(now + PROOF), Some(Conflict::Second(MAC)));
    assert_eq!(target.conflict(now + GONE), None, "it is gone");
    assert!(!target.second_answered(MacAddr([6; 6]), disk("a", 8).as_ref()));
}

#[test]
fn several_stations_do_not_hide_each_other() {
    let now = Instant::default();
    let mut target = known(now);
    for at in 0..4 {
        let now = now + Duration::from_secs(at);
        target.second(MAC, now);
        target.second(MacAddr([6; 6]), now);
    }
    assert_eq!(target.conflict(now + PROOF), Some(Conflict::Second(MAC)));
}

#[test]
fn the_right_disk_is_known_though_another_was_there_first() {
    let mut target = known(Instant::default());
    ask(&mut target, "b", 8);
    assert!(!target.second_is_right() && target.second(MAC, Instant::default()));
    assert!(target.second_answered(MAC, disk("a", 8).as_ref()) && target.second_is_right());
    target.moved(MAC);
    assert!(!target.second_is_right());
}
