//! The file of the audit log.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Its owner writes, its group reads.
const MODE: u32 = 0o640;
/// What was written goes through to the disk within this time.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// A file that lines are appended to, wherever it was moved meanwhile.
#[derive(Debug)]
pub(super) struct AuditFile {
    path: PathBuf,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Which file it is, by device and inode.
    id: (u64, u64),
    /// Since when something waits to go through to the disk.
    unsynced: Option<Instant>,
}

impl AuditFile {
    /// The file at this path, which is opened when there is something to write.
    pub(super) fn new(path: &Path) -> AuditFile {
        AuditFile {
            path: path.to_owned(),
            open: None,
        }
    }

    /// Appends one line, whole or not at all.
    pub(super) fn append(&mut self, line: &str, reopen: bool) -> io::Result<()> {
        let line = format!("{line}\n");
        let open = self.open(reopen)?;
        let before = open.file.metadata()?.len();
        if let Err(error) = open.file.write_all(line.as_bytes()) {
            // A part of a line would be none. If it stays, the next attempt begins with a line break.
            if open.file.set_len(before).is_err() {
                self.open = None;
            }
            return Err(error);
        }
        let since = *open.unsynced.get_or_insert_with(Instant::now);
        if since.elapsed() >= SYNC_EVERY {
            open.sync()?;
        }
        Ok(())
    }

    /// Opens it again if it was moved, and has what was written go through to the disk.
    pub(super) fn settle(&mut self, reopen: bool) -> io::Result<()> {
        self.open(reopen)?.sync()
    }

    /// The file that is at the path now.
    fn open(&mut self, reopen: bool) -> io::Result<&mut Open> {
        let there = fs::symlink_metadata(&self.path).ok();
        let there = there.map(|found| (found.dev(), found.ino()));
        let stays = |open: &Open| !reopen && there == Some(open.id);
        if !self.open.as_ref().is_some_and(stays) {
            // What the old one has not on its disk yet goes there by itself.
            self.open = None;
        }
        match &mut self.open {
            Some(open) => Ok(open),
            closed => Ok(closed.insert(Open::new(&self.path)?)),
        }
    }
}

impl Open {
    /// Opens or makes it. A link is not followed: others who may write to the directory could have us write elsewhere.
    fn new(path: &Path) -> io::Result<Open> {
        let options = |new: bool| {
            let mut options = OpenOptions::new();
            options
                .read(true)
                .append(true)
                .create_new(new)
                .mode(MODE)
                // A pipe that nobody reads must not hold us up.
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
            options
        };
        let mut file = match options(false).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = options(true).open(path)?;
                // Whatever the umask is.
                file.set_permissions(Permissions::from_mode(MODE))?;
                file
            }
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
                return Err(io::Error::other("it is a symbolic link, which is not followed"));
            }
            other => other?,
        };
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other("another process writes to it"));
            }
            // A file system without locks.
            Err(TryLockError::Error(_)) => {}
        }
        // A process that crashed, or a machine, may have left a part of a line.
        let mut last = [b'\n'];
        if let Some(at) = found.len().checked_sub(1) {
            file.read_exact_at(&mut last, at)?;
        }
        if last != [b'\n'] {
            file.write_all(b"\n")?;
        }
        Ok(Open {
            file,
            id: (found.dev(), found.ino()),
            unsynced: None,
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.unsynced.is_some() {
            self.file.sync_data()?;
            self.unsynced = None;
        }
        Ok(())
    }
}
