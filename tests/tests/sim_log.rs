//! What the log says while something is wrong: on the side that can mend it one WARN within 10 s that names what, why
//! and what to do; the same again at most once a minute; one line when it is over. And nothing that is not so.

use std::time::Duration;

use aoe_common::config::{Access, Endpoint, SegmentId};
use aoe_common::event::{Event, Level};
use aoe_common::frame::{Address, AoeCommand, MacAddr};
use aoe_lab::target::{Answering, BladeSettings};
use e2e::sim::craft;
use e2e::sim::plan::{REAL, SEEN, gateway_mac};
use e2e::sim::world::Link;
use e2e::sim::{HostId, Pair, Plan, SiteId, World};

const SOON: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);
/// Where a second import is presented.
const OTHER: Address = Address { shelf: 109, slot: 1 };

/// The lines of a site at WARN.
fn warnings(world: &World, site: SiteId) -> Vec<String> {
    let loud = world.events(site).filter(|event| event.level() == Level::Warn);
    loud.map(ToString::to_string).collect()
}

/// Demands that of all that a site logs at WARN exactly one line is like this, with all of these words.
fn says_once(world: &World, site: SiteId, words: &[&str]) {
    let all = warnings(world, site);
    let like = all
        .iter()
        .filter(|line| words.iter().all(|word| line.contains(word)));
    assert_eq!(like.count(), 1, "{words:?} in {all:#?}\n{}", world.story());
}

/// Demands that a site logs these WARNs, in this order, and no other.
fn says_only(world: &World, site: SiteId, lines: &[&[&str]]) {
    let all = warnings(world, site);
    assert_eq!(all.len(), lines.len(), "{all:#?}\n{}", world.story());
    for (line, words) in all.iter().zip(lines) {
        assert!(
            words.iter().all(|word| line.contains(word)),
            "{words:?} in {all:#?}"
        );
    }
}

fn logged(world: &World, site: SiteId, text: &str) -> usize {
    world
        .events(site)
        .filter(|event| event.to_string().contains(text))
        .count()
}

fn run(plan: Plan, time: Duration) -> World {
    let mut world = plan.build();
    world.run_for(time);
    world
}

#[test]
fn an_export_that_is_not_offered_is_named_on_both_sides() {
    // There is none of that name.
    let (mut plan, pair) = Plan::pair(1);
    plan.import(pair.edge, pair.exit, "vault", pair.left, OTHER);
    let world = run(plan, SOON);
    says_only(
        &world,
        pair.edge,
        &[&[
            "import e109.1 is down (vault of site-1)",
            "site-1 does not offer it to us, but one other",
            "[[allow]]",
        ]],
    );
    says_only(
        &world,
        pair.exit,
        &[&["site-0 imports vault", "there is no such export here"]],
    );
    assert_eq!(logged(&world, pair.edge, "import e107.3 is up"), 1);

    // It is another peer's, and ours to use is nothing: the edge learns no more than that.
    let (mut plan, pair) = Plan::pair(2);
    let third = plan.site(&[pair.left]);
    plan.introduce(third, pair.exit);
    let third = plan.sites[pair.exit.0].exports[0].allow[0].clone();
    plan.sites[pair.exit.0].exports[0].allow = vec![aoe_common::config::Allow {
        peer: aoe_common::config::PeerId(1),
        ..third
    }];
    let world = run(plan, SOON);
    says_once(
        &world,
        pair.edge,
        &["import e107.3 is down", "does not offer it to us, nor any other"],
    );
    says_once(
        &world,
        pair.exit,
        &["site-0 imports disk", "which no [[allow]] gives it"],
    );
}

#[test]
fn what_lasts_is_logged_ever_more_seldom_and_its_end_once() {
    let (mut plan, pair) = Plan::pair(3);
    plan.sites[pair.exit.0].exports[0].safety.target_timeout = Duration::from_secs(600);
    let mut world = run(plan, SOON);
    says_only(&world, pair.edge, &[]);
    says_only(&world, pair.exit, &[]);
    world.set_answering(pair.target, Answering::Never);
    world.run_for(Duration::from_secs(18));
    let edge = "import e107.3 is down (disk of site-1): its target does not answer site-1";
    let exit = "export disk: target e7.3 does not answer";
    says_only(&world, pair.edge, &[&[edge]]);
    says_only(&world, pair.exit, &[&[exit]]);
    world.run_for(MINUTE * 20);
    let again = |seconds| format!("(for {seconds} s)");
    for (site, line) in [(pair.edge, edge), (pair.exit, exit)] {
        let [first, second, third, fourth] = [60, 180, 420, 900].map(again);
        says_only(
            &world,
            site,
            &[
                &[line],
                &[line, &first],
                &[line, &second],
                &[line, &third],
                &[line, &fourth],
            ],
        );
    }
    world.set_answering(pair.target, Answering::Normally);
    world.run_for(MINUTE * 60);
    assert_eq!(warnings(&world, pair.edge).len(), 5);
    assert_eq!(logged(&world, pair.edge, "import e107.3 is up"), 2);
    assert_eq!(logged(&world, pair.exit, "target e7.3 is up"), 2);
}

#[test]
fn a_target_that_was_never_there_is_missed_on_both_sides() {
    let (plan, pair) = Plan::pair(4);
    let mut world = plan.build();
    world.set_answering(pair.target, Answering::Never);
    world.run_for(Duration::from_secs(11));
    says_only(
        &world,
        pair.edge,
        &[&[
            "import e107.3 is down",
            "has not answered site-1 since that was started",
        ]],
    );
    says_only(&world, pair.exit, &[&["target e7.3 does not answer"]]);
}

#[test]
fn frames_too_short_for_a_sector_or_shorter_than_they_could_be_name_who_limits_them() {
    for (mtus, words) in [
        (
            [520, 1500],
            ["is down", "frames on our segment are too short", "548 or more"],
        ),
        (
            [1500, 520],
            [
                "is down",
                "frames on the segment of site-1 are too short",
                "548 or more",
            ],
        ),
        (
            [1500, 9000],
            [
                "carries 2 sectors and could carry 17",
                "our segment limits it",
                "8740 or more",
            ],
        ),
        (
            [9000, 1500],
            [
                "carries 2 sectors and could carry 17",
                "the segment of site-1 limits it",
                "8740 or more",
            ],
        ),
    ] {
        let (plan, pair) = Plan::pair_on(5, mtus);
        let world = run(plan, SOON);
        says_only(&world, pair.edge, &[&words]);
    }
    let (plan, pair) = Plan::pair_on(5, [9000, 9000]);
    let world = run(plan, SOON);
    says_only(&world, pair.edge, &[]);
    assert_eq!(logged(&world, pair.edge, "17 sectors a frame"), 1);
}

/// A running pair and a station that asks for what no initiator does.
fn with_station(seed: u64, change: impl FnOnce(&mut Plan, Pair, HostId)) -> (World, Pair, HostId) {
    let (mut plan, pair) = Plan::pair(seed);
    let station = plan.station(pair.left);
    change(&mut plan, pair, station);
    let world = run(plan, Duration::from_secs(2));
    (world, pair, station)
}

fn ask(world: &mut World, (pair, station): (Pair, HostId), command: AoeCommand, argument: &[u8]) {
    let edge = gateway_mac(pair.edge, SegmentId(0));
    let pdu = craft::pdu(SEEN, command, 0x8000_0001, argument);
    world.send_frame(station, &craft::frame(edge, world.mac(station), &pdu));
    world.run_for(Duration::from_millis(10));
}

#[test]
fn refusals_say_who_what_and_how_often_on_both_sides() {
    let write = craft::ata(0x30, 1, 5, &[7; 512]);
    let erase = craft::ata(0xf4, 0, 0, &[]);
    let read = craft::ata(0x24, 1, 5, &[]);
    for (argument, change, what) in [
        (
            &write,
            (|export, _| export.allow[0].access = Access::ReadOnly)
                as fn(&mut aoe_common::config::ExportConfig, MacAddr),
            ["a write (the export is read-only)", "access = \"read-write\""],
        ),
        (&erase, |_, _| {}, ["ATA command 0xf4", "only reads, writes"]),
        (
            &read,
            |export, known| export.allow[0].initiators = Some(vec![known]),
            ["a request (this initiator is not listed)", "`initiators`"],
        ),
    ] {
        let (mut world, pair, station) = with_station(6, |plan, pair, _| {
            let known = plan.mac(pair.initiator);
            change(&mut plan.sites[pair.exit.0].exports[0], known);
        });
        let mac = world.mac(station).to_string();
        for _ in 0..100 {
            ask(&mut world, (pair, station), AoeCommand::Ata, argument);
        }
        world.run_for(SOON);
        let [why, advice] = what;
        let (here, there) = (
            format!("import e107.3: refused to {mac}: {why}"),
            format!("export disk: refused to {mac} behind site-0: {why}"),
        );
        says_only(&world, pair.edge, &[&[&here, advice]]);
        says_only(&world, pair.exit, &[&[&there, advice, "(100 times"]]);
        ask(&mut world, (pair, station), AoeCommand::Ata, argument);
        world.run_for(MINUTE);
        says_only(&world, pair.edge, &[&[&here], &[&here, "(100 times in 60 s)"]]);
        says_only(&world, pair.exit, &[&[&there], &[&there, "(1 times in 60 s)"]]);
        world.run_for(MINUTE * 10);
        for site in [pair.edge, pair.exit] {
            assert_eq!(warnings(&world, site).len(), 2, "{}", world.story());
            assert_eq!(logged(&world, site, "over, not seen for 180 s"), 1);
        }
    }
}

#[test]
fn a_thousand_initiators_that_are_refused_are_two_lines_and_all_of_them_are_counted() {
    let (mut world, pair, station) = with_station(7, |plan, pair, _| {
        let known = plan.mac(pair.initiator);
        plan.sites[pair.exit.0].exports[0].allow[0].initiators = Some(vec![known]);
    });
    let edge = gateway_mac(pair.edge, SegmentId(0));
    for n in 0..1000u16 {
        let [high, low] = n.to_be_bytes();
        let pdu = craft::pdu(SEEN, AoeCommand::Ata, 0x8000_0001, &craft::ata(0x24, 1, 5, &[]));
        world.send_frame(
            station,
            &craft::frame(edge, MacAddr([2, 0, 0, 9, high, low]), &pdu),
        );
    }
    world.run_for(SOON);
    says_only(&world, pair.edge, &[&["this initiator is not listed"]]);
    // The edge names 256 of them, and counts the rest with the first: the exit logs that one at once, and after a minute
    // how many others there were.
    world.run_for(Duration::from_secs(90));
    let lines: [&[&str]; 2] = [
        &["this initiator is not listed", "(745 times)"],
        &["this initiator is not listed", "(255 times in 60 s)"],
    ];
    says_only(&world, pair.exit, &lines);
}

#[test]
fn two_peers_of_which_neither_has_an_endpoint_say_so() {
    let (mut plan, pair) = Plan::pair(8);
    plan.peer_mut(pair.edge, pair.exit).endpoint = Endpoint::Unknown;
    plan.peer_mut(pair.exit, pair.edge).endpoint = Endpoint::Unknown;
    let world = run(plan, SOON);
    for (site, other) in [(pair.edge, "site-1"), (pair.exit, "site-0")] {
        let words = [
            format!("no session with {other}: it has not called"),
            "`endpoint`".to_owned(),
        ];
        says_only(&world, site, &[&[&words[0], &words[1]]]);
    }
}

#[test]
fn a_specific_cause_is_not_followed_by_the_general_one() {
    let (mut plan, pair) = Plan::pair(9);
    plan.peer_mut(pair.edge, pair.exit).psk = Some([1; 32]);
    plan.peer_mut(pair.exit, pair.edge).psk = Some([2; 32]);
    let world = run(plan, MINUTE * 5);
    for site in [pair.edge, pair.exit] {
        let all = warnings(&world, site);
        assert!(
            all.iter().all(|line| line.contains("compare the psk")),
            "{all:#?}"
        );
        assert!((1..=6).contains(&all.len()), "{all:#?}");
    }

    let (plan, pair) = Plan::pair(10);
    let mut world = run(plan, SOON);
    world.shut_down(pair.exit);
    world.run_for(MINUTE * 5);
    let lost = "session with site-1 is lost: the peer was shut down";
    says_only(
        &world,
        pair.edge,
        &[&[lost], &[lost, "(for 60 s)"], &[lost, "(for 180 s)"]],
    );
    world.start(pair.exit);
    world.run_for(SOON);
    assert_eq!(logged(&world, pair.edge, "session with site-1 is up"), 2);
    assert_eq!(logged(&world, pair.edge, "import e107.3 is up"), 2);
}

#[test]
fn a_gateway_that_was_stopped_says_that_and_nobody_blames_the_psk() {
    for stopped in [0, 1] {
        let (plan, pair) = Plan::pair(11);
        let mut world = run(plan, SOON);
        let site = [pair.edge, pair.exit][stopped];
        world.pause(site, Duration::from_secs(30));
        world.run_for(MINUTE * 2);
        says_once(
            &world,
            site,
            &["this gateway stood still for", "stopped or suspended"],
        );
        for site in [pair.edge, pair.exit] {
            assert_eq!(logged(&world, site, "psk"), 0, "{}", world.story());
            assert_eq!(logged(&world, site, "firewalls"), 0, "{}", world.story());
        }
    }
}

#[test]
fn another_station_at_the_address_of_an_import_does_not_refuse_writes_that_nobody_makes() {
    let (mut plan, pair) = Plan::pair(12);
    let foreign = plan.target(pair.left);
    plan.blade(foreign, SEEN, BladeSettings::default());
    let mac = plan.mac(foreign).to_string();
    let mut world = run(plan, SOON);
    says_only(
        &world,
        pair.edge,
        &[&[&mac, "answers for e107.3", "the import is not presented"]],
    );
    world.set_answering(foreign, Answering::Never);
    world.run_for(MINUTE);
    assert_eq!(logged(&world, pair.edge, "import e107.3 is up"), 1);
    // Now it is presented, and there are writes to refuse.
    world.set_answering(foreign, Answering::Normally);
    world.run_for(Duration::from_secs(70));
    says_only(
        &world,
        pair.edge,
        &[&["the import is not presented"], &[&mac, "so writes are refused"]],
    );
}

#[test]
fn a_conflict_at_the_exit_is_a_warning_at_the_edge_too() {
    let (plan, pair) = Plan::pair(13);
    let mut world = run(plan, SOON);
    let blade = world.target_mut(pair.target).blade_mut(REAL).unwrap();
    let first = std::mem::replace(&mut blade.settings_mut().serial, "another".to_owned());
    world.announce(pair.target);
    world.run_for(SOON);
    says_once(
        &world,
        pair.edge,
        &["import e107.3: site-1 refuses writes to disk", "another disk"],
    );
    world
        .target_mut(pair.target)
        .blade_mut(REAL)
        .unwrap()
        .settings_mut()
        .serial = first;
    world.announce(pair.target);
    world.run_for(SOON);
    assert_eq!(
        logged(&world, pair.edge, "import e107.3: writes are taken again"),
        1
    );
}

#[test]
fn what_another_line_says_is_no_second_warning() {
    let (plan, pair) = Plan::pair(14);
    let mut world = run(plan, SOON);
    world.set_link(pair.edge, SegmentId(0), Link::Down);
    world.run_for(MINUTE * 3);
    says_only(&world, pair.edge, &[]);
    let down = |event: &Event| matches!(event, Event::ImportDown { .. });
    assert_eq!(world.events_like(pair.edge, down), 1);
    assert_eq!(logged(&world, pair.edge, "our segment is down"), 1);
}
