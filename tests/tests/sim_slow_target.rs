//! Targets that are slow, and well: nothing is lost sight of, and nothing is given up for having waited its turn.

use std::time::Duration;

use aoe_common::drop_reason::DropReason;
use aoe_lab::target::BladeSettings;
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::seeds::for_each_seed;
use e2e::sim::{HostId, Load, Pair, Plan, World};

/// The world with a disk that takes this long for each request, 16 at a time, and initiators that use it.
fn slow(
    seed: u64,
    service: u64,
    (initiators, depth): (usize, usize),
    writes: f64,
) -> (World, Pair, Vec<HostId>) {
    let (mut plan, pair) = Plan::pair(seed);
    let mut hosts = vec![pair.initiator];
    hosts.extend((1..initiators).map(|_| plan.initiator(pair.left)));
    let mut world = plan.build();
    let target = world.target_mut(pair.target);
    target.set_service_time(Duration::from_millis(service));
    *target.blade_mut(REAL).unwrap().settings_mut() = BladeSettings {
        buffer_count: 16,
        ..BladeSettings::default()
    };
    for host in &hosts {
        world.open(*host, SEEN);
        let load = Load::new(*host, SEEN, (pair.target, REAL));
        world.start_load(load.operations(600).depth(depth).largest(2).writes(writes));
    }
    (world, pair, hosts)
}

/// The world fails when the target has more requests than buffers.
#[test]
fn a_slow_target_never_gets_more_than_it_has_buffers_for() {
    for (service, initiators, depth) in [(20, 2, 64), (100, 1, 32), (40, 1, 64), (40, 2, 64), (100, 1, 64)] {
        for_each_seed(2, |seed| {
            let (mut world, ..) = slow(seed, service, (initiators, depth), 0.5);
            world.finish_loads(Duration::from_secs(3000));
        });
    }
}

/// 100 requests a second, 128 of them wanted at a time: more than a second of queue.
#[test]
fn a_spinning_disk_with_two_deep_initiators_sheds_nothing_and_needs_no_copies() {
    for writes in [0.0, 0.5] {
        for_each_seed(2, |seed| {
            let (mut world, pair, hosts) = slow(seed, 10, (2, 64), writes);
            world.run_for(Duration::from_secs(4));
            let copies = |world: &World| -> u64 {
                let sent = hosts
                    .iter()
                    .map(|host| world.driver(*host).counters().retransmits);
                sent.sum()
            };
            let before = copies(&world);
            assert!(!world.loads_done(), "steady, with more to come");
            world.run_for(Duration::from_secs(5));
            // What overlaps a write waits for two turns, which may be more than the initiator had seen so far.
            if writes == 0.0 {
                assert_eq!(copies(&world), before, "{}", world.story());
            }
            world.finish_loads(Duration::from_secs(100));
            assert_eq!(world.dropped(pair.exit, DropReason::RequestTooOld), 0);
        });
    }
}
