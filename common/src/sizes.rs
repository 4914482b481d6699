//! How many sectors requests move: a count for each power of two.

use crate::frame::SECTOR_LEN;
use crate::request::Moved;
use crate::snapshot::Size;

/// Up to 1, 2, 4, … 256 sectors; a request has at most 255.
const CLASSES: usize = 9;

/// Reads and writes that were answered with success, by their size.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sizes {
    reads: [u64; CLASSES],
    writes: [u64; CLASSES],
}

impl Sizes {
    /// One more was answered. What moved no sectors has no size.
    pub(crate) fn note(&mut self, moved: Moved) {
        let (classes, bytes) = match (moved.read, moved.written) {
            (0, written) => (&mut self.writes, written),
            (read, _) => (&mut self.reads, read),
        };
        let Some(above_one) = (bytes / SECTOR_LEN as u64).checked_sub(1) else {
            return;
        };
        let class = (u64::BITS - above_one.leading_zeros()) as usize;
        if let Some(n) = classes.get_mut(class) {
            *n += 1;
        }
    }

    /// A row for each size that there was, the smallest first.
    pub(crate) fn rows(&self) -> Vec<Size> {
        let bounds = (0..).map(|class| 1_u16 << class);
        let row = |(sectors, (reads, writes)): (u16, (&u64, &u64))| Size {
            sectors,
            reads: *reads,
            writes: *writes,
        };
        bounds
            .zip(self.reads.iter().zip(&self.writes))
            .map(row)
            .filter(|row| row.reads + row.writes > 0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_its_class() {
        let mut sizes = Sizes::default();
        for sectors in 0..=255_u64 {
            let bytes = sectors * 512;
            sizes.note(Moved {
                read: bytes,
                written: 0,
            });
            if sectors == 16 {
                sizes.note(Moved {
                    read: 0,
                    written: bytes,
                });
            }
        }
        let rows: Vec<_> = sizes
            .rows()
            .into_iter()
            .map(|row| (row.sectors, row.reads, row.writes))
            .collect();
        assert_eq!(
            rows,
            [
                (1, 1, 0),
                (2, 1, 0),
                (4, 2, 0),
                (8, 4, 0),
                (16, 8, 1),
                (32, 16, 0),
                (64, 32, 0),
                (128, 64, 0),
                (256, 127, 0),
            ]
        );
    }

    #[test]
    fn what_moved_nothing_has_no_size() {
        let mut sizes = Sizes::default();
        sizes.note(Moved::default());
        assert_eq!(sizes.rows(), []);
    }
}
