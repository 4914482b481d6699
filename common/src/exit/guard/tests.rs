use proptest::prelude::*;

use super::super::span::Touch;
use super::*;

fn is_behind(guard: &Guard, captured: Instant, span: &Span) -> bool {
    guard.is_behind(captured, span, &mut { MAX_STEPS })
}

const KEEP: Duration = Duration::from_secs(1);
/// In another zone than the first sectors.
const FAR: u64 = 1 << 20;

fn span(start: u64) -> Span {
    Span::new(start, 2, Touch::Writes)
}

#[test]
fn a_late_copy_is_dropped_and_independent_writes_pass() {
    let (mut guard, now) = (Guard::default(), Instant::default());
    // Copy 1 is under way; copy 2 was answered, and 3 is the newer write.
    guard.record(2, span(8), now, KEEP, true);
    guard.record(3, span(8), now, KEEP, true);
    assert_eq!(guard.judge(1, &span(8)), Order::Stale);
    assert_eq!(guard.judge(1, &span(9)), Order::Stale, "by one sector");
    assert_eq!(guard.judge(1, &span(10)), Order::Newest);
    assert_eq!(guard.judge(2, &span(8)), Order::Stale);
    assert_eq!(guard.judge(3, &span(8)), Order::Repeated);
    assert_eq!(guard.judge(4, &span(8)), Order::Newest);
}

#[test]
fn what_is_forgotten_makes_everything_older_late() {
    let (mut guard, now) = (Guard::default(), Instant::default());
    guard.record(5, span(8), now, KEEP, true);
    guard.expire(now + 2 * KEEP, KEEP);
    assert_eq!(guard.judge(4, &span(1000)), Order::Stale);
    assert_eq!(guard.judge(5, &span(1000)), Order::Repeated);
    assert_eq!(guard.judge(6, &span(8)), Order::Newest);
    assert_eq!(guard.judge(4, &span(FAR)), Order::Newest, "elsewhere");
    for number in 6..6 + 2 * MAX_WRITES as u64 {
        guard.record(number, span(number % 1000 * 2), now, KEEP, true);
    }
    assert_eq!(guard.writes.len(), MAX_WRITES);
    assert_eq!(guard.judge(7, &span(0)), Order::Stale);
}

#[test]
fn what_came_by_another_way_is_late_if_it_was_captured_before_the_arrival_here() {
    let (mut guard, at) = (Guard::default(), |millis: u64| {
        Instant::from_micros(millis * 1000)
    });
    assert!(!is_behind(&guard, at(0), &span(8)));
    guard.record(1, span(8), at(10), KEEP, true);
    guard.record(2, span(FAR), at(20), KEEP, true);
    for (captured, start, behind) in [
        (9, 8, true),
        (10, 9, true),
        (11, 8, false),
        (9, 10, false),
        (11, FAR, true),
        (21, FAR, false),
    ] {
        assert_eq!(
            is_behind(&guard, at(captured), &span(start)),
            behind,
            "{captured} {start}"
        );
    }
    // What is forgotten was there all the same.
    guard.record(3, span(FAR), at(30), KEEP, false);
    assert!(
        guard.len() == 2 && is_behind(&guard, at(10), &span(100)) && !is_behind(&guard, at(11), &span(8))
    );
    assert!(!is_behind(&guard, at(0), &span(2 * FAR)));
}

#[test]
fn a_write_is_compared_with_so_many_others_and_no_more() {
    let (mut guard, now) = (Guard::default(), Instant::default());
    let steps = MAX_STEPS as u64;
    for number in 2..2 + 2 * steps {
        guard.record(2 * number, span(0), now, KEEP, true);
    }
    // By one sector it does not overlap; nobody looked.
    assert_eq!(guard.judge(1, &span(2)), Order::Stale);
    assert_eq!(guard.judge(2 * (3 + steps) + 1, &span(2)), Order::Newest);
    assert!(is_behind(&guard, now, &span(2)));
}

#[test]
fn memory_shrinks_again() {
    let (mut guard, mut now) = (Guard::default(), Instant::default());
    for number in 1..=MAX_WRITES as u64 {
        guard.record(number, span(number * 2), now, KEEP, true);
    }
    now = now + KEEP * 2;
    // A little goes on all the time.
    for number in MAX_WRITES as u64..MAX_WRITES as u64 + 100 {
        guard.record(number + 1, span(number * 2), now, KEEP, true);
    }
    guard.shrink();
    assert!(guard.writes.capacity() <= 256 && guard.newest.len() <= 256);
    let last = MAX_WRITES as u64 + 100;
    assert_eq!(guard.judge(last, &span(last * 2 - 2)), Order::Repeated);
    guard.expire(now + KEEP * 2, KEEP);
    guard.shrink();
    assert!(guard.writes.capacity() == 0 && guard.newest.capacity() == 0);
    assert_eq!(guard.judge(last - 1, &span(last * 2 - 2)), Order::Stale);
}

/// Against the whole history: nothing stale passes, and with room for all nothing else is dropped.
fn agree(arrivals: impl IntoIterator<Item = (u64, Span)>) -> Result<(), TestCaseError> {
    let mut guard = Guard::default();
    let mut history: Vec<(u64, Span)> = Vec::new();
    for (number, span) in arrivals {
        let stale = history.iter().any(|(n, s)| *n > number && s.overlaps(&span));
        let repeated = history.iter().any(|(n, _)| *n == number);
        let verdict = guard.judge(number, &span);
        if stale || repeated {
            prop_assert_ne!(verdict, Order::Newest);
        } else {
            prop_assert_eq!(verdict, Order::Newest);
            guard.record(number, span, Instant::default(), KEEP, true);
            history.push((number, span));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_verdict_is_that_of_the_whole_history(
        arrivals in prop::collection::vec((1u64..40, 0u64..12, 1u8..4), 1..60)
    ) {
        let write = |(number, start, sectors)| (number, Span::new(start, sectors, Touch::Writes));
        agree(arrivals.into_iter().map(write))?;
    }

    /// All over the disk; so many that there are more and more chains.
    #[test]
    fn wherever_they_are(numbers in prop::collection::vec(1u64..600, 1..600), sectors in 1u8..32) {
        // What has the same number is a copy: it touches the same sectors.
        let write = |number| (number, Span::new(number * 37 % 1000, sectors, Touch::Writes));
        agree(numbers.into_iter().map(write))?;
    }
}
