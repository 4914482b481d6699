//! Static keys that change under load: nothing fails, whichever side changes them, and also while a peer is away.

use std::time::Duration;

use aoe_common::config::Switch;
use aoe_common::drop_reason::DropReason;
use aoe_common::event::{Event, KeyEvent, Level};
use aoe_common::snapshot::{Key, KeyStage};
use aoe_lab::random::{Random, mix};
use e2e::sim::load::Load;
use e2e::sim::plan::{Pair, Plan, REAL, SEEN};
use e2e::sim::seeds::for_each_seed;
use e2e::sim::{SiteId, Weather, World};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DELAY: Duration = Duration::from_millis(20);

/// A path that loses, copies and overtakes.
fn rough() -> Weather {
    Weather {
        loss: 0.02,
        duplicate: 0.01,
        jitter: Duration::from_millis(3),
        ..Weather::calm(DELAY)
    }
}

/// A pair whose load lasts for about so long.
fn at_work(plan: (Plan, Pair), weather: Weather, seconds: u64) -> (World, Pair) {
    let (mut plan, pair) = plan;
    plan.weather = weather;
    let mut world = plan.build();
    world.open(pair.initiator, SEEN);
    world.run_for(2 * SECOND);
    let load = Load::new(pair.initiator, SEEN, (pair.target, REAL));
    world.start_load(load.operations(190 * seconds).largest(2));
    (world, pair)
}

fn end(world: &mut World) {
    world.finish_loads(10 * MINUTE);
    world.verify_disks();
    assert_eq!(world.progress().1, 0, "a request failed\n{}", world.story());
}

/// On a path that loses nothing, no request was sent twice, and no session was lost.
fn nothing_was_lost(world: &World, pair: Pair) {
    let driver = world.driver(pair.initiator).counters();
    let story = world.story();
    assert_eq!((driver.retransmits, driver.unexpected), (0, 0), "{story}");
    never_lost(world, pair);
}

fn never_lost(world: &World, pair: Pair) {
    for site in [pair.edge, pair.exit] {
        let lost = world.events_like(site, |event| matches!(event, Event::SessionLost { .. }));
        assert_eq!(lost, 0, "{}", world.story());
    }
}

fn is_switched(world: &World, site: SiteId) -> bool {
    world.keys(site).switched.is_some()
}

/// The fingerprint of the key that a site uses.
fn used(world: &World, site: SiteId) -> String {
    let keys = world.keys(site).own;
    let used = keys.iter().find(|key| key.stage == KeyStage::InUse);
    used.expect("a key is in use").fingerprint.clone()
}

/// Both sides have a session by the keys that the two use.
fn is_by_used_keys(world: &World, one: SiteId, other: SiteId) -> bool {
    let keys = (used(world, one), used(world, other));
    let turned = (keys.1.clone(), keys.0.clone());
    world.session_keys(one, other) == Some(keys) && world.session_keys(other, one) == Some(turned)
}

fn converge(world: &mut World, pair: Pair) {
    world.run_until("both sides use their newest keys", MINUTE * 3, |world| {
        is_by_used_keys(world, pair.edge, pair.exit)
    });
}

/// The stages of a site's keys, the newest first.
fn stages(world: &World, site: SiteId) -> Vec<KeyStage> {
    world.keys(site).own.iter().map(|key| key.stage).collect()
}

fn lines(world: &World, site: SiteId, level: Level) -> Vec<String> {
    let events = world.events(site).filter(|event| event.level() == level);
    events.map(ToString::to_string).collect()
}

#[test]
fn one_side_gets_a_new_key_and_nothing_is_lost() {
    for_each_seed(2, |seed| {
        for weather in [Weather::calm(DELAY), rough()] {
            let (mut world, pair) = at_work(Plan::pair(seed), weather, 40);
            let site = [pair.edge, pair.exit][seed as usize % 2];
            let peer = [pair.exit, pair.edge][seed as usize % 2];
            let before = used(&world, site);
            world.rotate(site, 1, Switch::All, 10 * SECOND);
            assert_eq!(stages(&world, site), [KeyStage::Next, KeyStage::InUse]);
            assert_eq!(used(&world, site), before, "not before the peer has it");
            world.run_until("the next key is used", 5 * SECOND, |world| {
                is_switched(world, site)
            });
            let row = world.snapshot(site).peers.remove(0);
            assert_eq!(row.has_key, used(&world, site));
            assert!(row.has_key_since.is_some() && world.keys(site).without.is_empty());
            converge(&mut world, pair);
            assert_eq!(stages(&world, site), [KeyStage::InUse, KeyStage::Old]);
            world.run_for(11 * SECOND);
            assert_eq!(stages(&world, site), [KeyStage::InUse, KeyStage::Dropped]);
            let known = world.snapshot(peer).peers.remove(0).keys;
            assert_eq!(known.len(), 1, "the peer has dropped it too: {known:?}");
            assert_ne!(used(&world, site), before);
            end(&mut world);
            if weather.loss == 0.0 {
                nothing_was_lost(&world, pair);
            }
            never_lost(&world, pair);
            world.finish_rotation(site);
            world.run_for(SECOND);
            assert!(is_by_used_keys(&world, pair.edge, pair.exit), "{}", world.story());
        }
    });
}

#[test]
fn both_sides_get_new_keys_at_once() {
    for_each_seed(2, |seed| {
        for weather in [Weather::calm(DELAY), rough()] {
            let (mut world, pair) = at_work(Plan::pair(seed), weather, 30);
            for site in [pair.edge, pair.exit] {
                world.rotate(site, 1, Switch::All, 15 * SECOND);
                world.run_for(Duration::from_millis(seed % 60));
            }
            world.run_until("both use them", 10 * SECOND, |world| {
                is_switched(world, pair.edge) && is_switched(world, pair.exit)
            });
            converge(&mut world, pair);
            world.run_for(16 * SECOND);
            for site in [pair.edge, pair.exit] {
                assert_eq!(stages(&world, site), [KeyStage::InUse, KeyStage::Dropped]);
                assert_eq!(world.snapshot(site).peers[0].keys.len(), 1);
            }
            end(&mut world);
            if weather.loss == 0.0 {
                nothing_was_lost(&world, pair);
            }
            never_lost(&world, pair);
        }
    });
}

#[test]
fn a_key_changes_twice_before_the_first_is_dropped() {
    for_each_seed(4, |seed| {
        let (mut world, pair) = at_work(Plan::pair(seed), rough(), 60);
        let site = [pair.edge, pair.exit][seed as usize % 2];
        for number in 1..=2 {
            world.rotate(site, number, Switch::All, 20 * SECOND);
            world.run_until("it is used", 10 * SECOND, |world| is_switched(world, site));
            if number == 1 {
                world.finish_rotation(site);
            }
        }
        let peer = [pair.exit, pair.edge][seed as usize % 2];
        world.run_for(SECOND);
        let known = world.snapshot(peer).peers.remove(0).keys;
        assert_eq!(known.len(), 3, "{known:?}");
        converge(&mut world, pair);
        world.run_for(21 * SECOND);
        assert_eq!(
            stages(&world, site),
            [KeyStage::InUse, KeyStage::Dropped, KeyStage::Dropped]
        );
        end(&mut world);
        never_lost(&world, pair);
    });
}

#[test]
fn a_peer_that_was_away_comes_back_by_the_old_key_and_learns_the_new_one() {
    for_each_seed(4, |seed| {
        let (mut world, pair) = at_work(Plan::pair(seed), rough(), 5);
        let (site, peer) = ([pair.edge, pair.exit], [pair.exit, pair.edge]);
        let (site, peer) = (site[seed as usize % 2], peer[seed as usize % 2]);
        world.kill(peer);
        let at = world.wall_clock(site) + 5 * SECOND;
        world.rotate(site, 1, Switch::At(at), 2 * MINUTE);
        world.run_for(6 * SECOND);
        assert!(is_switched(&world, site));
        let without = world.events_like(
            site,
            |event| matches!(event, Event::Keys(KeyEvent::Switched { without, .. }) if without.len() == 1),
        );
        assert_eq!(without, 1, "{}", world.story());
        world.run_for(30 * SECOND);
        world.start(peer);
        converge(&mut world, pair);
        assert!(world.keys(site).without.is_empty());
        end(&mut world);
    });
}

#[test]
fn a_peer_that_comes_too_late_stays_out_and_both_logs_say_why() {
    for_each_seed(2, |seed| {
        let (mut world, pair) = at_work(Plan::pair(seed), rough(), 1);
        end(&mut world);
        let (site, peer) = (pair.exit, pair.edge);
        world.kill(peer);
        let old = used(&world, site);
        let at = world.wall_clock(site) + SECOND;
        world.rotate(site, 1, Switch::At(at), 20 * SECOND);
        world.run_for(30 * SECOND);
        let warnings = lines(&world, site, Level::Warn).join("\n");
        for part in ["is accepted until", "is not accepted any more"] {
            let mut lines = warnings.lines();
            let names = |line: &str| line.contains(&old) && line.contains("site-0 knew no newer one");
            let found = lines.any(|line| line.contains(part) && names(line));
            assert!(found, "{part}: {warnings}");
        }
        world.start(peer);
        world.run_for(MINUTE);
        assert_eq!(world.session_keys(site, peer), None);
        assert!(world.dropped(site, DropReason::HandshakeBadMac) > 0);
        let warnings = lines(&world, peer, Level::Warn).join("\n");
        let stranger = format!("calls with key {}", used(&world, site));
        assert!(warnings.contains(&stranger), "{warnings}");
        assert!(warnings.contains("no answer from site-1"), "{warnings}");
    });
}

#[test]
fn a_peer_whose_host_cannot_write_is_waited_for() {
    let (mut plan, pair) = Plan::pair(3);
    plan.sites[pair.edge.0].keys.disk_is_full = true;
    let (mut world, pair) = at_work((plan, pair), rough(), 5);
    world.rotate(pair.exit, 1, Switch::All, MINUTE);
    world.run_for(MINUTE);
    assert!(!is_switched(&world, pair.exit), "{}", world.story());
    assert_eq!(world.keys(pair.exit).without, ["site-0"]);
    let known = world.snapshot(pair.edge).peers.remove(0).keys;
    assert_eq!(known.len(), 1, "what is not kept does not count: {known:?}");
    // It is mended, and the host is asked again.
    world.reload(pair.edge, |plan| plan.keys.disk_is_full = false);
    world.run_until("it is used", MINUTE, |world| is_switched(world, pair.exit));
    converge(&mut world, pair);
    end(&mut world);
}

#[test]
fn of_a_hub_those_who_can_learn_do_and_the_others_go_on_as_before() {
    for_each_seed(2, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        let mut edges = vec![(pair.edge, pair.initiator)];
        for _ in 0..3 {
            let (edge, lan) = plan.another_edge(pair.exit);
            edges.push((edge, plan.initiator(lan)));
        }
        for (edge, _) in &edges[2..] {
            plan.sites[edge.0].keys.is_old_version = true;
        }
        plan.weather = rough();
        let mut world = plan.build();
        for (place, (_, initiator)) in (0..).zip(&edges) {
            world.open(*initiator, SEEN);
            let load = Load::new(*initiator, SEEN, (pair.target, REAL)).operations(1500);
            // Each with its own sectors: registers know one writer.
            world.start_load(
                load.range(64)
                    .largest(2)
                    .writes(if place == 0 { 0.5 } else { 0.0 }),
            );
        }
        let before = used(&world, pair.exit);
        let at = world.wall_clock(pair.exit) + 3 * SECOND;
        world.rotate(pair.exit, 1, Switch::At(at), 10 * MINUTE);
        world.run_for(20 * SECOND);
        let after = used(&world, pair.exit);
        assert_ne!(before, after);
        let mut without = world.keys(pair.exit).without;
        without.sort();
        assert_eq!(without.len(), 2, "{without:?}");
        for (place, (edge, _)) in edges.iter().enumerate() {
            let expected = if place < 2 { &after } else { &before };
            let (_, theirs) = world.session_keys(*edge, pair.exit).unwrap();
            assert_eq!(theirs, *expected, "edge {place}\n{}", world.story());
        }
        end(&mut world);
        for (edge, _) in &edges {
            let lost = world.events_like(*edge, |event| matches!(event, Event::SessionLost { .. }));
            assert_eq!(lost, 0, "{}", world.story());
        }
    });
}

#[test]
fn either_side_may_restart_at_any_stage_with_its_state_or_without() {
    for_each_seed(12, |seed| {
        let (mut world, pair) = at_work(Plan::pair(seed), rough(), 20);
        let sites = [pair.edge, pair.exit];
        let (rotates, restarts) = (sites[seed as usize % 2], sites[seed as usize / 2 % 2]);
        world.rotate(rotates, 1, Switch::All, 4 * MINUTE);
        let stage = seed / 4 % 4;
        match stage {
            0 => {}
            1 => world.run_for(Duration::from_millis(30 + seed % 40)),
            2 => {
                world.run_until("it is used", 10 * SECOND, |world| is_switched(world, rotates));
            }
            _ => converge(&mut world, pair),
        }
        world.kill(restarts);
        if seed % 3 == 0 {
            world.lose_state(restarts);
        }
        world.run_for(Duration::from_millis(seed % 3000));
        world.start(restarts);
        world.run_until("it is used", MINUTE, |world| {
            world.runs(restarts) && is_switched(world, rotates)
        });
        converge(&mut world, pair);
        end(&mut world);
        world.run_for(5 * MINUTE);
        assert_eq!(stages(&world, rotates), [KeyStage::InUse, KeyStage::Dropped]);
        assert!(is_by_used_keys(&world, pair.edge, pair.exit), "{}", world.story());
    });
}

#[test]
fn a_rotation_that_is_given_up_leaves_nothing_behind() {
    let (mut world, pair) = at_work(Plan::pair(5), rough(), 10);
    let at = world.wall_clock(pair.exit) + MINUTE;
    world.rotate(pair.exit, 1, Switch::At(at), MINUTE);
    world.run_for(5 * SECOND);
    assert_eq!(world.snapshot(pair.edge).peers[0].keys.len(), 2);
    world.reload(pair.exit, |plan| plan.keys.next = None);
    world.run_for(5 * SECOND);
    assert_eq!(world.snapshot(pair.edge).peers[0].keys.len(), 1);
    world.run_for(MINUTE);
    assert!(is_by_used_keys(&world, pair.edge, pair.exit));
    end(&mut world);
    never_lost(&world, pair);
}

/// Nobody has a session by a key that it does not accept.
fn only_accepted_keys(world: &World, pair: Pair) {
    for (site, peer) in [(pair.edge, pair.exit), (pair.exit, pair.edge)] {
        if !world.runs(site) {
            continue;
        }
        let Some((ours, theirs)) = world.session_keys(site, peer) else {
            continue;
        };
        let accepted = |key: &&Key| !matches!(key.stage, KeyStage::Dropped | KeyStage::Revoked);
        let is_among =
            |keys: &[Key], print: &str| keys.iter().filter(accepted).any(|key| key.fingerprint == print);
        assert!(is_among(&world.keys(site).own, &ours), "{}", world.story());
        let known = &world.snapshot(site).peers[0].keys;
        assert!(is_among(known, &theirs), "{}", world.story());
    }
}

/// Lets time pass, and looks often.
fn watch(world: &mut World, pair: Pair, time: Duration) {
    let step = Duration::from_millis(50);
    for _ in 0..time.as_millis() / step.as_millis() {
        world.run_for(step);
        only_accepted_keys(world, pair);
    }
}

#[test]
fn whatever_is_done_with_keys_nothing_fails_and_no_key_is_accepted_that_should_not_be() {
    for_each_seed(8, |seed| {
        let mut random = Random::new(mix(seed ^ 0x5e7));
        let (mut world, pair) = at_work(Plan::pair(seed), rough(), 20);
        let mut story = Vec::new();
        for number in 1..=14 {
            let turn = random.below(2) as usize;
            let (site, peer) = ([pair.edge, pair.exit][turn], [pair.exit, pair.edge][turn]);
            let has_next = world.keys(site).own[0].stage == KeyStage::Next || is_switched(&world, site);
            let what = match random.below(6) {
                0 | 1 if !has_next => {
                    let at = world.wall_clock(site) + Duration::from_millis(random.below(5000));
                    let switch = if random.happens(0.5) {
                        Switch::All
                    } else {
                        Switch::At(at)
                    };
                    let drop_after = 20 * SECOND + Duration::from_millis(random.below(30_000));
                    world.rotate(site, number, switch, drop_after);
                    "rotate"
                }
                0 | 1 if is_switched(&world, site) => {
                    world.finish_rotation(site);
                    "finish"
                }
                2 => {
                    world.kill(site);
                    world.run_for(Duration::from_millis(random.below(2000)));
                    world.start(site);
                    "restart"
                }
                3 => {
                    world.stall_path(Duration::from_millis(random.below(3000)));
                    "stall"
                }
                4 => {
                    world.pause(site, Duration::from_millis(random.below(2000)));
                    "pause"
                }
                _ => {
                    let gone = world.keys(site).own.into_iter().rev();
                    let gone = gone.filter(|key| key.stage == KeyStage::Dropped).take(1);
                    gone.for_each(|key| world.revoke_print(peer, site, &key.fingerprint));
                    "revoke"
                }
            };
            story.push((site, what));
            watch(&mut world, pair, Duration::from_millis(random.below(6000)));
        }
        watch(&mut world, pair, 5 * SECOND);
        converge(&mut world, pair);
        end(&mut world);
        only_accepted_keys(&world, pair);
        assert!(story.iter().any(|(_, what)| *what == "rotate"), "{story:?}");
    });
}
