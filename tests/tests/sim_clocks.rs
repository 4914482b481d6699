//! Machines that stand still and processes that are stopped: I/O is back soon, and nothing old looks young.

use std::time::Duration;

use aoe_common::drop_reason::DropReason;
use aoe_common::frame::AoeCommand;
use aoe_common::telemetry::Count;
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::puppet::Puppets;
use e2e::sim::wire::Weather;
use e2e::sim::{Load, Plan, SiteId, craft};

const LONG: Duration = Duration::from_secs(600);
/// A stop of a gateway.
type Stop = fn(&mut e2e::sim::World, SiteId, Duration);
const FREEZE: Stop = e2e::sim::World::freeze;
const PAUSE: Stop = e2e::sim::World::pause;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// An initiator that asks ten times a second, and a target that answers at once.
fn ask_and_answer(puppets: &mut Puppets, tag: &mut u32, time: Duration) {
    let until = puppets.world.now() + time;
    while puppets.world.now() < until {
        *tag += 1;
        puppets.read(*tag, 0);
        for request in puppets.at_target() {
            puppets.respond(puppets.right, &puppets.answer_to(&request, 1));
        }
        puppets.announce(puppets.right, 16, 2);
        puppets.world.run_for(Duration::from_millis(79));
    }
}

/// The path was short when the clocks were read, and is long since: no reading is as near as the first.
#[test]
fn after_a_stop_of_either_gateway_requests_reach_the_target_again_within_five_seconds() {
    for (stop, what) in [(FREEZE, "freeze"), (PAUSE, "pause")] {
        for stopped in [8, 30] {
            for at_edge in [true, false] {
                let (mut puppets, mut tag) = (Puppets::new(1, 16, 2), 1);
                let (edge, exit) = (puppets.edge, puppets.exit);
                ask_and_answer(&mut puppets, &mut tag, secs(3));
                puppets
                    .world
                    .set_weather(Weather::calm(Duration::from_millis(50)));
                ask_and_answer(&mut puppets, &mut tag, secs(3));
                stop(
                    &mut puppets.world,
                    if at_edge { edge } else { exit },
                    secs(stopped),
                );
                ask_and_answer(&mut puppets, &mut tag, secs(stopped));
                let start = puppets.world.now();
                let answered = puppets.world.count(edge, Count::RepliesToInitiator);
                let back =
                    |puppets: &Puppets| puppets.world.count(edge, Count::RepliesToInitiator) > answered + 10;
                while !back(&puppets) && puppets.world.now() < start + secs(10) {
                    ask_and_answer(&mut puppets, &mut tag, Duration::from_millis(100));
                }
                let took = puppets.world.now().saturating_since(start);
                let too_old = puppets.world.dropped(exit, DropReason::RequestTooOld);
                println!("{what} of {stopped} s, edge {at_edge}: back after {took:?}, {too_old} too old");
                assert!(took < secs(5), "{}", puppets.world.story());
            }
        }
    }
}

#[test]
fn a_path_that_becomes_longer_or_shorter_or_lopsided_makes_nothing_too_old() {
    let (plan, pair) = Plan::pair(3);
    let mut world = plan.build();
    world.open(pair.initiator, SEEN);
    world.start_load(Load::new(pair.initiator, SEEN, (pair.target, REAL)).operations(2_000));
    for delay in [50, 400, 1, 200] {
        world.set_weather(Weather::calm(Duration::from_millis(delay)));
        world.run_for(secs(5));
    }
    // Only one way is long.
    world.set_weather(Weather::calm(Duration::from_millis(1)));
    for _ in 0..20 {
        world.detour(Duration::from_millis(100), Duration::from_millis(300));
        world.run_for(Duration::from_millis(250));
    }
    world.finish_loads(LONG);
    assert_eq!(world.dropped(pair.exit, DropReason::RequestTooOld), 0);
}

/// A write waits while a gateway is stopped, or its machine stands still; until it goes on, the same sectors may have
/// been written by another way.
#[test]
fn what_waited_through_a_stop_is_not_sent_to_the_target() {
    let write = |n: u8| craft::ata(0x34, 1, 5, &[n; 512]);
    // A frozen exit sees that only by what came later: the write that shows it is dropped, not the one before it.
    for (stop, at_edge) in [(PAUSE, true), (PAUSE, false), (FREEZE, true)] {
        let mut puppets = Puppets::new(4, 16, 2);
        let (edge, exit) = (puppets.edge, puppets.exit);
        let stopped = if at_edge { edge } else { exit };
        stop(&mut puppets.world, stopped, secs(8));
        puppets.request(puppets.left, SEEN, AoeCommand::Ata, 1, &write(1));
        for _ in 0..9 {
            puppets.world.run_for(secs(1));
            puppets.announce(puppets.right, 16, 2);
        }
        assert_eq!(puppets.at_target().len(), 0, "{}", puppets.world.story());
        let dropped = [edge, exit].map(|site| puppets.world.dropped(site, DropReason::RequestTooOld));
        assert_eq!(dropped.iter().sum::<u64>(), 1);
        puppets.request(puppets.left, SEEN, AoeCommand::Ata, 2, &write(2));
        assert_eq!(puppets.at_target().len(), 1, "{}", puppets.world.story());
    }
}

#[test]
fn an_exit_that_stood_still_sends_nothing_that_came_behind_a_newer_request() {
    let mut puppets = Puppets::new(5, 16, 2);
    let exit = puppets.exit;
    puppets.world.freeze(exit, secs(8));
    for tag in 1..80 {
        puppets.read(tag, tag.into());
        puppets.announce(puppets.right, 16, 2);
        puppets.world.run_for(Duration::from_millis(100));
    }
    puppets.world.run_for(secs(1));
    // At most what was captured in the first moments of the stop, before a newer one was seen.
    let sent = puppets.world.count(exit, Count::RequestsToTarget);
    assert!(sent <= 1, "{sent} of 79\n{}", puppets.world.story());
    puppets.read(80, 80);
    puppets.world.run_for(Duration::from_millis(20));
    assert_eq!(puppets.world.count(exit, Count::RequestsToTarget), sent + 1);
}
