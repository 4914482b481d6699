//! Words of the configuration made into network things: addresses, endpoints, interfaces.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use aoe_common::frame::{Address, AddressError, MacAddr};

use super::value::{Parsed, Refusal, quote, refuse};

/// The port of AoE gateways: the AoE EtherType, 0x88a2, in decimal.
const DEFAULT_PORT: u16 = 34978;
/// The port of the HTTP listener of a gateway.
pub(super) const METRICS_PORT: u16 = 9478;
/// Longest name in bytes of an interface that is made: IFNAMSIZ less the terminating zero (`linux/if.h`).
const LONGEST_INTERFACE: usize = 15;
/// Longest alternative name in bytes, which `udev` gives by the place of a card: ALTIFNAMSIZ less the terminating zero.
const LONGEST_ALTNAME: usize = 127;

/// A name the kernel takes for a new network interface (`dev_valid_name` in `net/core/dev.c`).
pub(super) fn tap(text: &str) -> Parsed<String> {
    if text.len() > LONGEST_INTERFACE {
        return refuse(
            format!(
                "{} is longer than the 15 bytes an interface name may have",
                quote(text)
            ),
            "write a shorter name, such as \"aoe0\"",
        );
    }
    interface(text)
}

/// A name that an existing interface may have, the alternative ones included.
pub(super) fn interface(text: &str) -> Parsed<String> {
    let reason = if text.is_empty() {
        "is empty"
    } else if text.len() > LONGEST_ALTNAME {
        "is longer than the 127 bytes an alternative name of an interface may have"
    } else if text == "." || text == ".." || text.contains(['/', ':']) || text.contains(char::is_whitespace) {
        "is none the kernel accepts"
    } else if text.contains('%') || text.contains(char::is_control) {
        "is a pattern or has control characters; the interface must have one fixed name"
    } else {
        return Ok(text.to_owned());
    };
    refuse(
        format!("{} {reason}", quote(text)),
        "write a name as `ip link` shows it, such as \"eth1\" or \"aoe0\"",
    )
}

/// An address of ours to receive datagrams at.
pub(super) fn listen(text: &str) -> Parsed<SocketAddr> {
    let examples = format!("\"0.0.0.0:{DEFAULT_PORT}\" or \"[::]:{DEFAULT_PORT}\"");
    address_of_ours(text, DEFAULT_PORT, &examples)
}

/// An address of ours for programs and people to look at.
pub(super) fn metrics(text: &str) -> Parsed<SocketAddr> {
    address_of_ours(text, METRICS_PORT, &format!("\"127.0.0.1:{METRICS_PORT}\""))
}

fn address_of_ours(text: &str, port: u16, examples: &str) -> Parsed<SocketAddr> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return if address.ip().is_multicast() || address.ip() == IpAddr::from([255; 4]) {
            refuse(
                format!("{} is no address of one machine", quote(text)),
                "write an address of this machine",
            )
        } else {
            Ok(address)
        };
    }
    if let Some(address) = without_port(text) {
        return refuse(
            format!("{} has no port", quote(text)),
            format!("write \"{}\"", SocketAddr::new(address, port)),
        );
    }
    refuse(
        format!("{} is no address and port", quote(text)),
        format!("write an IP address of this machine and a port, such as {examples}"),
    )
}

/// The name of a host, without a port; in lower case.
pub(super) fn host(text: &str) -> Parsed<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if is_host_name(name) {
        return Ok(name.to_ascii_lowercase());
    }
    refuse(
        format!("{} is no name of a host", quote(text)),
        "write a name without a port, such as \"gw.example.net\"; addresses and localhost need not be written",
    )
}

/// A link-local address with the name of an interface, and a port: `[fe80::7%eth0]:34978` (RFC 4007, section 11).
pub(crate) fn scoped(endpoint: &str) -> Option<(Ipv6Addr, &str, u16)> {
    let (host, port) = endpoint.strip_prefix('[')?.rsplit_once("]:")?;
    let (address, interface) = host.split_once('%')?;
    let numeric = interface.parse::<u32>().is_ok();
    (!numeric).then_some(())?;
    Some((address.parse().ok()?, interface, port.parse().ok()?))
}

/// Where a peer lives: an address or a name, and a port. Names are resolved when the peer is called.
pub(super) fn endpoint(text: &str) -> Parsed<String> {
    let with_interface = scoped(text);
    if let Some((_, name, _)) = with_interface {
        interface(name)?;
    }
    // A number in place of the name, for what does not depend on it.
    let by_name =
        with_interface.map(|(address, _, port)| SocketAddr::V6(SocketAddrV6::new(address, port, 0, 1)));
    if let Some(address) = by_name.or_else(|| text.parse().ok()) {
        return if address.port() == 0 {
            refuse("port 0 cannot be called", "write the port the peer listens at")
        } else if address.ip().is_unspecified()
            || address.ip().is_multicast()
            || address.ip() == IpAddr::from([255; 4])
        {
            refuse(
                format!("{} is no address of one machine", quote(text)),
                "write the address of the peer",
            )
        } else if let SocketAddr::V6(address) = address
            && address.ip().is_unicast_link_local() != (address.scope_id() != 0)
        {
            match address.ip().is_unicast_link_local() {
                true => refuse(
                    format!(
                        "{} is link-local and does not say on which interface",
                        quote(text)
                    ),
                    format!(
                        "write the interface that leads to the peer: \"[{}%eth0]:{}\"",
                        address.ip(),
                        address.port()
                    ),
                ),
                false => refuse(
                    format!("{} is not link-local, so no interface belongs to it", quote(text)),
                    format!("write \"[{}]:{}\"", address.ip(), address.port()),
                ),
            }
        } else {
            Ok(text.to_owned())
        };
    }
    if let Some(address) = without_port(text) {
        return refuse(
            format!("{} has no port", quote(text)),
            format!("write \"{}\"", SocketAddr::new(address, DEFAULT_PORT)),
        );
    }
    let complete = format!("{text}:{DEFAULT_PORT}");
    if scoped(&complete).is_some() {
        return refuse(
            format!("{} has no port", quote(text)),
            format!("write \"{complete}\""),
        );
    }
    match text.rsplit_once(':') {
        None if is_host_name(text) => refuse(
            format!("{} has no port", quote(text)),
            format!("write \"{text}:{DEFAULT_PORT}\""),
        ),
        Some((host, port)) if is_host_name(host) => {
            if port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0) {
                Ok(text.to_owned())
            } else {
                refuse(
                    format!("{} is no port", quote(port)),
                    format!("write a number from 1 to 65535, usually {DEFAULT_PORT}"),
                )
            }
        }
        _ => refuse(
            format!("{} is no host and port", quote(text)),
            format!(
                "write \"192.0.2.7:{DEFAULT_PORT}\", \"[2001:db8::7]:{DEFAULT_PORT}\" or \"gw.example.net:{DEFAULT_PORT}\""
            ),
        ),
    }
}

/// A shelf.slot that names one target.
pub(super) fn address(text: &str) -> Parsed<Address> {
    text.parse().map_err(|error: AddressError| {
        let found = match error {
            AddressError::Syntax => "is no AoE address",
            AddressError::Shelf => "has a shelf out of range (65535 means every shelf)",
            AddressError::IgnoredShelf => "has shelf 4095, which the Linux initiator ignores",
            AddressError::Slot => "has a slot out of range (255 means every slot)",
        };
        Refusal {
            found: format!("{} {found}", quote(text)),
            instead: String::from(
                "write eSHELF.SLOT, shelf 0 to 65534 but not 4095, slot 0 to 254, such as \"e7.3\"",
            ),
        }
    })
}

/// The MAC address of one station.
pub(super) fn mac(text: &str) -> Parsed<MacAddr> {
    let instead = "write the address of one station, such as \"52:54:00:12:34:56\"";
    match text.parse::<MacAddr>() {
        Ok(mac) if mac.is_broadcast() => refuse(format!("{} means every station", quote(text)), instead),
        Ok(mac) if mac.is_multicast() => refuse(format!("{} is a group address", quote(text)), instead),
        Ok(mac) if mac == MacAddr::ZERO => refuse(format!("{} is no station", quote(text)), instead),
        Ok(mac) => Ok(mac),
        Err(_) => refuse(format!("{} is no MAC address", quote(text)), instead),
    }
}

/// An IP address where an address and a port were expected.
fn without_port(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bare {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse().ok().or_else(|| text.strip_suffix(':')?.parse().ok()),
    }
}

/// RFC 1123, and underlines, which resolvers take. A last label of digits only is a mistyped address.
fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    name.len() <= 253
        && name.split('.').all(label)
        && !name
            .rsplit('.')
            .next()
            .unwrap_or("")
            .bytes()
            .all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instead<T: std::fmt::Debug>(parsed: Parsed<T>) -> String {
        parsed.unwrap_err().instead
    }

    #[test]
    fn endpoints_are_addresses_or_names_with_a_port() {
        for good in [
            "198.51.100.7:34978",
            "[2001:db8::7]:1",
            "gw.example.net:34978",
            "localhost:5",
            "a_b.c.:9",
            "[fe80::7%eth0]:34978",
            "[fe80::7%a-long-name-of-a-network-card]:34978",
            "[fe80::7%2]:34978",
        ] {
            assert_eq!(endpoint(good).unwrap(), good);
        }
        for (bad, meant) in [
            ("198.51.100.7", "write \"198.51.100.7:34978\""),
            ("2001:db8::7", "write \"[2001:db8::7]:34978\""),
            ("[2001:db8::7]", "write \"[2001:db8::7]:34978\""),
            ("gw.example.net", "write \"gw.example.net:34978\""),
            ("gw.example.net:", "write a number from 1 to 65535, usually 34978"),
            (
                "gw.example.net:0",
                "write a number from 1 to 65535, usually 34978",
            ),
            (
                "gw.example.net:65536",
                "write a number from 1 to 65535, usually 34978",
            ),
            (
                "gw.example.net:+5",
                "write a number from 1 to 65535, usually 34978",
            ),
            ("0.0.0.0:34978", "write the address of the peer"),
            ("198.51.100.7:0", "write the port the peer listens at"),
            ("[fe80::7%eth0]:0", "write the port the peer listens at"),
            (
                "[fe80::7]:5",
                "write the interface that leads to the peer: \"[fe80::7%eth0]:5\"",
            ),
            ("[2001:db8::7%eth0]:5", "write \"[2001:db8::7]:5\""),
            ("[2001:db8::7%2]:5", "write \"[2001:db8::7]:5\""),
            ("[fe80::7%eth0]", "write \"[fe80::7%eth0]:34978\""),
        ] {
            assert_eq!(instead(endpoint(bad)), meant, "{bad}");
        }
        for bad in [
            "",
            ":34978",
            "198.51.100:34978",
            "a b:1",
            "-a:1",
            "300.1.1.1:5",
            "[fe80::7%]:5",
            "[fe80::7%a/b]:5",
            "http://a:5",
        ] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn listen_addresses_need_no_name_and_need_a_port() {
        assert_eq!(listen("[::]:34978").unwrap().port(), 34978);
        assert_eq!(instead(listen("0.0.0.0")), "write \"0.0.0.0:34978\"");
        assert_eq!(instead(listen("::")), "write \"[::]:34978\"");
        for bad in [
            "localhost:34978",
            "224.0.0.1:5",
            "255.255.255.255:5",
            "0.0.0.0:70000",
            "",
        ] {
            assert!(listen(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn interfaces_are_names_the_kernel_takes() {
        for good in ["eth1", "a", "exactly15bytes_", "br-lan.7", "veth@1"] {
            assert_eq!(interface(good).unwrap(), good);
            assert_eq!(tap(good).unwrap(), good);
        }
        assert!(interface("sixteen_bytes_xx").is_ok() && tap("sixteen_bytes_xx").is_err());
        assert!(interface(&"x".repeat(127)).is_ok() && interface(&"x".repeat(128)).is_err());
        for bad in ["", "a/b", "a b", "..", "a:1", "aoe%d", "a\u{7}"] {
            assert!(interface(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn stations_are_single() {
        assert_eq!(
            mac("52:54:00:12:34:56").unwrap(),
            MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56])
        );
        for bad in [
            "ff:ff:ff:ff:ff:ff",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
            "52:54:00:12:34",
            "",
        ] {
            assert!(mac(bad).is_err(), "{bad}");
        }
    }
}
