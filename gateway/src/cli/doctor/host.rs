//! What the kernel says of this host, by its files.

use std::fs;
use std::path::{Path, PathBuf};

/// No file of these is longer, in bytes.
const LONGEST: usize = 1 << 20;

/// This host, or in tests a directory that looks like one.
#[derive(Debug)]
pub(super) struct Host {
    root: PathBuf,
}

impl Host {
    /// The host that this program runs on.
    pub(super) fn this() -> Self {
        Host::at("/")
    }

    /// The host whose files are below this directory.
    pub(super) fn at(root: impl Into<PathBuf>) -> Self {
        Host { root: root.into() }
    }

    /// What a file says, without white space at its ends; `None` if it is not there or cannot be read.
    pub(super) fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let text = fs::read(self.root.join(path)).ok()?;
        let text = String::from_utf8_lossy(text.get(..text.len().min(LONGEST))?);
        Some(text.trim().to_owned())
    }

    /// The number in a file.
    pub(super) fn number<T: std::str::FromStr>(&self, path: impl AsRef<Path>) -> Option<T> {
        self.text(path)?.parse().ok()
    }

    /// Whether there is such a file or directory.
    pub(super) fn has(&self, path: impl AsRef<Path>) -> bool {
        self.root.join(path).exists()
    }

    /// The name of what a link leads to.
    pub(super) fn link(&self, path: impl AsRef<Path>) -> Option<String> {
        let target = fs::read_link(self.root.join(path)).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// The names in a directory, sorted; none if it is not there.
    pub(super) fn names(&self, path: impl AsRef<Path>) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(path)).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}
