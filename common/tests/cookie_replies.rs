//! A dialer and somebody on the path who sees its calls and knows the listener's public key.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and clippy sees only #[test] functions as tests"
)]

use std::time::Duration;

use aoe_common::config::{
    Endpoint, GatewayConfig, OwnKeys, PathMtu, PeerConfig, PeerId, Protection, Revoked, Trust, TunnelConfig,
};
use aoe_common::drop_reason::DropReason;
use aoe_common::engine::Engine;
use aoe_common::output::{Output, Path};
use aoe_common::telemetry::Count;
use aoe_common::time::Instant;
use aoe_keys::SecretKey;
use aws_lc_rs::{aead, digest, hmac};

const COOKIE: [u8; 16] = [0xc0; 16];

fn listener() -> SecretKey {
    SecretKey::from_bytes([2; 32])
}

fn dialer(now: Instant) -> Engine {
    gateway(
        "dialer",
        SecretKey::from_bytes([1; 32]),
        "listener",
        listener(),
        now,
    )
}

fn gateway(name: &str, secret: SecretKey, peer: &str, peer_secret: SecretKey, now: Instant) -> Engine {
    let peer = PeerConfig {
        name: peer.to_owned(),
        trust: Trust::of_key(peer_secret.public()),
        endpoint: Endpoint::Known,
        endpoint_pinned: false,
        protection: vec![Protection::Encrypt],
        path_mtu: PathMtu::Fixed(1280),
        limit: Default::default(),
    };
    let config = GatewayConfig {
        name: name.to_owned(),
        keys: OwnKeys::of(secret),
        revoked: Revoked::default(),
        tls: None,
        segments: Vec::new().into(),
        peers: vec![peer].into(),
        exports: Vec::new().into(),
        imports: Vec::new().into(),
        tunnel: TunnelConfig::default(),
    };
    Engine::new(config, [3; 32], now, Duration::from_secs(1_790_000_000))
}

fn path() -> Path {
    Path::new(0, "192.0.2.2:34978".parse().unwrap())
}

/// The datagrams of one batch.
fn take(out: &mut Output) -> Vec<Vec<u8>> {
    let datagrams = out
        .trains
        .iter()
        .flat_map(|train| train.datagrams().map(<[u8]>::to_vec))
        .collect();
    out.clear();
    datagrams
}

/// What a listener under load answers to `call`, as `docs/protocol.md` says.
fn cookie_reply(call: &[u8]) -> Vec<u8> {
    let label = [&b"aoe-gateway cookie 1"[..], listener().public().as_bytes()].concat();
    let nonce = [7; 16];
    let key = hmac::sign(
        &hmac_key(digest::digest(&digest::SHA256, &label).as_ref()),
        &nonce,
    );
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::CHACHA20_POLY1305, key.as_ref()).unwrap());
    let mut sealed = COOKIE.to_vec();
    let zero = aead::Nonce::assume_unique_for_key([0; 12]);
    key.seal_in_place_append_tag(zero, aead::Aad::from(&call[144..160]), &mut sealed)
        .unwrap();
    [&[3, 0, 0, 0], &call[4..8], &nonce, &sealed].concat()
}

fn hmac_key(secret: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret)
}

#[test]
fn cookie_replies_make_no_gateway_call_without_end() {
    let mut now = Instant::default();
    let (mut engine, mut out) = (dialer(now), Output::default());
    engine.set_endpoint(PeerId(0), vec![path()], now, &mut out);
    let mut call = take(&mut out).pop().unwrap();
    assert_eq!(call[160..176], [0; 16], "no cookie yet");

    let mut calls_at_once = 0;
    for _ in 0..100 {
        engine.handle_datagram(path(), &mut cookie_reply(&call), now, &mut out);
        for again in take(&mut out) {
            call = again;
            calls_at_once += 1;
        }
    }
    assert_eq!(calls_at_once, 1, "the first cookie is used at once, others wait");
    let mac2 = hmac::sign(&hmac_key(&COOKIE), &call[..160]);
    assert_eq!(call[160..176], mac2.as_ref()[..16]);

    now = now + Duration::from_secs(3);
    engine.handle_timeout(now, &mut out);
    let later = take(&mut out).pop().expect("it goes on calling by its timer");
    let mac2 = hmac::sign(&hmac_key(&COOKIE), &later[..160]);
    assert_eq!(later[160..176], mac2.as_ref()[..16]);
}

/// An answer to `call` that only lacks the keys to be genuine.
fn forged_answer(call: &[u8], n: u32) -> Vec<u8> {
    let mut answer = [&[2, 0, 0, 0, 9, 9, 9, 9], &call[4..8]].concat();
    // Nearly any bytes are an ephemeral key: this one would cost the curve operations.
    answer.extend_from_slice(&[7; 56]);
    answer.extend_from_slice(&n.to_be_bytes());
    let dialer = SecretKey::from_bytes([1; 32]).public();
    let label = [&b"aoe-gateway mac1 1"[..], dialer.as_bytes()].concat();
    let mac1 = hmac::sign(
        &hmac_key(digest::digest(&digest::SHA256, &label).as_ref()),
        &answer,
    );
    answer.extend_from_slice(&mac1.as_ref()[..16]);
    answer.extend_from_slice(&[n.to_be_bytes(); 4].concat());
    answer
}

#[test]
fn forged_answers_cost_no_curve_operation_and_the_genuine_one_counts_after_any_number() {
    let now = Instant::default();
    let (mut engine, mut out) = (dialer(now), Output::default());
    engine.set_endpoint(PeerId(0), vec![path()], now, &mut out);
    let call = take(&mut out).pop().unwrap();
    let mut listener = gateway(
        "listener",
        listener(),
        "dialer",
        SecretKey::from_bytes([1; 32]),
        now,
    );
    listener.handle_datagram(path(), &mut call.clone(), now, &mut out);
    let genuine = take(&mut out).pop().expect("an answer");
    for n in 0..10_000 {
        engine.handle_datagram(path(), &mut forged_answer(&call, n), now, &mut out);
        // The genuine one, with another ephemeral key, or another mark.
        let mut altered = genuine.clone();
        altered[12 + n as usize % 92] ^= 1;
        engine.handle_datagram(path(), &mut altered, now, &mut out);
    }
    let counters = engine.counters();
    assert!(counters.dropped(DropReason::HandshakeForged) >= 10_000);
    assert_eq!(
        counters.dropped(DropReason::HandshakeUndecryptable),
        0,
        "none was computed"
    );
    engine.handle_datagram(path(), &mut genuine.clone(), now, &mut out);
    assert_eq!(engine.counters().count(Count::Handshakes), 1);
}
