//! What somebody asks about, as the request that it would be.

use std::fmt;

use crate::config::{Brings, ExtraCommand};
use crate::frame::ata::{AtaFlags, AtaHeader, lba48_bytes, sectors_len};
use crate::frame::mac_mask::{MacMaskCommand, MacMaskError, MacMaskHeader};
use crate::frame::query::{QueryCommand, QueryHeader};
use crate::frame::reserve::{ReserveCommand, ReserveHeader};
use crate::frame::{Address, AoeCommand, AtaOpcode, Flags, Header, MacAddr, Tag};

/// May this initiator do this?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The initiator, as its gateway says.
    pub initiator: MacAddr,
    /// What it wants.
    pub action: Action,
    /// The first sector, of a read or write.
    pub lba: u64,
    /// How many sectors, of a read, a write or a log.
    pub sectors: u8,
}

/// What an initiator may want to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// An ATA command that initiators need for a disk.
    Ata(AtaOpcode),
    /// An ATA command that is granted by name.
    Extra(ExtraCommand),
    /// Read or test the config string.
    ReadConfigString,
    /// Set it.
    SetConfigString,
    /// Reserve or release the target, or read who holds it.
    Reserve,
    /// Read or edit the MAC mask list.
    MacMask,
}

impl Action {
    /// All there are, in the order in which people look for them.
    pub fn all() -> Vec<Action> {
        let known = [
            AtaOpcode::Read,
            AtaOpcode::Write,
            AtaOpcode::Identify,
            AtaOpcode::Flush,
            AtaOpcode::CheckPower,
        ];
        let others = [
            Action::ReadConfigString,
            Action::SetConfigString,
            Action::Reserve,
            Action::MacMask,
        ];
        let extra = ExtraCommand::ALL.iter().copied().map(Action::Extra);
        known
            .into_iter()
            .map(Action::Ata)
            .chain(extra)
            .chain(others)
            .collect()
    }

    /// The one that is called so.
    pub fn named(name: &str) -> Option<Action> {
        Self::all().into_iter().find(|action| action.to_string() == name)
    }

    /// Whether it is about sectors.
    pub fn has_sectors(self) -> bool {
        matches!(self, Action::Ata(opcode) if opcode.is_read() || opcode.is_write())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Ata(opcode) => f.write_str(opcode.name()),
            Action::Extra(command) => f.write_str(command.name()),
            Action::ReadConfigString => f.write_str("read-config-string"),
            Action::SetConfigString => f.write_str("set-config-string"),
            Action::Reserve => f.write_str("reserve"),
            Action::MacMask => f.write_str("mac-mask"),
        }
    }
}

impl Question {
    /// The request that an initiator would send; `None` if the sectors have no address.
    pub(super) fn pdu(&self) -> Option<Vec<u8>> {
        let (command, argument) = match self.action {
            Action::Ata(opcode) => (AoeCommand::Ata, self.ata(opcode)?),
            Action::Extra(extra) => (AoeCommand::Ata, self.extra(extra)),
            Action::ReadConfigString => (AoeCommand::Query, query(QueryCommand::Read)),
            Action::SetConfigString => (AoeCommand::Query, query(QueryCommand::ForceSet)),
            Action::Reserve => {
                let command = ReserveCommand::Set;
                (
                    AoeCommand::Reserve,
                    ReserveHeader { command, count: 0 }.to_bytes().to_vec(),
                )
            }
            Action::MacMask => {
                let edit = MacMaskHeader {
                    reserved: 0,
                    command: MacMaskCommand::Edit,
                    error: MacMaskError::None,
                    count: 0,
                };
                (AoeCommand::MacMask, edit.to_bytes().to_vec())
            }
        };
        let header = Header {
            version: 1,
            flags: Flags::REQUEST,
            error: 0,
            address: Address { shelf: 0, slot: 0 },
            command,
            tag: Tag(1),
        };
        Some([&header.to_bytes()[..], &argument].concat())
    }

    /// The same for each sector by itself.
    pub(super) fn sectors_one_by_one(&self) -> impl Iterator<Item = Question> {
        let question = *self;
        (0..self.sectors).map(move |at| Question {
            lba: question.lba.saturating_add(at.into()),
            sectors: 1,
            ..question
        })
    }

    fn ata(&self, opcode: AtaOpcode) -> Option<Vec<u8>> {
        // As the Linux initiator sends it to a disk of any size.
        let (wide, moves) = match opcode {
            AtaOpcode::Read => (AtaOpcode::ReadExt, true),
            AtaOpcode::Write => (AtaOpcode::WriteExt, true),
            other => (other, other.is_read() || other.is_write()),
        };
        if moves && self.lba >> 48 != 0 {
            return None;
        }
        let write = if wide.is_write() { AtaFlags::WRITE } else { 0 };
        let header = AtaHeader {
            flags: AtaFlags(if wide.is_extended() { AtaFlags::EXTENDED } else { 0 } | write),
            error_feature: 0,
            sectors: if moves {
                self.sectors
            } else {
                u8::from(wide == AtaOpcode::Identify)
            },
            command_status: wide.into(),
            lba: if moves { lba48_bytes(self.lba) } else { [0; 6] },
            reserved: [0; 2],
        };
        let mut argument = header.to_bytes().to_vec();
        if wide.is_write() {
            argument.resize(argument.len() + sectors_len(self.sectors), 0);
        }
        Some(argument)
    }

    fn extra(&self, extra: ExtraCommand) -> Vec<u8> {
        let (opcode, feature) = extra.code();
        let header = AtaHeader {
            flags: AtaFlags(0),
            error_feature: feature.unwrap_or(0),
            sectors: match extra.brings() {
                Brings::Sectors => self.sectors,
                Brings::Nothing | Brings::OneSector => 1,
            },
            command_status: opcode,
            lba: [0, 0x4f, 0xc2, 0xa0, 0, 0],
            reserved: [0; 2],
        };
        header.to_bytes().to_vec()
    }
}

fn query(command: QueryCommand) -> Vec<u8> {
    let header = QueryHeader {
        buffer_count: 0,
        firmware: 0,
        sectors: 0,
        version: 1,
        command,
    };
    header.to_bytes(0).to_vec()
}
