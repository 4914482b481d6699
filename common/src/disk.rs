//! Which disk a target is, as far as it says so.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};

use crate::export::Identity;
use crate::frame::SECTOR_LEN;

/// IDENTIFY words 10 to 19.
const SERIAL: (usize, usize) = (20, 40);
/// IDENTIFY words 27 to 46.
const MODEL: (usize, usize) = (54, 94);

/// What IDENTIFY DEVICE says of a disk. The firmware revision is no part of it: a new version of the target is the
/// same disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Sectors of 512 bytes.
    pub size: u64,
    /// The serial number without its padding; bytes that are no printable ASCII are escaped (`\x00`).
    pub serial: String,
    /// The model, likewise.
    pub model: String,
}

impl Disk {
    /// A disk that none is: what is remembered where nobody knows any more which one it was.
    pub fn unlike_any() -> Disk {
        Disk {
            size: u64::MAX,
            serial: String::new(),
            model: String::new(),
        }
    }

    /// From the sector an IDENTIFY DEVICE brings.
    pub(crate) fn of(data: &[u8]) -> Option<Disk> {
        let sector: &[u8; SECTOR_LEN] = data.first_chunk()?;
        let word = |n: usize| -> u64 {
            let bytes = sector.get(2 * n..2 * n + 2).and_then(|bytes| bytes.first_chunk());
            u16::from_le_bytes(bytes.copied().unwrap_or_default()).into()
        };
        // As the Linux driver decides it (`ataid_complete`).
        let size = if (word(83) | word(86)) & (1 << 10) != 0 {
            (100..104).rev().fold(0, |size, n| size << 16 | word(n))
        } else {
            word(61) << 16 | word(60)
        };
        Some(Disk {
            size,
            serial: text(sector.get(SERIAL.0..SERIAL.1)?),
            model: text(sector.get(MODEL.0..MODEL.1)?),
        })
    }

    /// Whether this is the other one with more sectors.
    pub(crate) fn is_grown(&self, other: &Disk) -> bool {
        (&self.serial, &self.model) == (&other.serial, &other.model) && self.size > other.size
    }

    /// What this disk has that the other has not: `serial "a", not "b"; 8 sectors, not 16`.
    pub(crate) fn difference(&self, other: &Disk) -> String {
        let mut parts = Vec::new();
        for (what, this, that) in [
            ("serial", &self.serial, &other.serial),
            ("model", &self.model, &other.model),
        ] {
            if this != that {
                parts.push(format!("{what} \"{this}\", not \"{that}\""));
            }
        }
        if self.size != other.size {
            parts.push(format!("{} sectors, not {}", self.size, other.size));
        }
        parts.join("; ")
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Disk { size, serial, model } = self;
        write!(f, "serial \"{serial}\", model \"{model}\", {size} sectors")
    }
}

impl From<&Disk> for Identity {
    fn from(disk: &Disk) -> Identity {
        let mut names = Context::new(&SHA256);
        names.update(disk.serial.as_bytes());
        names.update(&[0]);
        names.update(disk.model.as_bytes());
        let digest = names.finish().as_ref().first_chunk().copied();
        Identity {
            size: disk.size,
            digest: digest.unwrap_or_default(),
        }
    }
}

/// A string of IDENTIFY: two characters to a word, the first in its upper half, padded with spaces or zeros.
fn text(words: &[u8]) -> String {
    let (words, _) = words.as_chunks::<2>();
    let bytes: Vec<u8> = words
        .iter()
        .flat_map(|[second, first]| [*first, *second])
        .collect();
    let padding = |byte: &u8| matches!(byte, b' ' | 0);
    let start = bytes.iter().take_while(|byte| padding(byte)).count();
    let end = bytes.len() - bytes.iter().rev().take_while(|byte| padding(byte)).count();
    bytes
        .get(start..end)
        .unwrap_or_default()
        .escape_ascii()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_is_size_serial_and_model_and_nothing_else() {
        let mut sector = [0; SECTOR_LEN];
        sector[120..124].copy_from_slice(&[4, 3, 2, 1]);
        let short = Disk::of(&sector).unwrap();
        assert_eq!(short.size, 0x0102_0304);
        sector[86 * 2 + 1] = 4;
        sector[200..208].copy_from_slice(&[8, 7, 6, 5, 4, 3, 0, 0]);
        let long = Disk::of(&sector).unwrap();
        assert_eq!((long.size, &long.serial), (0x0304_0506_0708, &short.serial));
        for (at, counts) in [
            (20, true),
            (39, true),
            (46, false),
            (54, true),
            (93, true),
            (94, false),
        ] {
            let mut changed = sector;
            changed[at] ^= 1;
            let changed = Disk::of(&changed).unwrap();
            assert_eq!(changed != long, counts, "byte {at}");
            assert_eq!(Identity::from(&changed) != Identity::from(&long), counts);
        }
        assert!(Disk::of(&sector[1..]).is_none());
    }

    #[test]
    fn strings_are_read_as_people_read_them_and_differences_named() {
        let mut sector = [b' '; SECTOR_LEN];
        sector[20..24].copy_from_slice(b"a7\"b");
        sector[54..58].copy_from_slice(&[1, b'M', b'd', b'o']);
        let disk = Disk::of(&sector).unwrap();
        assert_eq!(
            (disk.serial.as_str(), disk.model.as_str()),
            ("7ab\\\"", "M\\x01od")
        );
        let other = Disk {
            size: 8,
            serial: "x".to_owned(),
            ..disk.clone()
        };
        let size = disk.size;
        assert_eq!(
            other.difference(&disk),
            format!("serial \"x\", not \"7ab\\\"\"; 8 sectors, not {size}")
        );
        assert!(
            disk.is_grown(&Disk {
                size: 1,
                ..disk.clone()
            }) && !disk.is_grown(&disk)
        );
        assert!(!disk.is_grown(&other) && !disk.is_grown(&Disk::unlike_any()));
    }
}
