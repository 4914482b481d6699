//! Parts of the core by themselves, for `benches/parts.rs`. No gateway uses this.

pub mod quantum;

use crate::exit::ids::{FlowId, SlotId, TargetId};
use std::net::SocketAddr;
use std::time::Duration;

use crate::config::{
    Access, Cipher, ExportId, ImportId, LbaRange, MOST_RANGES, PeerId, PostQuantum, Protection,
};
use crate::exit::flow::{FlowKey, Flows};
use crate::exit::guard::{Guard, Order};
use crate::exit::pending::{Arrival, Origin};
use crate::exit::span::{Span, Touch};
use crate::exit::table::PendingTable;
use crate::exit::tags::{Sent, Tags};
use crate::export::Rights;
use crate::frame::{Ata, AtaFlags, AtaOpcode, Frame, MacAddr, Pdu, Tag};
use crate::output::{Path, TrainBatch};
use crate::policy::{Rule, Verdict, judge};
use crate::request::{Asked, Request};
use crate::time::Instant;
use crate::tunnel::cipher::RecordKey;
use crate::tunnel::message::Kind;
use crate::tunnel::pack::{Outlet, Packer};
use crate::tunnel::record::HEADER_LEN;
use crate::tunnel::session::{Agreed, Role, Session};

/// Bytes of a record in front of its payload.
pub const RECORD_HEADER_LEN: usize = HEADER_LEN;

/// How long writes are remembered.
const KEEP: Duration = Duration::from_secs(10);
const INITIATOR: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

fn key(protection: Protection) -> RecordKey {
    #[allow(clippy::expect_used, reason = "a key of 32 bytes suits every cipher")]
    RecordKey::new(Cipher::Aes256Gcm, protection, &[7; 32]).expect("32 bytes")
}

/// One direction's key at both ends (AES-256-GCM).
#[derive(Debug)]
pub struct Records {
    sealing: RecordKey,
    opening: RecordKey,
}

impl Records {
    /// Keys of one mode.
    pub fn new(protection: Protection) -> Self {
        Records {
            sealing: key(protection),
            opening: key(protection),
        }
    }

    /// Seals a record, its header and payload, in place and appends the authentication tag. The counter is always the
    /// same: no real session does that.
    pub fn seal(&self, record: &mut Vec<u8>) {
        if let Ok(tag) = self.sealing.seal(1, record) {
            record.extend_from_slice(&tag);
        }
    }

    /// Opens what was sealed, in place; the length of its payload, or 0 if it is not genuine.
    pub fn open(&self, sealed: &mut [u8]) -> usize {
        self.opening.open(1, sealed).map_or(0, |payload| payload.len())
    }
}

/// A packer with a session.
#[derive(Debug)]
pub struct Packing {
    packer: Packer,
    session: Session,
    datagram_len: usize,
    path: Path,
}

impl Packing {
    /// Packs for datagrams of this length.
    pub fn new(datagram_len: usize) -> Self {
        let agreed = Agreed {
            keys: None,
            transport: crate::tunnel::transport::Transport::Noise,
            has_psk: false,
            assurance: crate::tunnel::quantum::Assurance::NONE,
            role: Role::Dialer,
            local_index: 1,
            remote_index: 2,
            send_key: key(Protection::Encrypt),
            receive_key: key(Protection::Encrypt),
            protection: Protection::Encrypt,
            cipher: Cipher::Aes256Gcm,
            peer_boot: 1,
            proof: None,
        };
        Packing {
            packer: Packer::default(),
            session: Session::new(agreed, PostQuantum::Prefer, Instant::default(), KEEP),
            datagram_len,
            path: Path::new(0, SocketAddr::from(([192, 0, 2, 1], 34978))),
        }
    }

    /// Packs and seals messages as one batch; how many trains they fill.
    pub fn pack(&mut self, messages: usize, message: &[u8], trains: &mut TrainBatch) -> usize {
        let mut outlet = Outlet {
            peer: PeerId(0),
            session: &mut self.session,
            path: self.path,
            datagram_len: self.datagram_len,
            trains,
            now: Instant::default(),
            is_probe: false,
            sealed: (0, 0),
        };
        for _ in 0..messages {
            // A session can seal more records than any bench asks for.
            let _ = self.packer.push(Kind::Request, &[0; 32], message, &mut outlet);
        }
        let _ = self.packer.flush(&mut outlet);
        trains.len()
    }
}

/// The exit's table of pending requests, with so many of other sectors in it.
#[derive(Debug)]
pub struct Pendings {
    table: PendingTable,
    tags: Tags,
    flow: FlowId,
    next: u64,
}

impl Pendings {
    /// A table with `count` reads of two sectors each.
    pub fn with(count: u64) -> Self {
        let key = FlowKey {
            peer: PeerId(0),
            import: ImportId(0),
            export: ExportId(0),
            initiator: INITIATOR,
        };
        #[allow(clippy::expect_used, reason = "the first flow has room")]
        let flow = Flows::default()
            .enter(key, false, Instant::default())
            .expect("room");
        let mut all = Pendings {
            table: PendingTable::new(1, &[PeerId(0)]),
            tags: Tags::new([0; 32]),
            flow,
            next: 0,
        };
        for _ in 0..count {
            all.accept();
        }
        all
    }

    /// One request's stay: what it meets, its slot, its copy found again by the tag, and its end. Whether the table took
    /// it.
    pub fn stay(&mut self) -> bool {
        let Some(slot) = self.accept() else { return false };
        let generation = self.table.next_generation(slot).unwrap_or_default();
        if let Some(pending) = self.table.get_mut(slot) {
            pending.copies.sent(Instant::default());
        }
        let Some(Sent::Copy { slot, generation }) = self.tags.open(self.tags.of_copy(slot, generation))
        else {
            return false;
        };
        let found = self.table.find(slot, generation);
        if let Some((slot, _)) = found {
            self.table.release(slot, &mut Vec::new());
        }
        found.is_some()
    }

    fn accept(&mut self) -> Option<SlotId> {
        self.next += 1;
        let arrival = Arrival {
            export: ExportId(0),
            target: TargetId(0),
            lane: TargetId(0),
            origin: Origin {
                flow: self.flow,
                peer: PeerId(0),
                import: ImportId(0),
                initiator: INITIATOR,
                number: self.next,
                tag: Tag(1),
            },
            asked: Asked::Ata {
                opcode: AtaOpcode::ReadExt,
                sectors: 2,
                flags: AtaFlags::default(),
            },
            sync: false,
            span: Span::new(self.next * 2, 2, Touch::Reads),
            captured: Instant::default(),
            arrived: Instant::default(),
            pdu: &[0; 22],
        };
        let meeting = self.table.meet(&arrival, Duration::from_secs(1));
        if meeting.is_held() {
            return None;
        }
        self.table.insert(&arrival, &meeting)
    }
}

/// The order guard of one way to a target.
#[derive(Debug, Default)]
pub struct Guarding {
    guard: Guard,
    next: u64,
}

impl Guarding {
    /// A guard that remembers `count` writes.
    pub fn with(count: u64) -> Self {
        let mut all = Guarding::default();
        for _ in 0..count {
            all.accept();
        }
        all
    }

    /// Judges and records the next write in order, as nearly all are. Whether it may be applied.
    pub fn accept(&mut self) -> bool {
        self.next += 1;
        let span = Span::new(self.next % 4096 * 2, 2, Touch::Writes);
        let order = self.guard.judge(self.next, &span);
        self.guard.record(self.next, span, Instant::default(), KEEP, true);
        order == Order::Newest
    }

    /// Judges a copy that comes `behind` writes late. Whether it is told from a new one.
    pub fn judge_late(&self, behind: u64) -> bool {
        let number = self.next.saturating_sub(behind);
        let span = Span::new(number % 4096 * 2, 2, Touch::Writes);
        self.guard.judge(number, &span) != Order::Newest
    }
}

/// What the edge and the exit look at before anything else: Ethernet, AoE and ATA headers.
pub fn parse(frame: &[u8]) -> Option<(Tag, u64)> {
    let frame = Frame::parse(frame).ok()?;
    let pdu = Pdu::parse(frame.payload()).ok()?;
    let ata = Ata::parse(pdu.argument()).ok()?;
    Some((pdu.tag(), ata.lba()))
}

/// Rights to judge by.
#[derive(Debug)]
pub struct Policy(Rights);

impl Policy {
    /// Reading and writing, for so many initiators.
    pub fn with(initiators: u8) -> Self {
        let macs = (0..initiators).map(|last| MacAddr([2, 0, 0, 0, 0, last]));
        Policy(Rights::new([Rule {
            initiators: Some(macs.collect()),
            ..Rule::new(Access::ReadWrite)
        }]))
    }

    /// Reading everything, and writing so many runs of 64 sectors with as many between them, for so many initiators: in as
    /// many rules as that takes.
    pub fn in_runs(initiators: u8, runs: u64) -> Self {
        let listed: Vec<MacAddr> = (0..initiators)
            .map(|last| MacAddr([2, 0, 0, 0, 0, last]))
            .collect();
        let all: Vec<LbaRange> = (0..runs)
            .filter_map(|run| LbaRange::new(run * 128, run * 128 + 63))
            .collect();
        let writes = all.chunks(MOST_RANGES).map(|runs| Rule {
            initiators: Some(listed.clone()),
            lba: Some(runs.to_vec()),
            ..Rule::new(Access::ReadWrite)
        });
        Policy(Rights::new(writes.chain([Rule::new(Access::ReadOnly)])))
    }

    /// Reading and writing, for anybody.
    pub fn plain() -> Self {
        Policy(Rights::new([Rule::new(Access::ReadWrite)]))
    }

    /// Whether an ATA request of an initiator is admitted.
    pub fn admits(&self, initiator: MacAddr, frame: &[u8]) -> bool {
        parsed(frame).is_some_and(|request| self.decides(initiator, &request))
    }

    /// Whether it is, once it is parsed.
    pub fn decides(&self, initiator: MacAddr, request: &Parsed<'_>) -> bool {
        judge(&self.0, initiator, &request.0) == Verdict::Admit
    }
}

/// A request, parsed.
#[derive(Debug)]
pub struct Parsed<'a>(Request<'a>);

/// Parses the request in a frame.
pub fn parsed(frame: &[u8]) -> Option<Parsed<'_>> {
    let pdu = Pdu::parse(Frame::parse(frame).ok()?.payload()).ok()?;
    Request::parse(pdu).ok().map(Parsed)
}
