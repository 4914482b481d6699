//! What every sector has to hold, and whether it does.

use std::fmt;

use aoe_common::frame::SECTOR_LEN;

use crate::random::mix;

/// Marks a sector as written by a ledger.
const MAGIC: u64 = u64::from_be_bytes(*b"aoe-lab\n");
const WORDS: usize = SECTOR_LEN / 8;

/// What sectors hold that the ledger has not written yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// Zeros.
    Zero,
    /// Anything.
    Unknown,
}

/// The expected content of a range of sectors.
///
/// A written sector carries a mark, its own number, how many times it was written, the ledger's seed, and 480 bytes
/// made from these, so that a wrong one tells what it is: old, misplaced, of another run, or damaged.
#[derive(Clone, Debug)]
pub struct Ledger {
    first: u64,
    seed: u64,
    fresh: Fresh,
    sectors: Vec<Sector>,
}

#[derive(Clone, Copy, Debug)]
struct Sector {
    /// The last version known to be there; 0: never written.
    settled: u32,
    /// The last version handed out to be written.
    composed: u32,
    /// A write failed: either version may be there.
    doubtful: bool,
}

/// A sector that does not hold what it has to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Which sector.
    pub lba: u64,
    /// The version that had to be there.
    pub expected: u32,
    /// What is there instead.
    pub found: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sector {} has to hold version {}, but {}",
            self.lba, self.expected, self.found
        )
    }
}

impl Ledger {
    /// A ledger of `sectors` sectors from `first` on.
    pub fn new(first: u64, sectors: usize, seed: u64, fresh: Fresh) -> Self {
        let blank = Sector {
            settled: 0,
            composed: 0,
            doubtful: false,
        };
        Ledger {
            first,
            seed,
            fresh,
            sectors: vec![blank; sectors],
        }
    }

    /// The first sector.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Number of sectors.
    pub fn sectors(&self) -> u64 {
        self.sectors.len() as u64
    }

    /// Replaces `data` by the next version of `sectors` sectors from `lba` on, to be written.
    pub fn compose(&mut self, lba: u64, sectors: u32, data: &mut Vec<u8>) {
        data.clear();
        for lba in lba..lba + u64::from(sectors) {
            let seed = self.seed;
            let version = self.at(lba).map_or(0, |sector| {
                sector.composed += 1;
                sector.composed
            });
            content(seed, lba, version).for_each(|word| data.extend_from_slice(&word.to_le_bytes()));
        }
    }

    /// The sectors composed last were acknowledged.
    pub fn written(&mut self, lba: u64, sectors: u32) {
        self.each(lba, sectors, |sector| {
            sector.settled = sector.composed;
            sector.doubtful = false;
        });
    }

    /// The write of the sectors composed last failed: nobody knows what is there until the next write.
    pub fn doubt(&mut self, lba: u64, sectors: u32) {
        self.each(lba, sectors, |sector| sector.doubtful = true);
    }

    /// Compares what was read from `lba` on with what has to be there.
    pub fn check(&mut self, lba: u64, data: &[u8], mut complain: impl FnMut(Complaint)) {
        let (seed, fresh) = (self.seed, self.fresh);
        for (lba, bytes) in (lba..).zip(data.chunks(SECTOR_LEN)) {
            let Some(sector) = self.at(lba) else { continue };
            let expected = sector.settled;
            let is_right = match (expected, fresh) {
                _ if sector.doubtful => true,
                (0, Fresh::Unknown) => true,
                (0, Fresh::Zero) => bytes.iter().all(|byte| *byte == 0),
                _ => words(bytes).eq(content(seed, lba, expected)),
            };
            if !is_right {
                complain(Complaint {
                    lba,
                    expected,
                    found: describe(bytes, seed),
                });
            }
        }
    }

    fn each(&mut self, lba: u64, sectors: u32, mut change: impl FnMut(&mut Sector)) {
        for lba in lba..lba + u64::from(sectors) {
            if let Some(sector) = self.at(lba) {
                change(sector);
            }
        }
    }

    fn at(&mut self, lba: u64) -> Option<&mut Sector> {
        self.sectors
            .get_mut(usize::try_from(lba.checked_sub(self.first)?).ok()?)
    }
}

/// The words of a sector.
fn content(seed: u64, lba: u64, version: u32) -> impl Iterator<Item = u64> {
    let version = u64::from(version);
    let key = mix(seed ^ mix(lba ^ mix(version)));
    let head = [MAGIC, lba, version, seed];
    let body = (head.len()..WORDS).map(move |at| mix(key.wrapping_add(at as u64)));
    head.into_iter().chain(body)
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        u64::from_le_bytes(word)
    })
}

fn describe(bytes: &[u8], seed: u64) -> String {
    let mut head = words(bytes);
    let mut next = || head.next().unwrap_or(0);
    let (magic, lba, version, theirs) = (next(), next(), next(), next());
    if magic != MAGIC {
        let nature = if bytes.iter().all(|byte| *byte == 0) {
            "only zeros"
        } else {
            "foreign bytes"
        };
        return format!("{nature} are there");
    }
    let whole = u32::try_from(version).is_ok_and(|version| words(bytes).eq(content(theirs, lba, version)));
    let state = if whole { "" } else { " with damaged bytes" };
    let run = if theirs == seed { "" } else { " of another run" };
    format!("version {version} of sector {lba}{run}{state} is there")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(ledger: &mut Ledger, lba: u64, data: &[u8]) -> Vec<String> {
        let mut all = Vec::new();
        ledger.check(lba, data, |complaint| all.push(complaint.to_string()));
        all
    }

    #[test]
    fn written_sectors_are_right_and_every_kind_of_wrong_is_told_apart() {
        let mut ledger = Ledger::new(100, 8, 42, Fresh::Zero);
        let mut old = Vec::new();
        ledger.compose(102, 2, &mut old);
        ledger.written(102, 2);
        assert!(complaints(&mut ledger, 102, &old).is_empty());

        let mut new = Vec::new();
        ledger.compose(102, 2, &mut new);
        ledger.written(102, 2);
        assert!(complaints(&mut ledger, 102, &new).is_empty());
        assert!(complaints(&mut ledger, 102, &old)[0].contains("version 1 of sector 102 is there"));

        new[700] ^= 1;
        assert!(complaints(&mut ledger, 102, &new)[0].contains("damaged"));
        assert!(complaints(&mut ledger, 102, &[0; 512])[0].contains("zeros"));
        assert!(complaints(&mut ledger, 102, &[7; 512])[0].contains("foreign"));
        assert!(complaints(&mut ledger, 103, &old[..512])[0].contains("of sector 102"));
    }

    #[test]
    fn unwritten_sectors_are_checked_only_where_their_content_is_known() {
        let mut zeroed = Ledger::new(0, 1, 1, Fresh::Zero);
        assert_eq!(complaints(&mut zeroed, 0, &[1; 512]).len(), 1);
        assert!(complaints(&mut zeroed, 0, &[0; 512]).is_empty());
        let mut unknown = Ledger::new(0, 1, 1, Fresh::Unknown);
        assert!(complaints(&mut unknown, 0, &[1; 512]).is_empty());
    }

    #[test]
    fn a_failed_write_leaves_doubt_until_the_next_one() {
        let mut ledger = Ledger::new(0, 1, 1, Fresh::Zero);
        let mut data = Vec::new();
        ledger.compose(0, 1, &mut data);
        ledger.doubt(0, 1);
        assert!(complaints(&mut ledger, 0, &[0; 512]).is_empty());
        assert!(complaints(&mut ledger, 0, &data).is_empty());
        ledger.compose(0, 1, &mut data);
        ledger.written(0, 1);
        assert_eq!(complaints(&mut ledger, 0, &[0; 512]).len(), 1);
    }
}
