//! Verified reads and writes with figures.

mod figures;
mod ledger;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant as SystemInstant};

use anyhow::{Result, ensure};
use aoe_common::frame::{Address, SECTOR_LEN};

use crate::initiator::{Action, Completion, DriverCounters, Initiator, RequestId};
use crate::random::Random;

pub use figures::Figures;
pub use ledger::{Complaint, Fresh, Ledger};

/// In which order blocks are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One after the other, from the start again after the end.
    Sequential,
    /// Uniformly random.
    Random,
}

/// What is done with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Reads only.
    Read,
    /// Writes only.
    Write,
    /// So many reads of a hundred requests, the rest writes.
    ReadPercent(u8),
}

/// When a workload ends.
#[derive(Clone, Debug)]
pub enum Limit {
    /// After this time.
    Time(Duration),
    /// After so many bytes.
    Bytes(u64),
    /// When somebody says so.
    Stop(Arc<AtomicBool>),
}

/// A stream of requests to one device.
#[derive(Clone, Debug)]
pub struct Workload {
    /// In which order.
    pub order: Order,
    /// Reads or writes.
    pub mix: Mix,
    /// Sectors per request; requests begin at multiples of it, counted from the ledger's first sector.
    pub block_sectors: u32,
    /// Requests kept in flight.
    pub depth: usize,
    /// When it ends.
    pub limit: Limit,
    /// Decides random blocks.
    pub seed: u64,
    /// How long nothing may complete before it is given up.
    pub patience: Duration,
}

impl Default for Workload {
    fn default() -> Self {
        Workload {
            order: Order::Sequential,
            mix: Mix::Read,
            block_sectors: 64,
            depth: 4,
            limit: Limit::Time(Duration::from_secs(1)),
            seed: 1,
            patience: Duration::from_secs(30),
        }
    }
}

impl Workload {
    /// Runs it against an open device. The ledger says what every sector read has to hold, and learns what is written.
    ///
    /// # Errors
    /// When the ledger holds fewer blocks than the depth asks for. Failed and wrong requests are no errors here:
    /// they are in the figures.
    pub fn run(&self, initiator: &mut Initiator, address: Address, ledger: &mut Ledger) -> Result<Figures> {
        self.run_after(Duration::ZERO, || {}, initiator, address, ledger)
    }

    /// As [`Workload::run`], but its figures and its limit begin after a ramp, with requests in flight, and `begin` is
    /// called then. (Errors and wrong sectors of the ramp count.)
    ///
    /// # Errors
    /// As [`Workload::run`].
    pub fn run_after(
        &self,
        ramp: Duration,
        begin: impl FnOnce(),
        initiator: &mut Initiator,
        address: Address,
        ledger: &mut Ledger,
    ) -> Result<Figures> {
        let blocks = ledger.sectors() / u64::from(self.block_sectors.max(1));
        ensure!(
            blocks >= self.depth as u64,
            "{blocks} blocks are too few for {} requests in flight",
            self.depth
        );
        let mut run = Run {
            workload: self,
            random: Random::new(self.seed),
            blocks,
            next_block: 0,
            requested: 0,
            in_flight: HashMap::new(),
            busy: HashMap::new(),
            spare: Vec::new(),
            ramp: Some(ramp),
            started: SystemInstant::now(),
            before: initiator.driver().counters(),
            figures: Figures::new(),
        };
        run.work(begin, initiator, address, ledger);
        let (mut figures, before) = (run.figures, run.before);
        let after = initiator.driver().counters();
        figures.elapsed = run.started.elapsed();
        figures.retransmits = after.retransmits - before.retransmits;
        figures.frames = after.frames_sent - before.frames_sent;
        Ok(figures)
    }

    /// The reads that check everything the ledger says was written.
    pub fn read_back(ledger: &Ledger, block_sectors: u32, depth: usize) -> Self {
        let blocks = ledger.sectors() / u64::from(block_sectors.max(1));
        let bytes = blocks * u64::from(block_sectors) * SECTOR_LEN as u64;
        Workload {
            block_sectors,
            depth,
            limit: Limit::Bytes(bytes),
            ..Workload::default()
        }
    }
}

struct Run<'a> {
    workload: &'a Workload,
    random: Random,
    blocks: u64,
    next_block: u64,
    /// Bytes asked for so far.
    requested: u64,
    in_flight: HashMap<RequestId, Flight>,
    /// Blocks with a request in flight: what they hold is in motion.
    busy: HashMap<u64, ()>,
    spare: Vec<Vec<u8>>,
    /// While nothing counts.
    ramp: Option<Duration>,
    /// Since when things count, and before that since when nothing does.
    started: SystemInstant,
    before: DriverCounters,
    figures: Figures,
}

struct Flight {
    block: u64,
    kind: FlightKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FlightKind {
    Read,
    Write,
}

impl Run<'_> {
    fn work(
        &mut self,
        begin: impl FnOnce(),
        initiator: &mut Initiator,
        address: Address,
        ledger: &mut Ledger,
    ) {
        let mut last_progress = SystemInstant::now();
        let mut begin = Some(begin);
        loop {
            if self.ramp.is_some_and(|ramp| self.started.elapsed() >= ramp) {
                begin.take().into_iter().for_each(|begin| begin());
                self.count_from_now(initiator);
            }
            while self.in_flight.len() < self.workload.depth && self.goes_on() {
                if !self.submit(initiator, address, ledger) {
                    break;
                }
            }
            if self.in_flight.is_empty() {
                return;
            }
            initiator.turn(Duration::from_millis(50));
            while let Some(completion) = initiator.poll_completion() {
                last_progress = SystemInstant::now();
                self.account(completion, ledger);
            }
            if last_progress.elapsed() > self.workload.patience {
                self.figures.unanswered += self.in_flight.len() as u64;
                return;
            }
        }
    }

    fn count_from_now(&mut self, initiator: &Initiator) {
        self.ramp = None;
        self.figures.begin();
        self.requested = 0;
        self.before = initiator.driver().counters();
        self.started = SystemInstant::now();
    }

    fn goes_on(&self) -> bool {
        if self.ramp.is_some() {
            return true;
        }
        match &self.workload.limit {
            Limit::Time(time) => self.started.elapsed() < *time,
            Limit::Bytes(bytes) => self.requested < *bytes,
            Limit::Stop(stop) => !stop.load(Ordering::Relaxed),
        }
    }

    /// Submits one request; false if the block it is for is in motion.
    fn submit(&mut self, initiator: &mut Initiator, address: Address, ledger: &mut Ledger) -> bool {
        let block = match self.workload.order {
            Order::Sequential => self.next_block,
            Order::Random => self.random.below(self.blocks),
        };
        let Entry::Vacant(free) = self.busy.entry(block) else {
            // Another random block next time round; in a sequence this one has to come first.
            return self.workload.order == Order::Random;
        };
        free.insert(());
        self.next_block = (block + 1) % self.blocks;
        let sectors = self.workload.block_sectors;
        let lba = ledger.first() + block * u64::from(sectors);
        let kind = match self.workload.mix {
            Mix::Read => FlightKind::Read,
            Mix::Write => FlightKind::Write,
            Mix::ReadPercent(percent) if self.random.below(100) < u64::from(percent) => FlightKind::Read,
            Mix::ReadPercent(_) => FlightKind::Write,
        };
        let mut buffer = self.spare.pop().unwrap_or_default();
        let action = match kind {
            FlightKind::Read => Action::Read { lba, sectors, buffer },
            FlightKind::Write => {
                ledger.compose(lba, sectors, &mut buffer);
                Action::Write { lba, data: buffer }
            }
        };
        self.requested += u64::from(sectors) * SECTOR_LEN as u64;
        let id = initiator.submit(address, action);
        self.in_flight.insert(id, Flight { block, kind });
        true
    }

    fn account(&mut self, completion: Completion, ledger: &mut Ledger) {
        // Not ours: left over by somebody who stopped waiting.
        let Some(flight) = self.in_flight.remove(&completion.id) else {
            return;
        };
        self.busy.remove(&flight.block);
        match (completion.outcome, flight.kind) {
            (Ok(()), FlightKind::Read) => {
                let figures = &mut self.figures;
                ledger.check(completion.lba, &completion.data, |complaint| {
                    figures.complain(complaint)
                });
            }
            (Ok(()), FlightKind::Write) => ledger.written(completion.lba, self.workload.block_sectors),
            (Err(error), kind) => {
                if kind == FlightKind::Write {
                    ledger.doubt(completion.lba, self.workload.block_sectors);
                }
                self.figures.fail(error);
            }
        }
        if completion.outcome.is_ok() {
            let latency = completion.finished.saturating_since(completion.submitted);
            self.figures.succeed(completion.data.len(), latency);
        }
        self.spare.push(completion.data);
    }
}

#[cfg(test)]
mod tests;
