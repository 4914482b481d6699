//! Commands: what is carried, and what is refused.

use std::time::Duration;

use super::stage::*;
use aoe_common::config::Access;
use aoe_common::drop_reason::DropReason;
use aoe_common::frame::{AoeCommand, AtaFlags, Flags};
use aoe_common::telemetry::Count;
use e2e::sim::craft::{self};
use e2e::sim::load::Errors;
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::seeds::for_each_seed;
use e2e::sim::{Load, Plan};

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
