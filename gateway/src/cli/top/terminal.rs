//! The terminal: taken when it begins, given back whatever ends it.

use std::env;
use std::io::{self, IsTerminal, Write, stdin, stdout};
use std::panic;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::{Position, Rect};

use super::app::App;
use super::draw::{self, Drawn};
use super::theme::Theme;

/// Whether there is a terminal that can be drawn on.
///
/// # Errors
/// What is missing.
pub(super) fn suitable() -> Result<(), &'static str> {
    let term = env::var_os("TERM").unwrap_or_default();
    if !stdout().is_terminal() || !stdin().is_terminal() {
        Err("top needs a terminal for its input and its output")
    } else if term.is_empty() || term == "dumb" {
        Err("the terminal is not known as one that can be drawn on (see $TERM)")
    } else {
        Ok(())
    }
}

/// A terminal that is ours until this is dropped.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<io::Stdout>>,
    theme: Theme,
}

impl Screen {
    /// Takes the terminal. If the process panics, it is given back before anything is said.
    ///
    /// # Errors
    /// The system says no.
    pub(super) fn take(theme: Theme) -> io::Result<Self> {
        let says = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            says(info);
        }));
        take()?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout())).inspect_err(|_| give_back())?;
        Ok(Screen { terminal, theme })
    }

    /// Draws.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn draw(&mut self, app: &App) -> io::Result<Drawn> {
        let mut drawn = Drawn { reach: 0, page: 1 };
        self.terminal
            .draw(|frame| drawn = draw::draw(app, frame.buffer_mut(), self.theme))?;
        Ok(drawn)
    }

    /// Something else wrote on it: everything is drawn again.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        // `Terminal::clear` asks where the cursor is, and the thread that reads keys would get the answer.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size)))
    }

    /// Gives it back for a while.
    pub(super) fn leave(&mut self) {
        give_back();
    }

    /// Takes it again, whatever the shell did with it in between.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn enter(&mut self) -> io::Result<()> {
        // What the terminal was like before is asked again.
        disable_raw_mode()?;
        take()?;
        self.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen).inspect_err(|_| give_back())
}

/// If the terminal is gone there is nothing to give back, and nobody to tell.
fn give_back() {
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
    let _ = stdout().flush();
}
