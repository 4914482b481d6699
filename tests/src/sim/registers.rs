//! What a read of a sector may return: the naive model.
//!
//! Every write is a version with a number of its own that is part of what it writes, so that a sector says which
//! version it holds. A version is gone once another one, submitted after it was acknowledged, is known to be on
//! the disk. A read that returns a version that was gone when the read was submitted is stale; one that returns
//! something that was never written is corrupt.
//!
//! Where the target tells what it writes ([`Registers::followed`]), nothing has to be read to find a fault: a version
//! that is written although a later one was acknowledged already is a stale write, and an acknowledged one that is not
//! on the disk, nor overwritten by one that may be there, is lost.
//!
//! What one host does is ordered as it does it. What two hosts do is ordered by time alone, and at the same microsecond
//! by nothing: neither knew of the other ([`Moment`]).

use std::collections::BTreeMap;
use std::fmt;

use aoe_common::frame::SECTOR_LEN;
use aoe_common::time::Instant;
use aoe_lab::random::mix;

const MAGIC: u64 = u64::from_be_bytes(*b"aoe-sim\n");

/// One disk as its users know it.
#[derive(Debug)]
pub struct Registers {
    disk: u64,
    sectors: Vec<Vec<Version>>,
    writes: BTreeMap<u64, Write>,
    next: u64,
    turn: u64,
    /// The version that every sector holds, if the target tells: 0 for the zeros of the start, `None` for bytes of
    /// somebody else.
    on_disk: Option<Vec<Option<u64>>>,
}

#[derive(Clone, Copy, Debug)]
struct Version {
    write: u64,
    /// When a read first returned it.
    observed: Option<Moment>,
}

#[derive(Clone, Copy, Debug)]
struct Write {
    lba: u64,
    sectors: u32,
    submitted: Moment,
    end: End,
}

/// When a host did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    at: Instant,
    /// `None`: the start, which is before everything.
    host: Option<usize>,
    turn: u64,
}

impl Moment {
    const START: Moment = Moment {
        at: Instant::from_micros(0),
        host: None,
        turn: 0,
    };

    /// Whether the host that did the other thing can have known of this one.
    fn precedes(self, other: Moment) -> bool {
        match self.host {
            None => true,
            own if own == other.host => self.turn < other.turn,
            _ => self.at < other.at,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Not answered yet, or given up: it may be applied at any time.
    Open,
    Acknowledged(Moment),
    /// The gateway said no: it must never be seen.
    Refused,
}

/// A sector that does not hold what it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The sector.
    pub lba: u64,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sector {}: {}", self.lba, self.what)
    }
}

impl Registers {
    /// A disk of zeros. `disk` tells its contents from those of other disks.
    pub fn new(disk: u64, sectors: usize) -> Self {
        Registers {
            disk,
            sectors: vec![Vec::new(); sectors],
            writes: BTreeMap::new(),
            next: 1,
            turn: 0,
            on_disk: None,
        }
    }

    /// The same with a target that tells every write: by [`Registers::applied`].
    pub fn followed(mut self) -> Self {
        self.on_disk = Some(vec![Some(0); self.sectors.len()]);
        self
    }

    /// Number of sectors.
    pub fn len(&self) -> usize {
        self.sectors.len()
    }

    /// Whether it has no sectors.
    pub fn is_empty(&self) -> bool {
        self.sectors.is_empty()
    }

    /// Notes that a host does something now, such as asking for a read.
    pub fn moment(&mut self, host: usize, now: Instant) -> Moment {
        self.turn += 1;
        Moment {
            at: now,
            host: Some(host),
            turn: self.turn,
        }
    }

    /// A new version of some sectors, by this host: its number, and what to write.
    pub fn compose(&mut self, host: usize, lba: u64, sectors: u32, now: Instant) -> (u64, Vec<u8>) {
        let submitted = self.moment(host, now);
        let write = self.next;
        self.next += 1;
        self.writes.insert(
            write,
            Write {
                lba,
                sectors,
                submitted,
                end: End::Open,
            },
        );
        let mut data = Vec::with_capacity(sectors as usize * SECTOR_LEN);
        for lba in lba..lba + u64::from(sectors) {
            data.extend_from_slice(&self.content(write, lba));
            self.sector(lba).push(Version {
                write,
                observed: None,
            });
        }
        (write, data)
    }

    /// A write was acknowledged.
    ///
    /// # Errors
    /// The first of its sectors that holds neither it nor anything that may have come after it.
    pub fn acknowledged(&mut self, number: u64, now: Instant) -> Result<(), Complaint> {
        self.turn += 1;
        let Some(write) = self.writes.get_mut(&number) else {
            return Ok(());
        };
        write.end = End::Acknowledged(Moment {
            at: now,
            turn: self.turn,
            ..write.submitted
        });
        let Write {
            lba,
            sectors,
            submitted,
            ..
        } = *write;
        let Some(on_disk) = &self.on_disk else {
            return Ok(());
        };
        for lba in lba..lba + u64::from(sectors) {
            let held = on_disk.get(lba as usize).copied().flatten();
            if let Some(held) = held.filter(|held| *held != number)
                && self.ended(held).is_some_and(|ended| ended.precedes(submitted))
            {
                let what = format!(
                    "holds version {held}, though version {number} came after it and is acknowledged"
                );
                return Err(Complaint { lba, what });
            }
        }
        Ok(())
    }

    /// The target has written these bytes.
    ///
    /// # Errors
    /// The first sector of which a later version was acknowledged before.
    pub fn applied(&mut self, lba: u64, data: &[u8], now: Instant) -> Result<(), Complaint> {
        for (lba, sector) in (lba..).zip(data.chunks(SECTOR_LEN)) {
            let version = number_in(sector, 0);
            let is_ours = sector == self.content(version, lba).as_slice();
            let slot = self
                .on_disk
                .as_mut()
                .and_then(|sectors| sectors.get_mut(lba as usize));
            if let Some(slot) = slot {
                *slot = is_ours.then_some(version);
            }
            if !is_ours {
                continue;
            }
            if self
                .writes
                .get(&version)
                .is_some_and(|write| write.end == End::Refused)
            {
                let what = format!("was written with version {version}, which was refused");
                return Err(Complaint { lba, what });
            }
            let Some(ended) = self.ended(version) else {
                continue;
            };
            let versions = self.sectors.get(lba as usize).into_iter().flatten();
            let later = versions.map(|version| version.write).find(|other| {
                let acknowledged = self.ended(*other).is_some_and(|ended| ended.at < now);
                acknowledged && ended.precedes(self.writes[other].submitted)
            });
            if let Some(later) = later {
                let what = format!(
                    "was written with version {version} after version {later}, which came after it, was acknowledged"
                );
                return Err(Complaint { lba, what });
            }
        }
        Ok(())
    }

    /// When a write was acknowledged; the zeros of the start were always there.
    fn ended(&self, write: u64) -> Option<Moment> {
        match self.writes.get(&write).map(|write| write.end) {
            None => (write == 0).then_some(Moment::START),
            Some(End::Acknowledged(at)) => Some(at),
            Some(End::Open | End::Refused) => None,
        }
    }

    /// A write was refused by policy: it must never be seen.
    pub fn refused(&mut self, write: u64) {
        if let Some(write) = self.writes.get_mut(&write) {
            write.end = End::Refused;
        }
    }

    /// Judges what a read returned that was submitted at `submitted` ([`Registers::moment`]) and ended at `finished`.
    ///
    /// # Errors
    /// The first sector that holds what it must not.
    pub fn judge(
        &mut self,
        lba: u64,
        data: &[u8],
        submitted: Moment,
        finished: Instant,
    ) -> Result<(), Complaint> {
        self.turn += 1;
        let finished = Moment {
            at: finished,
            turn: self.turn,
            ..submitted
        };
        for (lba, sector) in (lba..).zip(data.chunks(SECTOR_LEN)) {
            self.judge_sector(lba, sector, submitted, finished)
                .map_err(|what| Complaint { lba, what })?;
        }
        Ok(())
    }

    fn judge_sector(
        &mut self,
        lba: u64,
        sector: &[u8],
        submitted: Moment,
        finished: Moment,
    ) -> Result<(), String> {
        let found = if sector.iter().all(|byte| *byte == 0) {
            0
        } else {
            let write = number_in(sector, 0);
            if sector.len() != SECTOR_LEN || sector != self.content(write, lba) {
                return Err(describe(sector));
            }
            write
        };
        let acknowledged = match self.writes.get(&found) {
            None if found == 0 => Some(Moment::START),
            None => return Err(format!("holds version {found}, which was never written")),
            Some(Write {
                end: End::Refused, ..
            }) => {
                return Err(format!("holds version {found}, which was refused"));
            }
            Some(write) if write.submitted.at > finished.at => {
                return Err(format!("holds version {found} before it was written"));
            }
            Some(Write {
                end: End::Acknowledged(at),
                ..
            }) => Some(*at),
            Some(Write { end: End::Open, .. }) => None,
        };
        let writes = &self.writes;
        let there_before_read = |version: &&Version| {
            let Some(write) = writes.get(&version.write) else {
                return false;
            };
            let acknowledged = match write.end {
                End::Acknowledged(at) => Some(at),
                End::Open | End::Refused => None,
            };
            let mut known = [acknowledged, version.observed].into_iter().flatten();
            version.write != found && known.any(|known| known.precedes(submitted))
        };
        let versions = self
            .sectors
            .get(lba as usize)
            .map(Vec::as_slice)
            .unwrap_or_default();
        for newer in versions.iter().filter(there_before_read) {
            let begun = self.writes[&newer.write].submitted;
            if acknowledged.is_some_and(|acknowledged| acknowledged.precedes(begun)) {
                return Err(format!(
                    "holds version {found}, but version {} came after it and was there before the read",
                    newer.write
                ));
            }
        }
        if let Some(version) = self.sector(lba).iter_mut().find(|version| version.write == found) {
            version.observed.get_or_insert(finished);
        }
        Ok(())
    }

    fn sector(&mut self, lba: u64) -> &mut Vec<Version> {
        &mut self.sectors[lba as usize]
    }

    fn content(&self, write: u64, lba: u64) -> [u8; SECTOR_LEN] {
        let mut sector = [0; SECTOR_LEN];
        let mut word = mix(write ^ self.disk.rotate_left(20) ^ lba.rotate_left(40));
        let (words, _) = sector.as_chunks_mut::<8>();
        for slot in words.iter_mut() {
            word = word.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) ^ write;
            *slot = word.to_le_bytes();
        }
        for (slot, number) in words.iter_mut().zip([write, self.disk, lba, MAGIC]) {
            *slot = number.to_le_bytes();
        }
        sector
    }
}

fn number_in(sector: &[u8], at: usize) -> u64 {
    let (words, _) = sector.as_chunks::<8>();
    words.get(at).map_or(0, |word| u64::from_le_bytes(*word))
}

fn describe(sector: &[u8]) -> String {
    if number_in(sector, 3) == MAGIC {
        let [write, disk, lba] = [0, 1, 2].map(|at| number_in(sector, at));
        format!("holds (or begins like) version {write} of sector {lba} of disk {disk}")
    } else {
        let head: Vec<u8> = sector.iter().take(16).copied().collect();
        format!("holds {} foreign bytes: {head:02x?}", sector.len())
    }
}

#[cfg(test)]
mod tests;
