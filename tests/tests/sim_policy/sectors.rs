//! Rules that are for some sectors, some commands, some time: at the edge, and at the exit when the edge lies.

use std::time::Duration;

use super::stage::*;
use aoe_common::config::{Access, Allow, ExtraCommand, LbaRange, PeerId, Permit, Until};
use aoe_common::drop_reason::DropReason;
use aoe_common::event::{Event, ImportFault, Withdrawn};
use aoe_common::frame::{AoeCommand, Flags, MacAddr};
use aoe_lab::target::smart_data;
use e2e::sim::craft;
use e2e::sim::plan::{REAL, SEEN, gateway_mac};
use e2e::sim::site::Skew;

/// What the wall clocks say when a simulation starts.
const START: u64 = 1_800_000_000;
const ABORTED: Option<(u8, u8)> = Some((0x41, 0x04));

fn run(first: u64, last: u64) -> LbaRange {
    LbaRange::new(first, last).unwrap()
}

fn write(sectors: u8, lba: u64) -> Vec<u8> {
    craft::ata(WRITE_EXT, sectors, lba, &vec![7; 512 * usize::from(sectors)])
}

fn writes_in(runs: &[&[LbaRange]]) -> Vec<Allow> {
    let rule = |runs: &&[LbaRange]| Allow {
        lba: Some(runs.to_vec()),
        ..Allow::new(PeerId(0), Access::ReadWrite)
    };
    runs.iter()
        .map(rule)
        .chain([Allow::new(PeerId(0), Access::ReadOnly)])
        .collect()
}

#[test]
fn sectors_that_are_not_granted_are_refused_by_the_edge_and_by_the_exit() {
    let mut stage = Stage::new(11, |plan, pair, _| {
        let rules = writes_in(&[&[run(8, 15)], &[run(16, 17), run(40, 40)]]);
        plan.sites[pair.exit.0].exports[0].allow = rules;
    });
    let own = stage.world.mac(stage.station);
    for (lba, sectors, passes) in [
        (8, 2, true),
        (14, 2, true),
        (15, 2, true),
        (16, 2, true),
        (40, 1, true),
        (7, 1, false),
        (7, 2, false),
        (17, 2, false),
        (18, 1, false),
        (39, 2, false),
        (40, 2, false),
        (1 << 40, 1, false),
    ] {
        let argument = write(sectors, lba);
        let before = stage.requests_at_target();
        let heard = stage.ask(SEEN, AoeCommand::Ata, &argument);
        let refused = heard.iter().filter(|seen| seen.ata_outcome() == ABORTED).count();
        assert_eq!(
            (heard.len(), refused == 0),
            (1, passes),
            "{lba} by {sectors} at the edge"
        );
        let outcome = stage.lie(0, own, &craft::pdu(REAL, AoeCommand::Ata, 5, &argument));
        let expected = if passes {
            Outcome::Answered
        } else {
            Outcome::Refused
        };
        assert_eq!(outcome, expected, "{lba} by {sectors} at the exit");
        let sent = stage.requests_at_target() - before;
        assert_eq!(sent, if passes { 2 } else { 0 }, "{lba} by {sectors}");
        // Reading goes everywhere.
        let heard = stage.ask(
            SEEN,
            AoeCommand::Ata,
            &craft::ata(READ_EXT, sectors, lba.min(50), &[]),
        );
        assert_eq!(heard[0].ata_outcome(), Some((0x40, 0)), "{lba}");
    }
    let (edge, exit) = (stage.pair.edge, stage.pair.exit);
    assert_eq!(stage.world.dropped(edge, DropReason::RefusedSectors), 7);
    assert_eq!(stage.world.dropped(exit, DropReason::RefusedSectors), 7);
    assert_eq!(stage.world.dropped(edge, DropReason::RefusedReadOnly), 0);
}

fn smart(feature: u8, mid: u8) -> Vec<u8> {
    let mut argument = craft::ata(0xb0, 1, 0, &[]);
    argument[1] = feature;
    argument[5..7].copy_from_slice(&[mid, 0xc2]);
    argument
}

/// READ DATA brings one sector, whatever its sector count says.
#[test]
fn who_may_read_smart_data_gets_it_whole_and_others_get_an_error() {
    let mut stage = Stage::new(15, |_, _, _| {});
    let exit = stage.pair.exit;
    let asks = [0, 1, 2].map(|sectors| {
        let mut argument = smart(0xd0, 0x4f);
        argument[2] = sectors;
        argument
    });
    for granted in [false, true, false] {
        let commands = granted.then_some(ExtraCommand::SmartReadData);
        stage.world.reload(exit, |plan| {
            plan.exports[0].allow[0].commands = commands.into_iter().collect();
        });
        stage.world.run_for(Duration::from_secs(1));
        stage.world.take_heard(stage.station);
        for argument in &asks {
            let before = stage.requests_at_target();
            let heard = stage.ask(SEEN, AoeCommand::Ata, argument);
            let [answer] = &heard[..] else {
                panic!("{argument:02x?}: {heard:?}")
            };
            let sent = stage.requests_at_target() - before;
            if granted {
                assert_eq!((answer.ata_outcome(), sent), (Some((0x40, 0)), 1));
                assert_eq!(answer.ata().data(), smart_data(), "{argument:02x?}");
            } else {
                assert_eq!((answer.ata_outcome(), sent), (ABORTED, 0));
                assert!(answer.ata().data().iter().all(|byte| *byte == 0));
            }
        }
    }
}

/// The model of a target carries out one of them, and says of the others that it does not: what counts is that it was asked.
#[test]
fn named_commands_pass_and_their_neighbours_do_not() {
    let mut stage = Stage::new(12, |plan, pair, _| {
        let granted = [ExtraCommand::SmartReadData, ExtraCommand::ReadLogExt];
        plan.sites[pair.exit.0].exports[0].allow[0].commands = granted.into_iter().collect();
    });
    let own = stage.world.mac(stage.station);
    for (argument, passes) in [
        (smart(0xd0, 0x4f), true),
        (craft::ata(0x2f, 1, 0, &[]), true),
        (smart(0xd0, 0), false),
        (smart(0xd1, 0x4f), false),
        (smart(0xd5, 0x4f), false),
        (smart(0xd8, 0x4f), false),
        (craft::ata(0x2f, 0, 0, &[]), false),
        (craft::ata(0xf8, 1, 0, &[]), false),
        (craft::ata(0xf4, 1, 0, &[]), false),
    ] {
        let before = stage.requests_at_target();
        let heard = stage.ask(SEEN, AoeCommand::Ata, &argument);
        assert_eq!(heard.len(), 1, "{argument:02x?}");
        stage.lie(0, own, &craft::pdu(REAL, AoeCommand::Ata, 5, &argument));
        let sent = stage.requests_at_target() - before;
        assert_eq!(sent, if passes { 2 } else { 0 }, "{argument:02x?}");
    }
}

#[test]
fn a_reservation_passes_if_it_names_the_exit_or_nobody() {
    let mut stage = Stage::new(13, |plan, pair, _| {
        plan.sites[pair.exit.0].exports[0].allow[0].reserve = Permit::Allowed;
    });
    let exit = gateway_mac(stage.pair.exit, aoe_common::config::SegmentId(0));
    let other = MacAddr([2, 9, 9, 9, 9, 9]);
    for (command, list, passes) in [
        (0u8, vec![], true),
        (1, vec![exit], true),
        (2, vec![other, exit], true),
        (1, vec![], true),
        (1, vec![other], false),
        (2, vec![other], false),
    ] {
        let mut argument = vec![command, u8::try_from(list.len()).unwrap()];
        list.iter().for_each(|mac| argument.extend(mac.0));
        let before = stage.requests_at_target();
        let heard = stage.ask(SEEN, AoeCommand::Reserve, &argument);
        let sent = stage.requests_at_target() > before;
        assert_eq!(sent, passes, "{argument:02x?}");
        if !passes {
            let header = heard[0].header;
            assert_eq!(
                (header.flags, header.error),
                (Flags::ERROR_RESPONSE, 2),
                "{argument:02x?}"
            );
        }
    }
    let heard = stage.ask(SEEN, AoeCommand::MacMask, &[0; 4]);
    assert_eq!(heard[0].header.error, 1, "that was not granted");
}

#[test]
fn a_permission_ends_at_its_time_and_holds_again_if_the_clock_is_set_back() {
    let mut stage = Stage::new(14, |plan, pair, _| {
        plan.sites[pair.exit.0].exports[0].allow = vec![
            Allow {
                until: Some(Until(START + 10)),
                ..Allow::new(PeerId(0), Access::ReadWrite)
            },
            Allow::new(PeerId(0), Access::ReadOnly),
        ];
    });
    let own = stage.world.mac(stage.station);
    let (edge, exit) = (stage.pair.edge, stage.pair.exit);
    let mut seen = (0, 0);
    while stage.world.now().as_micros() < 20_000_000 {
        let asked = stage.world.now().as_micros();
        let before = stage.requests_at_target();
        let heard = stage.ask(SEEN, AoeCommand::Ata, &write(1, 5));
        let outcome = heard[0].ata_outcome();
        // An answer takes less than 20 ms.
        match asked {
            ..9_980_000 => {
                assert_eq!(outcome, Some((0x40, 0)), "at {asked}");
                seen.0 += 1;
            }
            10_000_000.. => {
                assert_eq!(
                    (outcome, stage.requests_at_target()),
                    (ABORTED, before),
                    "at {asked}"
                );
                let lied = stage.lie(0, own, &craft::pdu(REAL, AoeCommand::Ata, 5, &write(1, 5)));
                assert_eq!(
                    (lied, stage.requests_at_target()),
                    (Outcome::Refused, before),
                    "at {asked}"
                );
                seen.1 += 1;
            }
            _ => {}
        }
        let read = stage.ask(SEEN, AoeCommand::Ata, &craft::ata(READ_EXT, 1, 5, &[]));
        assert_eq!(read[0].ata_outcome(), Some((0x40, 0)), "reading goes on");
    }
    assert!(seen.0 > 100 && seen.1 > 100, "{seen:?}");
    // The exit would refuse as well: that the edge was told saves the way.
    let by_edge = stage.world.dropped(edge, DropReason::RefusedReadOnly);
    assert!(
        by_edge + 1 >= seen.1,
        "of {seen:?} the edge refused {by_edge} at once"
    );
    let events = |stage: &Stage, like: fn(&Event) -> bool| stage.world.events_like(exit, like);
    assert_eq!(
        events(&stage, |event| matches!(
            event,
            Event::GrantEnded { others: true, .. }
        )),
        1
    );
    assert_eq!(
        events(&stage, |event| matches!(event, Event::GrantEnds { .. })),
        1,
        "it was within the hour"
    );
    stage.world.set_clock(exit, Skew::Slow(Duration::from_secs(3600)));
    stage.world.run_for(Duration::from_secs(12));
    assert_eq!(
        events(&stage, |event| matches!(event, Event::GrantBack { .. })),
        1
    );
    let heard = stage.ask(SEEN, AoeCommand::Ata, &write(1, 5));
    assert_eq!(heard[0].ata_outcome(), Some((0x40, 0)));
    stage.world.set_clock(exit, Skew::Fast(Duration::ZERO));
    stage.world.run_for(Duration::from_secs(12));
    let heard = stage.ask(SEEN, AoeCommand::Ata, &write(1, 5));
    assert_eq!(heard[0].ata_outcome(), ABORTED);
    // And a reload between changes nothing of that.
    stage.world.reload(exit, |plan| plan.exports[0].allow.truncate(1));
    stage.world.run_for(Duration::from_secs(1));
    let gone = |event: &Event| {
        matches!(
            event,
            Event::ImportDown {
                why: ImportFault::Withdrawn(Withdrawn::Ended),
                ..
            }
        )
    };
    assert_eq!(stage.world.events_like(edge, gone), 1, "the edge knows why");
    stage.world.reload(exit, |plan| {
        plan.exports[0].allow[0].until = Some(Until(START + 100_000))
    });
    stage.world.run_for(Duration::from_secs(1));
    let heard = stage.ask(SEEN, AoeCommand::Ata, &write(1, 5));
    assert_eq!(heard[0].ata_outcome(), Some((0x40, 0)));
}
