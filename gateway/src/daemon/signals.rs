//! The signals an operator sends.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::audit::{Audit, Entry};
use crate::driver::{Command, CommandSender};
use crate::logging::id;

/// Those that are heard.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user: Signal,
    audit: Audit,
}

impl Signals {
    /// Hears them from now on: none finds its default action any more.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
            audit: Audit::default(),
        })
    }

    /// Those that end the gateway are taken down there.
    pub(super) fn taken_down(self, audit: Audit) -> Self {
        Signals { audit, ..self }
    }

    /// Obeys them for as long as it is polled.
    pub(super) async fn obey(mut self, commands: Vec<CommandSender>, hangups: Arc<Notify>) -> Infallible {
        let tell = |command: fn() -> Command| commands.iter().for_each(|worker| worker.send(command()));
        loop {
            tokio::select! {
                Some(()) = self.terminate.recv() => {
                    tracing::info!(id = id::ENDING, reason = "SIGTERM", "ending: SIGTERM");
                    self.audit.record(Entry::Signal { signal: "SIGTERM" });
                    tell(|| Command::Shutdown);
                }
                Some(()) = self.interrupt.recv() => {
                    tracing::info!(id = id::ENDING, reason = "SIGINT", "ending: SIGINT");
                    self.audit.record(Entry::Signal { signal: "SIGINT" });
                    tell(|| Command::Shutdown);
                }
                Some(()) = self.hangup.recv() => {
                    // Several before the first is obeyed are as good as one.
                    hangups.notify_one();
                }
                Some(()) = self.user.recv() => tell(|| Command::LogCounters),
                else => std::future::pending().await,
            }
        }
    }
}
