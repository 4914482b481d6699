//! Standard input, output and error. Secrets pass unbuffered, and none of the three being closed, full or a
//! broken pipe ends in a panic.

use std::fmt::Arguments;
use std::fs::{File, Metadata};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people and for `$(…)`.
    Text,
    /// One JSON value on one line.
    Json,
}

/// Writes to standard output, past the buffer of [`io::Stdout`], which nobody would erase.
pub(crate) fn emit(text: &str) -> Result<(), Failure> {
    let write = || unbuffered(io::stdout())?.write_all(text.as_bytes());
    write().map_err(Failure::StandardOutput)
}

/// Writes a value as JSON, by way of a buffer that is erased.
pub(crate) fn emit_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = Zeroizing::new(Vec::with_capacity(JSON_CAPACITY));
    serde_json::to_writer(&mut *text, value).map_err(|error| Failure::StandardOutput(error.into()))?;
    text.push(b'\n');
    let write = || unbuffered(io::stdout())?.write_all(&text);
    write().map_err(Failure::StandardOutput)
}

/// Tells the person at the keyboard something. If nobody can hear it, so be it.
pub(crate) fn note(words: Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{words}");
}

/// Warns if the secret about to be written to standard output would be seen by others.
pub(crate) fn warn_of_readers() {
    if io::stdout().is_terminal() {
        note(format_args!(
            "warning: the secret is shown on this terminal; `--out FILE` keeps it from being seen"
        ));
        return;
    }
    let Ok(found) = unbuffered(io::stdout()).and_then(|stdout| stdout.metadata()) else {
        return;
    };
    if is_readable_by_others(&found) {
        note(format_args!(
            "warning: the secret goes to a file others can read (mode {:04o}); use `--out FILE` instead, or \
             `chmod 600` it",
            found.mode() & 0o7777
        ));
    }
}

/// Standard input without a buffer of its own.
pub(crate) fn input() -> Result<File, Failure> {
    if io::stdin().is_terminal() {
        note(format_args!("reading a key from this terminal; end with Ctrl-D"));
    }
    unbuffered(io::stdin()).map_err(Failure::StandardInput)
}

/// Room for any one key with all that is said about it, so that the buffer does not move while a secret is in it.
const JSON_CAPACITY: usize = 4096;

fn unbuffered(stream: impl AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

fn is_readable_by_others(found: &Metadata) -> bool {
    found.is_file() && found.mode() & 0o077 != 0
}
