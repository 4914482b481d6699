//! The audit log: who did what, and what was refused to whom. One line of JSON for each, in a file or in the journal.
//!
//! Nobody waits for it. Entries go into a bounded queue, and a thread of its own writes them: a disk that is slow, full,
//! read-only or hangs holds up nothing but that thread. What finds no room in the queue is counted, and said once the
//! disk takes entries again.
//!
//! - `entry`: what there is to say. `caller`: who gives an order. `order`: an order of the control socket, from its first
//!   byte to its answer.
//! - `auditor`, `merge`: what data planes note, of which floods are merged.
//! - `rights`: who may do what before and after a reload.
//! - `writer`, `file`, `journal`: the thread, and where it writes to. `health`: how that is.

mod auditor;
mod caller;
mod entry;
mod file;
mod health;
mod journal;
mod merge;
mod order;
mod rights;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aoe_common::version::VERSION;

pub(crate) use self::auditor::Auditor;
pub use self::auditor::Noted;
pub(crate) use self::caller::Caller;
use self::entry::Record;
pub(crate) use self::entry::{Entry, rfc3339};
use self::health::Progress;
pub(crate) use self::health::Trouble;
pub(crate) use self::order::Order;
pub(crate) use self::rights::differences;
use crate::config::Loaded;
use crate::logging::id;

/// Entries that wait for the disk; further ones are lost. A usual one has some hundred bytes.
const MOST_WAITING: usize = 8192;
/// How long the end waits for entries to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where the audit log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditTo {
    /// To the end of this file; its whole path.
    File(PathBuf),
    /// To the journal of systemd.
    Journal,
}

/// The audit log. Copies are the same log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Audit(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    gateway: String,
    /// Where entries go; `None`: nowhere.
    sink: Mutex<Option<Sink>>,
    /// The number of the last entry. Who takes a number queues or writes the entry before the next is taken.
    number: Arc<Mutex<u64>>,
    totals: Arc<Totals>,
}

/// Since the start.
#[derive(Debug, Default)]
struct Totals {
    written: AtomicU64,
    lost: AtomicU64,
}

/// A thread that writes.
#[derive(Debug)]
struct Sink {
    to: AuditTo,
    queue: SyncSender<Record>,
    progress: Arc<Progress>,
    /// Hears that the thread has ended.
    ended: Receiver<()>,
}

impl Audit {
    /// The audit log of this gateway, which goes nowhere yet.
    pub(crate) fn new(gateway: &str) -> Audit {
        Audit(Arc::new(Inner {
            gateway: gateway.to_owned(),
            ..Inner::default()
        }))
    }

    /// Entries go there from now on. If they went there before, the file is opened again: it may have been moved away.
    pub(crate) fn follow(&self, to: Option<&AuditTo>) {
        let mut sink = lock(&self.0.sink);
        match (sink.as_ref(), to) {
            (Some(known), Some(to)) if known.to == *to => known.progress.reopen(),
            // The old thread writes what waits, and ends.
            (_, to) => {
                let new = to.and_then(|to| self.start(to));
                if let Some(old) = std::mem::replace(&mut *sink, new) {
                    old.close();
                }
            }
        }
    }

    /// A thread, unless there is none to be had: the next reload tries again.
    fn start(&self, to: &AuditTo) -> Option<Sink> {
        let (queue, entries) = mpsc::sync_channel(MOST_WAITING);
        let (tell, ended) = mpsc::sync_channel(1);
        let progress = Arc::new(Progress::default());
        let writer = writer::Writer::new(
            self.0.gateway.clone(),
            to,
            entries,
            progress.clone(),
            self.0.number.clone(),
            self.0.totals.clone(),
        );
        let thread = std::thread::Builder::new().name("audit".to_owned());
        let spawned = thread.spawn(move || {
            writer.run();
            // Nobody waits, unless the process ends.
            let _ = tell.try_send(());
        });
        if let Err(error) = spawned {
            tracing::error!(
                id = id::AUDIT_FAILED,
                "there is no audit log: no thread for it: {error}; reload to try again"
            );
            return None;
        }
        Some(Sink {
            to: to.clone(),
            queue,
            progress,
            ended,
        })
    }

    /// The gateway starts with what this file says.
    pub(crate) fn begin(&self, config: &Path, loaded: &Loaded) {
        let config = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
        self.record(Entry::Start {
            version: VERSION,
            pid: std::process::id(),
            uid: nix::unistd::Uid::effective().as_raw(),
            config: config.display().to_string(),
            listen: loaded.listen.iter().map(ToString::to_string).collect(),
        });
        self.record(Entry::KeyLoaded {
            file: loaded.settings.key.display().to_string(),
            key: loaded.core.keys.fingerprint(),
        });
    }

    /// The gateway has ended, because of this if it was not told to. Writes what waits, for a second at most; nothing is
    /// taken down afterwards.
    pub(crate) fn stop(&self, error: Option<&impl ToString>) {
        self.record(Entry::Stop {
            version: VERSION,
            reason: error.map(ToString::to_string).unwrap_or_default(),
        });
        let sink = lock(&self.0.sink).take();
        if let Some(sink) = sink {
            let _ = sink.close().recv_timeout(LAST_WORDS);
        }
    }

    /// Takes an entry down. Never waits for a disk.
    pub(crate) fn record(&self, entry: Entry) {
        self.record_at(SystemTime::now(), entry);
    }

    /// Takes down what happened then.
    pub(crate) fn record_at(&self, at: SystemTime, entry: Entry) {
        let sink = lock(&self.0.sink);
        let Some(sink) = sink.as_ref() else { return };
        let mut number = lock(&self.0.number);
        *number += 1;
        let record = Record {
            at,
            number: *number,
            entry,
        };
        if sink.queue.try_send(record).is_err() {
            sink.progress.lose(1);
            self.0.totals.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Entries that were written and those that were lost, since the start.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let Totals { written, lost } = &*self.0.totals;
        (written.load(Ordering::Relaxed), lost.load(Ordering::Relaxed))
    }

    /// What is wrong with the log now.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        let sink = lock(&self.0.sink);
        let sink = sink.as_ref()?;
        sink.progress.trouble(&sink.to)
    }
}

impl Sink {
    /// Nothing more comes. What is returned hears when the thread has ended.
    fn close(self) -> Receiver<()> {
        self.progress.end();
        self.ended
    }
}

/// What is behind the lock is whole whenever it is held.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
