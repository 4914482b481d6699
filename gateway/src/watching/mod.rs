//! Files that count as soon as they change: secrets and the like.
//!
//! `notices` says that something happens where they lie; [`Watcher`] then looks which of them are others, and says so. A file
//! that is written in place is looked at when its writer is likely to be done. A file system that gives no notices, such as
//! one of another host, is looked at now and then.

mod notices;
mod places;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};

use self::notices::Notices;
use crate::config::{Version, Watched, version};
use crate::logging::id;

/// From the first notice to the look at the files.
const SETTLE: Duration = Duration::from_millis(200);
/// How often files are looked at without any notice.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Looks at files that count as soon as they change.
#[derive(Debug)]
pub(crate) struct Watcher {
    /// Which, in the versions that the gateway runs with.
    files: watch::Receiver<Vec<Watched>>,
    /// Hears which have changed.
    changes: mpsc::Sender<Vec<PathBuf>>,
    /// The versions that were looked at last.
    known: BTreeMap<PathBuf, Option<Version>>,
}

impl Watcher {
    /// Watches these files, and others whenever they are others. The code that hears of changes reads the files, and says the
    /// versions if it goes by them.
    pub(crate) fn new(files: watch::Receiver<Vec<Watched>>, changes: mpsc::Sender<Vec<PathBuf>>) -> Self {
        Watcher {
            files,
            changes,
            known: BTreeMap::new(),
        }
    }

    /// Runs for as long as it is polled.
    pub(crate) async fn run(mut self) -> Infallible {
        let mut notices = match Notices::open() {
            Ok(notices) => Some(notices),
            Err(error) => {
                tracing::warn!(
                    id = id::FILES_UNWATCHED,
                    "secrets are looked at every {} s only: no notices of changes: {error}; a reload reads them at once",
                    LOOK_EVERY.as_secs()
                );
                None
            }
        };
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.follow();
        loop {
            self.look(&mut notices).await;
            tokio::select! {
                _ = ticks.tick() => {}
                () = heard(&mut notices) => sleep(SETTLE).await,
                Ok(()) = self.files.changed() => self.follow(),
            }
        }
    }

    /// Goes by the versions with which the gateway runs now.
    fn follow(&mut self) {
        let files = self.files.borrow_and_update();
        self.known = files
            .iter()
            .map(|file| (file.path.clone(), file.version))
            .collect();
    }

    /// Looks at all files once, on a thread of its own: a disk may be slow. Says which have changed.
    async fn look(&mut self, notices: &mut Option<Notices>) {
        let mut taken = notices.take();
        let paths: Vec<_> = self.known.keys().cloned().collect();
        let look = spawn_blocking(move || {
            if let Some(notices) = &mut taken {
                // Before the files are looked at: a later change gives a notice.
                notices.follow(paths.iter().flat_map(|path| places::of(path)).collect());
                notices.forget();
            }
            let versions: Vec<_> = paths.into_iter().map(|path| (version(&path), path)).collect();
            (versions, taken)
        });
        let Ok((versions, back)) = look.await else { return };
        *notices = back;
        let mut changed = Vec::new();
        for (version, path) in versions {
            if self.known.get(&path) != Some(&version) {
                changed.push(path.clone());
                self.known.insert(path, version);
            }
        }
        if !changed.is_empty() {
            // It is there for as long as we are.
            let _ = self.changes.send(changed).await;
        }
    }
}

async fn heard(notices: &mut Option<Notices>) {
    match notices {
        Some(notices) => notices.heard().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
