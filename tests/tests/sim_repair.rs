//! Loss between the sites, and initiators that never notice.

use std::collections::BTreeSet;
use std::time::Duration;

use aoe_common::telemetry::Count;
use aoe_lab::random::Random;
use e2e::sim::craft;
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::seeds::for_each_seed;
use e2e::sim::{Fate, Load, Pair, Plan, Weather, World};

/// An open device over calm weather, for whatever the test makes of it.
fn opened(seed: u64, mtu: u16, delay: Duration) -> (World, Pair) {
    let (mut plan, pair) = Plan::pair_on(seed, [mtu, mtu]);
    plan.weather = Weather::calm(delay);
    let mut world = plan.build();
    world.open(pair.initiator, SEEN);
    (world, pair)
}

fn load(pair: Pair) -> Load {
    Load::new(pair.initiator, SEEN, (pair.target, REAL))
}

/// Reads only, where time is measured: of two writes of one sector that are under way at once the exit never applies the
/// one that a loss made the later, and its initiator has to send it again. The model's small disk makes that common.
fn reads(pair: Pair) -> Load {
    load(pair).writes(0.0)
}

/// A number of both sites together.
fn both(world: &World, pair: Pair, count: Count) -> u64 {
    world.count(pair.edge, count) + world.count(pair.exit, count)
}

fn retransmits(world: &World, pair: Pair) -> u64 {
    world.driver(pair.initiator).counters().retransmits
}

#[test]
fn loss_costs_a_round_trip_or_a_few_and_initiators_send_next_to_nothing_again() {
    for_each_seed(3, |seed| {
        for (loss, copies) in [(0.001, 5), (0.01, 10), (0.05, 30)] {
            for delay in [5, 25] {
                let delay = Duration::from_millis(delay);
                let (mut world, pair) = opened(seed, 9000, delay);
                world.set_weather(Weather {
                    loss,
                    duplicate: 0.01,
                    ..Weather::calm(delay)
                });
                world.start_load(reads(pair).operations(1500).largest(16));
                world.finish_loads(Duration::from_secs(600));
                let took = world.latencies();
                let (usual, slow) = (took[took.len() / 2], took[took.len() * 99 / 100]);
                let slowest = took[took.len() - 1];
                let round_trip = delay * 2;
                assert!(usual < round_trip * 2, "{usual:?} {}", world.story());
                assert!(
                    slow < round_trip * if loss < 0.05 { 3 } else { 5 },
                    "{loss} {slow:?} {}",
                    world.story()
                );
                assert!(slowest < round_trip * 30, "{loss} {slowest:?} {}", world.story());
                assert!(retransmits(&world, pair) <= copies, "{loss} {}", world.story());
                assert!(loss < 0.01 || both(&world, pair, Count::RecordsResent) > 20);
                assert!(
                    both(&world, pair, Count::ResendsRefused) <= 5,
                    "{}",
                    world.story()
                );
            }
        }
    });
}

#[test]
fn of_a_hundred_losses_ninety_nine_are_repaired_within_two_and_a_half_round_trips_whatever_jitter_there_is() {
    for_each_seed(1, |seed| {
        for (delay, jitter) in [(5, 0.0), (5, 0.5), (25, 0.25), (25, 2.5)] {
            let delay = Duration::from_millis(delay);
            let jitter = Duration::from_secs_f64(jitter / 1000.0);
            let (mut world, pair) = opened(seed, 1500, delay);
            world.set_weather(Weather {
                loss: 0.01,
                jitter,
                ..Weather::calm(delay)
            });
            world.watch_repairs();
            world.start_load(reads(pair).operations(12_000).depth(32).largest(2));
            world.run_until("all have ended", Duration::from_secs(600), World::loads_done);
            let (took, left) = world.repairs();
            let slow = took[took.len() * 99 / 100];
            let story = || {
                format!(
                    "{delay:?} {jitter:?} {slow:?} of {} {}",
                    took.len(),
                    world.story()
                )
            };
            eprintln!("{} {left} {:?} {:?}", story(), took.last(), took[took.len() / 2]);
            assert!(took.len() > 200 && left <= 2, "{left} {}", story());
            let round_trip = delay * 2;
            let bound = round_trip * 24 / 10 + Duration::from_millis(2);
            assert!(slow <= bound, "{}", story());
        }
    });
}

#[test]
fn a_wide_window_of_which_every_other_record_is_lost_is_repaired_whole() {
    for_each_seed(1, |seed| {
        let delay = Duration::from_millis(10);
        let (mut plan, pair) = Plan::pair_on(seed, [9000, 9000]);
        plan.weather = Weather::calm(delay);
        plan.sites[pair.edge.0].imports[0].window = 256;
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        world.start_load(reads(pair).operations(6000).depth(256).largest(17));
        world.run_for(Duration::from_millis(500));
        let before = world.latencies().len();
        // Every other record that the exit sends for the first time: hundreds in a round trip.
        let exit = world.socket(pair.exit);
        let mut seen = BTreeSet::new();
        world.set_filter(move |_, datagram| {
            let new = datagram.from == exit && seen.insert(datagram.bytes[..16].to_vec());
            match new && seen.len() % 2 == 0 && seen.len() < 1200 {
                true => Fate::Lose,
                false => Fate::Pass,
            }
        });
        world.watch_repairs();
        world.run_until("all have ended", Duration::from_secs(60), World::loads_done);
        assert!(before > 500 && before < 6000, "{before}");
        let (took, left) = world.repairs();
        // Probes of the path are not repaired.
        let probes = both(&world, pair, Count::PathProbes) as usize;
        assert!(took.len() > 500 && left <= probes, "{left} {}", world.story());
        assert!(took[took.len() - 1] < delay * 6, "{:?}", took.last());
        assert_eq!(both(&world, pair, Count::RecordsGivenUp), 0, "{}", world.story());
        assert_eq!(retransmits(&world, pair), 0, "{}", world.story());
    });
}

#[test]
fn bursts_are_repaired() {
    for_each_seed(4, |seed| {
        let delay = Duration::from_millis(5);
        let (mut world, pair) = opened(seed, 9000, delay);
        let mut random = Random::new(seed);
        let mut left = 0;
        world.set_filter(move |_, _| {
            if left == 0 && random.happens(0.001) {
                left = 4 + random.below(12);
            }
            left = u64::saturating_sub(left, 1);
            if left > 0 { Fate::Lose } else { Fate::Pass }
        });
        world.start_load(load(pair).operations(1500).depth(16).largest(16));
        world.finish_loads(Duration::from_secs(600));
        let took = world.latencies();
        assert!(took[took.len() * 9 / 10] < delay * 10, "{}", world.story());
        assert!(took[took.len() - 1] < Duration::from_secs(1), "{}", world.story());
        assert!(both(&world, pair, Count::RecordsResent) > 10, "{}", world.story());
    });
}

#[test]
fn without_loss_nothing_is_asked_for_nor_sent_again() {
    for_each_seed(3, |seed| {
        for (mtu, depth, delay) in [(1500, 1, 1), (1500, 32, 10), (9000, 8, 50), (9000, 64, 5)] {
            let delay = Duration::from_millis(delay);
            let (mut world, pair) = opened(seed, mtu, delay);
            world.set_weather(Weather {
                duplicate: 0.05,
                ..Weather::calm(delay)
            });
            world.start_load(load(pair).operations(1000).depth(depth).largest(16));
            world.finish_loads(Duration::from_secs(600));
            for count in [
                Count::RecordsMissed,
                Count::RecordsResent,
                Count::ResendsRefused,
                Count::RecordsGivenUp,
                Count::TailProbes,
            ] {
                assert_eq!(both(&world, pair, count), 0, "{count:?} {}", world.story());
            }
            // A report is small, and what it tells of is not.
            let reports = both(&world, pair, Count::ReportsSent);
            assert!(
                reports < both(&world, pair, Count::RecordsOpened),
                "{}",
                world.story()
            );
        }
    });
}

#[test]
fn overtaken_records_are_waited_for() {
    for_each_seed(4, |seed| {
        // Every record may be overtaken by the next 10 ms: much more than is waited for at first.
        let delay = Duration::from_millis(10);
        let (mut world, pair) = opened(seed, 9000, delay);
        world.set_weather(Weather {
            jitter: delay,
            ..Weather::calm(delay)
        });
        world.start_load(load(pair).operations(2000).depth(16).largest(16));
        world.finish_loads(Duration::from_secs(600));
        let opened = both(&world, pair, Count::RecordsOpened);
        let resent = both(&world, pair, Count::RecordsResent);
        assert!(
            opened > 10_000 && resent < 60,
            "{resent} of {opened} {}",
            world.story()
        );
        // Within the tolerance hardly any.
        let (mut world, pair) = opened_with_jitter(seed, delay, delay / 4);
        world.start_load(load(pair).operations(2000).depth(16).largest(16));
        world.finish_loads(Duration::from_secs(600));
        let resent = both(&world, pair, Count::RecordsResent);
        assert!(resent <= 4, "{resent} {}", world.story());
    });
}

fn opened_with_jitter(seed: u64, delay: Duration, jitter: Duration) -> (World, Pair) {
    let (mut world, pair) = opened(seed, 9000, delay);
    world.set_weather(Weather {
        jitter,
        ..Weather::calm(delay)
    });
    (world, pair)
}

#[test]
fn the_last_record_is_asked_about() {
    for_each_seed(4, |seed| {
        for delay in [1, 5, 25] {
            let delay = Duration::from_millis(delay);
            let (mut world, pair) = opened(seed, 1500, delay);
            // Time for the round trip to be known.
            world.start_load(load(pair).operations(40).depth(1));
            world.finish_loads(Duration::from_secs(60));
            // One request at a time, and of each the first datagram, the second, or both are lost.
            for (lost, patience) in [(vec![0], 3), (vec![1], 3), (vec![0, 2], 6)] {
                let before = world.latencies().len();
                world.start_load(load(pair).operations(1).depth(1).largest(1));
                let mut number = 0;
                world.set_filter(move |_, _| {
                    number += 1;
                    match lost.contains(&(number - 1)) {
                        true => Fate::Lose,
                        false => Fate::Pass,
                    }
                });
                let (ended, _) = world.progress();
                let took = world.run_until("it is answered", Duration::from_secs(5), |world| {
                    world.progress().0 > ended
                });
                world.clear_filter();
                let slack = Duration::from_millis(40);
                assert!(
                    took < delay * 2 * patience + slack,
                    "{delay:?} {took:?} {}",
                    world.story()
                );
                assert_eq!(world.latencies().len(), before + 1);
                world.run_for(Duration::from_secs(1));
            }
            assert_eq!(retransmits(&world, pair), 0, "{}", world.story());
            assert!(both(&world, pair, Count::TailProbes) > 0);
        }
    });
}

#[test]
fn a_peer_that_is_not_there_is_not_asked_for_ever() {
    let (mut world, pair) = opened(7, 1500, Duration::from_millis(1));
    world.start_load(load(pair).operations(1000));
    world.run_for(Duration::from_millis(100));
    world.set_filter(|_, _| Fate::Lose);
    let before = both(&world, pair, Count::TailProbes);
    world.run_for(Duration::from_secs(2));
    let probes = both(&world, pair, Count::TailProbes) - before;
    // Every copy that the initiator sends is a new last record.
    let copies = retransmits(&world, pair);
    assert!(
        (2..=20 + copies * 10).contains(&probes),
        "{probes} {}",
        world.story()
    );
    world.run_for(Duration::from_secs(12));
    let before = both(&world, pair, Count::TailProbes);
    world.run_for(Duration::from_secs(30));
    assert_eq!(both(&world, pair, Count::TailProbes), before);
}

#[test]
fn a_quiet_link_is_quiet() {
    let (mut world, pair) = opened(8, 1500, Duration::from_millis(1));
    world.start_load(load(pair).operations(100));
    world.finish_loads(Duration::from_secs(60));
    world.run_for(Duration::from_secs(5));
    let before = world.datagrams();
    world.run_for(Duration::from_secs(60));
    // Each side looks for its target every five seconds; a ping and a pong each way, and no answers to answers.
    let sent = world.datagrams() - before;
    assert!(
        sent <= 12 * 4 + 8,
        "{sent} datagrams in a minute {}",
        world.story()
    );
}

#[test]
fn new_keys_in_bad_weather_stop_nothing() {
    for_each_seed(6, |seed| {
        let delay = Duration::from_millis(10);
        let (mut plan, pair) = Plan::pair_on(seed, [9000, 9000]);
        plan.weather = Weather::calm(delay);
        for site in &mut plan.sites {
            site.tunnel.rekey_after = Duration::from_secs(5);
        }
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        world.set_weather(Weather {
            loss: 0.01,
            ..Weather::calm(delay)
        });
        world.start_load(reads(pair).operations(8000).largest(8));
        let took = world.finish_loads(Duration::from_secs(600));
        assert!(
            took > Duration::from_secs(15),
            "{took:?} is too short for the point"
        );
        let slowest = world.latencies().pop().unwrap();
        assert!(slowest < delay * 30, "{slowest:?} {}", world.story());
        assert!(retransmits(&world, pair) <= 20, "{}", world.story());
    });
}

#[test]
fn the_last_records_of_old_keys_are_repaired() {
    for_each_seed(4, |seed| {
        let delay = Duration::from_millis(10);
        let (mut plan, pair) = Plan::pair(seed);
        plan.weather = Weather::calm(delay);
        for site in &mut plan.sites {
            site.tunnel.rekey_after = Duration::from_secs(5);
        }
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        world.start_load(reads(pair).operations(4000));
        // What follows a handshake message within a round trip is lost for a while.
        let mut silence = 0;
        world.set_filter(move |_, datagram| {
            if matches!(datagram.bytes[0], 1 | 2) {
                silence = 6;
                return Fate::Pass;
            }
            silence = u64::saturating_sub(silence, 1);
            if silence > 0 { Fate::Lose } else { Fate::Pass }
        });
        world.finish_loads(Duration::from_secs(600));
        let slowest = world.latencies().pop().unwrap();
        assert!(
            slowest < Duration::from_millis(400),
            "{slowest:?} {}",
            world.story()
        );
        assert!(world.count(pair.edge, Count::Handshakes) >= 3);
    });
}

#[test]
fn a_lying_peer_gets_no_more_than_was_sent_and_not_for_ever() {
    let (mut world, pair) = opened(9, 9000, Duration::from_millis(1));
    world.start_recording();
    world.start_load(load(pair).operations(400).largest(16));
    world.run_for(Duration::from_millis(60));
    let exit = world.socket(pair.exit);
    let to_exit = world.recorded().into_iter().filter(|one| one.to == exit);
    let mut sent: Vec<_> = to_exit.map(|one| one.bytes).collect();
    let session: [u8; 4] = sent[0][4..8].try_into().unwrap();
    world.start_recording();
    world.set_filter(|_, _| Fate::Lose);
    let report = |next: u64, count: u32| {
        let mut message = session.to_vec();
        message.extend_from_slice(&next.to_be_bytes());
        message.extend_from_slice(&0u64.to_be_bytes());
        message.extend_from_slice(&0u32.to_be_bytes());
        message.extend_from_slice(&count.to_be_bytes());
        craft::chunk(8, &message)
    };
    let before = world.count(pair.edge, Count::RecordsResent);
    for _ in 0..5000 {
        world.lie(pair.edge, pair.exit, &report(1 << 20, 1 << 20));
        world.run_for(Duration::from_micros(200));
    }
    assert!(world.count(pair.edge, Count::RecordsResent) > before + 50);
    // Everything it ever sent, by bytes, and what it sent more than once.
    sent.extend(
        world
            .recorded()
            .into_iter()
            .filter(|one| one.to == exit)
            .map(|one| one.bytes),
    );
    let total: usize = sent.iter().map(Vec::len).sum();
    sent.sort_unstable();
    sent.dedup();
    let first: usize = sent.iter().map(Vec::len).sum();
    assert!(total <= 2 * first + (80 << 10), "{total} of {first}");
    world.run_for(Duration::from_secs(2));
    let before = world.count(pair.edge, Count::RecordsResent);
    world.lie(pair.edge, pair.exit, &report(1 << 21, 10));
    assert_eq!(world.count(pair.edge, Count::RecordsResent), before, "too old");
}
