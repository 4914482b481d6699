//! Paths of any MTU, found without a word from routers, and paths that shrink while data flows.

use std::time::Duration;

use aoe_common::event::Event;
use aoe_common::telemetry::Count;
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::seeds::for_each_seed;
use e2e::sim::{Fate, Load, Pair, Plan, Weather, World};

/// An open device over a path of this MTU that both sides find by themselves, on LANs of jumbo frames.
fn opened(seed: u64, path: u16, delay: Duration) -> (World, Pair) {
    let (mut plan, pair) = Plan::pair_on(seed, [9000, 9000]);
    plan.weather = Weather::calm(delay);
    plan.probe_path_mtu(path);
    let mut world = plan.build();
    world.open(pair.initiator, SEEN);
    (world, pair)
}

fn load(pair: Pair) -> Load {
    Load::new(pair.initiator, SEEN, (pair.target, REAL)).largest(16)
}

fn shrink(world: &mut World, mtu: u16, delay: Duration, loss: f64) {
    world.set_weather(Weather {
        mtu,
        loss,
        ..Weather::calm(delay)
    });
}

/// The MTUs each side has told of.
fn told(world: &World, pair: Pair) -> [Vec<u16>; 2] {
    [pair.edge, pair.exit].map(|site| {
        let mtu = |event: &Event| match event {
            Event::PathMtu { mtu, .. } => Some(*mtu),
            _ => None,
        };
        world.events(site).filter_map(mtu).collect()
    })
}

fn both(world: &World, pair: Pair, count: Count) -> u64 {
    world.count(pair.edge, count) + world.count(pair.exit, count)
}

/// The longest datagram of the next requests, as IP packets.
fn longest_packet(world: &mut World, pair: Pair) -> usize {
    world.start_recording();
    world.start_load(load(pair).operations(50));
    world.finish_loads(Duration::from_secs(60));
    let lens = world.recorded().into_iter().map(|datagram| datagram.ip_len());
    lens.max().unwrap_or(0)
}

#[test]
fn every_path_is_found_and_used_and_probes_lose_no_data() {
    for (path, found) in [
        (576, 576),
        (700, 576),
        (1279, 1200),
        (1280, 1280),
        (1400, 1400),
        (1450, 1440),
        (1500, 1500),
        (4000, 4000),
        (9216, 9216),
    ] {
        let delay = Duration::from_millis(5);
        let (mut world, pair) = opened(1, path, delay);
        // Data flows from the first moment on.
        world.start_load(load(pair).operations(500));
        world.finish_loads(Duration::from_secs(60));
        world.run_for(Duration::from_secs(5));
        assert_eq!(
            told(&world, pair),
            [vec![found], vec![found]],
            "{path} {}",
            world.story()
        );
        let longest = longest_packet(&mut world, pair);
        assert!(
            longest <= usize::from(found) && longest + 200 > usize::from(found.min(8400)),
            "{path} {longest}"
        );
        assert_eq!(
            world.driver(pair.initiator).counters().retransmits,
            0,
            "{}",
            world.story()
        );
        // A lost probe is none of the records that are missed.
        assert_eq!(both(&world, pair, Count::RecordsMissed), 0, "{}", world.story());
        assert_eq!(both(&world, pair, Count::RecordsGivenUp), 0, "{}", world.story());
    }
}

/// Whether the import is up, and how often each side has warned of the path.
fn imports(world: &World, pair: Pair) -> (bool, [usize; 2]) {
    let of_import = |event: &&Event| matches!(event, Event::ImportUp { .. } | Event::ImportDown { .. });
    let last = world.events(pair.edge).filter(of_import).last();
    let warned = |site| world.events_like(site, |event| matches!(event, Event::PathTooSmall { .. }));
    (
        matches!(last, Some(Event::ImportUp { .. })),
        [pair.edge, pair.exit].map(warned),
    )
}

#[test]
fn nothing_is_presented_over_a_path_that_is_too_small_and_that_is_said() {
    for (configured, path) in [(None, 575), (Some(1500), 1400)] {
        let (mut plan, pair) = Plan::pair_on(5, [1500, 1500]);
        plan.weather = Weather::calm(Duration::from_millis(5));
        plan.probe_path_mtu(path);
        if let Some(mtu) = configured {
            plan.set_path_mtu(mtu);
            plan.weather.mtu = path;
        }
        let mut world = plan.build();
        world.run_for(Duration::from_secs(9));
        assert_eq!(imports(&world, pair), (false, [1, 1]), "{}", world.story());
        // It was never tried with anything but probes.
        assert_eq!(both(&world, pair, Count::RequestsToWire), 0);
        world.run_for(Duration::from_secs(120));
        let (up, warned) = imports(&world, pair);
        assert!(!up, "{}", world.story());
        assert!(warned.iter().all(|warned| *warned <= 4), "{}", world.story());
        assert!(told(&world, pair).concat().is_empty());
        shrink(&mut world, 1500, Duration::from_millis(5), 0.0);
        world.run_for(Duration::from_secs(9));
        assert!(imports(&world, pair).0, "{}", world.story());
        assert_eq!(told(&world, pair), [vec![1500], vec![1500]], "{}", world.story());
    }
}

#[test]
fn one_direction_that_is_too_small_is_enough_to_present_nothing() {
    let (mut plan, pair) = Plan::pair_on(6, [1500, 1500]);
    plan.weather = Weather::calm(Duration::from_millis(5));
    plan.probe_path_mtu(9216);
    let mut world = plan.build();
    let exit = world.socket(pair.exit);
    world.set_filter(
        move |_, datagram| match datagram.from == exit && datagram.ip_len() > 500 {
            true => Fate::Lose,
            false => Fate::Pass,
        },
    );
    world.run_for(Duration::from_secs(20));
    assert_eq!(imports(&world, pair), (false, [0, 1]), "{}", world.story());
    world.clear_filter();
    world.run_for(Duration::from_secs(9));
    assert!(imports(&world, pair).0, "{}", world.story());
}

#[test]
fn a_path_that_goes_silent_is_not_called_one_of_any_size() {
    let (mut world, pair) = opened(7, 1500, Duration::from_millis(5));
    world.run_for(Duration::from_secs(20));
    assert_eq!(told(&world, pair), [vec![1500], vec![1500]]);
    world.start_load(load(pair).operations(100_000));
    world.run_for(Duration::from_millis(500));
    world.set_filter(|_, _| Fate::Lose);
    world.run_for(Duration::from_secs(60));
    assert_eq!(told(&world, pair), [vec![1500], vec![1500]], "{}", world.story());
    assert_eq!(imports(&world, pair).1, [0, 0], "{}", world.story());
}

#[test]
fn a_path_that_grows_is_noticed_in_ten_minutes_and_a_new_path_at_once() {
    let delay = Duration::from_millis(2);
    let (mut world, pair) = opened(2, 1500, delay);
    world.run_for(Duration::from_secs(20));
    assert_eq!(told(&world, pair), [vec![1500], vec![1500]]);
    shrink(&mut world, 9000, delay, 0.0);
    world.run_for(Duration::from_secs(620));
    assert_eq!(
        told(&world, pair),
        [vec![1500, 9000], vec![1500, 9000]],
        "{}",
        world.story()
    );
    // Another path, perhaps another MTU.
    world.rebind(pair.edge, "192.0.2.5:5000".parse().unwrap());
    shrink(&mut world, 1400, delay, 0.0);
    world.start_load(load(pair).operations(300));
    world.finish_loads(Duration::from_secs(60));
    world.run_for(Duration::from_secs(30));
    assert_eq!(told(&world, pair)[1], [1500, 9000, 1400], "{}", world.story());
}

#[test]
fn a_path_that_shrinks_under_load_causes_a_short_stall_and_no_error() {
    for_each_seed(4, |seed| {
        // Long replies, eight at a time; long requests one by one, as two writes of one sector under way at once may
        // have to be sent again by their initiator, whatever the path.
        for (writes, depth) in [(0.0, 8), (1.0, 1)] {
            for (delay, loss, stall) in [(1, 0.0, 200), (10, 0.0, 600), (10, 0.01, 1000)] {
                let delay = Duration::from_millis(delay);
                let (mut world, pair) = opened(seed, 9000, delay);
                world.start_load(
                    load(pair)
                        .operations(400 * depth as u64)
                        .depth(depth)
                        .writes(writes),
                );
                world.run_for(Duration::from_millis(400 + seed % 100));
                let sectors = world.driver(pair.initiator).sectors_per_frame(SEEN);
                assert_eq!(sectors, Some(17));
                let before = world.progress().0;
                shrink(&mut world, 1400, delay, loss);
                world.finish_loads(Duration::from_secs(60));
                assert!(before < 350 * depth as u64, "{before} is too late for the point");
                let slowest = world.latencies().pop().unwrap();
                assert!(
                    slowest < Duration::from_millis(stall),
                    "{slowest:?} {}",
                    world.story()
                );
                assert!(
                    both(&world, pair, Count::MessagesRepacked) > 0,
                    "{}",
                    world.story()
                );
                // The initiator's frames stay as long as they were: chunks carry any frame over any path.
                assert_eq!(world.driver(pair.initiator).sectors_per_frame(SEEN), sectors);
                // The other direction has noticed nothing before long records go that way.
                world.start_load(load(pair).operations(200));
                world.finish_loads(Duration::from_secs(60));
                world.run_for(Duration::from_secs(30));
                let told = told(&world, pair);
                assert!(
                    told.iter().all(|told| told.last() == Some(&1400)),
                    "{told:?} {}",
                    world.story()
                );
                let longest = longest_packet(&mut world, pair);
                assert!(longest <= 1400, "{longest}");
            }
        }
    });
}

#[test]
fn loss_alone_does_not_lower_the_mtu() {
    for_each_seed(4, |seed| {
        let delay = Duration::from_millis(5);
        let (mut world, pair) = opened(seed, 9000, delay);
        world.run_for(Duration::from_secs(5));
        shrink(&mut world, 9000, delay, 0.02);
        world.start_load(load(pair).operations(4000));
        world.finish_loads(Duration::from_secs(120));
        assert_eq!(both(&world, pair, Count::PathMtuLowered), 0, "{}", world.story());
        assert_eq!(told(&world, pair), [vec![9000], vec![9000]]);
    });
}

#[test]
fn a_flapping_path_does_not_fill_the_log() {
    let delay = Duration::from_millis(1);
    let (mut world, pair) = opened(3, 9000, delay);
    for n in 0..60 {
        world.start_load(load(pair).operations(300));
        world.run_for(Duration::from_millis(500));
        shrink(&mut world, if n % 2 == 0 { 1400 } else { 9000 }, delay, 0.0);
        world.run_for(Duration::from_millis(500));
    }
    let told = told(&world, pair);
    assert!(told.iter().all(|told| told.len() <= 8), "{told:?}");
}
