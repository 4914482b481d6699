//! Rights: of peers, of initiators, and what a lying peer gets.

use std::time::Duration;

use super::stage::*;
use aoe_common::config::{Access, ConfigString, SegmentId};
use aoe_common::drop_reason::DropReason;
use aoe_common::event::Event;
use aoe_common::frame::{Address, AoeCommand, Flags, MacAddr, QueryCommand, Tag};
use aoe_common::telemetry::Count;
use aoe_lab::target::{Answering, BladeSettings};
use e2e::sim::Load;
use e2e::sim::craft::{self};
use e2e::sim::plan::{REAL, SEEN, gateway_mac};

#[test]
fn an_export_without_a_right_does_not_exist() {
    let mut stage = Stage::new(4, |plan, pair, _| {
        // A second export, for a third site only.
        let third = plan.site(&[pair.left]);
        plan.introduce(third, pair.exit);
        plan.blade(
            pair.target,
            Address { shelf: 8, slot: 0 },
            BladeSettings::default(),
        );
        plan.export(
            pair.exit,
            "secret",
            pair.right,
            Address { shelf: 8, slot: 0 },
            third,
            Access::ReadWrite,
        );
        plan.import(
            pair.edge,
            pair.exit,
            "secret",
            pair.left,
            Address { shelf: 108, slot: 0 },
        );
    });
    let own = stage.world.mac(stage.station);
    let before = stage.requests_at_target();
    for command in [AoeCommand::Query, AoeCommand::Ata] {
        let argument = match command {
            AoeCommand::Ata => craft::ata(0xec, 1, 0, &[]),
            _ => craft::query(QueryCommand::Read, b""),
        };
        assert!(
            stage
                .ask(Address { shelf: 108, slot: 0 }, command, &argument)
                .is_empty()
        );
        let pdu = craft::pdu(REAL, command, 5, &argument);
        for export in [1, 2, 65_535] {
            assert_eq!(stage.lie(export, own, &pdu), Outcome::Silence, "export {export}");
        }
    }
    assert_eq!(stage.requests_at_target(), before);
    assert_eq!(
        stage.world.dropped(stage.pair.exit, DropReason::ExportNotAllowed),
        6
    );
    assert_eq!(
        stage.world.events_like(stage.pair.edge, |event| {
            matches!(event, Event::ImportUp { export, .. } if export == "secret")
        }),
        0
    );
}

#[test]
fn an_initiator_that_is_not_listed_sees_nothing() {
    let mut stage = Stage::new(5, |plan, pair, _| {
        let listed = plan.mac(pair.initiator);
        plan.sites[pair.exit.0].exports[0].allow[0].initiators = Some(vec![listed]);
    });
    let own = stage.world.mac(stage.station);
    let (before, sent) = (
        stage.requests_at_target(),
        stage.world.count(stage.pair.edge, Count::RequestsToWire),
    );
    for (command, argument) in [
        (AoeCommand::Query, craft::query(QueryCommand::Read, b"")),
        (AoeCommand::Query, craft::query(QueryCommand::ForceSet, b"mine")),
        (AoeCommand::Ata, craft::ata(0xec, 1, 0, &[])),
        (AoeCommand::Ata, craft::ata(0x06, 1, 0, &[])),
        (AoeCommand::MacMask, vec![0; 4]),
    ] {
        for address in [SEEN, Address::BROADCAST] {
            assert!(
                stage.ask(address, command, &argument).is_empty(),
                "{command:?} {address}"
            );
        }
        let outcome = stage.lie(0, own, &craft::pdu(SEEN, command, 5, &argument));
        assert_eq!(outcome, Outcome::Silence, "{command:?}");
    }
    assert_eq!(stage.requests_at_target(), before);
    assert_eq!(stage.world.count(stage.pair.edge, Count::RequestsToWire), sent);
    // The listed one works, and heard of it by a frame to it alone.
    let initiator = stage.pair.initiator;
    assert!(
        stage.world.driver(initiator).disk(SEEN).is_some(),
        "the advertisement was enough"
    );
    stage.world.open(initiator, SEEN);
    stage
        .world
        .start_load(Load::new(initiator, SEEN, (stage.pair.target, REAL)).operations(20));
    stage.world.finish_loads(Duration::from_secs(10));
    let edge = gateway_mac(stage.pair.edge, SegmentId(0));
    let heard = stage.world.take_heard(stage.station);
    assert!(heard.iter().all(|seen| seen.source != edge), "{heard:?}");
}

#[test]
fn commands_two_to_four_are_refused_by_an_aoe_error() {
    let mut stage = Stage::new(6, |_, _, _| {});
    let own = stage.world.mac(stage.station);
    let before = stage.requests_at_target();
    for code in (2..=255).map(AoeCommand::from) {
        let heard = stage.ask(SEEN, code, &[0; 16]);
        let [answer] = &heard[..] else {
            panic!("{code:?}: {heard:?}")
        };
        assert_eq!(
            (answer.header.flags, answer.header.error),
            (Flags::ERROR_RESPONSE, 1),
            "{code:?}"
        );
        let outcome = stage.lie(0, own, &craft::pdu(SEEN, code, 5, &[0; 16]));
        assert_eq!(outcome, Outcome::Silence, "{code:?}");
        assert!(
            stage.ask(Address::BROADCAST, code, &[0; 16]).is_empty(),
            "no broadcast of {code:?}"
        );
    }
    assert_eq!(stage.requests_at_target(), before);
}

#[test]
fn broadcast_ata_other_than_identify_never_passes() {
    let mut stage = Stage::new(7, |_, _, _| {});
    let everybody = [
        Address::BROADCAST,
        Address {
            shelf: SEEN.shelf,
            slot: 0xff,
        },
        Address {
            shelf: 0xffff,
            slot: SEEN.slot,
        },
    ];
    for address in everybody {
        for opcode in 0..=255u8 {
            let before = stage.requests_at_target();
            let argument = craft::ata(opcode, 1, 0, &[7; 512]);
            let heard = stage.ask(address, AoeCommand::Ata, &argument);
            if opcode == 0xec {
                assert_eq!(
                    heard.len(),
                    1,
                    "IDENTIFY finds disks for initiators without Config"
                );
                assert_eq!(heard[0].header.address, SEEN);
                assert_eq!(stage.requests_at_target(), before + 1);
            } else {
                assert!(heard.is_empty(), "{opcode:#x} to {address}");
                assert_eq!(stage.requests_at_target(), before, "{opcode:#x} to {address}");
            }
        }
    }
    assert_eq!(
        stage.world.target(stage.pair.target).counters().sectors_written,
        0
    );
}

#[test]
fn the_config_string_is_set_only_where_granted() {
    for granted in [ConfigString::Read, ConfigString::Set] {
        let mut stage = Stage::new(8, |plan, pair, _| {
            plan.sites[pair.exit.0].exports[0].allow[0].config_string = granted;
        });
        for command in [QueryCommand::SetIfEmpty, QueryCommand::ForceSet] {
            let argument = craft::query(command, b"com.example.one");
            let heard = stage.ask(SEEN, AoeCommand::Query, &argument);
            assert_eq!(heard.len(), 1, "{command:?}");
            let lied = stage.lie(
                0,
                MacAddr([2, 9, 9, 9, 9, 9]),
                &craft::pdu(SEEN, AoeCommand::Query, 5, &argument),
            );
            match granted {
                ConfigString::Read => {
                    assert_eq!(
                        (heard[0].header.flags, heard[0].header.error),
                        (Flags::ERROR_RESPONSE, 2)
                    );
                    assert_eq!(lied, Outcome::Silence);
                }
                ConfigString::Set => {
                    assert_eq!(heard[0].header.flags, Flags::RESPONSE);
                    assert_eq!(heard[0].query().string(), b"com.example.one");
                    assert_eq!(heard[0].query().buffer_count(), 64);
                    assert_eq!(lied, Outcome::Answered);
                }
            }
        }
        let expected: &[u8] = if granted == ConfigString::Set {
            b"com.example.one"
        } else {
            b""
        };
        let blade = stage.world.target(stage.pair.target).blade(REAL).unwrap();
        assert_eq!(blade.settings().config_string, expected);
        // Reading, and testing, answers from what the target has now.
        let heard = stage.ask(SEEN, AoeCommand::Query, &craft::query(QueryCommand::Read, b""));
        assert_eq!(heard[0].query().string(), expected);
        let heard = stage.ask(
            SEEN,
            AoeCommand::Query,
            &craft::query(QueryCommand::Test, expected),
        );
        assert_eq!(heard.len(), 1);
        let heard = stage.ask(
            SEEN,
            AoeCommand::Query,
            &craft::query(QueryCommand::Test, b"other"),
        );
        assert!(heard.is_empty(), "a mismatch is silence");
        for unknown in 5..16 {
            let argument = craft::query(QueryCommand::from_bits(unknown), b"x");
            let heard = stage.ask(SEEN, AoeCommand::Query, &argument);
            assert_eq!((heard.len(), heard[0].header.error), (1, 2));
        }
    }
}

#[test]
fn a_lying_exit_reaches_only_initiators_that_asked_and_only_as_its_own_import() {
    let mut stage = Stage::new(9, |plan, pair, _| {
        let other = plan.site(&[pair.right]);
        plan.introduce(pair.edge, other);
    });
    let own = stage.world.mac(stage.station);
    let other = e2e::sim::SiteId(2);
    // The tag of what it will ask.
    let tag = stage.tag + 1;
    let answer = |tag, command, argument: &[u8]| {
        let mut reply = craft::pdu(REAL, command, tag, argument);
        reply[0] = 0x18;
        reply
    };
    let reply = answer(tag, AoeCommand::Ata, &craft::ata(0, 0, 0, &[1; 512]));
    // The import's next number: all that go by it are counted in one sequence.
    let number = stage.world.count(stage.pair.edge, Count::RequestsToWire) + 1;
    let from = |stage: &mut Stage, peer, import, initiator, number, pdu: &[u8]| {
        stage.world.lie(
            stage.pair.edge,
            peer,
            &craft::reply_chunk(import, initiator, number, pdu),
        );
        stage.world.run_for(Duration::from_millis(5));
        stage.world.take_heard(stage.station)
    };
    let exit = stage.pair.exit;
    assert!(
        from(&mut stage, exit, 0, own, number, &reply).is_empty(),
        "it has not asked anything"
    );
    stage.world.set_answering(stage.pair.target, Answering::Never);
    let asked = stage.ask(SEEN, AoeCommand::Ata, &craft::ata(READ_EXT, 1, 0, &[]));
    assert!(asked.is_empty(), "it is outstanding");
    assert!(
        from(&mut stage, other, 0, own, number, &reply).is_empty(),
        "another peer's import"
    );
    assert!(
        from(&mut stage, exit, 1, own, number, &reply).is_empty(),
        "no such import"
    );
    assert!(
        from(&mut stage, exit, 0, MacAddr::BROADCAST, number, &reply).is_empty(),
        "to everybody"
    );
    for other in [number - 1, number + 1, 0, u64::MAX] {
        assert!(
            from(&mut stage, exit, 0, own, other, &reply).is_empty(),
            "no such request"
        );
    }
    let mut request = reply.clone();
    request[0] = 0x10;
    assert!(
        from(&mut stage, exit, 0, own, number, &request).is_empty(),
        "a request is no reply"
    );
    for len in 0..10 {
        assert!(
            from(&mut stage, exit, 0, own, number, &reply[..len]).is_empty(),
            "{len} bytes"
        );
    }
    // It asked for one sector: no other tag, no other command, and nothing that is shorter or longer.
    let unfit = [
        answer(tag + 1, AoeCommand::Ata, &craft::ata(0, 0, 0, &[1; 512])),
        answer(tag, AoeCommand::Query, &craft::query(QueryCommand::Read, b"")),
        answer(tag, AoeCommand::Ata, &craft::ata(0, 0, 0, &[])),
        answer(tag, AoeCommand::Ata, &craft::ata(0, 0, 0, &[1; 511])),
        answer(tag, AoeCommand::Ata, &craft::ata(0, 0, 0, &[1; 513])),
        answer(tag, AoeCommand::Ata, &craft::ata(0, 0, 0, &[1; 1024])),
        answer(tag, AoeCommand::Ata, &craft::ata(0x41, 0, 0, &[1; 512])),
    ];
    for reply in &unfit {
        assert!(
            from(&mut stage, exit, 0, own, number, reply).is_empty(),
            "{reply:02x?}"
        );
    }
    let dropped = stage.world.dropped(stage.pair.edge, DropReason::ReplyMismatch);
    assert_eq!(dropped, unfit.len() as u64);
    let heard = from(&mut stage, exit, 0, own, number, &reply);
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].header.address, heard[0].header.tag), (SEEN, Tag(tag)));
    assert!(
        from(&mut stage, exit, 0, own, number, &reply).is_empty(),
        "once is enough"
    );
}
