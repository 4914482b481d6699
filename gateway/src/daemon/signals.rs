//! The signals an operator sends.

use std::convert::Infallible;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::Sender;

use crate::control::Ask;
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
    pub(super) async fn obey(mut self, commands: Vec<CommandSender>, reloads: Sender<Ask>) -> Infallible {
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
                    // If the line is full, a reload that is asked for already comes after this signal.
                    let _ = reloads.try_send(Ask::by_hangup());
                }
                Some(()) = self.user.recv() => tell(|| Command::LogCounters),
                else => std::future::pending().await,
            }
        }
    }
}
