//! Two engines, their segments and the wire between them, under any order of events.

use std::collections::HashMap;
use std::time::Duration;

use aoe_common::engine::Engine;
use aoe_common::frame::{Address, MacAddr, Tag};
use aoe_common::segment::SegmentState;

use crate::input::Input;
use crate::pair::Pair;
use crate::station::{self, ata_request, initiator_mac, is_ata_success, query};
use crate::world::{EXPORTS, Gateway, IMPORT, IMPORTS, own_mac};

const INITIATORS: u8 = 3;
const OPCODES: [u8; 8] = [0x20, 0x24, 0x30, 0x34, 0xe7, 0xec, 0xe5, 0xb0];
const MTUS: [Option<u16>; 8] = [
    None,
    Some(0),
    Some(36),
    Some(46),
    Some(1060),
    Some(1500),
    Some(9000),
    Some(u16::MAX),
];
/// Operations of one input; more only take time.
const MAX_OPERATIONS: usize = 400;

/// Equal questions of one initiator that one answer may be the answer to.
const COPIES: u32 = 3;

/// What initiators asked and heard, to compare.
#[derive(Default)]
struct Account {
    /// By gateway, initiator and tag: questions not yet answered.
    open: HashMap<(u8, MacAddr, Tag), u32>,
    /// Successes that the target of each gateway reported and the other's initiators have not heard of.
    successes: [u32; 2],
}

/// Plays the operations that `data` spells.
///
/// # Panics
/// If a gateway panics, if it emits a frame that its configuration does not allow (see the checks in `world`), if
/// an initiator hears an answer it did not ask for, or of a success that no target reported.
pub fn engine(data: &[u8]) {
    let mut input = Input::new(data);
    let choices = input.byte();
    let mut pair = if choices & 1 == 0 {
        Pair::established()
    } else {
        Pair::start()
    };
    let friendly = choices >> 1 & 1;
    pair.befriend(friendly);
    let mut account = Account::default();
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        operate(&mut pair, &mut account, &mut input);
        account.compare(&mut pair);
    }
    // Until it is clear who is a peer's new process, who is a target, and which disk it is.
    pair.serve_friend(friendly, Duration::from_secs(60));
    account.compare(&mut pair);
    pair.wait(Duration::from_secs(60));
    account.compare(&mut pair);
}

fn operate(pair: &mut Pair, account: &mut Account, input: &mut Input<'_>) {
    let choices = input.byte();
    let side = choices >> 7;
    match (choices & 0x7f) % 20 {
        0 => account.target_says(pair, side, input.block()),
        1 => account.initiator_says(pair, side, input.block()),
        2 => {
            let (way, address, tag) = question(side, input);
            let opcode = OPCODES[usize::from(input.byte()) % OPCODES.len()];
            let frame = ata_request(way, address, tag, opcode, input.byte() % 20, input.byte());
            account.initiator_says(pair, side, &frame);
        }
        3 => {
            let (way, address, tag) = question(side, input);
            account.initiator_says(pair, side, &query(way, address, tag, input.byte() % 6));
        }
        4 => answer(pair, account, side),
        5 => {
            // It says so twice, and reports one success.
            if let Some(request) = pair.asked[usize::from(side)].front().cloned() {
                answer(pair, account, side);
                pair.target_says(side, &station::answer(side, &request));
            }
        }
        6 => {
            // An answer damaged on its way; not where it says success.
            let Some(request) = pair.asked[usize::from(side)].pop_front() else {
                return;
            };
            let mut frame = station::answer(side, &request);
            let at = usize::from(input.word()) % frame.len();
            frame[at] ^= input.byte();
            let cut = usize::from(input.byte());
            frame.truncate(frame.len().saturating_sub(cut));
            account.target_says(pair, side, &frame);
        }
        7..=9 => {
            if let Some((to, datagram)) = pair.wire.pop_front() {
                pair.deliver(to, &datagram);
            }
        }
        10 => {
            pair.wire.pop_front();
        }
        11 => {
            if let Some(datagram) = pair.wire.front().cloned() {
                pair.wire.push_back(datagram);
            }
        }
        12 => pair.wire.rotate_left(usize::from(!pair.wire.is_empty())),
        13 => {
            if let Some((to, mut datagram)) = pair.wire.pop_front() {
                let at = usize::from(input.word()) % datagram.len();
                datagram[at] ^= input.byte();
                pair.deliver(to, &datagram);
            }
        }
        14 => pair.wait(Duration::from_millis(4) * u32::from(input.byte())),
        15 => {
            let gateway = pair.gateway(side);
            let due = gateway.engine.deadline().at.saturating_since(gateway.now);
            pair.wait(due.min(Duration::from_secs(30)));
        }
        16 => {
            let segment = if input.byte() & 1 == 0 { EXPORTS } else { IMPORTS };
            let mtu = MTUS[usize::from(input.byte()) % MTUS.len()];
            pair.act(side, |gateway| gateway.set_segment(segment, mtu));
        }
        17 => {
            let bytes = input.block();
            pair.deliver(side, bytes);
        }
        18 => match input.byte() % 4 {
            0 => pair.restart(side),
            1 => {
                pair.act(side, |gateway| gateway.act(Engine::shutdown));
                pair.restart(side);
            }
            _ => {
                pair.act(side, Gateway::call);
            }
        },
        _ => run(pair, account),
    }
}

/// Everything under way arrives, and targets answer, for a while.
fn run(pair: &mut Pair, account: &mut Account) {
    for _ in 0..64 {
        if let Some((to, datagram)) = pair.wire.pop_front() {
            pair.deliver(to, &datagram);
        }
        for side in [0, 1] {
            answer(pair, account, side);
        }
        account.compare(pair);
    }
}

fn answer(pair: &mut Pair, account: &mut Account, side: u8) {
    if let Some(request) = pair.asked[usize::from(side)].pop_front() {
        account.target_says(pair, side, &station::answer(side, &request));
    }
}

/// Who asks whom, and with which tag.
fn question(side: u8, input: &mut Input<'_>) -> ((MacAddr, MacAddr), Address, Tag) {
    let choices = input.byte();
    let from = initiator_mac(choices % INITIATORS);
    let to = if choices & 0x80 == 0 {
        own_mac(side, IMPORTS)
    } else {
        MacAddr::BROADCAST
    };
    let address = match choices >> 4 & 3 {
        0 => Address {
            shelf: 0xffff,
            slot: 0xff,
        },
        1 => Address { slot: 0xff, ..IMPORT },
        _ => IMPORT,
    };
    ((from, to), address, Tag(u32::from(input.byte()) + 1))
}

impl Account {
    fn initiator_says(&mut self, pair: &mut Pair, side: u8, frame: &[u8]) {
        if let Some((_, from, tag)) = station::who(frame) {
            *self.open.entry((side, from, tag)).or_default() += 1;
        }
        pair.act(side, |gateway| gateway.frame(IMPORTS, frame));
    }

    fn target_says(&mut self, pair: &mut Pair, side: u8, frame: &[u8]) {
        let is_up = pair.gateway(side).states[usize::from(EXPORTS.0)] != SegmentState::Down;
        if is_up && is_ata_success(frame) {
            self.successes[usize::from(side)] += COPIES;
        }
        pair.target_says(side, frame);
    }

    /// Takes what initiators heard since the last time.
    fn compare(&mut self, pair: &mut Pair) {
        for (side, frame) in pair.heard.drain(..) {
            let (to, _, tag) = station::who(&frame).unwrap();
            // Tag 0 is that of an advertisement, which nobody asks for.
            if tag != Tag(0) {
                let open = self.open.get_mut(&(side, to, tag));
                let open = open.unwrap_or_else(|| panic!("{to} never asked with tag {tag}"));
                *open = open
                    .checked_sub(1)
                    .unwrap_or_else(|| panic!("a second answer to tag {tag} of {to}"));
            }
            if is_ata_success(&frame) {
                let reported = &mut self.successes[usize::from(1 - side)];
                *reported = reported
                    .checked_sub(1)
                    .expect("a success that no target reported");
            }
        }
    }
}
