//! Which disk is behind each export: remembered in files, so that a restart takes no other one.
//!
//! One file for each export, `NAME.disk`, in the state directory. It names the disk, or says `accept = "next"`, which
//! `aoe-gateway accept-disk` writes: then the disk that is there, or the next one, is the right one, and a running
//! gateway writes it there. Two programs write these files, so each is replaced as a whole and by renaming.

mod keeper;

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aoe_common::disk::Disk;
use serde::{Deserialize, Serialize};

pub use self::keeper::Keeper;
use crate::logging::id;

/// No file of ours is longer.
const LONGEST: u64 = 4096;
const ALLOWED: &str = "write `size`, `serial` and `model` of the disk, or only: accept = \"next\"";

/// Disks that the data planes have come to know and nobody has written down yet; the newest of each export.
#[derive(Clone, Debug, Default)]
pub struct Found(Arc<Mutex<BTreeMap<String, Disk>>>);

impl Found {
    /// The disk behind `export` is this one.
    pub fn add(&self, export: String, disk: Disk) {
        self.lock().insert(export, disk);
    }

    fn take(&self) -> BTreeMap<String, Disk> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Disk>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is written about an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Its disk is this one.
    Disk(Disk),
    /// Whichever is there, or comes next, is the right one.
    AcceptNext,
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It says something else than it may.
    #[error("{}:{line}: {found}; {ALLOWED}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Where in it, from 1.
        line: usize,
        /// What is wrong.
        found: String,
    },
}

/// The file as TOML.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    #[serde(skip_serializing_if = "Option::is_none")]
    accept: Option<Accept>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Accept {
    Next,
}

/// The state directory.
#[derive(Clone, Debug)]
pub struct Disks {
    directory: PathBuf,
}

impl Disks {
    /// The directory as configured, or else the one systemd names; `None` if neither does.
    pub fn new(configured: Option<&Path>) -> Option<Disks> {
        let by_systemd = || {
            let directories = std::env::var_os("STATE_DIRECTORY")?;
            std::env::split_paths(&directories).next()
        };
        let directory = configured.map(Path::to_owned).or_else(by_systemd)?;
        Some(Disks { directory })
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file of an export.
    pub fn path(&self, export: &str) -> PathBuf {
        self.directory.join(format!("{export}.disk"))
    }

    /// What is written about an export; `None` if nothing is.
    ///
    /// # Errors
    /// The file is there and of no use.
    pub fn read(&self, export: &str) -> Result<Option<Note>, NoteError> {
        let path = self.path(export);
        let mut text = String::new();
        let outcome = File::open(&path).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
        match outcome {
            Ok(_) => parse(&path, &text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(NoteError::Unreadable { path, source }),
        }
    }

    /// Replaces what is written about an export. Everybody may read it, for the gateway and its operator are not always
    /// the same user.
    ///
    /// # Errors
    /// Nothing is changed then.
    pub fn write(&self, export: &str, note: &Note) -> io::Result<()> {
        let contents = match note {
            Note::AcceptNext => Contents {
                accept: Some(Accept::Next),
                ..Contents::default()
            },
            Note::Disk(disk) => Contents {
                accept: None,
                size: Some(disk.size),
                serial: Some(disk.serial.clone()),
                model: Some(disk.model.clone()),
            },
        };
        let body = toml::to_string(&contents).map_err(io::Error::other)?;
        let text = format!(
            "# Which disk is behind export {export}; size in sectors of 512 bytes. If it was replaced:\n\
             # aoe-gateway accept-disk --config FILE --export {export}\n{body}"
        );
        fs::create_dir_all(&self.directory)?;
        let mut file = tempfile::Builder::new()
            .prefix(".disk-")
            .tempfile_in(&self.directory)?;
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(self.path(export)).map_err(|error| error.error)?;
        File::open(&self.directory)?.sync_all()
    }

    /// What tells one version of a file from another.
    fn version(&self, export: &str) -> Option<(u64, i64, i64)> {
        let found = fs::metadata(self.path(export)).ok()?;
        Some((found.ino(), found.mtime(), found.mtime_nsec()))
    }
}

fn parse(path: &Path, text: &str) -> Result<Note, NoteError> {
    let wrong = |at: usize, found: &str| NoteError::Wrong {
        path: path.to_owned(),
        line: text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1,
        found: found.replace('\n', " "),
    };
    let contents: Contents = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        wrong(at, error.message())
    })?;
    match contents {
        Contents {
            accept: Some(Accept::Next),
            size: None,
            serial: None,
            model: None,
        } => Ok(Note::AcceptNext),
        Contents {
            accept: None,
            size: Some(size),
            serial: Some(serial),
            model: Some(model),
        } => Ok(Note::Disk(Disk { size, serial, model })),
        _ => Err(wrong(0, "it says too much or too little")),
    }
}

/// Reads which disk each export had, at the start.
pub fn remember(disks: Option<&Disks>, exports: &[String]) -> Vec<(String, Disk)> {
    let Some(disks) = disks else {
        if !exports.is_empty() {
            tracing::info!(
                id = id::DISK_NOT_REMEMBERED,
                "which disk an export has is not remembered over a restart: set `state` of [gateway] to a directory"
            );
        }
        return Vec::new();
    };
    let read = |export: &String| match disks.read(export) {
        Ok(Some(Note::Disk(disk))) => Some((export.clone(), disk)),
        Ok(None | Some(Note::AcceptNext)) => None,
        Err(error) => {
            tracing::error!(
                id = id::DISK_FILE,
                export,
                "{error}. Nobody knows which disk export {export} had, so any is another one until it is accepted: \
                 aoe-gateway accept-disk"
            );
            Some((export.clone(), Disk::unlike_any()))
        }
    };
    exports.iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn disk(serial: &str) -> Disk {
        Disk {
            size: 8192,
            serial: serial.to_owned(),
            model: "Coraid \\x01 \"EtherDrive\"".to_owned(),
        }
    }

    pub(super) fn directory() -> (tempfile::TempDir, Disks) {
        let root = tempfile::tempdir().unwrap();
        let disks = Disks::new(Some(&root.path().join("state"))).unwrap();
        (root, disks)
    }

    #[test]
    fn what_is_written_is_read_and_nothing_is_left_behind() {
        let (_root, disks) = directory();
        assert_eq!(disks.read("a").unwrap(), None);
        for note in [Note::Disk(disk("x")), Note::AcceptNext, Note::Disk(disk(""))] {
            disks.write("a", &note).unwrap();
            assert_eq!(disks.read("a").unwrap(), Some(note));
        }
        assert_eq!(fs::read_dir(&disks.directory).unwrap().count(), 1);
        assert_eq!(fs::metadata(disks.path("a")).unwrap().mode() & 0o777, 0o644);
    }

    #[test]
    fn a_bad_file_is_named_with_its_line_and_what_is_allowed() {
        let (_root, disks) = directory();
        disks.write("a", &Note::AcceptNext).unwrap();
        for (text, complaint) in [
            (
                "size = 1\nserial = \"x\"\nmodell = \"y\"\n",
                "a.disk:3: unknown field `modell`",
            ),
            ("size = 1\n", "a.disk:1: it says too much or too little"),
            (
                "accept = \"next\"\nsize = 1\n",
                "a.disk:1: it says too much or too little",
            ),
            ("\naccept = \"all\"\n", "a.disk:2: unknown variant `all`"),
            ("size = -1\n", "a.disk:1: invalid value"),
            ("", "a.disk:1: it says too much or too little"),
            ("size = 1\n\n]", "a.disk:3: "),
        ] {
            fs::write(disks.path("a"), text).unwrap();
            let error = disks.read("a").unwrap_err().to_string();
            assert!(error.contains(complaint) && error.ends_with(ALLOWED), "{error}");
        }
        fs::write(disks.path("a"), [0xff, 0xfe]).unwrap();
        assert!(matches!(disks.read("a"), Err(NoteError::Unreadable { .. })));
    }
}
