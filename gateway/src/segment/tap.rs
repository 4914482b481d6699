//! TAP devices: a segment that lives inside this host.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::unistd::geteuid;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use crate::sys::batch::RecvBatch;
use crate::sys::link::{self, Link, LinkState};
use crate::sys::packet::SendOutcome;
use crate::sys::poll;

/// A TAP device. Never blocks. The kernel removes the device when this is dropped, unless it was made beforehand.
pub struct Tap {
    device: SyncDevice,
}

impl Tap {
    /// Makes the device, sets its MTU and switches it on. A TAP device that somebody made beforehand
    /// (`ip tuntap add`) keeps its MTU and its queues, of which one is used, and is switched on if it is off.
    ///
    /// # Errors
    /// `PermissionDenied` without CAP_NET_ADMIN, unless the device was made for our user and is on; `ResourceBusy` if
    /// another process holds a device of this name; `AlreadyExists` if the name belongs to a device of another kind.
    pub fn create(name: &str, mtu: u16) -> io::Result<Self> {
        let builder = DeviceBuilder::new().name(name).layer(Layer::L2);
        let mut owner = None;
        let builder = match link::by_name(name)? {
            None => builder.mtu(mtu),
            Some(found) => {
                let tun = found.tun.filter(|tun| tun.is_tap);
                let tun = tun.ok_or_else(|| of_another_kind(&found))?;
                if tun.queues > 0 {
                    // The kernel would share frames out among us.
                    return Err(io::Error::from_raw_os_error(libc::EBUSY));
                }
                owner = tun.owner;
                let builder = builder.multi_queue(tun.multi_queue);
                match found.state {
                    LinkState::Down => builder,
                    LinkState::NoCarrier | LinkState::Up => builder.inherit_enable_state(),
                }
            }
        };
        let device = builder
            .with(|options| {
                options.packet_information(false).offload(false);
            })
            .build_sync()
            .map_err(|error| match (error.raw_os_error(), owner) {
                (Some(libc::EPERM), Some(owner)) if owner != geteuid().as_raw() => {
                    let reason = format!("{error}: it was made for user {owner}");
                    io::Error::new(error.kind(), reason)
                }
                _ => error,
            })?;
        device.set_nonblocking(true)?;
        Ok(Tap { device })
    }

    /// Takes what the host has sent, at most one batch of it; returns the number of frames, 0 if there are none.
    ///
    /// # Errors
    /// EBADFD once the device is deleted.
    pub fn recv_batch(&mut self, batch: &mut RecvBatch) -> io::Result<usize> {
        batch.fill_by(|slot| self.device.recv(slot).map(|len| without_priority_tag(slot, len)))
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

/// Takes off a tag with VLAN 0, which is only a priority, as the kernel does for packet sockets
/// (`__netif_receive_skb_core`), and one more. Returns the length of the frame then.
fn without_priority_tag(slot: &mut [u8], len: usize) -> usize {
    let mut len = len;
    for _ in 0..2 {
        // A frame that fills its slot may have been cut, and must stay as long as it is.
        let tagged = len < slot.len()
            && len >= MACS_LEN + TAG_LEN
            && matches!(
                slot.get(MACS_LEN..MACS_LEN + TAG_LEN),
                Some([0x81, 0x00, high, 0] | [0x88, 0xa8, high, 0]) if high & 0x0f == 0
            );
        if !tagged {
            break;
        }
        slot.copy_within(MACS_LEN + TAG_LEN..len, MACS_LEN);
        len -= TAG_LEN;
    }
    len
}

/// Two addresses, and a tag: its EtherType (IEEE 802.1Q, 802.1ad), three bits of priority, one more, and the VLAN.
const MACS_LEN: usize = 12;
const TAG_LEN: usize = 4;

const AS_NIC: &str = ", or attach to it as `nic`";

/// Why a device that has our name cannot be used.
fn of_another_kind(found: &Link) -> io::Error {
    let (kind, or) = match (found.tun, &found.driver) {
        (Some(_), _) => ("a TUN device, which carries IP and not Ethernet", ""),
        (None, Some(driver)) => (driver.as_str(), AS_NIC),
        (None, None) => ("hardware", AS_NIC),
    };
    let reason = format!(
        "there is a device of that name and it is no TAP ({kind}): choose another name for `tap`{or}"
    );
    io::Error::new(io::ErrorKind::AlreadyExists, reason)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tags_of_vlan_0_are_taken_off_and_only_of_whole_frames() {
        let frame = |tags: &[u8]| [&[7; 12][..], tags, &[0x88, 0xa2, 1, 2, 3]].concat();
        let strip = |frame: &[u8], room: usize| {
            let mut slot = [frame, &vec![0xee; room]].concat();
            let len = without_priority_tag(&mut slot, frame.len());
            slot[..len].to_vec()
        };
        let plain = frame(&[]);
        for priority in [
            &[0x81, 0x00, 0, 0][..],
            &[0x81, 0x00, 0xf0, 0],
            &[0x88, 0xa8, 0x20, 0],
            &[0x81, 0x00, 0, 0, 0x81, 0x00, 0xe0, 0],
            &[],
        ] {
            assert_eq!(strip(&frame(priority), 1), plain, "{priority:x?}");
        }
        let whole = |frame: &[u8], room| assert_eq!(strip(frame, room), frame);
        whole(&frame(&[0x81, 0x00, 0, 1]), 9);
        whole(&frame(&[0x81, 0x00, 1, 0]), 9);
        whole(&frame(&[0x81, 0x00, 0, 0]), 0);
        whole(&[0x81; 15], 9);
        whole(&[], 9);
    }
}
