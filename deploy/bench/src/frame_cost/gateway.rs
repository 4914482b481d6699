//! A gateway that is stopped, and one that works off what was laid before it.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use aoe_lab::gateway::RunningGateway;
use nix::sys::signal::Signal;

use crate::cpu::Crew;

/// How long stopping or a burst may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(1);
/// So many looks in a row see the same when a gateway has nothing to do any more.
const CALM: u32 = 3;

/// Stops it; none of its threads runs any more when this returns.
///
/// # Errors
/// When it has ended.
pub(super) fn stop(gateway: &mut RunningGateway, crew: &Crew) -> Result<()> {
    gateway.process().signal(Signal::SIGSTOP)?;
    let until = Instant::now() + PATIENCE;
    while !crew.is_all("T") {
        if Instant::now() > until {
            bail!("a gateway does not stop");
        }
        std::thread::sleep(LOOK / 10);
    }
    Ok(())
}

/// Lets it go on, whether it is stopped or not.
pub(super) fn release(gateway: &mut RunningGateway) {
    // One that has ended needs no help.
    let _ = gateway.process().signal(Signal::SIGCONT);
}

/// Lets a stopped one go on until it has nothing left to do; the processor time it used.
///
/// # Errors
/// When it has ended, or finds no end.
pub(super) fn work_off(gateway: &mut RunningGateway, crew: &Crew) -> Result<Duration> {
    let before = crew.time();
    gateway.process().signal(Signal::SIGCONT)?;
    let until = Instant::now() + PATIENCE;
    let (mut last, mut calm) = (before, 0);
    while calm < CALM {
        if Instant::now() > until {
            bail!("a gateway does not get ready");
        }
        std::thread::sleep(LOOK);
        // A thread that sleeps has looked and found nothing; one that only lost its processor does not sleep.
        let now = crew.time();
        calm = if now == last && crew.is_all("S") {
            calm + 1
        } else {
            0
        };
        last = now;
    }
    Ok(last.saturating_sub(before))
}
