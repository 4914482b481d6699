//! Process 1 of the new pid namespace.

use std::fs;
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
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
    let signals = forwarded_signals();
    signals.thread_block()?;
    thread::spawn(end_with_outside);

    let mut words = std::env::args_os().skip(1);
    let program = words.next().ok_or(io::ErrorKind::InvalidInput)?;
    // The command shall not inherit our mask, or Ctrl-C would not reach it.
    signals.thread_unblock()?;
    let child = Command::new(program)
        .args(words)
        .env(STAGE, "inside")
        .stdin(Stdio::null())
        .spawn();
    signals.thread_block()?;
    let command = Pid::from_raw(i32::try_from(child?.id()).unwrap_or(i32::MAX));

    loop {
        if let Some(code) = reap(command)? {
            return Ok(code);
        }
        if signals.wait()? != Signal::SIGCHLD {
            // An error means it ended just now, which the next round reaps.
            let _ = kill(command, Signal::SIGTERM);
            thread::spawn(|| {
                thread::sleep(GRACE);
                std::process::exit(128 + Signal::SIGTERM as i32);
            });
        }
    }
}

/// Collects every ended process; returns the command's exit code if it was among them.
fn reap(command: Pid) -> io::Result<Option<i32>> {
    loop {
        let status = waitpid(None, Some(WaitPidFlag::WNOHANG))?;
        match status {
            WaitStatus::Exited(pid, code) if pid == command => return Ok(Some(code)),
            WaitStatus::Signaled(pid, signal, _) if pid == command => return Ok(Some(128 + signal as i32)),
            WaitStatus::StillAlive => return Ok(None),
            _ => {}
        }
    }
}

/// Ends the namespace when the outside process is gone.
fn end_with_outside() {
    let mut byte = [0];
    // Nobody writes to the pipe, so the read returns only at its end, or with an error that means the same.
    let _ = io::stdin().read(&mut byte);
    if let Some(scratch) = std::env::var_os(SCRATCH) {
        // Nobody outside is left to remove it, and nobody to tell if that fails.
        let _ = fs::remove_dir_all(scratch);
    }
    std::process::exit(128 + Signal::SIGHUP as i32);
}
