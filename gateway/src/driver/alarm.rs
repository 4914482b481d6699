//! When the data plane has to wake up by itself.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use aoe_common::time::Instant;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// A timer that stays set while the data plane wakes up and sleeps again.
///
/// Deadlines are some milliseconds ahead and move with every frame. A timeout of `ppoll` would be set and taken back each
/// time, which in a virtual machine is two exits to the hypervisor: a seventh of what a lone request waits. This one is
/// set again only for an earlier deadline, and otherwise rings early: nothing is due then, and it is set anew.
///
/// It counts the time that the machine sleeps, as the [`Clock`](crate::clock::Clock) does.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: TimerFd,
    /// When it rings; [`Instant::NEVER`] if it is not set.
    rings: Instant,
}

impl Alarm {
    /// An alarm that is not set.
    ///
    /// # Errors
    /// A lack of descriptors.
    pub(super) fn new() -> io::Result<Self> {
        let timer = TimerFd::new(
            ClockId::CLOCK_BOOTTIME,
            TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK,
        )?;
        Ok(Alarm {
            timer,
            rings: Instant::NEVER,
        })
    }

    /// Sees to it that it rings at `deadline` or earlier. What is due now is not its business.
    pub(super) fn ring_by(&mut self, deadline: Instant, now: Instant) -> io::Result<()> {
        if deadline >= self.rings || deadline <= now {
            return Ok(());
        }
        let wait = TimeSpec::from_duration(deadline.saturating_since(now));
        self.timer
            .set(Expiration::OneShot(wait), TimerSetTimeFlags::empty())?;
        self.rings = deadline;
        Ok(())
    }

    /// It rang and was heard.
    pub(super) fn silence(&mut self) -> io::Result<()> {
        self.timer.unset()?;
        self.rings = Instant::NEVER;
        Ok(())
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sys::poll::{Interest, PollSet};

    const LONG: Duration = Duration::from_secs(3600);

    fn rings(alarm: &Alarm, within: Duration) -> bool {
        let mut set = PollSet::with_slots(1);
        set.watch(0, alarm, Interest::Readable);
        set.wait(Some(within)).unwrap() > 0
    }

    #[test]
    fn it_rings_for_the_earliest_deadline_until_it_is_silenced() {
        let (mut alarm, now) = (Alarm::new().unwrap(), Instant::from_micros(1000));
        assert!(!rings(&alarm, Duration::ZERO));
        alarm.ring_by(now + LONG, now).unwrap();
        alarm.ring_by(now + Duration::from_millis(1), now).unwrap();
        alarm.ring_by(now + LONG, now).unwrap();
        assert!(rings(&alarm, LONG) && rings(&alarm, Duration::ZERO));
        alarm.silence().unwrap();
        assert!(!rings(&alarm, Duration::ZERO));
        alarm.ring_by(now + Duration::from_millis(1), now).unwrap();
        assert!(rings(&alarm, LONG), "again");
    }

    #[test]
    fn what_is_due_or_never_comes_leaves_it_alone() {
        let (mut alarm, now) = (Alarm::new().unwrap(), Instant::from_micros(1000));
        alarm.ring_by(now, now).unwrap();
        alarm.ring_by(Instant::NEVER, now).unwrap();
        assert_eq!(alarm.rings, Instant::NEVER);
    }
}
