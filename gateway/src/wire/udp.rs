//! One UDP socket, with the kernel's segmentation offloads where they work.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use aoe_common::output::Train;
use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Origin, RecvMemory};
use crate::sys::buffers::{self, Buffers};
use crate::sys::poll;

/// A socket bound to one listen address. Never blocks, and never sends a datagram in fragments.
///
/// A socket bound to the unspecified address (`0.0.0.0`, `[::]`) says of each datagram to which address it was sent, and
/// sends from the address it is told ([`Path::local`](aoe_common::output::Path::local)).
#[derive(Debug)]
pub struct UdpWire {
    socket: UdpSocket,
    state: UdpSocketState,
    buffers: Buffers,
    /// The buffers that were asked for.
    asked: Buffers,
    /// Whether it is bound to every address of this host.
    wildcard: bool,
    /// Datagrams the kernel takes in one send: 1 once its segmentation offload has proved broken.
    per_send: usize,
}

impl UdpWire {
    /// Binds a socket and asks for buffers of these sizes. IPv6 sockets take IPv6 only, so both families can listen on one port.
    ///
    /// # Errors
    /// The address is taken, is not ours, or is forbidden.
    pub fn bind(address: SocketAddr, asked: Buffers) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        let buffers = buffers::raise(&socket, asked)?;
        let socket = UdpSocket::from(socket);
        // Sets don't-fragment, receive offload and non-blocking mode.
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // It also asks for timestamps, which we do not read and which the whole machine pays for.
        setsockopt(&socket, sockopt::ReceiveTimestampns, &false)?;
        let per_send = state.max_gso_segments().max(1);
        Ok(UdpWire {
            socket,
            state,
            buffers,
            asked,
            wildcard: address.ip().is_unspecified(),
            per_send,
        })
    }

    /// The address bound to, with the port the kernel chose if it was asked to.
    ///
    /// # Errors
    /// None that a bound socket reports.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The buffers the kernel gave.
    pub fn buffers(&self) -> Buffers {
        self.buffers
    }

    /// The buffers that were asked for.
    pub fn asked_buffers(&self) -> Buffers {
        self.asked
    }

    /// Whether the kernel hands over several datagrams at once.
    pub fn receive_offload(&self) -> Offload {
        match self.state.gro_segments() > 1 {
            true => Offload::Works,
            false => Offload::Off,
        }
    }

    /// Whether several datagrams go in one send.
    pub fn segmentation_offload(&self) -> Offload {
        if self.per_send > 1 {
            Offload::Works
        } else {
            Offload::Off
        }
    }

    /// Takes what has arrived, at most one batch of it, and hands it out datagram by datagram. Returns how
    /// many messages that were, 0 if there were none.
    ///
    /// # Errors
    /// Whatever the network left on the socket; the next call goes on.
    pub fn recv(
        &mut self,
        memory: &mut RecvMemory,
        mut each: impl FnMut(Origin, &mut [u8]),
    ) -> io::Result<usize> {
        let (socket, state) = (UdpSockRef::from(&self.socket), &self.state);
        let wildcard = self.wildcard;
        let each = |origin: Origin, datagram: &mut [u8]| {
            // There is nothing to choose from on a socket with one address.
            let local = origin.local.filter(|_| wildcard);
            each(Origin { local, ..origin }, datagram);
        };
        match memory.fill(|slots, metas| state.recv(socket, slots, metas)) {
            Ok(messages) => {
                memory.datagrams(messages, each);
                Ok(messages)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Sends a train, in one system call where that works.
    ///
    /// Waits at most a few milliseconds for room in the socket. A datagram that does not leave is lost, as it
    /// might be on its way.
    pub fn send(&mut self, train: Train<'_>) -> SendOutcome {
        let mut outcome = SendOutcome::default();
        let mut patience = PATIENCE;
        for part in train
            .bytes
            .chunks(train.stride.max(1).saturating_mul(self.per_send))
        {
            self.send_part(Train { bytes: part, ..train }, &mut patience, &mut outcome);
        }
        outcome
    }

    fn send_part(&mut self, part: Train<'_>, patience: &mut u8, outcome: &mut SendOutcome) {
        let datagrams = part.datagrams().count();
        let error = match self.transmit(part, patience) {
            Ok(()) => {
                outcome.sent += datagrams;
                return;
            }
            Err(error) => error,
        };
        // A device without checksum offload refuses trains by EIO, some kernels and drivers by EINVAL. Both
        // may have other reasons, so the offload is only given up if datagrams pass alone.
        let suspicious = matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL));
        if datagrams == 1 || !suspicious {
            if error.raw_os_error() == Some(libc::EMSGSIZE) {
                outcome.note_too_long(part.stride.min(part.bytes.len()));
            }
            outcome.failed += datagrams;
            outcome.error = Some(error);
            return;
        }
        for datagram in part.datagrams() {
            match self.transmit(
                Train {
                    bytes: datagram,
                    ..part
                },
                patience,
            ) {
                Ok(()) => {
                    outcome.sent += 1;
                    // A short last one passes where the others are too long; that is not the offload's fault.
                    if outcome.too_long.is_none() {
                        self.per_send = 1;
                    }
                }
                Err(error) => {
                    if error.raw_os_error() == Some(libc::EMSGSIZE) {
                        outcome.note_too_long(datagram.len());
                    }
                    outcome.failed += 1;
                    outcome.error = Some(error);
                }
            }
        }
    }

    /// One `sendmsg`, from the address the peer knows us by. If that is no address of ours any more, or no route leads
    /// from there, the kernel chooses another one: the peer follows what comes from there.
    fn transmit(&self, train: Train<'_>, patience: &mut u8) -> io::Result<()> {
        match self.offer(train, train.path.local, patience) {
            Err(error) if train.path.local.is_some() && may_blame_source(&error) => {
                self.offer(train, None, patience)
            }
            outcome => outcome,
        }
    }

    /// One `sendmsg`, offered again while there is patience.
    fn offer(&self, train: Train<'_>, src_ip: Option<IpAddr>, patience: &mut u8) -> io::Result<()> {
        let transmit = Transmit {
            destination: train.path.remote,
            ecn: None,
            contents: train.bytes,
            segment_size: (train.stride < train.bytes.len()).then_some(train.stride),
            src_ip,
        };
        loop {
            match self.state.try_send(UdpSockRef::from(&self.socket), &transmit) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && *patience > 0 => {
                    *patience -= 1;
                    poll::wait_writable(&self.socket, WAIT_FOR_SOCKET);
                }
                outcome => return outcome,
            }
        }
    }
}

/// How a train was sent.
#[derive(Debug, Default)]
pub struct SendOutcome {
    /// Datagrams the kernel took.
    pub sent: usize,
    /// Datagrams lost.
    pub failed: usize,
    /// Why the last of them was.
    pub error: Option<io::Error>,
    /// Length of the shortest that is longer than the device allows.
    pub too_long: Option<usize>,
}

impl SendOutcome {
    fn note_too_long(&mut self, len: usize) {
        self.too_long = Some(self.too_long.map_or(len, |known| known.min(len)));
    }
}

/// Whether the kernel cuts trains into datagrams for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offload {
    /// It does.
    Works,
    /// It does not, or has failed to: every datagram costs a system call.
    Off,
}

impl AsFd for UdpWire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether the source address may be the reason (`ip_route_output_key_hash`, `ip6_datagram_send_ctl`).
fn may_blame_source(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EADDRNOTAVAIL)
    )
}

/// Waits per train before datagrams are lost.
const PATIENCE: u8 = 4;
const WAIT_FOR_SOCKET: Duration = Duration::from_millis(1);
