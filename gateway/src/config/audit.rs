//! `[audit]`: where the audit log goes.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::AtFlags;
use nix::unistd::{AccessFlags, faccessat};

use super::fault::{Faults, Kind};
use super::section::Section;
use super::source::{Located, Place};
use super::value;
use crate::audit::AuditTo;

/// `[audit]` as written.
#[derive(Debug)]
pub(super) struct AuditEntry {
    /// The file by its whole path.
    file: Option<Located<PathBuf>>,
    journald: Option<Located<bool>>,
}

impl AuditEntry {
    /// Where the log goes.
    pub(super) fn to(&self) -> Option<AuditTo> {
        match (&self.file, &self.journald) {
            (Some(file), _) => Some(AuditTo::File(file.value.clone())),
            (None, Some(journald)) if journald.value => Some(AuditTo::Journal),
            (None, _) => None,
        }
    }
}

/// Reads the section. `directory` is that of the gateway file.
pub(super) fn read(section: &Section<'_, '_>, directory: &Path, faults: &mut Faults) -> AuditEntry {
    let file = section.optional("file", faults, value::path);
    let entry = AuditEntry {
        file: file.map(|file| Located {
            value: directory.join(file.value),
            place: file.place,
        }),
        journald: section.flag("journald", faults),
    };
    match (&entry.file, &entry.journald) {
        (Some(_), Some(journald)) if journald.value => faults.fault(
            Kind::Conflict,
            &journald.place,
            "this section has both a `file` and `journald = true`",
            "keep one: the audit log goes to one place",
        ),
        (None, None) if !section.has("file") && !section.has("journald") => faults.fault(
            Kind::MissingKey,
            section.place(),
            "[audit] has neither a `file` nor `journald`",
            "add file = \"/var/log/aoe-gateway/audit.jsonl\", or journald = true, or remove the section",
        ),
        _ => {}
    }
    entry
}

/// Looks whether this user can write there, and nobody who should not.
pub(super) fn look(entry: &AuditEntry, faults: &mut Faults) {
    let Some(Located { value: path, place }) = &entry.file else {
        return;
    };
    let directory = path.parent().unwrap_or(Path::new("/"));
    if look_at_directory(directory, place, faults) {
        look_at_file(path, place, faults);
    }
}

/// Whether the directory will do.
fn look_at_directory(directory: &Path, place: &Place, faults: &mut Faults) -> bool {
    let mut fault = |found: String, instead: String| {
        faults.fault(Kind::Unreadable, place, found, instead);
        false
    };
    let shown = directory.display();
    let found = match fs::metadata(directory) {
        Ok(found) if found.is_dir() => found,
        Ok(_) => {
            return fault(
                format!("{shown} is no directory"),
                "name a file in a directory".to_owned(),
            );
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return fault(
                format!("there is no directory {shown}"),
                format!(
                    "make it: mkdir -m 0750 {shown} (systemd: LogsDirectory=), owned by the user of this gateway"
                ),
            );
        }
        Err(error) => {
            return fault(
                format!("the directory {shown} cannot be looked at: {error}"),
                "let the user of this gateway into it".to_owned(),
            );
        }
    };
    let open_to_all = found.mode() & 0o002 != 0 && found.mode() & 0o1000 == 0;
    if open_to_all {
        return fault(
            format!("everybody may write to the directory {shown}, and so replace the audit log"),
            format!("run: chmod o-w {shown}"),
        );
    }
    if let Err(error) = may_write(directory, AccessFlags::W_OK | AccessFlags::X_OK) {
        return fault(
            format!("this user may not write to the directory {shown}: {error}"),
            "make it writable for the user of this gateway, or name a file elsewhere".to_owned(),
        );
    }
    true
}

fn look_at_file(path: &Path, place: &Place, faults: &mut Faults) {
    let mut fault = |found: String, instead: String| faults.fault(Kind::Unreadable, place, found, instead);
    let shown = path.display();
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        // It is made when there is something to write.
        Err(_) => return,
    };
    let kind = found.file_type();
    if kind.is_symlink() {
        fault(
            format!("{shown} is a symbolic link, which is not followed"),
            "name the file it leads to".to_owned(),
        );
    } else if !kind.is_file() {
        let what = match kind {
            kind if kind.is_dir() => "a directory",
            kind if kind.is_fifo() => "a pipe",
            kind if kind.is_socket() => "a socket",
            _ => "a device",
        };
        fault(
            format!("{shown} is {what}"),
            "name a regular file, or none".to_owned(),
        );
    } else if found.mode() & 0o002 != 0 {
        fault(
            format!("everybody may write to {shown}"),
            format!("run: chmod 0640 {shown}"),
        );
    } else if let Err(error) = may_write(path, AccessFlags::R_OK | AccessFlags::W_OK) {
        fault(
            format!("this user may not read and write {shown}: {error}"),
            "give it to the user of this gateway (chown), or name another file".to_owned(),
        );
    }
}

fn may_write(path: &Path, how: AccessFlags) -> nix::Result<()> {
    faccessat(nix::fcntl::AT_FDCWD, path, how, AtFlags::AT_EACCESS)
}
