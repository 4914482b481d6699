//! A peer that is who it says, and lies about everything else.

use std::collections::HashSet;
use std::time::Duration;

use aoe_common::frame::{MacAddr, Tag};

use crate::input::Input;
use crate::pair::Pair;
use crate::station::{ata_request, initiator_mac, is_ata, who};
use crate::world::{Gateway, IMPORT, IMPORTS, PEER, own_mac};

const READ: u8 = 0x24;
const STALE: u8 = 0xee;
const INITIATORS: u8 = 3;
/// Operations of one input; more only take time.
const MAX_OPERATIONS: usize = 400;
/// A second peer is served after so many operations, and at the end.
const SERVED_EVERY: usize = 48;
/// Seconds for which an exit keeps a request at most, once the target is back, and some.
const KEPT: u32 = 90;

/// Hands a gateway with a session, a target and an import payloads that its peer did seal, while its own target
/// and initiators go on as ever.
///
/// # Panics
/// If the gateway panics, if any frame it emits is one that its configuration does not allow (see the checks in
/// `world`), if somebody who asked nothing is answered, if a second peer is not served in its turn, or if requests are kept
/// forever.
pub fn payload(data: &[u8]) {
    let side = data.first().map_or(0, |byte| byte & 1);
    let mut pair = play(data, |pair, operations| match operations {
        0 => pair.befriend(side),
        n if n % SERVED_EVERY == 0 => pair.serve_friend_in_its_turn(side),
        _ => {}
    });
    pair.serve_friend_in_its_turn(side);
    for _ in 0..KEPT {
        pair.act(side, |gateway| gateway.wait(Duration::from_secs(1)));
        // Of a target that is away, writes that it was sent are remembered until it is back.
        while !pair.asked[usize::from(side)].is_empty() {
            pair.answer_oldest(side);
        }
        pair.wire.clear();
    }
    let left = pair.gateway(side).engine.requests_at_exit();
    assert_eq!(left, 0, "requests are kept forever");
}

/// Two gateways that go through all that `data` spells; `before` is called before each operation with its number.
pub(crate) fn play(data: &[u8], before: impl Fn(&mut Pair, usize)) -> Pair {
    let mut input = Input::new(data);
    let mut pair = Pair::established();
    let mut asked = HashSet::new();
    let side = input.byte() & 1;
    for operations in 0..MAX_OPERATIONS {
        before(&mut pair, operations);
        if input.is_empty() {
            break;
        }
        operate(&mut pair, side, &mut asked, &mut input);
        // The true peer hears nothing of all this.
        pair.wire.clear();
        for (_, frame) in pair.heard.drain(..) {
            let (to, _, _) = who(&frame).unwrap();
            assert!(
                !is_ata(&frame) || asked.contains(&to),
                "{to} asked nothing and is answered"
            );
        }
    }
    pair
}

fn operate(pair: &mut Pair, side: u8, asked: &mut HashSet<MacAddr>, input: &mut Input<'_>) {
    match input.byte() % 8 {
        0 => pair.answer_oldest(side),
        1 => {
            let time = Duration::from_millis(10) * u32::from(input.byte());
            pair.act(side, |gateway| gateway.wait(time));
        }
        2 => {
            let initiator = initiator_mac(input.byte() % INITIATORS);
            asked.insert(initiator);
            let way = (initiator, own_mac(side, IMPORTS));
            let request = ata_request(way, IMPORT, Tag(input.byte().into()), READ, 1, 0);
            pair.act(side, |gateway| gateway.frame(IMPORTS, &request));
        }
        3 => say(pair, side, input.block()),
        4 => {
            // Whole messages, their lengths put right.
            let mut payload = Vec::new();
            for _ in 0..=input.byte() % 4 {
                let kind = input.byte();
                let message = input.block();
                payload.extend_from_slice(&[kind, 0]);
                payload.extend_from_slice(&u16::try_from(message.len()).unwrap().to_be_bytes());
                payload.extend_from_slice(message);
            }
            say(pair, side, &payload);
        }
        5 => {
            // One message in parts, in or out of order.
            let (kind, number, size) = (input.byte(), input.byte(), usize::from(input.byte()).max(1));
            let message = input.block();
            let mut parts: Vec<_> = message.chunks(size).zip((0..).step_by(size)).collect();
            if number & 1 != 0 {
                parts.reverse();
            }
            for (part, at) in parts {
                say(
                    pair,
                    side,
                    &fragment(kind, number.into(), at, message.len(), part),
                );
            }
        }
        6 => {
            let (kind, number, at, total) = (input.byte(), input.byte(), input.word(), input.word());
            let part = input.block();
            let payload = fragment(kind, number.into(), at.into(), total.into(), part);
            say(pair, side, &payload);
        }
        _ => {
            // A request as it should be, but for what the input says.
            let (export, import, initiator) = (input.byte(), input.byte(), input.byte() % INITIATORS);
            let mut payload = vec![1, 0, 0, 0, 0, export, 0, import];
            payload.extend_from_slice(&initiator_mac(initiator).0);
            let (opcode, sectors, lba) = (input.byte(), input.byte() % 4, input.byte());
            payload.extend_from_slice(&u64::from(lba).to_be_bytes());
            // Captured just now: both clocks go alike.
            let captured = pair.gateway(side).now.as_micros() & u64::from(u32::MAX);
            payload.extend_from_slice(&u32::try_from(captured).unwrap().to_be_bytes());
            let way = (initiator_mac(initiator), own_mac(side, IMPORTS));
            let frame = ata_request(way, IMPORT, Tag(lba.into()), opcode, sectors, lba);
            payload.extend_from_slice(&frame[14..]);
            let change = input.byte();
            payload.truncate(payload.len() - usize::from(change & 0x0f));
            payload.resize(payload.len() + usize::from(change >> 4) * 40, STALE);
            let at = usize::from(input.word());
            if let Some(byte) = payload.get_mut(4 + at) {
                *byte ^= input.byte();
            }
            let len = u16::try_from(payload.len() - 4).unwrap();
            payload[2..4].copy_from_slice(&len.to_be_bytes());
            say(pair, side, &payload);
        }
    }
}

fn say(pair: &mut Pair, side: u8, payload: &[u8]) {
    let input = |gateway: &mut Gateway| {
        gateway.act_on(payload.len(), |engine, now, out| {
            engine.handle_authentic_payload(PEER, payload, now, out)
        })
    };
    pair.act(side, input);
}

fn fragment(kind: u8, number: u32, at: usize, total: usize, part: &[u8]) -> Vec<u8> {
    let short = |number: usize| u16::try_from(number & 0xffff).unwrap().to_be_bytes();
    let mut payload = vec![kind, 1];
    payload.extend_from_slice(&short(part.len() + 8));
    payload.extend_from_slice(&number.to_be_bytes());
    payload.extend_from_slice(&short(at));
    payload.extend_from_slice(&short(total));
    payload.extend_from_slice(part);
    payload
}
