//! What the kernel knows about a network device.

use std::io;
use std::os::fd::AsRawFd;

use aoe_common::frame::MacAddr;
use netlink_packet_core::{ErrorBuffer, NetlinkBuffer, NlaBuffer, NlasIterator};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

/// A network device at the moment of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its index; a device deleted and made again under the same name has another one.
    pub index: u32,
    /// Its name, which is not the one asked for if that was an alternative name.
    pub name: String,
    /// Its own Ethernet address; all zeroes where [`kind`](Self::kind) is not Ethernet.
    pub mac: MacAddr,
    /// Bytes per frame without the Ethernet header.
    pub mtu: u32,
    /// What sort of device it is.
    pub kind: LinkKind,
    /// What makes it, if that is not hardware: `veth`, `bridge`, `tun`…
    pub driver: Option<String>,
    /// Whether it can carry frames.
    pub state: LinkState,
    /// What it is a port of.
    pub master: Option<Master>,
    /// What else is known of a TUN or TAP device.
    pub tun: Option<Tun>,
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
    /// Switched on, but with no cable, or with a peer or a device below it that is down.
    NoCarrier,
    /// Working.
    Up,
}

/// The device that another one is a port of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    /// Its name; empty if it went away meanwhile.
    pub name: String,
    /// Its driver: `bridge`, `bond`, `team`, `openvswitch`, `vrf`…
    pub driver: String,
}

/// What else is known of a TUN or TAP device (`tun_fill_info` in `drivers/net/tun.c`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tun {
    /// Whether it carries Ethernet (TAP), not IP (TUN).
    pub is_tap: bool,
    /// Whether it takes several programs at a time.
    pub multi_queue: bool,
    /// How many queues programs hold, if it takes several.
    pub queues: u32,
    /// The only user who may use it without CAP_NET_ADMIN.
    pub owner: Option<u32>,
}

/// Looks a device up by its name or an alternative name of it, in this thread's network namespace. `None` if there is
/// none.
///
/// # Errors
/// `InvalidInput` for a name no device can have; otherwise only a lack of descriptors.
pub fn by_name(name: &str) -> io::Result<Option<Link>> {
    if name.is_empty() || name.len() >= ALTIFNAMSIZ || name.contains('\0') {
        let reason = format!("\"{name}\" cannot be a network device: names have 1 to 127 bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    // The kernel looks for either in all names, but for no longer ones in the first.
    let attribute = match name.len() < libc::IFNAMSIZ {
        true => libc::IFLA_IFNAME,
        false => libc::IFLA_ALT_IFNAME,
    };
    let Some((mut link, master)) = ask(0, Some((attribute, name)))? else {
        return Ok(None);
    };
    if let Some(index) = master {
        let known = ask(index, None)?.map(|(master, _)| master);
        link.master = Some(Master {
            driver: link.master.map(|master| master.driver).unwrap_or_default(),
            name: known.map(|master| master.name).unwrap_or_default(),
        });
    }
    Ok(Some(link))
}

/// The longest alternative name and its terminating zero (`linux/if.h`, since Linux 5.5).
const ALTIFNAMSIZ: usize = 128;
/// `struct ifinfomsg` of linux/rtnetlink.h.
const IFINFO_LEN: usize = 16;
/// Longer than any answer: an answer has no statistics and no virtual functions if none are asked for.
const ANSWER_LEN: usize = 32 << 10;

/// Asks for one device by its index or by a name; returns it and the index of its master, whose driver it knows already.
fn ask(index: u32, name: Option<(u16, &str)>) -> io::Result<Option<(Link, Option<u32>)>> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    let question = question(index, name);
    let kernel = NetlinkAddr::new(0, 0);
    sendto(socket.as_raw_fd(), &question, &kernel, MsgFlags::empty())?;
    let mut answer = vec![0; ANSWER_LEN];
    let len = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    let malformed = |_| io::Error::other("the kernel's answer about a device cannot be read");
    let answer = NetlinkBuffer::new_checked(answer.get(..len).unwrap_or_default()).map_err(malformed)?;
    if answer.message_type() != libc::RTM_NEWLINK {
        let code = ErrorBuffer::new_checked(answer.payload())
            .map_err(malformed)?
            .code();
        let error = io::Error::from_raw_os_error(code.map_or(0, |code| code.get().saturating_neg()));
        return match error.raw_os_error() {
            // Kernels before 5.5 do not know the second name and say EINVAL.
            Some(libc::ENODEV | libc::EINVAL) => Ok(None),
            _ => Err(error),
        };
    }
    Ok(read(answer.payload()))
}

/// RTM_GETLINK (rtnetlink(7)).
fn question(index: u32, name: Option<(u16, &str)>) -> Vec<u8> {
    let mut body = vec![0; IFINFO_LEN];
    if let Some(field) = body.get_mut(4..8) {
        field.copy_from_slice(&index.to_ne_bytes());
    }
    let mut attribute = |kind: u16, value: &[u8]| {
        let len = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        body.extend_from_slice(&len.to_ne_bytes());
        body.extend_from_slice(&kind.to_ne_bytes());
        body.extend_from_slice(value);
        body.resize(body.len().next_multiple_of(4), 0);
    };
    let leave_out = libc::RTEXT_FILTER_SKIP_STATS.to_ne_bytes();
    attribute(libc::IFLA_EXT_MASK, &leave_out);
    if let Some((kind, name)) = name {
        attribute(kind, &[name.as_bytes(), b"\0"].concat());
    }
    let len = 16 + u32::try_from(body.len()).unwrap_or(u32::MAX);
    let flags = u16::try_from(libc::NLM_F_REQUEST).unwrap_or(1);
    let mut message = len.to_ne_bytes().to_vec();
    message.extend_from_slice(&libc::RTM_GETLINK.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    // Sequence and port: there is one question and one answer on this socket.
    message.extend_from_slice(&[0; 8]);
    message.append(&mut body);
    message
}

/// RTM_NEWLINK. Attributes that are not needed are not read, so that no driver's own ones can do harm.
fn read(payload: &[u8]) -> Option<(Link, Option<u32>)> {
    let head = payload.first_chunk::<IFINFO_LEN>()?;
    let [_, _, t0, t1, i0, i1, i2, i3, f0, f1, f2, f3, ..] = *head;
    let kind = match u16::from_ne_bytes([t0, t1]) {
        libc::ARPHRD_ETHER => LinkKind::Ethernet,
        other => LinkKind::Other(other),
    };
    let flags = i32::from_ne_bytes([f0, f1, f2, f3]);
    let state = match (flags & libc::IFF_UP != 0, flags & libc::IFF_RUNNING != 0) {
        (false, _) => LinkState::Down,
        (true, false) => LinkState::NoCarrier,
        (true, true) => LinkState::Up,
    };
    let mut link = Link {
        index: u32::from_ne_bytes([i0, i1, i2, i3]),
        name: String::new(),
        mac: MacAddr::ZERO,
        mtu: 0,
        kind,
        driver: None,
        state,
        master: None,
        tun: None,
    };
    let mut master = None;
    for attribute in attributes(payload.get(IFINFO_LEN..)?) {
        let value = attribute.value();
        match attribute.kind() {
            libc::IFLA_IFNAME => link.name = text(value),
            libc::IFLA_ADDRESS if kind == LinkKind::Ethernet => {
                link.mac = value.try_into().map_or(MacAddr::ZERO, MacAddr);
            }
            libc::IFLA_MTU => link.mtu = number(value)?,
            libc::IFLA_MASTER => master = number(value).filter(|index| *index != 0),
            libc::IFLA_LINKINFO => read_info(&mut link, value),
            _ => {}
        }
    }
    Some((link, master))
}

fn read_info(link: &mut Link, info: &[u8]) {
    for attribute in attributes(info) {
        let value = attribute.value();
        match attribute.kind() {
            libc::IFLA_INFO_KIND => link.driver = Some(text(value)),
            libc::IFLA_INFO_SLAVE_KIND => {
                link.master = Some(Master {
                    name: String::new(),
                    driver: text(value),
                });
            }
            // It stands after the kind (`rtnl_link_info_fill`).
            libc::IFLA_INFO_DATA if link.driver.as_deref() == Some("tun") => {
                let mut tun = Tun::default();
                for attribute in attributes(value) {
                    match (attribute.kind(), attribute.value()) {
                        (IFLA_TUN_OWNER, value) => tun.owner = number(value),
                        (IFLA_TUN_TYPE, value) => tun.is_tap = value == [IFF_TAP],
                        (IFLA_TUN_MULTI_QUEUE, value) => tun.multi_queue = value == [1],
                        (IFLA_TUN_NUM_QUEUES, value) => tun.queues = number(value).unwrap_or(0),
                        _ => {}
                    }
                }
                link.tun = Some(tun);
            }
            _ => {}
        }
    }
}

// linux/if_link.h and linux/if_tun.h.
const IFLA_TUN_OWNER: u16 = 1;
const IFLA_TUN_TYPE: u16 = 3;
const IFLA_TUN_MULTI_QUEUE: u16 = 7;
const IFLA_TUN_NUM_QUEUES: u16 = 8;
const IFF_TAP: u8 = 2;

/// Attributes up to the first one that is malformed.
fn attributes(bytes: &[u8]) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(bytes).map_while(Result::ok)
}

fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}

fn text(value: &[u8]) -> String {
    let end = value.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(end).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_found_and_is_not_ethernet() {
        let link = by_name("lo").unwrap().expect("a machine has a loopback device");
        assert_eq!((link.index, link.name.as_str()), (1, "lo"));
        assert_eq!(link.kind, LinkKind::Other(libc::ARPHRD_LOOPBACK));
        assert!(link.mtu > 1500 && link.master.is_none());
    }

    #[test]
    fn an_absent_device_is_none_and_an_impossible_name_is_an_error() {
        assert_eq!(by_name("no-such-device").unwrap(), None);
        assert_eq!(by_name("no-such-device-with-so-long-a-name").unwrap(), None);
        for name in ["", &"x".repeat(128), "a\0b"] {
            assert_eq!(
                by_name(name).unwrap_err().kind(),
                io::ErrorKind::InvalidInput,
                "{name:?}"
            );
        }
    }

    #[test]
    fn an_answer_cut_off_anywhere_does_no_harm() {
        let whole = [
            &[0; IFINFO_LEN][..],
            &[8, 0, 3, 0, b'a', b'b', 0, 0],
            &[
                20, 0, 18, 0, 8, 0, 1, 0, b't', b'u', b'n', 0, 8, 0, 2, 0, 5, 0, 3, 0,
            ],
        ]
        .concat();
        for len in 0..whole.len() {
            let _ = read(&whole[..len]);
        }
        assert_eq!(read(&whole).unwrap().0.name, "ab");
    }
}
