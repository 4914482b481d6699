//! Two disks at one address, or another disk than at first: told of, and kept from being mixed.

use std::time::Duration;

use aoe_common::config::{OnConflict, SegmentId};
use aoe_common::drop_reason::DropReason;
use aoe_common::event::Event;
use aoe_common::frame::SECTOR_LEN;
use aoe_common::telemetry::Count;
use aoe_lab::target::{Answering, Backing, BladeSettings};
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

/// The target's disk becomes another one, with the same data, while it is switched off.
fn swap(world: &mut World, pair: Pair, sectors: usize, serial: Option<&str>) {
    world.set_answering(pair.target, Answering::Never);
    world.run_for(Duration::from_secs(15));
    let blade = world.target_mut(pair.target).blade_mut(REAL).unwrap();
    if let Backing::Ram(bytes) = blade.backing_mut() {
        bytes.resize(sectors * SECTOR_LEN, 0);
    }
    if let Some(serial) = serial {
        serial.clone_into(&mut blade.settings_mut().serial);
    }
    world.set_answering(pair.target, Answering::Normally);
    world.run_for(Duration::from_secs(5));
}

/// Whether writes reach the target.
fn takes_writes(world: &mut World, pair: Pair) -> bool {
    let before = world.target(pair.target).counters().sectors_written;
    world.start_load(a_few(pair).writes(1.0).errors(Errors::Expected));
    world.finish_loads(LONG);
    world.target(pair.target).counters().sectors_written > before
}

#[test]
fn a_disk_that_grew_goes_on_and_one_that_shrank_is_another() {
    let (plan, pair) = Plan::pair(1);
    let mut world = plan.build();
    world.open(pair.initiator, SEEN);
    swap(&mut world, pair, 2 * DISK_SECTORS, None);
    assert!(takes_writes(&mut world, pair));
    world.run_for(Duration::from_secs(300));
    let grown = |event: &Event| {
        matches!(
            event,
            Event::DiskGrown {
                was: 512,
                is: 1024,
                ..
            }
        )
    };
    assert_eq!(told(&world, pair.exit, grown), 1, "{}", world.story());
    let imported = |event: &Event| matches!(event, Event::ImportChanged { .. });
    assert_eq!(told(&world, pair.edge, imported), 0, "{}", world.story());
    assert_eq!(world.count(pair.exit, Count::Conflicts), 0);
    swap(&mut world, pair, DISK_SECTORS, None);
    assert!(!takes_writes(&mut world, pair));
    let changed = |event: &Event| matches!(event, Event::TargetChanged { difference, .. } if difference == "512 sectors, not 1024");
    assert_eq!(told(&world, pair.exit, changed), 1, "{}", world.story());
}

#[test]
fn a_replaced_disk_is_taken_when_the_operator_says_so_and_no_other() {
    let (plan, pair) = Plan::pair(1);
    let mut world = plan.build();
    world.open(pair.initiator, SEEN);
    swap(&mut world, pair, DISK_SECTORS, Some("another"));
    assert!(!takes_writes(&mut world, pair));
    world.accept_disk(pair.exit, "disk");
    let known = |world: &World| {
        let known = world.events(pair.exit).filter_map(|event| match event {
            Event::DiskKnown { disk, .. } => Some(disk.serial.clone()),
            _ => None,
        });
        known.collect::<Vec<_>>()
    };
    assert_eq!(known(&world)[1..], ["another"]);
    assert!(takes_writes(&mut world, pair));
    // Once more: the one that is there is it already.
    world.accept_disk(pair.exit, "disk");
    world.run_for(Duration::from_millis(50));
    assert_eq!(known(&world)[2..], ["another"]);
    swap(&mut world, pair, DISK_SECTORS, Some("a third"));
    assert!(!takes_writes(&mut world, pair));
    // Before the next one is there: that one, and none after it.
    world.set_answering(pair.target, Answering::Never);
    world.run_for(Duration::from_secs(15));
    world.accept_disk(pair.exit, "disk");
    assert_eq!(known(&world)[3..], ["a third"], "it was seen, so it is that");
    world.accept_disk(pair.exit, "disk");
    swap(&mut world, pair, DISK_SECTORS, Some("a fourth"));
    assert!(takes_writes(&mut world, pair));
    swap(&mut world, pair, DISK_SECTORS, Some("a third"));
    assert!(!takes_writes(&mut world, pair));
}

#[test]
fn the_disk_of_before_a_restart_is_remembered_if_somebody_does() {
    for remembers in [false, true] {
        let (plan, pair) = Plan::pair(1);
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        let known = world.events(pair.exit).find_map(|event| match event {
            Event::DiskKnown { disk, .. } => Some(disk.clone()),
            _ => None,
        });
        swap(&mut world, pair, DISK_SECTORS, Some("another"));
        assert!(!takes_writes(&mut world, pair));
        world.restart(pair.exit);
        if remembers {
            world.remember_disk(pair.exit, "disk", known.unwrap());
        }
        world.run_for(Duration::from_secs(5));
        assert_eq!(takes_writes(&mut world, pair), !remembers, "{}", world.story());
    }
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

/// However long the target has been idle, it is asked before anybody else is believed.
#[test]
fn a_second_disk_that_appears_while_the_target_is_idle_is_not_read() {
    for idle in (500..6000).step_by(500) {
        let (mut plan, pair) = Plan::pair(1);
        let twin = twin(&mut plan, pair, Some("another"));
        let mut world = plan.build();
        world.set_answering(twin, Answering::Never);
        world.open(pair.initiator, SEEN);
        works(&mut world, pair, true);
        world.run_for(Duration::from_millis(idle));
        world.set_answering(twin, Answering::Normally);
        world.announce(twin);
        world.run_for(Duration::from_millis(20));
        works(&mut world, pair, true);
        world.run_for(Duration::from_secs(10));
        works(&mut world, pair, false);
        let counters = world.target(twin).counters();
        assert_eq!((counters.sectors_read, counters.sectors_written), (0, 0));
    }
}

/// What a fail-over brings is the same disk at another MAC.
#[test]
fn a_target_that_moves_to_another_station_is_followed_within_seconds() {
    for (serial, writes) in [(None, true), (Some("another"), false)] {
        let (mut plan, pair) = Plan::pair(1);
        let twin = twin(&mut plan, pair, serial);
        let mut world = plan.build();
        world.set_answering(twin, Answering::Never);
        world.open(pair.initiator, SEEN);
        works(&mut world, pair, true);
        world.run_for(Duration::from_secs(3));
        world.set_answering(pair.target, Answering::Never);
        world.set_answering(twin, Answering::Normally);
        world.announce(twin);
        let mac = world.mac(twin);
        let moved = |event: &Event| matches!(event, Event::TargetUp { mac: at, .. } if *at == mac);
        let took = world.run_until("it is followed", Duration::from_secs(3), |world| {
            world.events_like(pair.exit, moved) == 1
        });
        println!("followed after {took:?}");
        world.run_for(Duration::from_millis(100));
        // The twin's disk is empty, so what is read says nothing; whether writes pass does.
        let load = Load::new(pair.initiator, SEEN, (twin, REAL))
            .operations(30)
            .writes(1.0);
        world.start_load(if writes {
            load
        } else {
            load.errors(Errors::WritesRefused)
        });
        world.finish_loads(LONG);
        assert_eq!(world.target(twin).counters().sectors_written > 0, writes);
    }
}

#[test]
fn a_segment_that_was_away_brings_nobody_else_in_the_place_of_the_target() {
    let (mut plan, pair) = Plan::pair(1);
    let twin = twin(&mut plan, pair, Some("another"));
    let mut world = plan.build();
    world.set_answering(twin, Answering::Never);
    world.open(pair.initiator, SEEN);
    works(&mut world, pair, true);
    world.set_link(pair.exit, SegmentId(0), Link::Down);
    world.run_for(Duration::from_secs(20));
    // The other is the first to answer.
    world.set_answering(twin, Answering::Normally);
    world.set_answering(pair.target, Answering::Never);
    world.set_link(pair.exit, SegmentId(0), Link::Up);
    world.run_for(Duration::from_millis(300));
    world.set_answering(pair.target, Answering::Normally);
    world.start_load(a_few(pair).writes(0.0));
    world.finish_loads(LONG);
    assert_eq!(world.target(twin).counters().sectors_read, 0, "{}", world.story());
}

#[test]
fn the_right_disk_takes_its_place_again_when_another_had_it() {
    let (mut plan, pair) = Plan::pair(1);
    let twin = twin(&mut plan, pair, Some("another"));
    let mut world = plan.build();
    world.set_answering(twin, Answering::Never);
    world.open(pair.initiator, SEEN);
    works(&mut world, pair, true);
    world.set_answering(pair.target, Answering::Never);
    world.set_answering(twin, Answering::Normally);
    world.run_for(Duration::from_secs(20));
    let changed = |event: &Event| matches!(event, Event::TargetChanged { .. });
    assert_eq!(told(&world, pair.exit, changed), 1, "{}", world.story());
    world.set_answering(pair.target, Answering::Normally);
    world.run_for(Duration::from_secs(7));
    let read = world.target(twin).counters().sectors_read;
    world.start_load(a_few(pair).writes(0.0));
    world.finish_loads(LONG);
    assert_eq!(
        world.target(twin).counters().sectors_read,
        read,
        "{}",
        world.story()
    );
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
