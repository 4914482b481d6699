//! Reads and writes through gateways, every byte compared, on every size of LAN and path.

use std::time::Duration;

use aoe_common::config::{Access, Cipher, Protection};
use aoe_common::event::Event;
use aoe_common::frame::Address;
use aoe_lab::target::BladeSettings;
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::seeds::for_each_seed;
use e2e::sim::{Load, Pair, Plan, Weather, World};

const LONG: Duration = Duration::from_secs(120);

/// Opens the pair's device, runs requests of any size up to 40 sectors, compares every byte.
fn exercise(plan: Plan, pair: Pair) -> World {
    let mut world = plan.build();
    world.open(pair.initiator, SEEN);
    let load = Load::new(pair.initiator, SEEN, (pair.target, REAL));
    world.start_load(load.operations(60).largest(40));
    world.finish_loads(LONG);
    world
}

#[test]
fn every_size_of_lan_and_path() {
    for_each_seed(1, |seed| {
        for left in [1500, 9000] {
            for right in [1500, 9000] {
                for path in [1280, 1500, 9000] {
                    let (mut plan, pair) = Plan::pair_on(seed, [left, right]);
                    plan.set_path_mtu(path);
                    let world = exercise(plan, pair);
                    let expected = if left.min(right) == 9000 { 17 } else { 2 };
                    let sectors = world.driver(pair.initiator).sectors_per_frame(SEEN);
                    assert_eq!(sectors, Some(expected), "LANs {left} and {right}, path {path}");
                    assert_eq!(world.driver(pair.initiator).counters().retransmits, 0);
                }
            }
        }
    });
}

#[test]
fn every_protection_and_cipher_over_ipv4_and_ipv6() {
    for_each_seed(1, |seed| {
        for protection in [Protection::Encrypt, Protection::Authenticate] {
            for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
                for ipv6 in [false, true] {
                    let (mut plan, pair) = Plan::pair_on(seed, [9000, 9000]);
                    plan.peer_mut(pair.edge, pair.exit).protection = vec![protection];
                    plan.peer_mut(pair.exit, pair.edge).protection = vec![protection];
                    // One side offers one cipher, the other both: they find the common one.
                    plan.sites[0].tunnel.ciphers = vec![cipher];
                    if ipv6 {
                        plan.use_ipv6();
                    }
                    plan.set_path_mtu(1280);
                    let world = exercise(plan, pair);
                    for site in [pair.edge, pair.exit] {
                        let agreed = |event: &Event| match event {
                            Event::SessionUp {
                                protection: p,
                                cipher: c,
                                ..
                            } => (*p, *c) == (protection, cipher),
                            _ => false,
                        };
                        assert!(world.events_like(site, agreed) > 0, "{}", world.story());
                    }
                }
            }
        }
    });
}

#[test]
fn protection_decides_whether_the_wire_shows_the_data() {
    let (left, right) = (Plan::pair(3), Plan::pair(3));
    let mut shown = Vec::new();
    for ((mut plan, pair), protection) in [(left, Protection::Encrypt), (right, Protection::Authenticate)] {
        plan.peer_mut(pair.edge, pair.exit).protection = vec![protection];
        plan.peer_mut(pair.exit, pair.edge).protection = vec![protection];
        let mut world = plan.build();
        world.start_recording();
        world.open(pair.initiator, SEEN);
        let load = Load::new(pair.initiator, SEEN, (pair.target, REAL));
        world.start_load(load.operations(40).writes(1.0));
        world.finish_loads(LONG);
        let marker = b"\nmis-eoa";
        let shows = |bytes: &[u8]| bytes.windows(8).any(|window| window == marker);
        shown.push(world.recorded().iter().filter(|one| shows(&one.bytes)).count());
    }
    assert_eq!(shown[0], 0, "encrypted");
    assert!(
        shown[1] > 0,
        "the same search finds the data where it is only authenticated"
    );
}

#[test]
fn several_initiators_and_exports_never_see_each_others_data() {
    for_each_seed(6, |seed| {
        let mut plan = Plan::new(seed);
        let (left, right) = (plan.lan(9000), plan.lan(9000));
        let (edge, exit) = (plan.site(&[left]), plan.site(&[right]));
        plan.introduce(edge, exit);
        let mut disks = Vec::new();
        for slot in 0..3 {
            let (real, seen) = (Address { shelf: 1, slot }, Address { shelf: 100, slot });
            let target = plan.target(right);
            plan.blade(target, real, BladeSettings::default());
            let name = format!("disk{slot}");
            plan.export(exit, &name, right, real, edge, Access::ReadWrite);
            plan.import(edge, exit, &name, left, seen);
            disks.push((seen, (target, real)));
        }
        let initiators = [(); 3].map(|()| plan.initiator(left));
        plan.weather = Weather::rough(Duration::from_millis(1));
        let mut world = plan.build();
        for host in initiators {
            for (seen, disk) in &disks {
                world.open(host, *seen);
                world.start_load(Load::new(host, *seen, *disk).operations(50).largest(20));
            }
        }
        world.finish_loads(Duration::from_secs(600));
    });
}

#[test]
fn rough_weather_costs_time_and_no_byte() {
    for_each_seed(20, |seed| {
        let (mut plan, pair) = Plan::pair_on(seed, [9000, 9000]);
        plan.weather = Weather::rough(Duration::from_millis(2));
        plan.set_path_mtu(1500);
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        let load = Load::new(pair.initiator, SEEN, (pair.target, REAL));
        world.start_load(load.operations(150).depth(16).largest(20));
        world.finish_loads(Duration::from_secs(600));
    });
}

#[test]
fn both_gateways_serve_both_ways_at_once() {
    for_each_seed(4, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        let back = plan.target(pair.left);
        plan.blade(back, REAL, BladeSettings::default());
        plan.export(pair.edge, "back", pair.left, REAL, pair.exit, Access::ReadWrite);
        plan.import(pair.exit, pair.edge, "back", pair.right, SEEN);
        let other = plan.initiator(pair.right);
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        world.open(other, SEEN);
        world.start_load(Load::new(pair.initiator, SEEN, (pair.target, REAL)));
        world.start_load(Load::new(other, SEEN, (back, REAL)));
        world.finish_loads(LONG);
    });
}
