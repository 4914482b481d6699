//! Everything that pairing changes on disk goes through here, one step at a time, so that a test can end it between any two.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use zeroize::Zeroizing;

use super::refusal::{Kind, Refusal, Result};

/// Ends the name of a file that is not in its place yet. It begins with a dot, so no gateway reads it.
const UNFINISHED: &str = ".aoe-keys-new";
/// Longest file of a configuration that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// What does the writing.
#[derive(Debug, Default)]
pub struct Disk {
    /// How many steps are done before the power fails; none: it does not.
    #[cfg(test)]
    left: std::cell::Cell<Option<u32>>,
    #[cfg(test)]
    failed: std::cell::Cell<bool>,
}

/// Whom a file is given to; none: it stays ours.
pub(super) type Owner = Option<(u32, u32)>;

impl Disk {
    /// The real one.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that fails after so many steps, and with every step after that.
    #[cfg(test)]
    pub(super) fn failing_after(steps: u32) -> Self {
        let disk = Self::default();
        disk.left.set(Some(steps));
        disk
    }

    /// Whether it has failed.
    #[cfg(test)]
    pub(super) fn has_failed(&self) -> bool {
        self.failed.get()
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self, reason = "in tests it is used")]
    fn step(&self) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn step(&self) -> io::Result<()> {
        match self.left.get() {
            Some(0) => {
                self.failed.set(true);
                Err(io::Error::other("the power failed"))
            }
            Some(left) => {
                self.left.set(Some(left - 1));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Makes a directory, if it is not there.
    pub(super) fn make_directory(&self, path: &Path, mode: u32, owner: Owner) -> Result<()> {
        let make = || {
            if path.is_dir() {
                return Ok(());
            }
            self.step()?;
            DirBuilder::new().mode(mode).create(path)?;
            // The umask may have narrowed it.
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
            if let Some((user, group)) = owner {
                std::os::unix::fs::chown(path, Some(user), Some(group))?;
            }
            sync_parent(path)
        };
        make().map_err(|error| failed("make the directory", path, &error))
    }

    /// Writes what will be `path` beside it, whole and forced to disk.
    pub(super) fn write_beside(&self, path: &Path, text: &str, mode: u32, owner: Owner) -> Result<()> {
        let beside = beside(path);
        let write = || {
            self.step()?;
            // One that an interrupted run has left.
            match fs::remove_file(&beside) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&beside)?;
            if let Some((user, group)) = owner {
                fchown(&file, Some(user), Some(group))?;
            }
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            let (first, second) = text.as_bytes().split_at(text.len() / 2);
            file.write_all(first)?;
            self.step()?;
            file.write_all(second)?;
            file.sync_all()
        };
        write().map_err(|error| failed("write", path, &error))
    }

    /// Whether this was written beside `path`, whole.
    pub(super) fn is_beside(path: &Path, text: &str) -> bool {
        let found = read(&beside(path)).ok().flatten();
        found.is_some_and(|found| *found == text)
    }

    /// Puts what was written beside `path` into its place.
    pub(super) fn put_in_place(&self, path: &Path, replace: bool) -> Result<()> {
        let put = || {
            self.step()?;
            let beside = beside(path);
            match replace {
                true => fs::rename(&beside, path)?,
                false => rename_to_new(&beside, path)?,
            }
            self.step()?;
            sync_parent(path)
        };
        put().map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => there_already(path),
            _ => failed("write", path, &error),
        })
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, path: &Path) -> Result<()> {
        let remove = || {
            if fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                return Ok(());
            }
            self.step()?;
            fs::remove_file(path)?;
            sync_parent(path)
        };
        remove().map_err(|error| failed("remove", path, &error))
    }

    /// Removes what was written beside `path` and is not wanted any more.
    pub(super) fn discard(&self, path: &Path) -> Result<()> {
        self.remove(&beside(path))
    }

    /// Removes what interrupted runs have left in a directory.
    pub(super) fn sweep(&self, directory: &Path) -> Result<()> {
        let Ok(entries) = fs::read_dir(directory) else {
            return Ok(());
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let bytes = name.as_encoded_bytes();
            if bytes.starts_with(b".") && bytes.ends_with(UNFINISHED.as_bytes()) {
                self.remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// The text of a file that may not be there.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<String>>> {
    let cannot = |why: String| Refusal::new(Kind::NoInput, format!("cannot read {}: {why}", path.display()));
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot(error.to_string())),
        // Opening a pipe would wait for a writer.
        Ok(found) if !found.is_file() => return Err(cannot("it is no regular file".to_owned())),
        Ok(_) => {}
    }
    let mut text = Zeroizing::new(String::new());
    let file = File::open(path).map_err(|error| cannot(error.to_string()))?;
    file.take(LARGEST + 1)
        .read_to_string(&mut text)
        .map_err(|error| cannot(error.to_string()))?;
    if u64::try_from(text.len()).is_ok_and(|len| len > LARGEST) {
        return Err(cannot(format!("it has more than {LARGEST} bytes")));
    }
    Ok(Some(text))
}

/// The owner of a directory or file, if root writes for somebody else.
pub(super) fn owner_of(path: &Path) -> Owner {
    let found = fs::metadata(path).ok()?;
    let ours = nix::unistd::geteuid().as_raw();
    (ours == 0 && (found.uid(), found.gid()) != (0, 0)).then_some((found.uid(), found.gid()))
}

pub(super) fn there_already(path: &Path) -> Refusal {
    Refusal::exists(format!("{} exists already and was left as it is", path.display()))
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}{UNFINISHED}"))
}

/// Renames, if nothing is at the new name.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        // Some file systems, such as those of USB sticks, cannot do it in one step.
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => match fs::symlink_metadata(to) {
            Ok(_) => Err(ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(from, to),
        },
        other => Ok(other?),
    }
}

/// A rename is on disk only when the directory is.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> Refusal {
    let kind = match error.kind() {
        ErrorKind::PermissionDenied => Kind::Permission,
        _ => Kind::Io,
    };
    Refusal::new(kind, format!("cannot {doing} {}: {error}", path.display()))
}
