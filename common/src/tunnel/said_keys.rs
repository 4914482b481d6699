//! What a gateway says of its own static keys, and what the other answers.
//!
//! ```text
//!  keys             0        4     5        6
//!                  +--------+-----+--------+----------------------+
//!                  | serial | n   | in use | n keys, newest first |
//!                  +--------+-----+--------+----------------------+
//!  keys ack         0        4
//!                  +--------+--------+
//!                  | serial | answer |      0: kept, and counts; else why not
//!                  +--------+--------+
//! ```

use aoe_keys::PublicKey;

use super::message::take;
use crate::config::MOST_KEYS;
use crate::event::KeysFault;

/// A list of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SaidKeys {
    /// Growing while the sender's process lives.
    pub(crate) serial: u32,
    /// Each once, the newest first; never empty, at most [`MOST_KEYS`].
    pub(crate) keys: Vec<PublicKey>,
    /// Which of these the sender uses.
    pub(crate) in_use: usize,
}

impl SaidKeys {
    /// The bytes of the message.
    pub(crate) fn emit(&self) -> Vec<u8> {
        let small = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
        let mut message = self.serial.to_be_bytes().to_vec();
        message.extend([small(self.keys.len()), small(self.in_use)]);
        for key in &self.keys {
            message.extend_from_slice(key.as_bytes());
        }
        message
    }

    /// What these bytes say; `None`: nothing that makes sense.
    pub(crate) fn parse(message: &[u8]) -> Option<SaidKeys> {
        let mut rest = message;
        let serial = u32::from_be_bytes(take(&mut rest)?);
        let [n, in_use] = take(&mut rest)?.map(usize::from);
        let (keys, after) = rest.as_chunks::<32>();
        let is_right = (1..=MOST_KEYS).contains(&n) && keys.len() == n && after.is_empty() && in_use < n;
        let keys: Vec<PublicKey> = keys.iter().copied().map(PublicKey::from_bytes).collect();
        let known = |(place, key): (usize, &PublicKey)| keys.iter().take(place).any(|other| other == key);
        let is_twice = keys.iter().enumerate().any(known);
        // One key in two forms would be two; one that every secret leads to is nobody's.
        let is_good = keys.iter().all(|key| key.is_canonical() && key.is_contributory());
        (is_right && !is_twice && is_good).then_some(SaidKeys { serial, keys, in_use })
    }
}

/// The answer to a list with this serial.
pub(crate) fn emit_ack(serial: u32, outcome: Result<(), KeysFault>) -> Vec<u8> {
    let mut message = serial.to_be_bytes().to_vec();
    message.push(match outcome {
        Ok(()) => 0,
        Err(KeysFault::OfAnotherPeer) => 1,
        Err(KeysFault::OfTheReceiver) => 2,
        Err(KeysFault::Revoked) => 3,
        Err(KeysFault::WithoutItsOwn) => 4,
        Err(KeysFault::Unknown) => u8::MAX,
    });
    message
}

/// The serial and the answer; `None`: these bytes are none.
pub(crate) fn parse_ack(message: &[u8]) -> Option<(u32, Result<(), KeysFault>)> {
    let [serial @ .., answer] = <[u8; 5]>::try_from(message).ok()?;
    let outcome = match answer {
        0 => Ok(()),
        1 => Err(KeysFault::OfAnotherPeer),
        2 => Err(KeysFault::OfTheReceiver),
        3 => Err(KeysFault::Revoked),
        4 => Err(KeysFault::WithoutItsOwn),
        _ => Err(KeysFault::Unknown),
    };
    Some((u32::from_be_bytes(serial), outcome))
}

#[cfg(test)]
mod tests {
    use aoe_keys::SecretKey;
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> PublicKey {
        SecretKey::from_bytes([byte; 32]).public()
    }

    fn said(keys: &[u8], in_use: usize) -> SaidKeys {
        SaidKeys {
            serial: 7,
            keys: keys.iter().map(|byte| key(*byte)).collect(),
            in_use,
        }
    }

    #[test]
    fn a_list_survives_a_round_trip() {
        for list in [said(&[1], 0), said(&[2, 1], 1), said(&[4, 3, 2, 1], 3)] {
            assert_eq!(SaidKeys::parse(&list.emit()), Some(list));
        }
    }

    #[test]
    fn what_makes_no_sense_is_no_list() {
        for list in [
            said(&[], 0),
            said(&[5, 4, 3, 2, 1], 0),
            said(&[1], 1),
            said(&[2, 1, 2], 0),
        ] {
            assert_eq!(SaidKeys::parse(&list.emit()), None, "{list:?}");
        }
        let right = said(&[2, 1], 0).emit();
        for len in 0..right.len() {
            assert_eq!(SaidKeys::parse(&right[..len]), None, "{len} bytes");
        }
        let longer = [&right[..], &[0]].concat();
        assert_eq!(SaidKeys::parse(&longer), None);
        // A key that any secret leads to, and one in a form of its own.
        for bad in [[0; 32], [0xff; 32]] {
            let mut message = right.clone();
            message[6..38].copy_from_slice(&bad);
            assert_eq!(SaidKeys::parse(&message), None);
        }
    }

    #[test]
    fn every_answer_is_understood() {
        let faults = [
            KeysFault::OfAnotherPeer,
            KeysFault::OfTheReceiver,
            KeysFault::Revoked,
            KeysFault::WithoutItsOwn,
            KeysFault::Unknown,
        ];
        for outcome in faults.map(Err).into_iter().chain([Ok(())]) {
            assert_eq!(parse_ack(&emit_ack(9, outcome)), Some((9, outcome)));
        }
        assert_eq!(parse_ack(&[0, 0, 0, 9]), None);
        assert_eq!(parse_ack(&[0, 0, 0, 9, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_list_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(list) = SaidKeys::parse(&bytes) {
                prop_assert_eq!(list.emit(), bytes);
            }
        }
    }
}
