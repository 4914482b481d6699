//! What travels inside records: chunks, and the messages they carry.
//!
//! ```text
//!  chunk            0      1     2        4
//!                  +------+-----+--------+----------------------+
//!                  | kind | 0   | length | message, whole       |
//!                  +------+-----+--------+----------------------+
//!  chunk, fragment  0      1     2        4             8        10      12
//!                  +------+-----+--------+-------------+--------+-------+------+
//!                  | kind | 1   | length | message id  | offset | total | part |
//!                  +------+-----+--------+-------------+--------+-------+------+
//!  request          0        2        4           10       18         22
//!                  +--------+--------+-----------+--------+----------+----------+
//!                  | export | import | initiator | number | captured | AoE PDU  |
//!                  +--------+--------+-----------+--------+----------+----------+
//!  reply            0        2           8        16      20       24
//!                  +--------+-----------+--------+-------+--------+---------+
//!                  | import | initiator | number | queue | target | AoE PDU |
//!                  +--------+-----------+--------+-------+--------+---------+
//! ```
//! The Ethernet header does not travel; an AoE PDU starts at its Ver/Flags byte. `length` counts the bytes that
//! follow it up to the end of the chunk, so of a fragment its eight bytes of position too.

use crate::config::{ExportId, ImportId};
use crate::frame::MacAddr;

/// Longest message: the longest frame and a reply's head, which is the longest.
pub(crate) const MAX_MESSAGE_LEN: usize = crate::frame::MAX_FRAME_LEN + REPLY_HEAD_LEN;
/// Bytes of a chunk in front of a whole message.
pub(crate) const CHUNK_HEAD_LEN: usize = 4;
/// Bytes of a chunk in front of a part of a message.
pub(crate) const FRAGMENT_HEAD_LEN: usize = CHUNK_HEAD_LEN + POSITION_LEN;
const POSITION_LEN: usize = 8;
/// Bytes in front of a request's PDU.
pub(crate) const REQUEST_HEAD_LEN: usize = 22;
/// Bytes in front of a reply's PDU.
pub(crate) const REPLY_HEAD_LEN: usize = 24;

macro_rules! kinds {
    ($($(#[$doc:meta])+ $name:ident = $code:literal, $news:ident;)+) => {
        /// What a message is. Zero is no kind: it ends the chunks of a record, the rest is padding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind { $($(#[$doc])+ $name,)+ }

        impl Kind {
            #[cfg(test)]
            pub(crate) const ALL: &'static [Kind] = &[$(Kind::$name,)+];

            /// Whether its sender wants to hear that it arrived. Answers to an answer would never end.
            pub(crate) fn wants_news(self) -> bool {
                match self { $(Kind::$name => News::$news == News::Wanted,)+ }
            }

            fn code(self) -> u8 {
                match self { $(Kind::$name => $code,)+ }
            }

            fn decode(code: u8) -> Option<Kind> {
                match code {
                    $($code => Some(Kind::$name),)+
                    _ => None,
                }
            }
        }
    };
}

/// Whether the sender of a message wants to hear that it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Wanted,
    Unwanted,
}

kinds! {
    /// An initiator's request, edge to exit.
    Request = 1, Wanted;
    /// A target's reply, exit to edge.
    Reply = 2, Wanted;
    /// Asks for a pong.
    Ping = 3, Wanted;
    /// Answers a ping.
    Pong = 4, Unwanted;
    /// State of exports, exit to edge.
    Update = 5, Wanted;
    /// The newest update applied.
    UpdateAck = 6, Wanted;
    /// The sender goes.
    Close = 7, Unwanted;
    /// What has arrived of a session.
    Report = 8, Unwanted;
    /// What the sender of a session will not send again.
    Abandon = 9, Unwanted;
    /// What an edge refused to initiators.
    Refusals = 10, Unwanted;
    /// Asks whether the peer is at the address that this goes to. What comes next asks again.
    PathChallenge = 11, Unwanted;
    /// Answers that it is.
    PathResponse = 12, Unwanted;
    /// Asks an exit to tell all of its exports again, edge to exit.
    Inquire = 13, Wanted;
    /// What the sender's static keys are. It is sent again until it is answered.
    Keys = 14, Unwanted;
    /// Answers that.
    KeysAck = 15, Unwanted;
    /// A key to encapsulate a secret with, dialer to listener.
    QuantumOffer = 16, Wanted;
    /// The secret, encapsulated.
    QuantumAnswer = 17, Wanted;
}

impl Kind {
    /// Whether it is, or tells of, what initiators and targets say to each other.
    pub(crate) fn is_storage(self) -> bool {
        match self {
            Kind::Request | Kind::Reply | Kind::Update | Kind::UpdateAck | Kind::Refusals | Kind::Inquire => {
                true
            }
            Kind::Ping
            | Kind::Pong
            | Kind::Close
            | Kind::Report
            | Kind::Abandon
            | Kind::PathChallenge
            | Kind::PathResponse
            | Kind::Keys
            | Kind::KeysAck
            | Kind::QuantumOffer
            | Kind::QuantumAnswer => false,
        }
    }
}

/// Where a fragment belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Which message of the session, counting from zero and wrapping.
    pub(crate) message: u32,
    /// Where in it this part starts.
    pub(crate) offset: u16,
    /// Its whole length.
    pub(crate) total: u16,
}

/// One chunk of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk<'a> {
    pub(crate) kind: Kind,
    /// `None`: the whole message.
    pub(crate) position: Option<Position>,
    pub(crate) bytes: &'a [u8],
}

/// The chunks of a payload. Stops after the first thing that makes no sense, which comes out as an `Err`.
pub(crate) fn chunks(payload: &[u8]) -> impl Iterator<Item = Result<Chunk<'_>, Nonsense>> {
    let mut rest = payload;
    std::iter::from_fn(move || match take_chunk(rest) {
        Ok(Some((chunk, after))) => {
            rest = after;
            Some(Ok(chunk))
        }
        Ok(None) => None,
        Err(nonsense) => {
            rest = &[];
            Some(Err(nonsense))
        }
    })
}

/// Authentic bytes that we cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nonsense;

fn take_chunk(bytes: &[u8]) -> Result<Option<(Chunk<'_>, &[u8])>, Nonsense> {
    match bytes.first() {
        None | Some(0) => return Ok(None),
        Some(_) => {}
    }
    let ([kind, form, length @ ..], rest) = bytes.split_first_chunk::<CHUNK_HEAD_LEN>().ok_or(Nonsense)?;
    let kind = Kind::decode(*kind).ok_or(Nonsense)?;
    let (body, after) = rest
        .split_at_checked(usize::from(u16::from_be_bytes(*length)))
        .ok_or(Nonsense)?;
    let (position, bytes) = match form {
        0 => (None, body),
        1 => {
            let (position, part) = body.split_first_chunk::<POSITION_LEN>().ok_or(Nonsense)?;
            (Some(Position::parse(*position)), part)
        }
        _ => return Err(Nonsense),
    };
    Ok(Some((
        Chunk {
            kind,
            position,
            bytes,
        },
        after,
    )))
}

/// Appends the head of a chunk with a whole message of `len` bytes.
pub(crate) fn emit_chunk_head(kind: Kind, len: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&[kind.code(), 0]);
    out.extend_from_slice(&len.to_be_bytes());
}

/// Appends the head of a chunk with a part of `len` bytes.
pub(crate) fn emit_fragment_head(kind: Kind, position: Position, len: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&[kind.code(), 1]);
    out.extend_from_slice(&(len + 8).to_be_bytes());
    out.extend_from_slice(&position.message.to_be_bytes());
    out.extend_from_slice(&position.offset.to_be_bytes());
    out.extend_from_slice(&position.total.to_be_bytes());
}

impl Position {
    fn parse(bytes: [u8; POSITION_LEN]) -> Position {
        let [m0, m1, m2, m3, o0, o1, t0, t1] = bytes;
        Position {
            message: u32::from_be_bytes([m0, m1, m2, m3]),
            offset: u16::from_be_bytes([o0, o1]),
            total: u16::from_be_bytes([t0, t1]),
        }
    }
}

/// In front of a request's PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestHead {
    /// The export, as the exit numbers them.
    pub(crate) export: ExportId,
    /// The import, as the edge numbers them; comes back in the reply.
    pub(crate) import: ImportId,
    /// Who asks.
    pub(crate) initiator: MacAddr,
    /// Number of this request: all of the import in one sequence, in the order of capture.
    pub(crate) number: u64,
    /// When it was captured: microseconds of the edge's clock, wrapping.
    pub(crate) captured: u32,
}

impl RequestHead {
    pub(crate) fn emit(self) -> [u8; REQUEST_HEAD_LEN] {
        let mut out = [0; REQUEST_HEAD_LEN];
        fill(
            &mut out,
            &[
                &self.export.0.to_be_bytes(),
                &self.import.0.to_be_bytes(),
                &self.initiator.0,
                &self.number.to_be_bytes(),
                &self.captured.to_be_bytes(),
            ],
        );
        out
    }

    /// The head and the PDU behind it.
    pub(crate) fn parse(message: &[u8]) -> Option<(RequestHead, &[u8])> {
        let mut rest = message;
        let head = RequestHead {
            export: ExportId(u16::from_be_bytes(take(&mut rest)?)),
            import: ImportId(u16::from_be_bytes(take(&mut rest)?)),
            initiator: MacAddr(take(&mut rest)?),
            number: u64::from_be_bytes(take(&mut rest)?),
            captured: u32::from_be_bytes(take(&mut rest)?),
        };
        Some((head, rest))
    }
}

/// In front of a reply's PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReplyHead {
    /// The import the request came by.
    pub(crate) import: ImportId,
    /// Who asked.
    pub(crate) initiator: MacAddr,
    /// The number of the request it answers.
    pub(crate) number: u64,
    /// Where its request was meanwhile.
    pub(crate) stay: Stay,
}

/// How long a request was at an exit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stay {
    /// Until it was sent to the target, in microseconds; what is more than an hour and eleven minutes counts as that.
    pub(crate) queue_us: u32,
    /// From then until the answer, in microseconds, bounded as well.
    pub(crate) target_us: u32,
}

impl Stay {
    /// So many microseconds; what is longer than the wire carries counts as the longest.
    pub(crate) fn new(queue: u64, target: u64) -> Stay {
        let micros = |time: u64| u32::try_from(time).unwrap_or(u32::MAX);
        Stay {
            queue_us: micros(queue),
            target_us: micros(target),
        }
    }
}

impl ReplyHead {
    pub(crate) fn emit(self) -> [u8; REPLY_HEAD_LEN] {
        let mut out = [0; REPLY_HEAD_LEN];
        fill(
            &mut out,
            &[
                &self.import.0.to_be_bytes(),
                &self.initiator.0,
                &self.number.to_be_bytes(),
                &self.stay.queue_us.to_be_bytes(),
                &self.stay.target_us.to_be_bytes(),
            ],
        );
        out
    }

    /// The head and the PDU behind it.
    pub(crate) fn parse(message: &[u8]) -> Option<(ReplyHead, &[u8])> {
        let mut rest = message;
        let head = ReplyHead {
            import: ImportId(u16::from_be_bytes(take(&mut rest)?)),
            initiator: MacAddr(take(&mut rest)?),
            number: u64::from_be_bytes(take(&mut rest)?),
            stay: Stay {
                queue_us: u32::from_be_bytes(take(&mut rest)?),
                target_us: u32::from_be_bytes(take(&mut rest)?),
            },
        };
        Some((head, rest))
    }
}

/// Takes `N` bytes off the front.
pub(crate) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*bytes)
}

fn fill(out: &mut [u8], fields: &[&[u8]]) {
    let mut at = out.iter_mut();
    for byte in fields.iter().flat_map(|field| field.iter()) {
        if let Some(slot) = at.next() {
            *slot = *byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn heads_survive_a_round_trip() {
        let request = RequestHead {
            export: ExportId(0x0102),
            import: ImportId(0x0304),
            initiator: MacAddr([5, 6, 7, 8, 9, 10]),
            number: 0x0b0c_0d0e_0f10_1112,
            captured: 0x1314_1516,
        };
        let bytes = request.emit();
        assert_eq!(bytes.to_vec(), (1..=22).collect::<Vec<u8>>());
        assert_eq!(RequestHead::parse(&bytes), Some((request, &[][..])));
        let reply = ReplyHead {
            import: ImportId(0x0102),
            initiator: MacAddr([3, 4, 5, 6, 7, 8]),
            number: 0x090a_0b0c_0d0e_0f10,
            stay: Stay {
                queue_us: 0x1112_1314,
                target_us: 0x1516_1718,
            },
        };
        let bytes = reply.emit();
        assert_eq!(bytes.to_vec(), (1..=24).collect::<Vec<u8>>());
        assert_eq!(ReplyHead::parse(&bytes), Some((reply, &[][..])));
        assert_eq!(ReplyHead::parse(&bytes[..23]), None);
    }

    #[test]
    fn a_long_stay_is_told_as_the_longest() {
        let stay = Stay::new(7, 5_000_000_000);
        assert_eq!((stay.queue_us, stay.target_us), (7, u32::MAX));
    }

    #[test]
    fn every_kind_has_a_code_of_its_own_and_no_other_code_is_a_kind() {
        for kind in Kind::ALL {
            assert_eq!(Kind::decode(kind.code()), Some(*kind));
        }
        let kinds = (0..=255).filter(|code| Kind::decode(*code).is_some());
        assert_eq!(kinds.count(), Kind::ALL.len());
        assert_eq!(Kind::decode(0), None);
    }

    #[test]
    fn chunks_come_back_and_padding_ends_them() {
        let position = Position {
            message: 7,
            offset: 8,
            total: 9,
        };
        let mut payload = Vec::new();
        emit_chunk_head(Kind::Ping, 2, &mut payload);
        payload.extend_from_slice(b"ab");
        emit_fragment_head(Kind::Reply, position, 1, &mut payload);
        payload.extend_from_slice(b"c");
        payload.extend_from_slice(&[0; 5]);
        let found: Vec<_> = chunks(&payload).collect();
        assert_eq!(
            found,
            [
                Ok(Chunk {
                    kind: Kind::Ping,
                    position: None,
                    bytes: b"ab"
                }),
                Ok(Chunk {
                    kind: Kind::Reply,
                    position: Some(position),
                    bytes: b"c"
                }),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_end_after_at_most_one_error(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let found: Vec<_> = chunks(&bytes).collect();
            prop_assert!(found.iter().rev().skip(1).all(Result::is_ok));
            let carried: usize = found.iter().flatten().map(|chunk| chunk.bytes.len() + CHUNK_HEAD_LEN).sum();
            prop_assert!(carried <= bytes.len());
        }
    }
}
