//! Handshakes between two real gateways, with a third party on the path who knows both public keys.

use std::net::SocketAddr;
use std::time::Duration;

use aoe_common::frame::Tag;
use aws_lc_rs::{digest, hmac};

use crate::input::Input;
use crate::pair::Pair;
use crate::station::{ata_request, initiator_mac, is_ata_success};
use crate::world::{Gateway, IMPORT, IMPORTS, own_mac, public_key};

const TYPE_FIRST: u8 = 1;
const MACS_LEN: usize = 32;
const MAC_LEN: usize = 16;
const READ: u8 = 0x24;
/// Operations of one input; more only take time.
const MAX_OPERATIONS: usize = 200;

/// Alters, drops, repeats and reorders what two gateways say to each other, then leaves them alone.
///
/// # Panics
/// If a gateway panics, answers a stranger with more than it was sent, or if the two do not find each other once
/// they are left alone.
pub fn handshake(data: &[u8]) {
    let mut input = Input::new(data);
    let mut pair = Pair::start();
    pair.act(0, Gateway::call);
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        operate(&mut pair, &mut input);
    }
    leave_alone(&mut pair);
}

fn operate(pair: &mut Pair, input: &mut Input<'_>) {
    let operation = input.byte() % 16;
    match operation {
        0 => pair.wait(Duration::from_millis(100) * u32::from(input.byte())),
        1 => {
            pair.act(input.byte() & 1, Gateway::call);
        }
        2 => pair.restart(input.byte() & 1),
        3 => pair.wire.rotate_left(usize::from(!pair.wire.is_empty())),
        _ => {}
    }
    if operation <= 3 {
        return;
    }
    let Some((side, genuine)) = pair.wire.pop_front() else {
        return;
    };
    let mut bytes = genuine.clone();
    match operation {
        4 => return,
        5 => pair.wire.push_back((side, genuine.clone())),
        6 => pair.wire.push_front((side, genuine.clone())),
        7 => {
            let from = SocketAddr::from(([198, 51, 100, 1], u16::from(input.byte())));
            let emitted = pair.act(side, |gateway| gateway.datagram(from, &bytes));
            bounded(&genuine, &emitted.datagrams);
            return;
        }
        8 => bytes.truncate(usize::from(input.word()) % bytes.len()),
        9 => bytes.extend_from_slice(input.block()),
        10 | 11 => {
            let at = usize::from(input.word()) % bytes.len();
            bytes[at] ^= input.byte().max(1);
        }
        12 => {
            let at = usize::from(input.word()) % bytes.len();
            let new = input.block();
            let new = &new[..new.len().min(bytes.len() - at)];
            bytes[at..at + new.len()].copy_from_slice(new);
        }
        13 => {
            // The head of one, the tail of another.
            if let Some((_, other)) = pair.wire.front() {
                let at = usize::from(input.word()) % bytes.len();
                bytes.truncate(at);
                bytes.extend_from_slice(other.get(at..).unwrap_or_default());
            }
        }
        _ => {}
    }
    if operation == 11 || operation == 12 || operation == 13 {
        fit_mac1(side, &mut bytes);
    }
    let emitted = pair.deliver(side, &bytes);
    bounded(&bytes, &emitted.datagrams);
}

/// A first message is never answered with more than itself.
fn bounded(asked: &[u8], answers: &[Vec<u8>]) {
    let answered: usize = answers.iter().map(Vec::len).sum();
    assert!(
        asked.first() != Some(&TYPE_FIRST) || answered <= asked.len(),
        "{answered} bytes for {}",
        asked.len()
    );
}

/// What anybody can do who knows the receiver's public key.
pub(crate) fn fit_mac1(side: u8, message: &mut [u8]) {
    let Some(body_len) = message.len().checked_sub(MACS_LEN) else {
        return;
    };
    let mut label = b"aoe-gateway mac1 1".to_vec();
    label.extend_from_slice(public_key(side).as_bytes());
    let key = digest::digest(&digest::SHA256, &label);
    let mac1 = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()),
        &message[..body_len],
    );
    message[body_len..body_len + MAC_LEN].copy_from_slice(&mac1.as_ref()[..MAC_LEN]);
}

/// Whatever happened before: after half a minute of peace an initiator on either side reads from the other.
fn leave_alone(pair: &mut Pair) {
    pair.settle();
    pair.restart(0);
    pair.act(0, Gateway::call);
    for _ in 0..120 {
        pair.settle();
        pair.wait(Duration::from_millis(250));
    }
    for side in [0, 1] {
        pair.settle();
        pair.heard.clear();
        let way = (initiator_mac(0), own_mac(side, IMPORTS));
        let request = ata_request(way, IMPORT, Tag(0x1234), READ, 1, 5);
        pair.act(side, |gateway| gateway.frame(IMPORTS, &request));
        pair.settle();
        let answered = pair.heard.iter().any(|(_, frame)| is_ata_success(frame));
        let events = &pair.gateway(side).events;
        assert!(
            answered,
            "an initiator at gateway {side} reads nothing: {events:?}"
        );
    }
}
