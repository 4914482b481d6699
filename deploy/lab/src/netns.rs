//! Network namespaces that live as long as a thread: no names, no files, nothing left behind.

mod links;
mod process;
mod tunnels;

use std::fs::{self, File};
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use nix::sched::{CloneFlags, unshare};

pub use links::{LinkFacts, VethEnd, veth};
pub use process::{Process, Transcript};
pub use tunnels::Vxlan;

/// A network namespace, held by a thread of this process.
///
/// The thread executes what [`Namespace::run`] sends it, one closure after the other. A socket opened or a process
/// started by such a closure belongs to the namespace for good, also when it is used from other threads. The kernel
/// deletes the namespace with all its interfaces once the last clone is dropped and no such socket or process is left.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
    jobs: Sender<Job>,
    handle: Arc<File>,
    path: PathBuf,
}

type Job = Box<dyn FnOnce() + Send>;

impl Namespace {
    /// Makes a namespace with its loopback interface up; `name` appears in messages and as the thread's name only.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN in the current user namespace; see [`crate::isolation`].
    pub fn new(name: &str) -> Result<Self> {
        let namespace = Self::held_by(name, enter)?;
        namespace
            .set_up("lo")
            .with_context(|| format!("namespace {name}"))?;
        Ok(namespace)
    }

    /// The namespace this process is in already, for working on its real devices.
    ///
    /// # Errors
    /// When `/proc` is missing.
    pub fn current() -> Result<Self> {
        Self::held_by("current", find_own)
    }

    /// The name given at the start.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace as a path below the host's `/proc`, for `nsenter --net=`.
    pub fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Executes `work` inside and returns what it returns.
    ///
    /// # Errors
    /// Those of `work`, with the namespace's name added; or that the thread is gone because an earlier closure
    /// panicked.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let (answer, answered) = channel();
        let job: Job = Box::new(move || {
            // The receiver is below and waits, so it cannot be gone.
            let _ = answer.send(work());
        });
        let gone = || anyhow!("namespace {}: its thread is gone", self.name);
        self.jobs.send(job).map_err(|_| gone())?;
        answered
            .recv()
            .map_err(|_| gone())?
            .with_context(|| format!("in namespace {}", self.name))
    }

    fn held_by(name: &str, enter: fn() -> Result<(File, PathBuf)>) -> Result<Self> {
        let (jobs, inbox) = channel();
        let (ready, opened) = channel();
        thread::Builder::new()
            .name(format!("ns-{name}"))
            .spawn(move || hold(enter(), &ready, &inbox))?;
        let (handle, path) = opened.recv().context("the namespace thread ended")??;
        Ok(Namespace {
            name: name.to_owned(),
            jobs,
            handle: Arc::new(handle),
            path,
        })
    }

    /// The namespace as a file descriptor of this process, as netlink wants it.
    fn raw_handle(&self) -> RawFd {
        self.handle.as_raw_fd()
    }
}

fn hold(entered: Result<(File, PathBuf)>, ready: &Sender<Result<(File, PathBuf)>>, inbox: &Receiver<Job>) {
    let stays = entered.is_ok();
    if ready.send(entered).is_err() || !stays {
        return;
    }
    while let Ok(job) = inbox.recv() {
        job();
    }
}

fn enter() -> Result<(File, PathBuf)> {
    if let Err(errno) = unshare(CloneFlags::CLONE_NEWNET) {
        bail!("cannot make a network namespace ({errno}): it takes root or `aoe-lab isolate -- COMMAND`");
    }
    find_own()
}

fn find_own() -> Result<(File, PathBuf)> {
    // A link like "4711/task/4712", in numbers of the host's /proc.
    let thread = fs::read_link("/proc/thread-self").context("reading /proc/thread-self")?;
    let path = PathBuf::from("/proc").join(thread).join("ns/net");
    Ok((
        File::open(&path).with_context(|| format!("opening {}", path.display()))?,
        path,
    ))
}
