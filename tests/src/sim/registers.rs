//! What a read of a sector may return: the naive model.
//!
//! Every write is a version with a number of its own that is part of what it writes, so that a sector says which
//! version it holds. A version is gone once another one, submitted after it was acknowledged, is known to be on
//! the disk. A read that returns a version that was gone when the read was submitted is stale; one that returns
//! something that was never written is corrupt.

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
}

#[derive(Clone, Copy, Debug)]
struct Version {
    write: u64,
    /// When a read first returned it.
    observed: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Write {
    submitted: Instant,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Not answered yet, or given up: it may be applied at any time.
    Open,
    Acknowledged(Instant),
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
        }
    }

    /// Number of sectors.
    pub fn len(&self) -> usize {
        self.sectors.len()
    }

    /// Whether it has no sectors.
    pub fn is_empty(&self) -> bool {
        self.sectors.is_empty()
    }

    /// A new version of some sectors: its number, and what to write.
    pub fn compose(&mut self, lba: u64, sectors: u32, now: Instant) -> (u64, Vec<u8>) {
        let write = self.next;
        self.next += 1;
        self.writes.insert(
            write,
            Write {
                submitted: now,
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
    pub fn acknowledged(&mut self, write: u64, now: Instant) {
        if let Some(write) = self.writes.get_mut(&write) {
            write.end = End::Acknowledged(now);
        }
    }

    /// A write was refused by policy: it must never be seen.
    pub fn refused(&mut self, write: u64) {
        if let Some(write) = self.writes.get_mut(&write) {
            write.end = End::Refused;
        }
    }

    /// Judges what a read that was submitted at `submitted` and ended at `finished` returned.
    ///
    /// # Errors
    /// The first sector that holds what it must not.
    pub fn judge(
        &mut self,
        lba: u64,
        data: &[u8],
        submitted: Instant,
        finished: Instant,
    ) -> Result<(), Complaint> {
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
        submitted: Instant,
        finished: Instant,
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
            None if found == 0 => Some(Instant::from_micros(0)),
            None => return Err(format!("holds version {found}, which was never written")),
            Some(Write {
                end: End::Refused, ..
            }) => {
                return Err(format!("holds version {found}, which was refused"));
            }
            Some(write) if write.submitted > finished => {
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
            let there = [acknowledged, version.observed].into_iter().flatten().min();
            version.write != found && there.is_some_and(|there| there < submitted)
        };
        let versions = self
            .sectors
            .get(lba as usize)
            .map(Vec::as_slice)
            .unwrap_or_default();
        for newer in versions.iter().filter(there_before_read) {
            let begun = self.writes[&newer.write].submitted;
            if acknowledged.is_some_and(|acknowledged| acknowledged <= begun) {
                return Err(format!(
                    "holds version {found}, but version {} came after it and was there before the read",
                    newer.write
                ));
            }
        }
        if let Some(version) = self.sector(lba).iter_mut().find(|version| version.write == found) {
            version.observed = version.observed.min(Some(finished)).or(Some(finished));
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
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn concurrent_versions_may_be_seen_and_older_ones_not() {
        let mut disk = Registers::new(7, 4);
        let (first, one) = disk.compose(1, 1, at(10));
        disk.acknowledged(first, at(20));
        let (_, two) = disk.compose(1, 1, at(30));
        for data in [&one, &two] {
            assert_eq!(
                disk.judge(1, data, at(31), at(32)),
                Ok(()),
                "the second is under way"
            );
        }
        assert!(
            disk.judge(1, &one, at(33), at(34)).is_err(),
            "the second was seen: the first is gone"
        );
        assert!(disk.judge(1, &[0; SECTOR_LEN], at(25), at(26)).is_err());
    }

    #[test]
    fn a_lost_acknowledged_write_is_noticed() {
        let mut disk = Registers::new(7, 4);
        let (first, _) = disk.compose(0, 1, at(10));
        assert_eq!(disk.judge(0, &[0; SECTOR_LEN], at(11), at(12)), Ok(()));
        disk.acknowledged(first, at(20));
        assert!(disk.judge(0, &[0; SECTOR_LEN], at(21), at(22)).is_err());
    }

    #[test]
    fn foreign_misplaced_damaged_and_refused_bytes_are_noticed() {
        let (mut disk, mut other) = (Registers::new(7, 4), Registers::new(8, 4));
        let (refused, mine) = disk.compose(1, 1, at(10));
        let (_, theirs) = other.compose(1, 1, at(10));
        let judge = |disk: &mut Registers, lba, data: &[u8]| disk.judge(lba, data, at(11), at(12));
        assert_eq!(judge(&mut disk, 1, &mine), Ok(()));
        assert!(judge(&mut disk, 1, &theirs).is_err());
        assert!(judge(&mut disk, 2, &mine).is_err());
        assert!(judge(&mut disk, 1, &mine[..500]).is_err());
        let mut damaged = mine.clone();
        damaged[511] ^= 1;
        assert!(judge(&mut disk, 1, &damaged).is_err());
        disk.refused(refused);
        assert!(judge(&mut disk, 1, &mine).is_err());
    }
}
