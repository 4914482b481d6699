//! Namespaces of our own for a whole command: whatever it starts ends with it.
//!
//! Three processes take part, all of the same binary:
//!
//! ```text
//! outside   unshares user (unless root), pid, network and mount namespaces, forwards signals, waits
//!  └ init   process 1 of the new pid namespace: starts the command, reaps orphans; its end is everybody's end
//!     └ inside   the command itself
//! ```
//!
//! Init reads its standard input, a pipe only the outside process writes to: a byte asks it to end the command. When
//! the outside process dies, even by SIGKILL, the pipe ends, init exits, and the kernel ends every process and every
//! interface left inside.
//!
//! `/proc` stays the one of the host, because a masked `/proc` (as in containers) forbids mounting a new one. So the
//! numbers below it are the host's, not those that processes inside know each other by.

mod explain;
mod init;

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{getegid, geteuid};
use thiserror::Error;

pub use explain::{KernelSettings, explain};
pub use init::run_as_init_if_asked;

/// Environment variable that tells a re-executed process which of the three it is.
const STAGE: &str = "AOE_LAB_STAGE";

/// Environment variable with the directory given to [`run`].
const SCRATCH: &str = "AOE_LAB_SCRATCH";

/// Why a command could not be run in namespaces of its own.
#[derive(Debug, Error)]
pub enum IsolationError {
    /// The kernel refused to make the namespaces; the text says why and what to do.
    #[error("{0}")]
    Refused(String),
    /// Something else failed while starting or waiting.
    #[error("cannot {what}: {source}")]
    Failed {
        /// What was being done.
        what: &'static str,
        /// What the system answered.
        source: io::Error,
    },
}

/// Whether this process runs in namespaces made by [`run`].
pub fn is_inside() -> bool {
    std::env::var_os(STAGE).is_some_and(|stage| stage == "inside")
}

/// The directory given to [`run`], for a process inside.
pub fn scratch() -> Option<PathBuf> {
    std::env::var_os(SCRATCH).map(PathBuf::from)
}

/// Whether this process owns its namespaces through a user namespace, so that visitors have to enter that one too.
pub fn is_in_user_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let mut words = map.split_whitespace();
    words.nth(2).is_some_and(|count| count != "4294967295")
}

/// How a program ended that [`run_again_inside`] started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this exit code.
    Exit(u8),
    /// With exit code 1: something was wrong, and its directory is kept for whoever looks into it.
    Failure(PathBuf),
    /// By a signal; this is what a shell reports then.
    Interrupted(u8),
}

/// Runs this very program again, with the same arguments, as [`run`] does, and with a directory of its own
/// ([`scratch`]) that is gone afterwards unless the program fails. `name` begins the directory's name.
///
/// # Errors
/// As [`run`], and when the directory cannot be made.
pub fn run_again_inside(name: &str) -> Result<Ending, IsolationError> {
    let as_failed = |what| move |source| IsolationError::Failed { what, source };
    // Before there is anything to remove.
    hold_signals()?;
    let dir = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir();
    let dir = dir.map_err(as_failed("make a directory for keys and logs"))?;
    let own = std::env::current_exe().map_err(as_failed("find this program itself"))?;
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    Ok(match run(&own, &own, &args, Some(dir.path()))? {
        1 => Ending::Failure(dir.keep()),
        code if code > 128 => Ending::Interrupted(code),
        code => Ending::Exit(code),
    })
}

/// Lets Ctrl-C and its like wait until [`run`] takes them.
fn hold_signals() -> Result<(), IsolationError> {
    let held = forwarded_signals().thread_block();
    held.map_err(|errno| IsolationError::Failed {
        what: "hold signals",
        source: errno.into(),
    })
}

/// Runs `program` in new namespaces, waits until it and all it started are gone, and returns its exit code
/// (128 + signal number when a signal ended it).
///
/// Must be called while the process has a single thread: the kernel refuses a new user namespace otherwise.
/// `init` is the binary that becomes process 1; its `main` has to begin with [`run_as_init_if_asked`]. The calling
/// process itself moves into the new network and mount namespaces. `scratch` is a directory for the program
/// ([`scratch`]); the caller removes it, or init does if the caller vanishes.
///
/// # Errors
/// [`IsolationError::Refused`] when neither root nor user namespaces are available.
pub fn run(
    init: &Path,
    program: &Path,
    args: &[OsString],
    scratch: Option<&Path>,
) -> Result<u8, IsolationError> {
    let as_failed = |what| move |source| IsolationError::Failed { what, source };
    enter_namespaces()?;

    hold_signals()?;
    let signals = forwarded_signals();
    let (obeyed, mut orders) = io::pipe().map_err(as_failed("make a pipe"))?;
    let mut command = Command::new(init);
    command
        .arg(program)
        .args(args)
        .env(STAGE, "init")
        .stdin(Stdio::from(obeyed));
    if let Some(scratch) = scratch {
        command.env(SCRATCH, scratch);
    }
    let mut child = command
        .spawn()
        .map_err(as_failed("start process 1 of the new namespaces"))?;
    let status = loop {
        let signal = signals
            .wait()
            .map_err(io::Error::from)
            .map_err(as_failed("wait for a signal"))?;
        if signal != Signal::SIGCHLD {
            // It may have ended in the meantime; then there is nobody to tell.
            let _ = orders.write_all(&[1]);
        }
        if let Some(status) = child
            .try_wait()
            .map_err(as_failed("wait for the namespaces to end"))?
        {
            break status;
        }
    };
    // Held until here: its end is the signal that nobody is left outside.
    drop(orders);
    Ok(exit_code(status))
}

/// Signals that the outside process takes itself, instead of dying of them.
fn forwarded_signals() -> SigSet {
    [Signal::SIGCHLD, Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
        .into_iter()
        .collect()
}

/// What a shell would report for `status`.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

fn enter_namespaces() -> Result<(), IsolationError> {
    let rooms = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    let (uid, gid) = (geteuid(), getegid());
    // Root in a container may lack CAP_SYS_ADMIN and still be allowed a user namespace, so root tries both.
    let plain = if uid.is_root() {
        unshare(rooms)
    } else {
        Err(Errno::EPERM)
    };
    if plain.is_err() {
        let refused = |errno| IsolationError::Refused(explain(errno, uid.as_raw(), &KernelSettings::read()));
        unshare(CloneFlags::CLONE_NEWUSER | rooms).map_err(refused)?;
        let map = |path: &str, text: String| {
            let refused = |error: io::Error| {
                let errno = error.raw_os_error().map_or(Errno::EPERM, Errno::from_raw);
                IsolationError::Refused(explain(errno, uid.as_raw(), &KernelSettings::read()))
            };
            std::fs::write(path, text).map_err(refused)
        };
        // The kernel demands this order: an unprivileged group map only after setgroups is denied.
        map("/proc/self/setgroups", "deny".to_owned())?;
        map("/proc/self/uid_map", format!("0 {uid} 1"))?;
        map("/proc/self/gid_map", format!("0 {gid} 1"))?;
    }
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).map_err(|errno| IsolationError::Failed {
        what: "make mounts private",
        source: errno.into(),
    })
}
