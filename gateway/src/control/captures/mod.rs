//! Captures: copies of frames, handed to who asks for them by the control socket, and to nobody else.
//!
//! - `lines`: what is said on the socket
//! - `select`: what is to be captured, by its names; `words`: a copied frame in words
//! - `stream`: one capture, from its first frame to its end
//!
//! A capture is prepared in turn with reloads, so its names are those of the running configuration, and begins when its
//! caller has the answer. It ends by itself.

pub(crate) mod lines;
mod select;
mod stream;
mod words;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aoe_common::config::GatewayConfig;
use aoe_common::snapshot;
use aoe_common::tap::MOST_CAPTURES;
use tokio::net::UnixStream;
use tokio::sync::watch;

use self::lines::{Begun, Wanted};
use self::select::{Plan, in_words, is_there, names, select};
use self::words::Names;
use super::orders::By;
use crate::clock::{Clock, unix_time};
use crate::driver::CommandSender;

/// How long a capture lasts unless it is told otherwise.
pub(crate) const USUAL: Duration = Duration::from_secs(5 * 60);
/// No capture lasts longer: one that is forgotten ends.
pub(crate) const LONGEST: Duration = Duration::from_secs(60 * 60);
/// A capture that nobody claims after it was prepared is forgotten.
const UNCLAIMED: Duration = Duration::from_secs(10);

/// All captures of a gateway.
#[derive(Clone, Debug)]
pub(crate) struct Captures(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    workers: Vec<CommandSender>,
    clock: Clock,
    next: AtomicU64,
    captures: Mutex<Vec<Arc<Capture>>>,
}

/// A capture.
#[derive(Debug)]
struct Capture {
    id: u64,
    by: By,
    plan: Plan,
    /// What is captured.
    what: String,
    prepared: Instant,
    /// In Unix time.
    since: Duration,
    /// Frames that were handed over.
    frames: AtomicU64,
    /// Frames for which there was no room.
    dropped: AtomicU64,
    news: watch::Sender<News>,
    /// Whether its caller has the answer.
    claimed: AtomicBool,
}

/// What a running capture has to know.
#[derive(Clone, Debug, Default)]
struct News {
    /// What peers are called.
    names: Arc<Names>,
    /// What is not captured any more, in words.
    gone: Vec<String>,
    /// Nothing is captured any more.
    is_over: bool,
}

/// Of no gateway.
impl Default for Captures {
    fn default() -> Self {
        Captures::new(Vec::new(), Clock::start())
    }
}

impl Captures {
    /// None runs.
    pub(crate) fn new(workers: Vec<CommandSender>, clock: Clock) -> Self {
        Captures(Arc::new(Shared {
            workers,
            clock,
            next: AtomicU64::new(1),
            captures: Mutex::default(),
        }))
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<Capture>>> {
        self.0.captures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prepares a capture; [`stream`](Self::stream) begins it.
    ///
    /// # Errors
    /// Why there is none, and what to do.
    pub(super) fn prepare(&self, wanted: &Wanted, by: By, config: &GatewayConfig) -> Result<Begun, String> {
        let plan = select(wanted, config)?;
        let names = names(config);
        let mut all = self.all();
        all.retain(|capture| capture.is_claimed() || capture.prepared.elapsed() < UNCLAIMED);
        if all.len() >= MOST_CAPTURES {
            let who: Vec<_> = all.iter().map(|capture| capture.by.to_string()).collect();
            return Err(format!(
                "{MOST_CAPTURES} captures run already, and no more do at a time: of {}",
                who.join("; of ")
            ));
        }
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let begun = Begun {
            id,
            interfaces: plan.interfaces.clone(),
            snaplen: plan.wish.snaplen,
            seconds: plan.seconds,
        };
        let news = News {
            names: Arc::new(names),
            ..News::default()
        };
        all.push(Arc::new(Capture {
            id,
            by,
            what: in_words(&plan, &news.names),
            plan,
            prepared: Instant::now(),
            since: unix_time(),
            frames: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            news: watch::Sender::new(news),
            claimed: AtomicBool::new(false),
        }));
        Ok(begun)
    }

    /// Begins a capture that was prepared, and hands its frames to who asked until it ends.
    pub(super) fn stream(&self, id: u64, guest: Arc<UnixStream>) {
        let found = self.all().iter().find(|capture| capture.id == id).cloned();
        let Some(capture) = found.filter(|capture| capture.claim()) else {
            return;
        };
        let captures = self.clone();
        tokio::spawn(async move {
            let (workers, clock) = (&captures.0.workers, captures.0.clock);
            tracing::info!(
                id = crate::logging::id::CAPTURE,
                "capture {id} by {} begins: {}; it shows plaintext",
                capture.by,
                capture.what
            );
            let end = stream::run(&capture, workers, clock, &guest).await;
            captures.forget(id);
            tracing::info!(
                id = crate::logging::id::CAPTURE,
                "capture {id} by {} ends: {}; {} frames captured, {} dropped",
                capture.by,
                end.reason,
                end.frames,
                end.dropped.iter().sum::<u64>()
            );
        });
    }

    /// Forgets a capture.
    pub(super) fn forget(&self, id: u64) {
        self.all().retain(|capture| capture.id != id);
    }

    /// The configuration is this one from now on.
    pub(super) fn follow(&self, config: &GatewayConfig) {
        let names = Arc::new(names(config));
        for capture in self.all().iter() {
            let wish = &capture.plan.wish;
            let mut gone: Vec<String> = wish
                .places
                .iter()
                .zip(&capture.plan.interfaces)
                .filter(|(place, _)| !is_there(**place, config))
                .map(|(_, interface)| interface.name.clone())
                .collect();
            let no_place = gone.len() == wish.places.len();
            let no_peer = wish.peer.filter(|peer| config.peers.get(*peer).is_none());
            if let Some(peer) = no_peer {
                let before = capture.news.borrow().names.get(&peer).cloned();
                gone.push(format!("peer {}", before.unwrap_or_default()));
            }
            capture.news.send_modify(|news| {
                if no_peer.is_none() {
                    news.names = names.clone();
                }
                news.gone = gone;
                news.is_over |= no_place || no_peer.is_some();
            });
        }
    }

    /// Those that run.
    pub(super) fn rows(&self) -> Vec<snapshot::Capture> {
        let all = self.all();
        let running = all.iter().filter(|capture| capture.is_claimed());
        running.map(|capture| capture.row()).collect()
    }
}

impl Capture {
    fn is_claimed(&self) -> bool {
        self.claimed.load(Ordering::Relaxed)
    }

    /// Whether it was not claimed before.
    fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::Relaxed)
    }

    fn row(&self) -> snapshot::Capture {
        let seconds = |time: Duration| time.as_secs_f64();
        snapshot::Capture {
            id: self.id,
            what: self.what.clone(),
            by: self.by.to_string(),
            since: seconds(self.since),
            until: seconds(self.since + Duration::from_secs(self.plan.seconds)),
            frames: self.frames.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}
