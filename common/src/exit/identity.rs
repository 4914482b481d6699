//! Which disk a target is, as far as it says so.

use aws_lc_rs::digest::{Context, SHA256};

use crate::frame::SECTOR_LEN;
use crate::tunnel::update::Identity;

/// Serial number and model: IDENTIFY words 10 to 19 and 27 to 46.
const NAMES: [(usize, usize); 2] = [(20, 40), (54, 94)];

impl Identity {
    /// From the sector an IDENTIFY DEVICE brings. The firmware revision is no part of it: a new version of the target
    /// is the same disk.
    pub(crate) fn of(data: &[u8]) -> Option<Identity> {
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
        let mut names = Context::new(&SHA256);
        for (start, end) in NAMES {
            names.update(sector.get(start..end)?);
        }
        Some(Identity {
            size,
            digest: names.finish().as_ref().first_chunk().copied()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_is_size_serial_and_model_and_nothing_else() {
        let mut sector = [0; SECTOR_LEN];
        sector[120..124].copy_from_slice(&[4, 3, 2, 1]);
        let short = Identity::of(&sector).unwrap();
        assert_eq!(short.size, 0x0102_0304);
        sector[86 * 2 + 1] = 4;
        sector[200..208].copy_from_slice(&[8, 7, 6, 5, 4, 3, 0, 0]);
        let long = Identity::of(&sector).unwrap();
        assert_eq!((long.size, long.digest), (0x0304_0506_0708, short.digest));
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
            assert_eq!(Identity::of(&changed).unwrap() != long, counts, "byte {at}");
        }
        assert!(Identity::of(&sector[1..]).is_none());
    }
}
