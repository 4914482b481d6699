//! The Ethernet header of an AoE frame.
//!
//! ```text
//!  0                 6                 12        14
//! +-----------------+-----------------+---------+----------------
//! |   destination   |     source      | 0x88A2  | AoE part ...
//! +-----------------+-----------------+---------+----------------
//! ```
//!
//! Lengths here include this header and never the frame check sequence, which network cards keep to themselves.

pub use super::mac_addr::{MacAddr, MacAddrError};
use super::malformed::Malformed;

/// Bytes before the AoE header: two addresses and the EtherType.
pub const ETHERNET_HEADER_LEN: usize = 14;
/// The EtherType of ATA over Ethernet.
pub const ETHERTYPE_AOE: u16 = 0x88a2;
/// The shortest frame that may leave: Ethernet's 64 bytes without the check sequence.
///
/// Virtual devices do not pad, and the AoE tools discard replies shorter than this (aoetools `aoeping.c`,
/// `aoecfg.c`), so [`pad_to_min`](super::pad_to_min) is ours to do.
pub const MIN_FRAME_LEN: usize = 60;
/// The longest frame we look at: room for 31 sectors, which is all that the largest common device MTU carries.
pub const MAX_FRAME_LEN: usize = 16384;

/// 802.1Q customer tag.
const ETHERTYPE_VLAN: u16 = 0x8100;
/// 802.1ad service tag.
const ETHERTYPE_SERVICE_VLAN: u16 = 0x88a8;

/// A captured Ethernet frame that is AoE by its EtherType and carries no VLAN tag.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    destination: MacAddr,
    source: MacAddr,
    payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads the header of a captured frame.
    ///
    /// # Errors
    /// [`Malformed::FrameTooShort`], [`Malformed::FrameTooLong`], [`Malformed::VlanTagged`] or
    /// [`Malformed::NotAoe`].
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (header, payload) = bytes
            .split_first_chunk::<ETHERNET_HEADER_LEN>()
            .ok_or(Malformed::FrameTooShort)?;
        if bytes.len() > MAX_FRAME_LEN {
            return Err(Malformed::FrameTooLong);
        }
        let [
            d0,
            d1,
            d2,
            d3,
            d4,
            d5,
            s0,
            s1,
            s2,
            s3,
            s4,
            s5,
            type_high,
            type_low,
        ] = *header;
        match u16::from_be_bytes([type_high, type_low]) {
            ETHERTYPE_AOE => Ok(Self {
                destination: MacAddr([d0, d1, d2, d3, d4, d5]),
                source: MacAddr([s0, s1, s2, s3, s4, s5]),
                payload,
            }),
            ETHERTYPE_VLAN | ETHERTYPE_SERVICE_VLAN => Err(Malformed::VlanTagged),
            _ => Err(Malformed::NotAoe),
        }
    }

    /// Whom the frame is for.
    #[must_use]
    pub const fn destination(&self) -> MacAddr {
        self.destination
    }

    /// Who claims to have sent it.
    #[must_use]
    pub const fn source(&self) -> MacAddr {
        self.source
    }

    /// Everything after the Ethernet header, padding included: what [`Pdu::parse`](super::Pdu::parse) takes.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// The Ethernet header of an AoE frame as it goes on the segment.
#[must_use]
pub const fn header_bytes(destination: MacAddr, source: MacAddr) -> [u8; ETHERNET_HEADER_LEN] {
    let [d0, d1, d2, d3, d4, d5] = destination.0;
    let [s0, s1, s2, s3, s4, s5] = source.0;
    let [type_high, type_low] = ETHERTYPE_AOE.to_be_bytes();
    [
        d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, type_high, type_low,
    ]
}

/// Writes the Ethernet header of an AoE frame to the start of `buf`, leaving the rest alone.
///
/// # Panics
/// If `buf` is shorter than [`ETHERNET_HEADER_LEN`].
#[inline]
pub fn emit_header(buf: &mut [u8], destination: MacAddr, source: MacAddr) {
    super::emit(buf, header_bytes(destination, source));
}

#[cfg(test)]
mod tests {
    use super::super::Malformed;
    use super::{ETHERNET_HEADER_LEN, Frame, MAX_FRAME_LEN, MacAddr, emit_header};

    const TARGET: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
    const INITIATOR: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 2]);

    fn frame_of(len: usize) -> Vec<u8> {
        let mut bytes = vec![0xaa; len];
        emit_header(&mut bytes, TARGET, INITIATOR);
        bytes
    }

    #[test]
    fn a_header_is_read_back_as_written_and_the_rest_is_payload() {
        let bytes = frame_of(20);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.destination(), frame.source()), (TARGET, INITIATOR));
        assert_eq!(frame.payload(), [0xaa; 6]);
    }

    #[test]
    fn length_is_bounded_on_both_sides() {
        let bytes = frame_of(MAX_FRAME_LEN + 1);
        for len in 0..ETHERNET_HEADER_LEN {
            assert_eq!(
                Frame::parse(&bytes[..len]).unwrap_err(),
                Malformed::FrameTooShort,
                "{len}"
            );
        }
        assert!(
            Frame::parse(&bytes[..ETHERNET_HEADER_LEN])
                .unwrap()
                .payload()
                .is_empty()
        );
        assert!(Frame::parse(&bytes[..MAX_FRAME_LEN]).is_ok());
        assert_eq!(Frame::parse(&bytes).unwrap_err(), Malformed::FrameTooLong);
    }

    #[test]
    fn other_ethertypes_have_their_own_reasons() {
        for (ethertype, reason) in [
            ([0x81, 0x00], Malformed::VlanTagged),
            ([0x88, 0xa8], Malformed::VlanTagged),
            ([0x08, 0x00], Malformed::NotAoe),
            ([0xa2, 0x88], Malformed::NotAoe),
        ] {
            let mut bytes = frame_of(60);
            bytes[12..14].copy_from_slice(&ethertype);
            assert_eq!(Frame::parse(&bytes).unwrap_err(), reason, "{ethertype:02x?}");
        }
    }
}
