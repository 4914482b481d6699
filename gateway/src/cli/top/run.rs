//! The loop: documents, keys and signals go to the model, the model is drawn.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, raise};
use ratatui::crossterm::event::{self, Event};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::app::{App, Then};
use super::keys::Key;
use super::terminal::Screen;
use super::theme::Theme;
use crate::cli::client;
use crate::cli::document::Document;
use crate::cli::paint::Paint;

/// So many of them may wait to be drawn.
const ROOM: usize = 64;

/// What happens.
enum Happens {
    Key(Key),
    Resized,
    Said(Result<Box<Document>, String>),
    /// The terminal is gone.
    Lost(io::Error),
}

/// Shows it until the user or a signal ends it.
///
/// # Errors
/// The terminal is gone, or the system has no thread left.
pub(super) fn run(config: &Path, every: Duration, mut app: App) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let screen = Screen::take(Theme::of_environment())?;
    let (sender, receiver) = channel(ROOM);
    listen(sender.clone())?;
    observe(config.to_owned(), every, sender)?;
    let ended = runtime.block_on(turn(&mut app, screen, receiver));
    // A thread may wait in a read; nobody waits for it.
    runtime.shutdown_background();
    ended
}

async fn turn(app: &mut App, mut screen: Screen, mut receiver: Receiver<Happens>) -> io::Result<()> {
    let begun = Instant::now();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut quit = signal(SignalKind::quit())?;
    // From outside: Ctrl-Z is a key here.
    let mut stop = signal(SignalKind::from_raw(libc::SIGTSTP))?;
    let mut goes_on = signal(SignalKind::from_raw(libc::SIGCONT))?;
    loop {
        let drawn = screen.draw(app)?;
        app.drawn(drawn.reach, drawn.page);
        let then = tokio::select! {
            happens = receiver.recv() => match happens {
                None => Then::Quit,
                Some(Happens::Key(key)) => app.key(key),
                Some(Happens::Resized) => Then::Draw,
                Some(Happens::Said(said)) => {
                    app.heard(said.map(|document| *document), begun.elapsed());
                    Then::Draw
                }
                Some(Happens::Lost(error)) => return Err(error),
            },
            _ = terminate.recv() => Then::Quit,
            _ = interrupt.recv() => Then::Quit,
            _ = hangup.recv() => Then::Quit,
            _ = quit.recv() => Then::Quit,
            _ = stop.recv() => Then::Suspend,
            // It was stopped by something that no program hears of.
            _ = goes_on.recv() => {
                screen.enter()?;
                Then::Draw
            }
        };
        match then {
            Then::Draw => {}
            Then::Redraw => screen.clear()?,
            Then::Suspend => {
                screen.leave();
                // Here the process stands until somebody says SIGCONT.
                raise(Signal::SIGSTOP)?;
                screen.enter()?;
            }
            Then::Quit => return Ok(()),
        }
    }
}

/// Reads keys on a thread of its own.
fn listen(sender: Sender<Happens>) -> io::Result<()> {
    let listen = move || {
        loop {
            let happens = match event::read() {
                Ok(Event::Key(event)) => Key::of(event).map(Happens::Key),
                Ok(Event::Resize(..)) => Some(Happens::Resized),
                Ok(_) => None,
                Err(error) => {
                    let _ = sender.blocking_send(Happens::Lost(error));
                    return;
                }
            };
            if let Some(happens) = happens
                && sender.blocking_send(happens).is_err()
            {
                return;
            }
        }
    };
    thread::Builder::new().name("keys".into()).spawn(listen).map(drop)
}

/// Asks the gateway on a thread of its own: one that does not answer holds up no key.
fn observe(config: PathBuf, every: Duration, sender: Sender<Happens>) -> io::Result<()> {
    let observe = move || {
        let mut spent = Duration::ZERO;
        loop {
            thread::sleep(every.saturating_sub(spent));
            let begun = Instant::now();
            let said = client::observe(&config).map(Box::new).map_err(|unheard| {
                let text = unheard.text(&Paint::default());
                crate::cli::words::plain(text.lines().next().unwrap_or_default())
            });
            if sender.blocking_send(Happens::Said(said)).is_err() {
                return;
            }
            spent = begun.elapsed();
        }
    };
    thread::Builder::new()
        .name("observe".into())
        .spawn(observe)
        .map(drop)
}
