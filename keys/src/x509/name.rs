//! Names in certificates, as text that is safe to show.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use x509_parser::extensions::GeneralName;
use x509_parser::x509::X509Name;

/// Most characters of one name that are kept.
const LONGEST: usize = 512;

/// A subject alternative name (RFC 5280, 4.2.1.6), written `dns:b.example`, `uri:spiffe://x/y`, `ip:192.0.2.1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum San {
    /// A host's name.
    Dns(String),
    /// A URI, such as a SPIFFE id.
    Uri(String),
    /// An address.
    Ip(IpAddr),
    /// A name of a kind that means nothing to us.
    Other(String),
}

impl San {
    /// A name as the parser gives it.
    pub fn of(name: &GeneralName<'_>) -> Self {
        match name {
            GeneralName::DNSName(name) => Self::Dns(printable(name)),
            GeneralName::URI(name) => Self::Uri(printable(name)),
            GeneralName::IPAddress(bytes) => address(bytes).map_or_else(
                || Self::Other(format!("an address of {} bytes", bytes.len())),
                Self::Ip,
            ),
            GeneralName::RFC822Name(name) => Self::Other(format!("email:{}", printable(name))),
            GeneralName::DirectoryName(name) => Self::Other(format!("dirname:{}", distinguished(name))),
            _ => Self::Other(String::from("a name of another kind")),
        }
    }
}

impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "dns:{name}"),
            Self::Uri(name) => write!(f, "uri:{name}"),
            Self::Ip(address) => write!(f, "ip:{address}"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// Why a text is no name for a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SanTextError {
    /// Neither `dns:` nor `uri:`.
    #[error(
        "expected `dns:` and a host's name, or `uri:` and a URI, such as dns:b.example or uri:spiffe://example/b"
    )]
    Prefix,
    /// Not a host's name.
    #[error(
        "a DNS name has labels of letters, digits and `-`, up to 63 characters each and 253 in all, with dots between \
         them; no `*`"
    )]
    Dns,
    /// Not a URI.
    #[error(
        "a URI has a scheme and `:` before the rest, only visible ASCII characters, and is no longer than {LONGEST}"
    )]
    Uri,
}

impl FromStr for San {
    type Err = SanTextError;

    /// Takes `dns:NAME`, `uri:URI` and a URI by itself. Other kinds are read from certificates and never asked for.
    fn from_str(text: &str) -> Result<Self, SanTextError> {
        if let Some(name) = text.strip_prefix("dns:") {
            return is_dns(name)
                .then(|| Self::Dns(name.to_ascii_lowercase()))
                .ok_or(SanTextError::Dns);
        }
        let (uri, said) = match text.strip_prefix("uri:") {
            Some(uri) => (uri, true),
            None => (text, text.contains("://")),
        };
        match (said, is_uri(uri)) {
            (false, _) => Err(SanTextError::Prefix),
            (true, false) => Err(SanTextError::Uri),
            (true, true) => Ok(Self::Uri(uri.to_owned())),
        }
    }
}

fn is_dns(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(in_scheme)
        && !rest.is_empty()
        && text.len() <= LONGEST
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A distinguished name on one line, such as `CN=site-a, O=Example`.
pub(super) fn distinguished(name: &X509Name<'_>) -> String {
    printable(&name.to_string())
}

/// A text of somebody else without what a terminal acts upon, and no longer than anybody reads.
pub(super) fn printable(text: &str) -> String {
    let safe = |c: char| {
        if c.is_control() || is_bidi(c) {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().take(LONGEST).map(safe).collect()
}

/// Characters that change the direction of text, and so can make a name read as another.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| v6()).ok()
}
