//! Sites that know each other by certificates: how sessions come up, change and end, whatever the path does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aoe_common::config::Endpoint;
use aoe_common::event::Event;
use aoe_common::snapshot::Session;
use aoe_common::telemetry::Count;
use e2e::sim::pki::Pki;
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::seeds::for_each_seed;
use e2e::sim::{Fate, Load, Pair, Plan, SiteId, Weather, World};

const HELLO: u8 = 5;
const COOKIE: u8 = 6;
const UP: u8 = 7;
const DOWN: u8 = 8;
const RECORD: u8 = 4;
const INIT: u8 = 1;

fn certified(seed: u64) -> (Plan, Pair) {
    let (mut plan, pair) = Plan::pair(seed);
    Pki::new().certify(&mut plan, pair.edge, pair.exit);
    (plan, pair)
}

fn import_is_up(world: &World, site: SiteId) -> bool {
    let presence = world.events(site).filter_map(|event| match event {
        Event::ImportUp { .. } => Some(true),
        Event::ImportDown { .. } => Some(false),
        _ => None,
    });
    presence.last().unwrap_or(false)
}

fn come_up(world: &mut World, pair: Pair, limit: Duration) -> Duration {
    world.run_until("the import is up", limit, |world| import_is_up(world, pair.edge))
}

fn short_load(world: &mut World, pair: Pair) {
    world.open(pair.initiator, SEEN);
    world.start_load(Load::new(pair.initiator, SEEN, (pair.target, REAL)).operations(20));
    world.finish_loads(Duration::from_secs(60));
}

fn session(world: &World, site: SiteId) -> Session {
    let snapshot = world.snapshot(site);
    snapshot.peers[0].session.clone().expect("a session")
}

#[test]
fn keys_are_agreed_on_by_tls_and_withstand_a_quantum_computer() {
    for_each_seed(3, |seed| {
        let (plan, pair) = certified(seed);
        let mut world = plan.build();
        let took = come_up(&mut world, pair, Duration::from_secs(3));
        assert!(took < Duration::from_secs(2), "{took:?}");
        short_load(&mut world, pair);
        for site in [pair.edge, pair.exit] {
            let session = session(&world, site);
            assert_eq!(session.handshake, "tls");
            assert_eq!(session.post_quantum, "x25519mlkem768");
        }
    });
}

#[test]
fn each_datagram_of_a_handshake_may_be_lost_several_times_in_a_row() {
    for_each_seed(1, |seed| {
        for kind in [HELLO, COOKIE, UP, DOWN, RECORD] {
            for times in [1, 2, 5] {
                let (mut plan, pair) = certified(seed);
                plan.peer_mut(pair.exit, pair.edge).endpoint = Endpoint::Unknown;
                let mut world = plan.build();
                let mut left = times;
                world.set_filter(move |_, datagram| {
                    if datagram.bytes.first() == Some(&kind) && left > 0 {
                        left -= 1;
                        return Fate::Lose;
                    }
                    Fate::Pass
                });
                let took = come_up(&mut world, pair, Duration::from_secs(40));
                assert!(
                    took < Duration::from_secs(25),
                    "{kind} lost {times} times: {took:?}"
                );
                short_load(&mut world, pair);
            }
        }
    });
}

#[test]
fn heavy_loss_damage_copies_and_swaps_only_delay() {
    for_each_seed(20, |seed| {
        let (mut plan, pair) = certified(seed);
        plan.weather = Weather {
            loss: 0.3,
            duplicate: 0.1,
            corrupt: 0.03,
            truncate: 0.02,
            ..Weather::rough(Duration::from_millis(5))
        };
        let mut world = plan.build();
        come_up(&mut world, pair, Duration::from_secs(180));
    });
}

#[test]
fn both_sides_calling_at_once_agree_on_one_session() {
    for_each_seed(30, |seed| {
        let (mut plan, pair) = certified(seed);
        plan.weather = Weather {
            jitter: Duration::from_millis(seed % 3),
            ..Weather::calm(Duration::from_millis(1 + seed % 4))
        };
        let mut world = plan.build();
        let took = come_up(&mut world, pair, Duration::from_secs(5));
        assert!(took < Duration::from_secs(3), "{took:?}");
        short_load(&mut world, pair);
        for site in [pair.edge, pair.exit] {
            let ups = world.events_like(site, |event| matches!(event, Event::SessionUp { .. }));
            assert_eq!(ups, 1, "{}", world.story());
        }
        // One session, used by both: either side may move and is followed.
        world.rebind(pair.edge, SocketAddr::from(([203, 0, 113, 9], 4000)));
        world.run_for(Duration::from_secs(7));
        let moved = world.events_like(pair.exit, |event| matches!(event, Event::PeerMoved { .. }));
        assert_eq!(moved, 1, "{}", world.story());
    });
}

#[test]
fn new_keys_under_load_lose_no_frame() {
    for_each_seed(4, |seed| {
        let (mut plan, pair) = certified(seed);
        let delay = Duration::from_millis(20 + seed % 5);
        plan.weather = Weather::calm(delay);
        for site in &mut plan.sites {
            site.tunnel.rekey_after = Duration::from_secs(5);
        }
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        world.start_load(
            Load::new(pair.initiator, SEEN, (pair.target, REAL))
                .operations(4000)
                .largest(2),
        );
        world.finish_loads(Duration::from_secs(120));
        for site in [pair.edge, pair.exit] {
            let like = |like: fn(&Event) -> bool| world.events_like(site, like);
            assert!(
                like(|event| matches!(event, Event::SessionRekeyed { .. })) >= 2,
                "{}",
                world.story()
            );
            assert_eq!(
                like(|event| matches!(event, Event::SessionLost { .. })),
                0,
                "{}",
                world.story()
            );
        }
        let driver = world.driver(pair.initiator).counters();
        assert_eq!(
            (driver.retransmits, driver.unexpected),
            (0, 0),
            "{}",
            world.story()
        );
    });
}

#[test]
fn either_side_may_restart_under_load() {
    for_each_seed(6, |seed| {
        for who in 0..2 {
            let (mut plan, pair) = certified(seed);
            plan.weather = Weather::rough(Duration::from_millis(2));
            let mut world = plan.build();
            world.open(pair.initiator, SEEN);
            world.start_load(Load::new(pair.initiator, SEEN, (pair.target, REAL)).operations(120));
            for round in 0..3 {
                world.run_for(Duration::from_millis(10 + (seed * 7 + round * 13) % 50));
                world.restart(SiteId(who));
                world.run_for(Duration::from_secs(8));
            }
            world.finish_loads(Duration::from_secs(600));
        }
    });
}

#[test]
fn a_hub_speaks_both_and_no_peer_falls_back() {
    for_each_seed(3, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        let (other, left) = plan.another_edge(pair.exit);
        let second = plan.initiator(left);
        Pki::new().certify(&mut plan, other, pair.exit);
        let mut world = plan.build();
        for initiator in [pair.initiator, second] {
            world.open(initiator, SEEN);
            world.start_load(Load::new(initiator, SEEN, (pair.target, REAL)).operations(30));
            world.finish_loads(Duration::from_secs(60));
        }
        assert_eq!(session(&world, pair.edge).handshake, "noise");
        assert_eq!(session(&world, other).handshake, "tls");
    });
    for_each_seed(2, |seed| {
        for by_tls in 0..2 {
            // Only one of the two knows the other by its certificate.
            let (mut plan, pair) = certified(seed);
            let sites = [(pair.edge, pair.exit), (pair.exit, pair.edge)];
            let (site, peer) = sites[by_tls];
            plan.peer_mut(site, peer).certificate = None;
            let mut world = plan.build();
            world.run_for(Duration::from_secs(60));
            for site in [pair.edge, pair.exit] {
                assert_eq!(world.count(site, Count::Handshakes), 0, "{}", world.story());
            }
        }
    });
}

#[test]
fn a_peer_by_tls_sends_no_first_message_of_noise() {
    let (plan, pair) = certified(1);
    let mut world = plan.build();
    let (seen, noise) = (Arc::new(std::sync::Mutex::new(Vec::new())), INIT);
    let kinds = seen.clone();
    world.set_filter(move |_, datagram| {
        kinds.lock().unwrap().push(datagram.bytes.first().copied());
        Fate::Pass
    });
    come_up(&mut world, pair, Duration::from_secs(3));
    let seen = seen.lock().unwrap();
    assert!(seen.contains(&Some(UP)) && seen.contains(&Some(DOWN)));
    assert!(!seen.contains(&Some(noise)));
}

#[test]
fn what_a_stranger_gets_before_a_cookie_is_never_longer_than_what_it_sends() {
    for_each_seed(1, |seed| {
        let (plan, _) = certified(seed);
        let mut world = plan.build();
        let sent = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = sent.clone();
        // All of the first handshake but the hello and its answer is kept from the other side.
        world.set_filter(move |_, datagram| {
            let kind = datagram.bytes.first().copied();
            seen.lock().unwrap().push((kind, datagram.bytes.len()));
            match kind {
                Some(HELLO | COOKIE) => Fate::Pass,
                _ => Fate::Lose,
            }
        });
        world.run_for(Duration::from_secs(30));
        let sent = sent.lock().unwrap();
        let bytes = |kind| {
            let of_kind = sent.iter().filter(|(found, _)| *found == Some(kind));
            of_kind.map(|(_, len)| *len).sum::<usize>()
        };
        assert!(bytes(COOKIE) > 0 && bytes(COOKIE) <= bytes(HELLO));
        assert_eq!(bytes(DOWN), 0, "nothing else was answered");
    });
}

#[test]
fn a_session_ends_in_the_second_in_which_a_certificate_does() {
    for_each_seed(3, |seed| {
        let (mut plan, pair) = certified(seed);
        let pki = Pki::new();
        for (site, good_for) in [(pair.edge, 30), (pair.exit, 3000)] {
            let tls = pki.issue(&Pki::name(site), 7, Duration::from_secs(good_for));
            plan.sites[site.0].tls = Some(Arc::new(tls));
        }
        let mut world = plan.build();
        come_up(&mut world, pair, Duration::from_secs(5));
        world.run_until("the session ends", Duration::from_secs(40), |world| {
            world.events_like(pair.exit, |event| matches!(event, Event::SessionLost { .. })) > 0
        });
        let age = world.now().as_micros();
        assert!(
            (30_000_000..31_000_000).contains(&age),
            "{age}\n{}",
            world.story()
        );
        world.run_for(Duration::from_secs(20));
        let says = |event: &Event| matches!(event, Event::CertificateRefused { .. });
        assert!(world.events_like(pair.exit, says) > 0, "{}", world.story());
        assert_eq!(
            world.events_like(pair.edge, |event| matches!(event, Event::SessionUp { .. })),
            1
        );
    });
}

#[test]
fn an_export_is_for_the_peer_whose_name_the_certificate_has() {
    let (mut plan, pair) = Plan::pair(5);
    let pki = Pki::new();
    pki.certify(&mut plan, pair.edge, pair.exit);
    // It has a certificate of the same authority, and the name of nobody.
    let stranger = plan.site(&[pair.left]);
    plan.introduce(stranger, pair.exit);
    plan.sites[pair.exit.0].peers.pop();
    plan.sites[stranger.0].tls = Some(Arc::new(pki.issue(
        &Pki::name(stranger),
        9,
        Duration::from_secs(9999),
    )));
    plan.peer_mut(stranger, pair.exit).certificate = Some(Pki::name(pair.exit));
    plan.import(stranger, pair.exit, "disk", pair.left, REAL);
    let mut world = plan.build();
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.count(stranger, Count::Handshakes), 0);
    let says = |event: &Event| matches!(event, Event::StrangerCertificate { why: None, .. });
    assert!(world.events_like(pair.exit, says) > 0, "{}", world.story());
    short_load(&mut world, pair);
}
