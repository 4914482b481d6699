use std::time::Duration;

use super::super::span::Touch;
use super::super::stage::{ALICE, BOB, DISK, ELSEWHERE, Stage, TARGET, allow, export, initiator};
use super::*;
use crate::config::{Access, Allow, LbaRange, Until};
use crate::drop_reason::DropReason;
use crate::frame::MacAddr;
use crate::refusal::Refusal;

fn rows(stage: &mut Stage) -> (Vec<snapshot::Export>, Vec<Initiator>) {
    let moment = Moment {
        now: stage.now,
        wall: Duration::from_secs(1000),
    };
    let names = vec!["san".to_owned()].into();
    stage.step(|exit, links, _| exit.rows(&names, links, &moment))
}

#[test]
fn a_row_says_what_was_carried_and_where_the_time_went() {
    let mut stage = Stage::new(vec![export("disk", TARGET)], 1);
    stage.write(ALICE, DISK, 8);
    stage.ask((ALICE, initiator(2)), DISK, 80, Touch::Reads).unwrap();
    let first = stage.sent()[0];
    let row = rows(&mut stage).0.remove(0);
    assert_eq!(
        (row.name.as_str(), row.segment.as_str(), row.target.as_str()),
        ("disk", "san", "e1.0")
    );
    assert_eq!((row.at_target, row.waiting, row.buffers), (1, 1, 1));
    assert_eq!((row.traffic.requests, row.traffic.in_flight), (2, 2));
    stage.now = stage.now + Duration::from_millis(40);
    stage.done(first);
    let second = stage.sent()[0];
    stage.now = stage.now + Duration::from_millis(10);
    stage.read(second);
    let (exports, initiators) = rows(&mut stage);
    let traffic = exports[0].traffic;
    assert_eq!((traffic.answered, traffic.in_flight), (2, 0));
    assert_eq!((traffic.written_bytes, traffic.read_bytes), (1024, 1024));
    let (queue, target) = (
        exports[0].latency.queue.unwrap(),
        exports[0].latency.target.unwrap(),
    );
    assert_eq!((queue.count, target.count), (2, 2));
    // One of them waited for the other.
    assert!(
        (38_000..45_000).contains(&queue.max_us) && queue.p50_us < 2000,
        "{queue:?}"
    );
    assert!((38_000..45_000).contains(&target.max_us), "{target:?}");
    assert_eq!(initiators.len(), 2);
    let one = initiators
        .iter()
        .find(|row| row.mac == initiator(2).to_string())
        .unwrap();
    assert_eq!((one.traffic.read_bytes, one.traffic.written_bytes), (1024, 0));
    assert!((48_000..60_000).contains(&one.latency.unwrap().max_us), "{one:?}");
    assert_eq!(exports[0].allow[0].in_use, 2);
    stage.now = stage.now + QUIET;
    let (exports, initiators) = rows(&mut stage);
    assert_eq!(exports[0].allow[0].in_use, 0);
    assert!(initiators.iter().all(|row| !row.standing.why.is_empty()));
}

#[test]
fn refusals_have_a_reason_and_say_who_was_last() {
    let mut stage = Stage::new(vec![export("disk", TARGET)], 1);
    for lba in [8, 80, 160] {
        stage.write(ALICE, DISK, lba);
    }
    let mut config = export("disk", TARGET);
    config.allow[0].access = Access::ReadOnly;
    stage.change(DISK, &config);
    let (exports, initiators) = rows(&mut stage);
    let [refused] = &exports[0].refusals[..] else {
        panic!("{:?}", exports[0].refusals)
    };
    assert_eq!(refused.reason, DropReason::RefusedReadOnly.name());
    assert_eq!((refused.count, exports[0].traffic.refused), (3, 3));
    assert!(refused.last_who.starts_with(&initiator(1).to_string()));
    assert_eq!(refused.last_what, Refusal::ReadOnly.to_string());
    assert_eq!((refused.last, initiators[0].traffic.refused), (1000.0, 3));
    assert_eq!(exports[0].allow[0].access, "read-only");
}

/// The clock begins with 0; one rule ends at 10, the other one at 20.
#[test]
fn a_grant_says_when_it_ends_and_by_which_rules() {
    let mut disk = export("disk", TARGET);
    let until = |seconds| Some(Until(seconds));
    disk.allow = vec![
        Allow {
            lba: LbaRange::new(0, 1023).map(|run| vec![run]),
            until: until(10),
            ..allow(ALICE)
        },
        allow(BOB),
        Allow {
            access: Access::ReadOnly,
            until: until(20),
            ..allow(ALICE)
        },
    ];
    let mut stage = Stage::new(vec![disk], 1);
    let grants = |stage: &mut Stage| rows(stage).0.remove(0).allow;
    let now = grants(&mut stage);
    assert_eq!((now[0].access.as_str(), now[0].until), ("read-write", Some(10.0)));
    let rules = [
        "rw sectors 0-1023, until 1970-01-01T00:00:10Z",
        "ro, until 1970-01-01T00:00:20Z",
    ];
    assert_eq!(now[0].rules, rules);
    let other = ("read-write", None, true);
    let seen = (now[1].access.as_str(), now[1].until, now[1].rules.is_empty());
    assert_eq!(seen, other);
    stage.wait(Duration::from_secs(12));
    let now = grants(&mut stage);
    let seen = (now[0].access.as_str(), now[0].until, now[0].rules.len());
    assert_eq!(seen, ("read-only", Some(20.0), 0), "what ended is not named");
    stage.wait(Duration::from_secs(10));
    let now = grants(&mut stage);
    assert_eq!((now[0].access.as_str(), now[0].until), ("ended", Some(20.0)));
    assert_eq!(now.len(), 2);
}

#[test]
fn an_export_is_as_its_target_is_and_says_why() {
    let mut stage = Stage::new(vec![export("disk", TARGET)], 1);
    let how = |stage: &mut Stage| {
        let row = rows(stage).0.pop().unwrap();
        (row.standing.state, row.standing.why)
    };
    assert_eq!(how(&mut stage), (State::Up, String::new()));
    stage.silence(TARGET);
    stage.wait(Duration::from_secs(20));
    let (state, why) = how(&mut stage);
    assert_eq!(state, State::Down);
    assert!(why.starts_with("target e1.0 does not answer"), "{why}");
    stage.change(DISK, &export("disk", ELSEWHERE));
    assert_eq!(how(&mut stage).0, State::Starting);
    stage.wait(Duration::from_secs(20));
    let (state, why) = how(&mut stage);
    assert!(
        state == State::Down && why.starts_with("target e2.0 does not answer"),
        "{why}"
    );
    stage.wake(ELSEWHERE, 4);
    assert_eq!(how(&mut stage).0, State::Up);
    stage.write(ALICE, DISK, 8);
    stage.tell(ALICE);
    stage.remove(DISK);
    let (state, why) = how(&mut stage);
    assert_eq!(state, State::Leaving);
    assert_eq!(
        why,
        "it is not exported any more; 1 of its requests may still be at its target"
    );
}

#[test]
fn the_busiest_initiators_have_rows_and_times_and_the_rest_is_counted() {
    let mut stage = Stage::new(vec![export("disk", TARGET)], 1000);
    let mac = |n: u16| {
        let [a, b] = n.to_be_bytes();
        MacAddr([2, 3, 0, 0, a, b])
    };
    for n in 0..300 {
        for again in 0..if n == 299 { 2 } else { 1 } {
            let lba = u64::from(n) * 100 + again * 8;
            stage.ask((BOB, mac(n)), DISK, lba, Touch::Writes).unwrap();
        }
    }
    stage.sent().into_iter().for_each(|sent| stage.done(sent));
    let (exports, initiators) = rows(&mut stage);
    assert_eq!((initiators.len(), exports[0].others), (256, 44));
    assert_eq!(exports[0].traffic.answered, 301);
    assert_eq!(initiators[0].mac, mac(299).to_string());
    let measured = stage.exit.flows.iter().filter(|(_, flow)| flow.times.is_some());
    assert_eq!(measured.count(), 256);
    // One that is forgotten leaves its place.
    stage.step(|exit, _, cx| exit.forget(BOB, cx));
    stage.ask((ALICE, mac(1)), DISK, 8, Touch::Writes).unwrap();
    let measured = stage.exit.flows.iter().filter(|(_, flow)| flow.times.is_some());
    assert_eq!(measured.count(), 1);
}
