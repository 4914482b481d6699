//! How the data plane waits for work.

use std::io;
use std::time::Duration;

use aoe_common::time::Instant;

use super::spin::Spin;
use crate::clock::Clock;
use crate::sys::poll::{Interest, PollSet};

/// Waits for the commands, the segments and the wires: first awake, for as long as [`Spin`] says, then asleep in the
/// kernel.
#[derive(Debug)]
pub(super) struct Waiter {
    set: PollSet,
    wires: usize,
    spin: Spin,
}

/// One thing to wait for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Commands,
    Wire(usize),
    Segment(usize),
}

impl Waiter {
    pub(super) fn new(wires: usize, segments: usize, busy_poll: Duration) -> Self {
        Waiter {
            set: PollSet::with_slots(1 + wires + segments),
            wires,
            spin: Spin::new(busy_poll),
        }
    }

    /// Waits for this descriptor from now on.
    pub(super) fn watch(&mut self, source: Source, fd: &impl std::os::fd::AsFd) {
        self.set.watch(self.slot(source), fd, Interest::Readable);
    }

    /// Does not wait for this source any more.
    pub(super) fn forget(&mut self, source: Source) {
        self.set.clear(self.slot(source));
    }

    /// Waits until a source is ready or `deadline` has come; returns what time it is then. `now` is a moment not long
    /// ago, so a deadline may be met late by as much as has passed since, and never early.
    pub(super) fn wait(&mut self, deadline: Instant, now: Instant, clock: Clock) -> io::Result<Instant> {
        let mut now = now;
        while self.spin.goes_on(now) && now < deadline {
            let found = self.set.wait(Some(Duration::ZERO))? > 0;
            now = clock.now();
            if found {
                self.spin.found_work(now);
                return Ok(now);
            }
            // Whoever else wants this processor gets it: a target or an initiator may live on it.
            std::thread::yield_now();
            let back = clock.now();
            self.spin.yielded(now, back);
            now = back;
        }
        let timeout = (deadline != Instant::NEVER).then(|| deadline.saturating_since(now));
        let found = self.set.wait(timeout)? > 0;
        now = clock.now();
        if found {
            self.spin.found_work(now);
        }
        Ok(now)
    }

    /// Whether the last wait found this source ready.
    pub(super) fn is_ready(&self, source: Source) -> bool {
        self.set.is_ready(self.slot(source))
    }

    fn slot(&self, source: Source) -> usize {
        match source {
            Source::Commands => 0,
            Source::Wire(index) => 1 + index,
            Source::Segment(index) => 1 + self.wires + index,
        }
    }
}
