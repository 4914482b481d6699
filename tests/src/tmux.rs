//! A terminal for programs that need one: a tmux server of its own, which ends with this.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};

use crate::stage::{run_command, tool};
use crate::trial::PATIENCE;

/// The only session.
const SESSION: &str = "story";
/// What the shell says when it waits for a command.
pub const PROMPT: &str = "ready$";

/// A terminal with a shell.
#[derive(Debug)]
pub struct Tmux {
    program: PathBuf,
    dir: PathBuf,
}

impl Tmux {
    /// A shell in a terminal of so many columns and lines; the socket is in `dir`.
    ///
    /// # Errors
    /// When tmux is not there, or does not start.
    pub fn start(dir: &Path, columns: u16, lines: u16) -> Result<Self> {
        let tmux = Tmux {
            program: tool("tmux")?,
            dir: dir.to_owned(),
        };
        let prompt = format!("PS1={PROMPT} ");
        let (columns, lines) = (columns.to_string(), lines.to_string());
        let size = ["-x", &columns, "-y", &lines];
        let dir = dir.to_str().context("a path that is no text")?;
        let start = [
            &["new-session", "-d", "-s", SESSION, "-c", dir][..],
            &size,
            &["env", &prompt, "sh"],
        ];
        tmux.ask(&start.concat())?;
        Ok(tmux)
    }

    /// Text and Enter.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn command(&self, text: &str) -> Result<()> {
        self.text(text)?;
        self.key("Enter")
    }

    /// Text, letter by letter.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn text(&self, text: &str) -> Result<()> {
        self.ask(&["send-keys", "-t", SESSION, "-l", text]).map(drop)
    }

    /// A key by tmux's name for it.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn key(&self, key: &str) -> Result<()> {
        self.ask(&["send-keys", "-t", SESSION, key]).map(drop)
    }

    /// The terminal has another size.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn resize(&self, columns: u16, lines: u16) -> Result<()> {
        let (columns, lines) = (columns.to_string(), lines.to_string());
        self.ask(&["resize-window", "-t", SESSION, "-x", &columns, "-y", &lines])
            .map(drop)
    }

    /// What stands on the screen.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn screen(&self) -> Result<String> {
        self.ask(&["capture-pane", "-p", "-t", SESSION])
    }

    /// What stands on the screen, with its colours as escape sequences.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn coloured(&self) -> Result<String> {
        self.ask(&["capture-pane", "-e", "-p", "-t", SESSION])
    }

    /// Something that tmux knows of the terminal, such as `alternate_on`.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn fact(&self, name: &str) -> Result<String> {
        let said = self.ask(&["display-message", "-p", "-t", SESSION, &format!("#{{{name}}}")])?;
        Ok(said.trim().to_owned())
    }

    fn tmux(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env("TMUX_TMPDIR", &self.dir)
            .env("LC_ALL", "C.UTF-8")
            .env_remove("TMUX")
            .env_remove("NO_COLOR")
            .args(["-L", "story", "-f", "/dev/null"]);
        command
    }

    fn ask(&self, args: &[&str]) -> Result<String> {
        let mut command = self.tmux();
        command.args(args);
        let said = run_command(None, command, PATIENCE)?;
        ensure!(said.code == Some(0), "tmux {args:?}: {said:?}");
        Ok(said.stdout)
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let ended: Result<Output> = self.tmux().arg("kill-server").output().context("tmux");
        if let Err(error) = ended {
            println!("{error:#}");
        }
    }
}
