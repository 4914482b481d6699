//! Which of the forms the log has.

use std::env;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;

/// What a line of the log looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `Journald` if stderr leads to the journal, else `Text`.
    #[default]
    Auto,
    /// A line for people.
    Text,
    /// A JSON object in one line.
    Json,
    /// An entry of the journal, with fields.
    Journald,
}

impl LogFormat {
    /// The form with this name; an empty one is as good as none.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn parse(name: &str) -> Result<LogFormat, String> {
        match name {
            "" | "auto" => Ok(LogFormat::Auto),
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            "journald" => Ok(LogFormat::Journald),
            _ => Err(format!("`{name}` is none of auto, text, json, journald")),
        }
    }

    /// With what `Auto` means here.
    pub(super) fn settled(self, stderr_is_journal: bool) -> LogFormat {
        match self {
            LogFormat::Auto if stderr_is_journal => LogFormat::Journald,
            LogFormat::Auto => LogFormat::Text,
            LogFormat::Text | LogFormat::Json | LogFormat::Journald => self,
        }
    }
}

/// Whether stderr leads to the journal. systemd says in `JOURNAL_STREAM` which file that would be; a program that was
/// started with another stderr inherits the variable all the same (systemd.exec(5)).
pub(super) fn stderr_is_journal() -> bool {
    let Some(said) = env::var_os("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(stderr) = io::stderr().as_fd().try_clone_to_owned() else {
        return false;
    };
    let found = File::from(stderr).metadata();
    found.is_ok_and(|found| *said == *format!("{}:{}", found.dev(), found.ino()))
}
