//! Who may do what: one verdict per request, no state, no logging.
//!
//! The edge asks first, because it can refuse at once; the exit asks again and decides, because a peer may lie.

use crate::config::{Access, ConfigString};
use crate::drop_reason::DropReason;
use crate::export::Rights;
use crate::frame::{Ata, AtaOpcode, MacAddr, QueryCommand};
use crate::request::{Command, Request};

/// Whether a request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may go to the target.
    Admit,
    /// The initiator is told no, for this reason.
    Refuse(DropReason),
    /// The initiator is told nothing, for this reason: it does not learn that there is an export.
    Ignore(DropReason),
}

/// Most sectors of one request: what the longest frame that we carry has room for. A way may carry fewer at a time; that
/// is no reason to refuse, for what fits may change while a request is under way.
pub(crate) const MAX_SECTORS: u8 = 31;

/// Judges a request of an initiator behind the peer that has these rights on the export.
pub(crate) fn judge(rights: &Rights, initiator: MacAddr, request: &Request<'_>) -> Verdict {
    if !covers(rights, initiator) {
        return Verdict::Ignore(DropReason::RequestInitiatorNotAllowed);
    }
    let refused = match &request.command {
        Command::Ata(ata) => fault_of_ata(rights, ata),
        Command::Query(query) => fault_of_query(rights, query.command()),
        Command::Other => Some(DropReason::RefusedAoeCommand),
    };
    refused.map_or(Verdict::Admit, Verdict::Refuse)
}

/// Whether an initiator may use the export at all.
pub(crate) fn covers(rights: &Rights, initiator: MacAddr) -> bool {
    let listed = rights.initiators.as_ref();
    listed.is_none_or(|listed| listed.contains(&initiator))
}

/// Why an ATA command may not pass.
///
/// Allowed are the commands that initiators need for a disk; everything else (passwords, firmware, erasing,
/// sleeping, …) is refused by not being on the list.
fn fault_of_ata(rights: &Rights, ata: &Ata<'_>) -> Option<DropReason> {
    let moves_sectors = match ata.command() {
        AtaOpcode::Read | AtaOpcode::ReadExt => true,
        AtaOpcode::Write | AtaOpcode::WriteExt if rights.access == Access::ReadOnly => {
            return Some(DropReason::RefusedReadOnly);
        }
        AtaOpcode::Write | AtaOpcode::WriteExt => true,
        AtaOpcode::Identify | AtaOpcode::Flush | AtaOpcode::FlushExt | AtaOpcode::CheckPower => false,
        AtaOpcode::Other(_) => return Some(DropReason::RefusedAtaCommand),
    };
    // Where targets would not agree what is meant, no initiator we know means it: another place, another direction than
    // the command's, no sectors, which is 256 in ATA, or more than there are addresses for.
    let contradicts = ata.flags().is_write() != ata.command().is_write();
    let last = ata.sectors().checked_sub(1).and_then(|last| ata.lba_behind(last));
    if ata.is_lba_disputed() || contradicts || moves_sectors && last.is_none() {
        return Some(DropReason::RefusedAtaCommand);
    }
    (moves_sectors && ata.sectors() > MAX_SECTORS).then_some(DropReason::RefusedTooManySectors)
}

/// Why a Config command may not pass: setting the config string is a right of its own.
fn fault_of_query(rights: &Rights, command: QueryCommand) -> Option<DropReason> {
    let may = match command {
        QueryCommand::Read | QueryCommand::Test | QueryCommand::Prefix => true,
        QueryCommand::SetIfEmpty | QueryCommand::ForceSet => rights.config_string == ConfigString::Set,
        QueryCommand::Unknown(_) => false,
    };
    (!may).then_some(DropReason::RefusedConfigSet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{AoeCommand, Pdu};

    const LISTED: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const ANOTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
    const ADMIT: Verdict = Verdict::Admit;

    const fn refuse(reason: DropReason) -> Verdict {
        Verdict::Refuse(reason)
    }

    /// All rights there are, one by one; whether another initiator than the listed one is covered.
    fn all_rights() -> Vec<(Rights, bool)> {
        let mut all = Vec::new();
        for access in [Access::ReadOnly, Access::ReadWrite] {
            for config_string in [ConfigString::Read, ConfigString::Set] {
                for (initiators, covers_another) in [
                    (None, true),
                    (Some(vec![LISTED]), false),
                    (Some(vec![ANOTHER, LISTED]), true),
                ] {
                    let rights = Rights {
                        access,
                        config_string,
                        initiators,
                    };
                    all.push((rights, covers_another));
                }
            }
        }
        all
    }

    fn judged(rights: &Rights, initiator: MacAddr, command: u8, argument: &[u8]) -> Verdict {
        let pdu = [&[0x10, 0, 0, 1, 1, command, 0, 0, 0, 7], argument].concat();
        let request = Request::parse(Pdu::parse(&pdu).unwrap()).unwrap();
        judge(rights, initiator, &request)
    }

    /// Registers of an ATA command, with data for a write.
    fn ata(opcode: u8, sectors: u8) -> Vec<u8> {
        let is_write = matches!(opcode, 0x30 | 0x34);
        let mut argument = vec![
            0x40 | u8::from(is_write),
            0,
            sectors,
            opcode,
            1,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ];
        if argument[0] & 1 != 0 {
            argument.resize(12 + 512 * usize::from(sectors), 0);
        }
        argument
    }

    /// A naive model: the verdict for all rights, initiators and commands, spelled out from the documentation.
    #[test]
    fn every_command_is_judged_as_documented() {
        for (rights, covers_another) in all_rights() {
            let writes = rights.access == Access::ReadWrite;
            let sets = rights.config_string == ConfigString::Set;
            for initiator in [LISTED, ANOTHER] {
                let is_covered = initiator == LISTED || covers_another;
                let expect = |verdict| match is_covered {
                    true => verdict,
                    false => Verdict::Ignore(DropReason::RequestInitiatorNotAllowed),
                };
                let judged = |command, argument: &[u8]| judged(&rights, initiator, command, argument);
                for opcode in 0..=255 {
                    let verdict = match opcode {
                        0x20 | 0x24 | 0xec | 0xe7 | 0xea | 0xe5 => ADMIT,
                        0x30 | 0x34 if writes => ADMIT,
                        0x30 | 0x34 => refuse(DropReason::RefusedReadOnly),
                        _ => refuse(DropReason::RefusedAtaCommand),
                    };
                    assert_eq!(judged(0, &ata(opcode, 2)), expect(verdict), "{opcode:#x}");
                }
                for bits in 0..16 {
                    let verdict = match bits {
                        0..=2 => ADMIT,
                        3 | 4 if sets => ADMIT,
                        _ => refuse(DropReason::RefusedConfigSet),
                    };
                    let argument = [0, 0, 0, 0, 0, 0x10 | bits, 0, 0];
                    assert_eq!(judged(1, &argument), expect(verdict), "query {bits}");
                }
                for command in 2..=255 {
                    let verdict = refuse(DropReason::RefusedAoeCommand);
                    assert_eq!(judged(command, &[]), expect(verdict), "AoE {command}");
                    assert!(!matches!(command.into(), AoeCommand::Ata | AoeCommand::Query));
                }
            }
        }
    }

    #[test]
    fn nobody_is_covered_by_an_empty_list() {
        let rights = Rights {
            access: Access::ReadWrite,
            config_string: ConfigString::Set,
            initiators: Some(Vec::new()),
        };
        let verdict = judged(&rights, LISTED, 0, &ata(0xec, 1));
        assert_eq!(verdict, Verdict::Ignore(DropReason::RequestInitiatorNotAllowed));
    }

    fn all() -> Rights {
        Rights {
            access: Access::ReadWrite,
            config_string: ConfigString::Read,
            initiators: None,
        }
    }

    #[test]
    fn what_targets_would_read_differently_is_refused() {
        let refused = refuse(DropReason::RefusedAtaCommand);
        for opcode in [0x20, 0x24, 0x30, 0x34, 0xec, 0xe7, 0xea, 0xe5] {
            let judge = |argument: &[u8]| judged(&all(), LISTED, 0, argument);
            let mut argument = ata(opcode, 1);
            assert_eq!(judge(&argument), ADMIT, "{opcode:#x}");
            argument[0] ^= 1;
            argument.resize(12 + 512, 0);
            assert_eq!(judge(&argument), refused, "{opcode:#x} the other way");
            let moves_sectors = opcode < 0x40;
            assert_eq!(
                judge(&ata(opcode, 0)),
                if moves_sectors { refused } else { ADMIT },
                "{opcode:#x}"
            );
        }
    }

    #[test]
    fn more_sectors_than_any_frame_carries_are_refused() {
        for (sectors, expected) in [(31, ADMIT), (32, refuse(DropReason::RefusedTooManySectors))] {
            assert_eq!(judged(&all(), LISTED, 0, &ata(0x24, sectors)), expected);
        }
        // At the end of all addresses they would begin at the start again.
        let last = [0x40, 0, 2, 0x24, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0];
        assert_eq!(
            judged(&all(), LISTED, 0, &last),
            refuse(DropReason::RefusedAtaCommand)
        );
    }
}
