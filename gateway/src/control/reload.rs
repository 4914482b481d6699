//! Requests, one after the other.

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::fs;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::change::{Followers, Running};
use super::compare::{Obstacle, compare};
use super::learning::KeyNews;
use super::orders::{Ask, By};
use super::protocol::{Answer, Outcome, Request};
use super::snapshots::{About, Snapshots};
use super::steering::Drain;
use super::words::{Line, words};
use crate::audit::{Audit, Entry, differences};
use crate::clock::unix_time;
use crate::config::{Examined, Faults, Loaded, Watched, examine_again, examine_to_run, revoked_now};
use crate::key_memory::Memory;
use crate::logging::id;

/// Changes that are logged one by one, the worst first: the log has room for some thousand lines at a time.
const MOST_LOGGED: usize = 1000;
/// How long reading all files may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why the configuration is read again.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    /// Somebody wants it.
    Asked(By),
    /// These files have changed, which count at once.
    Changed(Vec<PathBuf>),
}

impl Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Asked(by) => by.fmt(f),
            Cause::Changed(files) => {
                let names: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
                write!(f, "a change of {}", names.join(", "))
            }
        }
    }
}

/// What other rooms say to the [`Reloader`], and what it says to them.
#[derive(Debug)]
pub(crate) struct Lines {
    /// Requests.
    pub(crate) asks: mpsc::Receiver<Ask>,
    /// A signal asks for a reload.
    pub(crate) hangups: Arc<Notify>,
    /// Files have changed that count at once.
    pub(crate) changes: mpsc::Receiver<Vec<PathBuf>>,
    /// What data planes say of keys.
    pub(crate) keys: mpsc::UnboundedReceiver<KeyNews>,
    /// Which files these are, and the versions in use.
    pub(crate) watched: watch::Sender<Vec<Watched>>,
}

/// Carries requests out.
#[derive(Debug)]
pub(crate) struct Reloader {
    running: Running,
    watched: Option<watch::Sender<Vec<Watched>>>,
    /// The file that the gateway was started with, as it was named then.
    config: PathBuf,
    snapshots: Arc<Snapshots>,
    audit: Audit,
}

/// What is found in a configuration that the gateway can become.
struct Findings {
    lines: Vec<Line>,
    warnings: Faults,
    /// Rights and keys that differ.
    differences: Vec<Entry>,
}

impl Reloader {
    /// The gateway runs with what `config` says, which is `loaded`; `followers` have to hear of changes.
    pub(crate) fn new(
        config: PathBuf,
        loaded: Loaded,
        (followers, memory): (Followers, Memory),
        snapshots: Arc<Snapshots>,
        audit: Audit,
    ) -> Self {
        Reloader {
            running: Running::new(loaded, followers, memory),
            watched: None,
            config,
            snapshots,
            audit,
        }
    }

    /// Carries out requests, and the reloads that signals and files ask for, for as long as it is polled.
    pub(crate) async fn run(mut self, lines: Lines) -> Infallible {
        let Lines {
            mut asks,
            hangups,
            mut changes,
            mut keys,
            watched,
        } = lines;
        self.watched = Some(watched);
        loop {
            tokio::select! {
                () = hangups.notified() => {
                    // Nobody waits for the answer: it is in the log.
                    let _ = self.reload(self.config.clone(), Cause::Asked(By::Hangup)).await;
                }
                Some(files) = changes.recv() => {
                    let _ = self.reload(self.config.clone(), Cause::Changed(files)).await;
                }
                Some(news) = keys.recv() => self.running.learn(news, &self.audit).await,
                Some(ask) = asks.recv() => self.obey(ask).await,
                () = self.running.drained() => self.running.narrow().await,
            }
        }
    }

    async fn obey(&mut self, ask: Ask) {
        if ask.is_abandoned() {
            tracing::info!(
                id = id::ORDER_ABANDONED,
                "a request of {} is not carried out: who asked has gone",
                ask.by
            );
            return;
        }
        let answer = match ask.request {
            Request::Reload { config } => self.reload(config, Cause::Asked(ask.by)).await,
            Request::Diff { config } => self.diff(config).await,
            Request::Pause { what, seconds } => self.running.pause(&what, seconds, ask.by).await,
            Request::Resume { what } => self.running.resume(&what, ask.by).await,
            Request::Drain {
                what,
                seconds,
                timeout,
                then_resume,
            } => {
                let how = Drain { timeout, then_resume };
                match self.running.drain(&what, seconds, how, ask.by).await {
                    // Others need not wait for what this one waits for.
                    Ok(draining) => return drop(tokio::spawn(draining.run(ask.reply))),
                    Err(answer) => answer,
                }
            }
            Request::PeerDown { peer } => self.running.peer_down(&peer, ask.by).await,
            Request::PeerUp { peer } => self.running.peer_up(&peer, ask.by).await,
            Request::AcceptDisk { export } => self.running.accept_disk(&export, ask.by).await,
            Request::Log { filter } => self.running.log_this(&filter, ask.by),
            Request::Capture(wanted) => self.running.capture(&wanted, ask.by),
            Request::SetLimit { users, rates } => self.running.set_limit(&users, rates, ask.by).await,
            Request::ClearLimit { users } => self.running.clear_limit(&users, ask.by).await,
            Request::Limits => self.running.list_limits().await,
        };
        // Who has gone meanwhile finds it in the log.
        let _ = ask.reply.try_send(answer);
    }

    /// Says what a reload would change.
    async fn diff(&self, config: PathBuf) -> Answer {
        match self.candidate(move || examine_to_run(&config)).await {
            Ok((_, found)) => {
                let outcome = match found.lines.as_slice() {
                    [] => Outcome::Same,
                    _ => Outcome::WouldChange,
                };
                found.answer(outcome)
            }
            Err(obstacle) => obstacle.answer(),
        }
    }

    /// Reloads, and has it taken down whatever comes of it.
    async fn reload(&mut self, config: PathBuf, cause: Cause) -> Answer {
        let (answer, differences) = self.reload_and_log(config, &cause).await;
        // The file is opened again too.
        self.audit.follow(self.running.loaded().settings.audit.as_ref());
        self.audit.record(Entry::reload(&cause, &answer));
        for difference in differences {
            self.audit.record(difference);
        }
        answer
    }

    /// Reloads; what it answers, and which rights and keys are others now.
    async fn reload_and_log(&mut self, config: PathBuf, cause: &Cause) -> (Answer, Vec<Entry>) {
        match self.try_reload(config, cause).await {
            // A program that changes a file and then asks for a reload has had what it wants.
            Ok(found) if found.lines.is_empty() && matches!(cause, Cause::Changed(_)) => {
                tracing::debug!(id = id::RELOAD, "reload by {cause}: nothing has changed");
                (found.answer(Outcome::Same), Vec::new())
            }
            Ok(mut found) => {
                for warning in found.warnings.iter() {
                    tracing::warn!(id = id::CONFIG_WARNING, "{warning}");
                }
                let outcome = match found.lines.as_slice() {
                    [] => {
                        tracing::info!(id = id::RELOAD, "reload by {cause}: nothing has changed");
                        Outcome::Same
                    }
                    lines => {
                        tracing::info!(id = id::RELOAD, "reload by {cause}: {}", count(lines.len()));
                        for line in lines.iter().take(MOST_LOGGED) {
                            tracing::info!(id = id::RELOAD, "reload: {}", line.text);
                        }
                        if let Some(more) = lines.len().checked_sub(MOST_LOGGED).filter(|more| *more > 0) {
                            tracing::info!(id = id::RELOAD, "reload: and {more} more");
                        }
                        Outcome::Changed
                    }
                };
                let differences = mem::take(&mut found.differences);
                (found.answer(outcome), differences)
            }
            Err(obstacle) => {
                if let Obstacle::Faults(faults) = &obstacle {
                    for fault in faults.iter() {
                        tracing::warn!(id = id::CONFIG_FAULT, "{fault}");
                    }
                }
                tracing::warn!(
                    id = id::RELOAD_REFUSED,
                    reason = obstacle.reason(),
                    "reload by {cause}: nothing was changed: {}",
                    obstacle.reason()
                );
                let differences = match cause {
                    Cause::Changed(_) => self.revoke().await,
                    Cause::Asked(_) => Vec::new(),
                };
                (obstacle.answer(), differences)
            }
        }
    }

    /// What is revoked counts, whatever else is wrong with files: nobody waits for a psk that is half written. What differs.
    async fn revoke(&mut self) -> Vec<Entry> {
        let (config, texts) = (self.config.clone(), self.running.loaded().origin.texts.clone());
        let reading = timeout(PATIENCE, spawn_blocking(move || revoked_now(&config, &texts)));
        let Ok(Ok(Some((revoked, revocations)))) = reading.await else {
            return Vec::new();
        };
        let running = self.running.loaded();
        if running.core.revoked == revoked {
            return Vec::new();
        }
        let new = running.with_revoked(revoked, revocations.clone());
        let differences = differences(running, &new);
        let now = self.snapshots.snapshot().await;
        let lines = words(running, &new, &now, self.running.log().fixed());
        if let Err(obstacle) = self.running.become_as(new).await {
            tracing::warn!(
                id = id::RELOAD_REFUSED,
                "nothing is revoked: {}",
                obstacle.reason()
            );
            return Vec::new();
        }
        for line in lines.iter().take(MOST_LOGGED) {
            tracing::warn!(
                id = id::RELOAD,
                "what is revoked counts all the same: {}",
                line.text
            );
        }
        self.snapshots
            .change(|about| about.gateway.revoked = revocations)
            .await;
        differences
    }

    async fn try_reload(&mut self, config: PathBuf, cause: &Cause) -> Result<Findings, Obstacle> {
        if !is_same_file(&config, &self.config) {
            let running = self.config.clone();
            return Err(Obstacle::OtherFile {
                asked: config,
                running,
            });
        }
        // By the path of the start: what faults and paths are relative to stays the same.
        let config = self.config.clone();
        let (loaded, found) = match cause {
            Cause::Asked(_) => self.candidate(move || examine_to_run(&config)).await?,
            Cause::Changed(_) => {
                let texts = self.running.loaded().origin.texts.clone();
                self.candidate(move || examine_again(&config, &texts)).await?
            }
        };
        let watched = loaded.origin.watched.clone();
        let endings = loaded.origin.endings.clone();
        let (revoked, fingerprint) = (loaded.revocations.clone(), loaded.core.keys.fingerprint());
        let listen = loaded.listen.iter().map(ToString::to_string).collect();
        self.running.become_as(loaded).await?;
        if let Some(files) = &self.watched {
            files.send_replace(watched);
        }
        let changed = u64::from(!found.lines.is_empty());
        let about = |about: &mut About| {
            about.gateway.configured = unix_time().as_secs_f64();
            about.gateway.listen = listen;
            about.endings = endings;
            about.gateway.revoked = revoked;
            about.gateway.fingerprint = fingerprint;
            about.gateway.reloads += changed;
        };
        self.snapshots.change(about).await;
        Ok(found)
    }

    /// What is read, if the gateway can become that. Nothing is changed.
    async fn candidate(
        &self,
        read: impl FnOnce() -> Examined + Send + 'static,
    ) -> Result<(Loaded, Findings), Obstacle> {
        // Files may be on a slow disk, or on one that does not answer.
        let reading = timeout(PATIENCE, spawn_blocking(read));
        let unread = |error: &dyn Display| Obstacle::System {
            reason: format!("cannot read the configuration: {error}"),
        };
        let Examined { loaded, faults } = reading
            .await
            .map_err(|error| unread(&error))?
            .map_err(|error| unread(&error))?;
        let Some(mut loaded) = loaded else {
            return Err(Obstacle::Faults(faults));
        };
        self.running.memory.apply(&mut loaded.core);
        let running = self.running.loaded();
        let loaded = compare(running, loaded)?;
        let now = self.snapshots.snapshot().await;
        let found = Findings {
            lines: words(running, &loaded, &now, self.running.log().fixed()),
            warnings: faults,
            differences: differences(running, &loaded),
        };
        Ok((loaded, found))
    }
}

impl Findings {
    fn answer(self, outcome: Outcome) -> Answer {
        let mut answer = Answer {
            outcome,
            changes: self.lines,
            ..Answer::default()
        };
        answer.tell(&self.warnings);
        answer
    }
}

/// `3 changes`.
pub(crate) fn count(changes: usize) -> String {
    match changes {
        1 => String::from("1 change"),
        _ => format!("{changes} changes"),
    }
}

/// Whether both are one file; one that is not there is compared by its path.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    one == other || real(one) == real(other)
}
