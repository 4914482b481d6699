//! The AoE header, shared by all commands.
//!
//! ```text
//!    0       1       2       3       4       5       6                 10
//! +-------+-------+---------------+-------+-------+-------------------+----
//! |Ver|Flg| Error |     Shelf     | Slot  |Command|        Tag        | argument
//! +-------+-------+---------------+-------+-------+-------------------+----
//!
//!   7   6   5   4   3   2   1   0
//! +---------------+---+---+-------+
//! |    Version    | R | E | res.  |     R: response   E: the Error byte counts
//! +---------------+---+---+-------+
//! ```
//!
//! Offsets count from the byte after the Ethernet header.

use std::fmt;

pub use super::address::{Address, AddressError, BROADCAST_SHELF, BROADCAST_SLOT};
pub use super::aoe_code::{AoeCommand, AoeError};
use super::ethernet::{ETHERNET_HEADER_LEN, MAX_FRAME_LEN};
use super::malformed::Malformed;

/// Bytes of the AoE header, which begins after the Ethernet header.
pub const HEADER_LEN: usize = 10;
/// The longest AoE part of a frame: [`MAX_FRAME_LEN`] without the Ethernet header.
pub const MAX_PDU_LEN: usize = MAX_FRAME_LEN - ETHERNET_HEADER_LEN;
/// The version of AoE there is.
///
/// Read any, write this one: vblade's start-up advertisement says 0, kvblade says 2, and iPXE drops whatever is
/// not 1.
pub const VERSION: u8 = 1;

const FLAGS_OFFSET: usize = 0;
const SHELF_OFFSET: usize = 2;
const SLOT_OFFSET: usize = 4;
const TAG_OFFSET: usize = 6;

/// The label by which an initiator recognises the response to a request.
///
/// Opaque to the target, which echoes it. Equal tags occur on different targets and from different initiators.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tag(pub u32);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// The four flag bits of the AoE header, reserved ones included.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Flags(u8);

impl Flags {
    /// No bit set: a request.
    pub const REQUEST: Self = Self(0);
    /// R: a response.
    pub const RESPONSE: Self = Self(0x8);
    /// R and E: a response that reports an [`AoeError`].
    pub const ERROR_RESPONSE: Self = Self(0xc);

    const R: u8 = 0x8;
    const E: u8 = 0x4;

    /// The low four of `bits`; the others belong to the version.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0x0f)
    }

    /// The four bits, in the low half of the byte.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Is R set?
    #[must_use]
    pub const fn is_response(self) -> bool {
        self.0 & Self::R != 0
    }

    /// Is E set? Only responses have a use for it.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 & Self::E != 0
    }
}

/// A checked view of the AoE part of a frame: header, argument, and whatever follows.
#[derive(Clone, Copy, Debug)]
pub struct Pdu<'a> {
    bytes: &'a [u8],
    header: &'a [u8; HEADER_LEN],
    argument: &'a [u8],
}

impl<'a> Pdu<'a> {
    /// Looks at the bytes after the Ethernet header.
    ///
    /// # Errors
    /// [`Malformed::HeaderTooShort`] or [`Malformed::PduTooLong`].
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_PDU_LEN {
            return Err(Malformed::PduTooLong);
        }
        let (header, argument) = bytes.split_first_chunk().ok_or(Malformed::HeaderTooShort)?;
        Ok(Self {
            bytes,
            header,
            argument,
        })
    }

    /// All fields of the header.
    #[inline]
    #[must_use]
    pub fn header(&self) -> Header {
        Header::from_bytes(*self.header)
    }

    /// Does this answer a request, or pretend to?
    #[inline]
    #[must_use]
    pub fn is_response(&self) -> bool {
        self.header().flags.is_response()
    }

    /// Is E set, so that [`Header::error`] counts?
    #[inline]
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.header().flags.is_error()
    }

    /// The target addressed, or answering.
    #[inline]
    #[must_use]
    pub fn address(&self) -> Address {
        self.header().address
    }

    /// The command, which says what the argument is.
    #[inline]
    #[must_use]
    pub fn command(&self) -> AoeCommand {
        self.header().command
    }

    /// The tag.
    #[inline]
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.header().tag
    }

    /// Everything after the header, padding included.
    #[inline]
    #[must_use]
    pub const fn argument(&self) -> &'a [u8] {
        self.argument
    }

    /// The whole PDU, padding included.
    #[inline]
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// The AoE header by meaning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// Version, four bits; see [`VERSION`].
    pub version: u8,
    /// Flags, four bits.
    pub flags: Flags,
    /// The Error byte; an [`AoeError`] if the E flag is set, else without meaning.
    pub error: u8,
    /// The target addressed, or answering.
    pub address: Address,
    /// The command.
    pub command: AoeCommand,
    /// The tag.
    pub tag: Tag,
}

impl Header {
    /// The header of a response to this request: same address, command and tag, flags and version as every
    /// initiator accepts them.
    #[must_use]
    pub const fn response(&self) -> Self {
        Self {
            version: VERSION,
            flags: Flags::RESPONSE,
            error: 0,
            ..*self
        }
    }

    /// The header of a response that reports `error`.
    ///
    /// Not for refusing ATA commands: the Linux initiator drops such a response, retransmits and finally fails
    /// the whole device (`aoenet_rcv`). [`ata::emit_refusal`](super::ata::emit_refusal) is.
    #[must_use]
    pub fn error_response(&self, error: AoeError) -> Self {
        Self {
            version: VERSION,
            flags: Flags::ERROR_RESPONSE,
            error: error.into(),
            ..*self
        }
    }

    /// Reads the ten bytes of a header; every combination means something.
    #[inline]
    #[must_use]
    pub fn from_bytes(bytes: [u8; HEADER_LEN]) -> Self {
        let [
            version_flags,
            error,
            shelf_high,
            shelf_low,
            slot,
            command,
            tag @ ..,
        ] = bytes;
        Self {
            version: version_flags >> 4,
            flags: Flags::from_bits(version_flags),
            error,
            address: Address {
                shelf: u16::from_be_bytes([shelf_high, shelf_low]),
                slot,
            },
            command: command.into(),
            tag: Tag(u32::from_be_bytes(tag)),
        }
    }

    /// The ten bytes of this header. Only the low four bits of the version have room.
    #[inline]
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let [shelf_high, shelf_low] = self.address.shelf.to_be_bytes();
        let [t0, t1, t2, t3] = self.tag.0.to_be_bytes();
        [
            self.version << 4 | self.flags.bits(),
            self.error,
            shelf_high,
            shelf_low,
            self.address.slot,
            self.command.into(),
            t0,
            t1,
            t2,
            t3,
        ]
    }

    /// Writes the header to the start of `buf`.
    ///
    /// # Panics
    /// If `buf` is shorter than [`HEADER_LEN`].
    #[inline]
    pub fn emit(&self, buf: &mut [u8]) {
        super::emit(buf, self.to_bytes());
    }
}

/// Replaces the tag of a PDU in place.
///
/// # Panics
/// If `pdu` is shorter than [`HEADER_LEN`], which [`Pdu::parse`] rules out.
#[inline]
pub fn set_tag(pdu: &mut [u8], tag: Tag) {
    put(pdu, TAG_OFFSET, tag.0.to_be_bytes());
}

/// Replaces shelf and slot of a PDU in place.
///
/// # Panics
/// If `pdu` is shorter than [`HEADER_LEN`], which [`Pdu::parse`] rules out.
#[inline]
pub fn set_address(pdu: &mut [u8], address: Address) {
    put(pdu, SHELF_OFFSET, address.shelf.to_be_bytes());
    put(pdu, SLOT_OFFSET, [address.slot]);
}

/// Replaces version and flags of a PDU in place; they share a byte. Only four bits of each have room.
///
/// # Panics
/// If `pdu` is shorter than [`HEADER_LEN`], which [`Pdu::parse`] rules out.
#[inline]
pub fn set_flags(pdu: &mut [u8], version: u8, flags: Flags) {
    put(pdu, FLAGS_OFFSET, [version << 4 | flags.bits()]);
}

/// Slices to the header first, so that a PDU too short panics before anything is written.
#[allow(
    clippy::indexing_slicing,
    reason = "a PDU too short is the caller's mistake; every setter says it panics"
)]
#[inline]
fn put<const N: usize>(pdu: &mut [u8], offset: usize, bytes: [u8; N]) {
    let header = &mut pdu[..HEADER_LEN];
    header[offset..offset + N].copy_from_slice(&bytes);
}

#[cfg(test)]
mod tests {
    use super::super::Malformed;
    use super::{
        Address, AoeCommand, AoeError, Flags, HEADER_LEN, Header, MAX_PDU_LEN, Pdu, Tag, set_address,
        set_flags, set_tag,
    };

    const BYTES: [u8; HEADER_LEN] = [0x1c, 0x06, 0x01, 0x07, 0x03, 0x00, 0x80, 0x01, 0x02, 0xff];
    const HEADER: Header = Header {
        version: 1,
        flags: Flags::ERROR_RESPONSE,
        error: 6,
        address: Address {
            shelf: 0x107,
            slot: 3,
        },
        command: AoeCommand::Ata,
        tag: Tag(0x8001_02ff),
    };

    #[test]
    fn a_header_is_read_and_written() {
        let pdu = Pdu::parse(&BYTES).unwrap();
        assert_eq!(pdu.header(), HEADER);
        assert_eq!(
            (pdu.address(), pdu.command(), pdu.tag()),
            (HEADER.address, HEADER.command, HEADER.tag)
        );
        assert!(pdu.is_response() && pdu.is_error());
        assert_eq!(AoeError::from(pdu.header().error), AoeError::TargetReserved);

        let mut buf = [0xaa; HEADER_LEN + 2];
        HEADER.emit(&mut buf);
        assert_eq!(buf[..HEADER_LEN], BYTES);
        assert_eq!(buf[HEADER_LEN..], [0xaa; 2]);
    }

    #[test]
    fn the_argument_is_all_that_follows() {
        let mut bytes = BYTES.to_vec();
        bytes.extend([1, 2, 3]);
        let pdu = Pdu::parse(&bytes).unwrap();
        assert_eq!(pdu.argument(), [1, 2, 3]);
        assert_eq!(pdu.bytes(), bytes);
    }

    #[test]
    fn length_is_bounded_on_both_sides() {
        for len in 0..HEADER_LEN {
            assert_eq!(
                Pdu::parse(&BYTES[..len]).unwrap_err(),
                Malformed::HeaderTooShort,
                "{len}"
            );
        }
        let long = vec![0; MAX_PDU_LEN + 1];
        assert!(Pdu::parse(&long[..MAX_PDU_LEN]).is_ok());
        assert_eq!(Pdu::parse(&long).unwrap_err(), Malformed::PduTooLong);
    }

    #[test]
    fn every_first_byte_survives() {
        for byte in 0..=u8::MAX {
            let mut bytes = BYTES;
            bytes[0] = byte;
            assert_eq!(Header::from_bytes(bytes).to_bytes(), bytes);
        }
    }

    #[test]
    fn setters_change_their_field_and_nothing_else() {
        let mut pdu = BYTES.to_vec();
        pdu.push(0x77);
        set_tag(&mut pdu, Tag(5));
        set_address(
            &mut pdu,
            Address {
                shelf: 0x0aff,
                slot: 9,
            },
        );
        set_flags(&mut pdu, 2, Flags::REQUEST);
        assert_eq!(pdu, [0x20, 0x06, 0x0a, 0xff, 9, 0, 0, 0, 0, 5, 0x77]);
    }

    #[test]
    fn responses_keep_what_the_initiator_matches_by() {
        let request = Header {
            version: 2,
            flags: Flags::from_bits(3),
            error: 9,
            ..HEADER
        };
        let response = request.response();
        assert_eq!(
            response,
            Header {
                version: 1,
                flags: Flags::RESPONSE,
                error: 0,
                ..HEADER
            }
        );
        assert_eq!(
            request.error_response(AoeError::BadCommand),
            Header { error: 1, ..HEADER }
        );
        assert_eq!(response.to_bytes()[0], 0x18);
        assert_eq!(request.error_response(AoeError::BadCommand).to_bytes()[0], 0x1c);
    }
}
