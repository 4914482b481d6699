use std::time::Duration;

use aoe_common::frame::{
    AoeCommand, Ata, AtaFlags, AtaHeader, AtaOpcode, Flags, Header, Query, QueryCommand, QueryHeader, Tag,
};

use super::*;
use crate::frames::Padding;

const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const THEIRS: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const E7_3: Address = Address { shelf: 7, slot: 3 };

fn target(settings: BladeSettings) -> Target {
    let mut target = Target::new(OURS, 1500);
    target.add(Blade::new(E7_3, Backing::ram(1000), settings));
    target
}

fn ask(target: &mut Target, destination: MacAddr, write: impl FnOnce(&mut Frames)) -> Vec<Vec<u8>> {
    let mut request = Frames::new(Padding::None);
    write(&mut request);
    let mut out = Frames::new(Padding::Minimum);
    target.begin_batch();
    for frame in request.iter() {
        let mut frame = frame.to_vec();
        frame[..6].copy_from_slice(&destination.0);
        target.handle_frame(&frame, Instant::from_micros(0), &mut out);
    }
    out.iter().map(<[u8]>::to_vec).collect()
}

fn header(command: AoeCommand, address: Address) -> Header {
    Header {
        version: 1,
        flags: Flags::REQUEST,
        error: 0,
        address,
        command,
        tag: Tag(0x8001_0203),
    }
}

fn ata(
    target: &mut Target,
    address: Address,
    opcode: AtaOpcode,
    lba: u8,
    sectors: u8,
    data: &[u8],
) -> Vec<Vec<u8>> {
    let registers = AtaHeader {
        flags: AtaFlags(AtaFlags::EXTENDED),
        error_feature: 0,
        sectors,
        command_status: opcode.into(),
        lba: [lba, 0, 0, 0, 0, 0],
        reserved: [0; 2],
    };
    ask(target, OURS, |frames| {
        frames.push_ata(
            (OURS, THEIRS),
            &header(AoeCommand::Ata, address),
            &registers,
            data,
        );
    })
}

fn query(target: &mut Target, address: Address, command: QueryCommand, string: &[u8]) -> Vec<Vec<u8>> {
    let asked = QueryHeader {
        buffer_count: 0,
        firmware: 0,
        sectors: 0,
        version: 0,
        command,
    };
    ask(target, MacAddr::BROADCAST, |frames| {
        frames.push_query(
            (OURS, THEIRS),
            &header(AoeCommand::Query, address),
            &asked,
            string,
        );
    })
}

fn pdu(frame: &[u8]) -> Pdu<'_> {
    Pdu::parse(Frame::parse(frame).unwrap().payload()).unwrap()
}

fn registers(frame: &[u8]) -> (u8, u8) {
    let ata = Ata::parse(pdu(frame).argument()).unwrap();
    (ata.status(), ata.error())
}

#[test]
fn what_is_written_is_read_and_lengths_are_exact() {
    let mut target = target(BladeSettings::default());
    let data = vec![0x5a; 1024];
    let replies = ata(&mut target, E7_3, AtaOpcode::WriteExt, 9, 2, &data);
    assert_eq!((replies.len(), replies[0].len()), (1, 60));
    assert!(
        replies[0][36..].iter().all(|byte| *byte == 0),
        "no byte of the write comes back"
    );

    let replies = ata(&mut target, E7_3, AtaOpcode::ReadExt, 9, 2, &[]);
    assert_eq!(replies[0].len(), 36 + 1024);
    assert_eq!(replies[0][36..], data);
    let answer = pdu(&replies[0]);
    assert_eq!(
        (answer.tag(), answer.address(), answer.is_response()),
        (Tag(0x8001_0203), E7_3, true)
    );
    assert_eq!(&replies[0][..12], [THEIRS.0, OURS.0].concat());
}

#[test]
fn refusals_are_ordinary_responses() {
    let mut target = target(BladeSettings {
        access: BladeAccess::ReadOnly,
        ..BladeSettings::default()
    });
    let write = ata(&mut target, E7_3, AtaOpcode::WriteExt, 0, 1, &[1; 512]);
    assert_eq!((registers(&write[0]), write[0].len()), ((0x41, 0x04), 60));
    let beyond = ata(&mut target, E7_3, AtaOpcode::ReadExt, 255, 2, &[]);
    assert_eq!(registers(&beyond[0]).0, 0x40, "255 and 256 exist");
    target
        .blade_mut(E7_3)
        .unwrap()
        .backing_mut()
        .clone_from_sectors(255);
    let beyond = ata(&mut target, E7_3, AtaOpcode::ReadExt, 254, 2, &[]);
    assert_eq!(registers(&beyond[0]), (0x41, 0x10));
    let unknown = ata(&mut target, E7_3, AtaOpcode::Other(0xb0), 0, 0, &[]);
    assert_eq!(registers(&unknown[0]), (0x41, 0x04));
    assert_eq!(target.counters().refused, 3);
}

#[test]
fn too_many_sectors_are_an_aoe_error_and_foreign_commands_too() {
    let mut target = target(BladeSettings::default());
    let replies = ata(&mut target, E7_3, AtaOpcode::ReadExt, 0, 3, &[]);
    assert!(pdu(&replies[0]).is_error() && pdu(&replies[0]).header().error == 2);
    let replies = ask(&mut target, OURS, |frames| {
        frames.push(OURS, THEIRS, |buf| {
            buf.extend_from_slice(&header(AoeCommand::Reserve, E7_3).to_bytes())
        });
    });
    assert_eq!((pdu(&replies[0]).header().error, replies[0].len()), (1, 60));
}

#[test]
fn config_strings_are_read_tested_and_set_as_the_protocol_says() {
    let mut target = target(BladeSettings::default());
    let string = |replies: &[Vec<u8>]| {
        Query::parse(pdu(&replies[0]).argument())
            .unwrap()
            .string()
            .to_vec()
    };

    let found = query(&mut target, Address::BROADCAST, QueryCommand::Read, b"");
    let answer = pdu(&found[0]);
    let facts = Query::parse(answer.argument()).unwrap();
    assert_eq!(
        (answer.address(), facts.buffer_count(), facts.sectors()),
        (E7_3, 16, 2)
    );

    assert_eq!(
        string(&query(&mut target, E7_3, QueryCommand::SetIfEmpty, b"mine")),
        b"mine"
    );
    let taken = query(&mut target, E7_3, QueryCommand::SetIfEmpty, b"other");
    assert_eq!(
        (pdu(&taken[0]).header().error, string(&taken)),
        (4, b"mine".to_vec())
    );
    assert!(query(&mut target, E7_3, QueryCommand::Test, b"mi").is_empty());
    assert_eq!(
        string(&query(&mut target, E7_3, QueryCommand::Prefix, b"mi")),
        b"mine"
    );
    assert_eq!(
        string(&query(&mut target, E7_3, QueryCommand::ForceSet, b"new")),
        b"new"
    );
    assert!(
        query(
            &mut target,
            Address { shelf: 8, slot: 3 },
            QueryCommand::Read,
            b""
        )
        .is_empty()
    );
}

#[test]
fn a_write_to_everybody_changes_nothing() {
    let mut target = target(BladeSettings::default());
    assert!(
        ata(
            &mut target,
            Address::BROADCAST,
            AtaOpcode::WriteExt,
            0,
            1,
            &[1; 512]
        )
        .is_empty()
    );
    assert_eq!(
        ata(&mut target, Address::BROADCAST, AtaOpcode::Identify, 0, 1, &[]).len(),
        1
    );
    assert_eq!(target.counters().sectors_written, 0);
}

#[test]
fn more_than_the_advertised_buffers_at_once_is_dropped_and_counted() {
    let mut target = target(BladeSettings {
        buffer_count: 4,
        ..BladeSettings::default()
    });
    let asked = QueryHeader {
        buffer_count: 0,
        firmware: 0,
        sectors: 0,
        version: 0,
        command: QueryCommand::Read,
    };
    let replies = ask(&mut target, OURS, |frames| {
        for _ in 0..6 {
            frames.push_query((OURS, THEIRS), &header(AoeCommand::Query, E7_3), &asked, b"");
        }
    });
    assert_eq!((replies.len(), target.counters().overflows), (4, 2));
}

#[test]
fn a_slow_target_answers_in_order_one_service_time_after_the_other() {
    let mut target = target(BladeSettings::default());
    target.set_service_time(Duration::from_millis(5));
    for lba in 0..3 {
        assert!(ata(&mut target, E7_3, AtaOpcode::ReadExt, lba, 1, &[]).is_empty());
    }
    let mut out = Frames::new(Padding::Minimum);
    for done in 1..=3usize {
        assert_eq!(target.deadline(), Instant::from_micros(5000 * done as u64));
        target.handle_timeout(target.deadline(), &mut out);
        assert_eq!(out.len(), done);
    }
    assert_eq!(target.deadline(), Instant::NEVER);
}

#[test]
fn a_hanging_target_says_nothing_and_an_advertisement_goes_to_all() {
    let mut target = target(BladeSettings {
        config_string: b"hi".to_vec(),
        ..BladeSettings::default()
    });
    let mut out = Frames::new(Padding::Minimum);
    target.advertise(&mut out);
    let advert = out.iter().next().unwrap();
    assert_eq!((advert[..6].to_vec(), pdu(advert).tag()), (vec![0xff; 6], Tag(0)));

    target.set_answering(Answering::Never);
    assert!(query(&mut target, E7_3, QueryCommand::Read, b"").is_empty());
    target.set_answering(Answering::Normally);
    assert_eq!(query(&mut target, E7_3, QueryCommand::Read, b"").len(), 1);
}

impl Backing {
    /// Becomes memory of another size.
    fn clone_from_sectors(&mut self, sectors: usize) {
        *self = Backing::ram(sectors);
    }
}
