//! What operators do while everything runs: pauses, drains, peers taken down; no request fails of it, and no byte is wrong.

use std::time::Duration;

use aoe_common::drop_reason::DropReason;
use aoe_common::event::Event;
use aoe_common::snapshot::State;
use aoe_common::steer::Order;
use aoe_common::telemetry::Count;
use aoe_lab::target::Answering;
use e2e::sim::load::Load;
use e2e::sim::plan::{Pair, Plan, REAL, SEEN};
use e2e::sim::seeds::for_each_seed;
use e2e::sim::steer::{EXPORT, IMPORT, PEER, pause, resume, take_down, the_law_holds};
use e2e::sim::world::World;

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn whatever_operators_do_nothing_fails_and_nothing_is_wrong() {
    for_each_seed(25, the_law_holds);
}

/// A pair at work.
fn at_work(seed: u64) -> (World, Pair) {
    let (plan, pair) = Plan::pair(seed);
    let mut world = plan.build();
    world.open(pair.initiator, SEEN);
    let load = Load::new(pair.initiator, SEEN, (pair.target, REAL))
        .operations(4000)
        .range(64);
    world.start_load(load);
    world.run_for(SECOND / 5);
    assert!(world.progress().0 > 20);
    (world, pair)
}

fn end(mut world: World) {
    world.finish_loads(MINUTE);
    world.verify_disks();
    assert_eq!(world.progress().1, 0);
}

#[test]
fn a_drained_export_has_nothing_at_its_target_and_both_sides_say_so() {
    let (mut world, pair) = at_work(1);
    world.steer(pair.exit, &pause(EXPORT, MINUTE)).unwrap();
    world.run_for(SECOND);
    let found = world.steer(pair.exit, &Order::Look(EXPORT)).unwrap();
    assert_eq!(found.in_flight, 0);
    assert!(found.waiting > 0, "{found:?}");
    let sent = world.count(pair.exit, Count::RequestsToTarget);
    let (ended, _) = world.progress();
    world.run_for(9 * SECOND);
    assert_eq!(world.count(pair.exit, Count::RequestsToTarget), sent);
    assert_eq!(world.progress().0, ended);
    let (edge, exit) = (world.snapshot(pair.edge), world.snapshot(pair.exit));
    assert_eq!(exit.exports[0].standing.state, State::Paused);
    assert_eq!(edge.imports[0].standing.state, State::Paused);
    for alarms in [&edge.alarms, &exit.alarms] {
        let lines: Vec<&str> = alarms.iter().map(|alarm| alarm.standing.why.as_str()).collect();
        assert!(
            lines.iter().any(|line| line.contains("aoe-gateway resume")),
            "{lines:?}"
        );
    }
    world.steer(pair.exit, &resume(EXPORT)).unwrap();
    world.run_for(3 * SECOND);
    assert!(world.progress().0 > ended + 100);
    for site in [pair.edge, pair.exit] {
        assert!(world.snapshot(site).alarms.is_empty());
    }
    end(world);
}

#[test]
fn an_import_that_is_paused_ends_what_was_under_way_and_stays_a_disk() {
    let (mut world, pair) = at_work(2);
    world.steer(pair.edge, &pause(IMPORT, MINUTE)).unwrap();
    world.run_for(SECOND);
    let found = world.steer(pair.edge, &Order::Look(IMPORT)).unwrap();
    assert_eq!(found.in_flight, 0);
    assert!(world.dropped(pair.edge, DropReason::RequestImportPaused) > 0);
    let sent = world.count(pair.edge, Count::RequestsToWire);
    world.drive(pair.initiator, |driver, _, _| driver.take_found());
    world.drive(pair.initiator, |driver, _, out| driver.query(SEEN, out));
    world.run_for(SECOND);
    let found = world.drive(pair.initiator, |driver, _, _| driver.take_found());
    assert!(
        found.iter().any(|found| found.address == SEEN),
        "discovery is answered"
    );
    assert_eq!(world.count(pair.edge, Count::RequestsToWire), sent);
    assert_eq!(world.snapshot(pair.edge).imports[0].standing.state, State::Paused);
    let (ended, _) = world.progress();
    // It ends by itself.
    world.run_for(MINUTE + 2 * SECOND);
    assert!(world.progress().0 > ended + 100);
    assert!(world.snapshot(pair.edge).alarms.is_empty());
    end(world);
}

#[test]
fn a_pause_at_both_ends_is_over_when_both_are() {
    let (mut world, pair) = at_work(3);
    world.steer(pair.exit, &pause(EXPORT, MINUTE)).unwrap();
    world.run_for(5 * SECOND);
    world.steer(pair.edge, &pause(IMPORT, MINUTE)).unwrap();
    world.run_for(5 * SECOND);
    let (ended, _) = world.progress();
    world.steer(pair.exit, &resume(EXPORT)).unwrap();
    world.run_for(5 * SECOND);
    assert!(world.progress().0 <= ended + 8);
    world.steer(pair.edge, &resume(IMPORT)).unwrap();
    world.run_for(5 * SECOND);
    assert!(world.progress().0 > ended + 100);
    end(world);
}

#[test]
fn what_an_initiator_has_waited_shortens_the_pause_and_twice_is_no_longer_than_once() {
    let (mut world, pair) = at_work(4);
    for (site, what) in [(pair.exit, EXPORT), (pair.edge, IMPORT)] {
        world.steer(site, &pause(what, MINUTE)).unwrap();
        world.run_for(MINUTE / 2);
        let again = world
            .steer(site, &pause(what, 150 * SECOND))
            .unwrap()
            .pause
            .unwrap();
        assert!(again.left_ms <= 121_000 && again.left_ms > 110_000, "{again:?}");
        world.steer(site, &resume(what)).unwrap();
        // Who waited may not have been served yet.
        let again = world
            .steer(site, &pause(what, 150 * SECOND))
            .unwrap()
            .pause
            .unwrap();
        assert!(again.left_ms <= 121_000, "{again:?}");
        world.steer(site, &resume(what)).unwrap();
        world.run_for(25 * SECOND);
    }
    end(world);
}

#[test]
fn who_waits_for_a_target_that_is_away_is_not_kept_waiting_longer_than_it_can() {
    let (mut world, pair) = at_work(7);
    world.set_answering(pair.target, Answering::Never);
    world.run_for(40 * SECOND);
    let found = world
        .steer(pair.exit, &pause(EXPORT, 150 * SECOND))
        .unwrap()
        .pause
        .unwrap();
    assert!(found.left_ms < 125_000 && found.oldest_ms > 30_000, "{found:?}");
    world.set_answering(pair.target, Answering::Normally);
    world.steer(pair.exit, &resume(EXPORT)).unwrap();
    end(world);
}

#[test]
fn a_restart_ends_a_pause_and_what_a_peer_was_taken_down_for() {
    let (mut world, pair) = at_work(5);
    world.steer(pair.exit, &pause(EXPORT, 100 * SECOND)).unwrap();
    take_down(&mut world, pair.exit).unwrap();
    world.run_for(5 * SECOND);
    let (ended, _) = world.progress();
    world.restart(pair.exit);
    world.run_for(15 * SECOND);
    assert!(world.snapshot(pair.exit).exports[0].paused.is_none());
    assert!(world.progress().0 > ended + 100);
    end(world);
}

#[test]
fn a_peer_that_is_taken_down_gets_nothing_done_until_it_is_taken_up() {
    let (mut world, pair) = at_work(6);
    world.steer(pair.exit, &pause(EXPORT, MINUTE)).unwrap();
    world.run_for(2 * SECOND);
    let waiting = world.steer(pair.exit, &Order::Look(EXPORT)).unwrap().waiting;
    let found = take_down(&mut world, pair.exit).unwrap();
    assert!(
        found.changed && found.closed == 1 && found.dropped >= waiting && waiting > 0,
        "{found:?}"
    );
    let sent = world.count(pair.exit, Count::RequestsToTarget);
    // Nothing that waited is there to be sent.
    world.steer(pair.exit, &resume(EXPORT)).unwrap();
    world.run_for(30 * SECOND);
    assert_eq!(world.count(pair.exit, Count::RequestsToTarget), sent);
    assert!(world.dropped(pair.exit, DropReason::HandshakeTakenDown) > 3);
    let told = |event: &Event| {
        event
            .to_string()
            .contains("the peer's operator took this gateway down")
    };
    assert_eq!(world.events_like(pair.edge, told), 1);
    assert_eq!(world.snapshot(pair.exit).peers[0].standing.state, State::Down);
    let by = "user 0".to_owned();
    world.steer(pair.exit, &Order::TakeUp { peer: PEER, by }).unwrap();
    world.run_for(15 * SECOND);
    assert!(world.count(pair.exit, Count::RequestsToTarget) > sent + 100);
    end(world);
}
