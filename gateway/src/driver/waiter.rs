//! How the data plane waits for work.

use std::io;
use std::time::Duration;

use crate::sys::poll::{Interest, PollSet};

/// Waits for the commands, the segments and the wires.
///
/// It blocks in the kernel. Spinning for a while before that would save the wake-up, at the price of a busy
/// processor; whoever adds it changes [`wait`](Self::wait) and nothing else.
#[derive(Debug)]
pub(super) struct Waiter {
    set: PollSet,
    wires: usize,
}

/// One thing to wait for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Commands,
    Wire(usize),
    Segment(usize),
}

impl Waiter {
    pub(super) fn new(wires: usize, segments: usize) -> Self {
        Waiter {
            set: PollSet::with_slots(1 + wires + segments),
            wires,
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

    /// Waits until a source is ready or `timeout` has passed (`None`: for ever).
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.set.wait(timeout).map(drop)
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
