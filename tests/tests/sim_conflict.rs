//! Two disks at one address, or another disk than at first: told of, and kept from being mixed.

use std::time::Duration;

use aoe_common::config::{OnConflict, SegmentId};
use aoe_common::drop_reason::DropReason;
use aoe_common::event::Event;

use aoe_common::telemetry::Count;
use aoe_lab::target::{Answering, Backing, Blade, BladeSettings};
use e2e::sim::load::Errors;
use e2e::sim::plan::{DISK_SECTORS, REAL, SEEN};
use e2e::sim::world::Link;
use e2e::sim::{HostId, Load, Pair, Plan, SiteId, World};

const LONG: Duration = Duration::from_secs(600);

fn a_few(pair: Pair) -> Load {
    Load::new(pair.initiator, SEEN, (pair.target, REAL)).operations(30)
}

/// Reads work, and writes do or do not.
fn works(world: &mut World, pair: Pair, writes: bool) {
    let load = a_few(pair);
    let (site, count) = (pair.edge, world.count(pair.edge, Count::RepliesToInitiator));
    world.start_load(if writes {
        load
    } else {
        load.errors(Errors::WritesRefused)
    });
    world.finish_loads(LONG);
    assert!(world.count(site, Count::RepliesToInitiator) > count);
}

/// The target is replaced, in a moment, by one with another serial number, or by the first one again.
fn replace(world: &mut World, pair: Pair, serial: &str) {
    let blade = world.target_mut(pair.target).blade_mut(REAL).unwrap();
    serial.clone_into(&mut blade.settings_mut().serial);
    world.announce(pair.target);
    world.run_for(Duration::from_millis(50));
}

fn told(world: &World, site: SiteId, like: fn(&Event) -> bool) -> usize {
    world.events_like(site, like)
}

#[test]
fn another_disk_behind_the_address_gets_no_write_until_the_first_is_back() {
    for on_conflict in [OnConflict::Stop, OnConflict::Alarm] {
        let (mut plan, pair) = Plan::pair(1);
        plan.sites[pair.exit.0].exports[0].safety.on_conflict = on_conflict;
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        let blade = world.target_mut(pair.target).blade_mut(REAL).unwrap();
        let first = blade.settings().serial.clone();
        works(&mut world, pair, true);
        // A restart with the same disk is none of that.
        replace(&mut world, pair, &first);
        works(&mut world, pair, true);
        assert_eq!(world.count(pair.exit, Count::Conflicts), 0);
        replace(&mut world, pair, "another");
        let changed = |event: &Event| matches!(event, Event::TargetChanged { .. });
        assert_eq!(told(&world, pair.exit, changed), 1, "{}", world.story());
        let imported = |event: &Event| matches!(event, Event::ImportChanged { .. });
        assert_eq!(told(&world, pair.edge, imported), 1, "{}", world.story());
        works(&mut world, pair, on_conflict == OnConflict::Alarm);
        let refused = world.dropped(pair.exit, DropReason::RefusedConflict);
        assert_eq!(refused > 0, on_conflict == OnConflict::Stop);
        replace(&mut world, pair, &first);
        let over = |event: &Event| matches!(event, Event::ConflictOver { .. });
        assert_eq!(told(&world, pair.exit, over), 1, "{}", world.story());
        works(&mut world, pair, true);
    }
}

#[test]
fn a_disk_of_another_size_is_another_disk_and_a_restart_of_the_gateway_takes_it() {
    let (plan, pair) = Plan::pair(1);
    let mut world = plan.build();
    world.open(pair.initiator, SEEN);
    world.set_answering(pair.target, Answering::Never);
    world.run_for(Duration::from_secs(15));
    let settings = BladeSettings::default();
    let grown = Blade::new(REAL, Backing::ram(2 * DISK_SECTORS), settings);
    *world.target_mut(pair.target).blade_mut(REAL).unwrap() = grown;
    world.set_answering(pair.target, Answering::Normally);
    let changed = |event: &Event| {
        matches!(
            event,
            Event::TargetChanged {
                was: 512,
                is: 1024,
                ..
            }
        )
    };
    world.run_until("it is noticed", Duration::from_secs(10), |world| {
        world.events_like(pair.exit, changed) == 1
    });
    let before = world.target(pair.target).counters().sectors_written;
    world.start_load(a_few(pair).writes(1.0).errors(Errors::WritesRefused));
    world.finish_loads(LONG);
    assert_eq!(world.target(pair.target).counters().sectors_written, before);
    world.restart(pair.exit);
    world.start_load(a_few(pair).writes(1.0).errors(Errors::Expected));
    world.finish_loads(LONG);
    assert!(world.target(pair.target).counters().sectors_written > before);
}

/// A station that answers for the target as well.
fn twin(plan: &mut Plan, pair: Pair, serial: Option<&str>) -> HostId {
    let twin = plan.target(pair.right);
    let mut settings = BladeSettings::default();
    if let Some(serial) = serial {
        serial.clone_into(&mut settings.serial);
    }
    plan.blade(twin, REAL, settings);
    twin
}

#[test]
fn a_second_disk_at_the_address_stops_writes_and_a_second_port_of_the_same_does_not() {
    for (serial, pinned, writes) in [
        (Some("another"), false, false),
        (Some("another"), true, true),
        (None, false, true),
    ] {
        let (mut plan, pair) = Plan::pair(1);
        let twin = twin(&mut plan, pair, serial);
        let mac = plan.mac(pair.target);
        plan.sites[pair.exit.0].exports[0].target_mac = pinned.then_some(mac);
        let mut world = plan.build();
        world.set_answering(twin, Answering::Never);
        world.open(pair.initiator, SEEN);
        works(&mut world, pair, true);
        world.set_answering(twin, Answering::Normally);
        world.announce(twin);
        world.run_for(Duration::from_secs(11));
        let second = |event: &Event| matches!(event, Event::SecondResponder { .. });
        assert!(told(&world, pair.exit, second) > 0, "{}", world.story());
        works(&mut world, pair, writes);
        world.set_answering(twin, Answering::Never);
        world.run_for(Duration::from_secs(40));
        works(&mut world, pair, true);
        let counters = world.target(twin).counters();
        assert_eq!((counters.sectors_read, counters.sectors_written), (0, 0));
    }
}

#[test]
fn an_address_that_somebody_else_has_is_not_presented() {
    for on_conflict in [OnConflict::Stop, OnConflict::Alarm] {
        let (mut plan, pair) = Plan::pair(1);
        plan.sites[pair.edge.0].imports[0].on_conflict = on_conflict;
        let foreign = plan.target(pair.left);
        plan.blade(foreign, SEEN, BladeSettings::default());
        let mut world = plan.build();
        world.run_for(Duration::from_secs(5));
        let up = |event: &Event| matches!(event, Event::ImportUp { .. });
        let expected = usize::from(on_conflict == OnConflict::Alarm);
        assert_eq!(told(&world, pair.edge, up), expected, "{}", world.story());
        let foreigner = |event: &Event| matches!(event, Event::ForeignResponder { .. });
        assert_eq!(told(&world, pair.edge, foreigner), 1, "{}", world.story());
        world.set_answering(foreign, Answering::Never);
        world.run_for(Duration::from_secs(60));
        assert_eq!(told(&world, pair.edge, up), 1, "it is free: {}", world.story());
        let gone = |event: &Event| matches!(event, Event::ForeignGone { .. });
        assert_eq!(told(&world, pair.edge, gone), 1, "{}", world.story());
    }
}

#[test]
fn somebody_who_takes_a_presented_address_stops_writes_until_he_is_gone() {
    let (mut plan, pair) = Plan::pair(1);
    let foreign = plan.target(pair.left);
    plan.blade(foreign, SEEN, BladeSettings::default());
    let mut world = plan.build();
    world.set_answering(foreign, Answering::Never);
    world.open(pair.initiator, SEEN);
    works(&mut world, pair, true);
    // A silent one is found by asking.
    world.set_answering(foreign, Answering::Normally);
    let told = |event: &Event| matches!(event, Event::ForeignResponder { .. });
    world.run_until("it is noticed", Duration::from_secs(70), |world| {
        world.events_like(pair.edge, told) == 1
    });
    world.set_answering(foreign, Answering::Never);
    let before = world.target(pair.target).counters().sectors_written;
    world.start_load(a_few(pair).writes(1.0).errors(Errors::WritesRefused));
    world.finish_loads(Duration::from_secs(20));
    assert_eq!(world.target(pair.target).counters().sectors_written, before);
    assert!(world.dropped(pair.edge, DropReason::RefusedConflict) > 0);
    world.run_for(Duration::from_secs(60));
    works(&mut world, pair, true);
}

/// A gateway whose target is away is silent, and what is open on its initiators goes on when it returns.
#[test]
fn a_link_of_the_exit_that_is_down_for_long_costs_no_error() {
    let (plan, pair) = Plan::pair(1);
    let mut world = plan.build();
    world.open(pair.initiator, SEEN);
    world.start_load(a_few(pair));
    world.run_for(Duration::from_millis(5));
    world.set_link(pair.exit, SegmentId(0), Link::Down);
    world.run_for(Duration::from_secs(20));
    world.set_link(pair.exit, SegmentId(0), Link::Up);
    world.finish_loads(LONG);
}
