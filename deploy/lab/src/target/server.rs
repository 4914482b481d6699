//! A target on a device: one thread, batches in and out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant as SystemInstant};

use anyhow::Result;

use crate::clock::Clock;
use crate::frames::{Frames, Padding};
use crate::netns::Namespace;
use crate::port::Port;

use super::Target;

/// How often an idle target looks whether it shall stop.
const IDLE: Duration = Duration::from_millis(20);
/// How often it looks at its device, for a new MTU.
const LOOK: Duration = Duration::from_millis(500);

/// A running target; dropping it stops it.
#[derive(Debug)]
pub struct TargetServer {
    target: Arc<Mutex<Target>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TargetServer {
    /// Runs `target` on a device of a namespace; it takes over the device's address and MTU, and advertises itself.
    ///
    /// # Errors
    /// When the device cannot be opened.
    pub fn start(namespace: &Namespace, device: &str, target: Target) -> Result<Self> {
        Self::start_within(namespace, device, target, Duration::ZERO)
    }

    /// As [`TargetServer::start`], waiting for the device to appear at most for `timeout`.
    ///
    /// # Errors
    /// As [`TargetServer::start`].
    pub fn start_within(
        namespace: &Namespace,
        device: &str,
        mut target: Target,
        timeout: Duration,
    ) -> Result<Self> {
        let port = Port::open_within(namespace, device, timeout)?;
        target.set_link(port.mac(), port.mtu());
        let target = Arc::new(Mutex::new(target));
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, until) = (Arc::clone(&target), Arc::clone(&stop));
        let thread = thread::Builder::new()
            .name("target".to_owned())
            .spawn(move || serve(port, &theirs, &until))?;
        Ok(TargetServer {
            target,
            stop,
            thread: Some(thread),
        })
    }

    /// The target, for looking at it and changing it; it answers nobody while the guard lives.
    pub fn lock(&self) -> MutexGuard<'_, Target> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TargetServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was already reported by the panic hook.
            let _ = thread.join();
        }
    }
}

fn serve(mut port: Port, target: &Mutex<Target>, stop: &AtomicBool) {
    let clock = Clock::start();
    let mut out = Frames::new(Padding::Minimum);
    let lock = || target.lock().unwrap_or_else(PoisonError::into_inner);
    lock().advertise(&mut out);
    port.send(&mut out);

    let mut looked = SystemInstant::now();
    let mut idle = IDLE;
    while !stop.load(Ordering::Relaxed) {
        let batch = port.recv(idle);
        let mut target = lock();
        let now = clock.now();
        target.begin_batch();
        for frame in batch.iter() {
            target.handle_frame(frame, now, &mut out);
        }
        target.handle_timeout(now, &mut out);
        idle = clock.until(target.deadline(), IDLE);
        drop(target);
        port.send(&mut out);

        if looked.elapsed() >= LOOK {
            looked = SystemInstant::now();
            if port.refresh() {
                lock().set_link(port.mac(), port.mtu());
            }
        }
    }
}
