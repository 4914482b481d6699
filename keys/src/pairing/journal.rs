//! Several files are changed as one: all of them or none, also when the program is killed in between.
//!
//! 1. All new files are written beside their places and forced to disk. A gateway does not read them.
//! 2. The journal, which has all that is to be done, is put in its place. From now on it is done.
//! 3. The files are put in their places, in an order in which every beginning is a configuration that can be used.
//! 4. The journal is removed.
//!
//! The next command removes what is left of 1, or finishes 3.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::disk::{self, Disk};
use super::letter::hex;
use super::refusal::{Kind, Refusal, Result};

/// Name of the journal.
const FILE: &str = "journal";

/// What was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Act {
    /// A new gateway.
    Init,
    /// An invitation was made.
    Invite,
    /// An invitation was accepted.
    Accept,
    /// A reply was accepted.
    Complete,
}

/// What is done as one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Journal {
    pub(super) act: Act,
    /// Number of the invitation; empty for `init`.
    pub(super) id: String,
    /// The other gateway; empty for `init`.
    pub(super) peer: String,
    pub(super) steps: Vec<Step>,
}

/// One file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    path: PathBuf,
    /// None: the file goes.
    put: Option<Put>,
}

/// What a file becomes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    text: String,
    mode: u32,
    /// User and group, if root writes for somebody else.
    owner: Option<(u32, u32)>,
    /// SHA-256 of the text that it replaces; none: there is no such file.
    before: Option<String>,
}

impl Drop for Put {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Step").field(&self.path).finish()
    }
}

impl Step {
    /// A file that is not there yet.
    pub(super) fn new(path: PathBuf, text: String, mode: u32, owner: disk::Owner) -> Self {
        Self::put(path, text, mode, owner, None)
    }

    /// Another text for a file.
    pub(super) fn replace(path: PathBuf, text: String, mode: u32, owner: disk::Owner, before: &str) -> Self {
        Self::put(path, text, mode, owner, Some(sha256(before)))
    }

    /// A file goes.
    pub(super) fn remove(path: PathBuf) -> Self {
        Step { path, put: None }
    }

    fn put(path: PathBuf, text: String, mode: u32, owner: disk::Owner, before: Option<String>) -> Self {
        let put = Put {
            text,
            mode,
            owner,
            before,
        };
        Step { path, put: Some(put) }
    }

    /// Whether the file is as it was when this was planned.
    fn is_as_before(&self) -> Result<bool> {
        let Some(put) = &self.put else { return Ok(true) };
        let is = std::fs::symlink_metadata(&self.path).is_ok();
        match (&put.before, is) {
            (None, is) => Ok(!is),
            (Some(before), _) => Ok(disk::read(&self.path)?.is_some_and(|text| sha256(&text) == *before)),
        }
    }

    fn is_done(&self) -> Result<bool> {
        match &self.put {
            None => Ok(std::fs::symlink_metadata(&self.path).is_err()),
            Some(put) => {
                // What is no text of ours is not what we wrote.
                let found = disk::read(&self.path).ok().flatten();
                Ok(found.is_some_and(|text| *text == put.text))
            }
        }
    }
}

/// Does all steps, or none. `directory` is that of the journal.
///
/// # Errors
/// Before the journal is in its place: nothing has changed. After it: the next run finishes it.
pub(super) fn commit(disk: &Disk, directory: &Path, journal: &Journal) -> Result<()> {
    for step in &journal.steps {
        if !step.is_as_before()? {
            return Err(disk::there_already(&step.path));
        }
    }
    let file = directory.join(FILE);
    let prepared = prepare(disk, &file, journal);
    if let Err(refusal) = prepared {
        for path in journal.steps.iter().map(|step| &step.path).chain([&file]) {
            // The reason is what counts; the next run tries again.
            let _ = disk.discard(path);
        }
        return Err(refusal);
    }
    finish(disk, &file, journal)
}

fn prepare(disk: &Disk, file: &Path, journal: &Journal) -> Result<()> {
    for step in &journal.steps {
        if let Some(put) = &step.put {
            disk.write_beside(&step.path, &put.text, put.mode, put.owner)?;
        }
    }
    let text = serde_json::to_string(journal).map(Zeroizing::new);
    let text = text.map_err(|error| Refusal::new(Kind::Config, format!("a path is no text: {error}")))?;
    disk.write_beside(file, &text, 0o600, None)?;
    disk.put_in_place(file, false)
}

fn finish(disk: &Disk, file: &Path, journal: &Journal) -> Result<()> {
    for step in &journal.steps {
        if step.is_done()? {
            disk.discard(&step.path)?;
            continue;
        }
        let Some(put) = &step.put else {
            disk.remove(&step.path)?;
            continue;
        };
        if !step.is_as_before()? {
            return Err(Refusal::config(format!(
                "{} was changed while this was going on; what remains to be done is in {}: move your change away and run any \
                 `aoe-keys` command of pairing again, or remove that file to give it up",
                step.path.display(),
                file.display()
            )));
        }
        if !Disk::is_beside(&step.path, &put.text) {
            disk.write_beside(&step.path, &put.text, put.mode, put.owner)?;
        }
        disk.put_in_place(&step.path, put.before.is_some())?;
    }
    disk.remove(file)
}

/// What an interrupted run had begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recovered {
    pub(super) act: Act,
    pub(super) id: String,
    pub(super) peer: String,
    /// The files that it has written.
    pub(super) files: Vec<PathBuf>,
}

/// Finishes what an interrupted run had begun, and removes what it has left.
pub(super) fn recover(disk: &Disk, directory: &Path) -> Result<Option<Recovered>> {
    let file = directory.join(FILE);
    let Some(text) = disk::read(&file)? else {
        disk.sweep(directory)?;
        return Ok(None);
    };
    let journal: Journal = serde_json::from_str(&text).map_err(|_| {
        Refusal::config(format!(
            "{} is not as aoe-keys wrote it; move it away, and look at what `aoe-gateway check` says",
            file.display()
        ))
    })?;
    finish(disk, &file, &journal)?;
    disk.sweep(directory)?;
    Ok(Some(Recovered {
        act: journal.act,
        files: journal.steps.iter().map(|step| step.path.clone()).collect(),
        id: journal.id,
        peer: journal.peer,
    }))
}

fn sha256(text: &str) -> String {
    hex(digest(&SHA256, text.as_bytes()).as_ref())
}
