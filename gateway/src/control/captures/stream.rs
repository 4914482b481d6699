//! One capture: batches of the workers become lines for who asked.
//!
//! Nothing here holds a data plane up: batches come by a channel of few places, and while it is full a data plane keeps its
//! own bounded batch, and counts what has no room in it. What was made of them waits within bounds too; what has no room
//! there because nobody reads is counted as well.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aoe_common::tap::{Batch, Record};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Capture;
use super::lines::{End, Line};
use super::words::{Names, line};
use crate::clock::{Clock, unix_time};
use crate::control::guests::write;
use crate::driver::{Command, CommandSender};

/// Batches of each worker that wait.
const WAITING_BATCHES: usize = 2;
/// Bytes that wait to be read; while there are more, further frames are dropped.
const WAITING_BYTES: usize = 4 << 20;
/// How long somebody may read nothing although there is something to read.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the workers and the last lines may take.
const LAST: Duration = Duration::from_secs(2);

/// Why a capture ends.
#[derive(Debug, PartialEq, Eq)]
enum Why {
    /// As many frames were captured as were asked for.
    Count,
    /// It has lasted as long as it may.
    Time,
    /// Who asked wants no more, or has gone.
    Asked,
    /// Who asked does not read.
    Unread,
    /// What it captures is not configured any more.
    Gone(String),
    /// The workers end.
    Ending,
}

/// Runs a capture; how it ended, which was said to who asked as far as that reads it.
pub(super) async fn run(
    capture: &Capture,
    workers: &[CommandSender],
    clock: Clock,
    guest: &Arc<UnixStream>,
) -> End {
    let (to, batches) = mpsc::channel(WAITING_BATCHES * workers.len().max(1));
    for worker in workers {
        worker.send(Command::BeginCapture {
            id: capture.id,
            wish: Box::new(capture.plan.wish.clone()),
            to: to.clone(),
        });
    }
    drop(to);
    let mut stream = Stream {
        capture,
        batches,
        zero: unix_time().saturating_sub(Duration::from_micros(clock.now().as_micros())),
        names: capture.news.borrow().names.clone(),
        lines: Vec::new(),
        written: 0,
        frames: 0,
        dropped: vec![0; capture.plan.interfaces.len()],
    };
    let why = stream.flow(workers, guest, PATIENCE).await;
    stream.end(why, workers, guest).await
}

/// A capture on its way to who asked.
struct Stream<'a> {
    capture: &'a Capture,
    batches: mpsc::Receiver<Batch>,
    /// When the clock of the data planes was at zero, since 1970.
    zero: Duration,
    names: Arc<Names>,
    /// What is to be written; the first bytes of it are.
    lines: Vec<u8>,
    written: usize,
    frames: u64,
    dropped: Vec<u64>,
}

impl Stream<'_> {
    /// Hands frames over until there is a reason to end.
    async fn flow(&mut self, workers: &[CommandSender], guest: &UnixStream, patience: Duration) -> Why {
        let until = Instant::now() + Duration::from_secs(self.capture.plan.seconds);
        let mut news = self.capture.news.subscribe();
        news.mark_changed();
        let mut told = 0;
        let mut read_at = Instant::now();
        loop {
            let waits = self.written < self.lines.len();
            if !waits {
                read_at = Instant::now();
            }
            tokio::select! {
                biased;
                Ok(()) = news.changed() => {
                    let now = news.borrow_and_update().clone();
                    self.names = now.names;
                    if now.is_over {
                        return Why::Gone(format!("{}: not configured any more", now.gone.join(", ")));
                    }
                    for gone in now.gone.iter().skip(told) {
                        self.say(&Line::Note(format!("{gone}: not configured any more")));
                    }
                    told = now.gone.len();
                }
                () = sleep_until(until) => return Why::Time,
                gone = has_gone(guest) => {
                    if gone {
                        return Why::Asked;
                    }
                }
                written = write_some(guest, self.lines.get(self.written..).unwrap_or_default()), if waits => {
                    match written {
                        Ok(count) => self.wrote(count),
                        Err(_) => return Why::Asked,
                    }
                    read_at = Instant::now();
                }
                () = sleep_until(read_at + patience), if waits => return Why::Unread,
                batch = self.batches.recv() => {
                    let Some(batch) = batch else { return Why::Ending };
                    if self.take(batch, workers) {
                        return Why::Count;
                    }
                }
            }
        }
    }

    /// Makes lines of a batch, and of those that came with it; whether there are as many frames as were asked for.
    fn take(&mut self, batch: Batch, workers: &[CommandSender]) -> bool {
        let was_full = self.batches.capacity() == 0;
        let mut all = vec![batch];
        while all.len() < self.batches.max_capacity()
            && let Ok(more) = self.batches.try_recv()
        {
            all.push(more);
        }
        if was_full {
            // They may have more, and nothing else to do.
            workers.iter().for_each(CommandSender::wake);
        }
        self.add(&all)
    }

    fn count_dropped(&mut self, batches: &[Batch]) {
        for (place, count) in batches.iter().flat_map(Batch::dropped) {
            let dropped = self.capture.plan.wish.places.binary_search(place);
            if let Some(sum) = dropped.ok().and_then(|at| self.dropped.get_mut(at)) {
                *sum += count;
            }
        }
    }

    fn add(&mut self, batches: &[Batch]) -> bool {
        let mut frames: Vec<(&Record, &[u8])> = batches.iter().flat_map(Batch::iter).collect();
        frames.sort_by_key(|(record, _)| record.at);
        let most = self.capture.plan.count.unwrap_or(u64::MAX);
        for (record, bytes) in frames {
            if self.frames >= most {
                break;
            }
            let places = &self.capture.plan.wish.places;
            let Ok(interface) = places.binary_search(&record.subject.place) else {
                continue;
            };
            if self.lines.len() >= WAITING_BYTES {
                // Who asked does not keep up.
                if let Some(sum) = self.dropped.get_mut(interface) {
                    *sum += 1;
                }
                continue;
            }
            let frame = line(record, bytes, interface, &self.names, self.zero);
            self.say(&Line::Frame(frame));
            self.frames += 1;
        }
        self.capture.frames.store(self.frames, Ordering::Relaxed);
        let has_all = self.frames >= most;
        if !has_all {
            // Otherwise those that had no room would have been too many.
            self.count_dropped(batches);
        }
        let dropped = self.dropped.iter().sum();
        self.capture.dropped.store(dropped, Ordering::Relaxed);
        has_all
    }

    fn say(&mut self, line: &Line) {
        // There is nothing in it that cannot be written.
        if serde_json::to_writer(&mut self.lines, line).is_ok() {
            self.lines.push(b'\n');
        }
    }

    fn wrote(&mut self, count: usize) {
        self.written += count;
        if self.written >= WAITING_BYTES / 4 || self.written >= self.lines.len() {
            self.lines.drain(..self.written);
            self.written = 0;
        }
    }

    /// Takes what the workers still have, and says how it ended.
    async fn end(mut self, why: Why, workers: &[CommandSender], guest: &UnixStream) -> End {
        let ask = |worker: &CommandSender| {
            let (done, answer) = oneshot::channel();
            let id = self.capture.id;
            worker.send(Command::EndCapture { id, done });
            answer
        };
        let answers: Vec<_> = workers.iter().map(ask).collect();
        let until = Instant::now() + LAST;
        let mut rest = Vec::new();
        for answer in answers {
            // A worker that has ended, or hangs, has nothing to say.
            if let Ok(Ok(batch)) = timeout_at(until, answer).await {
                rest.push(batch);
            }
        }
        while let Ok(batch) = self.batches.try_recv() {
            rest.push(batch);
        }
        // Of what nobody reads only the losses are of interest.
        match why {
            Why::Count => {}
            Why::Unread => self.count_dropped(&rest),
            _ => {
                self.add(&rest);
            }
        }
        let end = End {
            reason: why.words(),
            cut: matches!(why, Why::Unread | Why::Gone(_) | Why::Ending),
            frames: self.frames,
            dropped: self.dropped.clone(),
        };
        self.say(&Line::End(end.clone()));
        // Who does not read it has itself to thank.
        let _ = write(guest, self.lines.get(self.written..).unwrap_or_default(), LAST).await;
        end
    }
}

impl Why {
    fn words(&self) -> String {
        match self {
            Why::Count => "as many frames as were asked for".to_owned(),
            Why::Time => "its time is over".to_owned(),
            Why::Asked => "ended by who asked".to_owned(),
            Why::Unread => format!("nothing was read for {} s", PATIENCE.as_secs()),
            Why::Gone(what) => what.clone(),
            Why::Ending => "the gateway ends".to_owned(),
        }
    }
}

/// Waits until somebody has said something; whether it was that it wants no more. What else it says is not for us.
async fn has_gone(guest: &UnixStream) -> bool {
    let mut chunk = [0; 64];
    if guest.readable().await.is_err() {
        return true;
    }
    match guest.try_read(&mut chunk) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

/// Writes as much as goes without waiting, once something goes.
async fn write_some(guest: &UnixStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        guest.writable().await?;
        match guest.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            outcome => return outcome,
        }
    }
}
