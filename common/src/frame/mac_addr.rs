//! Ethernet addresses.

use std::fmt;
use std::str::FromStr;

/// An Ethernet (MAC) address, in the order of transmission.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// `ff:ff:ff:ff:ff:ff`: every station on the segment.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// `00:00:00:00:00:00`: no station.
    pub const ZERO: Self = Self([0; 6]);

    /// Is this the address of every station?
    #[must_use]
    pub const fn is_broadcast(self) -> bool {
        matches!(self.0, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
    }

    /// Is this a group address? The broadcast address is one too.
    #[must_use]
    pub const fn is_multicast(self) -> bool {
        let [first, ..] = self.0;
        first & 0x01 != 0
    }
}

/// Lower-case hexadecimal bytes joined by colons, as `ip link` prints them.
impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A text that is not a MAC address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a MAC address: write six bytes of two hexadecimal digits, such as 52:54:00:12:34:56")]
pub struct MacAddrError;

/// Accepts six pairs of hexadecimal digits of either case, joined throughout by `:` or throughout by `-`.
///
/// # Errors
/// [`MacAddrError`] for any other text.
impl FromStr for MacAddr {
    type Err = MacAddrError;

    fn from_str(text: &str) -> Result<Self, MacAddrError> {
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut bytes = [0; 6];
        let mut parts = text.split(separator);
        for byte in &mut bytes {
            let part = parts.next().ok_or(MacAddrError)?;
            // from_str_radix alone would take a sign and a single digit.
            if part.len() != 2 || !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(MacAddrError);
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| MacAddrError)?;
        }
        if parts.next().is_some() {
            Err(MacAddrError)
        } else {
            Ok(Self(bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MacAddr, MacAddrError};

    const QEMU: MacAddr = MacAddr([0x52, 0x54, 0x00, 0x12, 0x34, 0xab]);

    #[test]
    fn both_separators_and_both_cases_are_read() {
        for text in ["52:54:00:12:34:ab", "52-54-00-12-34-ab", "52:54:00:12:34:AB"] {
            assert_eq!(text.parse(), Ok(QEMU), "{text}");
        }
        assert_eq!(QEMU.to_string(), "52:54:00:12:34:ab");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:ab:cd",
            "52:54:00:12:34:",
            "52:54:00:12:34:a",
            "52:54:00:12:34:0ab",
            "52:54:00:12:34:+b",
            "52:54:00:12:34:gg",
            "52-54:00:12:34:ab",
            "5254.0012.34ab",
            " 52:54:00:12:34:ab",
            "52:54:00:12:34:é",
        ] {
            assert_eq!(text.parse::<MacAddr>(), Err(MacAddrError), "{text:?}");
        }
    }

    #[test]
    fn group_addresses_are_told_from_station_addresses() {
        assert!(MacAddr::BROADCAST.is_broadcast() && MacAddr::BROADCAST.is_multicast());
        let all_routers = MacAddr([0x33, 0x33, 0, 0, 0, 2]);
        assert!(all_routers.is_multicast() && !all_routers.is_broadcast());
        assert!(!QEMU.is_multicast() && !QEMU.is_broadcast());
        assert!(!MacAddr::ZERO.is_multicast());
    }
}
