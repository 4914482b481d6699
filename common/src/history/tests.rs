use super::*;
use crate::snapshot::{Alarm, Export, Import};

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1000)
}

fn export(name: &str, requests: u64) -> Export {
    Export {
        name: name.to_owned(),
        traffic: Traffic {
            requests,
            answered: requests,
            read_bytes: requests * 512,
            ..Traffic::default()
        },
        ..Export::default()
    }
}

fn with(exports: Vec<Export>) -> Snapshot {
    Snapshot {
        exports,
        ..Snapshot::default()
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// Requests of the last hour or day, of the thing of this name.
fn requests(history: &History, name: &str, span: Span) -> Vec<Option<u64>> {
    let index = history.index(at(0), 0.0);
    let row = index
        .series
        .iter()
        .find(|row| row.name == name && row.kind != Kind::Imports);
    let columns = history.columns(row.unwrap().id, span, None, at(0), 0.0).unwrap();
    let value = serde_json::to_value(&columns).unwrap();
    let column: Vec<Option<u64>> = serde_json::from_value(value["requests"].clone()).unwrap();
    assert_eq!(column.len(), columns.count);
    column
}

#[test]
fn each_second_has_what_was_carried_in_it() {
    let mut history = History::default();
    for (millis, n) in [(0, 100), (1010, 100), (2005, 107), (3001, 107), (5000, 120)] {
        history.look(at(millis), &with(vec![export("disk", n)]), SECOND);
    }
    // The last one is two seconds after the one before.
    let some = |n: [u64; 5]| -> Vec<_> { [None].into_iter().chain(n.map(Some)).collect() };
    assert_eq!(requests(&history, "disk", Span::Hour), some([0, 7, 0, 7, 6]));
    assert_eq!(
        requests(&history, "", Span::Hour),
        some([0, 7, 0, 7, 6]),
        "all together"
    );
}

#[test]
fn who_looks_late_sees_a_gap_and_no_spike() {
    let mut history = History::default();
    for (second, n) in [(0, 0), (1, 10), (5, 50), (6, 60)] {
        history.look(at(second * 1000), &with(vec![export("disk", n)]), SECOND);
    }
    let ten = Some(10);
    assert_eq!(
        requests(&history, "disk", Span::Hour),
        [None, ten, None, None, None, ten, ten]
    );
}

#[test]
fn a_hub_that_is_looked_at_more_rarely_has_no_gaps() {
    let mut history = History::default();
    for n in 0..3 {
        history.look(at(n * 4000), &with(vec![export("disk", n * 6)]), 4 * SECOND);
    }
    let column = requests(&history, "disk", Span::Hour);
    let some = [2, 2, 1, 1, 2, 2, 1, 1].map(Some);
    assert_eq!(column, [None].into_iter().chain(some).collect::<Vec<_>>());
}

#[test]
fn what_goes_leaves_a_gap_and_is_forgotten_a_day_later() {
    let mut history = History::default();
    let both = |n| with(vec![export("disk", n), export("tape", 100 * n)]);
    history.look(at(0), &both(0), SECOND);
    history.look(at(1000), &both(5), SECOND);
    history.look(at(2000), &with(vec![export("disk", 6)]), SECOND);
    history.look(at(3000), &both(7), SECOND);
    history.look(
        at(4000),
        &with(vec![export("disk", 8), export("tape", 3)]),
        SECOND,
    );
    assert_eq!(
        requests(&history, "tape", Span::Hour),
        [None, Some(500), None, None, Some(3)],
        "what it did while it was away is not known; counters that begin again begin at 0"
    );
    assert_eq!(
        requests(&history, "", Span::Hour),
        [None, Some(505), Some(1), Some(1), Some(4)]
    );
    let index = |history: &History| {
        history
            .index(at(0), 0.0)
            .series
            .iter()
            .map(|row| (row.name.to_owned(), row.there))
            .collect::<Vec<_>>()
    };
    for second in (5..DAY + 2 * HOUR).step_by(30) {
        history.look(at(second * 1000), &with(vec![export("disk", 8)]), 30 * SECOND);
        let tape = index(&history).into_iter().find(|(name, _)| name == "tape");
        assert!(
            second > DAY || tape == Some(("tape".to_owned(), false)),
            "{second}"
        );
    }
    assert!(!index(&history).iter().any(|(name, _)| name == "tape"));
}

#[test]
fn minutes_have_the_quantiles_of_all_their_requests() {
    let took = |millis: &[u64]| {
        let mut times = crate::stats::Times::default();
        millis.iter().for_each(|millis| times.note(millis * 1000));
        let mut row = Import {
            address: "e1.1".to_owned(),
            ..Import::default()
        };
        row.latency.total = times.latency();
        Snapshot {
            imports: vec![row],
            ..Snapshot::default()
        }
    };
    let mut history = History::default();
    history.look(at(0), &took(&[900; 50]), SECOND);
    let mut all = vec![900; 50];
    all.extend([2; 99]);
    history.look(at(1000), &took(&all), SECOND);
    all.extend([40; 3]);
    history.look(at(2000), &took(&all), SECOND);
    history.look(at(60_000), &took(&all), 60 * SECOND);
    let index = history.index(at(0), 0.0);
    let id = index.series.iter().find(|row| row.name == "e1.1").unwrap().id;
    let value = |span| serde_json::to_value(history.columns(id, span, None, at(0), 0.0).unwrap()).unwrap();
    let near = |value: &serde_json::Value, millis: u64| {
        let micros = value.as_u64().unwrap();
        assert!(
            micros >= millis * 500 && micros <= millis * 1250,
            "{micros} is not {millis} ms"
        );
    };
    let hour = value(Span::Hour);
    near(&hour["p50_us"][1], 2);
    near(&hour["p99_us"][1], 2);
    near(&hour["p50_us"][2], 40);
    let day = value(Span::Day);
    near(&day["p50_us"][0], 2);
    near(&day["p99_us"][0], 40);
    assert_eq!(day["count"], 1);
}

#[test]
fn only_what_is_new_is_told() {
    let mut history = History::default();
    for second in 0..9 {
        history.look(at(second * 1000), &with(vec![export("disk", second)]), SECOND);
    }
    let columns = |after| {
        history
            .columns(3, Span::Hour, Some(after), at(9000), 77.0)
            .unwrap()
    };
    let tail = columns(5);
    assert_eq!(
        (tail.first, tail.count, tail.now_second, tail.now),
        (6, 3, 9, 77.0)
    );
    assert_eq!(columns(8).count, 0);
    assert_eq!(columns(u64::MAX).count, 0, "of another life of the gateway");
    assert!(history.columns(99, Span::Hour, None, at(0), 0.0).is_none());
}

#[test]
fn memory_is_bounded_and_the_past_gets_shorter() {
    let mut history = History::new(100);
    let busy = |n| {
        with(
            (0..40)
                .map(|number| export(&format!("disk{number}"), n))
                .collect(),
        )
    };
    for second in 0..HOUR {
        history.look(at(second * 1000), &busy(second), SECOND);
        assert!(history.seconds.used <= 100 && history.minutes.used <= 100);
    }
    let index = history.index(at(0), 0.0);
    assert_eq!(index.kept_seconds, 3480, "two pages for each of 41, and no third");
    let column = requests(&history, "disk7", Span::Hour);
    assert_eq!(column.iter().flatten().count(), 120);
    assert_eq!(column.last(), Some(&Some(1)));
    // All of it comes back when it is not needed any more.
    for second in 0..2 * HOUR {
        history.look(at((HOUR + second) * 1000), &busy(HOUR), SECOND);
    }
    assert_eq!(history.seconds.used, 0);
}

#[test]
fn there_are_never_too_many_things() {
    let mut history = History::default();
    let many = |first: usize| {
        with(
            (first..first + MOST_THINGS + 10)
                .map(|n| export(&n.to_string(), 0))
                .collect(),
        )
    };
    history.look(at(0), &many(0), SECOND);
    assert_eq!(history.index(at(0), 0.0).untold, 10);
    history.look(at(1000), &with(Vec::new()), SECOND);
    history.look(at(2000), &many(100_000), SECOND);
    assert!(history.things.len() <= MOST_THINGS + 2);
    let index = history.index(at(0), 0.0);
    assert!(
        index.series.iter().any(|row| row.name == "100000"),
        "what is there now is what counts"
    );
}

#[test]
fn a_sum_that_lacks_a_worker_is_a_gap() {
    let mut history = History::default();
    history.look(at(0), &with(vec![export("disk", 1)]), SECOND);
    let mut partial = with(Vec::new());
    partial.alarms.push(Alarm {
        about: "worker 0".to_owned(),
        ..Alarm::default()
    });
    history.look(at(1000), &partial, SECOND);
    history.look(at(2000), &with(vec![export("disk", 3)]), SECOND);
    history.look(at(3000), &with(vec![export("disk", 7)]), SECOND);
    assert_eq!(requests(&history, "", Span::Hour)[1..], [None, Some(0), Some(4)]);
}
