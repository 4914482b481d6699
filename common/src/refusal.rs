//! What was refused to an initiator, in words and on the wire.
//!
//! An edge refuses most by itself, and tells the exit, whose operator decides what is allowed.
//!
//! ```text
//!  refusals  entries, each:  export u16 | initiator 6 | what u8 | code u8 | times u32
//!  what      1 initiator not listed   2 read-only   3 ATA command   4 too many sectors   5 AoE command
//!            6 config string   7 sectors that are not granted
//!  code      the ATA or AoE command with 3 and 5, else 0
//! ```

use std::fmt;

use crate::config::ExportId;
use crate::drop_reason::DropReason;
use crate::frame::aoe::{AoeCommand, Pdu};
use crate::frame::{Ata, AtaOpcode, MacAddr};

/// Refusals in one message.
pub(crate) const MAX_REFUSALS: usize = 32;
const ENTRY_LEN: usize = 14;

/// What was refused, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Everything: the initiator is not listed.
    Initiator,
    /// A write, because the export is read-only.
    ReadOnly,
    /// An ATA command that does not pass.
    AtaCommand(AtaOpcode),
    /// More sectors than a frame carries.
    TooManySectors,
    /// An AoE command that does not pass.
    AoeCommand(AoeCommand),
    /// Setting the config string.
    ConfigString,
    /// Reading or writing sectors that are not granted.
    Sectors,
}

/// A refusal without what differs from request to request: it is logged by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RefusalKind(u8);

/// So many refusals of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) export: ExportId,
    /// The one that asked last.
    pub(crate) initiator: MacAddr,
    pub(crate) what: Refusal,
    pub(crate) times: u32,
}

impl Refusal {
    /// The refusal that a discarded request is, if it is one that somebody should look at.
    pub(crate) fn of(reason: DropReason, pdu: &Pdu<'_>) -> Option<Refusal> {
        Some(match reason {
            DropReason::RequestInitiatorNotAllowed | DropReason::ExportNotAllowed => Refusal::Initiator,
            DropReason::RefusedReadOnly => Refusal::ReadOnly,
            DropReason::RefusedSectors => Refusal::Sectors,
            DropReason::RefusedAtaCommand => Refusal::AtaCommand(Ata::parse(pdu.argument()).ok()?.command()),
            DropReason::RefusedTooManySectors => Refusal::TooManySectors,
            DropReason::RefusedAoeCommand => Refusal::AoeCommand(pdu.command()),
            DropReason::RefusedConfigSet => Refusal::ConfigString,
            _ => return None,
        })
    }

    /// The reason for which it was discarded.
    pub(crate) fn reason(self) -> DropReason {
        match self {
            Refusal::Initiator => DropReason::RequestInitiatorNotAllowed,
            Refusal::ReadOnly => DropReason::RefusedReadOnly,
            Refusal::AtaCommand(_) => DropReason::RefusedAtaCommand,
            Refusal::TooManySectors => DropReason::RefusedTooManySectors,
            Refusal::AoeCommand(_) => DropReason::RefusedAoeCommand,
            Refusal::ConfigString => DropReason::RefusedConfigSet,
            Refusal::Sectors => DropReason::RefusedSectors,
        }
    }

    /// Its stable name, which is that of its counter.
    pub fn id(self) -> &'static str {
        self.reason().name()
    }

    pub(crate) fn kind(self) -> RefusalKind {
        RefusalKind(self.codes().0)
    }

    fn codes(self) -> (u8, u8) {
        match self {
            Refusal::Initiator => (1, 0),
            Refusal::ReadOnly => (2, 0),
            Refusal::AtaCommand(opcode) => (3, opcode.into()),
            Refusal::TooManySectors => (4, 0),
            Refusal::AoeCommand(command) => (5, command.into()),
            Refusal::ConfigString => (6, 0),
            Refusal::Sectors => (7, 0),
        }
    }

    fn decode(what: u8, code: u8) -> Option<Refusal> {
        Some(match what {
            1 => Refusal::Initiator,
            2 => Refusal::ReadOnly,
            3 => Refusal::AtaCommand(code.into()),
            4 => Refusal::TooManySectors,
            5 => Refusal::AoeCommand(code.into()),
            6 => Refusal::ConfigString,
            7 => Refusal::Sectors,
            _ => return None,
        })
    }

    /// What to do, for the admin who decides what is allowed.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Refusal::Initiator => {
                "add its MAC to `initiators` of the [[allow]] there if it should have the disk"
            }
            Refusal::ReadOnly => {
                "set access = \"read-write\" in the [[allow]] there if it should write, or mount the disk read-only"
            }
            Refusal::AtaCommand(_) => {
                "only reads, writes, flushes, IDENTIFY, CHECK POWER MODE and what `commands` of the [[allow]] there names pass"
            }
            Refusal::TooManySectors => {
                "no frame of the whole way carries so many; let the initiator ask for the disk again"
            }
            Refusal::AoeCommand(_) => {
                "only ATA and Config commands pass, and what `reserve` and `mac_mask` of the [[allow]] there allow"
            }
            Refusal::ConfigString => "set config_string = \"set\" in the [[allow]] there if it should",
            Refusal::Sectors => {
                "it may use other sectors of this disk: see `lba` of the [[allow]] there, and `aoe-gateway acl explain`"
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Initiator => f.write_str("a request (this initiator is not listed)"),
            Refusal::ReadOnly => f.write_str("a write (the export is read-only)"),
            Refusal::AtaCommand(opcode) => write!(f, "ATA command {:#04x}", u8::from(*opcode)),
            Refusal::TooManySectors => f.write_str("a request of too many sectors"),
            Refusal::AoeCommand(command) => write!(f, "AoE command {:#04x}", u8::from(*command)),
            Refusal::ConfigString => f.write_str("a change of the config string"),
            Refusal::Sectors => f.write_str("a read or write (these sectors are not granted)"),
        }
    }
}

impl Refused {
    /// Appends the entry.
    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        let (what, code) = self.what.codes();
        out.extend_from_slice(&self.export.0.to_be_bytes());
        out.extend_from_slice(&self.initiator.0);
        out.extend_from_slice(&[what, code]);
        out.extend_from_slice(&self.times.to_be_bytes());
    }

    fn parse(bytes: [u8; ENTRY_LEN]) -> Option<Refused> {
        let [e0, e1, m0, m1, m2, m3, m4, m5, what, code, times @ ..] = bytes;
        Some(Refused {
            export: ExportId(u16::from_be_bytes([e0, e1])),
            initiator: MacAddr([m0, m1, m2, m3, m4, m5]),
            what: Refusal::decode(what, code)?,
            times: u32::from_be_bytes(times),
        })
    }
}

/// The entries of a message; `None` if it is damaged anywhere or has too many.
pub(crate) fn parse(message: &[u8]) -> Option<Vec<Refused>> {
    let (entries, rest) = message.as_chunks::<ENTRY_LEN>();
    if !rest.is_empty() || entries.len() > MAX_REFUSALS {
        return None;
    }
    entries.iter().map(|entry| Refused::parse(*entry)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn refusals_survive_a_round_trip_and_any_bytes_are_read_or_refused(
            entries in prop::collection::vec((any::<u16>(), any::<[u8; 6]>(), 1u8..8, any::<u8>(), any::<u32>()), 0..32),
            bytes in prop::collection::vec(any::<u8>(), 0..500),
        ) {
            let refused = |(export, mac, what, code, times)| Refused {
                export: ExportId(export),
                initiator: MacAddr(mac),
                what: Refusal::decode(what, code).unwrap(),
                times,
            };
            let entries: Vec<_> = entries.into_iter().map(refused).collect();
            let mut message = Vec::new();
            entries.iter().for_each(|entry| entry.emit(&mut message));
            prop_assert_eq!(parse(&message), Some(entries));
            let _ = parse(&bytes);
        }
    }
}
