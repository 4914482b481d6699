//! A request of an initiator, parsed once: by the edge where it was captured, and by the exit, which does not trust the edge.

use crate::config::ExtraCommand;
use crate::frame::aoe::{AoeCommand, Pdu};
use crate::frame::{
    Ata, AtaFlags, AtaOpcode, HEADER_LEN, MacMask, Malformed, Query, Reserve, SECTOR_LEN, ata,
};

/// A request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) pdu: Pdu<'a>,
    pub(crate) command: Command<'a>,
    /// The PDU without padding.
    bytes: &'a [u8],
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command<'a> {
    /// An ATA command.
    Ata(Ata<'a>),
    /// A Config command.
    Query(Query<'a>),
    /// A Reserve/Release command.
    Reserve(Reserve<'a>),
    /// A MAC mask command.
    MacMask(MacMask<'a>),
    /// Another command of AoE, or one of the two above that is cut. Nobody looks into it.
    Other,
}

impl<'a> Request<'a> {
    /// Reads a PDU.
    ///
    /// # Errors
    /// It is shorter than what it asks for needs.
    pub(crate) fn parse(pdu: Pdu<'a>) -> Result<Request<'a>, Malformed> {
        let all = pdu.bytes();
        let (command, len) = match pdu.command() {
            AoeCommand::Ata => {
                let ata = Ata::parse(pdu.argument())?;
                (Command::Ata(ata), ata::request_len(&ata)?)
            }
            AoeCommand::Query => {
                let query = Query::parse(pdu.argument())?;
                (Command::Query(query), query.pdu_len())
            }
            AoeCommand::Reserve => match Reserve::parse(pdu.argument()) {
                Ok(reserve) => (Command::Reserve(reserve), reserve.pdu_len()),
                Err(_) => (Command::Other, all.len()),
            },
            AoeCommand::MacMask => match MacMask::parse(pdu.argument()) {
                Ok(mask) => (Command::MacMask(mask), mask.pdu_len()),
                Err(_) => (Command::Other, all.len()),
            },
            _ => (Command::Other, all.len()),
        };
        let bytes = all.get(..len).ok_or(Malformed::FrameTooShort)?;
        Ok(Request { pdu, command, bytes })
    }

    /// The PDU without padding.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// What was asked, but for the place: says how long the answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Ata {
        opcode: AtaOpcode,
        sectors: u8,
        flags: AtaFlags,
    },
    /// An ATA command that is granted by name.
    Extra {
        command: ExtraCommand,
        sectors: u8,
    },
    Query,
    Reserve,
    MacMask,
}

/// Bytes of sectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) read: u64,
    pub(crate) written: u64,
}

impl Asked {
    /// What an ATA command asks.
    pub(crate) fn of_ata(ata: &Ata<'_>) -> Asked {
        if let AtaOpcode::Other(_) = ata.command()
            && let Some(command) = ExtraCommand::of(ata)
        {
            let sectors = ata.sectors();
            return Asked::Extra { command, sectors };
        }
        Asked::Ata {
            opcode: ata.command(),
            sectors: ata.sectors(),
            flags: ata.flags(),
        }
    }

    /// A part of this, which is all of it unless it moves sectors.
    pub(crate) fn part(self, part: u8) -> Asked {
        match (self, self.moves()) {
            (Asked::Ata { opcode, flags, .. }, Some(_)) => Asked::Ata {
                opcode,
                sectors: part,
                flags,
            },
            _ => self,
        }
    }

    /// Whether it writes sectors.
    pub(crate) fn is_write(self) -> bool {
        matches!(self, Asked::Ata { opcode, .. } if opcode.is_write())
    }

    /// How many sectors it moves, if it moves any.
    pub(crate) fn moves(self) -> Option<u8> {
        match self {
            Asked::Ata { opcode, sectors, .. } if opcode.is_read() || opcode.is_write() => Some(sectors),
            Asked::Ata { .. } | Asked::Extra { .. } | Asked::Query | Asked::Reserve | Asked::MacMask => None,
        }
    }

    /// Whether it is an ATA command, which is refused by an ATA error.
    pub(crate) fn is_ata(self) -> bool {
        match self {
            Asked::Ata { .. } | Asked::Extra { .. } => true,
            Asked::Query | Asked::Reserve | Asked::MacMask => false,
        }
    }

    /// How many sectors of data the answer has, if it is done.
    pub(crate) fn brings(self) -> u8 {
        match self {
            Asked::Ata { opcode, sectors, .. } if opcode.is_read() => sectors,
            Asked::Extra { command, sectors } => command.sectors(sectors),
            Asked::Ata { .. } | Asked::Query | Asked::Reserve | Asked::MacMask => 0,
        }
    }

    /// Bytes of sectors that were read and written, when this was answered.
    pub(crate) fn moved(self, success: bool) -> Moved {
        let Asked::Ata { opcode, sectors, .. } = self else {
            return Moved::default();
        };
        let bytes = u64::from(sectors) * SECTOR_LEN as u64;
        let if_so = |moves| if moves && success { bytes } else { 0 };
        Moved {
            read: if_so(opcode.is_read()),
            written: if_so(opcode.is_write()),
        }
    }

    /// How long the PDU of this answer has to be; what is behind that is padding. An error of AoE carries at most the
    /// registers. `None`: it is the answer to something else.
    pub(crate) fn answer_len(self, answer: &Pdu<'_>) -> Option<usize> {
        match (self, answer.command()) {
            (Asked::Ata { .. } | Asked::Extra { .. }, AoeCommand::Ata) if answer.is_error() => {
                Some(answer.bytes().len().min(ata::PDU_LEN))
            }
            (Asked::Ata { opcode, sectors, .. }, AoeCommand::Ata) => {
                let registers = Ata::parse(answer.argument()).ok()?;
                Some(ata::response_len(opcode, sectors, &registers))
            }
            (Asked::Extra { .. }, AoeCommand::Ata) => {
                let done = Ata::parse(answer.argument()).ok()?.is_success();
                let data = if done { ata::sectors_len(self.brings()) } else { 0 };
                Some(ata::PDU_LEN + data)
            }
            (Asked::Reserve, AoeCommand::Reserve) | (Asked::MacMask, AoeCommand::MacMask)
                if answer.is_error() =>
            {
                Some(HEADER_LEN)
            }
            (Asked::Reserve, AoeCommand::Reserve) => Some(Reserve::parse(answer.argument()).ok()?.pdu_len()),
            (Asked::MacMask, AoeCommand::MacMask) => Some(MacMask::parse(answer.argument()).ok()?.pdu_len()),
            (Asked::Query, AoeCommand::Query) => Some(Query::parse(answer.argument()).ok()?.pdu_len()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Address, Flags, Header, Tag};

    fn pdu(command: AoeCommand, argument: &[u8]) -> Vec<u8> {
        let header = Header {
            version: 1,
            flags: Flags::REQUEST,
            error: 0,
            address: Address { shelf: 1, slot: 1 },
            command,
            tag: Tag(1),
        };
        [&header.to_bytes(), argument].concat()
    }

    #[test]
    fn padding_is_no_part_of_a_request() {
        let mut read = pdu(AoeCommand::Ata, &[0x40, 0, 2, 0x24, 1, 0, 0, 0, 0, 0, 0, 0]);
        let len = read.len();
        read.resize(len + 20, 0);
        let request = Request::parse(Pdu::parse(&read).unwrap()).unwrap();
        assert_eq!(request.bytes().len(), len);
        let Command::Ata(ata) = request.command else {
            panic!("{request:?}")
        };
        let asked = Asked::of_ata(&ata);
        assert_eq!((asked.moves(), asked.part(1).moves()), (Some(2), Some(1)));
        let moved = asked.moved(true);
        assert_eq!((moved.read, moved.written), (1024, 0));
        assert_eq!(asked.moved(false), Moved::default());
        let other = pdu(AoeCommand::Reserve, &[1, 2, 3]);
        let request = Request::parse(Pdu::parse(&other).unwrap()).unwrap();
        assert_eq!(request.bytes(), other);
    }

    #[test]
    fn what_is_too_short_is_no_request() {
        let write = pdu(AoeCommand::Ata, &[0x41, 0, 2, 0x34, 1, 0, 0, 0, 0, 0, 0, 0]);
        for (len, is_one) in [(0, false), (2 * SECTOR_LEN - 1, false), (2 * SECTOR_LEN, true)] {
            let bytes = [&write[..], &vec![0; len]].concat();
            assert_eq!(
                Request::parse(Pdu::parse(&bytes).unwrap()).is_ok(),
                is_one,
                "{len}"
            );
        }
        for command in [AoeCommand::Ata, AoeCommand::Query] {
            let bytes = pdu(command, &[0; 7]);
            assert!(Request::parse(Pdu::parse(&bytes).unwrap()).is_err());
        }
        assert!(pdu(AoeCommand::Ata, &[]).len() == HEADER_LEN);
    }
}
