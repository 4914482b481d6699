//! The argument of command 2: MAC Mask List, the initiators a target listens to.
//!
//! ```text
//!    0        1        2        3        4
//! +--------+--------+--------+--------+---------------- count times 8 bytes
//! | zero   |  MCmd  | MError |  Count | directives ...
//! +--------+--------+--------+--------+----------------
//!
//!    0        1        2                                8
//! +--------+--------+----------------------------------+
//! | zero   |  DCmd  |           MAC address            |     a directive
//! +--------+--------+----------------------------------+
//! ```
//!
//! Offsets count from the end of the AoE header. A response carries the whole list; if an edit failed it carries
//! no directive, and Count says how many were carried out before the bad one.

use super::aoe::HEADER_LEN;
use super::mac_addr::MacAddr;
use super::malformed::Malformed;

/// Bytes of the argument, without directives.
pub const ARGUMENT_LEN: usize = 4;
/// Bytes of a directive.
pub const DIRECTIVE_LEN: usize = 8;

/// What is to be done with the list.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum MacMaskCommand {
    /// 0: answer with the list.
    Read,
    /// 1: carry out the directives.
    Edit,
    /// Any other number.
    Unknown(u8),
}

impl From<u8> for MacMaskCommand {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Read,
            1 => Self::Edit,
            _ => Self::Unknown(code),
        }
    }
}

impl From<MacMaskCommand> for u8 {
    fn from(command: MacMaskCommand) -> Self {
        match command {
            MacMaskCommand::Read => 0,
            MacMaskCommand::Edit => 1,
            MacMaskCommand::Unknown(code) => code,
        }
    }
}

/// Why an edit stopped.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum MacMaskError {
    /// 0: it did not.
    None,
    /// 1: no reason given.
    Unspecified,
    /// 2: the target does not know the directive.
    BadDirective,
    /// 3: the list is full.
    ListFull,
    /// Any other number.
    Unknown(u8),
}

impl From<u8> for MacMaskError {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::None,
            1 => Self::Unspecified,
            2 => Self::BadDirective,
            3 => Self::ListFull,
            _ => Self::Unknown(code),
        }
    }
}

impl From<MacMaskError> for u8 {
    fn from(error: MacMaskError) -> Self {
        match error {
            MacMaskError::None => 0,
            MacMaskError::Unspecified => 1,
            MacMaskError::BadDirective => 2,
            MacMaskError::ListFull => 3,
            MacMaskError::Unknown(code) => code,
        }
    }
}

/// What a directive does.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum DirectiveCommand {
    /// 0: nothing; in a response, an entry of the list.
    None,
    /// 1: adds the address.
    Add,
    /// 2: removes the address.
    Delete,
    /// Any other number.
    Unknown(u8),
}

impl From<u8> for DirectiveCommand {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::None,
            1 => Self::Add,
            2 => Self::Delete,
            _ => Self::Unknown(code),
        }
    }
}

impl From<DirectiveCommand> for u8 {
    fn from(command: DirectiveCommand) -> Self {
        match command {
            DirectiveCommand::None => 0,
            DirectiveCommand::Add => 1,
            DirectiveCommand::Delete => 2,
            DirectiveCommand::Unknown(code) => code,
        }
    }
}

/// One change to the list, or one entry of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Directive {
    /// A byte without meaning, zero in AoEr11.
    pub reserved: u8,
    /// What it does.
    pub command: DirectiveCommand,
    /// To which address.
    pub address: MacAddr,
}

impl Directive {
    /// Reads the eight bytes of a directive; every combination means something.
    #[must_use]
    pub fn from_bytes(bytes: [u8; DIRECTIVE_LEN]) -> Self {
        let [reserved, command, address @ ..] = bytes;
        Self {
            reserved,
            command: command.into(),
            address: MacAddr(address),
        }
    }

    /// The eight bytes of this directive.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; DIRECTIVE_LEN] {
        let [a, b, c, d, e, f] = self.address.0;
        [self.reserved, self.command.into(), a, b, c, d, e, f]
    }
}

/// A checked view of a MAC mask argument.
#[derive(Clone, Copy, Debug)]
pub struct MacMask<'a> {
    argument: &'a [u8; ARGUMENT_LEN],
    directives: &'a [[u8; DIRECTIVE_LEN]],
}

impl<'a> MacMask<'a> {
    /// Looks at the argument of a PDU with [`AoeCommand::MacMask`](super::AoeCommand::MacMask).
    ///
    /// # Errors
    /// [`Malformed::MacMaskTooShort`] or [`Malformed::MacMaskListCut`].
    pub fn parse(argument: &'a [u8]) -> Result<Self, Malformed> {
        let (argument, rest) = argument
            .split_first_chunk::<ARGUMENT_LEN>()
            .ok_or(Malformed::MacMaskTooShort)?;
        let [_, _, error, count] = *argument;
        let listed = match MacMaskError::from(error) {
            MacMaskError::None => usize::from(count),
            MacMaskError::Unspecified
            | MacMaskError::BadDirective
            | MacMaskError::ListFull
            | MacMaskError::Unknown(_) => 0,
        };
        let directives = rest
            .as_chunks()
            .0
            .get(..listed)
            .ok_or(Malformed::MacMaskListCut)?;
        Ok(Self { argument, directives })
    }

    /// All fields but the directives.
    #[must_use]
    pub fn header(&self) -> MacMaskHeader {
        let [reserved, command, error, count] = *self.argument;
        MacMaskHeader {
            reserved,
            command: command.into(),
            error: error.into(),
            count,
        }
    }

    /// The directives, in order; none in a response that reports an error.
    pub fn directives(&self) -> impl ExactSizeIterator<Item = Directive> + use<'a> {
        self.directives.iter().copied().map(Directive::from_bytes)
    }

    /// The exact length of the PDU: header, argument and directives.
    #[must_use]
    pub const fn pdu_len(&self) -> usize {
        HEADER_LEN + ARGUMENT_LEN + self.directives.as_flattened().len()
    }
}

/// A MAC mask argument by meaning, without its directives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MacMaskHeader {
    /// A byte without meaning, zero in AoEr11.
    pub reserved: u8,
    /// What is to be done with the list.
    pub command: MacMaskCommand,
    /// Why an edit stopped.
    pub error: MacMaskError,
    /// How many directives follow; with an error, how many were carried out.
    pub count: u8,
}

impl MacMaskHeader {
    /// The four bytes of this argument; `count` directives follow them, unless there is an error.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; ARGUMENT_LEN] {
        [self.reserved, self.command.into(), self.error.into(), self.count]
    }

    /// Writes the argument, without directives, to the start of `buf`.
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
    use super::{
        ARGUMENT_LEN, Directive, DirectiveCommand, MacMask, MacMaskCommand, MacMaskError, MacMaskHeader,
    };

    const EDIT: [u8; 20] = [
        0, 1, 0, 2, 0, 1, 0x52, 0x54, 0, 0, 0, 2, 0x33, 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    ];
    const DIRECTIVES: [Directive; 2] = [
        Directive {
            reserved: 0,
            command: DirectiveCommand::Add,
            address: MacAddr([0x52, 0x54, 0, 0, 0, 2]),
        },
        Directive {
            reserved: 0x33,
            command: DirectiveCommand::Unknown(9),
            address: MacAddr::BROADCAST,
        },
    ];

    #[test]
    fn an_edit_is_read_and_written() {
        let mask = MacMask::parse(&EDIT).unwrap();
        let header = MacMaskHeader {
            reserved: 0,
            command: MacMaskCommand::Edit,
            error: MacMaskError::None,
            count: 2,
        };
        assert_eq!(mask.header(), header);
        assert!(mask.directives().eq(DIRECTIVES));
        assert_eq!(mask.pdu_len(), 10 + 20);

        let mut buf = [0xaa; ARGUMENT_LEN + 1];
        header.emit(&mut buf);
        assert_eq!(buf, [0, 1, 0, 2, 0xaa]);
        assert_eq!(
            DIRECTIVES.map(|directive| directive.to_bytes()).as_flattened(),
            &EDIT[ARGUMENT_LEN..]
        );
    }

    #[test]
    fn the_list_must_be_there_in_full() {
        for len in 0..EDIT.len() {
            let fault = if len < ARGUMENT_LEN {
                Malformed::MacMaskTooShort
            } else {
                Malformed::MacMaskListCut
            };
            assert_eq!(MacMask::parse(&EDIT[..len]).unwrap_err(), fault, "{len}");
        }
        let mut padded = EDIT.to_vec();
        padded.extend([0x5a; 30]);
        assert_eq!(MacMask::parse(&padded).unwrap().directives().len(), 2);
    }

    #[test]
    fn a_failed_edit_counts_what_was_done_and_lists_nothing() {
        let vblade = [0, 1, 2, 1];
        let mask = MacMask::parse(&vblade).unwrap();
        assert_eq!(
            (mask.header().error, mask.header().count),
            (MacMaskError::BadDirective, 1)
        );
        assert_eq!((mask.directives().len(), mask.pdu_len()), (0, 14));
    }

    #[test]
    fn every_code_survives() {
        for code in 0..=u8::MAX {
            assert_eq!(u8::from(MacMaskCommand::from(code)), code);
            assert_eq!(u8::from(MacMaskError::from(code)), code);
            assert_eq!(u8::from(DirectiveCommand::from(code)), code);
        }
    }
}
