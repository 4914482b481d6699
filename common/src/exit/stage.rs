//! An exit on a test bench: requests are handed in as accepted ones, and what goes to targets is read.

use std::time::Duration;

use super::ids::SlotId;
use aoe_keys::SecretKey;

use super::flow::FlowKey;
use super::pending::{Arrival, Origin};
use super::span::{Span, Touch};
use super::{Exit, Response};
use crate::config::{
    Access, Allow, ExportConfig, ExportId, ExportSafety, ImportId, OwnKeys, PeerId, Revoked, SegmentId,
    TargetOrder, TunnelConfig,
};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::frame::aoe::{AoeCommand, Flags, VERSION, set_flags};
use crate::frame::ata::{AtaFlags, AtaHeader, lba48_bytes};
use crate::frame::query::{QueryCommand, QueryHeader};
use crate::frame::{Address, Ata, AtaOpcode, Frame, Header, MacAddr, Pdu, Tag};
use crate::output::Output;
use crate::random::Secrets;
use crate::request::Asked;
use crate::segment::SegmentState;
use crate::table::Table;
use crate::tap::Tap;
use crate::telemetry::{Count, Telemetry};
use crate::time::Instant;
use crate::timers::Timers;
use crate::tunnel::links::Links;

/// How long a request may be under way.
const MAX_AGE: Duration = Duration::from_secs(1);
pub(super) const DISK: ExportId = ExportId(0);
pub(super) const SAME: ExportId = ExportId(1);
pub(super) const ALICE: PeerId = PeerId(0);
pub(super) const BOB: PeerId = PeerId(1);
pub(super) const TARGET: Address = Address { shelf: 1, slot: 0 };
pub(super) const ELSEWHERE: Address = Address { shelf: 2, slot: 0 };

/// The initiator behind a peer that asks if no other is named.
pub(super) fn initiator(n: u8) -> MacAddr {
    MacAddr([2, 1, 0, 0, 0, n])
}

/// The station at an address.
pub(super) fn mac(address: Address) -> MacAddr {
    let [a, b] = address.shelf.to_be_bytes();
    MacAddr([2, 0, 0, a, b, address.slot])
}

pub(super) fn allow(peer: PeerId) -> Allow {
    Allow::new(peer, Access::ReadWrite)
}

/// An export of this target for both peers, which works in any order.
pub(super) fn export(name: &str, target: Address) -> ExportConfig {
    ExportConfig {
        name: name.to_owned(),
        segment: SegmentId(0),
        target,
        target_mac: None,
        allow: vec![allow(ALICE), allow(BOB)],
        safety: ExportSafety {
            order: TargetOrder::Any,
            ..ExportSafety::default()
        },
        limit: Default::default(),
    }
}

/// A request at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AtTarget {
    pub(super) address: Address,
    pub(super) lba: u64,
    pub(super) tag: Tag,
}

pub(super) struct Stage {
    pub(super) exit: Exit,
    links: Links,
    out: Output,
    pub(super) telemetry: Telemetry,
    timers: Timers,
    segments: Table<SegmentId, SegmentState>,
    pub(super) tap: Option<Tap>,
    pub(super) now: Instant,
    number: u64,
    /// Stations that answer questions, and how many buffers they have.
    awake: Vec<(Address, u16)>,
}

impl Stage {
    /// These exports, from 0 on, of targets that answer and take so many requests at a time.
    pub(super) fn new(exports: Vec<ExportConfig>, buffers: u16) -> Stage {
        let now = Instant::from_micros(1_000_000);
        let secret = SecretKey::from_bytes([7; 32]);
        let tunnel = TunnelConfig::default();
        let links = Links::new(
            (OwnKeys::of(secret), Revoked::default()),
            Table::default(),
            tunnel,
            Secrets::new([3; 32]),
            now,
            Duration::ZERO,
        );
        let up = SegmentState::Up {
            mac: MacAddr([2; 6]),
            mtu: 1500,
        };
        let targets: Vec<Address> = exports.iter().map(|export| export.target).collect();
        let mut stage = Stage {
            exit: Exit::new(
                exports.into(),
                MAX_AGE,
                &[ALICE, BOB],
                (5, [9; 32]),
                (now, Duration::ZERO),
            ),
            links: links.unwrap(),
            out: Output::default(),
            telemetry: Telemetry::default(),
            timers: Timers::new(now),
            segments: vec![up].into(),
            tap: None,
            now,
            number: 0,
            awake: Vec::new(),
        };
        for target in targets {
            stage.wake(target, buffers);
        }
        stage
    }

    pub(super) fn step<T>(&mut self, what: impl FnOnce(&mut Exit, &mut Links, &mut Context<'_>) -> T) -> T {
        let mut cx = Context {
            now: self.now,
            out: &mut self.out,
            telemetry: &mut self.telemetry,
            timers: &mut self.timers,
            segments: &self.segments,
            tap: self.tap.as_mut(),
        };
        what(&mut self.exit, &mut self.links, &mut cx)
    }

    /// The target at this address says that it is there, and not which disk it is.
    pub(super) fn wake(&mut self, address: Address, buffers: u16) {
        if !self.awake.contains(&(address, buffers)) {
            self.awake.push((address, buffers));
        }
        let header = QueryHeader {
            buffer_count: buffers,
            firmware: 1,
            sectors: 2,
            version: VERSION,
            command: QueryCommand::Read,
        };
        let pdu = pdu(address, AoeCommand::Query, Tag(0), &header.to_bytes(0));
        self.hear(address, &pdu).unwrap();
        self.answer_questions();
    }

    /// IDENTIFY is answered by an error: it cannot be compared.
    fn answer_questions(&mut self) {
        for asked in self.frames(|ata| ata.command() == AtaOpcode::Identify) {
            // Some are answered already.
            let _ = self.answer(asked, 0x41);
        }
    }

    fn hear(&mut self, address: Address, bytes: &[u8]) -> Result<(), DropReason> {
        let response = Response {
            segment: SegmentId(0),
            source: mac(address),
            pdu: Pdu::parse(bytes).unwrap(),
        };
        self.step(|exit, links, cx| exit.handle_response(response, links, cx))
    }

    fn frames(&self, which: impl Fn(&Ata<'_>) -> bool) -> Vec<AtTarget> {
        let frames = self.out.frames.iter().filter_map(|(_, frame)| {
            let frame = Frame::parse(frame).ok()?;
            let pdu = Pdu::parse(frame.payload()).ok()?;
            let ata = Ata::parse(pdu.argument()).ok()?;
            let is_ata = pdu.command() == AoeCommand::Ata;
            (is_ata && which(&ata)).then_some(AtTarget {
                address: pdu.address(),
                lba: ata.lba(),
                tag: pdu.tag(),
            })
        });
        frames.collect()
    }

    /// What was sent to targets since the last time, without questions of the exit's own.
    pub(super) fn sent(&mut self) -> Vec<AtTarget> {
        self.answer_questions();
        let sent = self.frames(|ata| ata.command() != AtaOpcode::Identify);
        self.out.clear();
        sent
    }

    /// Sectors that what was sent begins at.
    pub(super) fn lbas(&mut self) -> Vec<u64> {
        self.sent().into_iter().map(|sent| sent.lba).collect()
    }

    /// A request of two sectors.
    pub(super) fn ask(
        &mut self,
        (peer, from): (PeerId, MacAddr),
        export: ExportId,
        lba: u64,
        touch: Touch,
    ) -> Result<SlotId, DropReason> {
        self.number += 1;
        self.now = self.now + Duration::from_millis(1);
        let (now, number) = (self.now, self.number);
        let export_state = self.exit.exports.get(export).unwrap();
        let (target, is_paused) = (export_state.target, export_state.pauses.is_on());
        let lane = self.exit.targets.get(target).unwrap().lane;
        let key = FlowKey {
            peer,
            import: ImportId(0),
            export,
            initiator: from,
        };
        let flow = self.exit.flows.enter(key, is_paused, now).unwrap();
        let (opcode, flags) = match touch {
            Touch::Reads => (AtaOpcode::ReadExt, AtaFlags::EXTENDED),
            Touch::Writes => (AtaOpcode::WriteExt, AtaFlags::EXTENDED | AtaFlags::WRITE),
        };
        let mut argument = ata(opcode.into(), flags, lba).to_vec();
        if touch == Touch::Writes {
            argument.extend_from_slice(&[7; 1024]);
        }
        let bytes = pdu(TARGET, AoeCommand::Ata, Tag(5), &argument);
        let arrival = Arrival {
            export,
            target,
            lane,
            origin: Origin {
                flow,
                peer,
                import: ImportId(0),
                initiator: from,
                number,
                tag: Tag(u32::try_from(number).unwrap()),
            },
            asked: Asked::Ata {
                opcode,
                sectors: 2,
                flags: AtaFlags(flags),
            },
            sync: false,
            span: Span::new(lba, 2, touch),
            captured: now,
            arrived: now,
            pdu: &bytes,
        };
        self.step(|exit, _, cx| {
            let slot = exit.accept(&arrival, cx)?;
            exit.serve(target, cx);
            Ok(slot)
        })
    }

    pub(super) fn write(&mut self, peer: PeerId, export: ExportId, lba: u64) {
        self.ask((peer, initiator(1)), export, lba, Touch::Writes)
            .unwrap();
    }

    /// A target answers without data.
    fn answer(&mut self, asked: AtTarget, status: u8) -> Result<(), DropReason> {
        let argument = ata(status, 0, asked.lba);
        let mut bytes = pdu(asked.address, AoeCommand::Ata, asked.tag, &argument);
        set_flags(&mut bytes, VERSION, Flags::RESPONSE);
        self.hear(asked.address, &bytes)
    }

    /// The target has done what it was asked.
    pub(super) fn done(&mut self, asked: AtTarget) {
        self.answer(asked, 0x40).unwrap();
    }

    /// The target has read what it was asked for.
    pub(super) fn read(&mut self, asked: AtTarget) {
        let argument = [&ata(0x40, 0, asked.lba)[..], &[7; 1024]].concat();
        let mut bytes = pdu(asked.address, AoeCommand::Ata, asked.tag, &argument);
        set_flags(&mut bytes, VERSION, Flags::RESPONSE);
        self.hear(asked.address, &bytes).unwrap();
    }

    /// The station at this address answers nothing any more.
    pub(super) fn silence(&mut self, address: Address) {
        self.awake.retain(|(target, _)| *target != address);
    }

    /// Lets time pass, while targets answer questions.
    pub(super) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now = self.now + Duration::from_millis(100);
            self.step(|exit, links, cx| exit.handle_timeout(links, cx));
            for (target, buffers) in self.awake.clone() {
                if self.exit.targets.values().any(|known| known.address == target) {
                    self.wake(target, buffers);
                }
            }
        }
    }

    pub(super) fn change(&mut self, id: ExportId, config: &ExportConfig) {
        let config = config.clone();
        self.step(|exit, links, cx| exit.change(id, config, links, cx));
    }

    pub(super) fn remove(&mut self, id: ExportId) {
        self.step(|exit, _, cx| exit.remove(id, cx));
    }

    pub(super) fn add(&mut self, id: ExportId, config: ExportConfig) {
        self.step(|exit, links, cx| exit.add(id, config, links, cx));
    }

    /// The peer is told what there is to be told, and acknowledges it.
    pub(super) fn tell(&mut self, peer: PeerId) {
        self.step(|exit, _, cx| {
            exit.entries(peer, cx);
            exit.update_acked(peer, cx);
        });
    }

    pub(super) fn dropped(&self, reason: DropReason) -> u64 {
        self.telemetry.counters().dropped(reason)
    }

    pub(super) fn count(&self, count: Count) -> u64 {
        self.telemetry.counters().count(count)
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.telemetry.poll_event()).collect()
    }
}

fn ata(command_status: u8, flags: u8, lba: u64) -> [u8; 12] {
    AtaHeader {
        flags: AtaFlags(flags),
        error_feature: 0,
        sectors: 2,
        command_status,
        lba: lba48_bytes(lba),
        reserved: [0; 2],
    }
    .to_bytes()
}

fn pdu(address: Address, command: AoeCommand, tag: Tag, argument: &[u8]) -> Vec<u8> {
    let flags = match tag {
        Tag(0) => Flags::RESPONSE,
        _ => Flags::REQUEST,
    };
    let header = Header {
        version: VERSION,
        flags,
        error: 0,
        address,
        command,
        tag,
    };
    [&header.to_bytes()[..], argument].concat()
}
