//! New keys under load: no frame is lost for it.

use std::time::Duration;

use aoe_common::config::Endpoint;
use aoe_common::drop_reason::DropReason;
use aoe_common::event::Event;
use aoe_common::telemetry::Count;
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::seeds::for_each_seed;
use e2e::sim::{Fate, Load, Plan, SiteId, Weather};

fn is_rekey(event: &Event) -> bool {
    matches!(event, Event::SessionRekeyed { .. })
}

/// A load that keeps going for about `seconds` over a path with this delay.
fn operations(seconds: u64, delay: Duration) -> u64 {
    8 * seconds * 1000 / (2 * delay.as_millis() as u64 + 1)
}

#[test]
fn without_loss_no_request_is_sent_twice_whoever_renews_the_keys() {
    for_each_seed(2, |seed| {
        for endpoints in [
            [Endpoint::Known; 2],
            [Endpoint::Known, Endpoint::Unknown],
            [Endpoint::Unknown, Endpoint::Known],
        ] {
            let (mut plan, pair) = Plan::pair_on(seed, [1500, 1500]);
            plan.peer_mut(pair.edge, pair.exit).endpoint = endpoints[0];
            plan.peer_mut(pair.exit, pair.edge).endpoint = endpoints[1];
            let delay = Duration::from_millis(20 + seed % 5);
            let plain = endpoints == [Endpoint::Known; 2] || seed % 2 == 0;
            plan.weather = Weather {
                // Overtaking without loss: records of old and new keys arrive mixed.
                jitter: if plain { Duration::ZERO } else { delay },
                ..Weather::calm(delay)
            };
            for site in &mut plan.sites {
                site.tunnel.rekey_after = Duration::from_secs(5);
            }
            let mut world = plan.build();
            world.open(pair.initiator, SEEN);
            let load = Load::new(pair.initiator, SEEN, (pair.target, REAL));
            world.start_load(load.operations(operations(22, delay)).largest(2));
            let took = world.finish_loads(Duration::from_secs(120));
            assert!(
                took > Duration::from_secs(20),
                "{took:?} is too short for the point"
            );
            for site in [pair.edge, pair.exit] {
                assert!(world.events_like(site, is_rekey) >= 3, "{}", world.story());
                assert_eq!(
                    world.events_like(site, |event| matches!(event, Event::SessionLost { .. })),
                    0
                );
            }
            let driver = world.driver(pair.initiator).counters();
            // Overtaking by a whole delay makes the driver impatient by itself; loss it would not explain.
            let sent = world.count(pair.edge, Count::RequestsToWire);
            let arrived = world.count(pair.exit, Count::RequestsToTarget)
                + world.count(pair.exit, Count::RequestsCollapsed);
            let stale = world.dropped(pair.exit, DropReason::WriteStale)
                + world.dropped(pair.exit, DropReason::RequestRepeated);
            assert_eq!(
                (sent - stale, world.count(pair.exit, Count::RepliesToWire)),
                (arrived, arrived)
            );
            assert_eq!(world.count(pair.edge, Count::RepliesToInitiator), arrived);
            if seed % 2 == 0 {
                assert_eq!(
                    (driver.retransmits, driver.unexpected),
                    (0, 0),
                    "{}",
                    world.story()
                );
            }
        }
    });
}

#[test]
fn both_sides_renewing_at_once_lose_nothing() {
    for_each_seed(4, |seed| {
        // Calls that cross at the start leave the listener's later timer to fire together with a redial: make
        // both sides call in the middle of a load by cutting the path long enough for both to wonder.
        let (mut plan, pair) = Plan::pair(seed);
        plan.weather = Weather::calm(Duration::from_millis(5 + seed % 3));
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        world.start_load(Load::new(pair.initiator, SEEN, (pair.target, REAL)).operations(1500));
        world.run_for(Duration::from_millis(300 + 7 * (seed % 50)));
        world.set_filter(|_, _| Fate::Lose);
        world.run_for(Duration::from_millis(3100));
        world.clear_filter();
        world.run_for(Duration::from_secs(2));
        let count = |world: &e2e::sim::World, site: SiteId| world.events_like(site, is_rekey);
        let lost = |world: &e2e::sim::World| {
            [pair.edge, pair.exit].map(|site| {
                world
                    .engine(site)
                    .counters()
                    .iter()
                    .filter(|(name, _)| name.starts_with("record_"))
                    .map(|(_, n)| n)
                    .sum::<u64>()
            })
        };
        let before = lost(&world);
        world.finish_loads(Duration::from_secs(300));
        world.run_for(Duration::from_secs(130));
        assert!(
            count(&world, pair.edge) > 0 && count(&world, pair.exit) > 0,
            "{}",
            world.story()
        );
        assert_eq!(
            lost(&world),
            before,
            "no record is unknown, replayed or expired\n{}",
            world.story()
        );
    });
}

#[test]
fn keys_that_cannot_be_renewed_end_after_their_time() {
    for_each_seed(2, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        for site in &mut plan.sites {
            site.tunnel.rekey_after = Duration::from_secs(5);
        }
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        // Records pass, handshakes do not.
        world.set_filter(|_, datagram| {
            if datagram.bytes[0] == 4 {
                Fate::Pass
            } else {
                Fate::Lose
            }
        });
        let lost = |event: &Event| matches!(event, Event::SessionLost { why, .. } if why.contains("too old"));
        let took = world.run_until("the session is lost", Duration::from_secs(80), |world| {
            world.events_like(pair.edge, lost) > 0 && world.events_like(pair.exit, lost) > 0
        });
        assert!((60..=66).contains(&took.as_secs()), "{took:?}");
        let before = world.count(pair.exit, Count::RecordsOpened);
        world.run_for(Duration::from_secs(30));
        assert_eq!(world.count(pair.exit, Count::RecordsOpened), before);
        world.clear_filter();
        world.open(pair.initiator, SEEN);
        world.start_load(Load::new(pair.initiator, SEEN, (pair.target, REAL)).operations(20));
        world.finish_loads(Duration::from_secs(60));
    });
}

#[test]
fn rekeying_in_rough_weather_loses_no_data() {
    for_each_seed(4, |seed| {
        let (mut plan, pair) = Plan::pair_on(seed, [9000, 9000]);
        plan.weather = Weather::rough(Duration::from_millis(15));
        for site in &mut plan.sites {
            site.tunnel.rekey_after = Duration::from_secs(5);
        }
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        let load = Load::new(pair.initiator, SEEN, (pair.target, REAL));
        world.start_load(load.operations(250).largest(20));
        world.finish_loads(Duration::from_secs(2000));
    });
}
