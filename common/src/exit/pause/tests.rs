use std::time::Duration;

use super::super::span::Touch;
use super::super::stage::{ALICE, AtTarget, BOB, DISK, SAME, Stage, TARGET, allow, export, initiator};
use super::*;
use crate::config::{Access, OnTargetTimeout};
use crate::telemetry::Count;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const NOTHING: [u64; 0] = [];

fn pause(stage: &mut Stage, id: ExportId, how_long: Duration) -> Steered {
    stage
        .step(|exit, _, cx| exit.pause(id, how_long, "user 0", cx))
        .unwrap()
}

fn resume(stage: &mut Stage, id: ExportId) -> Steered {
    stage
        .step(|exit, _, cx| exit.end_pause(id, Some("user 0"), cx))
        .unwrap()
}

fn look(stage: &Stage) -> Steered {
    stage.exit.look_at(DISK, stage.now).unwrap()
}

/// One export of a target with two buffers, paused while a write is at it.
fn paused() -> (Stage, AtTarget) {
    let mut stage = Stage::new(vec![export("disk", TARGET), export("same", TARGET)], 2);
    stage.write(ALICE, DISK, 8);
    let first = stage.sent()[0];
    let found = pause(&mut stage, DISK, MINUTE);
    assert!(found.changed && found.pause.unwrap().left_ms == 60_000);
    (stage, first)
}

#[test]
fn what_is_at_the_target_is_finished_and_nothing_new_goes_there() {
    let (mut stage, first) = paused();
    for lba in [80, 160, 9] {
        stage.write(BOB, DISK, lba);
    }
    stage.done(first);
    stage.wait(SECOND);
    assert_eq!(stage.lbas(), NOTHING);
    let found = look(&stage);
    assert_eq!((found.in_flight, found.waiting), (0, 3));
    let resumed = resume(&mut stage, DISK);
    assert!(resumed.changed && !resumed.pause.unwrap().is_on && resumed.dropped == 0);
    assert_eq!(
        stage.lbas(),
        [80, 160],
        "in order, and no more than the target takes"
    );
    assert!(!resume(&mut stage, DISK).changed);
}

#[test]
fn others_of_the_target_go_on() {
    let (mut stage, _) = paused();
    stage.write(ALICE, DISK, 80);
    stage.write(BOB, SAME, 800);
    assert_eq!(stage.lbas(), [800]);
    assert!(stage.exit.is_paused(DISK) && !stage.exit.is_paused(SAME));
}

#[test]
fn what_the_target_lost_is_sent_again_while_it_is_wanted() {
    let (mut stage, first) = paused();
    stage.wait(2 * SECOND);
    let again = stage.sent();
    assert!(
        !again.is_empty() && again.iter().all(|sent| sent.lba == 8),
        "{again:?}"
    );
    stage.done(first);
    assert_eq!(look(&stage).in_flight, 1, "a copy may yet be applied");
    again.into_iter().for_each(|sent| stage.done(sent));
    assert_eq!(look(&stage).in_flight, 0);
}

#[test]
fn a_short_pause_costs_nobody_his_place() {
    let (mut stage, first) = paused();
    stage.done(first);
    for lba in 0..6 {
        stage.write(ALICE, DISK, 100 * (lba + 1));
    }
    stage.wait(4 * SECOND);
    resume(&mut stage, DISK);
    let mut order = Vec::new();
    while order.len() < 6 {
        let sent = stage.sent();
        assert!(!sent.is_empty() && sent.len() <= 2, "never more than its buffers");
        order.extend(sent.iter().map(|sent| sent.lba));
        sent.into_iter().for_each(|sent| stage.done(sent));
    }
    assert_eq!(order, [100, 200, 300, 400, 500, 600]);
}

/// Its initiator may have given this way up, and written there by another one.
#[test]
fn what_waited_for_long_is_not_sent_unless_it_is_asked_again() {
    let (mut stage, first) = paused();
    stage.done(first);
    stage.write(ALICE, DISK, 80);
    stage.write(ALICE, DISK, 81);
    for _ in 0..6 {
        stage.wait(2 * SECOND);
        // The same again: its copies keep the place of the first, and make it no younger.
        stage.write(ALICE, DISK, 80);
    }
    assert_eq!(look(&stage).waiting, 2);
    assert_eq!(look(&stage).pause.unwrap().oldest_ms / 1000, 12);
    let found = resume(&mut stage, DISK);
    assert_eq!((found.dropped, stage.lbas()), (2, vec![]));
    assert_eq!(stage.dropped(DropReason::PauseOutlasted), 2);
    stage.write(ALICE, DISK, 80);
    assert_eq!(stage.lbas(), [80]);
}

#[test]
fn it_ends_by_itself_and_twice_is_no_longer_than_once() {
    let (mut stage, _) = paused();
    let begun = stage.now;
    for _ in 0..40 {
        stage.wait(5 * SECOND);
        pause(&mut stage, DISK, Duration::from_secs(3600));
        if !stage.exit.is_paused(DISK) {
            break;
        }
    }
    let lasted = stage.now.saturating_since(begun);
    assert!(lasted > 149 * SECOND && lasted < 156 * SECOND, "{lasted:?}");
    assert_eq!(stage.exit.pauses_end, Instant::NEVER);
    let said: Vec<String> = stage.events().iter().map(ToString::to_string).collect();
    assert!(
        said.iter().any(|line| line.contains("paused by user 0 for 60 s")),
        "{said:?}"
    );
    assert!(
        said.iter().any(|line| line.contains("whose time is over")),
        "{said:?}"
    );
    assert_eq!(stage.telemetry.troubles().count(), 0);
}

#[test]
fn what_an_initiator_has_waited_before_counts() {
    let mut stage = Stage::new(vec![export("disk", TARGET)], 2);
    stage.silence(TARGET);
    for _ in 0..40 {
        // A target that is away, and an initiator that asks again and again.
        stage.write(ALICE, DISK, 8);
        stage.wait(SECOND);
    }
    let found = pause(&mut stage, DISK, Duration::from_secs(150)).pause.unwrap();
    assert_eq!((found.left_ms + found.oldest_ms) / 1000, 150);
    assert!(found.left_ms < 112_000 && found.left_ms > 108_000, "{found:?}");
}

#[test]
fn what_lost_its_right_its_peer_or_its_export_is_not_sent_afterwards() {
    let reduced = || {
        let mut config = export("disk", TARGET);
        config.allow = vec![allow(ALICE)];
        config.allow[0].access = Access::ReadOnly;
        config
    };
    let (mut stage, first) = paused();
    stage.done(first);
    stage.write(ALICE, DISK, 80);
    stage.ask((ALICE, initiator(1)), DISK, 300, Touch::Reads).unwrap();
    stage.write(BOB, DISK, 160);
    stage.change(DISK, &reduced());
    assert_eq!(stage.dropped(DropReason::ExportWithdrawn), 1, "BOB's");
    assert!(stage.exit.is_paused(DISK), "the pause stays over a reload");
    assert_eq!(stage.lbas(), NOTHING);
    resume(&mut stage, DISK);
    assert_eq!(stage.lbas(), [300]);

    for gone in [
        |stage: &mut Stage| stage.step(|exit, _, cx| exit.dismiss(ALICE, cx)),
        |stage: &mut Stage| stage.step(|exit, _, cx| exit.forget(ALICE, cx)),
        |stage: &mut Stage| {
            stage.step(|exit, _, cx| exit.drop_requests_of(ALICE, DropReason::PeerTakenDown, cx))
        },
    ] {
        let (mut stage, first) = paused();
        stage.done(first);
        stage.write(ALICE, DISK, 80);
        stage.write(BOB, DISK, 160);
        gone(&mut stage);
        resume(&mut stage, DISK);
        assert_eq!(stage.lbas(), [160]);
    }

    let (mut stage, _) = paused();
    stage.write(ALICE, DISK, 80);
    stage.remove(DISK);
    assert_eq!(stage.telemetry.troubles().count(), 0);
    stage.wait(MINUTE);
    assert!(stage.lbas().iter().all(|lba| *lba == 8));
}

#[test]
fn the_order_of_writes_holds_through_a_pause() {
    let (mut stage, first) = paused();
    stage.write(ALICE, DISK, 9);
    stage.write(ALICE, DISK, 80);
    stage.done(first);
    stage.write(ALICE, DISK, 80);
    resume(&mut stage, DISK);
    assert_eq!(stage.lbas(), [80, 9], "the copy has the place of the first");
    assert_eq!(stage.count(Count::RequestsCollapsed), 1);
}

#[test]
fn nobody_loses_patience_with_a_target_that_is_stopped_on_purpose() {
    let mut config = export("disk", TARGET);
    config.safety.target_timeout = 10 * SECOND;
    config.safety.on_target_timeout = OnTargetTimeout::Error;
    let mut stage = Stage::new(vec![config], 2);
    pause(&mut stage, DISK, MINUTE);
    stage.write(ALICE, DISK, 8);
    stage.silence(TARGET);
    stage.wait(40 * SECOND);
    assert_eq!(stage.dropped(DropReason::TargetTimeout), 0);
    stage.write(ALICE, DISK, 8);
    resume(&mut stage, DISK);
    stage.wait(5 * SECOND);
    assert_eq!(
        stage.dropped(DropReason::TargetTimeout),
        0,
        "patience begins with the end"
    );
    stage.wait(10 * SECOND);
    let gone = [DropReason::TargetTimeout, DropReason::PauseOutlasted].map(|reason| stage.dropped(reason));
    assert_eq!(gone.iter().sum::<u64>(), 1, "{gone:?}");
}

/// However much one asks for, it has only its share of the room, and others have theirs.
#[test]
fn a_flood_at_a_paused_export_leaves_room_for_others() {
    let (mut stage, _) = paused();
    let mut refused = 0;
    for n in 0..45_000u64 {
        let from = initiator(u8::try_from(n % 200).unwrap());
        refused += u64::from(
            stage
                .ask((ALICE, from), DISK, 1000 + 8 * n, Touch::Writes)
                .is_err(),
        );
    }
    assert!(refused > 1000, "{refused}");
    let kept = stage.exit.pending.iter().count();
    assert!(kept < 44_000, "{kept}");
    stage.sent();
    assert!(
        stage
            .ask((BOB, initiator(1)), SAME, 1 << 30, Touch::Writes)
            .is_ok()
    );
    assert_eq!(stage.lbas(), [1 << 30]);
}
