//! What is seen of an import, by whom, and when: discovery, translation, announcements, silence.

use std::time::Duration;

use aoe_common::config::{Access, SegmentId};
use aoe_common::event::Event;
use aoe_common::frame::{Address, AoeCommand, Flags, MacAddr, QueryCommand, Tag};
use aoe_lab::target::{Answering, BladeSettings};
use e2e::sim::craft::{self, Seen};
use e2e::sim::plan::{DISK_SECTORS, REAL, SEEN, gateway_mac};
use e2e::sim::seeds::for_each_seed;
use e2e::sim::world::Link;
use e2e::sim::{Fate, HostId, Load, Plan, SiteId, World};

fn e(shelf: u16, slot: u8) -> Address {
    Address { shelf, slot }
}

/// Config responses that a query for `address` brings to a station, by address.
fn discover(world: &mut World, station: HostId, edge: SiteId, address: Address) -> Vec<Seen> {
    world.run_for(Duration::from_millis(1));
    world.take_heard(station);
    let pdu = craft::pdu(
        address,
        AoeCommand::Query,
        0x8000_0001,
        &craft::query(QueryCommand::Read, b""),
    );
    let frame = craft::frame(MacAddr::BROADCAST, world.mac(station), &pdu);
    world.send_frame(station, &frame);
    world.run_for(Duration::from_millis(20));
    let own = gateway_mac(edge, SegmentId(0));
    let heard = world
        .take_heard(station)
        .into_iter()
        .filter(|seen| seen.source == own);
    let mut found: Vec<Seen> = heard
        .filter(|seen| seen.header.command == AoeCommand::Query)
        .collect();
    found.sort_by_key(|seen| seen.header.address);
    found
}

fn addresses(found: &[Seen]) -> Vec<Address> {
    found.iter().map(|seen| seen.header.address).collect()
}

fn announcements(heard: Vec<Seen>, edge: SiteId) -> Vec<Seen> {
    let own = gateway_mac(edge, SegmentId(0));
    heard
        .into_iter()
        .filter(|seen| seen.source == own && seen.header.command == AoeCommand::Query)
        .filter(|seen| seen.header.flags.is_response())
        .collect()
}

#[test]
fn broadcast_half_broadcast_and_addressed_queries_find_what_they_ask_for() {
    let mut plan = Plan::new(1);
    let (left, right) = (plan.lan(1500), plan.lan(1500));
    let (edge, exit) = (plan.site(&[left]), plan.site(&[right]));
    plan.introduce(edge, exit);
    let target = plan.target(right);
    for (real, seen) in [(e(1, 1), e(10, 1)), (e(1, 2), e(10, 2)), (e(2, 1), e(20, 1))] {
        plan.blade(target, real, BladeSettings::default());
        plan.export(exit, &seen.to_string(), right, real, edge, Access::ReadWrite);
        plan.import(edge, exit, &seen.to_string(), left, seen);
    }
    let station = plan.station(left);
    let mut world = plan.build();
    world.run_for(Duration::from_secs(1));
    for (asked, expected) in [
        (Address::BROADCAST, vec![e(10, 1), e(10, 2), e(20, 1)]),
        (e(10, 0xff), vec![e(10, 1), e(10, 2)]),
        (e(0xffff, 1), vec![e(10, 1), e(20, 1)]),
        (e(20, 1), vec![e(20, 1)]),
        // The real addresses are nobody's here.
        (e(1, 1), vec![]),
        (e(2, 0xff), vec![]),
        (e(11, 0xff), vec![]),
    ] {
        let found = discover(&mut world, station, edge, asked);
        assert_eq!(addresses(&found), expected, "query for {asked}");
        for seen in found {
            assert_eq!(
                (seen.header.tag, seen.header.flags),
                (Tag(0x8000_0001), Flags::RESPONSE)
            );
            assert_eq!(seen.destination, world.mac(station));
        }
    }
}

#[test]
fn two_sites_may_export_one_address() {
    for_each_seed(3, |seed| {
        let mut plan = Plan::new(seed);
        let lan = plan.lan(1500);
        let edge = plan.site(&[lan]);
        let mut disks = Vec::new();
        for site in 1..=2u16 {
            let away = plan.lan(1500);
            let exit = plan.site(&[away]);
            plan.introduce(edge, exit);
            let target = plan.target(away);
            plan.blade(target, REAL, BladeSettings::default());
            plan.export(exit, "disk", away, REAL, edge, Access::ReadWrite);
            plan.import(edge, exit, "disk", lan, e(100 * site, 3));
            disks.push((e(100 * site, 3), (target, REAL)));
        }
        let initiator = plan.initiator(lan);
        let mut world = plan.build();
        for (seen, disk) in disks {
            world.open(initiator, seen);
            world.start_load(Load::new(initiator, seen, disk).operations(80));
        }
        world.finish_loads(Duration::from_secs(60));
    });
}

#[test]
fn a_local_target_may_have_the_address_that_the_export_has_there() {
    // e7.3 here is a local disk; the import of the other e7.3 is e107.3.
    for_each_seed(3, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        let local = plan.target(pair.left);
        plan.blade(local, REAL, BladeSettings::default());
        let mut world = plan.build();
        for (address, disk) in [(SEEN, pair.target), (REAL, local)] {
            world.open(pair.initiator, address);
            world.start_load(Load::new(pair.initiator, address, (disk, REAL)).operations(80));
        }
        world.finish_loads(Duration::from_secs(60));
        assert_eq!(
            world.events_like(pair.edge, |event| matches!(event, Event::ForeignResponder { .. })),
            0
        );
    });
}

#[test]
fn a_peer_sees_its_own_exports_only() {
    let mut plan = Plan::new(2);
    let right = plan.lan(1500);
    let exit = plan.site(&[right]);
    let target = plan.target(right);
    let mut edges = Vec::new();
    for slot in 0..2 {
        plan.blade(target, e(1, slot), BladeSettings::default());
        let left = plan.lan(1500);
        let edge = plan.site(&[left]);
        plan.introduce(edge, exit);
        plan.export(
            exit,
            &format!("disk{slot}"),
            right,
            e(1, slot),
            edge,
            Access::ReadWrite,
        );
        // Each asks for both.
        plan.import(edge, exit, "disk0", left, e(100, 0));
        plan.import(edge, exit, "disk1", left, e(100, 1));
        edges.push((edge, plan.station(left), slot));
    }
    let mut world = plan.build();
    world.run_for(Duration::from_secs(2));
    for (edge, station, slot) in edges {
        let found = discover(&mut world, station, edge, Address::BROADCAST);
        assert_eq!(addresses(&found), [e(100, slot)]);
        let up = |event: &Event| matches!(event, Event::ImportUp { .. });
        assert_eq!(world.events_like(edge, up), 1);
    }
}

#[test]
fn an_import_is_announced_when_it_comes_alive_and_silent_while_it_is_not() {
    for_each_seed(2, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        let station = plan.station(pair.left);
        let mut world = plan.build();
        // The other site's LAN has no link yet: no target, no announcement, no answer.
        world.set_link(pair.exit, SegmentId(0), Link::Down);
        world.run_for(Duration::from_secs(3));
        let heard = world.take_heard(station);
        assert!(announcements(heard, pair.edge).is_empty());
        assert!(discover(&mut world, station, pair.edge, SEEN).is_empty());
        type Cause = fn(&mut World, e2e::sim::Pair, bool);
        let causes: [(&str, Cause, u64); 4] = [
            (
                "the exit's link",
                |world, pair, up| {
                    world.set_link(pair.exit, SegmentId(0), if up { Link::Up } else { Link::Down });
                },
                1,
            ),
            (
                "the target",
                |world, pair, up| {
                    world.set_answering(
                        pair.target,
                        if up { Answering::Normally } else { Answering::Never },
                    );
                },
                10,
            ),
            (
                "the path",
                |world, _, up| {
                    if up {
                        world.clear_filter()
                    } else {
                        world.set_filter(|_, _| Fate::Lose)
                    }
                },
                20,
            ),
            (
                "the exit's process",
                |world, pair, up| {
                    if up {
                        world.start(pair.exit)
                    } else {
                        world.kill(pair.exit)
                    }
                },
                20,
            ),
        ];
        world.set_link(pair.exit, SegmentId(0), Link::Up);
        for (cause, change, patience) in causes {
            let patience = Duration::from_secs(patience);
            world.run_for(patience);
            assert_eq!(
                addresses(&discover(&mut world, station, pair.edge, SEEN)),
                [SEEN],
                "before {cause}"
            );
            change(&mut world, pair, false);
            world.run_for(patience);
            assert!(
                discover(&mut world, station, pair.edge, SEEN).is_empty(),
                "without {cause}"
            );
            assert!(discover(&mut world, station, pair.edge, Address::BROADCAST).is_empty());
            // A request is not answered either: the initiator waits instead of failing.
            let pdu = craft::pdu(SEEN, AoeCommand::Ata, 5, &craft::ata(0x24, 1, 0, &[]));
            let frame = craft::frame(gateway_mac(pair.edge, SegmentId(0)), world.mac(station), &pdu);
            world.send_frame(station, &frame);
            world.run_for(Duration::from_millis(100));
            assert!(
                world
                    .take_heard(station)
                    .iter()
                    .all(|seen| seen.header.command != AoeCommand::Ata)
            );
            change(&mut world, pair, true);
            world.run_for(patience);
            let heard = announcements(world.take_heard(station), pair.edge);
            assert_eq!(addresses(&heard), [SEEN], "after {cause}\n{}", world.story());
            assert_eq!(heard[0].destination, MacAddr::BROADCAST);
            assert_eq!(
                (heard[0].header.tag, heard[0].header.flags),
                (Tag(0), Flags::RESPONSE)
            );
            assert_eq!(
                (heard[0].query().buffer_count(), heard[0].query().sectors()),
                (64, 2)
            );
        }
    });
}

#[test]
fn an_import_goes_silent_with_its_own_link_and_comes_back_with_it() {
    for_each_seed(2, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        let station = plan.station(pair.left);
        let mut world = plan.build();
        world.run_for(Duration::from_secs(1));
        world.take_heard(station);
        world.set_link(pair.edge, SegmentId(0), Link::Down);
        assert!(discover(&mut world, station, pair.edge, SEEN).is_empty());
        world.set_link(pair.edge, SegmentId(0), Link::Up);
        world.run_for(Duration::from_millis(150));
        let heard = announcements(world.take_heard(station), pair.edge);
        assert_eq!(addresses(&heard), [SEEN]);
    });
}

#[test]
fn somebody_else_who_answers_for_our_import_is_told_of_once_a_minute() {
    let (mut plan, pair) = Plan::pair(3);
    let foreigner = plan.target(pair.left);
    plan.blade(foreigner, SEEN, BladeSettings::default());
    let mut world = plan.build();
    world.run_for(Duration::from_secs(1));
    for _ in 0..50 {
        world.announce(foreigner);
        world.run_for(Duration::from_secs(1));
    }
    let told = |event: &Event| matches!(event, Event::ForeignResponder { address, .. } if *address == SEEN);
    assert_eq!(world.events_like(pair.edge, told), 1);
    world.run_for(Duration::from_secs(30));
    world.announce(foreigner);
    world.run_for(Duration::from_secs(1));
    let again = |event: &Event| matches!(event, Event::Still { event, .. } if told(event));
    assert_eq!(world.events_like(pair.edge, again), 1);
}

#[test]
fn identify_shows_the_targets_own_disk() {
    let (plan, pair) = Plan::pair(3);
    let mut world = plan.build();
    world.open(pair.initiator, SEEN);
    let disk = world.driver(pair.initiator).disk(SEEN).unwrap();
    assert_eq!(
        (disk.sectors, disk.serial.as_str()),
        (DISK_SECTORS as u64, "LAB0001")
    );
}
