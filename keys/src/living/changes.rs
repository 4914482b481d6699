//! Files that are replaced in one step, and belong to whom the old ones or their directory belonged.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::failure::{Exit, Failure};

/// Puts a text in the place of a file: there is the old one or the new one, whole, whatever happens. `like` says whom it
/// belongs to, if root does this.
pub(crate) fn replace(path: &Path, text: &str, mode: u32, like: &Path) -> Result<(), Failure> {
    put(path, text, mode, like).map_err(|error| cannot_write(path, &error))
}

fn put(path: &Path, text: &str, mode: u32, like: &Path) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".aoe-keys-")
        .tempfile_in(directory)?;
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    own(file.path(), like)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync(directory)
}

/// Gives a file that root made to whom `like` belongs.
pub(crate) fn own(path: &Path, like: &Path) -> io::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let Ok(like) = fs::metadata(like) else {
        return Ok(());
    };
    std::os::unix::fs::chown(path, Some(like.uid()), Some(like.gid()))
}

/// What was renamed in a directory is so after a loss of power.
pub(crate) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// For the person at the keyboard.
pub(crate) fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::refused(
        Exit::CannotCreate,
        format!("cannot write {}: {error}", path.display()),
    )
}
