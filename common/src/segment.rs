//! What the engine knows of a local Ethernet.

use crate::frame::{ETHERNET_HEADER_LEN, MAX_FRAME_LEN, MacAddr, SECTOR_LEN, ata};

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
}
