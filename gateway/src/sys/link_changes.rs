//! A sign from the kernel that some network device changed.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Wakes whoever waits when a device in this network namespace appears, goes, or changes.
///
/// It does not say which: whoever cares looks the device up by [`link::by_name`](super::link::by_name).
/// So lost or unknown messages do no harm, and there is nothing to parse.
#[derive(Debug)]
pub struct LinkChanges {
    socket: AsyncFd<OwnedFd>,
}

impl LinkChanges {
    /// Listens from now on. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A lack of descriptors.
    pub fn listen() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            flags,
            SockProtocol::NetlinkRoute,
        )?;
        bind(
            socket.as_raw_fd(),
            &NetlinkAddr::new(0, libc::RTMGRP_LINK.cast_unsigned()),
        )?;
        // SAFETY: an owned descriptor is open and stays the same one until it is dropped, which the `AsyncFd`
        // that owns it from here on does last.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?;
        Ok(LinkChanges { socket })
    }

    /// Waits for a change, or several at once.
    ///
    /// # Errors
    /// None that are known; the caller may go on without signs and look at intervals.
    pub async fn changed(&mut self) -> io::Result<()> {
        let mut ready = self.socket.readable().await?;
        let mut unread = [0; 4096];
        loop {
            let socket = self.socket.get_ref().as_raw_fd();
            match recv(socket, &mut unread, MsgFlags::empty()).map_err(io::Error::from) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready.clear_ready();
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // More changes than the socket holds: a sign all the same.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
