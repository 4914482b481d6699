//! A vector of another Noise library, by the primitives and the split of keys that sessions are made with.

use aoe_keys::{PublicKey, SecretKey};
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use snow::HandshakeState;

use super::{append, with_prologue};

const VECTOR: &str =
    include_str!("../../../../../../tests/vectors/noise/ikpsk2-25519-chachapoly-blake2s.txt");

fn value(name: &str) -> Vec<u8> {
    let line = VECTOR
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let text = line.unwrap_or_else(|| panic!("no {name}")).as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.chunks(2).map(byte).collect()
}

fn key(name: &str) -> [u8; 32] {
    value(name).try_into().unwrap()
}

fn secret(name: &str) -> SecretKey {
    SecretKey::from_bytes(key(name))
}

/// Writes message `number`, which must be that of the vector, and reads it.
fn pass(number: usize, from: &mut HandshakeState, to: &mut HandshakeState) {
    let (payload, expected) = (
        value(&format!("payload-{number}")),
        value(&format!("message-{number}")),
    );
    let mut message = Vec::new();
    append(from, &payload, expected.len(), &mut message).unwrap();
    assert_eq!(message, expected, "message {number}");
    let mut read = vec![0; payload.len()];
    assert_eq!(to.read_message(&message, &mut read), Ok(payload.len()));
    assert_eq!(read, payload);
}

#[test]
fn both_sides_make_what_another_library_makes() {
    let (dialer_key, listener_key) = (secret("dialer-static"), secret("listener-static"));
    let (prologue, psk) = (value("prologue"), key("psk"));
    let theirs = PublicKey::from_bytes(key("listener-public"));
    assert_eq!(listener_key.public(), theirs);
    let side = |secret, ephemeral: &str| {
        let builder = with_prologue(secret, &prologue, Box::new(key(ephemeral).into())).unwrap();
        builder.psk(2, &psk).unwrap()
    };
    let dialer = side(&dialer_key, "dialer-ephemeral").remote_public_key(theirs.as_bytes());
    let mut dialer = dialer.unwrap().build_initiator().unwrap();
    let mut listener = side(&listener_key, "listener-ephemeral")
        .build_responder()
        .unwrap();
    pass(0, &mut dialer, &mut listener);
    pass(1, &mut listener, &mut dialer);
    assert_eq!(dialer.get_handshake_hash(), value("handshake-hash"));
    let (to_listener, to_dialer) = dialer.dangerously_get_raw_split();
    assert_eq!(listener.dangerously_get_raw_split(), (to_listener, to_dialer));
    // What the vector sends after the handshake: the first of each direction, with a nonce of zeros.
    for (number, key) in [(2, to_listener), (3, to_dialer)] {
        let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &key).unwrap());
        let mut message = value(&format!("message-{number}"));
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let opened = key.open_in_place(nonce, Aad::empty(), &mut message).unwrap();
        assert_eq!(opened, value(&format!("payload-{number}")), "message {number}");
    }
}
