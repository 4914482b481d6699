//! Programs of others: whether they are here, and what they say.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

/// Whether a peer can run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Availability {
    /// It can; what it says its version is.
    Ready(String),
    /// It cannot; what to do about it.
    Missing(String),
}

/// Where a program is, in `PATH` or where Debian keeps what is root's.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
}

/// A program with arguments.
pub(super) fn command(program: &str, args: &[&str]) -> Result<Command> {
    let path = find(program).with_context(|| format!("{program} is not installed"))?;
    let mut command = Command::new(path);
    command.args(args);
    Ok(command)
}

/// What a program prints.
pub(super) fn output(program: &str, args: &[&str]) -> Result<String> {
    let output = command(program, args)?.output();
    let output = output.with_context(|| format!("starting {program}"))?;
    anyhow::ensure!(
        output.status.success(),
        "{program} {}: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The second word of what `program --version` prints first.
pub(super) fn version_of(program: &str, hint: &str) -> Availability {
    let Ok(mut command) = command(program, &["--version"]) else {
        return Availability::Missing(hint.to_owned());
    };
    let said = command.output().map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    Availability::Ready(said.split_whitespace().nth(1).unwrap_or("?").to_owned())
}

/// TAP devices are made through this.
pub(super) fn tap_refusal() -> Option<String> {
    let opened = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/net/tun");
    opened.err().map(|error| format!("/dev/net/tun: {error}"))
}
