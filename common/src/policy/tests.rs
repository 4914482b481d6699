use super::*;
use crate::config::{Access, ConfigString};
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
                let rights = Rights::new([Rule {
                    config_string,
                    initiators,
                    ..Rule::new(access)
                }]);
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
        let writes = rights.access() == Access::ReadWrite;
        let sets = rights.rules()[0].config_string == ConfigString::Set;
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
    let rights = Rights::new([Rule {
        config_string: ConfigString::Set,
        initiators: Some(Vec::new()),
        ..Rule::new(Access::ReadWrite)
    }]);
    let verdict = judged(&rights, LISTED, 0, &ata(0xec, 1));
    assert_eq!(verdict, Verdict::Ignore(DropReason::RequestInitiatorNotAllowed));
}

fn all() -> Rights {
    Rights::new([Rule::new(Access::ReadWrite)])
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
