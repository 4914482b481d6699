//! The datagrams that carry a TLS handshake.
//!
//! ```text
//! hello   5 0 0 0 | dialer's index | nonce (16) | zeros to 64 bytes
//! cookie  6 0 0 0 | dialer's index | nonce (16) | cookie (16)
//! up      7 f 0 0 | dialer's index | nonce (16) | cookie (16) | offset (2) | received (2) | bytes
//! down    8 0 0 0 | dialer's index | nonce (16) | offset (2) | received (2) | bytes
//! ```
//! An index has 4 bytes. f is 1 if the dialer misses something: what it did not acknowledge is sent again.

use crate::tunnel::record::{TYPE_TLS_COOKIE, TYPE_TLS_DOWN, TYPE_TLS_HELLO, TYPE_TLS_UP};

/// Length of a hello: never shorter than its answer.
pub(crate) const HELLO_LEN: usize = 64;
/// Length of a cookie datagram.
pub(crate) const COOKIE_LEN: usize = 40;
/// The longest datagram with bytes of the handshake: it fits an IPv6 packet of 1280 bytes.
pub(crate) const LONGEST: usize = 1232;
const UP_HEAD: usize = 44;
const DOWN_HEAD: usize = 28;
/// Most bytes of the handshake that one datagram carries.
pub(super) const BODY: usize = LONGEST - UP_HEAD;

/// Random, drawn by the dialer for each of its calls: who has not seen the call does not know it.
pub(crate) type Nonce = [u8; 16];
/// Shows that its sender receives at its address.
pub(crate) type Cookie = [u8; 16];

/// Which call of which dialer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The dialer's index of the session to be.
    pub(crate) index: u32,
    pub(crate) nonce: Nonce,
}

/// A part of the handshake's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    /// Where its bytes belong.
    pub(crate) offset: u16,
    /// All bytes of the other direction before this one have come.
    pub(crate) received: u16,
    pub(crate) bytes: &'a [u8],
}

/// What a dialer sends once it has a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Up<'a> {
    pub(crate) call: Call,
    pub(crate) cookie: Cookie,
    /// Whether the dialer misses something.
    pub(crate) again: bool,
    pub(crate) part: Part<'a>,
}

/// What a listener answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Down<'a> {
    pub(crate) call: Call,
    pub(crate) part: Part<'a>,
}

impl Call {
    pub(crate) fn hello(self) -> Vec<u8> {
        let mut bytes = self.head(TYPE_TLS_HELLO, 0);
        bytes.resize(HELLO_LEN, 0);
        bytes
    }

    /// Reads a hello; `None` if it is none.
    pub(crate) fn parse_hello(datagram: &[u8]) -> Option<Call> {
        if datagram.len() != HELLO_LEN {
            return None;
        }
        let (call, flags, padding) = Call::parse(datagram, TYPE_TLS_HELLO)?;
        (flags == 0 && padding.iter().all(|byte| *byte == 0)).then_some(call)
    }

    pub(crate) fn cookie(self, cookie: &Cookie) -> Vec<u8> {
        let mut bytes = self.head(TYPE_TLS_COOKIE, 0);
        bytes.extend_from_slice(cookie);
        bytes
    }

    /// Reads a cookie datagram.
    pub(crate) fn parse_cookie(datagram: &[u8]) -> Option<(Call, Cookie)> {
        let (call, flags, cookie) = Call::parse(datagram, TYPE_TLS_COOKIE)?;
        (flags == 0).then_some((call, cookie.try_into().ok()?))
    }

    fn head(self, kind: u8, flags: u8) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LONGEST);
        bytes.extend_from_slice(&[kind, flags, 0, 0]);
        bytes.extend_from_slice(&self.index.to_be_bytes());
        bytes.extend_from_slice(&self.nonce);
        bytes
    }

    fn parse(datagram: &[u8], kind: u8) -> Option<(Call, u8, &[u8])> {
        let mut rest = datagram;
        let [found, flags, 0, 0] = take(&mut rest)? else {
            return None;
        };
        let index = u32::from_be_bytes(take(&mut rest)?);
        let nonce = take(&mut rest)?;
        (found == kind).then_some((Call { index, nonce }, flags, rest))
    }
}

impl<'a> Part<'a> {
    fn emit(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.offset.to_be_bytes());
        bytes.extend_from_slice(&self.received.to_be_bytes());
        bytes.extend_from_slice(self.bytes);
    }

    fn parse(mut rest: &'a [u8]) -> Option<Part<'a>> {
        let offset = u16::from_be_bytes(take(&mut rest)?);
        let received = u16::from_be_bytes(take(&mut rest)?);
        Some(Part {
            offset,
            received,
            bytes: rest,
        })
    }
}

impl<'a> Up<'a> {
    pub(crate) fn emit(&self) -> Vec<u8> {
        let mut bytes = self.call.head(TYPE_TLS_UP, self.again.into());
        bytes.extend_from_slice(&self.cookie);
        self.part.emit(&mut bytes);
        bytes
    }

    /// Reads one; `None` if it is none, or too long.
    pub(crate) fn parse(datagram: &'a [u8]) -> Option<Up<'a>> {
        if datagram.len() > LONGEST {
            return None;
        }
        let (call, flags, mut rest) = Call::parse(datagram, TYPE_TLS_UP)?;
        let again = match flags {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(Up {
            call,
            cookie: take(&mut rest)?,
            again,
            part: Part::parse(rest)?,
        })
    }
}

impl<'a> Down<'a> {
    pub(crate) fn emit(&self) -> Vec<u8> {
        let mut bytes = self.call.head(TYPE_TLS_DOWN, 0);
        self.part.emit(&mut bytes);
        bytes
    }

    /// Reads one; `None` if it is none, or too long.
    pub(crate) fn parse(datagram: &'a [u8]) -> Option<Down<'a>> {
        if datagram.len() > LONGEST {
            return None;
        }
        let (call, flags, rest) = Call::parse(datagram, TYPE_TLS_DOWN)?;
        let part = Part::parse(rest)?;
        (flags == 0).then_some(Down { call, part })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (chunk, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*chunk)
}

const _: () = assert!(COOKIE_LEN <= HELLO_LEN && DOWN_HEAD <= UP_HEAD);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CALL: Call = Call {
        index: 0x0102_0304,
        nonce: [7; 16],
    };

    #[test]
    fn datagrams_are_as_documented() {
        let hello = CALL.hello();
        assert_eq!((hello.len(), &hello[..9]), (64, &[5, 0, 0, 0, 1, 2, 3, 4, 7][..]));
        assert_eq!(Call::parse_hello(&hello), Some(CALL));
        let cookie = CALL.cookie(&[9; 16]);
        assert_eq!((cookie.len(), cookie[0]), (COOKIE_LEN, 6));
        assert_eq!(Call::parse_cookie(&cookie), Some((CALL, [9; 16])));
        let part = Part {
            offset: 0x0506,
            received: 0x0708,
            bytes: b"abc",
        };
        let up = Up {
            call: CALL,
            cookie: [9; 16],
            again: true,
            part,
        };
        let bytes = up.emit();
        assert_eq!(bytes[..4], [7, 1, 0, 0]);
        assert_eq!(bytes[40..], [5, 6, 7, 8, b'a', b'b', b'c']);
        assert_eq!(Up::parse(&bytes), Some(up));
        let down = Down { call: CALL, part };
        let bytes = down.emit();
        assert_eq!(bytes[24..], [5, 6, 7, 8, b'a', b'b', b'c']);
        assert_eq!(Down::parse(&bytes), Some(down));
    }

    #[test]
    fn what_is_damaged_is_none() {
        let hello = CALL.hello();
        for at in [0, 1, 2, 3, 63] {
            let mut bad = hello.clone();
            bad[at] ^= 0x40;
            assert_eq!(Call::parse_hello(&bad), None, "byte {at}");
        }
        assert_eq!(Call::parse_hello(&hello[..63]), None);
        assert_eq!(Call::parse_cookie(&CALL.cookie(&[1; 16])[..39]), None);
        assert_eq!(Up::parse(&[7; LONGEST + 1]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100), kind in 5u8..9) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            if let Some(up) = Up::parse(&bytes) {
                prop_assert_eq!(up.emit(), bytes.clone());
            }
            if let Some(down) = Down::parse(&bytes) {
                prop_assert_eq!(down.emit(), bytes.clone());
            }
            let _ = (Call::parse_hello(&bytes), Call::parse_cookie(&bytes));
        }
    }
}
