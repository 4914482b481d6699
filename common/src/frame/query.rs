//! The argument of command 1: Query Config Information.
//!
//! ```text
//!    0                2                4        5        6                8
//! +----------------+----------------+--------+--------+----------------+--------
//! |  Buffer count  |    Firmware    | Sectors|Ver|CCmd|  String length | string ...
//! +----------------+----------------+--------+--------+----------------+--------
//! ```
//!
//! Offsets count from the end of the AoE header. A request fills in command and string, a response all fields.

use super::aoe::HEADER_LEN;
use super::malformed::Malformed;

/// Bytes of the argument, without the string.
pub const ARGUMENT_LEN: usize = 8;
/// The longest config string.
pub const MAX_STRING_LEN: usize = 1024;

/// What a query wants done with the target's config string; four bits.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum QueryCommand {
    /// 0: answer with the string.
    Read,
    /// 1: answer only if the string is exactly this one.
    Test,
    /// 2: answer only if the string begins so.
    Prefix,
    /// 3: set the string if there is none yet.
    SetIfEmpty,
    /// 4: set the string, whatever it was.
    ForceSet,
    /// Any other number; Coraid's targets know 5, test and replace.
    Unknown(u8),
}

impl QueryCommand {
    /// Can it only look? Unknown commands might do more.
    #[must_use]
    pub const fn is_read_only(self) -> bool {
        matches!(self, Self::Read | Self::Test | Self::Prefix)
    }

    /// The command in the low four bits of `bits`.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0x0f {
            0 => Self::Read,
            1 => Self::Test,
            2 => Self::Prefix,
            3 => Self::SetIfEmpty,
            4 => Self::ForceSet,
            code => Self::Unknown(code),
        }
    }

    /// The number of this command; an unknown one keeps its low four bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Read => 0,
            Self::Test => 1,
            Self::Prefix => 2,
            Self::SetIfEmpty => 3,
            Self::ForceSet => 4,
            Self::Unknown(code) => code & 0x0f,
        }
    }
}

/// A checked view of a Query Config argument.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    argument: &'a [u8; ARGUMENT_LEN],
    string: &'a [u8],
}

impl<'a> Query<'a> {
    /// Looks at the argument of a PDU with [`AoeCommand::Query`](super::AoeCommand::Query).
    ///
    /// The string length is compared with the bytes that follow the argument. vblade compares it with the length
    /// of the whole frame, and so stores and returns stale bytes from beyond the frame's end (`aoe.c`).
    ///
    /// # Errors
    /// [`Malformed::QueryTooShort`], [`Malformed::QueryStringTooLong`] or [`Malformed::QueryStringCut`].
    #[inline]
    pub fn parse(argument: &'a [u8]) -> Result<Self, Malformed> {
        let (argument, rest) = argument
            .split_first_chunk::<ARGUMENT_LEN>()
            .ok_or(Malformed::QueryTooShort)?;
        let [.., len_high, len_low] = *argument;
        let string_len = usize::from(u16::from_be_bytes([len_high, len_low]));
        if string_len > MAX_STRING_LEN {
            return Err(Malformed::QueryStringTooLong);
        }
        let string = rest.get(..string_len).ok_or(Malformed::QueryStringCut)?;
        Ok(Self { argument, string })
    }

    /// All fields but the string.
    #[inline]
    #[must_use]
    pub fn header(&self) -> QueryHeader {
        let [b0, b1, f0, f1, sectors, version_command, ..] = *self.argument;
        QueryHeader {
            buffer_count: u16::from_be_bytes([b0, b1]),
            firmware: u16::from_be_bytes([f0, f1]),
            sectors,
            version: version_command >> 4,
            command: QueryCommand::from_bits(version_command),
        }
    }

    /// How many frames the target can queue; it drops what comes beyond.
    #[inline]
    #[must_use]
    pub fn buffer_count(&self) -> u16 {
        self.header().buffer_count
    }

    /// The target's firmware version, in no common notation.
    #[inline]
    #[must_use]
    pub fn firmware(&self) -> u16 {
        self.header().firmware
    }

    /// The most sectors the target takes in one request; 0 means 2.
    #[inline]
    #[must_use]
    pub fn sectors(&self) -> u8 {
        self.header().sectors
    }

    /// The AoE version the target speaks, four bits.
    #[inline]
    #[must_use]
    pub fn version(&self) -> u8 {
        self.header().version
    }

    /// What is to be done with the string.
    #[inline]
    #[must_use]
    pub fn command(&self) -> QueryCommand {
        self.header().command
    }

    /// The config string: any bytes, at most [`MAX_STRING_LEN`].
    #[inline]
    #[must_use]
    pub const fn string(&self) -> &'a [u8] {
        self.string
    }

    /// The exact length of the PDU: header, argument and string.
    #[inline]
    #[must_use]
    pub const fn pdu_len(&self) -> usize {
        HEADER_LEN + ARGUMENT_LEN + self.string.len()
    }
}

/// A Query Config argument by meaning, without its string.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct QueryHeader {
    /// See [`Query::buffer_count`].
    pub buffer_count: u16,
    /// See [`Query::firmware`].
    pub firmware: u16,
    /// See [`Query::sectors`].
    pub sectors: u8,
    /// See [`Query::version`].
    pub version: u8,
    /// See [`Query::command`].
    pub command: QueryCommand,
}

impl QueryHeader {
    /// The eight bytes of this argument, announcing a string of `string_len` bytes, which follows them.
    #[inline]
    #[must_use]
    pub const fn to_bytes(&self, string_len: u16) -> [u8; ARGUMENT_LEN] {
        let [b0, b1] = self.buffer_count.to_be_bytes();
        let [f0, f1] = self.firmware.to_be_bytes();
        let [len_high, len_low] = string_len.to_be_bytes();
        [
            b0,
            b1,
            f0,
            f1,
            self.sectors,
            self.version << 4 | self.command.bits(),
            len_high,
            len_low,
        ]
    }

    /// Writes argument and string to the start of `buf`.
    ///
    /// # Panics
    /// If `buf` is shorter than [`ARGUMENT_LEN`] and the string, or the string longer than [`MAX_STRING_LEN`].
    pub fn emit(&self, string: &[u8], buf: &mut [u8]) {
        assert!(
            string.len() <= MAX_STRING_LEN,
            "a config string has at most {MAX_STRING_LEN} bytes"
        );
        #[allow(clippy::cast_possible_truncation, reason = "bounded by the line above")]
        let string_len = string.len() as u16;
        super::emit(buf, self.to_bytes(string_len));
        super::emit_slice(buf, ARGUMENT_LEN, string);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Malformed;
    use super::{ARGUMENT_LEN, MAX_STRING_LEN, Query, QueryCommand, QueryHeader};

    const HEADER: QueryHeader = QueryHeader {
        buffer_count: 0x0110,
        firmware: 0x4019,
        sectors: 2,
        version: 1,
        command: QueryCommand::SetIfEmpty,
    };
    const BYTES: [u8; 13] = [
        0x01, 0x10, 0x40, 0x19, 2, 0x13, 0, 5, b'h', b'e', b'l', b'l', b'o',
    ];

    #[test]
    fn an_argument_is_read_and_written() {
        let query = Query::parse(&BYTES).unwrap();
        assert_eq!(query.header(), HEADER);
        assert_eq!(
            (query.buffer_count(), query.firmware(), query.sectors()),
            (0x0110, 0x4019, 2)
        );
        assert_eq!((query.version(), query.command()), (1, QueryCommand::SetIfEmpty));
        assert_eq!(query.string(), b"hello");
        assert_eq!(query.pdu_len(), 10 + 13);

        let mut buf = [0xaa; 15];
        HEADER.emit(b"hello", &mut buf);
        assert_eq!(buf[..13], BYTES);
        assert_eq!(buf[13..], [0xaa; 2]);
    }

    #[test]
    fn padding_is_not_part_of_the_string() {
        let mut bytes = BYTES.to_vec();
        bytes.extend([0x5a; 100]);
        let query = Query::parse(&bytes).unwrap();
        assert_eq!((query.string(), query.pdu_len()), (b"hello".as_slice(), 23));
    }

    #[test]
    fn a_string_must_be_there_in_full() {
        for len in 0..BYTES.len() {
            let fault = if len < ARGUMENT_LEN {
                Malformed::QueryTooShort
            } else {
                Malformed::QueryStringCut
            };
            assert_eq!(Query::parse(&BYTES[..len]).unwrap_err(), fault, "{len}");
        }
    }

    #[test]
    fn a_string_is_at_most_1024_bytes_however_long_the_frame() {
        let mut bytes = vec![0; ARGUMENT_LEN + MAX_STRING_LEN + 1];
        bytes[6..8].copy_from_slice(&1024u16.to_be_bytes());
        assert_eq!(Query::parse(&bytes).unwrap().string().len(), MAX_STRING_LEN);
        bytes[6..8].copy_from_slice(&1025u16.to_be_bytes());
        assert_eq!(Query::parse(&bytes).unwrap_err(), Malformed::QueryStringTooLong);
    }

    #[test]
    fn every_version_and_command_survives() {
        for byte in 0..=u8::MAX {
            let mut bytes = BYTES;
            bytes[5] = byte;
            let query = Query::parse(&bytes).unwrap();
            assert_eq!(query.header().to_bytes(5), bytes[..ARGUMENT_LEN]);
        }
    }

    #[test]
    fn only_the_three_looking_commands_are_read_only() {
        let harmless: Vec<u8> = (0..16)
            .filter(|bits| QueryCommand::from_bits(*bits).is_read_only())
            .collect();
        assert_eq!(harmless, [0, 1, 2]);
    }
}
