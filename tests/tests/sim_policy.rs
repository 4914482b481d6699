//! Who may do what: refused at once by the edge, and again by the exit when a peer lies.

use std::time::Duration;

use aoe_common::config::{Access, ConfigString, SegmentId};
use aoe_common::drop_reason::DropReason;
use aoe_common::event::Event;
use aoe_common::frame::{Address, AoeCommand, AtaFlags, Flags, MacAddr, QueryCommand, Tag};
use aoe_common::telemetry::Count;
use aoe_lab::target::{Answering, BladeSettings};
use e2e::sim::craft::{self, Seen};
use e2e::sim::load::Errors;
use e2e::sim::plan::{REAL, SEEN, gateway_mac};
use e2e::sim::seeds::for_each_seed;
use e2e::sim::{HostId, Load, Pair, Plan, World};

const READ: u8 = 0x20;
const READ_EXT: u8 = 0x24;
const WRITE: u8 = 0x30;
const WRITE_EXT: u8 = 0x34;
const ALLOWED: [u8; 8] = [READ, READ_EXT, WRITE, WRITE_EXT, 0xec, 0xe7, 0xea, 0xe5];
const REFUSED: Option<(u8, u8)> = Some((0x41, 0x04));

/// A running pair with a station on the initiator's LAN that says what no initiator says.
struct Stage {
    world: World,
    pair: Pair,
    station: HostId,
    tag: u32,
    /// Of the last request that was made up.
    number: u64,
}

impl Stage {
    fn new(seed: u64, change: impl FnOnce(&mut Plan, Pair, HostId)) -> Stage {
        let (mut plan, pair) = Plan::pair(seed);
        let station = plan.station(pair.left);
        change(&mut plan, pair, station);
        let mut world = plan.build();
        world.run_until("the import is up", Duration::from_secs(5), |world| {
            world.events_like(pair.edge, |event| matches!(event, Event::ImportUp { .. })) > 0
        });
        // The initiator has heard of the import and identifies it.
        world.run_for(Duration::from_millis(100));
        world.take_heard(station);
        Stage {
            world,
            pair,
            station,
            tag: 0x8000_0000,
            number: 1 << 60,
        }
    }

    /// Sends a request to the edge and returns what comes back within 20 ms.
    fn ask(&mut self, address: Address, command: AoeCommand, argument: &[u8]) -> Vec<Seen> {
        let own = self.world.mac(self.station);
        let edge = gateway_mac(self.pair.edge, SegmentId(0));
        self.tag += 1;
        let pdu = craft::pdu(address, command, self.tag, argument);
        self.world
            .send_frame(self.station, &craft::frame(edge, own, &pdu));
        self.world.run_for(Duration::from_millis(20));
        let heard = self.world.take_heard(self.station);
        heard
            .into_iter()
            .filter(|seen| seen.header.tag == Tag(self.tag))
            .collect()
    }

    /// Hands the exit a request as if the edge had sealed it, of an import that it has not; what came of it. No answer to
    /// it passes the edge.
    fn lie(&mut self, export: u16, initiator: MacAddr, pdu: &[u8]) -> Outcome {
        self.number += 1;
        let exit = self.pair.exit;
        let count = |stage: &Stage| {
            let count = |count| stage.world.count(exit, count);
            (count(Count::RepliesToWire), count(Count::Refusals))
        };
        let before = count(self);
        let chunk = craft::request_chunk(
            export,
            7,
            initiator,
            (self.number, self.world.clock(self.pair.edge)),
            pdu,
        );
        self.world.lie(exit, self.pair.edge, &chunk);
        self.world.run_for(Duration::from_millis(20));
        assert!(self.world.take_heard(self.station).is_empty());
        let after = count(self);
        match (after.0 - before.0, after.1 - before.1) {
            (0, 0) => Outcome::Silence,
            (1, 1) => Outcome::Refused,
            (1, 0) => Outcome::Answered,
            other => panic!("{other:?} replies and refusals"),
        }
    }

    fn requests_at_target(&self) -> u64 {
        self.world.count(self.pair.exit, Count::RequestsToTarget)
    }
}

/// What came of a request that was handed to the exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Silence,
    Refused,
    Answered,
}

fn make_read_only(plan: &mut Plan, pair: Pair) {
    plan.sites[pair.exit.0].exports[0].allow[0].access = Access::ReadOnly;
}

#[test]
fn every_opcode_is_carried_or_refused_at_once_by_the_edge() {
    let mut stage = Stage::new(1, |_, _, _| {});
    for opcode in 0..=255u8 {
        let data = [7; 512];
        let argument = craft::ata(
            opcode,
            1,
            5,
            if opcode == WRITE || opcode == WRITE_EXT {
                &data
            } else {
                &[]
            },
        );
        let (before, sent) = (stage.requests_at_target(), stage.world.datagrams());
        let heard = stage.ask(SEEN, AoeCommand::Ata, &argument);
        if ALLOWED.contains(&opcode) {
            assert_eq!(stage.requests_at_target(), before + 1, "{opcode:#x}");
            assert_eq!(heard.len(), 1);
            continue;
        }
        let [answer] = &heard[..] else {
            panic!("{opcode:#x}: {heard:?}")
        };
        assert_eq!(answer.ata_outcome(), REFUSED, "{opcode:#x}");
        assert_eq!(
            (answer.header.flags, answer.header.address),
            (Flags::RESPONSE, SEEN)
        );
        // Sector count and address as asked, no data.
        assert_eq!((answer.ata().sectors(), answer.ata().lba_bytes()[0]), (1, 5));
        assert!(answer.ata().data().iter().all(|byte| *byte == 0));
        assert_eq!(stage.requests_at_target(), before);
        assert!(stage.world.datagrams() <= sent + 8, "nothing but keepalives left");
    }
    let refused = 256 - ALLOWED.len() as u64;
    assert_eq!(
        stage
            .world
            .dropped(stage.pair.edge, DropReason::RefusedAtaCommand),
        refused
    );
    assert_eq!(stage.world.count(stage.pair.edge, Count::Refusals), refused);
}

#[test]
fn every_opcode_is_judged_again_by_the_exit_when_the_peer_lies() {
    for access in [Access::ReadOnly, Access::ReadWrite] {
        let mut stage = Stage::new(1, |plan, pair, _| {
            plan.sites[pair.exit.0].exports[0].allow[0].access = access;
        });
        let own = stage.world.mac(stage.station);
        for opcode in 0..=255u8 {
            let is_write = opcode == WRITE || opcode == WRITE_EXT;
            let argument = craft::ata(opcode, 1, 5, if is_write { &[7; 512] } else { &[] });
            let before = stage.requests_at_target();
            let outcome = stage.lie(0, own, &craft::pdu(SEEN, AoeCommand::Ata, 77, &argument));
            if ALLOWED.contains(&opcode) && !(is_write && access == Access::ReadOnly) {
                assert_eq!(stage.requests_at_target(), before + 1, "{opcode:#x}");
                assert_eq!(outcome, Outcome::Answered, "{opcode:#x}");
            } else {
                assert_eq!(outcome, Outcome::Refused, "{opcode:#x}");
                assert_eq!(stage.requests_at_target(), before, "{opcode:#x}");
            }
        }
        assert_eq!(
            stage.world.target(stage.pair.target).counters().sectors_written > 0,
            access == Access::ReadWrite
        );
    }
}

#[test]
fn writes_to_a_read_only_export_fail_at_once_and_reads_work() {
    for_each_seed(3, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        make_read_only(&mut plan, pair);
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        let load = Load::new(pair.initiator, SEEN, (pair.target, REAL));
        world.start_load(load.errors(Errors::WritesRefused));
        world.finish_loads(Duration::from_secs(60));
        let counters = world.target(pair.target).counters();
        assert_eq!(
            (counters.sectors_written, counters.refused),
            (0, 0),
            "no write came so far"
        );
        assert!(world.dropped(pair.edge, DropReason::RefusedReadOnly) > 50);
        assert_eq!(
            world.dropped(pair.exit, DropReason::RefusedReadOnly),
            0,
            "the edge said no"
        );
        assert_eq!(world.driver(pair.initiator).counters().retransmits, 0);
    });
}

#[test]
fn a_write_that_claims_to_be_read_only_harmless_is_judged_by_its_opcode() {
    let mut stage = Stage::new(2, |plan, pair, _| make_read_only(plan, pair));
    let own = stage.world.mac(stage.station);
    let before = stage.requests_at_target();
    for flags in 0..=255u8 {
        let mut argument = craft::ata(WRITE_EXT, 1, 0, &[9; 512]);
        argument[0] = flags;
        let heard = stage.ask(SEEN, AoeCommand::Ata, &argument);
        assert_eq!(heard.len(), 1, "flags {flags:#x}");
        assert_eq!(heard[0].ata_outcome(), REFUSED, "flags {flags:#x}");
        let outcome = stage.lie(0, own, &craft::pdu(REAL, AoeCommand::Ata, 5, &argument));
        assert_eq!(outcome, Outcome::Refused, "flags {flags:#x}");
    }
    assert_eq!(stage.requests_at_target(), before);
}

/// A read that says that it brings data, a write that says that it does not, and no sectors at all: targets would not
/// agree what is meant, so neither side lets it pass.
#[test]
fn commands_that_contradict_themselves_never_reach_the_target() {
    let mut stage = Stage::new(3, |_, _, _| {});
    let own = stage.world.mac(stage.station);
    let before = stage.requests_at_target();
    for opcode in ALLOWED {
        let data: &[u8] = if opcode & 0xf0 == 0x30 { &[9; 512] } else { &[] };
        let mut turned = craft::ata(opcode, 1, 0, data);
        turned[0] ^= AtaFlags::WRITE;
        let mut none = craft::ata(opcode, 0, 0, &[]);
        none[0] |= AtaFlags::EXTENDED;
        for argument in [turned, none] {
            if opcode >= 0x40 && argument[0] & AtaFlags::WRITE == 0 {
                continue;
            }
            let heard = stage.ask(SEEN, AoeCommand::Ata, &argument);
            assert_eq!(heard.len(), 1, "{argument:02x?}");
            assert_eq!(heard[0].ata_outcome(), REFUSED, "{argument:02x?}");
            let outcome = stage.lie(0, own, &craft::pdu(REAL, AoeCommand::Ata, 5, &argument));
            assert_eq!(outcome, Outcome::Refused, "{argument:02x?}");
        }
    }
    assert_eq!(stage.requests_at_target(), before);
    // What the Linux driver probes a path with: a read with a frame full of zeros behind it.
    let probe = craft::ata(READ_EXT, 2, 0, &[0; 1024]);
    let heard = stage.ask(SEEN, AoeCommand::Ata, &probe);
    assert_eq!(heard[0].ata_outcome(), Some((0x40, 0)));
}

#[test]
fn too_many_sectors_and_truncated_requests_never_reach_the_target() {
    let mut stage = Stage::new(3, |_, _, _| {});
    let own = stage.world.mac(stage.station);
    // These do not fit the LANs. The exit would do them in parts, and the answer does not fit the edge's, perhaps for now.
    for sectors in 3..=31 {
        let argument = craft::ata(READ_EXT, sectors, 0, &[]);
        assert!(
            stage.ask(SEEN, AoeCommand::Ata, &argument).is_empty(),
            "{sectors}"
        );
        let outcome = stage.lie(0, own, &craft::pdu(SEEN, AoeCommand::Ata, 5, &argument));
        assert_eq!(outcome, Outcome::Answered, "{sectors}");
    }
    let unfit = stage
        .world
        .dropped(stage.pair.edge, DropReason::FrameTooBigForSegment);
    assert_eq!(unfit, 29);
    // These fit no frame.
    let before = stage.requests_at_target();
    for sectors in 32..=255 {
        let argument = craft::ata(READ_EXT, sectors, 0, &[]);
        let heard = stage.ask(SEEN, AoeCommand::Ata, &argument);
        assert_eq!(heard.len(), 1, "{sectors}");
        assert_eq!(heard[0].ata_outcome(), REFUSED, "{sectors}");
        let outcome = stage.lie(0, own, &craft::pdu(SEEN, AoeCommand::Ata, 5, &argument));
        assert_eq!(outcome, Outcome::Refused, "{sectors}");
    }
    // A write with less data than it says: no meaning, no answer.
    let whole = craft::pdu(SEEN, AoeCommand::Ata, 5, &craft::ata(WRITE_EXT, 2, 0, &[9; 1024]));
    for len in 0..whole.len() {
        assert_eq!(stage.lie(0, own, &whole[..len]), Outcome::Silence, "{len} bytes");
    }
    assert_eq!(stage.requests_at_target(), before);
    assert_eq!(stage.lie(0, own, &whole), Outcome::Answered);
}

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
