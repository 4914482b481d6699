//! The three ATA requests that the Linux driver makes.

use aoe_common::frame::ata::lba48_bytes;
use aoe_common::frame::{AtaFlags, AtaHeader, AtaOpcode};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Identify,
    Read,
    Write,
}

impl Kind {
    /// The registers of a request as `ata_rw_frameinit` and `aoecmd_ata_id` fill them.
    pub(super) fn registers(self, lba: u64, sectors: u8, wide: bool) -> AtaHeader {
        let mut bytes = lba48_bytes(lba);
        let opcode = match (self, wide) {
            (Kind::Identify, _) => AtaOpcode::Identify,
            (Kind::Read, true) => AtaOpcode::ReadExt,
            (Kind::Read, false) => AtaOpcode::Read,
            (Kind::Write, true) => AtaOpcode::WriteExt,
            (Kind::Write, false) => AtaOpcode::Write,
        };
        let [_, _, _, high, upper @ ..] = &mut bytes;
        let mut flags = 0;
        match (self, wide) {
            (Kind::Identify, _) => *high = 0xa0,
            (_, true) => flags |= AtaFlags::EXTENDED,
            (_, false) => {
                *high = *high & 0x0f | 0xe0;
                *upper = [0; 2];
            }
        }
        if self == Kind::Write {
            flags |= AtaFlags::WRITE;
        }
        AtaHeader {
            flags: AtaFlags(flags),
            error_feature: 0,
            sectors,
            command_status: opcode.into(),
            lba: bytes,
            reserved: [0; 2],
        }
    }
}
