//! The signals an operator sends.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::driver::{Command, CommandSender};

/// Those that are heard.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user: Signal,
}

impl Signals {
    /// Hears them from now on: none finds its default action any more.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
        })
    }

    /// Obeys them for as long as it is polled.
    pub(super) async fn obey(mut self, commands: Vec<CommandSender>, hangups: Arc<Notify>) -> Infallible {
        let tell = |command: fn() -> Command| commands.iter().for_each(|worker| worker.send(command()));
        loop {
            tokio::select! {
                Some(()) = self.terminate.recv() => {
                    tracing::info!("ending: SIGTERM");
                    tell(|| Command::Shutdown);
                }
                Some(()) = self.interrupt.recv() => {
                    tracing::info!("ending: SIGINT");
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
