//! Storage stays right in the worst of weathers, and a gateway without its order guard would be found out.
//!
//! Every storm is another one for every seed: see [`storm`](e2e::sim::storm).

use std::time::Duration;

use aoe_common::drop_reason::DropReason;
use aoe_common::telemetry::Count;
use e2e::sim::plan::{Guard, REAL, SEEN};
use e2e::sim::seeds::{first_failing_seed, for_each_seed};
use e2e::sim::storm::Storm;
use e2e::sim::storm::kinds::{
    BAD_PATH, GATEWAYS, KEPT_TAGS, MIXED_TAGS, NO_ORDER, SEVERAL, SHRINKING, TARGETS, TWO_CARDS, TWO_EDGES,
};
use e2e::sim::{Load, Plan, SiteId, Weather};

fn holds(storm: Storm, seeds: u64) {
    for_each_seed(seeds, |seed| drop(storm.rage(seed)));
}

#[test]
fn nothing_is_stale_or_lost_on_a_bad_path() {
    holds(BAD_PATH, 600);
}

#[test]
fn nothing_is_stale_or_lost_by_an_initiator_that_keeps_its_tags() {
    holds(KEPT_TAGS, 500);
}

#[test]
fn nothing_is_stale_or_lost_between_several_initiators() {
    holds(SEVERAL, 500);
}

#[test]
fn nothing_is_stale_or_lost_at_a_target_without_order() {
    holds(NO_ORDER, 500);
}

#[test]
fn nothing_is_stale_or_lost_when_gateways_pause_and_restart() {
    holds(GATEWAYS, 500);
}

#[test]
fn nothing_is_stale_or_lost_when_targets_pause_and_restart() {
    holds(TARGETS, 500);
}

#[test]
fn nothing_is_stale_or_lost_by_an_initiator_with_two_cards() {
    holds(TWO_CARDS, 200);
}

#[test]
fn nothing_is_stale_or_lost_between_initiators_that_keep_their_tags_and_others() {
    holds(MIXED_TAGS, 120);
}

#[test]
fn nothing_is_stale_or_lost_or_refused_when_segments_shrink() {
    holds(SHRINKING, 100);
}

#[test]
fn nothing_is_stale_or_lost_between_two_edges() {
    holds(TWO_EDGES, 100);
}

/// Were this to pass, the tests above would prove nothing.
#[test]
fn without_the_order_guard_every_storm_does_harm() {
    for storm in [BAD_PATH, KEPT_TAGS, SEVERAL, NO_ORDER, GATEWAYS, TARGETS] {
        let storm = Storm {
            guard: Guard::Off,
            ..storm
        };
        let (seed, complaint) = first_failing_seed(1500, |seed| drop(storm.rage(seed)));
        println!("{complaint}");
        assert!(complaint.contains(&format!("seed {seed}")), "{complaint}");
        assert!(complaint.contains("came after it"), "{complaint}");
    }
}

/// Nor would they if storms did not reach what protects from them.
#[test]
fn storms_reach_every_part_of_the_guard() {
    const EXIT: SiteId = SiteId(1);
    let mut reached = [0; 5];
    for seed in 0..60 {
        let world = NO_ORDER.rage(seed);
        let here = [
            world.dropped(EXIT, DropReason::WriteStale),
            world.dropped(EXIT, DropReason::RequestTooOld),
            world.count(EXIT, Count::RequestsCollapsed),
            world.count(EXIT, Count::RequestsHeld),
            world.count(EXIT, Count::RequestsRepeated),
        ];
        reached.iter_mut().zip(here).for_each(|(sum, here)| *sum += here);
    }
    println!("{reached:?}");
    assert!(reached.iter().all(|sum| *sum > 0), "{reached:?}");
}

/// Requests that overlap, and reads of the same sectors at the same time, are no copies of each other.
#[test]
fn in_fair_weather_nothing_is_sent_again_however_much_requests_overlap() {
    for_each_seed(20, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        let delay = Duration::from_millis(5);
        plan.weather = Weather::calm(delay);
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        world.drive(pair.initiator, |driver, _, _| {
            driver.settle(SEEN, delay * 2, 3000)
        });
        let load = Load::new(pair.initiator, SEEN, (pair.target, REAL));
        world.start_load(load.operations(400).depth(4).range(6).largest(4).again(0.5));
        world.finish_loads(Duration::from_secs(60));
        let counters = world.driver(pair.initiator).counters();
        assert_eq!(
            (counters.retransmits, counters.unexpected),
            (0, 0),
            "{}",
            world.story()
        );
    });
}
