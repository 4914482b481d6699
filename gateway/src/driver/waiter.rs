//! How the data plane waits for work.

use std::io;
use std::time::Duration;

use aoe_common::config::SegmentId;
use aoe_common::table::Id as _;
use aoe_common::time::Instant;

use super::alarm::Alarm;
use super::spin::Spin;
use crate::clock::Clock;
use crate::sys::poll::{Interest, PollSet};

/// Waits for the commands, the segments and the wires: first awake, for as long as [`Spin`] says, then asleep in the
/// kernel.
#[derive(Debug)]
pub(super) struct Waiter {
    set: PollSet,
    segments: usize,
    spin: Spin,
    alarm: Alarm,
    looked: Instant,
}

/// One thing to wait for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Alarm,
    Commands,
    Wire(usize),
    Segment(SegmentId),
}

impl Waiter {
    /// Waits for nothing yet. The numbers of segments are below `segments`; the number of a socket has no bound.
    pub(super) fn new(segments: usize, busy_poll: Duration) -> io::Result<Self> {
        let mut waiter = Waiter {
            set: PollSet::with_slots(2 + segments),
            segments,
            spin: Spin::new(busy_poll),
            alarm: Alarm::new()?,
            looked: Instant::default(),
        };
        let slot = waiter.slot(Source::Alarm);
        waiter.set.watch(slot, &waiter.alarm, Interest::Readable);
        Ok(waiter)
    }

    /// Waits for this descriptor from now on.
    pub(super) fn watch(&mut self, source: Source, fd: &impl std::os::fd::AsFd) {
        let slot = self.slot(source);
        self.set.grow(slot + 1);
        self.set.watch(slot, fd, Interest::Readable);
    }

    /// Does not wait for this source any more.
    pub(super) fn forget(&mut self, source: Source) {
        self.set.clear(self.slot(source));
    }

    /// Looks for more work for this long from now on before it sleeps.
    pub(super) fn spin_for(&mut self, interval: Duration) {
        self.spin = Spin::new(interval);
    }

    /// Waits until a source is ready or `deadline` has come, or for no longer than that; returns what time it is then.
    /// `now` is a moment not long ago, so a deadline may be met late by as much as has passed since.
    pub(super) fn wait(&mut self, deadline: Instant, now: Instant, clock: Clock) -> io::Result<Instant> {
        let mut now = now;
        while self.spin.goes_on(now) && now < deadline {
            self.looked = now;
            let found = self.look(Some(Duration::ZERO))?;
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
        self.alarm.ring_by(deadline, now)?;
        self.looked = now;
        let found = self.look((deadline <= now).then_some(Duration::ZERO))?;
        now = clock.now();
        if found {
            self.spin.found_work(now);
        }
        Ok(now)
    }

    /// Whether a source is ready, or becomes so within `timeout` or before the alarm rings.
    fn look(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        let ready = self.set.wait(timeout)?;
        let rang = self.is_ready(Source::Alarm);
        if rang {
            self.alarm.silence()?;
        }
        Ok(ready > usize::from(rang))
    }

    /// Whether the last wait found this source ready.
    pub(super) fn is_ready(&self, source: Source) -> bool {
        self.set.is_ready(self.slot(source))
    }

    /// A moment before the last wait found what is ready and what is not. (A process that is stopped is so on its way
    /// back from the kernel, before it reads its clock.)
    pub(super) fn looked(&self) -> Instant {
        self.looked
    }

    fn slot(&self, source: Source) -> usize {
        match source {
            Source::Alarm => 0,
            Source::Commands => 1,
            Source::Segment(id) => 2 + usize::from(id.number()),
            Source::Wire(index) => 2 + self.segments + index,
        }
    }
}
