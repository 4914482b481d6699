//! Where a blade's sectors are.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use aoe_common::frame::SECTOR_LEN;

/// Memory or a file.
#[derive(Debug)]
pub enum Backing {
    /// Sectors in memory, all zero at first.
    Ram(Vec<u8>),
    /// Sectors in a file, of which a last incomplete one does not count.
    File {
        /// The open file.
        file: File,
        /// Whole sectors in it when it was opened.
        sectors: u64,
    },
}

impl Backing {
    /// `sectors` sectors of zeros in memory.
    pub fn ram(sectors: usize) -> Self {
        Backing::Ram(vec![0; sectors * SECTOR_LEN])
    }

    /// The sectors of an existing file.
    ///
    /// # Errors
    /// When it cannot be opened for reading and writing.
    pub fn file(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let sectors = file.metadata()?.len() / SECTOR_LEN as u64;
        Ok(Backing::File { file, sectors })
    }

    /// Number of sectors.
    pub fn sectors(&self) -> u64 {
        match self {
            Backing::Ram(bytes) => (bytes.len() / SECTOR_LEN) as u64,
            Backing::File { sectors, .. } => *sectors,
        }
    }

    /// Appends the bytes of `len` bytes from sector `lba` on to `out`.
    ///
    /// # Errors
    /// `UnexpectedEof` beyond the end, or the file's own; `out` is as long as before then.
    pub fn read(&self, lba: u64, len: usize, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Backing::Ram(bytes) => {
                let range = range(lba, len).and_then(|range| bytes.get(range));
                out.extend_from_slice(range.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Backing::File { file, .. } => {
                let start = out.len();
                out.resize(start + len, 0);
                let outcome = match out.get_mut(start..) {
                    Some(room) => file.read_exact_at(room, lba.saturating_mul(SECTOR_LEN as u64)),
                    None => Ok(()),
                };
                if outcome.is_err() {
                    out.truncate(start);
                }
                outcome
            }
        }
    }

    /// Stores `data` from sector `lba` on.
    ///
    /// # Errors
    /// `UnexpectedEof` beyond the end, or the file's own.
    pub fn write(&mut self, lba: u64, data: &[u8]) -> io::Result<()> {
        match self {
            Backing::Ram(bytes) => {
                let room = range(lba, data.len()).and_then(|range| bytes.get_mut(range));
                room.ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(data);
                Ok(())
            }
            Backing::File { file, .. } => file.write_all_at(data, lba.saturating_mul(SECTOR_LEN as u64)),
        }
    }

    /// Brings what was written to stable storage.
    ///
    /// # Errors
    /// The file's own.
    pub fn flush(&self) -> io::Result<()> {
        match self {
            Backing::Ram(_) => Ok(()),
            Backing::File { file, .. } => file.sync_data(),
        }
    }
}

fn range(lba: u64, len: usize) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(lba).ok()?.checked_mul(SECTOR_LEN)?;
    Some(start..start.checked_add(len)?)
}
