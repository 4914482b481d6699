//! The argument of command 0: an ATA command, or its outcome.
//!
//! ```text
//!    0        1        2        3        4                          10      12
//! +--------+--------+--------+--------+----+----+----+----+----+----+-------+------
//! | AFlags |Err/Feat| Sectors|Cmd/Stat|LBA0|LBA1|LBA2|LBA3|LBA4|LBA5| zero  | data
//! +--------+--------+--------+--------+----+----+----+----+----+----+-------+------
//!                                      least significant byte first
//!   7   6   5   4   3   2   1   0
//! +---+---+---+---+---+---+---+---+
//! |   | E |   | D |   |   | A | W |     E: 48-bit addresses   D: copy of the device/head bit, only with E
//! +---+---+---+---+---+---+---+---+     A: asynchronous write W: data goes to the device
//! ```
//!
//! Offsets count from the end of the AoE header. In a request the bytes 1 and 3 are the Feature and Command
//! registers, in a response Error and Status. Sectors have 512 bytes in AoE, always.

use super::aoe::HEADER_LEN;
pub use super::ata_exchange::{emit_part, emit_refusal, request_len, response_len, sectors_len};
pub use super::ata_opcode::AtaOpcode;
use super::malformed::Malformed;

/// Bytes of the argument, without data.
pub const ARGUMENT_LEN: usize = 12;
/// Bytes of a sector.
pub const SECTOR_LEN: usize = 512;
/// Bytes of a PDU with an ATA argument and no data.
pub const PDU_LEN: usize = HEADER_LEN + ARGUMENT_LEN;

/// Status register: BSY, DF, DRQ or ERR, what the Linux initiator takes for failure (`ktiocomplete`).
const STATUS_FAILED: u8 = 0xa9;

const LBA28_MASK: u64 = 0x0fff_ffff;
const LBA48_MASK: u64 = 0xffff_ffff_ffff;

/// The AFlags byte, reserved bits included.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct AtaFlags(pub u8);

impl AtaFlags {
    /// E: the command takes 48-bit addresses.
    pub const EXTENDED: u8 = 0x40;
    /// D: copy of the device/head register's bit 4; used with E only.
    pub const DEVICE: u8 = 0x10;
    /// A: the target may answer before the data is stored.
    pub const ASYNC: u8 = 0x02;
    /// W: data goes to the device.
    pub const WRITE: u8 = 0x01;

    /// Is E set?
    #[must_use]
    pub const fn is_extended(self) -> bool {
        self.0 & Self::EXTENDED != 0
    }

    /// Is A set?
    #[must_use]
    pub const fn is_async(self) -> bool {
        self.0 & Self::ASYNC != 0
    }

    /// Is W set? Not every target insists on it for writes; [`AtaOpcode::is_write`] is what counts.
    #[must_use]
    pub const fn is_write(self) -> bool {
        self.0 & Self::WRITE != 0
    }
}

/// A checked view of an ATA argument with what follows it.
#[derive(Clone, Copy, Debug)]
pub struct Ata<'a> {
    argument: &'a [u8; ARGUMENT_LEN],
    data: &'a [u8],
}

impl<'a> Ata<'a> {
    /// Looks at the [argument](super::Pdu::argument) of a PDU with [`AoeCommand::Ata`](super::AoeCommand::Ata).
    ///
    /// Whether the data is all there depends on request or response: see [`request_len`] and [`response_len`].
    ///
    /// # Errors
    /// [`Malformed::AtaTooShort`].
    #[inline]
    pub fn parse(argument: &'a [u8]) -> Result<Self, Malformed> {
        let (argument, data) = argument.split_first_chunk().ok_or(Malformed::AtaTooShort)?;
        Ok(Self { argument, data })
    }

    /// All registers.
    #[inline]
    #[must_use]
    pub fn header(&self) -> AtaHeader {
        AtaHeader::from_bytes(*self.argument)
    }

    /// AFlags.
    #[inline]
    #[must_use]
    pub fn flags(&self) -> AtaFlags {
        self.header().flags
    }

    /// The Feature register of a request.
    #[inline]
    #[must_use]
    pub fn feature(&self) -> u8 {
        self.header().error_feature
    }

    /// The Error register of a response.
    #[inline]
    #[must_use]
    pub fn error(&self) -> u8 {
        self.header().error_feature
    }

    /// Sector count: in a request how many to move; in a response whatever the target likes (vblade: how many it
    /// did not move).
    #[inline]
    #[must_use]
    pub fn sectors(&self) -> u8 {
        self.header().sectors
    }

    /// The command of a request.
    #[inline]
    #[must_use]
    pub fn command(&self) -> AtaOpcode {
        self.header().command_status.into()
    }

    /// The Status register of a response.
    #[inline]
    #[must_use]
    pub fn status(&self) -> u8 {
        self.header().command_status
    }

    /// Does this response report success, by the bits the Linux initiator looks at?
    #[inline]
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status() & STATUS_FAILED == 0
    }

    /// The six address bytes as they stand, least significant first.
    #[inline]
    #[must_use]
    pub fn lba_bytes(&self) -> [u8; 6] {
        self.header().lba
    }

    /// The first sector addressed, by flag E: 48 bits if set, else 28 bits without the device/head nibble.
    #[inline]
    #[must_use]
    pub fn lba(&self) -> u64 {
        self.header().effective_lba()
    }

    /// What the address bytes mean as 28 bits, and as 48.
    #[must_use]
    pub fn both_lbas(&self) -> [u64; 2] {
        let all_bits = wide_lba(self.lba_bytes());
        [all_bits & LBA28_MASK, all_bits]
    }

    /// The address bytes for the sector that is `sectors` behind the first, in the form of this request: 48 bits where
    /// both command and flag E say so, else 28 bits and the device/head nibble. `None` if it has no such address.
    #[must_use]
    pub fn lba_behind(&self, sectors: u8) -> Option<[u8; 6]> {
        let header = self.header();
        let all_bits = wide_lba(header.lba);
        let mask = if self.command().is_extended() && header.flags.is_extended() {
            LBA48_MASK
        } else {
            LBA28_MASK
        };
        let lba = (all_bits & mask) + u64::from(sectors);
        (lba <= mask).then(|| lba48_bytes(all_bits & !mask | lba))
    }

    /// Would targets disagree about the first sector of this read or write?
    ///
    /// vblade takes the width of the address from the command and ggaoed from flag E, so where these differ and
    /// the address needs more than 28 bits, one request means two places. No initiator sends that.
    #[inline]
    #[must_use]
    pub fn is_lba_disputed(&self) -> bool {
        let command = self.command();
        let [low_bits, all_bits] = self.both_lbas();
        (command.is_read() || command.is_write())
            && command.is_extended() != self.flags().is_extended()
            && low_bits != all_bits
    }

    /// Everything after the argument: data, then padding. May be empty.
    #[inline]
    #[must_use]
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }
}

/// An ATA argument by meaning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AtaHeader {
    /// AFlags.
    pub flags: AtaFlags,
    /// Feature register of a request, Error register of a response.
    pub error_feature: u8,
    /// Sector count.
    pub sectors: u8,
    /// Command register of a request, Status register of a response.
    pub command_status: u8,
    /// The address bytes as they stand, least significant first.
    pub lba: [u8; 6],
    /// Two bytes without meaning, zero in AoEr11.
    pub reserved: [u8; 2],
}

impl AtaHeader {
    /// Reads the twelve bytes of an argument; every combination means something.
    #[inline]
    #[must_use]
    pub const fn from_bytes(bytes: [u8; ARGUMENT_LEN]) -> Self {
        let [
            flags,
            error_feature,
            sectors,
            command_status,
            l0,
            l1,
            l2,
            l3,
            l4,
            l5,
            reserved @ ..,
        ] = bytes;
        let lba = [l0, l1, l2, l3, l4, l5];
        Self {
            flags: AtaFlags(flags),
            error_feature,
            sectors,
            command_status,
            lba,
            reserved,
        }
    }

    /// The twelve bytes of this argument.
    #[inline]
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; ARGUMENT_LEN] {
        let [l0, l1, l2, l3, l4, l5] = self.lba;
        let [r0, r1] = self.reserved;
        let Self {
            flags: AtaFlags(flags),
            error_feature,
            sectors,
            command_status,
            ..
        } = *self;
        [
            flags,
            error_feature,
            sectors,
            command_status,
            l0,
            l1,
            l2,
            l3,
            l4,
            l5,
            r0,
            r1,
        ]
    }

    /// Writes the argument, without data, to the start of `buf`.
    ///
    /// # Panics
    /// If `buf` is shorter than [`ARGUMENT_LEN`].
    #[inline]
    pub fn emit(&self, buf: &mut [u8]) {
        super::emit(buf, self.to_bytes());
    }

    /// See [`Ata::lba`].
    #[inline]
    const fn effective_lba(&self) -> u64 {
        let all_bits = wide_lba(self.lba);
        if self.flags.is_extended() {
            all_bits
        } else {
            all_bits & LBA28_MASK
        }
    }
}

/// The six address bytes of a 48-bit command that starts at sector `lba`, of which the low 48 bits have room.
#[must_use]
pub const fn lba48_bytes(lba: u64) -> [u8; 6] {
    let [l0, l1, l2, l3, l4, l5, ..] = lba.to_le_bytes();
    [l0, l1, l2, l3, l4, l5]
}

const fn wide_lba(lba: [u8; 6]) -> u64 {
    let [l0, l1, l2, l3, l4, l5] = lba;
    u64::from_le_bytes([l0, l1, l2, l3, l4, l5, 0, 0])
}

/// Clears A in a PDU with an ATA command, in place: the target stores the data before it answers. A PDU that is too short
/// for one stays as it is.
pub fn clear_async(pdu: &mut [u8]) {
    if let Some(flags) = pdu.get_mut(HEADER_LEN) {
        *flags &= !AtaFlags::ASYNC;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Malformed;
    use super::{
        ARGUMENT_LEN, Ata, AtaFlags, AtaHeader, AtaOpcode, HEADER_LEN, PDU_LEN, clear_async, lba48_bytes,
    };

    const WRITE_EXT: [u8; ARGUMENT_LEN] = [0x41, 0, 2, 0x34, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, 0, 0];

    fn request(flags: u8, opcode: u8, sectors: u8) -> [u8; ARGUMENT_LEN] {
        [flags, 0, sectors, opcode, 0x01, 0x02, 0x03, 0xe4, 0, 0, 0, 0]
    }

    #[test]
    fn an_argument_is_read_and_written() {
        let ata = Ata::parse(&WRITE_EXT).unwrap();
        assert_eq!(ata.flags(), AtaFlags(AtaFlags::EXTENDED | AtaFlags::WRITE));
        assert!(ata.flags().is_extended() && ata.flags().is_write() && !ata.flags().is_async());
        assert_eq!(
            (ata.feature(), ata.sectors(), ata.command()),
            (0, 2, AtaOpcode::WriteExt)
        );
        assert_eq!(ata.lba(), 0x0102_0304_0506);
        assert_eq!(ata.lba_bytes(), [6, 5, 4, 3, 2, 1]);
        assert_eq!(lba48_bytes(ata.lba()), ata.lba_bytes());
        assert!(ata.data().is_empty());

        let mut buf = [0xaa; ARGUMENT_LEN + 2];
        ata.header().emit(&mut buf);
        assert_eq!(buf[..ARGUMENT_LEN], WRITE_EXT);
        assert_eq!(buf[ARGUMENT_LEN..], [0xaa; 2]);
    }

    #[test]
    fn a_cut_argument_is_malformed() {
        for len in 0..ARGUMENT_LEN {
            assert_eq!(
                Ata::parse(&WRITE_EXT[..len]).unwrap_err(),
                Malformed::AtaTooShort,
                "{len}"
            );
        }
    }

    #[test]
    fn a_28_bit_address_leaves_out_the_device_nibble() {
        let linux = request(0, 0x20, 1);
        assert_eq!(Ata::parse(&linux).unwrap().lba(), 0x0403_0201);
        let mut with_rubbish = linux;
        with_rubbish[8] = 0x77;
        assert_eq!(Ata::parse(&with_rubbish).unwrap().lba(), 0x0403_0201);
    }

    #[test]
    fn only_addresses_that_depend_on_the_targets_reading_are_disputed() {
        let disputed = |flags, opcode, lba: u64| {
            let header = AtaHeader {
                flags: AtaFlags(flags),
                error_feature: 0,
                sectors: 1,
                command_status: opcode,
                lba: lba48_bytes(lba),
                reserved: [0; 2],
            };
            Ata::parse(&header.to_bytes()).unwrap().is_lba_disputed()
        };
        let e = AtaFlags::EXTENDED;
        assert!(disputed(0, 0x34, 0x1000_0000), "write ext without E");
        assert!(disputed(e, 0x30, 0xe000_0000), "short write with E");
        assert!(!disputed(0, 0x34, 0x0fff_ffff), "28 bits are the same to all");
        assert!(!disputed(e, 0x24, 0xffff_ffff_ffff));
        assert!(!disputed(0, 0x20, 0xe000_0000), "the device nibble of Linux");
        assert!(!disputed(0, 0xea, 0xffff_ffff_ffff), "a flush has no address");
    }

    #[test]
    fn a_write_can_be_made_synchronous_and_nothing_else_changes() {
        let mut pdu = vec![0xff; PDU_LEN];
        clear_async(&mut pdu);
        assert_eq!(pdu[HEADER_LEN], 0xfd);
        assert_eq!(pdu.iter().filter(|byte| **byte == 0xff).count(), PDU_LEN - 1);
        clear_async(&mut [0; HEADER_LEN]);
    }
}
