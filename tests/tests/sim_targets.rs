//! Targets that go, come back, change, and are not alone; LANs that change under them.

use std::time::Duration;

use aoe_common::config::{Access, SegmentId};
use aoe_common::drop_reason::DropReason;
use aoe_common::event::Event;
use aoe_common::frame::{Address, MacAddr};
use aoe_common::telemetry::Count;
use aoe_lab::target::{Answering, BladeSettings};
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::puppet::Puppets;
use e2e::sim::seeds::for_each_seed;
use e2e::sim::world::Link;
use e2e::sim::{Load, Pair, Plan, World};

const LONG: Duration = Duration::from_secs(900);

fn loaded(plan: Plan, pair: Pair, operations: u64) -> World {
    let mut world = plan.build();
    world.open(pair.initiator, SEEN);
    world.start_load(Load::new(pair.initiator, SEEN, (pair.target, REAL)).operations(operations));
    world
}

fn is_target_down(event: &Event) -> bool {
    matches!(event, Event::TargetDown { .. })
}

#[test]
fn a_target_that_hangs_and_returns_costs_no_request() {
    for_each_seed(6, |seed| {
        let (plan, pair) = Plan::pair(seed);
        let mut world = loaded(plan, pair, 150);
        for away in [1, 3, 20] {
            world.run_for(Duration::from_millis(10 + seed % 20));
            world.set_answering(pair.target, Answering::Never);
            world.run_for(Duration::from_secs(away));
            world.set_answering(pair.target, Answering::Normally);
            world.run_for(Duration::from_secs(2));
        }
        assert!(
            world.events_like(pair.exit, is_target_down) > 0,
            "{}",
            world.story()
        );
        world.finish_loads(LONG);
    });
}

#[test]
fn a_target_that_was_never_there_is_told_of_once() {
    for_each_seed(1, |seed| {
        let (plan, pair) = Plan::pair(seed);
        let mut world = plan.build();
        world.set_answering(pair.target, Answering::Never);
        world.run_for(Duration::from_secs(5));
        assert_eq!(
            world.events_like(pair.exit, is_target_down),
            0,
            "{}",
            world.story()
        );
        world.run_for(Duration::from_secs(60));
        assert_eq!(
            world.events_like(pair.exit, is_target_down),
            1,
            "{}",
            world.story()
        );
    });
}

#[test]
fn a_target_with_another_mac_is_followed_once_the_old_one_is_silent() {
    for_each_seed(4, |seed| {
        let (plan, pair) = Plan::pair(seed);
        let mut world = loaded(plan, pair, 150);
        world.run_for(Duration::from_millis(20));
        world.set_answering(pair.target, Answering::Never);
        world.run_for(Duration::from_secs(3));
        let mac = MacAddr([2, 0, 0, 0, 9, 9]);
        world.set_mac(pair.target, mac);
        world.set_answering(pair.target, Answering::Normally);
        world.announce(pair.target);
        let up = |event: &Event| matches!(event, Event::TargetUp { mac: m, .. } if *m == mac);
        world.run_until("the new MAC is known", Duration::from_secs(5), |world| {
            world.events_like(pair.exit, up) > 0
        });
        world.finish_loads(LONG);
    });
}

#[test]
fn a_pinned_target_is_not_followed() {
    let (mut plan, pair) = Plan::pair(2);
    let pin = plan.mac(pair.target);
    plan.sites[pair.exit.0].exports[0].target_mac = Some(pin);
    let mut world = loaded(plan, pair, 20);
    world.run_until("all is done", LONG, World::loads_done);
    world.set_answering(pair.target, Answering::Never);
    world.run_for(Duration::from_secs(20));
    world.set_mac(pair.target, MacAddr([2, 0, 0, 0, 9, 9]));
    world.set_answering(pair.target, Answering::Normally);
    let requests = world.target(pair.target).counters().sectors_read;
    world.start_load(
        Load::new(pair.initiator, SEEN, (pair.target, REAL))
            .operations(5)
            .writes(0.0),
    );
    world.run_for(Duration::from_secs(20));
    assert_eq!(world.target(pair.target).counters().sectors_read, requests);
    assert!(world.dropped(pair.exit, DropReason::SecondResponder) > 0);
    world.set_mac(pair.target, pin);
    world.finish_loads(LONG);
}

#[test]
fn a_second_responder_is_not_believed_while_the_first_answers() {
    for_each_seed(3, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        let twin = plan.target(pair.right);
        plan.blade(twin, REAL, BladeSettings::default());
        let mut world = plan.build();
        // The first to answer is the one; the load's model is only of that one.
        world.set_answering(twin, Answering::Never);
        world.open(pair.initiator, SEEN);
        world.set_answering(twin, Answering::Normally);
        world.start_load(Load::new(pair.initiator, SEEN, (pair.target, REAL)).operations(300));
        for _ in 0..20 {
            world.announce(twin);
            world.run_for(Duration::from_millis(11));
        }
        world.finish_loads(LONG);
        let told = |event: &Event| matches!(event, Event::SecondResponder { .. });
        assert_eq!(world.events_like(pair.exit, told), 1, "{}", world.story());
        let counters = world.target(twin).counters();
        assert_eq!((counters.sectors_read, counters.sectors_written), (0, 0));
    });
}

#[test]
fn a_link_that_goes_and_comes_costs_no_request_on_either_side() {
    for_each_seed(6, |seed| {
        for left in [true, false] {
            let (plan, pair) = Plan::pair(seed);
            let site = if left { pair.edge } else { pair.exit };
            let mut world = loaded(plan, pair, 150);
            for away in [5, 700, 9000] {
                world.run_for(Duration::from_millis(7 + seed % 13));
                world.set_link(site, SegmentId(0), Link::Down);
                world.run_for(Duration::from_millis(away));
                world.set_link(site, SegmentId(0), Link::Up);
                world.run_for(Duration::from_millis(500));
            }
            world.finish_loads(LONG);
        }
    });
}

#[test]
fn requests_at_a_link_that_is_down_wait_and_do_not_fail() {
    // The edge has not heard yet that the exit's link is down: what it sends must wait, and not be refused.
    for_each_seed(4, |seed| {
        let (plan, pair) = Plan::pair(seed);
        let mut world = loaded(plan, pair, 400);
        world.run_for(Duration::from_millis(15));
        world.set_link(pair.exit, SegmentId(0), Link::Down);
        world.run_for(Duration::from_millis(50));
        assert!(
            world.count(pair.exit, Count::RequestsQueued) > 0,
            "{}",
            world.story()
        );
        assert_eq!(world.dropped(pair.exit, DropReason::RefusedTooManySectors), 0);
        world.set_link(pair.exit, SegmentId(0), Link::Up);
        world.finish_loads(LONG);
    });
}

/// A LAN that shrinks under requests of the old size costs none of them: the exit does them in parts, and what does not
/// fit the initiator's LAN waits until it does. The next Config answer says the new size.
#[test]
fn a_lan_that_shrinks_for_a_while_fails_nothing_and_says_the_new_size() {
    for_each_seed(3, |seed| {
        for left in [true, false] {
            let (plan, pair) = Plan::pair_on(seed, [9000, 9000]);
            let mut world = plan.build();
            world.open(pair.initiator, SEEN);
            let load = Load::new(pair.initiator, SEEN, (pair.target, REAL));
            world.start_load(load.operations(200).largest(34));
            world.run_for(Duration::from_millis(20));
            world.set_lan_mtu(if left { pair.left } else { pair.right }, 1500);
            world.run_for(Duration::from_millis(50));
            world.drive(pair.initiator, |driver, _, out| driver.query(SEEN, out));
            world.run_for(Duration::from_millis(50));
            assert_eq!(world.driver(pair.initiator).sectors_per_frame(SEEN), Some(2));
            world.set_lan_mtu(if left { pair.left } else { pair.right }, 9000);
            world.run_for(Duration::from_secs(6));
            world.drive(pair.initiator, |driver, _, out| driver.query(SEEN, out));
            world.run_for(Duration::from_millis(50));
            assert_eq!(world.driver(pair.initiator).sectors_per_frame(SEEN), Some(17));
            // Replies that did not fit are lost, so requests wait for the initiator's timer.
            world.finish_loads(LONG);
        }
    });
}

#[test]
fn a_slow_target_is_not_overrun_nor_given_up() {
    for_each_seed(2, |seed| {
        let (plan, pair) = Plan::pair(seed);
        let mut world = plan.build();
        world
            .target_mut(pair.target)
            .set_service_time(Duration::from_millis(40));
        world.open(pair.initiator, SEEN);
        let load = Load::new(pair.initiator, SEEN, (pair.target, REAL));
        world.start_load(load.operations(100).depth(64));
        world.finish_loads(LONG);
        assert_eq!(world.events_like(pair.exit, is_target_down), 0);
    });
}

#[test]
fn targets_are_asked_now_and_then_and_not_more() {
    let mut puppets = Puppets::new(1, 16, 2);
    let before = puppets.world.count(puppets.exit, Count::FramesSent);
    puppets.world.run_for(Duration::from_secs(600));
    // It never answers: once a second.
    let asked = puppets.world.count(puppets.exit, Count::FramesSent) - before;
    assert!((580..=605).contains(&asked), "{asked}");
    let (plan, pair) = Plan::pair(1);
    let mut world = plan.build();
    world.run_for(Duration::from_secs(600));
    let asked = world.count(pair.exit, Count::FramesSent);
    // How it is every five seconds, who it is every minute.
    assert!((128..=137).contains(&asked), "{asked}");
}

#[test]
fn two_exports_may_have_one_target() {
    let (mut plan, pair) = Plan::pair(3);
    plan.export(pair.exit, "again", pair.right, REAL, pair.edge, Access::ReadOnly);
    let second = Address { shelf: 108, slot: 3 };
    plan.import(pair.edge, pair.exit, "again", pair.left, second);
    let mut world = loaded(plan, pair, 20);
    world.open(pair.initiator, second);
    world.finish_loads(LONG);
}
