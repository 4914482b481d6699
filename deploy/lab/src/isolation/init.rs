//! Process 1 of the new pid namespace.
//!
//! It handles no signal: the kernel keeps those of its own namespace from a process 1 without handlers, and what the
//! outside process has to say comes through the pipe, where nothing can get lost.

use std::fs;
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{SCRATCH, STAGE, forwarded_signals};

/// How long the command may take to end after SIGTERM before init ends everything.
const GRACE: Duration = Duration::from_secs(10);

/// Becomes process 1 if [`super::run`] started this process as such; returns at once otherwise.
///
/// Has to be the first thing in `main` of the binary given to [`super::run`] as `init`.
pub fn run_as_init_if_asked() {
    if std::env::var_os(STAGE).is_some_and(|stage| stage == "init") {
        let code = run_command().unwrap_or(125);
        std::process::exit(code);
    }
}

/// Starts the command named by our arguments and stays until it ends; returns its exit code.
fn run_command() -> io::Result<i32> {
    // The outside process holds these, and the command shall not inherit that.
    forwarded_signals().thread_unblock()?;
    let mut words = std::env::args_os().skip(1);
    let program = words.next().ok_or(io::ErrorKind::InvalidInput)?;
    let child = Command::new(program)
        .args(words)
        .env(STAGE, "inside")
        .stdin(Stdio::null())
        .spawn()?;
    let command = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    thread::spawn(move || obey_outside(command));
    loop {
        // Every orphan of the namespace is a child of ours, and collected here as well.
        match waitpid(None, None)? {
            WaitStatus::Exited(pid, code) if pid == command => return Ok(code),
            WaitStatus::Signaled(pid, signal, _) if pid == command => return Ok(128 + signal as i32),
            _ => {}
        }
    }
}

/// Passes every byte from outside on to the command as SIGTERM, and ends the namespace when the outside is gone.
fn obey_outside(command: Pid) {
    let mut byte = [0];
    while io::stdin().read(&mut byte).is_ok_and(|count| count > 0) {
        // It may have ended just now, which the main thread finds out.
        let _ = kill(command, Signal::SIGTERM);
        thread::spawn(|| {
            thread::sleep(GRACE);
            std::process::exit(128 + Signal::SIGTERM as i32);
        });
    }
    if let Some(scratch) = std::env::var_os(SCRATCH) {
        // Nobody outside is left to remove it, and nobody to tell if that fails.
        let _ = fs::remove_dir_all(scratch);
    }
    std::process::exit(128 + Signal::SIGHUP as i32);
}
