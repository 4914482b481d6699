//! Asks the data planes once a second who had a session and who was refused what, and looks after the log itself.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use aoe_common::event::Place;
use aoe_common::notes::{Known, Note, Notes, What};
use tokio::sync::mpsc::UnboundedReceiver;

use super::Audit;
use super::entry::Entry;
use super::merge::{Merger, Span, Subject};
use crate::driver::{Command, CommandSender};
use crate::logging::id;

/// How often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two lines of the log about a trouble that lasts.
const SAY_AGAIN: Duration = Duration::from_secs(3600);

/// What a data plane noted.
#[derive(Debug)]
pub struct Noted {
    /// The notes.
    pub notes: Notes,
    /// What time it was when they were taken, by the clock of the engine.
    pub now: aoe_common::time::Instant,
    /// The same by the wall clock.
    pub wall: SystemTime,
}

/// Takes down what data planes note.
#[derive(Debug)]
pub(crate) struct Auditor {
    audit: Audit,
    workers: Vec<CommandSender>,
    noted: UnboundedReceiver<Noted>,
    merger: Merger,
    /// When the log's own trouble was last logged.
    said: Option<Instant>,
    /// Entries that were lost when that was last logged.
    lost: u64,
}

impl Auditor {
    pub(crate) fn new(audit: Audit, workers: Vec<CommandSender>, noted: UnboundedReceiver<Noted>) -> Auditor {
        Auditor {
            audit,
            workers,
            noted,
            merger: Merger::default(),
            said: None,
            lost: 0,
        }
    }

    /// Runs for as long as it is polled. What is left is taken down when it is dropped.
    pub(crate) async fn run(mut self) -> Infallible {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.tick(),
                Some(noted) = self.noted.recv() => self.take_down(noted),
            }
        }
    }

    fn tick(&mut self) {
        for worker in &self.workers {
            worker.send(Command::TakeNotes);
        }
        for entry in self.merger.due(Instant::now()) {
            self.audit.record(entry);
        }
        self.log_trouble();
    }

    fn take_down(&mut self, noted: Noted) {
        let Noted { notes, now, wall } = noted;
        for note in notes.list {
            let at = |then| wall.checked_sub(now.saturating_since(then)).unwrap_or(wall);
            let span = Span {
                times: note.times,
                first: at(note.first),
                last: at(note.last),
            };
            self.take_down_one(note, span);
        }
        if notes.unnamed > 0 {
            let span = Span {
                times: notes.unnamed,
                first: wall,
                last: wall,
            };
            self.merger.add_unnamed(Instant::now(), span);
        }
    }

    fn take_down_one(&mut self, note: Note, span: Span) {
        let subject = match note.what {
            What::SessionUp {
                peer: Known { name, key, address },
                protection,
                cipher,
                psk,
                post_quantum,
            } => {
                let entry = Entry::SessionUp {
                    peer: name,
                    key: key.to_string(),
                    address: shown(address),
                    protection: protection.to_string(),
                    cipher: cipher.to_string(),
                    psk,
                    post_quantum,
                };
                return self.audit.record_at(span.last, entry);
            }
            What::SessionKeys {
                peer: Known { name, key, address },
                post_quantum,
            } => {
                let entry = Entry::SessionKeys {
                    peer: name,
                    key: key.to_string(),
                    address: shown(address),
                    post_quantum,
                };
                return self.audit.record_at(span.last, entry);
            }
            What::SessionLost {
                peer: Known { name, key, address },
                why,
            } => {
                let entry = Entry::SessionLost {
                    peer: name,
                    key: key.to_string(),
                    address: shown(address),
                    reason: why,
                };
                return self.audit.record_at(span.last, entry);
            }
            What::SessionRefused {
                peer: Known { name, key, address },
                why,
            } => Subject::Session {
                peer: name,
                key: key.to_string(),
                address: address.map(|address| address.ip().to_string()),
                reason: why,
            },
            What::Stranger { from, key } => Subject::Stranger {
                address: from.ip().to_string(),
                key: key.map(|key| key.to_string()),
            },
            What::Refused {
                place,
                export,
                peer,
                initiator,
                what,
            } => Subject::Request {
                peer,
                export,
                import: match place {
                    Place::Import(address) => Some(address.to_string()),
                    Place::Exit => None,
                },
                initiator: initiator.to_string(),
                reason: what.id(),
                what: what.to_string(),
            },
        };
        if let Some(entry) = self.merger.add(Instant::now(), subject, span) {
            self.audit.record_at(span.last, entry);
        }
    }

    /// Logs when something is wrong with the audit log, seldom while it lasts, and when it is over.
    fn log_trouble(&mut self) {
        match (self.audit.trouble(), self.said) {
            (Some(trouble), last) if last.is_none_or(|last| last.elapsed() >= SAY_AGAIN) => {
                self.said = Some(Instant::now());
                tracing::warn!(id = id::AUDIT_FAILED, "{}", trouble.why);
            }
            (None, Some(_)) => {
                self.said = None;
                let (_, lost) = self.audit.totals();
                match lost - std::mem::replace(&mut self.lost, lost) {
                    0 => tracing::info!(
                        id = id::AUDIT_WORKS,
                        "audit log: it is written again, and nothing was lost"
                    ),
                    lost => tracing::warn!(
                        id = id::AUDIT_LOST,
                        "audit log: it is written again; {lost} entries were lost: see why it was away"
                    ),
                }
            }
            (Some(_), _) | (None, None) => {}
        }
    }
}

impl Drop for Auditor {
    fn drop(&mut self) {
        while let Ok(noted) = self.noted.try_recv() {
            self.take_down(noted);
        }
        for entry in self.merger.all() {
            self.audit.record(entry);
        }
    }
}

fn shown(address: Option<SocketAddr>) -> Option<String> {
    address.map(|address| address.to_string())
}
