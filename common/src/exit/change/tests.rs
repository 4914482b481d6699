use std::time::Duration;

use super::super::span::Touch;
use super::super::stage::{ALICE, BOB, DISK, ELSEWHERE, SAME, Stage, TARGET, allow, export, initiator, mac};
use super::*;
use crate::config::{Access, OnConflict, TargetOrder};
use crate::telemetry::Count;

const LONG: Duration = Duration::from_secs(60);
const NOTHING: [u64; 0] = [];

/// One export of a target with one buffer: a write is at it, one behind it, another one overlaps the first.
fn busy() -> Stage {
    let mut stage = Stage::new(vec![export("disk", TARGET), export("same", TARGET)], 1);
    stage.write(ALICE, DISK, 8);
    stage.write(ALICE, DISK, 80);
    stage.write(ALICE, DISK, 9);
    assert_eq!(stage.exit.pending.iter().count(), 3);
    stage
}

#[test]
fn a_removed_export_sends_nothing_and_answers_nobody_any_more() {
    let mut stage = busy();
    let first = stage.sent()[0];
    stage.remove(DISK);
    assert_eq!(stage.dropped(DropReason::ExportWithdrawn), 3);
    stage.wait(Duration::from_secs(4));
    assert_eq!(
        stage.lbas(),
        NOTHING,
        "neither what waited nor a copy of what was sent"
    );
    stage.done(first);
    assert_eq!(stage.count(Count::AnswersAbsorbed), 1);
    assert_eq!((stage.count(Count::RepliesToWire), stage.lbas()), (0, vec![]));
    assert!(stage.exit.pending.is_empty());
}

#[test]
fn what_is_at_the_target_keeps_its_place_in_the_order_of_others() {
    let mut stage = busy();
    let first = stage.sent()[0];
    stage.remove(DISK);
    stage.write(BOB, SAME, 9);
    stage.write(BOB, SAME, 800);
    stage.wait(Duration::from_secs(1));
    assert_eq!(stage.lbas(), NOTHING, "the target has one buffer");
    stage.done(first);
    let next = stage.sent();
    assert_eq!(next[0].lba, 800, "it waited for a buffer only");
    stage.done(next[0]);
    assert_eq!(stage.lbas(), [9], "its turn has come");
}

/// The answer is lost, so its write holds what overlaps it for as long as a target may take.
#[test]
fn a_write_that_may_be_applied_still_holds_what_overlaps_it() {
    let mut stage = Stage::new(vec![export("disk", TARGET), export("same", TARGET)], 16);
    stage.write(ALICE, DISK, 8);
    assert_eq!(stage.lbas(), [8]);
    stage.remove(DISK);
    for n in 0..100 {
        let again = stage.ask((BOB, initiator(1)), SAME, 9, Touch::Writes);
        assert!(again.is_ok() || n > 0);
        stage.write(BOB, SAME, 1000 + n);
        let sent = stage.sent();
        assert!(sent.iter().all(|sent| sent.lba != 9), "after {n} steps");
        sent.into_iter().for_each(|sent| stage.done(sent));
        stage.wait(Duration::from_millis(200));
    }
    assert!(stage.exit.leaving.get(DISK).is_some());
    stage.wait(LONG);
    assert!(stage.exit.leaving.is_empty() && stage.exit.exports.get(SAME).is_some());
}

#[test]
fn a_tombstone_goes_when_every_peer_that_knew_was_told_and_nothing_is_left() {
    let mut stage = busy();
    stage.tell(ALICE);
    stage.tell(BOB);
    let first = stage.sent()[0];
    stage.remove(DISK);
    stage.tell(ALICE);
    stage.done(first);
    stage.wait(LONG / 6);
    assert!(stage.exit.leaving.get(DISK).is_some(), "Bob does not know");
    stage.step(|exit, _, _| exit.inform(BOB));
    stage.tell(BOB);
    assert!(stage.exit.leaving.is_empty());
    // Requests that are on the way are late, not forbidden: they are no reason for an alarm.
    assert!(stage.exit.withdrawals.has(ALICE, DISK) && stage.exit.withdrawals.has(BOB, DISK));
    stage.wait(LONG);
    assert!(!stage.exit.withdrawals.has(BOB, DISK));
}

#[test]
fn who_never_knew_or_is_another_process_is_not_waited_for() {
    let mut stage = Stage::new(vec![export("disk", TARGET)], 1);
    stage.tell(ALICE);
    stage.remove(DISK);
    assert!(stage.exit.leaving.get(DISK).is_some());
    stage.step(|exit, _, cx| exit.forget(ALICE, cx));
    assert!(stage.exit.leaving.is_empty());
}

#[test]
fn an_export_that_is_added_again_has_nothing_of_the_old_one() {
    let mut stage = busy();
    let first = stage.sent()[0];
    stage.remove(DISK);
    let again = ExportId(2);
    stage.add(again, export("disk", TARGET));
    stage.done(first);
    assert_eq!(stage.lbas(), NOTHING);
    stage.write(ALICE, again, 8);
    assert_eq!(stage.lbas(), [8], "it uses the target that is there");
    assert_eq!(stage.exit.targets.len(), 1);
    assert_eq!(stage.exit.exports.get(again).unwrap().requests, 1);
}

#[test]
fn an_export_that_is_added_has_a_target_that_is_asked_at_once() {
    let mut stage = Stage::new(vec![export("disk", TARGET)], 1);
    stage.add(ExportId(1), export("other", ELSEWHERE));
    stage.wait(Duration::from_millis(100));
    stage.wake(ELSEWHERE, 4);
    stage.write(ALICE, ExportId(1), 8);
    assert_eq!(stage.sent()[0].address, ELSEWHERE);
}

#[test]
fn a_grant_that_is_removed_flushes_that_peer_only() {
    let mut stage = busy();
    stage.write(BOB, DISK, 160);
    let first = stage.sent()[0];
    let mut config = export("disk", TARGET);
    config.allow = vec![allow(BOB)];
    stage.tell(ALICE);
    stage.change(DISK, &config);
    assert_eq!(stage.dropped(DropReason::ExportWithdrawn), 3);
    assert!(stage.exit.withdrawals.has(ALICE, DISK) && !stage.exit.withdrawals.has(BOB, DISK));
    stage.done(first);
    assert_eq!(stage.lbas(), [160]);
    // And back.
    config.allow = vec![allow(ALICE), allow(BOB)];
    stage.change(DISK, &config);
    assert!(!stage.exit.withdrawals.has(ALICE, DISK));
    assert!(stage.exit.exports.get(DISK).unwrap().rights(ALICE).is_some());
}

/// There is no session: that a refusal was to be sent is seen by that.
#[test]
fn writes_that_wait_are_refused_when_the_export_becomes_read_only_and_reads_go_on() {
    let mut stage = busy();
    stage.ask((ALICE, initiator(1)), DISK, 240, Touch::Reads).unwrap();
    let first = stage.sent()[0];
    let mut config = export("disk", TARGET);
    config.allow[0].access = Access::ReadOnly;
    stage.change(DISK, &config);
    assert_eq!(stage.dropped(DropReason::NoSession), 3, "an answer for each");
    assert_eq!(stage.dropped(DropReason::ExportWithdrawn), 0);
    stage.done(first);
    assert_eq!(stage.lbas(), [240]);
}

#[test]
fn initiators_that_are_not_listed_any_more_are_flushed_and_others_get_the_answer_to_the_same() {
    let mut stage = Stage::new(vec![export("disk", TARGET)], 1);
    stage.write(ALICE, DISK, 0);
    let first = stage.sent()[0];
    let (stays, goes) = (initiator(1), initiator(2));
    stage.ask((ALICE, goes), DISK, 80, Touch::Writes).unwrap();
    let both = stage.ask((ALICE, stays), DISK, 160, Touch::Writes).unwrap();
    assert_eq!(stage.ask((ALICE, goes), DISK, 160, Touch::Writes), Ok(both));
    let mut config = export("disk", TARGET);
    config.allow[0].initiators = Some(vec![stays]);
    stage.change(DISK, &config);
    assert_eq!(stage.dropped(DropReason::ExportWithdrawn), 1);
    let pending = stage.exit.pending.get(both).unwrap();
    assert_eq!(pending.origin.unwrap().initiator, stays);
    assert!(pending.earlier.is_empty());
    stage.done(first);
    assert_eq!(stage.lbas(), [160]);
}

#[test]
fn an_export_that_moves_leaves_what_waited_and_drains_the_old_target() {
    let mut stage = Stage::new(vec![export("disk", TARGET)], 1);
    stage.write(ALICE, DISK, 8);
    stage.write(ALICE, DISK, 80);
    let first = stage.sent()[0];
    stage.change(DISK, &export("disk", ELSEWHERE));
    assert_eq!(stage.dropped(DropReason::ExportMoved), 2);
    let target = stage.exit.exports.get(DISK).unwrap().target;
    assert_eq!(
        stage.exit.target(target).unwrap().liveness.mac(),
        None,
        "a new one"
    );
    stage.wake(ELSEWHERE, 4);
    stage.write(ALICE, DISK, 8);
    stage.write(ALICE, DISK, 80);
    let sent = stage.sent();
    assert!(sent.iter().all(|sent| sent.address == ELSEWHERE) && sent.len() == 2);
    stage.done(first);
    assert_eq!(stage.exit.targets.len(), 2, "what it wrote is remembered");
    stage.wait(Duration::from_secs(2));
    assert_eq!(stage.exit.targets.len(), 1);
}

/// There and back, while a write is at the target whose answer is lost.
#[test]
fn an_export_that_comes_back_waits_for_what_it_left_there() {
    let mut stage = Stage::new(vec![export("disk", TARGET)], 16);
    stage.write(ALICE, DISK, 8);
    assert_eq!(stage.lbas(), [8]);
    stage.change(DISK, &export("disk", ELSEWHERE));
    stage.change(DISK, &export("disk", TARGET));
    stage.write(ALICE, DISK, 9);
    assert_eq!(stage.lbas(), NOTHING);
    // Another one that is pinned to the same station is another target, in the same order.
    let mut pinned = export("pinned", TARGET);
    pinned.target_mac = Some(mac(TARGET));
    stage.add(ExportId(1), pinned);
    stage.wake(TARGET, 16);
    stage.write(BOB, ExportId(1), 9);
    assert_eq!(stage.exit.targets.len(), 2);
    assert_eq!(stage.lbas(), NOTHING);
    stage.write(BOB, ExportId(1), 800);
    assert_eq!(stage.lbas(), [800]);
}

#[test]
fn a_pin_on_the_station_that_is_the_target_changes_nothing_and_on_another_everything() {
    let mut stage = busy();
    stage.remove(SAME);
    let mut config = export("disk", TARGET);
    config.target_mac = Some(mac(TARGET));
    stage.change(DISK, &config);
    assert_eq!(stage.dropped(DropReason::ExportMoved), 0);
    config.target_mac = Some(mac(ELSEWHERE));
    stage.change(DISK, &config);
    assert_eq!(stage.dropped(DropReason::ExportMoved), 3);
    let target = stage.exit.exports.get(DISK).unwrap().target;
    assert!(!stage.exit.target(target).unwrap().is_up());
}

#[test]
fn a_target_works_in_the_strictest_order_of_its_exports() {
    let mut fifo = export("disk", TARGET);
    fifo.safety.order = TargetOrder::Fifo;
    let mut stage = Stage::new(vec![fifo.clone()], 4);
    let order = |stage: &Stage| stage.exit.targets.values().next().unwrap().order;
    assert_eq!(order(&stage), TargetOrder::Fifo);
    stage.add(SAME, export("same", TARGET));
    assert_eq!(order(&stage), TargetOrder::Any);
    stage.write(ALICE, SAME, 8);
    let first = stage.sent()[0];
    stage.remove(SAME);
    assert_eq!(order(&stage), TargetOrder::Any, "something of it is there");
    stage.done(first);
    stage.wait(Duration::from_secs(1));
    assert_eq!(order(&stage), TargetOrder::Fifo);
    stage.change(DISK, &export("disk", TARGET));
    assert_eq!(order(&stage), TargetOrder::Any);
    stage.change(DISK, &fifo);
    assert_eq!(order(&stage), TargetOrder::Fifo);
}

#[test]
fn a_peer_that_goes_leaves_its_room_and_its_place_in_the_order() {
    let mut stage = busy();
    let first = stage.sent()[0];
    let before = stage.exit.pending.room(BOB);
    stage.step(|exit, _, cx| exit.dismiss(ALICE, cx));
    assert_eq!(stage.dropped(DropReason::PeerRemoved), 3);
    assert!(stage.exit.pending.room(BOB) > before);
    assert_eq!(stage.exit.pending.room(ALICE), 0);
    assert!(
        stage
            .exit
            .exports
            .values()
            .all(|export| export.rights(ALICE).is_none())
    );
    stage.write(BOB, SAME, 9);
    assert_eq!(stage.lbas(), NOTHING);
    stage.done(first);
    assert_eq!(stage.lbas(), [9]);
    // What it wrote is in the way of what was captured before.
    stage.step(|exit, _, _| exit.admit(PeerId(700)));
    assert!(stage.exit.pending.room(PeerId(700)) > 0);
}

#[test]
fn no_trouble_is_left_of_an_export_that_went_and_a_conflict_stops_writes_from_when_that_is_said() {
    let mut stage = Stage::new(vec![export("disk", TARGET)], 1);
    let mut config = export("disk", TARGET);
    config.safety.on_conflict = OnConflict::Alarm;
    stage.change(DISK, &config);
    // Another station answers, and does not say which disk it is.
    let target = stage.exit.exports.get(DISK).unwrap().target;
    stage.step(|exit, links, cx| {
        let recognition = &mut exit.target_mut(target).unwrap().recognition;
        recognition.second(mac(ELSEWHERE), cx.now);
        recognition.second(mac(ELSEWHERE), cx.now + Duration::from_secs(4));
        exit.recognise(links, cx);
    });
    stage.wait(Duration::from_secs(6));
    assert_eq!(stage.telemetry.troubles().count(), 1);
    stage.write(ALICE, DISK, 8);
    stage.write(ALICE, DISK, 80);
    stage.events();
    config.safety.on_conflict = OnConflict::Stop;
    stage.change(DISK, &config);
    assert_eq!(stage.dropped(DropReason::NoSession), 2, "both are refused");
    assert_eq!(stage.events().len(), 1, "it is said that writes are refused now");
    assert_eq!(stage.telemetry.troubles().count(), 1);
    stage.remove(DISK);
    assert_eq!(stage.telemetry.troubles().count(), 0);
}
