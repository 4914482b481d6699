//! Who may do what: one verdict per request, no state, no logging.
//!
//! The edge asks first, because it can refuse at once; the exit asks again and decides, because a peer may lie.

use crate::config::{Access, ConfigString};
use crate::drop_reason::DropReason;
use crate::export::Rights;
use crate::frame::{Ata, AtaOpcode, QueryCommand};

/// Whether a request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may go to the target.
    Admit,
    /// The initiator is told no, for this reason.
    Refuse(DropReason),
}

/// Most sectors of one request: what the longest frame that we carry has room for. A way may carry fewer at a time; that
/// is no reason to refuse, for what fits may change while a request is under way.
pub(crate) const MAX_SECTORS: u8 = 31;

/// Judges an ATA request from an initiator the export covers.
///
/// Allowed are the commands that initiators need for a disk; everything else (passwords, firmware, erasing,
/// sleeping, …) is refused by not being on the list.
pub(crate) fn judge_ata(rights: &Rights, ata: &Ata<'_>) -> Verdict {
    let moves_sectors = match ata.command() {
        AtaOpcode::Read | AtaOpcode::ReadExt => true,
        AtaOpcode::Write | AtaOpcode::WriteExt if rights.access == Access::ReadOnly => {
            return Verdict::Refuse(DropReason::RefusedReadOnly);
        }
        AtaOpcode::Write | AtaOpcode::WriteExt => true,
        AtaOpcode::Identify | AtaOpcode::Flush | AtaOpcode::FlushExt | AtaOpcode::CheckPower => false,
        AtaOpcode::Other(_) => return Verdict::Refuse(DropReason::RefusedAtaCommand),
    };
    // Where targets would not agree what is meant, no initiator we know means it: another place, another direction than
    // the command's, no sectors, which is 256 in ATA, or more than there are addresses for.
    let contradicts = ata.flags().is_write() != ata.command().is_write();
    let last = ata.sectors().checked_sub(1).and_then(|last| ata.lba_behind(last));
    if ata.is_lba_disputed() || contradicts || moves_sectors && last.is_none() {
        return Verdict::Refuse(DropReason::RefusedAtaCommand);
    }
    if moves_sectors && ata.sectors() > MAX_SECTORS {
        return Verdict::Refuse(DropReason::RefusedTooManySectors);
    }
    Verdict::Admit
}

/// Judges a Config query that is not answered by the edge itself.
pub(crate) fn judge_query(rights: &Rights, command: QueryCommand) -> Verdict {
    match command {
        QueryCommand::Read | QueryCommand::Test | QueryCommand::Prefix => Verdict::Admit,
        QueryCommand::SetIfEmpty | QueryCommand::ForceSet if rights.config_string == ConfigString::Set => {
            Verdict::Admit
        }
        QueryCommand::SetIfEmpty | QueryCommand::ForceSet | QueryCommand::Unknown(_) => {
            Verdict::Refuse(DropReason::RefusedConfigSet)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(access: Access, config_string: ConfigString) -> Rights {
        Rights {
            access,
            config_string,
            initiators: None,
        }
    }

    fn ata(opcode: u8, sectors: u8) -> Vec<u8> {
        let write = u8::from(matches!(opcode, 0x30 | 0x34));
        vec![0x40 | write, 0, sectors, opcode, 1, 0, 0, 0, 0, 0, 0, 0]
    }

    /// A naive model: the verdict for every opcode, spelled out from the documentation.
    #[test]
    fn every_opcode_is_judged_as_documented() {
        for access in [Access::ReadOnly, Access::ReadWrite] {
            for opcode in 0..=255 {
                let expected = match opcode {
                    0x20 | 0x24 | 0xec | 0xe7 | 0xea | 0xe5 => Verdict::Admit,
                    0x30 | 0x34 if access == Access::ReadWrite => Verdict::Admit,
                    0x30 | 0x34 => Verdict::Refuse(DropReason::RefusedReadOnly),
                    _ => Verdict::Refuse(DropReason::RefusedAtaCommand),
                };
                let bytes = ata(opcode, 2);
                let request = Ata::parse(&bytes).unwrap();
                assert_eq!(
                    judge_ata(&rights(access, ConfigString::Read), &request),
                    expected,
                    "{opcode:#x}"
                );
            }
        }
    }

    #[test]
    fn what_targets_would_read_differently_is_refused() {
        let rights = rights(Access::ReadWrite, ConfigString::Read);
        for opcode in [0x20, 0x24, 0x30, 0x34, 0xec, 0xe7, 0xea, 0xe5] {
            let mut bytes = ata(opcode, 1);
            let judge = |bytes: &[u8]| judge_ata(&rights, &Ata::parse(bytes).unwrap());
            assert_eq!(judge(&bytes), Verdict::Admit, "{opcode:#x}");
            bytes[0] ^= 1;
            let refused = Verdict::Refuse(DropReason::RefusedAtaCommand);
            assert_eq!(judge(&bytes), refused, "{opcode:#x} the other way");
            let none = judge(&ata(opcode, 0));
            let moves_sectors = opcode < 0x40;
            assert_eq!(
                none,
                if moves_sectors { refused } else { Verdict::Admit },
                "{opcode:#x}"
            );
        }
    }

    #[test]
    fn more_sectors_than_any_frame_carries_are_refused() {
        let rights = rights(Access::ReadOnly, ConfigString::Read);
        for (sectors, expected) in [
            (31, Verdict::Admit),
            (32, Verdict::Refuse(DropReason::RefusedTooManySectors)),
        ] {
            let bytes = ata(0x24, sectors);
            assert_eq!(judge_ata(&rights, &Ata::parse(&bytes).unwrap()), expected);
        }
        // At the end of all addresses they would begin at the start again.
        let last = [0x40, 0, 2, 0x24, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0];
        let verdict = judge_ata(&rights, &Ata::parse(&last).unwrap());
        assert_eq!(verdict, Verdict::Refuse(DropReason::RefusedAtaCommand));
    }

    #[test]
    fn setting_the_config_string_is_a_right_of_its_own() {
        let may_write = rights(Access::ReadWrite, ConfigString::Read);
        let may_set = rights(Access::ReadOnly, ConfigString::Set);
        for bits in 0..16 {
            let command = QueryCommand::from_bits(bits);
            let refusal = Verdict::Refuse(DropReason::RefusedConfigSet);
            assert_eq!(
                judge_query(&may_write, command),
                if bits < 3 { Verdict::Admit } else { refusal }
            );
            assert_eq!(
                judge_query(&may_set, command),
                if bits < 5 { Verdict::Admit } else { refusal }
            );
        }
    }
}
