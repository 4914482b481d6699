//! A second judge, slow and obvious: sector by sector, rule by rule, from the bytes of the request and the words of the
//! documentation. What the first one says has to be the same, here and behind the wire.

use proptest::prelude::*;

use super::{Rights, Rule, Verdict, judge};
use crate::config::{Access, Allow, ConfigString, ExportId, ExtraCommand, LbaRange, PeerId, Permit, Until};
use crate::drop_reason::DropReason;
use crate::export::{ExportState, Identity, TargetInfo, TargetState, Writes};
use crate::frame::{MacAddr, Pdu};
use crate::request::Request;
use crate::tunnel::update::{self, Entry};

fn mac(n: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, n])
}

fn flag() -> impl Strategy<Value = bool> {
    any::<bool>()
}

fn runs() -> impl Strategy<Value = Vec<LbaRange>> {
    let inside = (0u64..70, 0u64..20).prop_map(|(first, more)| LbaRange::new(first, first + more).unwrap());
    let to_the_end = (0u64..70).prop_map(|first| LbaRange::new(first, LbaRange::LAST).unwrap());
    prop::collection::vec(prop_oneof![5 => inside, 1 => to_the_end], 1..6)
}

/// One rule of five initiators and eighty sectors, which may end at 100.
pub(crate) fn allow() -> impl Strategy<Value = Allow> {
    let whom = prop::option::of(prop::collection::vec(0u8..5, 0..4));
    let commands = prop::collection::vec(prop::sample::select(ExtraCommand::ALL.to_vec()), 0..3);
    let until = prop::option::weighted(0.3, 90u64..110);
    (
        flag(),
        flag(),
        flag(),
        flag(),
        whom,
        prop::option::of(runs()),
        commands,
        until,
    )
        .prop_map(
            |(writes, sets, reserves, masks, whom, lba, commands, until)| Allow {
                initiators: whom.map(|whom| whom.into_iter().map(mac).collect()),
                config_string: if sets {
                    ConfigString::Set
                } else {
                    ConfigString::Read
                },
                lba,
                commands: commands.into_iter().collect(),
                reserve: if reserves {
                    Permit::Allowed
                } else {
                    Permit::Refused
                },
                mac_mask: if masks { Permit::Allowed } else { Permit::Refused },
                until: until.map(Until),
                ..Allow::new(
                    PeerId(0),
                    if writes {
                        Access::ReadWrite
                    } else {
                        Access::ReadOnly
                    },
                )
            },
        )
}

pub(crate) fn rights() -> impl Strategy<Value = Rights> {
    prop::collection::vec(allow(), 1..9).prop_map(|allow| Rights::new(allow.iter().map(Rule::from)))
}

/// AoE command and argument of a request.
fn request() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let known = vec![0x20, 0x24, 0x30, 0x34, 0xec, 0xe7, 0xea, 0xe5];
    let granted: Vec<u8> = ExtraCommand::ALL.iter().map(|command| command.code().0).collect();
    let opcode =
        prop_oneof![6 => prop::sample::select(known), 3 => prop::sample::select(granted), 1 => any::<u8>()];
    let features: Vec<u8> = ExtraCommand::ALL
        .iter()
        .filter_map(|command| command.code().1)
        .collect();
    let feature = prop_oneof![4 => prop::sample::select(features), 1 => any::<u8>()];
    let lba = prop_oneof![6 => 0u64..90, 1 => Just(LbaRange::LAST - 3), 1 => Just(0x0fff_fffe)];
    let sectors = prop_oneof![8 => 0u8..12, 1 => any::<u8>()];
    let ata = (opcode, feature, lba, sectors, 0u8..8, any::<bool>());
    let ata = ata.prop_map(|(opcode, feature, lba, sectors, turn, wide)| {
        // Mostly as initiators send it.
        let is_write = matches!(opcode, 0x30 | 0x34) != (turn == 0);
        let mut argument = vec![
            u8::from(is_write) | if wide { 0x40 } else { 0 },
            feature,
            sectors,
            opcode,
        ];
        argument.extend_from_slice(&lba.to_le_bytes()[..6]);
        if opcode == 0xb0 && turn > 1 {
            argument[5..7].copy_from_slice(&[0x4f, 0xc2]);
        }
        argument.extend([0, 0]);
        if is_write && sectors < 32 {
            argument.resize(12 + 512 * usize::from(sectors), 0);
        }
        (0, argument)
    });
    let query = (0u8..6).prop_map(|code| (1, vec![0, 0, 0, 0, 0, 0x10 | code, 0, 0]));
    let mask = (0u8..3, 0u8..2).prop_map(|(code, error)| (2, vec![0, code, error, 0]));
    let reserve = (0u8..4).prop_map(|code| (3, vec![code, 0]));
    let other = (2u8..=255).prop_map(|command| (command, vec![]));
    prop_oneof![12 => ata, 1 => query, 1 => mask, 1 => reserve, 1 => other]
}

fn naive(allow: &[Allow], now: u64, who: MacAddr, command: u8, argument: &[u8]) -> Verdict {
    let mine: Vec<&Allow> = allow
        .iter()
        .filter(|rule| rule.until.is_none_or(|until| now < until.0))
        .filter(|rule| rule.initiators.as_ref().is_none_or(|list| list.contains(&who)))
        .collect();
    if mine.is_empty() {
        return Verdict::Ignore(DropReason::RequestInitiatorNotAllowed);
    }
    let decide = |passes, reason| {
        if passes {
            Verdict::Admit
        } else {
            Verdict::Refuse(reason)
        }
    };
    match command {
        0 => naive_ata(&mine, argument),
        1 => match argument[5] & 15 {
            0..=2 => Verdict::Admit,
            3 | 4 => decide(
                mine.iter().any(|rule| rule.config_string == ConfigString::Set),
                DropReason::RefusedConfigSet,
            ),
            _ => Verdict::Refuse(DropReason::RefusedConfigSet),
        },
        2 if argument.len() >= 4 => decide(
            argument[1] <= 1 && argument[2] == 0 && mine.iter().any(|rule| rule.mac_mask.is_allowed()),
            DropReason::RefusedAoeCommand,
        ),
        3 if argument.len() >= 2 => decide(
            argument[0] <= 2 && mine.iter().any(|rule| rule.reserve.is_allowed()),
            DropReason::RefusedAoeCommand,
        ),
        _ => Verdict::Refuse(DropReason::RefusedAoeCommand),
    }
}

fn naive_ata(mine: &[&Allow], argument: &[u8]) -> Verdict {
    let (flags, feature, sectors, opcode) = (argument[0], argument[1], argument[2], argument[3]);
    let (carries_data, says_wide) = (flags & 1 != 0, flags & 0x40 != 0);
    let all_bits = argument[4..10]
        .iter()
        .rev()
        .fold(0u64, |lba, byte| lba << 8 | u64::from(*byte));
    let short = all_bits & 0x0fff_ffff;
    let (reads, writes) = (matches!(opcode, 0x20 | 0x24), matches!(opcode, 0x30 | 0x34));
    if writes && mine.iter().all(|rule| rule.access == Access::ReadOnly) {
        return Verdict::Refuse(DropReason::RefusedReadOnly);
    }
    let refused = Verdict::Refuse(DropReason::RefusedAtaCommand);
    let mut counted = false;
    if !reads && !writes && !matches!(opcode, 0xec | 0xe7 | 0xea | 0xe5) {
        let smart = argument[5..7] == [0x4f, 0xc2];
        let name = match (opcode, feature) {
            (0xb0, 0xd0) if smart => "smart-read-data",
            (0xb0, 0xd1) if smart => "smart-read-thresholds",
            (0xb0, 0xd5) if smart => "smart-read-log",
            (0xb0, 0xda) if smart => "smart-return-status",
            (0xb0, 0xd2) if smart => "dangerous:smart-autosave",
            (0xb0, 0xd4) if smart => "dangerous:smart-offline-test",
            (0xb0, 0xd8) if smart => "dangerous:smart-enable",
            (0xb0, 0xd9) if smart => "dangerous:smart-disable",
            (0x2f, _) => "read-log-ext",
            (0xf8, _) => "read-native-max",
            (0x27, _) => "read-native-max-ext",
            (0xe0, _) => "dangerous:standby-immediate",
            (0xe1, _) => "dangerous:idle-immediate",
            _ => return refused,
        };
        counted = matches!(name, "smart-read-log" | "read-log-ext");
        let granted = |rule: &&Allow| rule.commands.iter().any(|command| command.name() == name);
        if !mine.iter().any(granted) {
            return refused;
        }
    }
    if carries_data != writes {
        return refused;
    }
    let by_opcode = matches!(opcode, 0x24 | 0x34);
    if (reads || writes) && by_opcode != says_wide && short != all_bits {
        return refused;
    }
    if (reads || writes || counted) && sectors == 0 {
        return refused;
    }
    let lba = if says_wide { all_bits } else { short };
    if reads || writes {
        let top = if by_opcode && says_wide {
            (1u64 << 48) - 1
        } else {
            0x0fff_ffff
        };
        if lba + u64::from(sectors) - 1 > top {
            return refused;
        }
    }
    if (reads || writes || counted) && sectors > 31 {
        return Verdict::Refuse(DropReason::RefusedTooManySectors);
    }
    if reads || writes {
        for sector in lba..lba + u64::from(sectors) {
            let holds = |rule: &&Allow| {
                let runs = rule.lba.as_ref();
                (reads || rule.access == Access::ReadWrite)
                    && runs.is_none_or(|runs| {
                        runs.iter()
                            .any(|run| run.first() <= sector && sector <= run.last())
                    })
            };
            if !mine.iter().any(holds) {
                return Verdict::Refuse(DropReason::RefusedSectors);
            }
        }
    }
    Verdict::Admit
}

/// What an edge makes of these rights.
fn behind_the_wire(rights: &Rights) -> Rights {
    let state = ExportState {
        export: ExportId(3),
        name: "disk".to_owned(),
        state: TargetState::Live,
        is_paused: false,
        writes: Writes::Carried,
        rights: rights.clone(),
        identity: Identity::default(),
        target: TargetInfo::default(),
        carried: 2,
    };
    let mut message = vec![0, 0, 0, 1, 0, 0, 1];
    state.emit(&mut message);
    let entries = update::parse(&message).expect("it can be read").entries;
    let [Entry::Offered(state)] = entries.as_slice() else {
        panic!("{entries:?}")
    };
    state.rights.clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn the_judge_says_what_the_obvious_one_says_here_and_behind_the_wire(
        allow in prop::collection::vec(allow(), 0..9),
        now in 85u64..115,
        asked in prop::collection::vec((0u8..6, request()), 20),
    ) {
        let rights = Rights::of(&allow, now);
        let there = rights.as_ref().map(behind_the_wire);
        prop_assert_eq!(&there, &rights);
        for (who, (command, argument)) in asked {
            let pdu = [&[0x10, 0, 0, 1, 1, command, 0, 0, 0, 7], argument.as_slice()].concat();
            // A write without its data is not even judged.
            let Ok(request) = Request::parse(Pdu::parse(&pdu).unwrap()) else { continue };
            let expected = naive(&allow, now, mac(who), command, &argument);
            let judged = |rights: &Option<Rights>| match rights {
                None => Verdict::Ignore(DropReason::RequestInitiatorNotAllowed),
                Some(rights) => judge(rights, mac(who), &request),
            };
            prop_assert_eq!(judged(&rights), expected, "{:02x?} of {}", &argument.get(..12), who);
            prop_assert_eq!(judged(&there), expected, "behind the wire");
        }
    }
}
