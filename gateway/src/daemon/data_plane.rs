//! Threads that carry frames.

use std::{io, thread};

use tokio::sync::mpsc;

use crate::driver::Driver;

/// Where an engine gets its randomness from.
pub(super) fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}

/// Starts a data plane; `tell` hears how it ended.
pub(super) fn spawn(
    worker: usize,
    mut driver: Driver,
    tell: mpsc::UnboundedSender<io::Result<()>>,
) -> io::Result<()> {
    thread::Builder::new()
        .name(format!("data-plane-{worker}"))
        .spawn(move || {
            let bomb = AbortOnPanic;
            let outcome = driver.run();
            std::mem::forget(bomb);
            // Told before the segments are let go, so that nobody wonders where a TAP device went. Nobody
            // listens only if the control side has panicked, and then the process ends.
            let _ = tell.send(outcome);
        })?;
    Ok(())
}

/// A gateway without its data plane must not look alive: the supervisor restarts what aborts.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        std::process::abort();
    }
}
