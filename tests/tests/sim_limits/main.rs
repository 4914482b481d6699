//! Limits: how exact they are, what others notice of them, and that a limited user waits and nothing else.

mod hub;

use std::time::Duration;

use aoe_common::config::{Access, ExportId, Limit, LimitChange, Limited, PeerId, RatesChange};
use aoe_common::drop_reason::DropReason;
use aoe_common::frame::Address;
use aoe_common::steer::Order;
use aoe_lab::target::BladeSettings;
use e2e::hostile::{self, Harm};
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::{HostId, Load, Pair};

use hub::*;

/// Each of the places where a limit can be, in the files.
#[test]
fn a_ceiling_is_right_to_five_in_a_hundred_over_any_second() {
    for place in 0..4 {
        for rate in [100, 1000, 3000] {
            let mut hub = Hub::new(1);
            let exit = &mut hub.plan.sites[hub.pair.exit.0];
            match place {
                0 => exit.exports[0].limit = iops(rate),
                1 => exit.exports[0].allow[0].limit = iops(rate),
                2 => exit.exports[0].allow[0].initiator_limit = iops(rate),
                _ => exit.peers[0].limit = iops(rate),
            }
            let alice = hub.pair.initiator;
            let mut run = hub.build(Duration::from_micros(50), 64);
            run.reads(alice, 64, 2);
            run.world.run_for(SECOND);
            for _ in 0..3 {
                let [(found, _)] = run.rates([alice], 1);
                is_near(found, rate, 5);
            }
            run.nothing_was_lost();
            let limits = [
                run.export().limit,
                run.export().allow[0].limit.clone(),
                run.row(alice).limit,
                run.snapshot().peers[0].limit.clone(),
            ];
            let shown: Vec<_> = (0..)
                .zip(&limits)
                .filter_map(|(n, limit)| Some((n, limit.as_ref()?)))
                .collect();
            let [(at, limit)] = shown[..] else {
                panic!("one limit is shown: {limits:?}")
            };
            assert_eq!((at, limit.iops, limit.from.as_str()), (place, Some(rate), "file"));
            assert!(
                limit.delayed > 0 && limit.waiting > 0 && limit.waiting < 64,
                "{limit:?}"
            );
            assert!(limit.wait.unwrap().p50_us > 1000);
        }
    }
}

#[test]
fn a_bandwidth_is_right_to_five_in_a_hundred_over_any_second() {
    for rate in [1_000_000, 5_000_000] {
        let mut hub = Hub::new(2);
        hub.plan.sites[hub.pair.exit.0].exports[0].limit = bandwidth(rate);
        let alice = hub.pair.initiator;
        let mut run = hub.build(Duration::from_micros(50), 64);
        run.reads(alice, 64, 8);
        run.world.run_for(SECOND);
        for _ in 0..3 {
            let [(_, found)] = run.rates([alice], 1);
            is_near(found, rate, 5);
        }
        run.nothing_was_lost();
    }
}

/// Those who share a limit get the same of it, and each has a limit of its own where it says so.
#[test]
fn a_shared_limit_is_shared_evenly_and_an_own_one_is_each_ones_own() {
    for own in [false, true] {
        let mut hub = Hub::new(3);
        let third = hub.plan.initiator(hub.pair.left);
        let exit = &mut hub.plan.sites[hub.pair.exit.0];
        for allow in &mut exit.exports[0].allow {
            match own {
                true => allow.initiator_limit = iops(300),
                false => allow.limit = iops(600),
            }
        }
        let hosts = [hub.pair.initiator, third, hub.bob.2];
        let mut run = hub.build(Duration::from_micros(50), 64);
        run.world.open(third, SEEN);
        for (host, depth) in hosts.into_iter().zip([64, 8, 32]) {
            run.reads(host, depth, 2);
        }
        run.world.run_for(SECOND);
        let rates = run.rates(hosts, 3).map(|(iops, _)| iops);
        let right = if own { [300, 300, 300] } else { [300, 300, 600] };
        for (rate, right) in rates.into_iter().zip(right) {
            is_near(rate, right, 5);
        }
        run.nothing_was_lost();
    }
}

/// What Alice sees of a neighbour who wants everything: with a limit on him no more than if he were not there.
#[test]
fn one_who_is_not_limited_does_not_notice_one_who_is() {
    let alice_sees = |bob: Option<Limit>| {
        let mut hub = Hub::new(4);
        if let Some(limit) = bob {
            hub.plan.sites[hub.pair.exit.0].exports[0].allow[1].limit = limit;
        }
        let (alice, greedy) = (hub.pair.initiator, hub.bob.2);
        let mut run = hub.build(Duration::from_micros(200), 16);
        if bob.is_some() {
            run.reads(greedy, 64, 2);
            run.world.run_for(SECOND);
        }
        run.reads(alice, 4, 2);
        run.world.run_for(SECOND * 3);
        run.row(alice).latency.unwrap().p99_us
    };
    let alone = alice_sees(None);
    let beside = alice_sees(Some(iops(200)));
    let beside_greedy = alice_sees(Some(Limit::default()));
    assert!(beside <= alone + alone / 5 + 400, "{beside} us, alone {alone} us");
    assert!(beside_greedy > 2 * alone, "{beside_greedy} us, alone {alone} us");
}

/// A disk of 1000 IOPS, and a neighbour with four initiators of 64 requests each.
#[test]
fn a_floor_holds_while_others_are_greedy_and_is_free_while_it_is_not_used() {
    for (limit, least) in [(Limit::default(), None), (floor(800), Some(800))] {
        let mut hub = Hub::new(5);
        hub.plan.sites[hub.pair.exit.0].exports[0].allow[0].limit = limit;
        let (alice, bob) = (hub.pair.initiator, hub.bob.2);
        let more: Vec<HostId> = (0..3).map(|_| hub.plan.initiator(hub.bob.1)).collect();
        let mut run = hub.build(Duration::from_millis(1), 16);
        run.reads(bob, 64, 2);
        for host in more {
            run.world.open(host, SEEN);
            run.reads(host, 64, 2);
        }
        run.world.run_for(SECOND * 2);
        let before = run.export().traffic.answered;
        run.world.run_for(SECOND);
        let free = run.export().traffic.answered - before;
        is_near(free, 1000, 3);
        run.reads(alice, 64, 2);
        run.world.run_for(SECOND * 2);
        let [(rate, _)] = run.rates([alice], 3);
        match least {
            None => is_near(rate, 500, 10),
            Some(least) => is_near(rate, least, 10),
        }
        run.nothing_was_lost();
    }
}

/// The same where it is not the disk that is scarce, but a ceiling that they share, and for the floor of one initiator among
/// those of a peer.
#[test]
fn floors_hold_below_a_ceiling_that_is_shared_and_for_one_initiator() {
    let mut hub = Hub::new(6);
    let exit = &mut hub.plan.sites[hub.pair.exit.0];
    exit.exports[0].limit = iops(1000);
    exit.exports[0].allow[0].limit = floor(800);
    let (alice, bob) = (hub.pair.initiator, hub.bob.2);
    let others: Vec<HostId> = (0..3).map(|_| hub.plan.initiator(hub.pair.left)).collect();
    let mut run = hub.build(Duration::from_micros(50), 64);
    run.reads(bob, 64, 2);
    for host in &others {
        run.world.open(*host, SEEN);
        run.reads(*host, 64, 2);
    }
    run.reads(alice, 64, 2);
    run.world.run_for(SECOND * 2);
    // What is beyond the floor is shared by turns, one of each peer.
    let [(rate, _), (mine, _)] = run.rates([bob, alice], 3);
    assert!((90..=210).contains(&rate), "{rate}");
    is_near(mine, (1000 - rate) / 4, 10);
    let mac = run.world.mac(alice);
    let change = LimitChange {
        floor: RatesChange {
            iops: Some(Some(500)),
            bandwidth: None,
        },
        ..LimitChange::default()
    };
    let order = Order::SetLimit(Limited::Initiator(DISK, PeerId(0), mac), change);
    assert!(run.world.steer(run.pair.exit, &order).unwrap().changed);
    run.world.run_for(SECOND);
    let [(rate, _), (mine, _)] = run.rates([bob, alice], 3);
    assert!((90..=210).contains(&rate), "{rate}");
    assert!((450..=600).contains(&mine), "{mine}");
    run.nothing_was_lost();
}

/// 16 requests at a time and one a second: each waits for 16 s, and what the driver makes of that is its own affair. None is
/// lost, none fails, writes among them.
#[test]
fn a_tiny_limit_costs_time_and_nothing_else() {
    let mut hub = Hub::new(7);
    hub.plan.sites[hub.pair.exit.0].exports[0].allow[0].limit = iops(1);
    let alice = hub.pair.initiator;
    let mut run = hub.build(Duration::from_micros(50), 64);
    let load = Load::new(alice, SEEN, (run.pair.target, REAL));
    run.world.start_load(load.operations(300).depth(16).largest(2));
    run.world.run_for(SECOND * 100);
    let (ended, failed) = run.world.progress();
    assert!(
        (95..=102).contains(&ended) && failed == 0,
        "{ended} in 100 s, {failed} failed"
    );
    run.nothing_was_lost();
    let copies = run.world.driver(alice).counters().retransmits;
    assert!(
        copies < 1100,
        "{copies} copies in 100 s: the driver sends one each 100 ms"
    );
    let clear = LimitChange {
        ceiling: RatesChange {
            iops: Some(None),
            bandwidth: None,
        },
        ..LimitChange::default()
    };
    let order = Order::SetLimit(Limited::Grant(DISK, PeerId(0)), clear);
    run.world.steer(run.pair.exit, &order).unwrap();
    run.world.finish_loads(SECOND * 100);
    run.nothing_was_lost();
}

#[test]
fn limits_change_while_requests_wait_for_them() {
    let mut hub = Hub::new(8);
    hub.plan.sites[hub.pair.exit.0].exports[0].limit = iops(200);
    let alice = hub.pair.initiator;
    let mut run = hub.build(Duration::from_micros(50), 64);
    let exit = run.pair.exit;
    let load = Load::new(alice, SEEN, (run.pair.target, REAL));
    run.world
        .start_load(load.operations(u64::MAX).depth(64).largest(2));
    let settles_at = |run: &mut Run, right: u64| {
        run.world.run_for(SECOND);
        let [(rate, _)] = run.rates([alice], 2);
        is_near(rate, right, 5);
    };
    settles_at(&mut run, 200);
    let set = |rate| LimitChange {
        ceiling: RatesChange {
            iops: Some(Some(rate)),
            bandwidth: None,
        },
        ..LimitChange::default()
    };
    let whom = Limited::Export(DISK);
    let done = run.world.steer(exit, &Order::SetLimit(whom, set(1000))).unwrap();
    assert_eq!((done.changed, done.limit_was.as_str()), (true, "200 IOPS"));
    assert_eq!(done.limits[0].limit.from, "live");
    settles_at(&mut run, 1000);
    // A reload with other words for it: what the operator said stays.
    run.world.reload(exit, |plan| plan.exports[0].limit = iops(100));
    settles_at(&mut run, 1000);
    let done = run.world.steer(exit, &Order::ClearLimit(whom)).unwrap();
    assert_eq!(done.limits[0].limit.iops, Some(100));
    settles_at(&mut run, 100);
    run.world
        .reload(exit, |plan| plan.exports[0].limit = Limit::default());
    run.world.reload(exit, |plan| plan.peers[0].limit = iops(700));
    settles_at(&mut run, 700);
    run.world
        .reload(exit, |plan| plan.peers[0].limit = bandwidth(100_000));
    run.world.run_for(SECOND);
    let [(_, rate)] = run.rates([alice], 2);
    is_near(rate, 100_000, 5);
    run.world
        .reload(exit, |plan| plan.peers[0].limit = Limit::default());
    run.world.run_for(SECOND);
    let [(rate, _)] = run.rates([alice], 1);
    assert!(rate > 2000, "{rate}");
    run.nothing_was_lost();
    let other = Order::SetLimit(Limited::Export(ExportId(7)), set(1));
    assert!(run.world.steer(exit, &other).is_none(), "there is no such export");
    let above = LimitChange {
        ceiling: set(10).ceiling,
        floor: set(11).ceiling,
    };
    let refused = run.world.steer(exit, &Order::SetLimit(whom, above)).unwrap();
    assert!(refused.refused.contains("cannot be kept free"), "{refused:?}");
}

/// Two disks of one peer share its limit, and neither starves the other, whichever asks more.
#[test]
fn the_limit_of_a_peer_is_shared_by_its_disks() {
    const OTHER: Address = Address { shelf: 7, slot: 4 };
    const THERE: Address = Address { shelf: 107, slot: 4 };
    let mut hub = Hub::new(9);
    let Pair {
        edge,
        exit,
        left,
        right,
        ..
    } = hub.pair;
    hub.plan.blade(hub.pair.target, OTHER, BladeSettings::default());
    hub.plan
        .export(exit, "other", right, OTHER, edge, Access::ReadWrite);
    hub.plan.import(edge, exit, "other", left, THERE);
    hub.plan.sites[exit.0].peers[0].limit = iops(1000);
    let second = hub.plan.initiator(left);
    let alice = hub.pair.initiator;
    let mut run = hub.build(Duration::from_micros(50), 64);
    run.world.open(second, THERE);
    run.reads(alice, 64, 2);
    let load = Load::new(second, THERE, (run.pair.target, OTHER));
    run.world
        .start_load(load.operations(u64::MAX).depth(4).writes(0.0).largest(2));
    run.world.run_for(SECOND);
    let [(one, _), (other, _)] = run.rates([alice, second], 3);
    is_near(one + other, 1000, 5);
    is_near(other, 500, 20);
    run.nothing_was_lost();
}

/// A peer that asks in the name of thousands of initiators, beyond its limit: it fills its own part of what is kept, the disk
/// gets no more than the limit from it, and the other peer goes on.
#[test]
fn a_flood_beyond_a_limit_stays_where_it_is() {
    let mut hub = Hub::new(10);
    let hostile = hub.plan.site(&[]);
    hub.plan.introduce(hostile, hub.pair.exit);
    let exit = &mut hub.plan.sites[hub.pair.exit.0];
    let mut allow = exit.exports[0].allow[0].clone();
    allow.peer = exit.peer_id(hostile);
    allow.access = Access::ReadOnly;
    allow.limit = iops(100);
    allow.initiator_limit = iops(10);
    exit.exports[0].allow.push(allow);
    let alice = hub.pair.initiator;
    let mut run = hub.build(Duration::from_micros(50), 64);
    let site = run.pair.exit;
    run.reads(alice, 8, 2);
    run.world.run_for(SECOND);
    let [(calm, _)] = run.rates([alice], 1);
    let (before, alice_before) = (run.export(), run.row(alice).traffic.answered);
    let mut sent = 0u64;
    for _ in 0..40 {
        for _ in 0..1000 {
            let shared = hostile::Export(DISK.0, REAL);
            let payload = Harm::ForgedInitiators(shared).payload(sent, 0, run.world.clock(hostile));
            run.world.lie(site, hostile, &payload);
            sent += 1;
        }
        run.world.run_for(Duration::from_millis(50));
    }
    let [(flooded, _)] = run.rates([alice], 1);
    assert!(flooded * 10 >= calm * 9, "{flooded} of {calm}");
    let after = run.export();
    let limit = after.allow[2].limit.clone().unwrap();
    assert!(limit.waiting > 1000, "{limit:?}");
    let hers = run.row(alice).traffic.answered - alice_before;
    let theirs = after.traffic.answered - before.traffic.answered - hers;
    assert!(
        (250..330).contains(&theirs),
        "{theirs} in three seconds at 100 a second"
    );
    let refused: u64 = [DropReason::PendingFull, DropReason::QueueFull]
        .map(|reason| run.world.dropped(site, reason))
        .iter()
        .sum();
    assert!(refused > 10_000, "{refused} of {sent} were refused");
}
