//! Requests of an initiator, each answer compared with the model.

use std::time::Duration;

use aoe_common::frame::{Address, SECTOR_LEN};
use aoe_common::time::Instant;
use aoe_lab::frames::Frames;
use aoe_lab::initiator::driver::Driver;
use aoe_lab::initiator::{Action, Completion, DiskError, RequestId};
use aoe_lab::random::Random;

use super::host::HostId;
use super::registers::{Moment, Registers};

/// A closed loop: `depth` requests are always under way until `operations` have ended.
#[derive(Debug)]
pub struct Load {
    pub(super) host: HostId,
    pub(super) disk: (HostId, Address),
    address: Address,
    operations: u64,
    depth: usize,
    writes: f64,
    largest: u32,
    errors: Errors,
    range: Option<u64>,
    again: f64,
    /// What to take up again.
    next: Vec<(u64, u32)>,
    random: Random,
    submitted: u64,
    ended: u64,
    failed: u64,
    pub(super) took: Vec<Duration>,
    under_way: Vec<UnderWay>,
}

/// What a load makes of failed requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// There must be none.
    Forbidden,
    /// Every write must be refused by 0x41/0x04, every read must work.
    WritesRefused,
    /// They happen; a failed write may or may not be on the disk.
    Expected,
}

#[derive(Debug)]
struct UnderWay {
    id: RequestId,
    write: Option<u64>,
    asked: Moment,
}

impl Load {
    /// 200 requests, eight at a time, half of them writes, of up to four sectors; no errors. `address` is what the
    /// initiator sees, `disk` the blade behind it.
    pub fn new(host: HostId, address: Address, disk: (HostId, Address)) -> Self {
        Load {
            host,
            disk,
            address,
            operations: 200,
            depth: 8,
            writes: 0.5,
            largest: 4,
            errors: Errors::Forbidden,
            range: None,
            again: 0.0,
            next: Vec::new(),
            random: Random::new(0),
            submitted: 0,
            ended: 0,
            failed: 0,
            took: Vec::new(),
            under_way: Vec::new(),
        }
    }

    /// How many requests.
    pub fn operations(mut self, operations: u64) -> Self {
        self.operations = operations;
        self
    }

    /// How many at a time.
    pub fn depth(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }

    /// The share of writes, 0 to 1.
    pub fn writes(mut self, share: f64) -> Self {
        self.writes = share;
        self
    }

    /// Most sectors of one request.
    pub fn largest(mut self, sectors: u32) -> Self {
        self.largest = sectors;
        self
    }

    /// Only the first sectors of the disk, so that requests meet; not fewer than the largest request has.
    pub fn range(mut self, sectors: u64) -> Self {
        self.range = Some(sectors);
        self
    }

    /// The share of requests after which the same sectors are read or written again at once, 0 to 1.
    pub fn again(mut self, share: f64) -> Self {
        self.again = share;
        self
    }

    /// What to make of failures.
    pub fn errors(mut self, errors: Errors) -> Self {
        self.errors = errors;
        self
    }

    pub(super) fn seeded(mut self, seed: u64) -> Self {
        self.random = Random::new(seed);
        self
    }

    pub(super) fn is_done(&self) -> bool {
        self.ended >= self.operations
    }

    /// Requests that have ended so far, and how many of them failed.
    pub fn progress(&self) -> (u64, u64) {
        (self.ended, self.failed)
    }

    /// Submits what the depth allows; returns how many.
    pub(super) fn submit(
        &mut self,
        driver: &mut Driver,
        disk: &mut Registers,
        now: Instant,
        out: &mut Frames,
    ) -> u64 {
        let before = self.submitted;
        while self.under_way.len() < self.depth && self.submitted < self.operations {
            let (lba, sectors) = self.next.pop().unwrap_or_else(|| {
                let sectors = 1 + self.random.below(self.largest.into()) as u32;
                let room = self.range.unwrap_or(disk.len() as u64);
                (self.random.below(room + 1 - u64::from(sectors)), sectors)
            });
            let (write, action) = if self.random.happens(self.writes) {
                let (write, data) = disk.compose(self.host.0, lba, sectors, now);
                (Some(write), Action::Write { lba, data })
            } else {
                let buffer = Vec::new();
                (None, Action::Read { lba, sectors, buffer })
            };
            let id = driver.submit(self.address, action, now, out);
            let asked = disk.moment(self.host.0, now);
            self.under_way.push(UnderWay { id, write, asked });
            self.submitted += 1;
        }
        self.submitted - before
    }

    /// Takes a completion if it is one of its own.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn take(&mut self, completion: &Completion, disk: &mut Registers) -> Result<bool, String> {
        let Some(at) = self.under_way.iter().position(|one| one.id == completion.id) else {
            return Ok(false);
        };
        let UnderWay { write, asked, .. } = self.under_way.swap_remove(at);
        self.ended += 1;
        self.took
            .push(completion.finished.saturating_since(completion.submitted));
        let sectors = (completion.data.len() / SECTOR_LEN) as u32;
        if sectors > 0 && self.random.happens(self.again) {
            self.next.push((completion.lba, sectors));
        }
        let refusal = DiskError::Status {
            status: 0x41,
            error: 0x04,
        };
        match (completion.outcome, write, self.errors) {
            (Ok(()), Some(write), Errors::Forbidden | Errors::Expected) => {
                disk.acknowledged(write, completion.finished)
                    .map_err(|complaint| complaint.to_string())?;
            }
            (Ok(()), None, _) => disk
                .judge(completion.lba, &completion.data, asked, completion.finished)
                .map_err(|complaint| complaint.to_string())?,
            (Err(error), Some(write), Errors::WritesRefused) if error == refusal => disk.refused(write),
            (Err(_), _, Errors::Expected) => self.failed += 1,
            (outcome, ..) => {
                let what = if write.is_some() { "write" } else { "read" };
                return Err(format!("{what} at sector {}: {outcome:?}", completion.lba));
            }
        }
        Ok(true)
    }
}
