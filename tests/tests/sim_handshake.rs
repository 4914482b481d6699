//! How sessions come up: whatever is lost, whoever calls, and not with the wrong ones.

use std::net::SocketAddr;
use std::time::Duration;

use aoe_common::config::{Cipher, Endpoint, PostQuantum, Protection};
use aoe_common::drop_reason::DropReason;
use aoe_common::event::Event;
use aoe_common::telemetry::Count;
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::seeds::for_each_seed;
use e2e::sim::wire::Datagram;
use e2e::sim::{Fate, Load, Pair, Plan, SiteId, Weather, World};

const INIT: u8 = 1;
const RESPONSE: u8 = 2;
const RECORD: u8 = 4;

fn is_up(event: &Event) -> bool {
    matches!(event, Event::SessionUp { .. })
}

fn import_is_up(world: &World, site: SiteId) -> bool {
    let presence = world.events(site).filter_map(|event| match event {
        Event::ImportUp { .. } => Some(true),
        Event::ImportDown { .. } => Some(false),
        _ => None,
    });
    presence.last().unwrap_or(false)
}

/// Runs until the edge presents its import; how long that took.
fn come_up(world: &mut World, pair: Pair, limit: Duration) -> Duration {
    world.run_until("the import is up", limit, |world| import_is_up(world, pair.edge))
}

fn short_load(world: &mut World, pair: Pair) {
    world.open(pair.initiator, SEEN);
    world.start_load(Load::new(pair.initiator, SEEN, (pair.target, REAL)).operations(20));
    world.finish_loads(Duration::from_secs(60));
}

#[test]
fn the_loss_of_any_one_datagram_of_the_start_costs_seconds_at_most() {
    for_each_seed(2, |seed| {
        for lost in 0..14 {
            let (mut plan, pair) = Plan::pair(seed);
            plan.peer_mut(pair.exit, pair.edge).endpoint = Endpoint::Unknown;
            let mut world = plan.build();
            world.set_filter(move |number, _| if number == lost { Fate::Lose } else { Fate::Pass });
            let took = come_up(&mut world, pair, Duration::from_secs(10));
            assert!(took < Duration::from_secs(7), "without datagram {lost}: {took:?}");
            world.clear_filter();
            short_load(&mut world, pair);
        }
    });
}

#[test]
fn each_message_of_the_handshake_may_be_lost_several_times_in_a_row() {
    for_each_seed(3, |seed| {
        for kind in [INIT, RESPONSE, RECORD] {
            for times in [1, 2, 4] {
                let (mut plan, pair) = Plan::pair(seed);
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
                    "kind {kind} lost {times} times: {took:?}"
                );
                short_load(&mut world, pair);
            }
        }
    });
}

#[test]
fn both_sides_calling_at_once_come_up_and_agree_on_one_session() {
    for_each_seed(60, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        plan.weather = Weather {
            jitter: Duration::from_millis(seed % 7),
            ..Weather::calm(Duration::from_millis(1 + seed % 4))
        };
        plan.weather.jitter = plan.weather.jitter.min(plan.weather.delay * 3);
        let mut world = plan.build();
        let took = come_up(&mut world, pair, Duration::from_secs(5));
        assert!(took < Duration::from_secs(2), "{took:?}");
        short_load(&mut world, pair);
        // One session, used by both: then either side may move and is followed.
        for site in [pair.edge, pair.exit] {
            let before = world.events_like(if site == pair.edge { pair.exit } else { pair.edge }, |event| {
                matches!(event, Event::PeerMoved { .. })
            });
            let moved = SocketAddr::from(([203, 0, 113, site.0 as u8], 4000));
            world.rebind(site, moved);
            world.run_for(Duration::from_secs(7));
            let other = if site == pair.edge { pair.exit } else { pair.edge };
            let after = world.events_like(other, |event| matches!(event, Event::PeerMoved { .. }));
            assert_eq!(after, before + 1, "{site:?} moved\n{}", world.story());
        }
        for site in [pair.edge, pair.exit] {
            assert_eq!(world.events_like(site, is_up), 1, "{}", world.story());
        }
    });
}

#[test]
fn heavy_loss_only_delays() {
    for_each_seed(20, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        plan.weather = Weather {
            loss: 0.3,
            duplicate: 0.1,
            corrupt: 0.05,
            truncate: 0.05,
            ..Weather::rough(Duration::from_millis(5))
        };
        let mut world = plan.build();
        come_up(&mut world, pair, Duration::from_secs(120));
    });
}

#[test]
fn one_side_without_an_endpoint_waits_for_the_call() {
    for_each_seed(3, |seed| {
        for (quiet, other) in [(0, 1), (1, 0)] {
            let (mut plan, pair) = Plan::pair(seed);
            plan.peer_mut(SiteId(quiet), SiteId(other)).endpoint = Endpoint::Unknown;
            let mut world = plan.build();
            come_up(&mut world, pair, Duration::from_secs(3));
            short_load(&mut world, pair);
            assert_eq!(
                world.events_like(SiteId(quiet), |event| matches!(event, Event::EndpointNeeded(_))),
                0
            );
        }
    });
}

/// Runs a pair that must never come up; no byte of it may reach the target's LAN as a request.
fn never_up(plan: Plan, pair: Pair) -> World {
    let mut world = plan.build();
    world.run_for(Duration::from_secs(40));
    for site in [pair.edge, pair.exit] {
        assert_eq!(world.events_like(site, is_up), 0, "{}", world.story());
        assert_eq!(world.count(site, Count::Handshakes), 0);
    }
    world.drive(pair.initiator, |driver, _, out| driver.query(SEEN, out));
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.driver(pair.initiator).disk(SEEN), None);
    assert_eq!(world.count(pair.exit, Count::RequestsToTarget), 0);
    world
}

#[test]
fn a_wrong_psk_is_refused_and_both_sides_say_so() {
    for_each_seed(1, |seed| {
        for (left, right) in [
            (Some([1; 32]), Some([2; 32])),
            (None, Some([2; 32])),
            (Some([1; 32]), None),
        ] {
            let (mut plan, pair) = Plan::pair(seed);
            plan.peer_mut(pair.edge, pair.exit).psk = left;
            plan.peer_mut(pair.exit, pair.edge).psk = right;
            let world = never_up(plan, pair);
            for site in [pair.edge, pair.exit] {
                let says = |event: &Event| matches!(event, Event::HandshakeRefused { why, .. } if why.contains("psk"));
                assert!(world.events_like(site, says) > 0, "{}", world.story());
            }
        }
        let (mut plan, pair) = Plan::pair(seed);
        plan.peer_mut(pair.edge, pair.exit).psk = Some([7; 32]);
        plan.peer_mut(pair.exit, pair.edge).psk = Some([7; 32]);
        let mut world = plan.build();
        come_up(&mut world, pair, Duration::from_secs(3));
    });
}

#[test]
fn a_stranger_gets_no_answer_at_all() {
    for_each_seed(1, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        // It knows the exit's key and address, the exit knows nothing of it.
        let stranger = plan.site(&[pair.left]);
        let known = plan.sites[pair.edge.0].peers[0].clone();
        plan.sites[stranger.0].peers.push(known);
        plan.import(stranger, pair.exit, "disk", pair.left, REAL);
        let mut world = plan.build();
        let address = world.socket(stranger);
        world.start_recording();
        world.run_for(Duration::from_secs(40));
        let sent = world.recorded();
        assert!(sent.iter().filter(|datagram| datagram.from == address).count() > 5);
        assert!(sent.iter().all(|datagram| datagram.to != address));
        assert!(world.dropped(pair.exit, DropReason::HandshakeUnknownPeer) > 5);
        let says = |event: &Event| matches!(event, Event::Stranger { key: Some(_), .. });
        assert!(world.events_like(pair.exit, says) > 0, "{}", world.story());
        let silent = |event: &Event| matches!(event, Event::PeerSilent { .. });
        assert_eq!(world.events_like(stranger, silent), 1, "once, not at every call");
        assert_eq!(world.events_like(pair.edge, silent), 0, "{}", world.story());
        assert!(!import_is_up(&world, stranger));
        short_load(&mut world, pair);
    });
}

#[test]
fn somebody_who_does_not_know_our_key_costs_no_arithmetic() {
    let (mut plan, pair) = Plan::pair(5);
    plan.sites[pair.exit.0].secret = [9; 32];
    let mut world = plan.build();
    // The edge still believes in the key it was told, which is the new one; a third party made these.
    come_up(&mut world, pair, Duration::from_secs(3));
    let before = world.datagrams();
    let to = world.socket(pair.exit);
    for len in [176, 104, 56] {
        for kind in 0..=255 {
            let mut bytes = vec![0x5a; len];
            bytes[..4].copy_from_slice(&[kind, 0, 0, 0]);
            let from = SocketAddr::from(([203, 0, 113, 9], 9));
            world.inject(Datagram { from, to, bytes });
        }
    }
    assert!(world.dropped(pair.exit, DropReason::HandshakeBadMac) >= 2);
    assert_eq!(world.datagrams(), before, "nothing is answered");
}

#[test]
fn without_a_common_protection_or_cipher_both_sides_say_so() {
    for_each_seed(1, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        plan.peer_mut(pair.edge, pair.exit).protection = vec![Protection::Authenticate];
        let world = never_up(plan, pair);
        for site in [pair.edge, pair.exit] {
            let says = |event: &Event| matches!(event, Event::NoAgreement { what, .. } if what.contains("protection"));
            assert!(world.events_like(site, says) > 0, "{}", world.story());
        }
        let (mut plan, pair) = Plan::pair(seed);
        plan.sites[0].tunnel.ciphers = vec![Cipher::Aes256Gcm];
        plan.sites[1].tunnel.ciphers = vec![Cipher::ChaCha20Poly1305];
        let world = never_up(plan, pair);
        for site in [pair.edge, pair.exit] {
            let says =
                |event: &Event| matches!(event, Event::NoAgreement { what, .. } if what.contains("cipher"));
            assert!(world.events_like(site, says) > 0, "{}", world.story());
        }
    });
}

#[test]
fn nothing_but_handshake_leaves_the_listener_before_the_caller_has_confirmed() {
    for_each_seed(5, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        plan.peer_mut(pair.exit, pair.edge).endpoint = Endpoint::Unknown;
        let mut world = plan.build();
        let from_exit = world.socket(pair.exit);
        world.start_recording();
        // The caller's records do not arrive: it never confirms.
        world.set_filter(move |_, datagram| {
            let confirms = datagram.from != from_exit && datagram.bytes.first() == Some(&RECORD);
            if confirms { Fate::Lose } else { Fate::Pass }
        });
        world.run_for(Duration::from_secs(30));
        let sent = world.recorded();
        let from_listener: Vec<u8> = sent
            .iter()
            .filter(|one| one.from == from_exit)
            .map(|one| one.bytes[0])
            .collect();
        assert!(from_listener.len() > 2 && from_listener.iter().all(|kind| *kind == RESPONSE));
        assert_eq!(world.events_like(pair.exit, is_up), 0);
    });
}

#[test]
fn an_answer_is_never_longer_than_what_it_answers() {
    for_each_seed(2, |seed| {
        let (plan, pair) = Plan::pair(seed);
        let mut world = plan.build();
        world.start_recording();
        come_up(&mut world, pair, Duration::from_secs(3));
        let init = world
            .recorded()
            .into_iter()
            .find(|one| one.bytes[0] == INIT)
            .unwrap();
        world.restart(if init.to == world.socket(pair.edge) {
            pair.edge
        } else {
            pair.exit
        });
        world.start_recording();
        // From many ports of one address: answered at most once each, then by cookies, all shorter.
        let mut sent = 0;
        for port in 0..300 {
            let from = SocketAddr::from(([203, 0, 113, 77], 1000 + port));
            sent += init.bytes.len();
            world.inject(Datagram { from, ..init.clone() });
        }
        let answers: Vec<_> = world
            .recorded()
            .into_iter()
            .filter(|one| one.to.ip() == std::net::Ipv4Addr::new(203, 0, 113, 77))
            .collect();
        assert!(!answers.is_empty());
        assert!(answers.iter().all(|one| one.bytes.len() < init.bytes.len()));
        let received: usize = answers.iter().map(|one| one.bytes.len()).sum();
        assert!(received < sent);
    });
}

#[test]
fn a_replayed_first_message_is_answered_by_nothing() {
    for_each_seed(3, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        // One call and no second one: what is older than another is answered by its stamp.
        for (site, peer) in [(pair.edge, pair.exit), (pair.exit, pair.edge)] {
            plan.peer_mut(site, peer).post_quantum = PostQuantum::Off;
        }
        let mut world = plan.build();
        world.start_recording();
        come_up(&mut world, pair, Duration::from_secs(3));
        world.run_for(Duration::from_secs(20));
        let recorded = world.recorded();
        let inits: Vec<_> = recorded.iter().filter(|one| one.bytes[0] == INIT).collect();
        assert!(!inits.is_empty());
        let before = world.datagrams();
        for init in inits {
            world.inject(init.clone());
            let from = SocketAddr::from(([203, 0, 113, 1], 1));
            world.inject(Datagram { from, ..init.clone() });
        }
        assert_eq!(world.datagrams(), before);
        let replayed: u64 = [pair.edge, pair.exit]
            .iter()
            .map(|site| world.dropped(*site, DropReason::HandshakeReplayed))
            .sum();
        assert!(replayed >= 2);
        short_load(&mut world, pair);
    });
}

#[test]
fn under_a_flood_the_known_peer_still_connects() {
    for_each_seed(2, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        // Only the flooded side can be called.
        plan.peer_mut(pair.exit, pair.edge).endpoint = Endpoint::Unknown;
        let mut world = plan.build();
        world.start_recording();
        come_up(&mut world, pair, Duration::from_secs(3));
        let exit_socket = world.socket(pair.exit);
        let init = world
            .recorded()
            .into_iter()
            .find(|one| one.bytes[0] == INIT && one.to == exit_socket)
            .unwrap();
        // The flood: a first message with a right mac1, from ever new addresses, 5000 a second; the edge restarts
        // in the middle of it.
        world.restart(pair.edge);
        let restarted = world.now();
        let mut flood = 0u32;
        let mut took = None;
        for _ in 0..500 {
            for _ in 0..20 {
                flood += 1;
                let from = SocketAddr::from((flood.to_be_bytes(), 4000));
                world.inject(Datagram { from, ..init.clone() });
            }
            world.run_for(Duration::from_millis(4));
            let ups = world.events_like(pair.edge, is_up);
            if ups == 2 && took.is_none() {
                took = Some(world.now().saturating_since(restarted));
            }
        }
        assert!(world.dropped(pair.exit, DropReason::HandshakeCookieSent) > 5000);
        assert!(
            took.is_some(),
            "not connected during two seconds of flood\n{}",
            world.story()
        );
    });
}

#[test]
fn a_session_ends_when_the_path_is_cut_and_comes_back_with_it() {
    for_each_seed(3, |seed| {
        for quiet in [None, Some(0), Some(1)] {
            let (mut plan, pair) = Plan::pair(seed);
            if let Some(quiet) = quiet {
                plan.peer_mut(SiteId(quiet), SiteId(1 - quiet)).endpoint = Endpoint::Unknown;
            }
            let mut world = plan.build();
            come_up(&mut world, pair, Duration::from_secs(3));
            world.set_filter(|_, _| Fate::Lose);
            world.run_until("the session is lost", Duration::from_secs(20), |world| {
                !import_is_up(world, pair.edge)
            });
            world.run_for(Duration::from_secs(400));
            world.clear_filter();
            let took = come_up(&mut world, pair, Duration::from_secs(20));
            assert!(took <= Duration::from_secs(9), "{took:?}");
            short_load(&mut world, pair);
        }
    });
}

#[test]
fn an_idle_pair_stays_up_and_says_little() {
    let (plan, pair) = Plan::pair(1);
    let mut world = plan.build();
    come_up(&mut world, pair, Duration::from_secs(3));
    let before = world.datagrams();
    world.run_for(Duration::from_secs(600));
    let said = world.datagrams() - before;
    assert!(said < 600, "{said} datagrams in ten idle minutes");
    for site in [pair.edge, pair.exit] {
        assert_eq!(world.events_like(site, is_up), 1, "{}", world.story());
        assert_eq!(
            world.events_like(site, |event| matches!(event, Event::SessionLost { .. })),
            0
        );
    }
    short_load(&mut world, pair);
}
