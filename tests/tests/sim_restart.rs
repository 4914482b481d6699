//! Gateways that end and come back, under load: no wrong byte, and not for long.

use std::time::Duration;

use aoe_common::config::Endpoint;
use aoe_common::drop_reason::DropReason;
use aoe_common::event::Event;
use aoe_common::telemetry::Count;
use aoe_lab::random::Random;
use aoe_lab::target::{Questions, Service, Tail};
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::puppet::Puppets;
use e2e::sim::seeds::for_each_seed;
use e2e::sim::site::Skew;
use e2e::sim::{Fate, Load, Pair, Plan, SiteId, Weather, World};

const LONG: Duration = Duration::from_secs(600);

fn loaded(plan: Plan, pair: Pair, operations: u64) -> World {
    let mut world = plan.build();
    world.open(pair.initiator, SEEN);
    world.start_load(Load::new(pair.initiator, SEEN, (pair.target, REAL)).operations(operations));
    world
}

/// Runs until the edge has told its initiators of the import once more than `before` times.
fn back(world: &mut World, pair: Pair, before: usize, limit: Duration) -> Duration {
    world.run_until("the import is back", limit, |world| ups(world, pair) > before)
}

fn ups(world: &World, pair: Pair) -> usize {
    world.events_like(pair.edge, |event| matches!(event, Event::ImportUp { .. }))
}

#[test]
fn either_side_may_restart_under_load() {
    for_each_seed(12, |seed| {
        for who in 0..2 {
            let (mut plan, pair) = Plan::pair(seed);
            plan.weather = Weather::rough(Duration::from_millis(2));
            let mut world = loaded(plan, pair, 120);
            for round in 0..3 {
                world.run_for(Duration::from_millis(10 + (seed * 7 + round * 13) % 50));
                world.restart(SiteId(who));
                world.run_for(Duration::from_secs(8));
            }
            world.finish_loads(LONG);
        }
    });
}

#[test]
fn a_site_that_knows_no_endpoint_may_restart() {
    for_each_seed(4, |seed| {
        for quiet in 0..2 {
            let (mut plan, pair) = Plan::pair(seed);
            plan.peer_mut(SiteId(quiet), SiteId(1 - quiet)).endpoint = Endpoint::Unknown;
            let mut world = loaded(plan, pair, 200);
            world.run_for(Duration::from_millis(20 + seed % 30));
            let before = ups(&world, pair);
            world.restart(SiteId(quiet));
            // The other side notices by its unanswered pings: five seconds of quiet, three of patience.
            let took = back(&mut world, pair, before, Duration::from_secs(15));
            assert!(took < Duration::from_secs(10), "{took:?}\n{}", world.story());
            world.finish_loads(LONG);
        }
    });
}

#[test]
fn a_restarted_site_that_calls_is_back_in_a_moment() {
    for_each_seed(4, |seed| {
        for who in 0..2 {
            let (plan, pair) = Plan::pair(seed);
            let mut world = loaded(plan, pair, 200);
            world.run_for(Duration::from_millis(50));
            let before = ups(&world, pair);
            world.restart(SiteId(who));
            let took = back(&mut world, pair, before, Duration::from_secs(5));
            // A tenth of a second of it is waiting whether somebody else has the address.
            assert!(took < Duration::from_millis(200), "{took:?}");
            world.finish_loads(LONG);
        }
    });
}

#[test]
fn both_sides_may_restart_at_once() {
    for_each_seed(4, |seed| {
        let (plan, pair) = Plan::pair(seed);
        let mut world = loaded(plan, pair, 100);
        world.run_for(Duration::from_millis(30));
        world.restart(pair.edge);
        world.restart(pair.exit);
        world.finish_loads(LONG);
    });
}

#[test]
fn what_an_earlier_process_sent_changes_nothing() {
    for_each_seed(4, |seed| {
        for who in 0..2 {
            let (plan, pair) = Plan::pair(seed);
            let mut world = loaded(plan, pair, 60);
            world.start_recording();
            // A part of what the old process sent is withheld, to be delivered after its end.
            let old = world.socket(SiteId(who));
            world.set_filter(move |number, datagram| {
                if datagram.from == old && number % 3 == 0 {
                    Fate::Lose
                } else {
                    Fate::Pass
                }
            });
            world.run_for(Duration::from_secs(2));
            world.clear_filter();
            let withheld = world.recorded();
            world.restart(SiteId(who));
            world.run_for(Duration::from_secs(1));
            let other = SiteId(1 - who);
            let sessions =
                |world: &World| world.events_like(other, |event| matches!(event, Event::SessionUp { .. }));
            let (opened, up) = (world.count(other, Count::RecordsOpened), sessions(&world));
            let requests = world.count(pair.exit, Count::RequestsToTarget);
            for datagram in withheld.into_iter().filter(|datagram| datagram.from == old) {
                world.inject(datagram);
            }
            assert_eq!(
                world.count(other, Count::RecordsOpened),
                opened,
                "no old record opens"
            );
            assert_eq!(sessions(&world), up);
            assert_eq!(world.count(pair.exit, Count::RequestsToTarget), requests);
            world.finish_loads(LONG);
        }
    });
}

#[test]
fn records_withheld_from_an_unconfirmed_session_do_not_bring_an_earlier_process_back() {
    for_each_seed(6, |seed| {
        // The edge calls, the exit answers; whatever the edge then sends is withheld. The edge restarts, and now
        // the exit calls it: the session of the old call still waits for its first record.
        let (plan, pair) = Plan::pair(seed);
        let mut world = plan.build();
        let edge = world.socket(pair.edge);
        world.start_recording();
        world.set_filter(move |_, datagram| {
            let from_edge = datagram.from == edge && datagram.bytes[0] != 1;
            if from_edge { Fate::Lose } else { Fate::Pass }
        });
        world.run_for(Duration::from_millis(4));
        let withheld: Vec<_> = world
            .recorded()
            .into_iter()
            .filter(|one| one.from == edge)
            .collect();
        world.set_filter(move |_, datagram| {
            let calls = datagram.from == edge && datagram.bytes[0] == 1;
            if calls { Fate::Lose } else { Fate::Pass }
        });
        world.restart(pair.edge);
        world.run_until(
            "the exit has reached the new process",
            Duration::from_secs(20),
            |world| ups(world, pair) > 0,
        );
        let ups_before = world.events_like(pair.exit, |event| matches!(event, Event::SessionUp { .. }));
        let opened = world.count(pair.exit, Count::RecordsOpened);
        for datagram in withheld {
            world.inject(datagram);
        }
        assert_eq!(world.count(pair.exit, Count::RecordsOpened), opened);
        assert_eq!(
            world.events_like(pair.exit, |event| matches!(event, Event::SessionUp { .. })),
            ups_before
        );
    });
}

const DAY: Duration = Duration::from_secs(86_400);

fn own_clock_behind(world: &World, site: SiteId) -> usize {
    world.events_like(site, |event| matches!(event, Event::OwnClockBehind { .. }))
}

/// The peer remembers a call with a later stamp. It says so under authentication, and the next call has a greater one.
#[test]
fn a_clock_that_was_ahead_or_is_set_back_at_a_restart_costs_one_more_call_and_both_sides_say_so() {
    for_each_seed(2, |seed| {
        for (before, after, behind) in [
            (Skew::Fast(Duration::ZERO), Skew::Slow(DAY), DAY.as_secs()),
            (
                Skew::Fast(DAY * 3650),
                Skew::Fast(Duration::ZERO),
                3650 * DAY.as_secs(),
            ),
        ] {
            let (mut plan, pair) = Plan::pair(seed);
            plan.peer_mut(pair.exit, pair.edge).endpoint = Endpoint::Unknown;
            let mut world = plan.build();
            world.set_clock(pair.edge, before);
            world.restart(pair.edge);
            world.run_for(Duration::from_secs(60));
            world.set_clock(pair.edge, after);
            world.kill(pair.edge);
            // So long that its session is gone, and with it where it was.
            world.run_for(Duration::from_secs(30));
            let ups_before = ups(&world, pair);
            world.start(pair.edge);
            back(&mut world, pair, ups_before, Duration::from_secs(3));
            let about = |told: &Duration| told.as_secs().abs_diff(behind) < 100;
            let own = |event: &Event| matches!(event, Event::OwnClockBehind { behind, .. } if about(behind));
            let theirs =
                |event: &Event| matches!(event, Event::PeerClockBehind { behind, .. } if about(behind));
            assert_eq!(world.events_like(pair.edge, own), 1, "{}", world.story());
            assert_eq!(world.events_like(pair.exit, theirs), 1, "{}", world.story());
        }
    });
}

#[test]
fn a_call_that_was_never_confirmed_leaves_no_stamp() {
    for_each_seed(2, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        plan.peer_mut(pair.exit, pair.edge).endpoint = Endpoint::Unknown;
        let mut world = plan.build();
        world.kill(pair.edge);
        world.set_clock(pair.edge, Skew::Fast(DAY));
        // Its calls are answered, its records do not arrive.
        let exit = world.socket(pair.exit);
        world.set_filter(move |_, one| {
            let is_record = one.to == exit && one.bytes.first() == Some(&4);
            if is_record { Fate::Lose } else { Fate::Pass }
        });
        world.start(pair.edge);
        world.run_for(Duration::from_secs(20));
        world.kill(pair.edge);
        world.clear_filter();
        world.set_clock(pair.edge, Skew::Fast(Duration::ZERO));
        world.run_for(Duration::from_secs(15));
        let before = ups(&world, pair);
        world.start(pair.edge);
        back(&mut world, pair, before, Duration::from_secs(1));
        assert_eq!(own_clock_behind(&world, pair.edge), 0, "{}", world.story());
    });
}

#[test]
fn a_clock_that_is_set_right_while_a_gateway_runs_counts_from_the_next_call() {
    for_each_seed(2, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        plan.peer_mut(pair.exit, pair.edge).endpoint = Endpoint::Unknown;
        let mut world = loaded(plan, pair, 0);
        world.run_for(Duration::from_secs(10));
        // A machine that starts without a clock, and gets the time before it gets through.
        world.set_filter(|_, _| Fate::Lose);
        world.set_clock(pair.edge, Skew::Slow(DAY));
        world.restart(pair.edge);
        world.run_for(Duration::from_secs(20));
        world.set_clock(pair.edge, Skew::Fast(Duration::ZERO));
        let before = ups(&world, pair);
        world.clear_filter();
        back(&mut world, pair, before, Duration::from_secs(8));
        assert_eq!(own_clock_behind(&world, pair.edge), 0, "{}", world.story());
    });
}

#[test]
fn a_clock_set_forward_or_back_while_running_changes_nothing() {
    let (mut plan, pair) = Plan::pair(4);
    for site in &mut plan.sites {
        site.tunnel.rekey_after = Duration::from_secs(5);
    }
    let mut world = loaded(plan, pair, 100);
    for skew in [
        Skew::Slow(Duration::from_secs(3600)),
        Skew::Fast(Duration::from_secs(3600)),
        Skew::Slow(Duration::from_secs(60)),
    ] {
        world.set_clock(pair.edge, skew);
        world.run_for(Duration::from_secs(20));
    }
    for site in [pair.edge, pair.exit] {
        let lost = |event: &Event| matches!(event, Event::SessionLost { .. });
        assert_eq!(world.events_like(site, lost), 0, "{}", world.story());
        assert_eq!(own_clock_behind(&world, site), 0, "{}", world.story());
    }
    world.finish_loads(LONG);
}

#[test]
fn a_site_that_is_shut_down_says_so_and_its_import_goes_silent_at_once() {
    for_each_seed(3, |seed| {
        let (plan, pair) = Plan::pair(seed);
        let mut world = loaded(plan, pair, 40);
        world.run_for(Duration::from_secs(2));
        world.shut_down(pair.exit);
        world.run_for(Duration::from_millis(5));
        let says =
            |event: &Event| matches!(event, Event::SessionLost { why, .. } if why.contains("shut down"));
        assert_eq!(world.events_like(pair.edge, says), 1, "{}", world.story());
        world.drive(pair.initiator, |driver, _, out| {
            driver.query(SEEN, out);
        });
        let answered = world.count(pair.edge, Count::QueriesAnswered);
        world.run_for(Duration::from_secs(30));
        assert_eq!(
            world.count(pair.edge, Count::QueriesAnswered),
            answered,
            "silence"
        );
        let before = ups(&world, pair);
        world.start(pair.exit);
        back(&mut world, pair, before, Duration::from_secs(1));
        world.start_load(Load::new(pair.initiator, SEEN, (pair.target, REAL)).operations(20));
        world.finish_loads(LONG);
        // And the other way round: the edge goes.
        world.shut_down(pair.edge);
        world.run_for(Duration::from_millis(5));
        assert_eq!(world.events_like(pair.exit, says), 1, "{}", world.story());
    });
}

/// Half a second after it was asked, the target answers; by then the exit has been told to end.
#[test]
fn an_exit_that_ends_waits_for_what_its_target_has() {
    for (service, ended, within) in [(500, 4, 600), (5000, 0, 1001)] {
        let (plan, pair) = Plan::pair(1);
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        let target = world.target_mut(pair.target);
        target.set_service(Service::AnyOrder(Random::new(1)));
        target.set_tail(Tail {
            share: 1.0,
            least: Duration::from_millis(service),
            most: Duration::from_millis(service + 1),
            random: Random::new(1),
        });
        target.set_questions(Questions::AtOnce);
        let load = Load::new(pair.initiator, SEEN, (pair.target, REAL));
        world.start_load(load.operations(4).depth(4).largest(1));
        world.run_for(Duration::from_millis(20));
        let before = world.now();
        world.shut_down(pair.exit);
        let took = world.now().saturating_since(before);
        world.run_for(Duration::from_millis(20));
        assert_eq!(world.progress(), (ended, 0), "{}", world.story());
        assert!(took <= Duration::from_millis(within), "{took:?}");
        // Whatever was not answered is asked again.
        world.start(pair.exit);
        world.finish_loads(LONG);
    }
}

#[test]
fn nothing_of_an_earlier_edge_process_is_sent_or_answered_any_more() {
    for_each_seed(3, |seed| {
        // One request is at the target, one waits for its buffer; then the edge restarts.
        let mut puppets = Puppets::new(seed, 1, 2);
        puppets.read(1, 10);
        puppets.read(2, 20);
        let old = puppets.at_target();
        assert_eq!(old.len(), 1);
        let (edge, exit) = (puppets.edge, puppets.exit);
        let is_up = |event: &Event| matches!(event, Event::ImportUp { .. });
        let before = puppets.world.events_like(edge, is_up);
        puppets.world.restart(edge);
        puppets
            .world
            .run_until("the import is back", Duration::from_secs(1), |world| {
                world.events_like(edge, is_up) > before
            });
        puppets.read(3, 30);
        assert!(puppets.at_target().is_empty(), "the target has one buffer");
        let late = puppets.answer_to(&old[0], 1);
        puppets.respond(puppets.right, &late);
        assert!(puppets.at_initiator().is_empty(), "whoever asked is no more");
        let new = puppets.at_target();
        assert_eq!(new.len(), 1);
        assert_eq!(new[0].ata().lba(), 30, "what waited went with its process");
        assert_eq!(puppets.world.dropped(exit, DropReason::PeerRestarted), 2);
        let answer = puppets.answer_to(&new[0], 3);
        puppets.respond(puppets.right, &answer);
        let answers = puppets.at_initiator();
        assert_eq!(answers.iter().map(Puppets::tag).collect::<Vec<_>>(), [3]);
    });
}
