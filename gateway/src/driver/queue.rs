//! When the frames that wait in a segment's port came to this machine.
//!
//! A frame may have waited long: the process was stopped, or the machine slept. What an edge sends on must not look
//! younger than it is, so where nothing is known the earliest moment counts.

use std::time::Duration;

use aoe_common::time::Instant;

/// A packet socket's frames carry the kernel's stamp: the wall clock at their arrival. A TAP device's do not, and then
/// two things bound how long a frame has waited:
///
/// - it came after the queue was last seen empty (so a TAP has to be looked at often, see [`Queue::LOOKS`]),
/// - and after the frame was read that was [`TAP_FRAMES`] before it, for no more fit into the queue. So a queue that
///   is never empty under load does not age without end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    /// What waits came after this.
    earliest: Instant,
    /// Frames read so far.
    read: u64,
    /// How many had been read at a moment.
    mark: (u64, Instant),
    /// The wall clock at the zero of our own, as it was last seen.
    wall_zero: Duration,
    /// Until then stamps say nothing: the wall clock was set back.
    distrusted: Instant,
}

/// Most frames in the queue of a TAP device; the kernel's own default is 500.
const TAP_FRAMES: u64 = 4096;
/// A wall clock that goes back by more than this was set. Both clocks are slewed alike.
const STEP: Duration = Duration::from_millis(10);
/// How long what was stamped before a step may wait, if the process runs.
const SETTLED: Duration = Duration::from_secs(1);

impl Queue {
    /// How many times within `max_age` a TAP device is looked at.
    pub(super) const LOOKS: u32 = 8;

    /// A queue that is filled from `now` on.
    pub(super) fn new(now: Instant) -> Self {
        Queue {
            earliest: now,
            read: 0,
            mark: (0, now),
            wall_zero: Duration::ZERO,
            distrusted: now,
        }
    }

    /// It was seen empty after this moment.
    pub(super) fn was_empty(&mut self, after: Instant) {
        self.earliest = self.earliest.max(after);
    }

    /// So many frames were read after this moment.
    pub(super) fn was_read(&mut self, frames: usize, after: Instant) {
        self.read += frames as u64;
        if self.read >= self.mark.0 + TAP_FRAMES {
            self.was_empty(self.mark.1);
            self.mark = (self.read, after);
        }
    }

    /// The wall clock shows `wall`, read after `now`.
    pub(super) fn see_wall_clock(&mut self, wall: Duration, now: Instant) {
        let zero = wall.saturating_sub(now.saturating_since(Instant::default()));
        if zero + STEP < self.wall_zero {
            self.distrusted = now + SETTLED;
        }
        self.wall_zero = zero;
    }

    /// When a frame with this stamp came, or earlier.
    pub(super) fn came(&self, stamp: Option<Duration>, now: Instant) -> Instant {
        match stamp.and_then(|stamp| stamp.checked_sub(self.wall_zero)) {
            Some(came) if now >= self.distrusted => (Instant::default() + came).min(now),
            _ => self.earliest.min(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: Duration = Duration::from_secs(1_800_000_000);

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    fn wall(millis: u64) -> Duration {
        WALL + Duration::from_millis(millis)
    }

    #[test]
    fn a_stamp_says_when_a_frame_came_however_late_it_is_read() {
        let mut queue = Queue::new(at(0));
        queue.see_wall_clock(wall(9000), at(9000));
        assert_eq!(queue.came(Some(wall(1000)), at(9000)), at(1000));
        assert_eq!(
            queue.came(Some(wall(9500)), at(9000)),
            at(9000),
            "read a little later"
        );
    }

    #[test]
    fn a_wall_clock_that_was_set_makes_nothing_younger() {
        let mut queue = Queue::new(at(0));
        queue.see_wall_clock(wall(500), at(500));
        queue.was_empty(at(500));
        // Set back by eight seconds while frames of the last eight seconds wait.
        queue.see_wall_clock(wall(1000), at(9000));
        assert_eq!(queue.came(Some(wall(900)), at(9000)), at(500));
        queue.was_empty(at(9000));
        queue.see_wall_clock(wall(2100), at(10_100));
        assert_eq!(queue.came(Some(wall(2000)), at(10_100)), at(10_000));
        // Set forward: what waits looks older.
        queue.see_wall_clock(wall(5000), at(11_000));
        assert_eq!(queue.came(Some(wall(2900)), at(11_000)), at(8900));
    }

    #[test]
    fn without_stamps_a_frame_came_after_the_queue_was_empty_or_had_other_frames() {
        let mut queue = Queue::new(at(0));
        queue.was_empty(at(100));
        assert_eq!(queue.came(None, at(8000)), at(100));
        for batch in 0..TAP_FRAMES / 64 * 3 {
            queue.was_read(64, at(8000 + batch));
        }
        assert!(queue.came(None, at(8200)) >= at(8000 + TAP_FRAMES / 64 - 1));
        queue.was_empty(at(8300));
        assert_eq!(queue.came(None, at(8200)), at(8200));
    }
}
