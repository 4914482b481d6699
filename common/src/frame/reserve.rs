//! The argument of command 3: Reserve/Release, the initiators a target obeys for the time being.
//!
//! ```text
//!    0        1        2
//! +--------+--------+---------------- count times 6 bytes
//! |  RCmd  |  Count | MAC addresses ...
//! +--------+--------+----------------
//! ```
//!
//! Offsets count from the end of the AoE header. An empty list is a release. A response carries the whole list.

use super::aoe::HEADER_LEN;
use super::mac_addr::MacAddr;
use super::malformed::Malformed;

/// Bytes of the argument, without addresses.
pub const ARGUMENT_LEN: usize = 2;
/// Bytes of an address.
pub const ADDRESS_LEN: usize = 6;

/// What is to be done with the reservation.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ReserveCommand {
    /// 0: answer with the list.
    Read,
    /// 1: replace the list, if the target is not reserved by others.
    Set,
    /// 2: replace the list, whoever holds it.
    ForceSet,
    /// Any other number.
    Unknown(u8),
}

impl From<u8> for ReserveCommand {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Read,
            1 => Self::Set,
            2 => Self::ForceSet,
            _ => Self::Unknown(code),
        }
    }
}

impl From<ReserveCommand> for u8 {
    fn from(command: ReserveCommand) -> Self {
        match command {
            ReserveCommand::Read => 0,
            ReserveCommand::Set => 1,
            ReserveCommand::ForceSet => 2,
            ReserveCommand::Unknown(code) => code,
        }
    }
}

/// A checked view of a Reserve/Release argument.
#[derive(Clone, Copy, Debug)]
pub struct Reserve<'a> {
    argument: &'a [u8; ARGUMENT_LEN],
    addresses: &'a [[u8; ADDRESS_LEN]],
}

impl<'a> Reserve<'a> {
    /// Looks at the argument of a PDU with [`AoeCommand::Reserve`](super::AoeCommand::Reserve).
    ///
    /// # Errors
    /// [`Malformed::ReserveTooShort`] or [`Malformed::ReserveListCut`].
    pub fn parse(argument: &'a [u8]) -> Result<Self, Malformed> {
        let (argument, rest) = argument
            .split_first_chunk::<ARGUMENT_LEN>()
            .ok_or(Malformed::ReserveTooShort)?;
        let [_, count] = *argument;
        let addresses = rest
            .as_chunks()
            .0
            .get(..usize::from(count))
            .ok_or(Malformed::ReserveListCut)?;
        Ok(Self { argument, addresses })
    }

    /// All fields but the addresses.
    #[must_use]
    pub fn header(&self) -> ReserveHeader {
        let [command, count] = *self.argument;
        ReserveHeader {
            command: command.into(),
            count,
        }
    }

    /// The addresses, in order.
    pub fn addresses(&self) -> impl ExactSizeIterator<Item = MacAddr> + use<'a> {
        self.addresses.iter().copied().map(MacAddr)
    }

    /// The exact length of the PDU: header, argument and addresses.
    #[must_use]
    pub const fn pdu_len(&self) -> usize {
        HEADER_LEN + ARGUMENT_LEN + self.addresses.as_flattened().len()
    }
}

/// A Reserve/Release argument by meaning, without its addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReserveHeader {
    /// What is to be done with the reservation.
    pub command: ReserveCommand,
    /// How many addresses follow.
    pub count: u8,
}

impl ReserveHeader {
    /// The two bytes of this argument; `count` addresses follow them.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; ARGUMENT_LEN] {
        [self.command.into(), self.count]
    }

    /// Writes the argument, without addresses, to the start of `buf`.
    ///
    /// # Panics
    /// If `buf` is shorter than [`ARGUMENT_LEN`].
    pub fn emit(&self, buf: &mut [u8]) {
        super::emit(buf, self.to_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MacAddr, Malformed};
    use super::{ARGUMENT_LEN, Reserve, ReserveCommand, ReserveHeader};

    const SET: [u8; 14] = [1, 2, 0x52, 0x54, 0, 0, 0, 2, 0x52, 0x54, 0, 0, 0, 9];

    #[test]
    fn a_set_is_read_and_written() {
        let reserve = Reserve::parse(&SET).unwrap();
        let header = ReserveHeader {
            command: ReserveCommand::Set,
            count: 2,
        };
        assert_eq!(reserve.header(), header);
        assert!(
            reserve
                .addresses()
                .eq([2, 9].map(|last| MacAddr([0x52, 0x54, 0, 0, 0, last])))
        );
        assert_eq!(reserve.pdu_len(), 10 + 14);

        let mut buf = [0xaa; ARGUMENT_LEN + 1];
        header.emit(&mut buf);
        assert_eq!(buf, [1, 2, 0xaa]);
    }

    #[test]
    fn the_list_must_be_there_in_full() {
        for len in 0..SET.len() {
            let fault = if len < ARGUMENT_LEN {
                Malformed::ReserveTooShort
            } else {
                Malformed::ReserveListCut
            };
            assert_eq!(Reserve::parse(&SET[..len]).unwrap_err(), fault, "{len}");
        }
        let mut padded = SET.to_vec();
        padded.extend([0x5a; 30]);
        assert_eq!(Reserve::parse(&padded).unwrap().addresses().len(), 2);
    }

    #[test]
    fn every_code_survives() {
        for code in 0..=u8::MAX {
            assert_eq!(u8::from(ReserveCommand::from(code)), code);
        }
    }
}
