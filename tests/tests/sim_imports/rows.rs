//! What `status` shows of imports and their initiators.

use std::time::Duration;

use aoe_common::config::SegmentId;
use aoe_common::frame::{AoeCommand, QueryCommand};
use aoe_common::snapshot::{Import, Initiator, Latency, Side, State};
use e2e::sim::craft;
use e2e::sim::plan::gateway_mac;
use e2e::sim::world::Link;

use super::{SEEN, Story};

/// The row of the second import, and those of its initiators.
fn rows(story: &Story) -> (Import, Vec<Initiator>) {
    let snapshot = story.world.snapshot(story.edge);
    let is_second = |address: &str| address == SEEN[1].to_string();
    let import = snapshot.imports.into_iter().find(|row| is_second(&row.address));
    let initiators = snapshot.initiators.into_iter();
    let of_second = initiators.filter(|row| is_second(&row.address));
    (import.unwrap(), of_second.collect())
}

#[test]
fn an_import_says_what_it_carried_for_whom_and_where_the_time_went() {
    let mut story = Story::calm(true);
    story.load(1, 400);
    story.world.finish_loads(Duration::from_secs(60));
    let (import, initiators) = rows(&story);
    assert_eq!(
        (
            import.peer.as_str(),
            import.export.as_str(),
            import.access.as_str()
        ),
        ("site-1", "two", "read-write")
    );
    assert_eq!(
        (import.sectors, import.window, import.segment.as_str()),
        (2, 64, "lan0")
    );
    let traffic = import.traffic;
    assert_eq!(traffic.requests, traffic.answered, "none is on its way");
    assert!(
        traffic.requests >= 400 && traffic.in_flight == 0 && traffic.refused == 0,
        "{traffic:?}"
    );
    assert!(
        traffic.read_bytes > 100_000 && traffic.written_bytes > 100_000,
        "{traffic:?}"
    );
    // A millisecond each way, and the target takes 50 us for one at a time.
    let part = |latency: Option<Latency>| latency.unwrap().p50_us;
    let split = import.latency;
    let (tunnel, target, total) = (part(split.tunnel), part(split.target), part(split.total));
    assert!((1900..2300).contains(&tunnel), "{split:?}");
    assert!((50..1000).contains(&target), "{split:?}");
    assert!(
        total + 300 > tunnel + target && total < tunnel + target + 600,
        "{split:?}"
    );
    assert_eq!(split.queue.unwrap().count, split.total.unwrap().count);
    let [initiator] = &initiators[..] else {
        panic!("{initiators:?}")
    };
    assert_eq!(initiator.mac, story.world.mac(story.initiator).to_string());
    assert_eq!(initiator.side, Side::Here);
    assert_eq!(initiator.traffic, traffic);
    assert_eq!(initiator.latency.unwrap().p50_us, total);
}

#[test]
fn what_waits_is_in_flight_and_who_is_refused_is_named() {
    let mut story = Story::calm(true);
    story.world.pause_host(story.target, Duration::from_secs(20));
    for tag in 1..4 {
        story.read_second(tag);
    }
    let edge = gateway_mac(story.edge, SegmentId(0));
    let mac = story.world.mac(story.station);
    let pdu = craft::pdu(SEEN[1], AoeCommand::Ata, 9, &craft::ata(0xb0, 1, 0, &[]));
    story
        .world
        .send_frame(story.station, &craft::frame(edge, mac, &pdu));
    story.world.run_for(Duration::from_millis(10));
    let (import, initiators) = rows(&story);
    // Each is a copy of the one before, as far as an edge can tell.
    assert_eq!((import.traffic.in_flight, import.traffic.resent), (1, 2));
    let [refused] = &import.refusals[..] else {
        panic!("{import:?}")
    };
    assert_eq!(
        (refused.reason.as_str(), refused.count),
        ("refused_ata_command", 1)
    );
    assert_eq!(
        (&refused.last_who, refused.last_what.as_str()),
        (&mac.to_string(), "ATA command 0xb0")
    );
    let own = initiators.iter().find(|row| row.mac == mac.to_string()).unwrap();
    assert_eq!(
        (own.traffic.in_flight, own.traffic.refused, own.traffic.requests),
        (1, 1, 3)
    );
    // Who gave up does not wait.
    story.world.run_for(Duration::from_secs(70));
    let (import, initiators) = rows(&story);
    assert_eq!(import.traffic.in_flight, 0);
    let own = initiators.iter().find(|row| row.mac == mac.to_string()).unwrap();
    assert_eq!(own.standing.why, "it asked for nothing in the last minute");
}

#[test]
fn an_import_says_how_it_is_and_since_when() {
    let mut story = Story::calm(false);
    let how = |story: &Story| {
        let standing = rows(story).0.standing;
        (standing.state, standing.why, standing.since)
    };
    story.world.set_link(story.exit, SegmentId(0), Link::Down);
    let mut wrong = story.imports[1].clone();
    wrong.window = 8;
    story.reload(vec![story.imports[0].clone(), wrong]);
    assert_eq!(how(&story).0, State::Starting);
    story.world.set_link(story.exit, SegmentId(0), Link::Up);
    story.wait_for_up(1, Duration::from_secs(3));
    let (state, why, since) = how(&story);
    assert_eq!((state, why.as_str()), (State::Up, ""));
    story.world.run_for(Duration::from_secs(2));
    story.reload(story.imports.to_vec());
    assert_eq!(
        how(&story),
        (State::Up, String::new(), since),
        "another window is the same import"
    );

    // Somebody else answers for its address.
    let answer = craft::query(QueryCommand::Read, b"");
    let mut pdu = craft::pdu(SEEN[1], AoeCommand::Query, 1, &answer);
    pdu[0] = 0x18;
    let own = gateway_mac(story.edge, SegmentId(0));
    let frame = craft::frame(own, story.world.mac(story.station), &pdu);
    story.world.send_frame(story.station, &frame);
    story.world.run_for(Duration::from_millis(10));
    let (state, why, later) = how(&story);
    assert!(
        state == State::Degraded && why.contains("answers for e10.2"),
        "{state:?} {why}"
    );
    assert!(later > since + 1.9);
    story.world.run_for(Duration::from_secs(40));
    assert_eq!(how(&story).0, State::Up);

    story.withdraw(1000, 1, 2);
    let (state, why, _) = how(&story);
    assert!(
        state == State::Down && why.starts_with("site-1 does not allow it to us any more"),
        "{why}"
    );
    story.world.kill(story.exit);
    story.world.run_for(Duration::from_secs(30));
    assert_eq!(how(&story).1, "there is no session with site-1");
}

#[test]
fn an_import_that_was_never_up_is_missed_after_a_while() {
    let mut story = Story::calm(false);
    story.world.kill(story.exit);
    story.world.run_for(Duration::from_secs(30));
    story.reload(story.imports.to_vec());
    let state = |story: &Story| rows(story).0.standing.state;
    assert_eq!(state(&story), State::Starting);
    story.world.run_for(Duration::from_millis(4900));
    assert_eq!(state(&story), State::Starting);
    story.world.run_for(Duration::from_millis(200));
    assert_eq!(state(&story), State::Down);
}
