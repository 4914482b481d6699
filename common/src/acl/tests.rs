use proptest::prelude::*;

use super::*;
use crate::config::{Access, Commands, ExtraCommand, LbaRange, PeerId, Until};
use crate::frame::AtaOpcode;
use crate::policy::model;

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

fn rule(access: Access, lba: &[(u64, u64)]) -> Allow {
    let runs = lba
        .iter()
        .map(|(first, last)| LbaRange::new(*first, *last).unwrap());
    Allow {
        lba: (!lba.is_empty()).then(|| runs.collect()),
        ..Allow::new(PeerId(0), access)
    }
}

fn ask(allow: &[Allow], action: Action, lba: u64, sectors: u8) -> Answer {
    let question = Question {
        initiator: MAC,
        action,
        lba,
        sectors,
    };
    answer(allow, &question, 100).unwrap()
}

const READ: Action = Action::Ata(AtaOpcode::Read);
const WRITE: Action = Action::Ata(AtaOpcode::Write);

#[test]
fn the_rule_that_decides_is_named() {
    let allow = [
        rule(Access::ReadOnly, &[]),
        rule(Access::ReadWrite, &[(0, 9)]),
        rule(Access::ReadWrite, &[(10, 19)]),
        Allow {
            until: Some(Until(50)),
            ..rule(Access::ReadWrite, &[(20, 29)])
        },
    ];
    let said = |answer: Answer| (answer.outcome == Outcome::Allowed, answer.rules, answer.ended);
    assert_eq!(said(ask(&allow, READ, 1000, 8)), (true, vec![0], vec![]));
    assert_eq!(said(ask(&allow, WRITE, 2, 8)), (true, vec![1], vec![]));
    assert_eq!(
        said(ask(&allow, WRITE, 8, 4)),
        (true, vec![1, 2], vec![]),
        "each has a part"
    );
    assert_eq!(
        said(ask(&allow, WRITE, 20, 4)),
        (false, vec![0, 1, 2], vec![3]),
        "one has ended"
    );
    assert_eq!(said(ask(&allow, WRITE, 18, 4)), (false, vec![0, 1, 2], vec![]));
    let refused = ask(&allow, WRITE, 19, 2).outcome;
    assert_eq!(
        refused,
        Outcome::Refused(DropReason::RefusedSectors, Some(Refusal::Sectors))
    );
    let only_other = [Allow {
        initiators: Some(vec![OTHER]),
        ..rule(Access::ReadWrite, &[])
    }];
    assert_eq!(ask(&only_other, READ, 0, 1).outcome, Outcome::Silence);
}

/// Each question is the request that it says it is: what only one right allows passes with that right alone.
#[test]
fn every_action_asks_for_its_own_right() {
    let plain = rule(Access::ReadOnly, &[]);
    for action in Action::all() {
        assert_eq!(Action::named(&action.to_string()), Some(action));
        let needs = match action {
            Action::Ata(AtaOpcode::Write) => Some(rule(Access::ReadWrite, &[])),
            Action::Ata(_) | Action::ReadConfigString => None,
            Action::Extra(command) => Some(Allow {
                commands: Commands::default().with(command),
                ..plain.clone()
            }),
            Action::SetConfigString => Some(Allow {
                config_string: crate::config::ConfigString::Set,
                ..plain.clone()
            }),
            Action::Reserve => Some(Allow {
                reserve: crate::config::Permit::Allowed,
                ..plain.clone()
            }),
            Action::MacMask => Some(Allow {
                mac_mask: crate::config::Permit::Allowed,
                ..plain.clone()
            }),
        };
        let without = ask(std::slice::from_ref(&plain), action, 5, 1).outcome;
        assert_eq!(without == Outcome::Allowed, needs.is_none(), "{action}");
        if let Some(needs) = needs {
            assert_eq!(ask(&[needs], action, 5, 1).outcome, Outcome::Allowed, "{action}");
        }
    }
}

#[test]
fn differences_are_told_by_whom_they_concern() {
    let write = |lba: &[(u64, u64)]| [rule(Access::ReadWrite, lba)];
    let run = |first, last| LbaRange::new(first, last).unwrap();
    let lost = |who, right| Difference {
        gained: false,
        who,
        right,
    };
    let differs = |old: &[Allow], new: &[Allow]| difference((old, 100), (new, 100));
    assert_eq!(
        differs(&write(&[]), &write(&[(1024, LbaRange::LAST)])),
        [
            lost(Who::Everybody, Right::Read(run(0, 1023))),
            lost(Who::Everybody, Right::Write(run(0, 1023)))
        ]
    );
    let named = [Allow {
        initiators: Some(vec![MAC]),
        ..rule(Access::ReadWrite, &[])
    }];
    let both = [rule(Access::ReadOnly, &[]), named[0].clone()];
    assert_eq!(
        differs(&both, &[rule(Access::ReadOnly, &[])]),
        [lost(Who::Initiator(MAC), Right::Write(LbaRange::ALL))]
    );
    assert!(
        differs(&both, &[both[1].clone(), both[0].clone()]).is_empty(),
        "order does not matter"
    );
    let ends = [Allow {
        until: Some(Until(200)),
        ..rule(Access::ReadOnly, &[])
    }];
    assert!(difference((&ends, 199), (&both[..1], 0)).is_empty());
    assert_eq!(difference((&ends, 199), (&ends, 200)).len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// For every initiator, action and sector: it is among the differences exactly if the answers differ.
    #[test]
    fn differences_are_those_of_the_answers(
        old in prop::collection::vec(model::allow(), 0..4),
        new in prop::collection::vec(model::allow(), 0..4),
        now in 85u64..115,
    ) {
        let differences = difference((&old, now), (&new, now));
        for last in 0..6u8 {
            let initiator = MacAddr([2, 0, 0, 0, 0, last]);
            let is_named = old.iter().chain(&new).filter(|allow| allow.is_in_force(now)).any(|allow| {
                allow.initiators.as_ref().is_some_and(|listed| listed.contains(&initiator))
            });
            let about = |one: &&Difference| match one.who {
                Who::Everybody => true,
                Who::Others => !is_named,
                Who::Initiator(mac) => mac == initiator,
            };
            let says = |lba: u64, gained: bool, action: Action| differences.iter().filter(about).any(|one| {
                one.gained == gained && match (one.right, action) {
                    (Right::Use, Action::Ata(AtaOpcode::Identify) | Action::ReadConfigString) => true,
                    (Right::Read(run), Action::Ata(AtaOpcode::Read))
                    | (Right::Write(run), Action::Ata(AtaOpcode::Write)) => run.first() <= lba && lba <= run.last(),
                    (Right::Command(command), Action::Extra(asked)) => command == asked,
                    (Right::SetConfigString, Action::SetConfigString)
                    | (Right::Reserve, Action::Reserve)
                    | (Right::MacMask, Action::MacMask) => true,
                    _ => false,
                }
            });
            let passes = |allow: &[Allow], action, lba| {
                let question = Question { initiator, action, lba, sectors: 1 };
                answer(allow, &question, now).unwrap().outcome == Outcome::Allowed
            };
            for action in Action::all().into_iter().filter(|action| *action != Action::Ata(AtaOpcode::Flush)
                && *action != Action::Ata(AtaOpcode::CheckPower)) {
                let lbas = if action.has_sectors() { 0..95 } else { 0..1 };
                for lba in lbas {
                    let (had, has) = (passes(&old, action, lba), passes(&new, action, lba));
                    prop_assert_eq!(says(lba, false, action), had && !has, "{} of {} at {}", action, initiator, lba);
                    prop_assert_eq!(says(lba, true, action), has && !had, "{} of {} at {}", action, initiator, lba);
                }
            }
        }
    }

    /// The rules that are named are enough, and none of them is too many where one is enough.
    #[test]
    fn the_named_rules_decide(
        allow in prop::collection::vec(model::allow(), 1..9),
        last in 0u8..6,
        which in 0usize..2,
        lba in 0u64..90,
        sectors in 1u8..12,
    ) {
        let question = Question { initiator: MacAddr([2, 0, 0, 0, 0, last]), action: [READ, WRITE][which], lba, sectors };
        let said = answer(&allow, &question, 100).unwrap();
        let chosen: Vec<Allow> = said.rules.iter().map(|at| allow[*at].clone()).collect();
        let by_these = answer(&chosen, &question, 100).unwrap();
        if said.outcome == Outcome::Allowed {
            prop_assert_eq!(by_these.outcome, Outcome::Allowed);
        } else {
            prop_assert!(by_these.outcome != Outcome::Allowed);
        }
    }
}

#[test]
fn commands_are_all_asked_for() {
    let extra = Action::all()
        .into_iter()
        .filter(|action| matches!(action, Action::Extra(_)));
    assert_eq!(extra.count(), ExtraCommand::ALL.len());
}
