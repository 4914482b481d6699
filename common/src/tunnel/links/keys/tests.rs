use aoe_keys::PublicKey;

use super::*;
use crate::config::{NextKey, Switch, Trust};
use crate::drop_reason::DropReason;
use crate::event::KeysFault;
use crate::tunnel::links::two::{FIRST, Side, carry, config, key, pair, run};
use crate::tunnel::message::Kind;
use crate::tunnel::said_keys::SaidKeys;
use crate::tunnel::sessions::Precedence;

fn public(byte: u8) -> PublicKey {
    key(byte).public()
}

fn said(serial: u32, keys: &[u8], in_use: usize) -> SaidKeys {
    SaidKeys {
        serial,
        keys: keys.iter().map(|byte| public(*byte)).collect(),
        in_use,
    }
}

/// Has a side say this of its keys, whatever is true.
fn say(side: &mut Side, said: &SaidKeys) {
    side.with(|links, cx| links.send(FIRST, Kind::Keys, &said.emit(), &[], cx))
        .unwrap();
}

fn known(side: &Side) -> Vec<PublicKey> {
    side.link(FIRST).identity.trust.keys().to_vec()
}

/// What a side's host is asked to keep.
fn learnt(side: &mut Side) -> Vec<u32> {
    let events = std::iter::from_fn(|| side.telemetry.poll_event());
    let serials = events.filter_map(|event| match event {
        Event::Keys(KeyEvent::Learnt { serial, .. }) => Some(serial),
        _ => None,
    });
    serials.collect()
}

fn next(byte: u8, switch: Switch) -> OwnKeys {
    OwnKeys {
        next: Some(NextKey {
            secret: key(byte),
            switch,
            switched: None,
            drop_after: Some(Duration::from_secs(600)),
        }),
        ..OwnKeys::of(key(1))
    }
}

fn revoke(side: &mut Side, keys: &[u8]) {
    let revoked = Revoked {
        keys: keys.iter().map(|byte| public(*byte)).collect(),
        ..Revoked::default()
    };
    side.with(|links, cx| links.set_revoked(revoked, cx));
}

#[test]
fn a_list_counts_and_is_acknowledged_when_the_host_has_kept_it_and_not_before() {
    let (mut one, mut other) = pair();
    one.with(|links, cx| links.set_keys(next(8, Switch::All), cx));
    run(&mut one, &mut other, Duration::from_secs(3));
    let asked = learnt(&mut other);
    assert_eq!(asked.len(), 1, "it is asked once, however often the list comes");
    assert_eq!(known(&other), [public(1)]);
    assert_eq!(
        one.link(FIRST).key_talk.told.map(|told| told.key),
        Some(public(1))
    );
    // Something else was kept.
    other.with(|links, cx| links.keys_kept(FIRST, asked[0] + 1, cx));
    run(&mut one, &mut other, Duration::from_secs(1));
    assert_eq!(known(&other), [public(1)]);
    other.with(|links, cx| links.keys_kept(FIRST, asked[0], cx));
    assert_eq!(known(&other), [public(8), public(1)]);
    carry(&mut one, &mut other);
    assert_eq!(
        one.link(FIRST).key_talk.told.map(|told| told.key),
        Some(public(8))
    );
    run(&mut one, &mut other, Duration::from_secs(5));
    let session = one.link(FIRST).sessions.current.as_ref().unwrap().keys;
    assert_eq!(
        session.map(|keys| keys.ours),
        Some(public(8)),
        "it is used at once"
    );
    // The host that failed is asked again after a while.
    one.with(|links, cx| links.set_keys(next(9, Switch::All), cx));
    run(&mut one, &mut other, Duration::from_secs(40));
    assert!(learnt(&mut other).len() >= 2);
}

#[test]
fn lies_are_refused_and_logged_on_both_sides_and_what_was_known_stays() {
    let (mut one, mut other) = pair();
    let third = PeerId(1);
    let config = config(3);
    other.with(|links, cx| links.add(third, config, cx));
    revoke(&mut other, &[7]);
    for (serial, keys, why) in [
        (100, &[8, 1, 3][..], KeysFault::OfAnotherPeer),
        (101, &[2, 1], KeysFault::OfTheReceiver),
        (102, &[1, 7], KeysFault::Revoked),
        (103, &[8], KeysFault::WithoutItsOwn),
    ] {
        other.log();
        run(&mut one, &mut other, Duration::from_secs(200));
        one.log();
        say(&mut one, &said(serial, keys, 0));
        let dropped = carry(&mut one, &mut other);
        assert_eq!(dropped, [DropReason::KeysRefused], "{why:?}");
        assert_eq!(known(&other), [public(1)]);
        assert!(
            other.log().iter().any(|line| line.contains(why.words())),
            "{why:?}"
        );
    }
    // Its own list was not refused, so only it knows of no fault; a true list that is refused says so here.
    one.with(|links, cx| links.set_keys(next(3, Switch::All), cx));
    run(&mut one, &mut other, Duration::from_secs(1));
    let refused = one.link(FIRST).key_talk.refused_there;
    assert_eq!(refused, Some(KeysFault::OfAnotherPeer));
    assert!(
        one.log()
            .iter()
            .any(|line| line.starts_with("site-2 does not accept what we say"))
    );
    assert!(!other.link(FIRST).identity.accepts(&public(3)));
    assert!(one.is_up(FIRST) && other.is_up(FIRST));
}

#[test]
fn bytes_that_are_no_list_are_malformed_and_a_flood_is_read_eight_times_in_a_second() {
    let (mut one, mut other) = pair();
    run(&mut one, &mut other, Duration::from_secs(2));
    for bad in [
        said(50, &[1, 1], 0),
        said(50, &[1, 4, 5, 6, 7], 0),
        said(50, &[1], 1),
    ] {
        say(&mut one, &bad);
        assert_eq!(carry(&mut one, &mut other), [DropReason::MessageMalformed]);
    }
    let mut dropped = Vec::new();
    for number in 60..160_u8 {
        say(&mut one, &said(number.into(), &[1, number], 0));
        dropped.extend(carry(&mut one, &mut other));
    }
    assert_eq!(dropped.len(), 92);
    assert!(dropped.iter().all(|reason| *reason == DropReason::KeysTooSoon));
    assert_eq!(learnt(&mut other).len(), 8);
    // An older list is not looked at once a newer one waits, and only the newest can be kept.
    other.with(|links, cx| links.keys_kept(FIRST, 60, cx));
    assert_eq!(known(&other), [public(1)]);
    other.with(|links, cx| links.keys_kept(FIRST, 67, cx));
    assert_eq!(known(&other), [public(1), public(67)]);
    run(&mut one, &mut other, Duration::from_secs(2));
    say(&mut one, &said(66, &[1, 66], 0));
    carry(&mut one, &mut other);
    assert!(learnt(&mut other).is_empty());
}

#[test]
fn what_is_revoked_while_the_host_writes_does_not_count() {
    let (mut one, mut other) = pair();
    say(&mut one, &said(9, &[8, 1], 1));
    carry(&mut one, &mut other);
    assert_eq!(learnt(&mut other), [9]);
    revoke(&mut other, &[8]);
    other.with(|links, cx| links.keys_kept(FIRST, 9, cx));
    assert_eq!(known(&other), [public(1)]);
    assert!(other.is_up(FIRST), "it is the other key that is revoked");
}

#[test]
fn a_revoked_key_ends_every_session_and_call_by_it_at_once() {
    let (mut one, mut other) = pair();
    // A replaced session, one in use, and one that is answered and not confirmed.
    other.with(|links, cx| links.dial(FIRST, 0, cx));
    carry(&mut one, &mut other);
    one.with(|links, cx| links.dial(FIRST, 0, cx));
    for datagram in one.take_sent() {
        other.take(1, &datagram).unwrap();
    }
    other.with(|links, cx| links.dial(FIRST, 0, cx));
    other.take_sent();
    let sessions = &other.link(FIRST).sessions;
    assert!(sessions.previous.is_some() && sessions.current.is_some() && sessions.next.is_some());
    revoke(&mut other, &[1]);
    let link = other.link(FIRST);
    assert_eq!(link.sessions.all().count(), 0);
    assert!(link.handshakes.dialing.is_none(), "there is no key to call by");
    let mut changes = std::iter::from_fn(|| other.links.poll_change());
    assert!(changes.any(|(_, change)| change == Change::Cut));
    for datagram in other.take_sent() {
        one.take(2, &datagram).unwrap();
    }
    assert!(
        one.log().iter().any(|line| line.contains("was revoked there")),
        "it is told"
    );
    run(&mut one, &mut other, Duration::from_secs(20));
    assert!(!other.is_up(FIRST) && !one.is_up(FIRST));
    // Trusted again, it is called.
    revoke(&mut other, &[]);
    run(&mut one, &mut other, Duration::from_secs(6));
    assert!(other.is_up(FIRST) && one.is_up(FIRST));
}

#[test]
fn our_own_key_that_is_gone_ends_its_sessions() {
    let (mut one, mut other) = pair();
    one.with(|links, cx| links.set_keys(OwnKeys::of(key(9)), cx));
    assert!(!one.is_up(FIRST));
    run(&mut one, &mut other, Duration::from_secs(15));
    assert!(!other.is_up(FIRST), "the peer knows the old key only");
    let strangers = other.log();
    let stranger = public(9).fingerprint().to_string();
    assert!(
        strangers.iter().any(|line| line.contains(&stranger)),
        "{strangers:?}"
    );
    other.change(|config| config.trust = Trust::of_key(public(9)), 1);
    run(&mut one, &mut other, Duration::from_secs(15));
    assert!(one.is_up(FIRST) && other.is_up(FIRST));
}

#[test]
fn calls_go_by_every_pair_of_keys_one_after_the_other() {
    let (mut one, _) = pair();
    one.with(|links, cx| {
        links.set_keys(next(8, Switch::All), cx);
        let link = links.links.get_mut(FIRST).unwrap();
        link.identity
            .learn(vec![public(5), public(2)], 1, &Revoked::default());
        link.key_talk.told = None;
    });
    let pairs = |one: &Side, attempts: u32| -> Vec<(PublicKey, PublicKey)> {
        let of = |attempt| one.link(FIRST).pair_of(attempt, &one.links.us.keys).unwrap();
        (0..attempts)
            .map(of)
            .map(|pair| (pair.ours, pair.theirs))
            .collect()
    };
    let all = [(1, 2), (1, 5), (8, 2), (8, 5)].map(|(ours, theirs)| (public(ours), public(theirs)));
    let twice: Vec<_> = all.iter().flat_map(|pair| [*pair; 2]).collect();
    assert_eq!(pairs(&one, 8), twice, "while there is a session");
    one.with(|links, cx| links.lose(FIRST, "", cx));
    let round: Vec<_> = all.iter().chain(&all).copied().collect();
    assert_eq!(pairs(&one, 8), round);
}

#[test]
fn a_peer_that_knows_an_older_key_of_ours_only_is_found_by_that() {
    // It was restored from a backup: it knows key 1 of ours, and we use key 8.
    let (mut one, mut other) = pair();
    let mut keys = OwnKeys::of(key(8));
    keys.old.push(crate::config::OldKey {
        secret: key(1),
        drop_at: None,
    });
    one.with(|links, cx| {
        links.set_keys(keys, cx);
        links.lose(FIRST, "", cx);
        links.links.get_mut(FIRST).unwrap().key_talk.told = None;
    });
    other.with(|links, cx| links.lose(FIRST, "", cx));
    run(&mut one, &mut other, Duration::from_secs(8));
    assert!(one.is_up(FIRST) && other.is_up(FIRST));
}

#[test]
fn of_two_sides_exactly_one_has_the_call_that_counts() {
    let (one, other) = pair();
    let ours = one.link(FIRST).precedence();
    assert_ne!(ours, other.link(FIRST).precedence());
    let theirs = one.link(FIRST).sessions.current.as_ref().unwrap().peer_boot;
    let smaller = one.link(FIRST).identity.boot < theirs;
    assert_eq!(smaller, ours == Precedence::Ours);
}
