//! AF_PACKET sockets: raw Ethernet on one device, in batches.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::batch::RecvBatch;
use super::buffers::{self, Buffers};
use super::filter::program;
pub use super::filter::{Addresses, Promiscuous};
use super::message::{Messages, Tally, Verdict};
use super::option::{self, OptionValue};
use super::poll;

/// What to open.
#[derive(Clone, Debug)]
pub struct PacketOptions {
    /// The frames to capture.
    pub capture: Capture,
    /// Whether the device is to show us frames for other stations.
    pub promiscuous: Promiscuous,
    /// Of frames of one EtherType, which is AoE's then: those of which addresses.
    pub addresses: Addresses,
    /// Buffers to ask for; [`PacketSocket::buffers`] says what came of it.
    pub buffers: Buffers,
}

/// Which frames a socket captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// Received frames of this EtherType that carried no VLAN tag. (A tag with VLAN 0 is only a priority,
    /// and the kernel takes it off unless the socket is promiscuous.)
    EtherType(u16),
    /// Every frame in both directions, tagged or not: for sniffers. Tags that the kernel takes off do not
    /// show. Frames that another socket sends past the queueing disciplines, as ours do, do not show on the
    /// sending device either; they do at the other end of the cable.
    Everything,
}

impl PacketOptions {
    /// Received frames of one EtherType, with the data plane's buffers.
    pub const fn ethertype(ethertype: u16) -> Self {
        PacketOptions {
            capture: Capture::EtherType(ethertype),
            promiscuous: Promiscuous::Off,
            addresses: Addresses::All,
            buffers: Buffers::DATA_PLANE,
        }
    }

    /// Everything that passes a device.
    pub const fn everything() -> Self {
        PacketOptions {
            capture: Capture::Everything,
            promiscuous: Promiscuous::On,
            addresses: Addresses::All,
            buffers: Buffers {
                recv: 16 << 20,
                send: 1 << 16,
            },
        }
    }
}

/// A raw Ethernet socket bound to one device. Never blocks.
pub struct PacketSocket {
    socket: Socket,
    buffers: Buffers,
    messages: Messages,
    /// What it captures, but for the addresses.
    capture: Capture,
    promiscuous: Promiscuous,
}

impl PacketSocket {
    /// Opens a socket on the device with this index.
    ///
    /// The socket is bound last, so no frame that the filter would drop is ever queued.
    ///
    /// # Errors
    /// `PermissionDenied` without CAP_NET_RAW; ENODEV if there is no such device. A device that exists but is
    /// down is no error here: the first [`recv_batch`](Self::recv_batch) says ENETDOWN.
    pub fn open(index: u32, options: PacketOptions) -> io::Result<Self> {
        let socket = unbound()?;
        let ethertype = match options.capture {
            Capture::EtherType(ethertype) => {
                socket.attach_filter(&program(ethertype, options.promiscuous, &options.addresses))?;
                // Kernels before 4.20 do not know the option; the filter does the same, a little later.
                let _ = option::set(&socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1);
                // A frame may wait long before it is read: how long is counted from here.
                option::set(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
                // Frames go straight to the driver: a queueing discipline would only add its own loss and cost.
                option::set(&socket, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, 1)?;
                match options.promiscuous {
                    // The cheap way: other frames never come near the socket. The kernel takes tags off before
                    // it gets here, but has marked what had one as for another host.
                    Promiscuous::Off => ethertype,
                    // The filter has to see the tag itself, so it must run before it is taken off.
                    Promiscuous::On => ETH_P_ALL,
                }
            }
            Capture::Everything => ETH_P_ALL,
        };
        let buffers = buffers::raise(&socket, options.buffers)?;
        bind(&socket, index, ethertype)?;
        if options.promiscuous == Promiscuous::On {
            let membership = Membership {
                index: index.cast_signed(),
                kind: MR_PROMISC,
                ..Membership::default()
            };
            option::set(&socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, membership)?;
        }
        Ok(PacketSocket {
            socket,
            buffers,
            messages: Messages::with_capacity(RecvBatch::SLOTS),
            capture: options.capture,
            promiscuous: options.promiscuous,
        })
    }

    /// Captures the frames of these addresses from now on, in place of others. No frame of an address that was and is
    /// captured is missed; what has come stays.
    ///
    /// # Errors
    /// The kernel has no room for a filter of that length; what was captured before is still.
    pub fn capture(&mut self, addresses: &Addresses) -> io::Result<()> {
        match self.capture {
            Capture::EtherType(ethertype) => {
                self.socket
                    .attach_filter(&program(ethertype, self.promiscuous, addresses))
            }
            Capture::Everything => Ok(()),
        }
    }

    /// Asks whether this process may open packet sockets at all.
    ///
    /// # Errors
    /// `PermissionDenied` without CAP_NET_RAW.
    pub fn probe() -> io::Result<()> {
        unbound().map(drop)
    }

    /// The buffers the kernel gave.
    pub fn buffers(&self) -> Buffers {
        self.buffers
    }

    /// Takes what has arrived, at most one batch of it; returns the number of frames, 0 if there are none.
    ///
    /// # Errors
    /// ENETDOWN once when the device goes down or away.
    pub fn recv_batch(&mut self, batch: &mut RecvBatch) -> io::Result<usize> {
        match batch.fill_from_socket(&self.socket) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                Ok(0)
            }
            outcome => outcome,
        }
    }

    /// Sends Ethernet frames (with header, without FCS) in order.
    ///
    /// Waits at most a few milliseconds for room in the socket or the device; what finds none is dropped and
    /// counted. Frames the device cannot carry are dropped and counted; the others still go.
    pub fn send_batch<'a>(&mut self, frames: impl Iterator<Item = &'a [u8]>) -> SendOutcome {
        let socket = &self.socket;
        let mut patience = PATIENCE;
        let mut gone = None;
        let Tally { sent, failed } = self
            .messages
            .send(socket, frames, |error| match error.raw_os_error() {
                Some(libc::EINTR) => Verdict::Again,
                Some(libc::EAGAIN) if patience > 0 => {
                    patience -= 1;
                    poll::wait_writable(socket, WAIT_FOR_SOCKET);
                    Verdict::Again
                }
                Some(libc::ENOBUFS) if patience > 0 => {
                    patience -= 1;
                    poll::nap(WAIT_FOR_DEVICE);
                    Verdict::Again
                }
                Some(libc::EAGAIN) => Verdict::Stop,
                Some(libc::ENETDOWN | libc::ENODEV | libc::ENXIO) => {
                    gone = Some(error);
                    Verdict::Stop
                }
                // EMSGSIZE, EINVAL, or a driver's own reason: this frame's fault, or at least its fate.
                _ => Verdict::Skip,
            });
        SendOutcome { sent, failed, gone }
    }

    /// Frames the kernel dropped because the receive buffer was full, since the last call.
    ///
    /// # Errors
    /// None that a correct caller sees.
    pub fn kernel_drops(&mut self) -> io::Result<u32> {
        let statistics: Statistics = option::read(&self.socket, libc::SOL_PACKET, libc::PACKET_STATISTICS)?;
        Ok(statistics.drops)
    }
}

/// How a batch of frames was sent.
#[derive(Debug, Default)]
pub struct SendOutcome {
    /// Frames the device took.
    pub sent: usize,
    /// Frames dropped, for whatever reason.
    pub failed: usize,
    /// Set if the device is down or no longer there.
    pub gone: Option<io::Error>,
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl fmt::Debug for PacketSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketSocket")
            .field("fd", &self.socket.as_raw_fd())
            .field("buffers", &self.buffers)
            .finish()
    }
}

/// Waits per batch, of either kind, before frames are dropped.
const PATIENCE: u8 = 4;
const WAIT_FOR_SOCKET: Duration = Duration::from_millis(1);
/// A busy device gives no sign when it is free again, so this is a guess at a few frames' time.
const WAIT_FOR_DEVICE: Duration = Duration::from_micros(100);

#[allow(
    clippy::cast_possible_truncation,
    reason = "the constant is 3; sll_protocol is 16 bits wide"
)]
const ETH_P_ALL: u16 = libc::ETH_P_ALL as u16;
#[allow(
    clippy::cast_possible_truncation,
    reason = "the constant is 1; mr_type is 16 bits wide"
)]
const MR_PROMISC: u16 = libc::PACKET_MR_PROMISC as u16;

/// A packet socket that captures nothing yet: protocol 0.
fn unbound() -> io::Result<Socket> {
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn bind(socket: &Socket, index: u32, ethertype: u16) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "address families are 16 bits wide"
        )]
        sll_family: libc::AF_PACKET as libc::sa_family_t,
        sll_protocol: ethertype.to_be(),
        sll_ifindex: index.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    #[allow(clippy::cast_possible_truncation, reason = "the struct is 20 bytes long")]
    let len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe a local that the kernel only reads.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// `struct packet_mreq` of linux/if_packet.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Membership {
    index: libc::c_int,
    kind: u16,
    address_len: u16,
    address: [u8; 8],
}

// SAFETY: integers only, 4 + 2 + 2 + 8 bytes at offsets that are multiples of their sizes: no padding.
unsafe impl OptionValue for Membership {}

/// `struct tpacket_stats` of linux/if_packet.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Statistics {
    packets: u32,
    drops: u32,
}

// SAFETY: two integers of one size: no padding.
unsafe impl OptionValue for Statistics {}
