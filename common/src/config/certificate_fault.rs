//! What can be wrong with a certificate, in words.

use std::fmt;

use jiff::Timestamp;

use super::CertificateName;

/// Why a certificate is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateFault {
    /// It, or one above it, was good until then, in seconds since 1970.
    Expired(u64),
    /// It, or one above it, is good from then on, in seconds since 1970.
    NotYetValid(u64),
    /// No authority that we believe has signed it.
    UnknownIssuer,
    /// A revocation list, or `aoe-keys revoke`, says that it, or one above it, is not to be believed any more.
    Revoked,
    /// A revocation list that it needs should have been renewed.
    StaleList,
    /// One of its authorities has no revocation list, and there are lists.
    NoList,
    /// It has other names than the one that is wanted.
    WrongName {
        /// The names that it has.
        found: Vec<CertificateName>,
        /// The name of the peer.
        wanted: CertificateName,
    },
    /// It is not made for this end of a connection.
    WrongUsage,
    /// It, or one above it, breaks a rule of its kind.
    Malformed(String),
    /// More certificates, or longer ones, than any that is made for this.
    TooLong,
}

impl std::error::Error for CertificateFault {}

/// A time as people write it.
fn date(unix_time: u64) -> String {
    let date = i64::try_from(unix_time)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    date.map_or_else(|| format!("{unix_time} s after 1970"), |date| date.to_string())
}

/// Follows "the certificate".
impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertificateFault::Expired(at) => {
                write!(
                    f,
                    "has expired, or one above it: it was good until {}; renew it, and compare the clocks",
                    date(*at)
                )
            }
            CertificateFault::NotYetValid(from) => {
                write!(
                    f,
                    "is not valid yet, or one above it: it is good from {} on; compare the clocks of both sides",
                    date(*from)
                )
            }
            CertificateFault::UnknownIssuer => f.write_str(
                "has an unknown issuer: no authority in `ca` of [tls] has signed it, or a certificate between is missing",
            ),
            CertificateFault::Revoked => f.write_str("is revoked, or one above it"),
            CertificateFault::StaleList => {
                f.write_str("cannot be checked: the revocation list of its issuer is stale; fetch the new one")
            }
            CertificateFault::NoList => f.write_str(
                "cannot be checked: `crl` of [tls] has no revocation list of one of its issuers; each needs one",
            ),
            CertificateFault::WrongName { found, wanted } => {
                write!(f, "has the wrong name: it is for ")?;
                certificate_names(found, f)?;
                write!(f, ", wanted is {wanted}; see `certificate_name` of the peer")
            }
            CertificateFault::WrongUsage => f.write_str(
                "is not made for this: its extended key usage must have clientAuth at the side that calls, and serverAuth \
                 at the side that is called",
            ),
            CertificateFault::Malformed(why) => write!(f, "is not accepted: {why}"),
            CertificateFault::TooLong => f.write_str("comes with more certificates, or longer ones, than are read"),
        }
    }
}

/// At most four names, as a list.
pub(crate) fn certificate_names(found: &[CertificateName], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const SHOWN: usize = 4;
    if found.is_empty() {
        return f.write_str("nobody");
    }
    for (place, name) in found.iter().take(SHOWN).enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        write!(f, "{comma}{name}")?;
    }
    match found.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}
