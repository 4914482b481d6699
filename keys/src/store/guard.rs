//! Who but us could read a key file, change it or put another in its place.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{StoreError, Visibility};
use crate::KeyKind;

/// What a kind of key asks of its file.
pub(super) const fn visibility_of(kind: KeyKind) -> Visibility {
    match kind {
        KeyKind::Public => Visibility::Public,
        KeyKind::Secret | KeyKind::Psk => Visibility::Secret,
    }
}

/// Refuses what is not a regular file.
pub(super) fn regular(path: &Path, found: &Metadata) -> Result<(), StoreError> {
    let kind = found.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let found = if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(StoreError::NotAFile {
        path: path.to_owned(),
        found,
    })
}

/// Why a file is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// What is in it will be used: it must belong to root or to us.
    #[default]
    Use,
    /// What is in it is only checked. Root, who checks for a service with a user of its own, is content with a file of
    /// that user, where root puts such files: in a directory of that user, or of root with the user's group.
    Look,
}

/// Everything that is wrong with the owner and the modes of a file and of the directories that lead to it.
pub(super) fn faults(
    path: &Path,
    found: &Metadata,
    visibility: Visibility,
    purpose: Purpose,
) -> Vec<StoreError> {
    let allowed = allowed_bits(visibility, is_systemd_credential(path));
    let us = nix::unistd::geteuid().as_raw();
    [
        mode_fault(path, found.mode(), allowed, visibility),
        owner_fault(path, found.uid(), us)
            .filter(|_| purpose == Purpose::Use || us != 0 || !is_of_service(path, found.uid())),
    ]
    .into_iter()
    .flatten()
    .chain(
        directories(path)
            .iter()
            .filter_map(|directory| directory_fault(path, directory)),
    )
    .collect()
}

/// Refuses a directory where others could swap the file, unless its sticky bit keeps them from it. One that
/// cannot be looked at is no fault here: opening the file says what is the matter.
pub(super) fn directory_fault(path: &Path, directory: &Path) -> Option<StoreError> {
    let found = fs::metadata(directory).ok().filter(Metadata::is_dir)?;
    let mode = permission_bits(found.mode());
    is_open_directory(mode).then(|| StoreError::WideDirectory {
        path: path.to_owned(),
        directory: directory.to_owned(),
        mode,
    })
}

/// The directory a path lies in, as it was written.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// The permission bits alone: the mode the system gives has the file type above them.
pub(super) const fn permission_bits(mode: u32) -> u32 {
    mode & 0o7777
}

fn mode_fault(path: &Path, mode: u32, allowed: u32, visibility: Visibility) -> Option<StoreError> {
    let mode = permission_bits(mode);
    let beyond = mode & 0o077 & !allowed;
    (beyond != 0).then(|| StoreError::WideMode {
        path: path.to_owned(),
        mode,
        visibility,
    })
}

/// Bits group and others may have. systemd hands a credential to a service by an access list, which shows as a
/// group read bit; its directory is closed to everybody else.
const fn allowed_bits(visibility: Visibility, credential: bool) -> u32 {
    match visibility {
        Visibility::Public => 0o055,
        Visibility::Secret if credential => 0o040,
        Visibility::Secret => 0,
    }
}

fn owner_fault(path: &Path, owner: u32, us: u32) -> Option<StoreError> {
    let trusted = owner == us || owner == 0;
    (!trusted).then(|| StoreError::ForeignOwner {
        path: path.to_owned(),
        owner,
        us,
    })
}

/// Whether a file lies where root puts the files of a service that has this user: in a directory of root with the user's
/// group, as the systemd layout has it, or in one that is the user's own.
///
/// Only who looks may be content with that. A user of a key must be its owner, or root's files could be swapped by
/// another user.
fn is_of_service(path: &Path, owner: u32) -> bool {
    let Ok(directory) = fs::metadata(parent(path)) else {
        return false;
    };
    let group_of_owner = || {
        let user = nix::unistd::User::from_uid(owner.into()).ok().flatten();
        user.map(|user| user.gid.as_raw())
    };
    directory.uid() == owner || (directory.uid() == 0 && group_of_owner() == Some(directory.gid()))
}

const fn is_open_directory(mode: u32) -> bool {
    let (others_write, sticky) = (mode & 0o022 != 0, mode & 0o1000 != 0);
    others_write && !sticky
}

/// The directory of the name and, where a symbolic link leads elsewhere, that of the file itself.
fn directories(path: &Path) -> Vec<PathBuf> {
    let named = parent(path).to_owned();
    let real = fs::canonicalize(path)
        .ok()
        .and_then(|real| Some(real.parent()?.to_owned()));
    let same = fs::canonicalize(&named).ok() == real;
    [Some(named), real.filter(|_| !same)]
        .into_iter()
        .flatten()
        .collect()
}

fn is_systemd_credential(path: &Path) -> bool {
    let Some(directory) = super::credential::directory() else {
        return false;
    };
    match (fs::canonicalize(path), fs::canonicalize(directory)) {
        (Ok(file), Ok(directory)) => file.parent() == Some(&directory),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGULAR_FILE: u32 = 0o100_000;

    fn is_wide(mode: u32, visibility: Visibility) -> bool {
        mode_fault(
            Path::new("f"),
            REGULAR_FILE | mode,
            allowed_bits(visibility, false),
            visibility,
        )
        .is_some()
    }

    #[test]
    fn a_secret_is_for_its_owner_only() {
        for mode in [0o600, 0o400, 0o700] {
            assert!(!is_wide(mode, Visibility::Secret), "{mode:o}");
        }
        for bit in [0o040, 0o020, 0o010, 0o004, 0o002, 0o001] {
            assert!(is_wide(0o600 | bit, Visibility::Secret), "{bit:o}");
        }
    }

    #[test]
    fn a_public_key_may_be_read_and_not_changed() {
        assert!(!is_wide(0o644, Visibility::Public));
        assert!(is_wide(0o664, Visibility::Public));
        assert!(is_wide(0o646, Visibility::Public));
    }

    #[test]
    fn the_file_type_is_no_part_of_the_reported_mode() {
        let fault = mode_fault(Path::new("f"), REGULAR_FILE | 0o644, 0, Visibility::Secret);

        assert!(
            matches!(fault, Some(StoreError::WideMode { mode: 0o644, .. })),
            "{fault:?}"
        );
    }

    #[test]
    fn a_systemd_credential_may_have_the_group_read_bit_and_no_other() {
        let allowed = allowed_bits(Visibility::Secret, true);

        assert!(mode_fault(Path::new("f"), 0o440, allowed, Visibility::Secret).is_none());
        assert!(mode_fault(Path::new("f"), 0o444, allowed, Visibility::Secret).is_some());
        assert!(mode_fault(Path::new("f"), 0o460, allowed, Visibility::Secret).is_some());
    }

    #[test]
    fn only_we_and_root_are_trusted_owners() {
        assert!(owner_fault(Path::new("f"), 0, 1000).is_none());
        assert!(owner_fault(Path::new("f"), 1000, 1000).is_none());
        assert!(owner_fault(Path::new("f"), 1001, 1000).is_some());
        assert!(owner_fault(Path::new("f"), 1000, 0).is_some());
    }

    #[test]
    fn a_directory_open_to_others_needs_the_sticky_bit() {
        assert!(!is_open_directory(0o755));
        assert!(is_open_directory(0o775));
        assert!(is_open_directory(0o777));
        assert!(!is_open_directory(0o1777));
    }
}
