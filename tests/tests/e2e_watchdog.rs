//! A data plane that hangs ends the gateway, so that the supervisor starts it again.

#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aoe_lab::relay::Side;
use aoe_lab::topology::WorldPlan;
use e2e::stage::{eventually, play};
use e2e::trial::Trial;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

#[test]
fn a_data_plane_that_hangs_ends_the_gateway() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |_| {})?;
        let hub = trial.gateway(Side::B).process();
        let thread = thread_named(hub.id(), "data-plane-0")?;
        // Stopped by a debugger, alone: the others go on.
        ptrace::seize(thread, Options::empty()).context("seizing the data plane")?;
        ptrace::interrupt(thread)?;
        let began = Instant::now();
        let mut ended = None;
        eventually("the gateway ends", Duration::from_secs(30), || {
            // The thread is gone once who traced it has looked.
            let _ = waitpid(thread, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL));
            ended = trial.gateway(Side::B).process().try_wait()?;
            Ok(ended.is_some())
        })?;
        let (status, took) = (ended.context("it has ended")?, began.elapsed());
        trial.say(format_args!("{status} after {took:?}"));
        ensure!(status.signal() == Some(Signal::SIGABRT as i32), "{status}");
        ensure!(
            took > Duration::from_secs(8),
            "it was not given the time: {took:?}"
        );
        trial.wait_for_log(Side::B, "data plane 0 hangs", 1)
    });
}

fn thread_named(process: u32, name: &str) -> Result<Pid> {
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let task = task?;
        if fs::read_to_string(task.path().join("comm"))?.trim() == name {
            let id = task.file_name().to_string_lossy().parse()?;
            return Ok(Pid::from_raw(id));
        }
    }
    anyhow::bail!("process {process} has no thread {name}")
}
