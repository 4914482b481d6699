//! TAP devices: a segment that lives inside this host.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use crate::sys::batch::RecvBatch;
use crate::sys::packet::SendOutcome;
use crate::sys::poll;

/// A TAP device of our own. Never blocks. The kernel removes the device when this is dropped.
pub struct Tap {
    device: SyncDevice,
}

impl Tap {
    /// Makes the device, sets its MTU and switches it on.
    ///
    /// # Errors
    /// `PermissionDenied` without CAP_NET_ADMIN; EBUSY if another process holds a device of this name;
    /// `InvalidInput` if the name belongs to a device of another kind.
    pub fn create(name: &str, mtu: u16) -> io::Result<Self> {
        let device = DeviceBuilder::new()
            .name(name)
            .layer(Layer::L2)
            .mtu(mtu)
            .with(|options| {
                options.packet_information(false).offload(false);
            })
            .build_sync()?;
        device.set_nonblocking(true)?;
        Ok(Tap { device })
    }

    /// Takes what the host has sent, at most one batch of it; returns the number of frames, 0 if there are none.
    ///
    /// # Errors
    /// EBADFD once the device is deleted.
    pub fn recv_batch(&mut self, batch: &mut RecvBatch) -> io::Result<usize> {
        batch.fill_by(|slot| self.device.recv(slot))
    }

    /// Hands frames to the host, in order.
    ///
    /// Frames for a device that is switched off are dropped and counted. The device takes frames at once or
    /// never, so there is hardly anything to wait for.
    pub fn send_batch<'a>(&mut self, frames: impl Iterator<Item = &'a [u8]>) -> SendOutcome {
        let mut outcome = SendOutcome::default();
        let mut patience = PATIENCE;
        let mut frames = frames;
        while let Some(frame) = frames.next() {
            match self.write(frame, &mut patience) {
                Ok(_) => outcome.sent += 1,
                Err(error) => {
                    outcome.failed += 1;
                    if is_gone(&error) {
                        outcome.failed += frames.count();
                        outcome.gone = Some(error);
                        return outcome;
                    }
                }
            }
        }
        outcome
    }

    fn write(&self, frame: &[u8], patience: &mut u8) -> io::Result<usize> {
        loop {
            match self.device.send(frame) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && *patience > 0 => {
                    *patience -= 1;
                    poll::wait_writable(&self.device, WAIT_FOR_DEVICE);
                }
                outcome => return outcome,
            }
        }
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tap").field("fd", &self.device.as_fd()).finish()
    }
}

const PATIENCE: u8 = 4;
const WAIT_FOR_DEVICE: Duration = Duration::from_millis(1);

/// EBADFD: the device was deleted while we held it. (EIO only means that it is switched off.)
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EBADFD | libc::ENODEV | libc::ENXIO)
    )
}
