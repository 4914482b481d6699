//! How the thread that writes is.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use aoe_common::snapshot::{Alarm, Standing, State};

use super::{AuditTo, lock};

/// A write that takes longer is a disk that does not answer.
const HANGS: Duration = Duration::from_secs(5);

/// What the thread tells, and is told.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// When it began with what it is at.
    busy: Mutex<Option<(Instant, SystemTime)>>,
    /// What went wrong at its last attempt, and since when it does.
    failed: Mutex<Option<(String, SystemTime)>>,
    /// Entries that were lost and that the log does not say yet.
    lost: AtomicU64,
    reopen: AtomicBool,
    ending: AtomicBool,
}

/// Something is wrong with the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// What and what to do, in one line.
    pub(crate) why: String,
    /// Since when.
    pub(crate) since: SystemTime,
}

impl Trouble {
    /// As a row of the snapshot.
    pub(crate) fn into_alarm(self) -> Alarm {
        let since = self.since.duration_since(SystemTime::UNIX_EPOCH);
        Alarm {
            about: "audit log".to_owned(),
            standing: Standing {
                state: State::Degraded,
                why: self.why,
                since: since.unwrap_or_default().as_secs_f64(),
            },
        }
    }
}

impl Progress {
    /// Begins with something that a disk may hold up, and does it.
    pub(super) fn at_work<T>(&self, work: impl FnOnce() -> T) -> T {
        *lock(&self.busy) = Some((Instant::now(), SystemTime::now()));
        let outcome = work();
        *lock(&self.busy) = None;
        outcome
    }

    /// It did not work.
    pub(super) fn failed(&self, why: String) {
        let mut failed = lock(&self.failed);
        let since = failed.as_ref().map_or_else(SystemTime::now, |(_, since)| *since);
        *failed = Some((why, since));
    }

    /// It works.
    pub(super) fn works(&self) {
        *lock(&self.failed) = None;
    }

    pub(super) fn lose(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
    }

    /// What was lost since this was asked last.
    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    pub(super) fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
    }

    pub(super) fn take_reopen(&self) -> bool {
        self.reopen.swap(false, Ordering::Relaxed)
    }

    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Whether what cannot be written now is to be given up.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    pub(super) fn trouble(&self, to: &AuditTo) -> Option<Trouble> {
        let failed = lock(&self.failed).clone();
        let (cause, since) = match failed {
            Some(failed) => failed,
            None => {
                let (began, since) = (*lock(&self.busy))?;
                if began.elapsed() < HANGS {
                    return None;
                }
                ("what it is on does not answer".to_owned(), since)
            }
        };
        let (place, cure) = match to {
            AuditTo::File(path) => (
                path.display().to_string(),
                "make room there, or name another file in [audit] and reload",
            ),
            AuditTo::Journal => (
                "the journal".to_owned(),
                "see whether systemd-journald runs, or name a file in [audit] and reload",
            ),
        };
        Some(Trouble {
            why: format!(
                "audit log {place}: {cause}; entries wait in memory, and are lost when there are more than {}; disks are \
                 served all the same; {cure}",
                super::MOST_WAITING
            ),
            since,
        })
    }
}
