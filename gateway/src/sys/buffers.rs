//! Socket buffers as large as the kernel lets us have.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use super::option;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};

/// Sizes of a socket's buffers, in bytes as the application asks for them. The kernel keeps twice that, for
/// its own bookkeeping (socket(7), SO_RCVBUF).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffers {
    /// Bytes of queue towards us.
    pub recv: usize,
    /// Bytes of queue towards the network.
    pub send: usize,
}

impl Buffers {
    /// For frames or datagrams that come and go as fast as a network of 10 Gbit/s carries them while nobody serves the
    /// socket for 6 ms: somebody else has the processor, for a slice of the scheduler's (3 ms on two processors) or two.
    pub const DATA_PLANE: Buffers = Buffers::holding(10_000_000_000 / 8, Duration::from_millis(6));

    /// The same towards us and towards the network.
    pub const fn both(bytes: usize) -> Buffers {
        Buffers {
            recv: bytes,
            send: bytes,
        }
    }

    /// What comes and goes at a rate in `gap`.
    const fn holding(bytes_per_second: usize, gap: Duration) -> Buffers {
        Buffers::both(bytes_per_second / 1_000_000 * gap.subsec_micros() as usize)
    }

    /// Whether either is smaller than in `asked`.
    pub fn fall_short_of(self, asked: Buffers) -> bool {
        self.recv < asked.recv || self.send < asked.send
    }

    /// What to tell an operator whose kernel gave less than `asked`.
    pub fn complaint(self, asked: Buffers) -> String {
        format!(
            "socket buffers are {} and {} bytes instead of {} and {}: give CAP_NET_ADMIN, or run \
             `sysctl -w net.core.rmem_max={} net.core.wmem_max={}`",
            self.recv, self.send, asked.recv, asked.send, asked.recv, asked.send
        )
    }
}

/// Asks for buffers of these sizes and says what came of it.
///
/// With CAP_NET_ADMIN the size is what was asked; without it the kernel stops at `net.core.rmem_max` and
/// `net.core.wmem_max`. Buffers are never made smaller than they are.
///
/// # Errors
/// Only if the descriptor is not a socket.
pub fn raise(socket: &impl AsFd, asked: Buffers) -> io::Result<Buffers> {
    let before = sizes(socket)?;
    if before.recv < asked.recv && setsockopt(socket, sockopt::RcvBufForce, &asked.recv).is_err() {
        setsockopt(socket, sockopt::RcvBuf, &asked.recv)?;
    }
    if before.send < asked.send && setsockopt(socket, sockopt::SndBufForce, &asked.send).is_err() {
        setsockopt(socket, sockopt::SndBuf, &asked.send)?;
    }
    sizes(socket)
}

/// Messages that the kernel dropped at this socket because its buffer was full, since it was opened.
///
/// # Errors
/// Only if the descriptor is not a socket.
pub fn dropped(socket: &impl AsFd) -> io::Result<u32> {
    let memory: [u32; MEMINFO_LEN] = option::read(socket, libc::SOL_SOCKET, libc::SO_MEMINFO)?;
    Ok(memory.last().copied().unwrap_or_default())
}

/// Numbers of SO_MEMINFO up to the drops (`SK_MEMINFO_DROPS` of linux/sock_diag.h).
const MEMINFO_LEN: usize = 9;

fn sizes(socket: &impl AsFd) -> io::Result<Buffers> {
    Ok(Buffers {
        recv: getsockopt(socket, sockopt::RcvBuf)? / 2,
        send: getsockopt(socket, sockopt::SndBuf)? / 2,
    })
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn buffers_grow_and_the_answer_is_what_the_kernel_keeps() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let before = sizes(&socket).unwrap();
        let asked = Buffers {
            recv: before.recv + 4096,
            send: before.send + 4096,
        };
        let after = raise(&socket, asked).unwrap();
        assert_eq!(after, sizes(&socket).unwrap());
        assert!(!after.fall_short_of(before));
    }

    #[test]
    fn what_is_dropped_is_counted() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(dropped(&socket).unwrap(), 0);
        setsockopt(&socket, sockopt::RcvBuf, &1).unwrap();
        let to = socket.local_addr().unwrap();
        for _ in 0..100 {
            socket.send_to(&[0; 1000], to).unwrap();
        }
        assert!(dropped(&socket).unwrap() > 50);
    }

    #[test]
    fn buffers_are_never_made_smaller() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let before = sizes(&socket).unwrap();
        assert_eq!(raise(&socket, Buffers { recv: 1, send: 1 }).unwrap(), before);
    }
}
