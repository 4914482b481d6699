//! Notices that something happens where files lie.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use crate::logging::id;
use crate::sys::directory_changes::{DirectoryChanges, WatchedDirectory};

/// Directories that are watched.
#[derive(Debug)]
pub(super) struct Notices {
    changes: DirectoryChanges,
    places: BTreeMap<PathBuf, WatchedDirectory>,
    /// Directories that could not be watched: said once.
    refused: BTreeSet<PathBuf>,
}

impl Notices {
    /// Watches nothing yet.
    pub(super) fn open() -> io::Result<Self> {
        Ok(Notices {
            changes: DirectoryChanges::open()?,
            places: BTreeMap::new(),
            refused: BTreeSet::new(),
        })
    }

    /// Watches these directories and no others. One that was made again is another one, so each is asked for every time.
    pub(super) fn follow(&mut self, places: BTreeSet<PathBuf>) {
        self.refused.retain(|place| places.contains(place));
        let mut watched = BTreeMap::new();
        for place in places {
            match self.changes.watch(&place) {
                Ok(directory) => {
                    self.refused.remove(&place);
                    watched.insert(place, directory);
                }
                Err(error) => {
                    if self.refused.insert(place.clone()) {
                        tracing::warn!(
                            id = id::FILES_UNWATCHED,
                            "changes in {} are found only every 10 s: {error}; a reload reads files at once{}",
                            place.display(),
                            advice(&error)
                        );
                    }
                }
            }
        }
        for directory in std::mem::replace(&mut self.places, watched).into_values() {
            if !self.places.values().any(|used| *used == directory) {
                self.changes.unwatch(directory);
            }
        }
    }

    /// What was noticed until now is known.
    pub(super) fn forget(&self) {
        self.changes.forget();
    }

    /// Waits until something is noticed.
    pub(super) async fn heard(&mut self) {
        self.changes.heard().await;
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::ENOSPC) => "; a larger fs.inotify.max_user_watches helps",
        _ => "",
    }
}
