//! The thread that writes.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use super::entry::{Entry, Record};
use super::file::AuditFile;
use super::health::Progress;
use super::journal::AuditJournal;
use super::{AuditTo, Totals, lock};

/// How often it is tried again, and written through to the disk.
const TICK: Duration = Duration::from_secs(1);
/// How soon it is noticed that nobody waits any more for what cannot be written.
const GIVE_UP_WITHIN: Duration = Duration::from_millis(50);

/// Writes entries one after the other.
pub(super) struct Writer {
    gateway: String,
    output: Output,
    entries: Receiver<Record>,
    progress: Arc<Progress>,
    number: Arc<Mutex<u64>>,
    totals: Arc<Totals>,
}

/// Where to.
enum Output {
    File(AuditFile),
    Journal(AuditJournal),
}

impl Writer {
    pub(super) fn new(
        gateway: String,
        to: &AuditTo,
        entries: Receiver<Record>,
        progress: Arc<Progress>,
        number: Arc<Mutex<u64>>,
        totals: Arc<Totals>,
    ) -> Writer {
        Writer {
            gateway,
            output: match to {
                AuditTo::File(path) => Output::File(AuditFile::new(path)),
                AuditTo::Journal => Output::Journal(AuditJournal::default()),
            },
            entries,
            progress,
            number,
            totals,
        }
    }

    /// Runs until nothing more comes.
    pub(super) fn run(mut self) {
        // What is wrong with the place is seen at once.
        self.settle();
        loop {
            match self.entries.recv_timeout(TICK) {
                Ok(record) => self.write_batch(record),
                Err(RecvTimeoutError::Timeout) => self.settle(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.settle();
    }

    /// Writes this and what waits behind it.
    fn write_batch(&mut self, first: Record) {
        let mut next = Some(first);
        while let Some(record) = next {
            self.write(&record);
            next = self.next_or_loss();
        }
    }

    /// What comes next; when nothing waits, what was lost before.
    fn next_or_loss(&self) -> Option<Record> {
        // Numbers are given under this lock, so nothing with a lower one comes later.
        let mut number = lock(&self.number);
        match self.entries.try_recv() {
            Ok(record) => return Some(record),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {}
        }
        let times = match self.progress.take_lost() {
            0 => return None,
            times => times,
        };
        *number += 1;
        Some(Record {
            at: SystemTime::now(),
            number: *number,
            entry: Entry::Lost { times },
        })
    }

    /// Writes one entry, and tries until it can be.
    fn write(&mut self, record: &Record) {
        let json = record.to_json(&self.gateway);
        loop {
            let reopen = self.progress.take_reopen();
            let output = &mut self.output;
            let outcome = self.progress.at_work(|| match output {
                Output::File(file) => file.append(&json, reopen),
                Output::Journal(journal) => journal.send(&json),
            });
            match outcome {
                Ok(()) => {
                    self.progress.works();
                    self.totals.written.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Err(error) => self.progress.failed(error.to_string()),
            }
            if !self.wait() {
                self.give_up(record);
                return;
            }
        }
    }

    /// Waits for the next attempt; whether there is one.
    fn wait(&self) -> bool {
        let mut waited = Duration::ZERO;
        while waited < TICK {
            if self.progress.is_ending() {
                return false;
            }
            sleep(GIVE_UP_WITHIN);
            waited += GIVE_UP_WITHIN;
        }
        true
    }

    /// An entry is lost for good. That of a loss stands for all of that.
    fn give_up(&self, record: &Record) {
        match record.entry {
            Entry::Lost { times } => self.progress.lose(times),
            _ => {
                self.progress.lose(1);
                self.totals.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Nothing comes for a moment: a file that was moved is opened again, and what was written goes to the disk.
    fn settle(&mut self) {
        let reopen = self.progress.take_reopen();
        let Output::File(file) = &mut self.output else {
            return;
        };
        let outcome: io::Result<()> = self.progress.at_work(|| file.settle(reopen));
        match outcome {
            Ok(()) => self.progress.works(),
            Err(error) => self.progress.failed(error.to_string()),
        }
        if let Some(loss) = self.next_or_loss() {
            self.write_batch(loss);
        }
    }
}
