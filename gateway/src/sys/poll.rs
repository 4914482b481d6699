//! Waiting for several descriptors at once.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// Descriptors to wait for, each in a slot of its own. Nothing is allocated while waiting.
///
/// A slot remembers a number, not ownership: clear it before its descriptor is closed.
#[derive(Debug, Default)]
pub struct PollSet {
    slots: Vec<libc::pollfd>,
}

/// A slot with no descriptor.
const EMPTY: libc::pollfd = libc::pollfd {
    fd: -1,
    events: 0,
    revents: 0,
};

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something to read.
    Readable,
    /// Room to write.
    Writable,
}

impl PollSet {
    /// A set of `slots` slots, all empty.
    pub fn with_slots(slots: usize) -> Self {
        PollSet {
            slots: vec![EMPTY; slots],
        }
    }

    /// Makes sure that there are so many slots; new ones are empty.
    pub fn grow(&mut self, slots: usize) {
        if self.slots.len() < slots {
            self.slots.resize(slots, EMPTY);
        }
    }

    /// Puts a descriptor into a slot; a slot that does not exist is ignored.
    pub fn watch(&mut self, slot: usize, fd: &impl AsFd, interest: Interest) {
        let events = match interest {
            Interest::Readable => libc::POLLIN,
            Interest::Writable => libc::POLLOUT,
        };
        if let Some(entry) = self.slots.get_mut(slot) {
            *entry = libc::pollfd {
                fd: fd.as_fd().as_raw_fd(),
                events,
                revents: 0,
            };
        }
    }

    /// Empties a slot.
    pub fn clear(&mut self, slot: usize) {
        if let Some(entry) = self.slots.get_mut(slot) {
            *entry = EMPTY;
        }
    }

    /// Waits until a descriptor is ready or `timeout` has passed (`None`: forever). Returns how many are
    /// ready. A signal does not end the wait: what is not ready afterwards was seen not to be.
    ///
    /// # Errors
    /// What `ppoll` reports, which for a correct caller is only a lack of kernel memory.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let timeout = timeout.map(|after| libc::timespec {
            tv_sec: libc::time_t::try_from(after.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::from(after.subsec_nanos().cast_signed()),
        });
        let timeout = timeout
            .as_ref()
            .map_or(std::ptr::null(), |after| after as *const libc::timespec);
        loop {
            // SAFETY: the pointer and the count describe our own vector, and `timeout` is null or points to a
            // local that outlives the call. A descriptor closed meanwhile makes the kernel answer POLLNVAL.
            let result = unsafe {
                libc::ppoll(
                    self.slots.as_mut_ptr(),
                    self.slots.len() as libc::nfds_t,
                    timeout,
                    std::ptr::null(),
                )
            };
            if let Ok(ready) = usize::try_from(result) {
                return Ok(ready);
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                for slot in &mut self.slots {
                    slot.revents = 0;
                }
                return Err(error);
            }
        }
    }

    /// Whether the last wait found this slot ready, or in error.
    pub fn is_ready(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(|entry| entry.revents != 0)
    }
}

/// Waits until `fd` has room to write, at most for `timeout`. Errors count as room: the write will tell.
pub fn wait_writable(fd: &impl AsFd, timeout: Duration) {
    let mut set = PollSet::with_slots(1);
    set.watch(0, fd, Interest::Writable);
    // The caller writes again in any case, so the outcome of the wait says nothing more.
    let _ = set.wait(Some(timeout));
}

/// Whether the other end of a stream has closed it whole. One that only has no more to say is still there.
pub fn is_hung_up(fd: &impl AsFd) -> bool {
    let mut set = PollSet {
        // The kernel reports a hang-up unasked.
        slots: vec![libc::pollfd {
            fd: fd.as_fd().as_raw_fd(),
            events: 0,
            revents: 0,
        }],
    };
    set.wait(Some(Duration::ZERO)).is_ok_and(|ready| ready > 0)
}

/// Sleeps for a moment too short for the scheduler's ordinary sleep to be told from it.
pub fn nap(moment: Duration) {
    let _ = PollSet::default().wait(Some(moment));
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn only_the_readable_slot_is_ready() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let (_quiet, silent) = UnixStream::pair().unwrap();
        let mut set = PollSet::with_slots(3);
        set.watch(0, &silent, Interest::Readable);
        set.watch(2, &far, Interest::Readable);
        assert_eq!(set.wait(Some(Duration::ZERO)).unwrap(), 0);
        near.write_all(b"x").unwrap();
        assert_eq!(set.wait(None).unwrap(), 1);
        assert!(set.is_ready(2) && !set.is_ready(0) && !set.is_ready(1) && !set.is_ready(9));
        set.clear(2);
        assert_eq!(set.wait(Some(Duration::from_millis(1))).unwrap(), 0);
        assert!(!set.is_ready(2));
        set.grow(9);
        set.watch(8, &far, Interest::Readable);
        assert_eq!(set.wait(None).unwrap(), 1);
        assert!(set.is_ready(8));
    }

    #[test]
    fn who_has_no_more_to_say_has_not_hung_up() {
        let (near, far) = UnixStream::pair().unwrap();
        assert!(!is_hung_up(&far));
        near.shutdown(Shutdown::Write).unwrap();
        assert!(!is_hung_up(&far));
        drop(near);
        assert!(is_hung_up(&far));
    }
}
