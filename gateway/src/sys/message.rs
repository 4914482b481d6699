//! Many messages in one system call: `recvmmsg` and `sendmmsg`.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// Message headers, kept between calls so that no call allocates.
///
/// Their pointers are set anew by every call and mean nothing between calls.
pub(super) struct Messages {
    iovecs: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    controls: Box<[Control]>,
}

/// Room for what the kernel says about a message: a `cmsghdr` and a `timespec`.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 64]);

// SAFETY: the pointers inside are written and used only within a call that borrows what they point to.
unsafe impl Send for Messages {}

/// What to do about a message the kernel would not take.
pub(super) enum Verdict {
    /// Offer it again.
    Again,
    /// Leave it out and go on with the next.
    Skip,
    /// Leave it and all that follow.
    Stop,
}

/// How sending went; the two add up to the number of messages offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) sent: usize,
    pub(super) failed: usize,
}

impl Messages {
    /// Room for `capacity` messages per call.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        let iovec = libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        };
        // SAFETY: the struct is integers and pointers, for which all zeroes are a value: no name, no control
        // data, no buffers.
        let header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        Messages {
            iovecs: vec![iovec; capacity].into_boxed_slice(),
            headers: vec![header; capacity].into_boxed_slice(),
            controls: vec![Control([0; 64]); capacity].into_boxed_slice(),
        }
    }

    /// Receives into `slots`, at most one message each and as many as are there; returns how many came.
    /// [`received`](Self::received) tells of each.
    pub(super) fn recv<'a>(
        &mut self,
        socket: &impl AsFd,
        slots: impl Iterator<Item = &'a mut [u8]>,
    ) -> io::Result<usize> {
        let mut count: u32 = 0;
        let memory = self.iovecs.iter_mut().zip(&mut self.controls);
        for ((slot, (iovec, control)), header) in slots.zip(memory).zip(&mut self.headers) {
            *iovec = libc::iovec {
                iov_base: slot.as_mut_ptr().cast(),
                iov_len: slot.len(),
            };
            header.msg_hdr.msg_iov = iovec;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = control.0.len();
            count += 1;
        }
        // SAFETY: the first `count` headers point to an iovec each, which points to a slot that the caller
        // lends mutably for `'a`, hence through this call, and to a control buffer of our own; none of these
        // overlap. Names are null with length zero.
        let result = unsafe {
            libc::recvmmsg(
                socket.as_fd().as_raw_fd(),
                self.headers.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        usize::try_from(result).map_err(|_| io::Error::last_os_error())
    }

    /// The first `count` messages of the last [`recv`](Self::recv).
    pub(super) fn received(&self, count: usize) -> impl Iterator<Item = Received> {
        let headers = self.headers.iter().zip(&self.controls).take(count);
        headers.map(|(header, control)| Received {
            len: header.msg_len as usize,
            fit: match header.msg_hdr.msg_flags & libc::MSG_TRUNC {
                0 => Fit::Whole,
                _ => Fit::Truncated,
            },
            stamp: control.0.get(..header.msg_hdr.msg_controllen).and_then(stamp),
        })
    }

    /// Sends every message, asking `judge` about each error.
    pub(super) fn send<'a>(
        &mut self,
        socket: &impl AsFd,
        messages: impl Iterator<Item = &'a [u8]>,
        mut judge: impl FnMut(io::Error) -> Verdict,
    ) -> Tally {
        let mut messages = messages.fuse();
        let mut tally = Tally::default();
        loop {
            let mut loaded = 0;
            for ((iovec, header), message) in self
                .iovecs
                .iter_mut()
                .zip(&mut self.headers)
                .zip(messages.by_ref())
            {
                *iovec = libc::iovec {
                    iov_base: message.as_ptr().cast_mut().cast(),
                    iov_len: message.len(),
                };
                header.msg_hdr.msg_iov = iovec;
                header.msg_hdr.msg_iovlen = 1;
                header.msg_hdr.msg_control = std::ptr::null_mut();
                header.msg_hdr.msg_controllen = 0;
                loaded += 1;
            }
            let mut rest = self.headers.get_mut(..loaded).unwrap_or_default();
            while !rest.is_empty() {
                match sendmmsg(socket, rest) {
                    Ok(sent) => {
                        tally.sent += sent;
                        rest = rest.get_mut(sent..).unwrap_or_default();
                    }
                    Err(error) => match judge(error) {
                        Verdict::Again => {}
                        Verdict::Skip => {
                            tally.failed += 1;
                            rest = rest.get_mut(1..).unwrap_or_default();
                        }
                        Verdict::Stop => {
                            tally.failed += rest.len() + messages.count();
                            return tally;
                        }
                    },
                }
            }
            if loaded < self.iovecs.len() {
                return tally;
            }
        }
    }
}

/// A message that was received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    /// Its length, or that of its slot.
    pub(super) len: usize,
    pub(super) fit: Fit,
    /// The wall clock at its arrival, of a socket with `SO_TIMESTAMPNS`.
    pub(super) stamp: Option<Duration>,
}

/// The stamp in the control data of a message: nothing else is asked for, so it is the first there.
fn stamp(control: &[u8]) -> Option<Duration> {
    // SAFETY: `CMSG_LEN` only calculates.
    let (whole, head) = unsafe { (libc::CMSG_LEN(TIMESPEC_LEN) as usize, libc::CMSG_LEN(0) as usize) };
    let bytes = control.get(..whole)?;
    // SAFETY: the slice is long enough, and any bytes are a value of this struct of integers.
    let header: libc::cmsghdr = unsafe { std::ptr::read_unaligned(bytes.as_ptr().cast()) };
    if (header.cmsg_level, header.cmsg_type) != (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
        return None;
    }
    // SAFETY: as above; `bytes` is a header of `head` bytes and a `timespec`.
    let at: libc::timespec = unsafe { std::ptr::read_unaligned(bytes.as_ptr().add(head).cast()) };
    let (secs, nanos) = (u64::try_from(at.tv_sec).ok()?, u32::try_from(at.tv_nsec).ok()?);
    Some(Duration::new(secs, nanos))
}

#[allow(clippy::cast_possible_truncation, reason = "the struct is 16 bytes long")]
const TIMESPEC_LEN: u32 = size_of::<libc::timespec>() as u32;

/// Whether a message was as long as it seems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Whole,
    Truncated,
}

/// One `sendmmsg` over headers that [`Messages::send`] has just set.
fn sendmmsg(socket: &impl AsFd, headers: &mut [libc::mmsghdr]) -> io::Result<usize> {
    // The kernel takes at most UIO_MAXIOV (1024) at a time and says so by its return value.
    let count = u32::try_from(headers.len()).unwrap_or(u32::MAX);
    // SAFETY: every header points to an iovec of the same `Messages`, which points to a slice borrowed for
    // the whole of `Messages::send`; the kernel only reads it. Names and control data are null with length
    // zero.
    let result = unsafe {
        libc::sendmmsg(
            socket.as_fd().as_raw_fd(),
            headers.as_mut_ptr(),
            count,
            libc::MSG_DONTWAIT,
        )
    };
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
