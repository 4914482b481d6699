//! Writing a key file in one step: it is there with all of its bytes and the right mode, or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Existing, StoreError, Visibility, guard};

/// Writes a temporary file beside the name, forces it to disk and renames it.
///
/// The mode is set on the open file, so the umask neither widens nor narrows it, and before the first byte is
/// written, so there is no moment in which others could open a secret.
pub(super) fn replace(
    path: &Path,
    text: &str,
    visibility: Visibility,
    existing: Existing,
) -> Result<(), StoreError> {
    let directory = guard::parent(path);
    if visibility == Visibility::Secret
        && let Some(fault) = guard::directory_fault(path, directory)
    {
        return Err(fault);
    }
    judge_existing(path, existing)?;

    let failed = |source| StoreError::Write {
        path: path.to_owned(),
        source,
    };
    let mut file = tempfile::Builder::new()
        .prefix(".aoe-keys-")
        .tempfile_in(directory)
        .map_err(failed)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(visibility.mode()))
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    let renamed = match existing {
        Existing::Keep => file.persist_noclobber(path),
        Existing::Replace => file.persist(path),
    };
    renamed.map_err(|error| match error.error.kind() {
        ErrorKind::AlreadyExists => StoreError::Exists {
            path: path.to_owned(),
        },
        _ => failed(error.error),
    })?;
    sync_directory(directory).map_err(failed)
}

/// A friendlier answer than what renaming would give. The rename itself is what guards against a race.
fn judge_existing(path: &Path, existing: Existing) -> Result<(), StoreError> {
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if found.is_symlink() {
        let leads_to = fs::read_link(path).unwrap_or_default();
        return Err(StoreError::SymbolicLink {
            path: path.to_owned(),
            leads_to,
        });
    }
    guard::regular(path, &found)?;
    match existing {
        Existing::Keep => Err(StoreError::Exists {
            path: path.to_owned(),
        }),
        Existing::Replace => Ok(()),
    }
}

/// The rename itself is on disk only when the directory is.
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
