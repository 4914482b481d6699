use std::time::Duration;

use aoe_keys::Psk;

use super::*;
use crate::config::{Endpoint, PeerConfig, PostQuantum};
use crate::tunnel::links::two::{FIRST, Side, carry, config, run, way_to};
use crate::tunnel::quantum::SessionName;

const SECOND: Duration = Duration::from_secs(1);
const MODES: [PostQuantum; 3] = [PostQuantum::Off, PostQuantum::Prefer, PostQuantum::Require];

pub(super) fn wants(other: u8, mode: PostQuantum) -> PeerConfig {
    let mut config = config(other);
    config.trust.set_post_quantum(mode);
    config
}

/// Two sides that want it so, of which the first one calls.
pub(super) fn sides(one: PostQuantum, other: PostQuantum) -> (Side, Side) {
    let mut sides = (
        Side::new(1, vec![wants(2, one)]),
        Side::new(2, vec![wants(1, other)]),
    );
    sides.0.call(FIRST, 2);
    sides
}

/// What the keys in use rest on; `None`: there is no session.
pub(super) fn kind(side: &Side) -> Option<Quantum> {
    let session = side.link(FIRST).sessions.current.as_ref();
    session.map(|session| session.assurance.kind)
}

fn name(side: &Side) -> SessionName {
    let session = side.link(FIRST).sessions.current.as_ref().unwrap();
    session.assurance.exchange.unwrap()
}

/// Both have post-quantum keys, the same, and a secret for the next ones and no other.
fn assert_linked(one: &mut Side, other: &mut Side) {
    assert_eq!(
        (kind(one), kind(other)),
        (Some(Quantum::MlKem768), Some(Quantum::MlKem768))
    );
    assert_eq!(name(one), name(other), "they use one session");
    let secrets = [one, other].map(|side| {
        let secret = side.link(FIRST).chain.newest().unwrap();
        assert_eq!(secret.made_in, name(side), "the secret in use is erased");
        *secret.expose()
    });
    assert_eq!(secrets[0], secrets[1]);
}

fn sends_storage(side: &mut Side) -> Result<(), DropReason> {
    side.with(|links, cx| links.send(FIRST, Kind::Request, &[0; 22], b"pdu", cx))
}

#[test]
fn all_pairs_of_modes_come_to_what_both_can_have_or_say_why_not() {
    for ours in MODES {
        for theirs in MODES {
            let (mut one, mut other) = sides(ours, theirs);
            other.with(|links, cx| links.set_endpoint(FIRST, vec![way_to(1)], cx));
            run(&mut one, &mut other, SECOND * 9);
            let requires = [ours, theirs].contains(&PostQuantum::Require);
            let is_off = [ours, theirs].contains(&PostQuantum::Off);
            if requires && is_off {
                for side in [&mut one, &mut other] {
                    assert_eq!(kind(side), None, "{ours} {theirs}");
                    let log = side.log().join("\n");
                    assert!(log.contains("no session with site-"), "{log}");
                    assert!(
                        log.contains("`post_quantum") && log.contains("set it to"),
                        "{log}"
                    );
                }
            } else if is_off {
                assert_eq!(
                    (kind(&one), kind(&other)),
                    (Some(Quantum::None), Some(Quantum::None))
                );
                assert!(one.link(FIRST).chain.newest().is_none());
            } else {
                assert_linked(&mut one, &mut other);
                for side in [&mut one, &mut other] {
                    let log = side.log().join("\n");
                    assert!(log.contains("post-quantum keys from now on"), "{log}");
                }
            }
        }
    }
}

#[test]
fn no_message_about_storage_leaves_before_keys_are_post_quantum_where_one_side_requires_it() {
    for (ours, theirs) in [
        (PostQuantum::Require, PostQuantum::Prefer),
        (PostQuantum::Prefer, PostQuantum::Require),
        (PostQuantum::Prefer, PostQuantum::Prefer),
    ] {
        let required = ours.max(theirs) == PostQuantum::Require;
        let (mut one, mut other) = sides(ours, theirs);
        let call = one.take_sent();
        other.take(1, &call[0]).unwrap();
        let answer = other.take_sent();
        one.take(2, &answer[0]).unwrap();
        assert_eq!(kind(&one), Some(Quantum::None));
        let before = if required {
            Err(DropReason::NotPostQuantum)
        } else {
            Ok(())
        };
        assert_eq!(sends_storage(&mut one), before);
        assert_eq!(one.links.carries_storage(FIRST), !required);
        let ping = one.take_sent();
        ping.iter().for_each(|datagram| other.take(1, datagram).unwrap());
        assert_eq!(kind(&other), Some(Quantum::None));
        assert_eq!(sends_storage(&mut other), before);
        run(&mut one, &mut other, SECOND);
        assert_linked(&mut one, &mut other);
        assert_eq!(
            (sends_storage(&mut one), sends_storage(&mut other)),
            (Ok(()), Ok(()))
        );
    }
}

#[test]
fn each_session_makes_the_secret_of_the_next_and_the_one_before_is_gone() {
    let (mut one, mut other) = sides(PostQuantum::Require, PostQuantum::Require);
    run(&mut one, &mut other, SECOND);
    let mut seen = Vec::new();
    for _ in 0..6 {
        assert_linked(&mut one, &mut other);
        seen.push(one.link(FIRST).chain.newest().unwrap().name);
        // New keys, and never others than post-quantum ones meanwhile.
        for _ in 0..1300 {
            one.pass_time(SECOND / 10);
            other.pass_time(SECOND / 10);
            carry(&mut one, &mut other);
            assert!(one.links.carries_storage(FIRST) && other.links.carries_storage(FIRST));
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 6);
}

#[test]
fn a_restart_of_either_at_any_time_leads_to_post_quantum_keys_again() {
    for victim in [1, 2] {
        for after in [0, 1, 2, 3, 5, 10, 100] {
            let (mut one, mut other) = sides(PostQuantum::Require, PostQuantum::Prefer);
            other.with(|links, cx| links.set_endpoint(FIRST, vec![way_to(1)], cx));
            for _ in 0..after {
                let sent = one.take_sent();
                sent.iter().for_each(|datagram| {
                    let _ = other.take(1, datagram);
                });
                let sent = other.take_sent();
                sent.iter().for_each(|datagram| {
                    let _ = one.take(2, datagram);
                });
            }
            let now = one.now;
            let mut again = match victim {
                1 => Side::seeded(1, 71, vec![wants(2, PostQuantum::Require)]),
                _ => Side::seeded(2, 72, vec![wants(1, PostQuantum::Prefer)]),
            };
            again.now = now;
            again.with(|links, cx| links.set_wall_clock(SECOND * 1_900_000_000, cx.now));
            again.call(FIRST, 3 - victim);
            match victim {
                1 => one = again,
                _ => other = again,
            }
            run(&mut one, &mut other, SECOND * 25);
            assert_linked(&mut one, &mut other);
        }
    }
}

#[test]
fn a_listener_that_does_not_know_a_secret_says_so_and_is_called_without_at_once() {
    let (mut one, mut other) = sides(PostQuantum::Prefer, PostQuantum::Prefer);
    run(&mut one, &mut other, SECOND);
    other.with(|links, _| links.links.get_mut(FIRST).unwrap().chain.forget());
    one.log();
    one.with(|links, cx| links.dial(FIRST, 0, cx));
    let before = one.now;
    let dropped = carry(&mut one, &mut other);
    assert_eq!(
        dropped,
        [
            DropReason::HandshakeSecretUnknown,
            DropReason::HandshakeSecretUnknown
        ]
    );
    assert_eq!(one.now, before);
    assert_linked(&mut one, &mut other);
    let log = one.log().join("\n");
    assert!(!log.contains("no session"), "{log}");
}

#[test]
fn both_call_at_once_again_and_again_and_come_to_one_session() {
    let (mut one, mut other) = sides(PostQuantum::Require, PostQuantum::Require);
    other.with(|links, cx| links.set_endpoint(FIRST, vec![way_to(1)], cx));
    run(&mut one, &mut other, SECOND * 5);
    assert_linked(&mut one, &mut other);
    for _ in 0..5 {
        one.with(|links, cx| links.dial(FIRST, 0, cx));
        other.with(|links, cx| links.dial(FIRST, 0, cx));
        run(&mut one, &mut other, SECOND * 8);
        assert_linked(&mut one, &mut other);
        assert!(one.links.carries_storage(FIRST) && other.links.carries_storage(FIRST));
    }
}

/// Carries for so long, but what `loses` says of each datagram, by its number.
fn carry_losing(one: &mut Side, other: &mut Side, steps: u32, mut loses: impl FnMut(u32) -> bool) {
    let mut number = 0;
    for _ in 0..steps {
        for _ in 0..6 {
            for datagram in one.take_sent() {
                number += 1;
                if !loses(number) {
                    let _ = other.take(1, &datagram);
                }
            }
            for datagram in other.take_sent() {
                number += 1;
                if !loses(number) {
                    let _ = one.take(2, &datagram);
                }
            }
        }
        one.pass_time(SECOND / 10);
        other.pass_time(SECOND / 10);
    }
}

#[test]
fn whatever_is_lost_of_the_beginning_the_keys_become_post_quantum() {
    // Any one datagram, or several in a row.
    for run_of in [1, 4, 8] {
        for first in (1..24).step_by(run_of.min(2) as usize) {
            let (mut one, mut other) = sides(PostQuantum::Require, PostQuantum::Require);
            other.with(|links, cx| links.set_endpoint(FIRST, vec![way_to(1)], cx));
            carry_losing(&mut one, &mut other, 300, |number| {
                (first..first + run_of).contains(&number)
            });
            assert_linked(&mut one, &mut other);
        }
    }
}

#[test]
fn an_offer_has_one_answer_however_often_it_comes_and_a_session_one_offer() {
    let (mut one, mut other) = sides(PostQuantum::Prefer, PostQuantum::Prefer);
    run(&mut one, &mut other, SECOND);
    let index = other.session(FIRST);
    let secrets = other.link(FIRST).chain.newest().unwrap().name;
    let offer = crate::tunnel::quantum::Offer::make().unwrap();
    let message = [&index.to_be_bytes(), offer.message()].concat();
    for _ in 0..100 {
        let outcome = other.with(|links, cx| links.handle_offer(FIRST, &message, cx));
        assert_eq!(outcome, Err(DropReason::QuantumUnexpected));
    }
    assert_eq!(other.link(FIRST).chain.newest().unwrap().name, secrets);
    let outcome = other.with(|links, cx| links.handle_offer(FIRST, &message[..1187], cx));
    assert_eq!(outcome, Err(DropReason::MessageMalformed));
    let unknown = [&(index ^ 1).to_be_bytes(), offer.message()].concat();
    let outcome = other.with(|links, cx| links.handle_offer(FIRST, &unknown, cx));
    assert_eq!(outcome, Err(DropReason::QuantumUnexpected));
    // Nor does an answer that nothing was asked for count.
    let answer = [&one.session(FIRST).to_be_bytes()[..], &[0; ANSWER_LEN]].concat();
    let outcome = one.with(|links, cx| links.handle_answer(FIRST, &answer, cx));
    assert_eq!(outcome, Err(DropReason::QuantumUnexpected));
}

#[test]
fn a_peer_that_makes_sessions_without_end_has_four_offers_answered_in_a_second() {
    let (mut one, mut other) = sides(PostQuantum::Prefer, PostQuantum::Prefer);
    run(&mut one, &mut other, SECOND * 3);
    let mut dropped = Vec::new();
    for _ in 0..9 {
        one.with(|links, cx| {
            links.links.get_mut(FIRST).unwrap().chain.forget();
            links.dial(FIRST, 0, cx);
        });
        dropped.extend(carry(&mut one, &mut other));
    }
    let too_soon = dropped
        .iter()
        .filter(|reason| **reason == DropReason::QuantumTooSoon);
    assert!(too_soon.count() == 0, "control messages count by themselves");
    let counted = other.telemetry.counters().dropped(DropReason::QuantumTooSoon);
    assert!(counted >= 1, "{counted}");
    run(&mut one, &mut other, SECOND * 5);
    assert_linked(&mut one, &mut other);
}

#[test]
fn a_reload_that_changes_the_mode_takes_effect_at_once() {
    let change = |side: &mut Side, other, mode| {
        side.change(|config| config.trust.set_post_quantum(mode), other);
    };
    let (mut one, mut other) = sides(PostQuantum::Off, PostQuantum::Prefer);
    run(&mut one, &mut other, SECOND);
    assert_eq!(kind(&one), Some(Quantum::None));
    change(&mut one, 2, PostQuantum::Require);
    run(&mut one, &mut other, SECOND * 3);
    assert_linked(&mut one, &mut other);
    let log = other.log().join("\n");
    assert!(log.contains("compare `post_quantum`"), "{log}");
    let before = one.session(FIRST);
    change(&mut other, 1, PostQuantum::Require);
    assert!(other.is_up(FIRST), "the keys are good enough");
    run(&mut one, &mut other, SECOND * 130);
    assert_linked(&mut one, &mut other);
    assert_ne!(one.session(FIRST), before);
    // What cannot be is said on both sides at once, and ends.
    one.log();
    other.log();
    change(&mut one, 2, PostQuantum::Off);
    run(&mut one, &mut other, SECOND * 9);
    for side in [&mut one, &mut other] {
        assert_eq!(kind(side), None);
        let log = side.log().join("\n");
        assert!(log.contains("set it to \"prefer\" or \"require\" there"), "{log}");
    }
    change(&mut other, 1, PostQuantum::Prefer);
    run(&mut one, &mut other, SECOND * 9);
    assert_eq!(
        (kind(&one), kind(&other)),
        (Some(Quantum::None), Some(Quantum::None))
    );
    change(&mut one, 2, PostQuantum::Prefer);
    run(&mut one, &mut other, SECOND * 9);
    assert_linked(&mut one, &mut other);
}

#[test]
fn another_psk_voids_the_secrets_that_were_made_with_the_one_before() {
    let (mut one, mut other) = sides(PostQuantum::Require, PostQuantum::Require);
    other.change(
        |config| {
            config.trust.set_post_quantum(PostQuantum::Require);
            config.endpoint = Endpoint::Unknown;
        },
        1,
    );
    run(&mut one, &mut other, SECOND);
    assert_linked(&mut one, &mut other);
    let psk = |config: &mut PeerConfig| {
        config.trust.set_post_quantum(PostQuantum::Require);
        config.trust.set_psk(Some(Psk::from_bytes([7; 32])));
    };
    one.change(psk, 2);
    assert!(one.link(FIRST).chain.newest().is_none());
    let dropped = carry(&mut one, &mut other);
    assert_eq!(
        dropped,
        [DropReason::HandshakeUndecryptable],
        "the other has none yet"
    );
    other.change(psk, 1);
    run(&mut one, &mut other, SECOND * 9);
    assert_linked(&mut one, &mut other);
}
