//! What may be said in an offer or a letter: names, addresses of disks, endpoints, rights.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::refusal::{Refusal, Result};

/// Longest name of a gateway, segment or export, in bytes.
const LONGEST_NAME: usize = 64;
/// Longest endpoint: a DNS name and a port.
const LONGEST_ENDPOINT: usize = 253 + 6;

/// Whether it can be the name of a gateway, segment or export.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    // A file is called after it, and those with a dot in front are not read.
    !text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(plain) && !text.starts_with('.')
}

/// Refuses what is no name; `what` says whose.
pub(super) fn name(what: &str, text: &str) -> Result<()> {
    match is_name(text) {
        true => Ok(()),
        false => Err(Refusal::usage(format!(
            "{} is no name of {what}; use 1 to {LONGEST_NAME} characters out of a-z, A-Z, 0-9, `-`, `_` and `.`, not a `.` first",
            shown(text)
        ))),
    }
}

/// A text of somebody else for a message: short, without control characters.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(64).collect();
    format!("{short:?}")
}

/// Whether a gateway can be called there: `host:port`.
pub(super) fn is_endpoint(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_port =
        port.parse::<u16>().is_ok_and(|number| number > 0) && port.bytes().all(|b| b.is_ascii_digit());
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => {
            let (address, interface) = inner.split_once('%').unwrap_or((inner, "x"));
            address.parse::<Ipv6Addr>().is_ok() && !interface.is_empty() && interface.chars().all(plain)
        }
        None => !host.is_empty() && host.chars().all(plain),
    };
    text.len() <= LONGEST_ENDPOINT && is_port && is_host
}

/// Refuses what is no endpoint.
pub(super) fn endpoint(text: &str) -> Result<()> {
    match is_endpoint(text) {
        true => Ok(()),
        false => Err(Refusal::usage(format!(
            "{} is no endpoint; write the address or name and the UDP port at which the other site reaches this gateway, \
             such as b.example:34978",
            shown(text)
        ))),
    }
}

/// What a peer may do with an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// It reads.
    ReadOnly,
    /// It reads and writes.
    ReadWrite,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
        })
    }
}

/// The shelf and slot of a disk: `e7.3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// At most 65534; 65535 is everybody's.
    pub shelf: u16,
    /// At most 254; 255 is everybody's.
    pub slot: u8,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}.{}", self.shelf, self.slot)
    }
}

impl FromStr for Slot {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (shelf, slot) = text.strip_prefix('e')?.split_once('.')?;
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let found = Slot {
                shelf: shelf.parse().ok().filter(|_| digits(shelf))?,
                slot: slot.parse().ok().filter(|_| digits(slot))?,
            };
            (found.shelf < u16::MAX && found.slot < u8::MAX).then_some(found)
        };
        parse().ok_or_else(|| {
            Refusal::usage(format!(
                "{} is no shelf.slot; write it as in e107.3, up to e65534.254",
                shown(text)
            ))
        })
    }
}

/// What a peer is offered: `backup=e7.3:read-write`, or `backup:read-only` of an export that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Name of the export.
    pub export: String,
    /// Where its target is; needed to make the export.
    pub target: Option<Slot>,
    /// What the peer may do.
    pub access: Access,
}

impl FromStr for Offer {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self> {
        let (what, access) = text.rsplit_once(':').unwrap_or((text, ""));
        let access = match access {
            "read-only" => Access::ReadOnly,
            "read-write" => Access::ReadWrite,
            _ => {
                return Err(Refusal::usage(format!(
                    "the offer {} does not say what the peer may do; write EXPORT=SHELF.SLOT:read-only or :read-write, such as \
                     backup=e7.3:read-write",
                    shown(text)
                )));
            }
        };
        let (export, target) = match what.split_once('=') {
            Some((export, target)) => (export, Some(target.parse()?)),
            None => (what, None),
        };
        name("an export", export)?;
        Ok(Offer {
            export: export.to_owned(),
            target,
            access,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_names_an_export_a_target_and_a_right() {
        let offer: Offer = "backup=e7.3:read-write".parse().unwrap();
        assert_eq!(
            (offer.export.as_str(), offer.access),
            ("backup", Access::ReadWrite)
        );
        assert_eq!(offer.target.unwrap().to_string(), "e7.3");
        let offer: Offer = "backup:read-only".parse().unwrap();
        assert_eq!((offer.target, offer.access), (None, Access::ReadOnly));
        for (bad, said) in [
            ("backup=e7.3", "does not say what"),
            ("backup=e7.3:all", "does not say what"),
            ("backup=7.3:read-only", "no shelf.slot"),
            ("backup=e65535.1:read-only", "no shelf.slot"),
            ("backup=e1.255:read-only", "no shelf.slot"),
            ("backup=e+1.2:read-only", "no shelf.slot"),
            ("../x=e7.3:read-only", "no name"),
            (".x=e7.3:read-only", "no name"),
            ("=e7.3:read-only", "no name"),
        ] {
            let refusal = bad.parse::<Offer>().unwrap_err();
            assert!(refusal.words.contains(said), "{bad}: {refusal}");
        }
    }

    #[test]
    fn an_endpoint_has_a_host_and_a_port() {
        for good in [
            "b.example:34978",
            "198.51.100.7:1",
            "[2001:db8::7]:34978",
            "[fe80::7%eth0]:34978",
        ] {
            assert!(is_endpoint(good), "{good}");
        }
        for bad in [
            "",
            "b.example",
            ":34978",
            "b:0",
            "b:70000",
            "b:+1",
            "2001:db8::7:34978",
            "[x]:1",
            "a b:1",
            "a\":1",
            "[fe80::7%]:1",
        ] {
            assert!(!is_endpoint(bad), "{bad}");
        }
        assert!(!is_endpoint(&format!("{}:1", "a".repeat(300))));
    }
}
