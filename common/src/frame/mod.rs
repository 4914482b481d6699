//! AoE frames: from bytes to meaning and back.
//!
//! One file per layer or argument format: [`ethernet`], [`aoe`] (the header all commands share), and the
//! arguments of commands 0 to 3 in [`ata`], [`query`], [`mac_mask`] and [`reserve`]. This module reads and
//! writes; what may pass is decided elsewhere.
//!
//! ```text
//!  0          14                24                          offsets in the frame
//! +----------+-----------------+------------------------+---------+
//! | Ethernet | AoE header      | argument of the command| padding |
//! +----------+-----------------+------------------------+---------+
//! |  Frame   |<------------------- Pdu ------------------------->|
//!            0                 10                           offsets in the PDU
//! ```
//!
//! A **PDU** is the AoE part of a frame: everything after the Ethernet header. It is also what crosses the
//! tunnel. Lengths named `PDU` leave the Ethernet header out, lengths named `FRAME` include it.
//!
//! # Contract
//!
//! - Hostile bytes enter through `parse` of [`Frame`], [`Pdu`], [`Ata`], [`Query`], [`MacMask`] and [`Reserve`]
//!   and nowhere else. It returns a borrowing, `Copy` view or one [`Malformed`] reason, never panics, never
//!   allocates and looks at no byte of the payload. A view's getters cannot fail.
//! - A view's counts and lengths have been compared with the bytes that are really there. Bytes after what the
//!   counts cover are padding, or a probe's ballast, and are not part of the meaning.
//! - Meaning travels as small owned values: [`Header`], [`AtaHeader`], [`QueryHeader`], [`MacMaskHeader`],
//!   [`ReserveHeader`]. Each has `to_bytes` and `emit`; `emit` writes every byte of its part, so a dirty buffer
//!   does not shine through, and no byte beyond it.
//! - Values we do not know survive: versions, reserved bits and bytes, unknown commands, error codes and opcodes
//!   come out of `emit` as they went into `parse`. What we compose ourselves has zeros there.
//! - All numbers are big-endian but the six LBA bytes, which come least significant first.
//! - `emit` and the in-place setters panic on a buffer that is too short, which is a mistake of the caller and
//!   cannot be reached with bytes that passed `parse`. Nothing else here panics.
//!
//! Layouts follow AoEr11 as implemented by Linux `drivers/block/aoe/aoe.h`, vblade `dat.h` and ggaoed `aoe.h`.

pub mod address;
pub mod aoe;
pub mod ata;
pub mod ethernet;
pub mod mac_mask;
pub mod query;
pub mod reserve;

mod aoe_code;
mod ata_exchange;
mod ata_opcode;
mod mac_addr;
mod malformed;

pub use address::{Address, AddressError};
pub use aoe::{AoeCommand, AoeError, Flags, HEADER_LEN, Header, MAX_PDU_LEN, Pdu, Tag};
pub use ata::{Ata, AtaFlags, AtaHeader, AtaOpcode, SECTOR_LEN};
pub use ethernet::{ETHERNET_HEADER_LEN, ETHERTYPE_AOE, Frame, MAX_FRAME_LEN, MIN_FRAME_LEN};
pub use mac_addr::{MacAddr, MacAddrError};
pub use mac_mask::{MacMask, MacMaskHeader};
pub use malformed::Malformed;
pub use query::{Query, QueryCommand, QueryHeader};
pub use reserve::{Reserve, ReserveHeader};

/// Pads the frame that begins at `start` and ends at the end of `buf` with zeros to [`MIN_FRAME_LEN`].
///
/// A frame that is long enough is left alone. Padding is always newly written zeros, so that nothing of an
/// earlier frame leaves with it.
#[inline]
pub fn pad_to_min(buf: &mut Vec<u8>, start: usize) {
    let end = start.saturating_add(MIN_FRAME_LEN);
    if buf.len() < end {
        buf.resize(end, 0);
    }
}

/// Writes `bytes` to the start of `buf`.
#[allow(
    clippy::indexing_slicing,
    reason = "a buffer too short is the caller's mistake; every emit says it panics"
)]
#[inline]
fn emit<const N: usize>(buf: &mut [u8], bytes: [u8; N]) {
    buf[..N].copy_from_slice(&bytes);
}

/// Writes `bytes` to `buf` from `offset` on.
#[allow(
    clippy::indexing_slicing,
    reason = "a buffer too short is the caller's mistake; every emit says it panics"
)]
#[inline]
fn emit_slice(buf: &mut [u8], offset: usize, bytes: &[u8]) {
    buf[offset..][..bytes.len()].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::{MIN_FRAME_LEN, pad_to_min};

    #[test]
    fn a_short_frame_is_padded_with_zeros_and_nothing_before_it_changes() {
        let mut buf = vec![0xaa; 100 + 36];
        pad_to_min(&mut buf, 100);
        assert_eq!(buf.len(), 100 + MIN_FRAME_LEN);
        assert_eq!(buf[..136], [0xaa; 136]);
        assert_eq!(buf[136..], [0; 24]);
    }

    #[test]
    fn bytes_that_were_cut_off_do_not_come_back_as_padding() {
        let mut buf = vec![0xaa; 1060];
        buf.truncate(36);
        pad_to_min(&mut buf, 0);
        assert_eq!(buf[36..], [0; 24]);
    }

    #[test]
    fn a_long_enough_frame_is_left_alone() {
        for len in [MIN_FRAME_LEN, MIN_FRAME_LEN + 1] {
            let mut buf = vec![0xaa; 7 + len];
            pad_to_min(&mut buf, 7);
            assert_eq!(buf, vec![0xaa; 7 + len]);
        }
    }
}
