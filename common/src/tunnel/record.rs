//! The 16 bytes in front of every record.
//!
//! ```text
//!  0        1                 4                8                              16
//! +--------+-----------------+----------------+-------------------------------+
//! | type 4 | reserved (zero) | receiver index |            counter            |
//! +--------+-----------------+----------------+-------------------------------+
//! | chunks: encrypted, or readable in mode `authenticate` ...                 |
//! +---------------------------------------------------------------------------+
//! | authentication tag, 16 bytes                                              |
//! +---------------------------------------------------------------------------+
//! ```

/// First byte of a handshake's first message.
pub(crate) const TYPE_INIT: u8 = 1;
/// First byte of a handshake's answer.
pub(crate) const TYPE_RESPONSE: u8 = 2;
/// First byte of a cookie reply.
pub(crate) const TYPE_COOKIE: u8 = 3;
/// First byte of a record. QUIC packets have bit 7 or bit 6 set, so one port can serve both.
pub(crate) const TYPE_RECORD: u8 = 4;

/// First byte of a TLS call.
pub(crate) const TYPE_TLS_HELLO: u8 = 5;
/// First byte of its answer.
pub(crate) const TYPE_TLS_COOKIE: u8 = 6;
/// First byte of a dialer's part of a TLS handshake.
pub(crate) const TYPE_TLS_UP: u8 = 7;
/// First byte of a listener's part of a TLS handshake.
pub(crate) const TYPE_TLS_DOWN: u8 = 8;

/// Bytes in front of the chunks.
pub(crate) const HEADER_LEN: usize = 16;
/// Bytes behind the chunks.
pub(crate) const AUTH_TAG_LEN: usize = 16;
/// Longest record: a path MTU of 9216 bytes, without IPv4 and UDP headers.
pub(crate) const MAX_RECORD_LEN: usize = 9216 - 28;

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    /// The receiver's index of the session.
    pub(crate) receiver: u32,
    /// Number of the record in its session and direction; the nonce.
    pub(crate) counter: u64,
}

impl RecordHeader {
    /// The header's bytes.
    pub(crate) fn emit(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let (head, counter) = bytes.split_at_mut(8);
        head.copy_from_slice(&((u64::from(TYPE_RECORD) << 56) | u64::from(self.receiver)).to_be_bytes());
        counter.copy_from_slice(&self.counter.to_be_bytes());
        bytes
    }

    /// Reads a header; `None` unless the type is a record's and the reserved bytes are zero.
    pub(crate) fn parse(bytes: [u8; HEADER_LEN]) -> Option<RecordHeader> {
        let word = u128::from_be_bytes(bytes);
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the lower 64 bits are the counter"
        )]
        let (head, counter) = ((word >> 64) as u64, word as u64);
        let receiver = u32::try_from(head ^ (u64::from(TYPE_RECORD) << 56)).ok()?;
        Some(RecordHeader { receiver, counter })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_bytes_are_as_documented() {
        let header = RecordHeader {
            receiver: 0xa1b2_c3d4,
            counter: 0x0102_0304_0506_0708,
        };
        let bytes = header.emit();
        assert_eq!(
            bytes,
            [4, 0, 0, 0, 0xa1, 0xb2, 0xc3, 0xd4, 1, 2, 3, 4, 5, 6, 7, 8]
        );
        assert_eq!(RecordHeader::parse(bytes), Some(header));
        for (at, value) in [(0, 5), (1, 1), (3, 0x80)] {
            let mut other = bytes;
            other[at] = value;
            assert_eq!(RecordHeader::parse(other), None);
        }
    }
}
