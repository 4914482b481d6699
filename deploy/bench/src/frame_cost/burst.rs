//! Bursts of writes, more at once than the window of any driver lets out.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use aoe_common::frame::ata::lba48_bytes;
use aoe_common::frame::{
    AoeCommand, Ata, AtaFlags, AtaHeader, AtaOpcode, Flags, Frame, Header, MacAddr, Pdu, Tag,
};
use aoe_lab::frames::{Frames, Padding};
use aoe_lab::netns::Namespace;
use aoe_lab::port::Port;
use aoe_lab::workload::Ledger;

use crate::peers::IMPORT;

/// How long the answers to a burst may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes the disk from one end to the other, and again. Every frame is a request of its own.
pub(super) struct Writer {
    port: Port,
    edge: MacAddr,
    sectors: u8,
    /// Requests so far.
    sent: u32,
    frames: Frames,
    data: Vec<u8>,
}

/// Requests by number.
pub(super) type Burst = Range<u32>;

impl Writer {
    /// A writer on the initiator's device; frames go to `edge` with so many sectors each.
    ///
    /// # Errors
    /// When the device cannot be opened.
    pub(super) fn open(ini: &Namespace, edge: MacAddr, sectors: u8) -> Result<Self> {
        Ok(Writer {
            port: Port::open(ini, "eth0")?,
            edge,
            sectors,
            sent: 0,
            frames: Frames::new(Padding::None),
            data: Vec::new(),
        })
    }

    /// Sends so many requests.
    pub(super) fn send(&mut self, count: u16, ledger: &mut Ledger) -> Burst {
        let burst = self.sent..self.sent.wrapping_add(count.into());
        let link = (self.edge, self.port.mac());
        for number in burst.clone() {
            let lba = self.lba(number, ledger);
            ledger.compose(lba, self.sectors.into(), &mut self.data);
            let header = Header {
                version: 1,
                flags: Flags::REQUEST,
                error: 0,
                address: IMPORT,
                command: AoeCommand::Ata,
                tag: Tag(number),
            };
            let ata = AtaHeader {
                flags: AtaFlags(AtaFlags::EXTENDED | AtaFlags::WRITE),
                error_feature: 0,
                sectors: self.sectors,
                command_status: AtaOpcode::WriteExt.into(),
                lba: lba48_bytes(lba),
                reserved: [0; 2],
            };
            self.frames.push_ata(link, &header, &ata, &self.data);
        }
        self.port.send(&mut self.frames);
        self.sent = burst.end;
        burst
    }

    /// Waits for the answers to a burst.
    ///
    /// # Errors
    /// When one does not come or says that the write failed.
    pub(super) fn take_answers(&mut self, burst: Burst, ledger: &mut Ledger) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        let mut missing = burst.len();
        while missing > 0 {
            let left = until.saturating_duration_since(Instant::now());
            ensure!(
                !left.is_zero(),
                "{missing} writes of {} were not answered",
                burst.len()
            );
            let answered: Vec<(u32, bool)> = self.port.recv(left).iter().filter_map(answer).collect();
            for (number, is_success) in answered.into_iter().filter(|(number, _)| burst.contains(number)) {
                ensure!(is_success, "a write failed");
                let lba = self.lba(number, ledger);
                ledger.written(lba, self.sectors.into());
                missing = missing.saturating_sub(1);
            }
        }
        Ok(())
    }

    fn lba(&self, number: u32, ledger: &Ledger) -> u64 {
        let sectors = u64::from(self.sectors);
        u64::from(number) % (ledger.sectors() / sectors).max(1) * sectors
    }
}

/// Number of the request that a frame answers, and whether it succeeded.
fn answer(frame: &[u8]) -> Option<(u32, bool)> {
    let frame = Frame::parse(frame).ok()?;
    let pdu = Pdu::parse(frame.payload()).ok()?;
    let ata = Ata::parse(pdu.argument()).ok()?;
    let is_ours = pdu.is_response() && pdu.command() == AoeCommand::Ata;
    is_ours.then(|| (pdu.tag().0, !pdu.is_error() && ata.is_success()))
}
