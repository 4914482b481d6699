//! What initiators are told a target can take, and what it really gets.

use std::time::Duration;

use aoe_common::drop_reason::DropReason;
use aoe_common::telemetry::Count;
use aoe_lab::target::BladeSettings;
use e2e::sim::craft;
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::puppet::Puppets;
use e2e::sim::seeds::for_each_seed;
use e2e::sim::{Load, Plan, Weather};

use aoe_common::frame::{AoeCommand, QueryCommand};

/// What the edge answers to a Config query: buffer count and sectors.
fn advertised(puppets: &mut Puppets) -> (u16, u8) {
    puppets.world.take_heard(puppets.left);
    let argument = craft::query(QueryCommand::Read, b"");
    puppets.request(puppets.left, SEEN, AoeCommand::Query, 9, &argument);
    puppets.world.run_for(Duration::from_millis(5));
    let heard = puppets.world.take_heard(puppets.left);
    assert_eq!(heard.len(), 1);
    (heard[0].query().buffer_count(), heard[0].query().sectors())
}

#[test]
fn initiators_are_told_the_window_and_the_sectors_of_the_whole_way() {
    for buffer_count in [0, 1, 2, 16, 1024, 65_535] {
        assert_eq!(advertised(&mut Puppets::new(1, buffer_count, 2)).0, 64);
    }
    for (mtus, told, sectors) in [
        ([1500, 1500], 2, 2),
        ([1500, 1500], 0, 2),
        ([1500, 1500], 1, 1),
        ([1500, 1500], 255, 2),
        ([9000, 9000], 255, 17),
        ([9000, 9000], 8, 8),
        ([9000, 9000], 0, 2),
        ([9000, 1500], 255, 2),
        ([1500, 9000], 17, 2),
        ([4200, 9000], 17, 8),
    ] {
        let mut puppets = Puppets::on(1, mtus, 16, told);
        assert_eq!(
            advertised(&mut puppets),
            (64, sectors),
            "LANs {mtus:?}, target {told}"
        );
    }
}

#[test]
fn the_window_is_never_told_below_two() {
    for (window, expected) in [(0, 2), (1, 2), (2, 2), (7, 7), (1024, 1024)] {
        let (mut plan, pair) = Plan::pair(1);
        plan.sites[pair.edge.0].imports[0].window = window;
        let mut world = plan.build();
        world.drive(pair.initiator, |driver, _, out| driver.query(SEEN, out));
        world.run_for(Duration::from_secs(2));
        world.drive(pair.initiator, |driver, _, out| driver.query(SEEN, out));
        world.run_for(Duration::from_millis(100));
        let counts: Vec<u16> = world.drive(pair.initiator, |driver, _, _| {
            driver
                .take_found()
                .iter()
                .map(|found| found.buffer_count)
                .collect()
        });
        assert!(
            !counts.is_empty() && counts.iter().all(|count| *count == expected),
            "{counts:?}"
        );
        assert!(
            world.driver(pair.initiator).disk(SEEN).is_some(),
            "Linux can use it"
        );
    }
}

#[test]
fn a_target_never_has_more_requests_than_buffers() {
    // The world itself fails when it has. Many initiators, big requests, small buffers, rough weather.
    for_each_seed(5, |seed| {
        for buffer_count in [1, 2, 3, 16] {
            let (mut plan, pair) = Plan::pair(seed);
            plan.weather = Weather::rough(Duration::from_millis(1));
            let other = plan.initiator(pair.left);
            let mut world = plan.build();
            let blade = world.target_mut(pair.target).blade_mut(REAL).unwrap();
            *blade.settings_mut() = BladeSettings {
                buffer_count,
                ..BladeSettings::default()
            };
            for host in [pair.initiator, other] {
                world.open(host, SEEN);
                let load = Load::new(host, SEEN, (pair.target, REAL));
                world.start_load(load.operations(40).depth(16).largest(30));
            }
            world.finish_loads(Duration::from_secs(600));
            if buffer_count < 4 {
                assert!(world.count(pair.exit, Count::RequestsQueued) > 0);
            }
        }
    });
}

#[test]
fn each_answer_makes_room_for_one_request_and_first_come_is_first_served() {
    let mut puppets = Puppets::new(2, 4, 2);
    for lba in 0..50 {
        puppets.read(lba as u32, lba);
    }
    let mut there = puppets.at_target();
    assert_eq!(there.len(), 4);
    for lba in 0..50u64 {
        let request = there.remove(0);
        assert_eq!(request.ata().lba(), lba);
        let answer = puppets.answer_to(&request, 1);
        puppets.respond(puppets.right, &answer);
        let next = puppets.at_target();
        assert_eq!(next.len(), usize::from(lba + 4 < 50));
        there.extend(next);
    }
    assert_eq!(puppets.at_initiator().len(), 50);
}

#[test]
fn a_silent_target_gets_no_more_than_its_buffers_and_the_queue_is_bounded() {
    let mut puppets = Puppets::new(2, 4, 2);
    let mut tag = 0;
    // Nothing is ever answered: 30 000 requests come.
    for _ in 0..30 {
        for _ in 0..1000 {
            tag += 1;
            puppets.read(tag, tag.into());
        }
        puppets.world.run_for(Duration::from_millis(1));
    }
    assert_eq!(puppets.at_target().len(), 4);
    let dropped = |puppets: &Puppets, reason| puppets.world.dropped(puppets.exit, reason);
    assert_eq!(dropped(&puppets, DropReason::QueueFull), 30_000 - 2048);
    puppets.world.run_for(Duration::from_secs(3));
    let mut lbas: Vec<u64> = puppets.at_target().iter().map(|seen| seen.ata().lba()).collect();
    let again = lbas.len();
    lbas.sort_unstable();
    lbas.dedup();
    assert_eq!(lbas, [1, 2, 3, 4], "they are sent again, and nothing else is");
    assert!((4..=16).contains(&again), "with back-off: {again}");
    assert_eq!(
        dropped(&puppets, DropReason::RequestTooOld),
        0,
        "all wait their turn"
    );
    puppets.world.run_for(Duration::from_secs(3));
    assert_eq!(
        dropped(&puppets, DropReason::RequestTooOld),
        2044,
        "nobody repeated what waits longer than five seconds"
    );
    puppets.at_target();
    puppets.world.run_for(Duration::from_secs(70));
    assert!(puppets.at_target().is_empty());
    assert_eq!(
        dropped(&puppets, DropReason::TargetTimeout),
        4,
        "{}",
        puppets.world.story()
    );
}

#[test]
fn a_target_with_fewer_buffers_gets_fewer_from_then_on() {
    let mut puppets = Puppets::new(2, 16, 2);
    for lba in 0..40 {
        puppets.read(lba as u32, lba);
    }
    let there = puppets.at_target();
    assert_eq!(there.len(), 15, "one is left for questions");
    puppets.announce(puppets.right, 2, 2);
    for request in &there[..13] {
        let answer = puppets.answer_to(request, 1);
        puppets.respond(puppets.right, &answer);
    }
    assert!(puppets.at_target().is_empty(), "two are still there");
    let answer = puppets.answer_to(&there[14], 1);
    puppets.respond(puppets.right, &answer);
    assert_eq!(puppets.at_target().len(), 1);
}
