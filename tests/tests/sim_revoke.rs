//! Keys that are not trusted any more: who has one does nothing here from that moment on.

use std::time::Duration;

use aoe_common::config::{Limit, Switch};
use aoe_common::drop_reason::DropReason;
use aoe_common::event::{Event, KeyEvent};
use aoe_common::snapshot::{KeyStage, State};
use aoe_common::telemetry::Count;
use aoe_lab::target::Answering;
use e2e::sim::load::{Errors, Load};
use e2e::sim::plan::{Pair, Plan, REAL, SEEN};
use e2e::sim::seeds::for_each_seed;
use e2e::sim::{Fate, HostId, SiteId, Weather, World};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A pair at work beside another edge that reads; both loads fail or end by themselves.
fn at_work(seed: u64) -> (World, Pair, (SiteId, HostId)) {
    let (mut plan, pair) = Plan::pair(seed);
    let (other, lan) = plan.another_edge(pair.exit);
    let friend = plan.initiator(lan);
    plan.weather = Weather {
        loss: 0.02,
        jitter: Duration::from_millis(2),
        ..Weather::calm(Duration::from_millis(5))
    };
    let mut world = plan.build();
    for host in [pair.initiator, friend] {
        world.open(host, SEEN);
    }
    let disk = (pair.target, REAL);
    let reads = Load::new(friend, SEEN, disk)
        .writes(0.0)
        .operations(1500)
        .largest(2);
    world.start_load(reads);
    let load = Load::new(pair.initiator, SEEN, disk).operations(100_000).depth(8);
    world.start_load(load.errors(Errors::Expected).largest(2).range(64));
    world.run_for(SECOND);
    (world, pair, (other, friend))
}

#[test]
fn nothing_of_a_revoked_peer_reaches_a_target_and_others_are_unharmed() {
    for_each_seed(6, |seed| {
        let (mut world, pair, (other, _)) = at_work(seed);
        // Requests pile up at the exit, those of the friend too.
        world.set_answering(pair.target, Answering::Never);
        world.run_for(SECOND / 4);
        let key = world.key_of(pair.edge);
        world.revoke(pair.exit, key);
        assert_eq!(world.session_keys(pair.exit, pair.edge), None, "at once");
        let flushed = world.dropped(pair.exit, DropReason::KeyNotAccepted);
        world.set_answering(pair.target, Answering::Normally);
        let opened = |world: &World| world.snapshot(pair.exit).peers[0].path.records.received;
        let before = opened(&world);
        world.run_for(20 * SECOND);
        assert_eq!(opened(&world), before, "no record of it is opened");
        assert_eq!(world.session_keys(pair.exit, pair.edge), None);
        assert!(flushed > 0, "{}", world.story());
        let row = world.snapshot(pair.exit).peers.remove(0);
        assert_eq!(
            (row.standing.state, row.keys[0].stage),
            (State::Down, KeyStage::Revoked)
        );
        assert!(row.standing.why.contains("is revoked"), "{}", row.standing.why);
        assert_eq!(world.keys(pair.exit).revoked, 1);
        let said = world.events_like(pair.exit, |event| {
            matches!(event, Event::Keys(KeyEvent::PeerRevoked { others: false, .. }))
        });
        assert_eq!(said, 1);
        let told = world.events_like(
            pair.edge,
            |event| matches!(event, Event::SessionLost { why, .. } if why.contains("revoked")),
        );
        assert_eq!(told, 1, "it is told why\n{}", world.story());
        // The friend's load is the first one.
        world.run_until("the other edge goes on", 3 * MINUTE, |world| world.loads_ended(1));
        let lost = world.events_like(other, |event| matches!(event, Event::SessionLost { .. }));
        assert_eq!(lost, 0, "{}", world.story());
    });
}

#[test]
fn what_waits_for_a_limit_is_dropped_before_anything_newer_is_sent() {
    let (mut plan, pair) = Plan::pair(9);
    let mut slow = Limit::default();
    slow.ceiling.iops = Some(5);
    plan.peer_mut(pair.exit, pair.edge).limit = slow;
    let mut world = plan.build();
    world.open(pair.initiator, SEEN);
    let load = Load::new(pair.initiator, SEEN, (pair.target, REAL)).depth(8);
    world.start_load(load.operations(1000).errors(Errors::Expected).range(64));
    world.run_for(2 * SECOND);
    let key = world.key_of(pair.edge);
    let sent = world.count(pair.exit, Count::RequestsToTarget);
    world.revoke(pair.exit, key);
    world.run_for(10 * SECOND);
    assert_eq!(world.count(pair.exit, Count::RequestsToTarget), sent);
    assert!(world.dropped(pair.exit, DropReason::KeyNotAccepted) > 0);
}

#[test]
fn a_handshake_under_way_does_not_slip_through() {
    for_each_seed(4, |seed| {
        let (plan, pair) = Plan::pair(seed);
        let mut world = plan.build();
        // The exit answers the call; what confirms it is held up on its way.
        let edge = world.socket(pair.edge);
        world.start_recording();
        world.set_filter(move |_, datagram| match datagram.bytes[0] {
            1 if datagram.from != edge => Fate::Lose,
            4 => Fate::Lose,
            _ => Fate::Pass,
        });
        world.run_until("the edge has keys", 5 * SECOND, |world| {
            world.count(pair.edge, Count::Handshakes) > 0
        });
        assert_eq!(world.count(pair.exit, Count::Handshakes), 0);
        let key = world.key_of(pair.edge);
        world.revoke(pair.exit, key);
        world.clear_filter();
        let held = world.recorded();
        let held: Vec<_> = held
            .into_iter()
            .filter(|datagram| datagram.bytes[0] == 4)
            .collect();
        assert!(!held.is_empty());
        held.into_iter().for_each(|datagram| world.inject(datagram));
        world.run_for(30 * SECOND);
        assert_eq!(world.count(pair.exit, Count::Handshakes), 0, "{}", world.story());
        assert_eq!(world.count(pair.exit, Count::RecordsOpened), 0);
        assert!(world.dropped(pair.exit, DropReason::RecordUnknownSession) > 0);
        assert!(world.dropped(pair.exit, DropReason::HandshakeUnknownPeer) > 0);
    });
}

#[test]
fn a_call_of_ours_to_a_key_that_is_revoked_meanwhile_comes_to_nothing() {
    let (plan, pair) = Plan::pair(4);
    let mut world = plan.build();
    let exit = world.socket(pair.exit);
    // The exit's call goes through; the answer is held up.
    world.start_recording();
    world.set_filter(move |_, datagram| match datagram.bytes[0] {
        1 if datagram.from != exit => Fate::Lose,
        2 => Fate::Lose,
        _ => Fate::Pass,
    });
    world.run_for(SECOND / 4);
    let key = world.key_of(pair.edge);
    world.revoke(pair.exit, key);
    let answers = world.recorded().into_iter();
    let answers: Vec<_> = answers.filter(|datagram| datagram.bytes[0] == 2).collect();
    assert!(!answers.is_empty());
    answers.into_iter().for_each(|datagram| world.inject(datagram));
    world.run_for(10 * SECOND);
    assert_eq!(world.count(pair.exit, Count::Handshakes), 0);
    assert!(world.dropped(pair.exit, DropReason::HandshakeUnsolicited) > 0);
}

#[test]
fn a_peer_with_another_key_goes_on_by_that_and_one_that_is_taken_back_comes_again() {
    for_each_seed(3, |seed| {
        let (plan, pair) = Plan::pair(seed);
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        let load = Load::new(pair.initiator, SEEN, (pair.target, REAL));
        world.start_load(load.operations(4000).largest(2));
        let old = world.key_of(pair.edge);
        world.rotate(pair.edge, 1, Switch::All, 10 * MINUTE);
        world.run_until("the session is by the new key", MINUTE, |world| {
            let keys = world.session_keys(pair.exit, pair.edge);
            keys.is_some_and(|(_, theirs)| theirs != old.fingerprint().to_string())
        });
        world.revoke(pair.exit, old);
        assert!(world.session_keys(pair.exit, pair.edge).is_some());
        world.run_for(5 * SECOND);
        world.finish_loads(5 * MINUTE);
        world.verify_disks();
        assert_eq!(world.progress().1, 0, "{}", world.story());
        let new = world.snapshot(pair.edge).keys.own[0].fingerprint.clone();
        let named = |event: &Event| matches!(event, Event::Keys(KeyEvent::PeerRevoked { others: true, key, .. }) if *key == old);
        assert_eq!(world.events_like(pair.exit, named), 1, "{new}");
        world.reload(pair.exit, |plan| plan.keys.revoked.keys.clear());
        assert_eq!(world.keys(pair.exit).revoked, 0);
    });
}

#[test]
fn a_revoked_peer_that_is_trusted_again_comes_back_by_itself() {
    let (plan, pair) = Plan::pair(6);
    let mut world = plan.build();
    world.open(pair.initiator, SEEN);
    let key = world.key_of(pair.edge);
    world.revoke(pair.exit, key);
    world.run_for(10 * SECOND);
    assert_eq!(world.session_keys(pair.exit, pair.edge), None);
    world.reload(pair.exit, |plan| plan.keys.revoked.keys.clear());
    world.run_until("there is a session", 20 * SECOND, |world| {
        world.session_keys(pair.exit, pair.edge).is_some()
    });
}

#[test]
fn who_stole_a_key_is_out_when_it_is_dropped_or_revoked() {
    for_each_seed(4, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        let lan = plan.lan(1500);
        let thief = plan.site(&[lan]);
        plan.sites[thief.0].secret = plan.sites[pair.edge.0].secret;
        let mut to_exit = plan.peer_mut(pair.edge, pair.exit).clone();
        to_exit.site = pair.exit;
        plan.sites[thief.0].peers.push(to_exit);
        let mut world = plan.build();
        world.kill(thief);
        world.open(pair.initiator, SEEN);
        let old = world.key_of(pair.edge);
        world.rotate(pair.edge, 1, Switch::All, 10 * SECOND);
        world.run_for(5 * SECOND);
        if seed % 2 == 0 {
            world.revoke(pair.exit, old);
        } else {
            world.run_for(10 * SECOND);
        }
        let new = world.snapshot(pair.edge).keys.own[0].fingerprint.clone();
        world.start(thief);
        for _ in 0..60 {
            world.run_for(SECOND);
            let session = world.session_keys(pair.exit, pair.edge);
            assert_eq!(session.map(|(_, theirs)| theirs), Some(new.clone()));
        }
        assert_eq!(world.count(thief, Count::Handshakes), 0);
        assert!(world.dropped(pair.exit, DropReason::HandshakeUnknownPeer) > 0);
    });
}
