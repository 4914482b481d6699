//! Hostile datagrams, from anybody.

use std::net::SocketAddr;
use std::time::Duration;

use crate::input::Input;
use crate::pair::Pair;
use crate::world::{Gateway, address};

/// Hands a gateway that is calling its peer a list of datagrams: a byte of choices, a length, the bytes.
///
/// # Panics
/// If the gateway panics, answers with more than it was sent, or says anything on a segment because of it.
pub fn datagram(data: &[u8]) {
    let mut input = Input::new(data);
    let side = input.byte() & 1;
    let mut pair = Pair::start();
    pair.act(side, Gateway::call);
    while !input.is_empty() {
        let choices = input.byte();
        if choices & 0xf0 != 0 {
            let time = Duration::from_millis(250) * u32::from(choices >> 4);
            pair.act(side, |gateway| gateway.wait(time));
        }
        let from = match choices & 3 {
            0 => address(1 - side),
            1 => address(side),
            2 => SocketAddr::from(([198, 51, 100, choices], 1)),
            _ => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(choices)], 34978)),
        };
        let bytes = input.block();
        let emitted = pair.act(side, |gateway| gateway.datagram(from, bytes));
        let answered: usize = emitted.datagrams.iter().map(Vec::len).sum();
        assert!(
            answered <= bytes.len(),
            "{answered} bytes for {} from a stranger",
            bytes.len()
        );
        assert!(emitted.frames.is_empty());
    }
    pair.befriend(side);
    pair.serve_friend(side, Duration::from_secs(1));
}
