//! A batch of frames to be sent: one growing buffer, used again for every batch.

use aoe_common::frame::ethernet::{ETHERNET_HEADER_LEN, header_bytes};
use aoe_common::frame::{AtaHeader, Header, MIN_FRAME_LEN, MacAddr, QueryHeader, pad_to_min};

/// Whether short frames are padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// As they are, like the Linux initiator hands them to veth and TAP devices.
    None,
    /// Zeros up to 60 bytes, as every network card sends them.
    Minimum,
}

/// Frames in order of sending.
#[derive(Debug)]
pub struct Frames {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    padding: Padding,
}

impl Frames {
    /// An empty batch.
    pub fn new(padding: Padding) -> Self {
        Frames {
            bytes: Vec::new(),
            ends: Vec::new(),
            padding,
        }
    }

    /// Adds a frame with a PDU that `write` appends to the buffer it gets.
    pub fn push(&mut self, destination: MacAddr, source: MacAddr, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&header_bytes(destination, source));
        write(&mut self.bytes);
        if self.padding == Padding::Minimum {
            pad_to_min(&mut self.bytes, start);
        }
        self.ends.push(self.bytes.len());
    }

    /// Adds an ATA request or response with its data.
    pub fn push_ata(&mut self, link: (MacAddr, MacAddr), header: &Header, ata: &AtaHeader, data: &[u8]) {
        self.push(link.0, link.1, |buf| {
            buf.extend_from_slice(&header.to_bytes());
            buf.extend_from_slice(&ata.to_bytes());
            buf.extend_from_slice(data);
        });
    }

    /// Adds a Query Config request or response; of a string longer than 65535 bytes nothing is sent.
    pub fn push_query(
        &mut self,
        link: (MacAddr, MacAddr),
        header: &Header,
        query: &QueryHeader,
        string: &[u8],
    ) {
        self.push(link.0, link.1, |buf| {
            let string_len = u16::try_from(string.len()).unwrap_or(0);
            buf.extend_from_slice(&header.to_bytes());
            buf.extend_from_slice(&query.to_bytes(string_len));
            buf.extend_from_slice(string.get(..usize::from(string_len)).unwrap_or_default());
        });
    }

    /// The frames, Ethernet header included.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .filter_map(|(start, end)| self.bytes.get(start..*end))
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets all frames and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// Sectors that fit into a frame of a segment with this MTU (IP-style): `(MTU - 36) / 512`, the rule of the Linux
/// initiator (`aoecmd_cfg_rsp`) and of vblade. At most 255.
pub fn sectors_per_frame(mtu: u32) -> u8 {
    // Both count the Ethernet header into the MTU, and so waste its 14 bytes.
    let sectors = mtu.saturating_sub(36) / 512;
    u8::try_from(sectors).unwrap_or(u8::MAX)
}

const _: () = assert!(ETHERNET_HEADER_LEN + 46 == MIN_FRAME_LEN);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_one_by_one_and_short_ones_are_padded_with_zeros() {
        let mut frames = Frames::new(Padding::Minimum);
        for round in 0..2u8 {
            frames.push(MacAddr::BROADCAST, MacAddr::ZERO, |buf| {
                buf.extend_from_slice(&[0xaa; 2000])
            });
            frames.push(MacAddr::BROADCAST, MacAddr::ZERO, |buf| buf.push(round));
            let lens: Vec<_> = frames.iter().map(<[u8]>::len).collect();
            assert_eq!((lens, frames.len()), (vec![2014, 60], 2));
            let short = frames.iter().last().unwrap();
            assert_eq!(short[14], round);
            assert_eq!(short[15..], [0; 45]);
            frames.clear();
        }
        assert!(frames.is_empty());
    }

    #[test]
    fn sectors_follow_the_linux_rule() {
        for (mtu, sectors) in [
            (35, 0),
            (547, 0),
            (548, 1),
            (1060, 2),
            (1500, 2),
            (4132, 8),
            (9000, 17),
            (16110, 31),
        ] {
            assert_eq!(sectors_per_frame(mtu), sectors, "{mtu}");
        }
        assert_eq!(sectors_per_frame(u32::MAX), 255);
    }
}
