//! What the kernel knows about a network device.

use std::io;
use std::os::fd::AsRawFd;

use aoe_common::frame::MacAddr;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// A network device at the moment of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its index; a device deleted and made again under the same name has another one.
    pub index: u32,
    /// Its own Ethernet address; all zeroes where [`kind`](Self::kind) is not Ethernet.
    pub mac: MacAddr,
    /// Bytes per frame without the Ethernet header.
    pub mtu: u32,
    /// What sort of device it is.
    pub kind: LinkKind,
    /// Whether it can carry frames.
    pub state: LinkState,
}

/// What sort of device it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// Ethernet, or something that looks like it.
    Ethernet,
    /// Anything else, with the kernel's number for it (`ARPHRD_*`).
    Other(u16),
}

/// Whether a device can carry frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Switched off by the administrator.
    Down,
    /// Switched on, but with no cable, or with a peer that is down.
    NoCarrier,
    /// Working.
    Up,
}

/// Looks a device up by its name, in this thread's network namespace. `None` if there is none.
///
/// # Errors
/// `InvalidInput` for a name no device can have; otherwise only a lack of descriptors.
pub fn by_name(name: &str) -> io::Result<Option<Link>> {
    let ask = Request::new(name)?;
    match ask.link() {
        // The second is for a device that went away between two questions.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO)) => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// Questions about one device, through a socket that serves for nothing else.
struct Request {
    socket: std::os::fd::OwnedFd,
    name: [libc::c_char; libc::IFNAMSIZ],
}

impl Request {
    fn new(name: &str) -> io::Result<Self> {
        let mut bytes = [0; libc::IFNAMSIZ];
        // One byte stays for the terminating zero.
        if name.is_empty() || name.len() >= libc::IFNAMSIZ || name.contains('\0') {
            let reason = format!("\"{name}\" cannot be a network device: names have 1 to 15 bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        for (to, from) in bytes.iter_mut().zip(name.bytes()) {
            *to = from.cast_signed();
        }
        let socket = socket(
            AddressFamily::Inet,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC,
            None,
        )?;
        Ok(Request { socket, name: bytes })
    }

    fn link(&self) -> io::Result<Link> {
        let answer = self.ask(libc::SIOCGIFINDEX)?;
        // SAFETY: the kernel filled the union for SIOCGIFINDEX, and any bytes are an integer.
        let index = unsafe { answer.ifr_ifru.ifru_ifindex }.cast_unsigned();
        let answer = self.ask(libc::SIOCGIFFLAGS)?;
        // SAFETY: as above, for SIOCGIFFLAGS.
        let flags = libc::c_int::from(unsafe { answer.ifr_ifru.ifru_flags });
        let answer = self.ask(libc::SIOCGIFMTU)?;
        // SAFETY: as above, for SIOCGIFMTU.
        let mtu = unsafe { answer.ifr_ifru.ifru_mtu }.cast_unsigned();
        let answer = self.ask(libc::SIOCGIFHWADDR)?;
        // SAFETY: as above, for SIOCGIFHWADDR: a family and 14 bytes, any of which are values.
        let address = unsafe { answer.ifr_ifru.ifru_hwaddr };
        let kind = match address.sa_family {
            libc::ARPHRD_ETHER => LinkKind::Ethernet,
            other => LinkKind::Other(other),
        };
        let mac = match kind {
            LinkKind::Ethernet => {
                let [a, b, c, d, e, f, ..] = address.sa_data.map(libc::c_char::cast_unsigned);
                MacAddr([a, b, c, d, e, f])
            }
            LinkKind::Other(_) => MacAddr([0; 6]),
        };
        let state = match (flags & libc::IFF_UP != 0, flags & libc::IFF_RUNNING != 0) {
            (false, _) => LinkState::Down,
            (true, false) => LinkState::NoCarrier,
            (true, true) => LinkState::Up,
        };
        Ok(Link {
            index,
            mac,
            mtu,
            kind,
            state,
        })
    }

    fn ask(&self, question: libc::c_ulong) -> io::Result<libc::ifreq> {
        // SAFETY: the struct is integers, arrays of them and one pointer, for which all zeroes are a value.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        request.ifr_name = self.name;
        // SAFETY: the requests asked here read the name and write the union of the struct they are given.
        let result = unsafe { libc::ioctl(self.socket.as_raw_fd(), question as _, &raw mut request) };
        if result == 0 {
            Ok(request)
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_found_and_is_not_ethernet() {
        let link = by_name("lo").unwrap().expect("a machine has a loopback device");
        assert_eq!(link.index, 1);
        assert_eq!(link.kind, LinkKind::Other(libc::ARPHRD_LOOPBACK));
    }

    #[test]
    fn an_absent_device_is_none_and_an_impossible_name_is_an_error() {
        assert_eq!(by_name("no-such-device").unwrap(), None);
        for name in ["", "sixteen-bytes-xx", "a\0b"] {
            assert_eq!(
                by_name(name).unwrap_err().kind(),
                io::ErrorKind::InvalidInput,
                "{name:?}"
            );
        }
    }
}
