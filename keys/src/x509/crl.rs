//! What a revocation list says.

use rustls_pki_types::CertificateRevocationListDer;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use super::certificate::parser_says;
use super::name;

/// A certificate revocation list (RFC 5280, 5), read and not judged.
#[derive(Clone, Debug)]
pub struct Crl {
    der: CertificateRevocationListDer<'static>,
    /// Who signed it, on one line.
    pub issuer: String,
    /// When it was made, in Unix time, in seconds.
    pub this_update: i64,
    /// When the next one is due at the latest, in Unix time, in seconds. From then on this one is stale.
    pub next_update: Option<i64>,
    /// Which list of its issuer this is, in decimal, if it says so.
    pub number: Option<String>,
    /// How many certificates it revokes.
    pub revoked: usize,
}

impl Crl {
    /// Reads a revocation list.
    ///
    /// # Errors
    /// What the parser found, for people.
    pub fn from_der(der: impl Into<CertificateRevocationListDer<'static>>) -> Result<Self, String> {
        let der = der.into();
        let (rest, found) = CertificateRevocationList::from_der(&der).map_err(|error| parser_says(&error))?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow it", rest.len()));
        }
        Ok(Self {
            issuer: name::distinguished(found.issuer()),
            this_update: found.last_update().timestamp(),
            next_update: found.next_update().map(|time| time.timestamp()),
            number: found.crl_number().map(ToString::to_string),
            revoked: found.iter_revoked_certificates().count(),
            der,
        })
    }

    /// The list itself.
    pub const fn der(&self) -> &CertificateRevocationListDer<'static> {
        &self.der
    }
}
