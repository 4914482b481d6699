use std::sync::Arc;
use std::time::Duration;

use aoe_keys::SpkiHash;
use rcgen::ExtendedKeyUsagePurpose;

use super::super::two::{FIRST, Side, carry, config, run, way_to};
use crate::config::{CertificateName, PeerConfig, Protection, Revoked, TlsConfig, Trust};
use crate::drop_reason::DropReason;
use crate::output::Path;
use crate::timers::Timer;
use crate::tunnel::handshake::tls::tests::{Ca, START, Wish};
use crate::tunnel::handshake::tls::{Call, Part, Up};
use crate::tunnel::quantum::Quantum;
use crate::tunnel::transport::Transport;

fn name(site: u8) -> String {
    format!("site-{site}.example")
}

fn peer(site: u8) -> PeerConfig {
    PeerConfig {
        trust: Trust::of_certificate(CertificateName::dns(&name(site))),
        ..config(site)
    }
}

fn side(site: u8, peers: Vec<PeerConfig>, tls: TlsConfig) -> Side {
    let mut side = Side::new(site, peers);
    believe(&mut side, tls);
    side
}

fn believe(side: &mut Side, tls: TlsConfig) {
    let tls = Arc::new(tls);
    assert_eq!(tls.check(), Ok(()));
    side.with(|links, cx| links.set_tls(Some(tls), cx));
}

/// Two sides, each with a certificate as wished.
fn sides(ca: &Ca, wishes: [Wish; 2]) -> (Side, Side) {
    let [one, other] = wishes.map(|wish| ca.issue(&wish).config(&[], &[ca]));
    (side(1, vec![peer(2)], one), side(2, vec![peer(1)], other))
}

fn wishes() -> [Wish; 2] {
    [1, 2].map(|site| Wish::dns(&name(site)))
}

/// Two sides with a session, which the first one called for.
fn pair(ca: &Ca) -> (Side, Side) {
    let (mut one, mut other) = sides(ca, wishes());
    one.call(FIRST, 2);
    run(&mut one, &mut other, Duration::from_secs(1));
    assert!(
        one.is_up(FIRST) && other.is_up(FIRST),
        "{:?} {:?}",
        one.log(),
        other.log()
    );
    one.log();
    other.log();
    (one, other)
}

fn has(log: &[String], words: &str) -> bool {
    log.iter().any(|line| line.contains(words))
}

#[test]
fn two_gateways_agree_by_certificates_and_the_keys_are_hybrid() {
    let (mut one, mut other) = pair(&Ca::new("root"));
    for side in [&one, &other] {
        let session = side.link(FIRST).sessions.current.as_ref().unwrap();
        assert_eq!(session.transport, Transport::Tls);
        assert_eq!(session.assurance.kind, Quantum::X25519MlKem768);
    }
    let first = one.session(FIRST);
    // What is asked for is owed until it is answered: records pass both ways.
    for side in [&mut one, &mut other] {
        side.with(|links, cx| links.ping(FIRST, cx));
    }
    run(&mut one, &mut other, Duration::from_secs(130));
    assert!(one.is_up(FIRST) && other.is_up(FIRST));
    assert_ne!(one.session(FIRST), first, "new keys by a new handshake");
}

#[test]
fn both_may_call_at_once() {
    let (mut one, mut other) = sides(&Ca::new("root"), wishes());
    one.call(FIRST, 2);
    other.call(FIRST, 1);
    run(&mut one, &mut other, Duration::from_secs(10));
    assert!(one.is_up(FIRST) && other.is_up(FIRST));
    let settled = (one.session(FIRST), other.session(FIRST));
    run(&mut one, &mut other, Duration::from_secs(60));
    assert_eq!(
        settled,
        (one.session(FIRST), other.session(FIRST)),
        "and then none does"
    );
}

/// Numbers that look random.
fn draws(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

#[test]
fn a_handshake_passes_a_path_that_loses_doubles_and_swaps() {
    let ca = Ca::new("root");
    for seed in 1..30 {
        let mut draw = draws(seed * 7919);
        let (mut one, mut other) = sides(&ca, wishes());
        one.call(FIRST, 2);
        let mut is_up = false;
        for _ in 0..600 {
            one.pass_time(Duration::from_millis(50));
            other.pass_time(Duration::from_millis(50));
            for _ in 0..4 {
                let mut under_way: Vec<_> = one.take_sent().into_iter().map(|sent| (true, sent)).collect();
                under_way.extend(other.take_sent().into_iter().map(|sent| (false, sent)));
                for at in (1..under_way.len()).rev() {
                    under_way.swap(at, usize::try_from(draw(at as u64 + 1)).unwrap());
                }
                for (is_ours, datagram) in under_way {
                    let copies = if draw(10) < 3 { 0 } else { 1 + draw(4) / 3 };
                    for _ in 0..copies {
                        let (to, from) = if is_ours { (&mut other, 1) } else { (&mut one, 2) };
                        _ = to.take(from, &datagram);
                    }
                }
            }
            is_up = one.is_up(FIRST) && other.is_up(FIRST);
            if is_up {
                break;
            }
        }
        assert!(is_up, "seed {seed}: {:?} {:?}", one.log(), other.log());
    }
}

#[test]
fn before_a_cookie_nothing_is_kept_and_no_answer_is_longer_than_what_it_answers() {
    let (mut one, mut other) = sides(&Ca::new("root"), wishes());
    one.call(FIRST, 2);
    let hello = one.take_sent().remove(0);
    for len in 0..=hello.len() {
        for kind in 0..=255 {
            let mut bytes = hello[..len].to_vec();
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            _ = other.take(9, &bytes);
            let answered: usize = other.take_sent().iter().map(Vec::len).sum();
            assert!(answered <= len, "{answered} bytes for {len} of type {kind}");
        }
    }
    assert_eq!(other.take(1, &hello), Ok(()));
    let cookie = other.take_sent().remove(0);
    assert_eq!(one.take(2, &cookie), Ok(()));
    let flight = one.take_sent();
    assert!(flight.len() > 1, "a hybrid hello takes several datagrams");
    assert_eq!(other.links.tls.half_open.under_way(), 0);
    for part in &flight {
        assert_eq!(
            other.take(3, part),
            Err(DropReason::HandshakeBadCookie),
            "another host"
        );
        let port = Path::new(0, "192.0.2.1:2".parse().unwrap());
        let mut bytes = part.clone();
        let taken = other.with(|links, cx| links.handle_datagram(port, &mut bytes, cx).map(|_| ()));
        assert_eq!(taken, Err(DropReason::HandshakeBadCookie), "another port");
        let mut damaged = part.clone();
        damaged[30] ^= 1;
        assert_eq!(other.take(1, &damaged), Err(DropReason::HandshakeBadCookie));
    }
    assert_eq!(other.take_sent(), Vec::<Vec<u8>>::new());
    assert_eq!(other.links.tls.half_open.under_way(), 0);
    assert_eq!(other.take(1, &flight[1]), Ok(()), "the second part first");
    assert_eq!(other.take(1, &flight[0]), Ok(()));
    assert_eq!(other.links.tls.half_open.under_way(), 1);
    carry(&mut one, &mut other);
    assert!(one.is_up(FIRST) && other.is_up(FIRST));
    assert_eq!(other.links.tls.half_open.under_way(), 0);
    // All of it once more, by who has heard it.
    for part in &flight {
        assert_eq!(other.take(1, part), Ok(()));
    }
    carry(&mut one, &mut other);
    assert_eq!(
        other.links.tls.half_open.under_way(),
        0,
        "it is told what it was told"
    );
}

/// What both say when one calls the other, and neither comes up.
fn refused(one: &mut Side, other: &mut Side) -> (Vec<String>, Vec<String>) {
    one.call(FIRST, 2);
    run(one, other, Duration::from_secs(3));
    assert!(!one.is_up(FIRST) && !other.is_up(FIRST));
    (one.log(), other.log())
}

#[test]
fn both_sides_say_what_is_wrong_with_a_certificate() {
    let ca = Ca::new("root");
    let wish = |site| Wish::dns(&name(site));
    let expired = |site| Wish {
        valid: (START - 9, START - 1),
        ..wish(site)
    };
    let (mut one, mut other) = sides(&ca, [wish(1), expired(2)]);
    let (ours, theirs) = refused(&mut one, &mut other);
    assert!(
        has(&ours, "no session with site-2: its certificate has expired"),
        "{ours:?}"
    );
    assert!(
        !has(&theirs, "our certificate"),
        "who says so has not shown who it is: {theirs:?}"
    );
    other.call(FIRST, 1);
    let (_, theirs) = refused(&mut one, &mut other);
    assert!(
        has(&theirs, "it says that our certificate has expired"),
        "{theirs:?}"
    );

    let (mut one, mut other) = sides(&ca, [expired(1), wish(2)]);
    other.call(FIRST, 1);
    let (ours, theirs) = refused(&mut one, &mut other);
    assert!(has(&ours, "it says that our certificate has expired"), "{ours:?}");
    assert!(
        has(&theirs, "no session with site-1: its certificate has expired"),
        "{theirs:?}"
    );

    let other_name = [wish(1), Wish::dns("c.example")];
    let (mut one, mut other) = sides(&ca, other_name);
    let (ours, _) = refused(&mut one, &mut other);
    let words = "the wrong name: it is for dns:c.example, wanted is dns:site-2.example";
    assert!(has(&ours, words), "{ours:?}");

    let (mut one, mut other) = sides(&ca, [Wish::dns("c.example"), wish(2)]);
    let (ours, theirs) = refused(&mut one, &mut other);
    assert!(
        has(&ours, "the peer knows no gateway of the names in our certificate"),
        "{ours:?}"
    );
    assert!(
        has(
            &theirs,
            "calls with a certificate for dns:c.example, and not exactly one"
        ),
        "{theirs:?}"
    );

    let server = Wish {
        uses: vec![ExtendedKeyUsagePurpose::ServerAuth],
        ..wish(1)
    };
    let (mut one, mut other) = sides(&ca, [server, wish(2)]);
    let (ours, theirs) = refused(&mut one, &mut other);
    assert!(has(&ours, "our certificate is not made for this"), "{ours:?}");
    assert!(has(&theirs, "is not made for this"), "{theirs:?}");

    let foreign = Ca::new("root").issue(&wish(1));
    let (mut one, mut other) = sides(&ca, wishes());
    believe(&mut one, foreign.config(&[], &[&ca]));
    let (ours, theirs) = refused(&mut one, &mut other);
    assert!(
        has(
            &ours,
            "it does not know the authority that signed our certificate"
        ),
        "{ours:?}"
    );
    assert!(has(&theirs, "has an unknown issuer"), "{theirs:?}");
}

#[test]
fn a_session_ends_when_a_certificate_expires_and_not_before() {
    let ca = Ca::new("root");
    let short = Wish {
        valid: (START - 9, START + 30),
        ..Wish::dns(&name(2))
    };
    let (mut one, mut other) = sides(&ca, [Wish::dns(&name(1)), short]);
    one.call(FIRST, 2);
    run(&mut one, &mut other, Duration::from_millis(29_800));
    assert!(one.is_up(FIRST) && other.is_up(FIRST));
    run(&mut one, &mut other, Duration::from_millis(300));
    assert!(!one.is_up(FIRST) && !other.is_up(FIRST), "the peer is told");
    assert!(has(&one.log(), "the peer's certificate has expired"));
    assert!(has(
        &other.log(),
        "the peer does not accept the certificate of this gateway any more"
    ));
}

#[test]
fn a_clock_that_is_set_counts_at_once() {
    let (mut one, mut other) = pair(&Ca::new("root"));
    let later = Duration::from_secs(START + 40 * 86_400);
    let now = one.now;
    assert!(!one.links.clock_was_set(Duration::from_secs(START + 1), now));
    assert!(one.links.clock_was_set(later, now));
    one.links.set_wall_clock(later, now);
    one.timers.lower(Timer::Peers, now);
    one.pass_time(Duration::from_millis(1));
    assert!(!one.is_up(FIRST));
    carry(&mut one, &mut other);
    assert!(!other.is_up(FIRST));
}

#[test]
fn a_revocation_list_ends_sessions_of_both_roles_and_handshakes_under_way() {
    let ca = Ca::new("root");
    for caller_revokes in [false, true] {
        let (mut one, mut other) = pair(&ca);
        let revoking = |site| TlsConfig {
            crls: vec![ca.crl(&[7], START + 9999)],
            ..ca.issue(&Wish::dns(&name(site))).config(&[], &[&ca])
        };
        let (revoker, site) = if caller_revokes {
            (&mut one, 1)
        } else {
            (&mut other, 2)
        };
        believe(revoker, revoking(site));
        assert!(!revoker.is_up(FIRST));
        assert!(has(&revoker.log(), "the peer's certificate is revoked"));
        run(&mut one, &mut other, Duration::from_secs(20));
        assert!(!one.is_up(FIRST) && !other.is_up(FIRST));
    }
    // A handshake of which everything but the last part has come.
    let (mut one, mut other) = sides(&ca, wishes());
    one.call(FIRST, 2);
    for _ in 0..2 {
        for datagram in one.take_sent() {
            other.take(1, &datagram).unwrap();
        }
        for datagram in other.take_sent() {
            one.take(2, &datagram).unwrap();
        }
    }
    let last = one.take_sent();
    assert!(!last.is_empty());
    let tls = TlsConfig {
        crls: vec![ca.crl(&[7], START + 9999)],
        ..ca.issue(&Wish::dns(&name(2))).config(&[], &[&ca])
    };
    believe(&mut other, tls);
    for datagram in last {
        _ = other.take(1, &datagram);
    }
    assert!(other.link(FIRST).sessions.next.is_none());
    run(&mut one, &mut other, Duration::from_secs(20));
    assert!(!one.is_up(FIRST) && !other.is_up(FIRST));
}

#[test]
fn new_certificates_that_are_good_end_nothing() {
    let ca = Ca::new("root");
    let (mut one, mut other) = pair(&ca);
    let session = one.session(FIRST);
    for (side, site) in [(&mut one, 1), (&mut other, 2)] {
        let wish = Wish {
            serial: 8,
            ..Wish::dns(&name(site))
        };
        believe(side, ca.issue(&wish).config(&[], &[&ca]));
    }
    run(&mut one, &mut other, Duration::from_secs(5));
    assert_eq!(one.session(FIRST), session);
    run(&mut one, &mut other, Duration::from_secs(130));
    assert!(one.is_up(FIRST) && other.is_up(FIRST));
}

#[test]
fn nobody_falls_back_to_the_other_way() {
    let ca = Ca::new("root");
    let tls = |site| ca.issue(&Wish::dns(&name(site))).config(&[], &[&ca]);
    // One knows the other by its certificate, the other knows one by its key.
    let mut one = side(1, vec![peer(2)], tls(1));
    let mut other = side(2, vec![config(1)], tls(2));
    one.call(FIRST, 2);
    other.call(FIRST, 1);
    run(&mut one, &mut other, Duration::from_secs(20));
    assert!(!one.is_up(FIRST) && !other.is_up(FIRST));
    // A hub with a peer of each kind.
    let mut hub = side(3, vec![peer(1), config(2)], tls(3));
    let mut one = side(1, vec![peer(3)], tls(1));
    let mut other = Side::new(2, vec![config(3)]);
    one.call(FIRST, 3);
    other.call(FIRST, 3);
    run(&mut one, &mut hub, Duration::from_secs(2));
    run(&mut other, &mut hub, Duration::from_secs(2));
    assert!(one.is_up(FIRST) && other.is_up(FIRST));
}

#[test]
fn handshakes_under_way_are_few_short_and_never_keep_a_known_peer_out() {
    let ca = Ca::new("root");
    let (mut one, mut other) = sides(&ca, wishes());
    // Where the peer is expected.
    other.with(|links, cx| links.set_endpoint(FIRST, vec![way_to(1)], cx));
    other.take_sent();
    let mut begun = 0;
    let mut reasons = Vec::new();
    for n in 0..2000u32 {
        let host = format!("10.{}.{}.1:1", n / 250, n % 250);
        let path = Path::new(0, host.parse().unwrap());
        let call = Call {
            index: n,
            nonce: [5; 16],
        };
        let mut answer = |bytes: Vec<u8>| {
            let mut bytes = bytes;
            other.now = other.now + Duration::from_micros(500);
            let taken = other.with(|links, cx| links.handle_datagram(path, &mut bytes, cx).map(|_| ()));
            (taken, other.take_sent())
        };
        let (_, cookie) = answer(call.hello());
        let (_, cookie) = Call::parse_cookie(&cookie[0]).unwrap();
        // The first bytes of a record that never ends.
        let part = Part {
            offset: 0,
            received: 0,
            bytes: &[22, 3, 1, 64, 0, 1],
        };
        let up = Up {
            call,
            cookie,
            again: false,
            part,
        };
        let (taken, sent) = answer(up.emit());
        assert!(sent.iter().map(Vec::len).sum::<usize>() <= up.emit().len());
        match taken {
            Ok(()) => begun += 1,
            Err(reason) => reasons.push(reason),
        }
    }
    assert!((1..=64 + 20).contains(&begun), "{begun}");
    assert!(reasons.contains(&DropReason::HandshakeRateLimited));
    let under_way = other.links.tls.half_open.under_way();
    assert!((20..=64).contains(&under_way), "{under_way}");
    one.now = other.now;
    one.call(FIRST, 2);
    for _ in 0..10 {
        carry(&mut one, &mut other);
    }
    assert!(one.is_up(FIRST) && other.is_up(FIRST), "meanwhile");
    other.pass_time(Duration::from_secs(11));
    assert_eq!(other.links.tls.half_open.under_way(), 0);
}

#[test]
fn garbage_ends_a_handshake_and_the_next_one_is_as_good_as_ever() {
    let ca = Ca::new("root");
    for at in 0..6 {
        let (mut one, mut other) = sides(&ca, wishes());
        one.call(FIRST, 2);
        let mut passed = 0;
        for _ in 0..6 {
            for mut datagram in one.take_sent() {
                if passed == at && datagram.len() > 60 {
                    let end = datagram.len() - 5;
                    datagram[end] ^= 1;
                }
                passed += 1;
                _ = other.take(1, &datagram);
            }
            for datagram in other.take_sent() {
                _ = one.take(2, &datagram);
            }
        }
        run(&mut one, &mut other, Duration::from_secs(25));
        assert!(
            one.is_up(FIRST) && other.is_up(FIRST),
            "{at}: {:?} {:?}",
            one.log(),
            other.log()
        );
    }
}

#[test]
fn what_two_sides_accept_decides_as_behind_noise() {
    let ca = Ca::new("root");
    let (mut one, mut other) = sides(&ca, wishes());
    one.with(|links, cx| {
        let change = PeerConfig {
            protection: vec![Protection::Authenticate],
            ..peer(2)
        };
        links.change(FIRST, change, cx);
    });
    let (ours, theirs) = refused(&mut one, &mut other);
    assert!(has(&ours, "no common protection mode") && has(&theirs, "no common protection mode"));
}

#[test]
fn a_certificate_of_two_peers_is_that_of_neither() {
    let ca = Ca::new("root");
    let both = Wish {
        names: vec![CertificateName::dns(&name(1)), CertificateName::dns(&name(3))],
        ..Wish::dns(&name(1))
    };
    let (mut one, _) = sides(&ca, [both, Wish::dns(&name(2))]);
    let tls = ca.issue(&Wish::dns(&name(2))).config(&[], &[&ca]);
    let mut other = side(2, vec![peer(1), peer(3)], tls);
    let (_, theirs) = refused(&mut one, &mut other);
    assert!(has(&theirs, "not exactly one [[peer]]"), "{theirs:?}");
}

#[test]
fn a_revoked_key_ends_a_session_and_comes_back_in_no_other_certificate() {
    let ca = Ca::new("root");
    let (mut one, mut other) = pair(&ca);
    let proof = other.link(FIRST).sessions.current.as_ref().unwrap();
    let chain = proof.proof.as_ref().unwrap().chain.clone();
    let (_, read) = x509_parser::parse_x509_certificate(&chain[0]).unwrap();
    let spki = *SpkiHash::of(read.public_key().raw).as_bytes();
    let revoked = Revoked {
        certificates: [spki].into(),
        ..Revoked::default()
    };
    other.with(|links, cx| links.set_revoked(revoked, cx));
    assert!(!other.is_up(FIRST));
    assert!(has(&other.log(), "the peer's certificate is revoked"));
    run(&mut one, &mut other, Duration::from_secs(10));
    assert!(!one.is_up(FIRST) && !other.is_up(FIRST));
    assert!(has(&one.log(), "it says that our certificate is revoked"));
    other.with(|links, cx| links.set_revoked(Revoked::default(), cx));
    run(&mut one, &mut other, Duration::from_secs(10));
    assert!(one.is_up(FIRST) && other.is_up(FIRST));
}
