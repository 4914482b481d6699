//! Two gateways that talk to each other, while the configuration of one of them changes.

use std::time::Duration;

use aoe_keys::Psk;

use super::*;
use crate::config::{Cipher, PathMtu, Protection};
use crate::drop_reason::DropReason;
use crate::output::Path;
use crate::tunnel::links::two::{FIRST, Side, carry, config, pair, pair_with, run, way_to};

#[test]
fn a_peer_is_added_and_removed_thousands_of_times_and_the_next_one_is_found_all_the_same() {
    let mut one = Side::new(1, vec![config(9)]);
    for number in 1..5001 {
        one.with(|links, cx| {
            links.add(PeerId(number), config(2), cx);
            links.remove(PeerId(number), cx);
        });
        one.log();
    }
    let last = PeerId(5001);
    one.with(|links, cx| links.add(last, config(2), cx));
    assert!(one.log().iter().any(|line| line.contains("needs an address")));
    let mut other = Side::new(2, vec![config(1)]);
    one.call(last, 2);
    carry(&mut one, &mut other);
    assert!(one.is_up(last) && other.is_up(FIRST));
    assert_eq!(one.link(last).identity.seat, crate::table::Id::of(1));
}

#[test]
fn a_removed_peer_is_told_at_once_and_nothing_is_left_of_it() {
    let (mut one, mut other) = pair();
    let trouble = Event::PeerSilent {
        peer: "site-2".into(),
    };
    one.telemetry.raise(one.now, About::Session(FIRST), trouble);
    one.with(|links, cx| links.remove(FIRST, cx));
    assert_eq!(one.out.trains.len(), 1, "without a flush by others");
    assert_eq!(one.telemetry.troubles().count(), 0);
    assert_eq!(
        (one.links.name(FIRST), one.links.is_up(FIRST, one.now)),
        (String::new(), false)
    );
    let late = other.with(|links, cx| {
        links.ping(FIRST, cx);
        links.flush(cx);
        cx.out.trains.iter().next().unwrap().bytes.to_vec()
    });
    other.out.clear();
    carry(&mut one, &mut other);
    assert!(!other.is_up(FIRST));
    let why = "session with site-1 is lost: the peer's configuration was changed, and this gateway is no peer of it any \
               more";
    assert!(other.log().contains(&why.to_owned()));
    assert_eq!(one.take(2, &late), Err(DropReason::RecordUnknownSession));
    // It calls again, as nobody that we know.
    other.pass_time(Duration::from_secs(2));
    let dropped = carry(&mut one, &mut other);
    assert_eq!(dropped, [DropReason::HandshakeUnknownPeer]);
    let log = one.log();
    assert!(
        log.iter().any(|line| line.contains("which no [[peer]] has")),
        "{log:?}"
    );
}

#[test]
fn an_index_of_the_former_owner_of_a_seat_finds_no_session() {
    let (mut one, mut other) = pair();
    let seat = one.link(FIRST).identity.seat;
    let late = other.with(|links, cx| {
        links.ping(FIRST, cx);
        links.flush(cx);
        cx.out.trains.iter().next().unwrap().bytes.to_vec()
    });
    let (next, mut third) = (PeerId(1), Side::new(3, vec![config(1)]));
    one.with(|links, cx| {
        links.remove(FIRST, cx);
        links.add(next, config(3), cx);
    });
    one.call(next, 3);
    one.take_sent().iter().for_each(|sent| _ = third.take(1, sent));
    carry(&mut one, &mut third);
    assert!(one.is_up(next) && one.link(next).identity.seat == seat);
    assert_eq!(one.take(2, &late), Err(DropReason::RecordUnknownSession));
    assert!(one.is_up(next));
}

#[test]
fn a_handshake_under_way_does_not_outlive_a_peer() {
    // Ours: the answer comes after the peer was removed and added again.
    let (mut one, mut other) = (Side::new(1, vec![config(2)]), Side::new(2, vec![config(1)]));
    one.call(FIRST, 2);
    one.take_sent()
        .iter()
        .for_each(|sent| other.take(1, sent).unwrap());
    let answers = other.take_sent();
    one.with(|links, cx| {
        links.remove(FIRST, cx);
        links.add(PeerId(1), config(2), cx);
    });
    one.call(PeerId(1), 2);
    for answer in &answers {
        assert_eq!(one.take(2, answer), Err(DropReason::HandshakeUnsolicited));
    }
    assert!(!one.is_up(PeerId(1)));
    // The peer's: it confirms after it was removed.
    let (mut one, mut other) = (Side::new(1, vec![config(2)]), Side::new(2, vec![config(1)]));
    other.call(FIRST, 1);
    other
        .take_sent()
        .iter()
        .for_each(|sent| one.take(2, sent).unwrap());
    one.take_sent()
        .iter()
        .for_each(|sent| other.take(1, sent).unwrap());
    one.with(|links, cx| links.remove(FIRST, cx));
    let confirming = other.take_sent();
    assert!(!confirming.is_empty());
    for record in &confirming {
        assert_eq!(one.take(2, record), Err(DropReason::RecordUnknownSession));
    }
}

#[test]
fn a_peer_that_is_added_again_meets_us_as_a_new_process() {
    let (mut one, mut other) = pair();
    other.with(|links, cx| links.send_update(FIRST, &[], cx));
    while other.links.poll_change().is_some() {}
    one.with(|links, cx| {
        links.remove(FIRST, cx);
        links.add(PeerId(1), config(2), cx);
    });
    one.call(PeerId(1), 2);
    carry(&mut one, &mut other);
    assert!(one.is_up(PeerId(1)) && other.is_up(FIRST));
    let changes: Vec<Change> =
        std::iter::from_fn(|| other.links.poll_change().map(|(_, change)| change)).collect();
    assert!(changes.contains(&Change::Restarted), "{changes:?}");
    assert!(other.link(FIRST).updates.are_told() && other.link(FIRST).updates.newest() == 0);
}

#[test]
fn another_psk_counts_from_the_next_handshake_on_and_the_session_stays_until_both_have_it() {
    let (mut one, mut other) = pair();
    let before = (one.session(FIRST), other.session(FIRST));
    let psk = |config: &mut PeerConfig| config.trust.set_psk(Some(Psk::from_bytes([7; 32])));
    one.change(psk, 2);
    let log = one.log();
    assert!(
        log.iter()
            .any(|line| line.contains("has another psk") && line.contains("at most")),
        "{log:?}"
    );
    let dropped = carry(&mut one, &mut other);
    assert_eq!(
        dropped,
        [DropReason::HandshakeUndecryptable],
        "it was called at once"
    );
    run(&mut one, &mut other, Duration::from_secs(10));
    assert_eq!((one.session(FIRST), other.session(FIRST)), before);
    other.change(psk, 1);
    carry(&mut one, &mut other);
    assert!(one.session(FIRST) != before.0 && other.session(FIRST) != before.1);
    assert!(one.log().contains(&"session with site-2 has new keys".to_owned()));
}

#[test]
fn a_psk_that_the_other_side_does_not_get_is_logged_once_the_session_has_ended() {
    let (mut one, mut other) = pair();
    one.change(|config| config.trust.set_psk(Some(Psk::from_bytes([7; 32]))), 2);
    run(&mut one, &mut other, Duration::from_secs(190));
    assert!(!one.is_up(FIRST) && !other.is_up(FIRST));
    let told = |side: &mut Side, what: &str| side.log().iter().any(|line| line.contains(what));
    assert!(told(
        &mut one,
        "its answer does not decrypt; compare the psk of both sides"
    ));
    assert!(told(&mut other, "compare the psk of both sides"));
}

#[test]
fn a_session_whose_mode_is_not_accepted_any_more_ends_at_once_and_one_that_is_stays() {
    let both = vec![Protection::Authenticate, Protection::Encrypt];
    let (mut one, mut other) = pair_with(|config| config.protection.clone_from(&both));
    let mode = |side: &Side| {
        side.link(FIRST)
            .sessions
            .current
            .as_ref()
            .map(|session| session.protection)
    };
    assert_eq!(mode(&one), Some(Protection::Authenticate));
    let before = one.session(FIRST);
    one.change(
        |config| config.protection = vec![Protection::Encrypt, Protection::Authenticate],
        2,
    );
    assert_eq!(one.session(FIRST), before, "only the order is another");
    carry(&mut one, &mut other);
    one.change(|config| config.protection = vec![Protection::Encrypt], 2);
    assert!(
        one.link(FIRST).sessions.current.is_none() && one.out.trains.len() >= 2,
        "a Close, and a call"
    );
    carry(&mut one, &mut other);
    assert_eq!(
        (mode(&one), mode(&other)),
        (Some(Protection::Encrypt), Some(Protection::Encrypt))
    );
    let log = other.log();
    assert!(
        log.iter()
            .any(|line| line.contains("does not accept the session's protection mode")),
        "{log:?}"
    );
}

#[test]
fn another_path_mtu_is_tried_and_the_session_stays() {
    let (mut one, mut other) = pair();
    run(&mut one, &mut other, Duration::from_secs(5));
    assert!(one.links.is_path_proven(FIRST));
    let before = one.session(FIRST);
    one.change(|config| config.path_mtu = PathMtu::Fixed(1000), 2);
    assert_eq!(one.link(FIRST).path.datagram_len(), 1000 - 28);
    assert!(one.links.is_path_proven(FIRST) && one.session(FIRST) == before);
    one.change(|config| config.path_mtu = PathMtu::Auto, 2);
    run(&mut one, &mut other, Duration::from_secs(30));
    assert!(one.links.is_path_proven(FIRST) && one.session(FIRST) == before);
    assert_eq!(one.link(FIRST).path.mtu.get(), 9216, "nothing here is too long");
    let log = one.log();
    assert!(
        log.iter().any(|line| line.contains("path MTU to site-2 is 9216")),
        "{log:?}"
    );
}

#[test]
fn a_peer_without_an_endpoint_is_awaited_and_one_with_it_is_called() {
    let mut one = Side::new(1, vec![config(2)]);
    one.call(FIRST, 2);
    for _ in 0..20 {
        one.pass_time(Duration::from_secs(1));
    }
    assert!(
        one.log()
            .iter()
            .any(|line| line.contains("no answer from site-2"))
    );
    one.change(|config| config.endpoint = Endpoint::Unknown, 2);
    one.take_sent();
    for _ in 0..20 {
        one.pass_time(Duration::from_secs(1));
    }
    assert!(one.take_sent().is_empty(), "nobody is called");
    let log = one.log();
    assert!(
        log.iter()
            .any(|line| line.contains("no session with site-2: it has not called")),
        "{log:?}"
    );
    one.change(|_| (), 2);
    assert!(one.log().iter().any(|line| line.contains("needs an address")));
    assert_eq!(one.telemetry.troubles().count(), 0);
    one.call(FIRST, 2);
    assert_eq!(one.take_sent().len(), 1);
}

#[test]
fn a_session_stays_when_the_endpoint_goes_and_a_pinned_peer_is_spoken_to_there_only() {
    let (mut one, mut other) = pair();
    let before = one.session(FIRST);
    one.change(|config| config.endpoint = Endpoint::Unknown, 2);
    run(&mut one, &mut other, Duration::from_secs(2));
    assert_eq!(one.session(FIRST), before);
    one.change(|config| config.endpoint_pinned = true, 2);
    let elsewhere = Path::new(0, "192.0.2.77:1".parse().unwrap());
    one.with(|links, cx| links.set_endpoint(FIRST, vec![elsewhere], cx));
    assert_eq!(one.link(FIRST).path.address, Some(elsewhere));
    assert_eq!(one.session(FIRST), before);
}

#[test]
fn settings_of_every_tunnel_hold_from_now_on_and_sessions_stay() {
    let (mut one, mut other) = pair();
    let before = one.session(FIRST);
    let tunnel = TunnelConfig {
        rekey_after: Duration::from_secs(5),
        keepalive: Duration::from_secs(1),
        ciphers: vec![Cipher::ChaCha20Poly1305],
        ..TunnelConfig::default()
    };
    run(&mut one, &mut other, Duration::from_secs(100));
    assert_eq!(one.session(FIRST), before);
    one.with(|links, cx| links.set_tunnel(&tunnel, cx));
    assert!(one.is_up(FIRST) && one.session(FIRST) == before);
    one.pass_time(Duration::ZERO);
    carry(&mut one, &mut other);
    assert!(one.session(FIRST) != before, "it was older than that already");
    let cipher = |side: &Side| {
        side.link(FIRST)
            .sessions
            .current
            .as_ref()
            .map(|session| session.cipher)
    };
    assert_eq!(cipher(&one), Some(Cipher::ChaCha20Poly1305));
    assert_eq!(cipher(&other), Some(Cipher::ChaCha20Poly1305));
    let after = one.session(FIRST);
    run(&mut one, &mut other, Duration::from_secs(6));
    assert!(one.session(FIRST) != after);
}

#[test]
fn what_went_by_a_socket_that_is_gone_goes_another_way() {
    let (mut one, mut other) = pair();
    let second = Path {
        socket: 1,
        ..way_to(2)
    };
    one.with(|links, cx| links.set_endpoint(FIRST, vec![way_to(2), second], cx));
    let before = one.session(FIRST);
    one.socket = 1;
    one.with(|links, cx| links.forget_socket(0, cx));
    assert_eq!(one.link(FIRST).path.address, Some(second));
    assert_eq!(one.link(FIRST).path.resolved, [second]);
    run(&mut one, &mut other, Duration::from_secs(2));
    assert!(one.is_up(FIRST) && one.session(FIRST) == before);
    one.log();
    one.socket = 0;
    one.with(|links, cx| links.forget_socket(1, cx));
    assert_eq!(one.link(FIRST).path.address, None);
    assert!(!one.is_up(FIRST) && one.links.poll_change().is_some());
    assert!(one.log().iter().any(|line| line.contains("needs an address")));
    one.call(FIRST, 2);
    assert!(one.is_up(FIRST) && one.session(FIRST) == before);
    carry(&mut one, &mut other);
    run(&mut one, &mut other, Duration::from_secs(5));
    assert!(one.is_up(FIRST) && one.session(FIRST) == before);
}
