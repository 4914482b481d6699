//! The gateway that runs with a configuration, by way of its own program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::de::DeserializeOwned;

use crate::streams;

/// What the program is called.
const PROGRAM: &str = "aoe-gateway";
/// Its exit code when no gateway runs (`EX_UNAVAILABLE`).
const NOT_RUNNING: i32 = 69;

/// What came of an order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It was done; what was said.
    Done(String),
    /// No gateway runs with this configuration.
    NotRunning,
    /// There is no program here that could be asked.
    NoProgram,
    /// It was not done; what was said.
    Refused(String),
}

impl Told {
    /// For people, after what was done to the files; `what` counts now or later.
    pub(crate) fn say(&self, config: &Path, what: &str) {
        match self {
            Told::Done(_) => streams::note(format_args!("The running gateway was told.")),
            Told::NotRunning => streams::note(format_args!(
                "No gateway runs with {}: {what} when it starts.",
                config.display()
            )),
            Told::NoProgram => streams::note(format_args!(
                "There is no {PROGRAM} here to tell a gateway: {what} when one reads its files."
            )),
            Told::Refused(why) => streams::note(format_args!(
                "The running gateway refused to reload, {what} all the same once it has seen the file; see its log. It \
                 said:\n{}",
                why.trim_end()
            )),
        }
    }
}

/// Has the gateway that runs with `config` read its files again.
pub(crate) fn reload(config: &Path) -> Told {
    match run(config, &["reload"]) {
        Ok(output) if output.status.success() => Told::Done(text(&output.stdout)),
        Ok(output) if output.status.code() == Some(NOT_RUNNING) => Told::NotRunning,
        Ok(output) => Told::Refused(text(&output.stderr)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Told::NoProgram,
        Err(error) => Told::Refused(format!("cannot run {PROGRAM}: {error}")),
    }
}

/// How the gateway that runs with `config` is; `None` if none does, or it does not say.
pub(crate) fn status<T: DeserializeOwned>(config: &Path) -> Option<T> {
    let output = run(config, &["status", "--json"]).ok()?;
    output
        .status
        .success()
        .then(|| serde_json::from_slice(&output.stdout).ok())?
}

fn run(config: &Path, verb: &[&str]) -> std::io::Result<Output> {
    Command::new(program())
        .args(verb)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .output()
}

/// The one beside this program, or else the one that the shell would find.
fn program() -> PathBuf {
    let beside = std::env::current_exe().map(|ours| ours.with_file_name(PROGRAM));
    match beside {
        Ok(beside) if beside.is_file() => beside,
        _ => PathBuf::from(PROGRAM),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
