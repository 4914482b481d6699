//! What the data plane holds of a segment.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::Tap;
use crate::sys::batch::RecvBatch;
use crate::sys::packet::{Addresses, PacketSocket, SendOutcome};

/// An open way to a local Ethernet. Never blocks.
#[derive(Debug)]
pub enum SegmentPort {
    /// A network card, by a packet socket.
    PacketSocket(PacketSocket),
    /// A TAP device.
    Tap(Tap),
}

impl SegmentPort {
    /// Takes what has arrived, at most one batch of it; returns the number of frames, 0 if there are none.
    ///
    /// # Errors
    /// The device is down or away. The port is of no more use then.
    pub fn recv_batch(&mut self, batch: &mut RecvBatch) -> io::Result<usize> {
        match self {
            SegmentPort::PacketSocket(socket) => socket.recv_batch(batch),
            SegmentPort::Tap(tap) => tap.recv_batch(batch),
        }
    }

    /// Sends frames in order; what cannot leave is dropped and counted.
    pub fn send_batch<'a>(&mut self, frames: impl Iterator<Item = &'a [u8]>) -> SendOutcome {
        match self {
            SegmentPort::PacketSocket(socket) => socket.send_batch(frames),
            SegmentPort::Tap(tap) => tap.send_batch(frames),
        }
    }

    /// Captures the frames of these addresses from now on; what has come stays. A TAP device is for all of them.
    ///
    /// # Errors
    /// The kernel has no room for a filter of that length; what was captured before is still.
    pub fn capture(&mut self, addresses: &Addresses) -> io::Result<()> {
        match self {
            SegmentPort::PacketSocket(socket) => socket.capture(addresses),
            SegmentPort::Tap(_) => Ok(()),
        }
    }

    /// Frames the kernel dropped because we were too slow, since the last call. A TAP device does not tell us;
    /// the host counts them as its own transmission errors.
    pub fn kernel_drops(&mut self) -> u32 {
        match self {
            SegmentPort::PacketSocket(socket) => socket.kernel_drops().unwrap_or_default(),
            SegmentPort::Tap(_) => 0,
        }
    }
}

impl AsFd for SegmentPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            SegmentPort::PacketSocket(socket) => socket.as_fd(),
            SegmentPort::Tap(tap) => tap.as_fd(),
        }
    }
}
