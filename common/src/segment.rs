//! What the engine knows of a local Ethernet, and how frames leave on it.

use crate::config::SegmentId;
use crate::drop_reason::DropReason;
use crate::frame::aoe::{self, AoeCommand, Flags};
use crate::frame::query::{self, QueryCommand, QueryHeader};
use crate::frame::{
    Address, ETHERNET_HEADER_LEN, HEADER_LEN, Header, MAX_FRAME_LEN, MacAddr, SECTOR_LEN, Tag, ata, ethernet,
    pad_to_min,
};
use crate::output::Output;
use crate::telemetry::{Count, Telemetry};

/// Whether a segment can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SegmentState {
    /// It is not there, or has no link.
    #[default]
    Down,
    /// It works.
    Up {
        /// The address our frames leave with.
        mac: MacAddr,
        /// Its MTU in bytes, without the Ethernet header.
        mtu: u16,
    },
}

impl SegmentState {
    /// Sectors that fit one frame here, as the Linux driver and vblade compute it: (MTU − 36) / 512, although
    /// the 36 bytes include the Ethernet header and the MTU does not. No more than the longest frame we carry has.
    pub(crate) fn max_sectors(self) -> u8 {
        let overhead = ETHERNET_HEADER_LEN + ata::PDU_LEN;
        match self {
            SegmentState::Down => 0,
            SegmentState::Up { mtu, .. } => {
                let mtu = usize::from(mtu).min(MAX_FRAME_LEN - ETHERNET_HEADER_LEN);
                u8::try_from(mtu.saturating_sub(overhead) / SECTOR_LEN).unwrap_or(u8::MAX)
            }
        }
    }

    /// Whether a PDU of this length fits one frame here.
    pub(crate) fn carries(self, len: usize) -> bool {
        match self {
            SegmentState::Down => false,
            SegmentState::Up { mtu, .. } => len <= usize::from(mtu),
        }
    }

    pub(crate) fn mac(self) -> Option<MacAddr> {
        match self {
            SegmentState::Down => None,
            SegmentState::Up { mac, .. } => Some(mac),
        }
    }
}

/// Emits one frame: our own address as source, `write` appends the PDU (`len` bytes), zeros pad it to 60 bytes.
///
/// # Errors
/// The frame is lost if the segment is down or smaller than the frame.
pub(crate) fn emit(
    (segment, state): (SegmentId, SegmentState),
    destination: MacAddr,
    len: usize,
    out: &mut Output,
    telemetry: &mut Telemetry,
    write: impl FnOnce(&mut Vec<u8>),
) -> Result<(), DropReason> {
    let mac = state.mac().ok_or(DropReason::SegmentDown)?;
    if !state.carries(len) {
        return Err(DropReason::FrameTooBigForSegment);
    }
    out.frames.push(segment, |bytes, start| {
        bytes.extend_from_slice(&ethernet::header_bytes(destination, mac));
        write(bytes);
        pad_to_min(bytes, start);
    });
    telemetry.count(Count::FramesSent);
    Ok(())
}

/// Asks whoever is at `address` on a segment for its Config answer, as the Linux driver does: to everybody.
pub(crate) fn ask_config(
    place: (SegmentId, SegmentState),
    address: Address,
    tag: Tag,
    out: &mut Output,
    telemetry: &mut Telemetry,
) {
    let header = Header {
        version: aoe::VERSION,
        flags: Flags::REQUEST,
        error: 0,
        address,
        command: AoeCommand::Query,
        tag,
    };
    let argument = QueryHeader {
        buffer_count: 0,
        firmware: 0,
        sectors: 0,
        version: aoe::VERSION,
        command: QueryCommand::Read,
    };
    let len = HEADER_LEN + query::ARGUMENT_LEN;
    let sent = emit(place, MacAddr::BROADCAST, len, out, telemetry, |frame| {
        frame.extend_from_slice(&header.to_bytes());
        frame.extend_from_slice(&argument.to_bytes(0));
    });
    if let Err(reason) = sent {
        telemetry.drop(reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sectors_per_frame_are_those_of_the_linux_driver() {
        // The table of MTUs and sectors that the driver (`aoecmd.c`) and vblade agree on.
        for (mtu, sectors) in [
            (547, 0),
            (548, 1),
            (1060, 2),
            (1500, 2),
            (4132, 8),
            (8228, 16),
            (9000, 17),
            (9216, 17),
            // No more than the longest frame we carry, whatever the device could.
            (16_370, 31),
            (65_535, 31),
        ] {
            assert_eq!(
                SegmentState::Up {
                    mac: MacAddr::ZERO,
                    mtu
                }
                .max_sectors(),
                sectors,
                "MTU {mtu}"
            );
        }
        assert_eq!(SegmentState::Down.max_sectors(), 0);
    }

    #[test]
    fn frames_are_padded_with_zeros_and_never_longer_than_the_segment() {
        let up = SegmentState::Up {
            mac: MacAddr([2; 6]),
            mtu: 100,
        };
        let (mut out, mut telemetry) = (Output::default(), Telemetry::default());
        let write = |len: usize| move |bytes: &mut Vec<u8>| bytes.resize(bytes.len() + len, 0xaa);
        let there = (SegmentId(0), up);
        assert!(emit(there, MacAddr([1; 6]), 10, &mut out, &mut telemetry, write(10)).is_ok());
        assert!(emit(there, MacAddr([1; 6]), 100, &mut out, &mut telemetry, write(100)).is_ok());
        let too_big = emit(there, MacAddr([1; 6]), 101, &mut out, &mut telemetry, write(101));
        assert_eq!(too_big, Err(DropReason::FrameTooBigForSegment));
        let frames: Vec<_> = out.frames.iter().map(|(_, frame)| frame.to_vec()).collect();
        assert_eq!(frames.len(), 2);
        assert_eq!((frames[0].len(), frames[1].len()), (60, 114));
        assert!(frames[0][24..].iter().all(|byte| *byte == 0));
    }
}
