//! Post-quantum keys: whatever both sides want, whatever is lost, whichever side is restarted.

use std::time::Duration;

use aoe_common::config::PostQuantum;
use aoe_common::drop_reason::DropReason;
use aoe_common::event::Event;
use aoe_common::telemetry::Count;
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::seeds::for_each_seed;
use e2e::sim::{Load, Pair, Plan, SiteId, Weather, World};

const MODES: [PostQuantum; 3] = [PostQuantum::Off, PostQuantum::Prefer, PostQuantum::Require];

fn plan(seed: u64, [edge, exit]: [PostQuantum; 2]) -> (Plan, Pair) {
    let (mut plan, pair) = Plan::pair(seed);
    plan.peer_mut(pair.edge, pair.exit).post_quantum = edge;
    plan.peer_mut(pair.exit, pair.edge).post_quantum = exit;
    (plan, pair)
}

/// What the keys of both sides rest on, as `status` would show it; nothing for a side without a session.
fn keys(world: &World, pair: Pair) -> [String; 2] {
    [pair.edge, pair.exit].map(|site| {
        let peers = world.snapshot(site).peers;
        let session = peers.into_iter().find_map(|peer| peer.session);
        session.map(|session| session.post_quantum).unwrap_or_default()
    })
}

fn are_post_quantum(world: &World, pair: Pair) -> bool {
    keys(world, pair) == ["ml-kem-768", "ml-kem-768"]
}

fn import_is_up(world: &World, site: SiteId) -> bool {
    let presence = world.events(site).filter_map(|event| match event {
        Event::ImportUp { .. } => Some(true),
        Event::ImportDown { .. } => Some(false),
        _ => None,
    });
    presence.last().unwrap_or(false)
}

/// Runs until the edge presents its import; how long that took.
fn come_up(world: &mut World, pair: Pair) -> Duration {
    world.run_until("the import is up", Duration::from_secs(60), |world| {
        import_is_up(world, pair.edge)
    })
}

fn load(pair: Pair, operations: u64) -> Load {
    Load::new(pair.initiator, SEEN, (pair.target, REAL)).operations(operations)
}

#[test]
fn every_pair_of_modes_works_or_says_on_both_sides_why_not() {
    for_each_seed(1, |seed| {
        for edge in MODES {
            for exit in MODES {
                let (plan, pair) = plan(seed, [edge, exit]);
                let mut world = plan.build();
                let modes = [edge, exit];
                let has = |mode| modes.contains(&mode);
                if has(PostQuantum::Off) && has(PostQuantum::Require) {
                    world.run_for(Duration::from_secs(10));
                    for site in [pair.edge, pair.exit] {
                        let says = |event: &Event| matches!(event, Event::NoAgreement { what, .. } if what.contains("`post_quantum"));
                        assert!(world.events_like(site, says) > 0, "{}", world.story());
                        assert_eq!(world.count(site, Count::Handshakes), 0);
                    }
                    continue;
                }
                come_up(&mut world, pair);
                world.open(pair.initiator, SEEN);
                world.start_load(load(pair, 40));
                world.finish_loads(Duration::from_secs(60));
                assert_eq!(
                    are_post_quantum(&world, pair),
                    !has(PostQuantum::Off),
                    "{modes:?}"
                );
            }
        }
    });
}

#[test]
fn with_require_the_first_frame_waits_for_two_more_round_trips_and_with_prefer_for_none() {
    let round_trip = Duration::from_millis(40);
    let took = |mode| {
        let (mut plan, pair) = plan(1, [mode, mode]);
        plan.weather = Weather::calm(round_trip / 2);
        let mut world = plan.build();
        come_up(&mut world, pair)
    };
    let [off, prefer, require] = MODES.map(took);
    assert_eq!(prefer, off);
    // The exchange, and the handshake with what it gave.
    let more = require.saturating_sub(prefer);
    assert!(
        more > round_trip && more <= round_trip * 2 + round_trip / 2,
        "{more:?}"
    );
}

#[test]
fn with_require_on_one_side_nothing_of_a_disk_crosses_the_wire_before() {
    for_each_seed(8, |seed| {
        for modes in [
            [PostQuantum::Require, PostQuantum::Prefer],
            [PostQuantum::Prefer, PostQuantum::Require],
            [PostQuantum::Require, PostQuantum::Require],
        ] {
            let (mut plan, pair) = plan(seed, modes);
            plan.weather = Weather {
                loss: 0.2,
                ..Weather::rough(Duration::from_millis(5))
            };
            let mut world = plan.build();
            world.drive(pair.initiator, |driver, _, out| driver.query(SEEN, out));
            world.run_until("keys are post-quantum", Duration::from_secs(60), |world| {
                let either = keys(world, pair).contains(&"ml-kem-768".to_owned());
                if !either {
                    for site in [pair.edge, pair.exit] {
                        let passed = [
                            Count::RequestsToWire,
                            Count::RequestsToTarget,
                            Count::RepliesToWire,
                            Count::RepliesToInitiator,
                        ];
                        assert!(passed.iter().all(|count| world.count(site, *count) == 0));
                    }
                    assert!(!import_is_up(world, pair.edge), "{}", world.story());
                }
                either
            });
            come_up(&mut world, pair);
            world.open(pair.initiator, SEEN);
            world.start_load(load(pair, 30));
            world.finish_loads(Duration::from_secs(120));
            assert!(are_post_quantum(&world, pair), "{}", world.story());
        }
    });
}

#[test]
fn a_chain_of_many_sessions_under_load_loses_nothing() {
    for_each_seed(2, |seed| {
        let (mut plan, pair) = plan(seed, [PostQuantum::Require; 2]);
        let delay = Duration::from_millis(20);
        plan.weather = Weather::calm(delay);
        for site in &mut plan.sites {
            site.tunnel.rekey_after = Duration::from_secs(5);
        }
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        world.start_load(load(pair, 8 * 60 * 1000 / 41).largest(2));
        let took = world.finish_loads(Duration::from_secs(200));
        assert!(
            took > Duration::from_secs(50),
            "{took:?} is too short for the point"
        );
        for site in [pair.edge, pair.exit] {
            let rekeyed = |event: &Event| matches!(event, Event::SessionRekeyed { .. });
            assert!(world.events_like(site, rekeyed) >= 8, "{}", world.story());
            let lost =
                |event: &Event| matches!(event, Event::SessionLost { .. } | Event::NotPostQuantum { .. });
            assert_eq!(world.events_like(site, lost), 0, "{}", world.story());
            for reason in [DropReason::NotPostQuantum, DropReason::HandshakeSecretUnknown] {
                assert_eq!(world.dropped(site, reason), 0, "{reason:?}\n{}", world.story());
            }
            // Both call at the start, and one of the two exchanges is given up.
            assert!(world.dropped(site, DropReason::QuantumUnexpected) <= 1);
        }
        assert!(are_post_quantum(&world, pair));
        let driver = world.driver(pair.initiator).counters();
        assert_eq!(
            (driver.retransmits, driver.unexpected),
            (0, 0),
            "{}",
            world.story()
        );
    });
}

#[test]
fn loss_disorder_and_restarts_of_either_only_delay() {
    for_each_seed(10, |seed| {
        for modes in [[PostQuantum::Require; 2], [PostQuantum::Prefer; 2]] {
            for who in 0..2 {
                let (mut plan, pair) = plan(seed, modes);
                plan.weather = Weather {
                    loss: 0.2,
                    ..Weather::rough(Duration::from_millis(3))
                };
                for site in &mut plan.sites {
                    site.tunnel.rekey_after = Duration::from_secs(5);
                }
                let mut world = plan.build();
                world.open(pair.initiator, SEEN);
                world.start_load(load(pair, 150));
                for round in 0..4 {
                    world.run_for(Duration::from_millis((seed * 37 + round * 211) % 1700));
                    world.restart(SiteId(who));
                    world.run_for(Duration::from_secs(7));
                }
                world.finish_loads(Duration::from_secs(600));
                world.set_weather(Weather::calm(Duration::from_millis(3)));
                world.run_for(Duration::from_secs(20));
                assert!(are_post_quantum(&world, pair), "{}", world.story());
            }
        }
    });
}

#[test]
fn a_reload_that_changes_the_mode_under_load_fails_no_request() {
    for_each_seed(3, |seed| {
        let (plan, pair) = plan(seed, [PostQuantum::Off, PostQuantum::Prefer]);
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        world.start_load(load(pair, 3000));
        world.run_for(Duration::from_secs(1));
        let becomes = |world: &mut World, mode| {
            world.reload(pair.edge, |site| site.peers[0].post_quantum = mode);
            world.run_for(Duration::from_secs(5));
        };
        assert_eq!(keys(&world, pair), ["none", "none"]);
        for (mode, expected) in [
            (PostQuantum::Prefer, true),
            (PostQuantum::Require, true),
            (PostQuantum::Off, false),
            (PostQuantum::Require, true),
        ] {
            becomes(&mut world, mode);
            assert_eq!(
                are_post_quantum(&world, pair),
                expected,
                "{mode}\n{}",
                world.story()
            );
        }
        world.finish_loads(Duration::from_secs(120));
    });
}
