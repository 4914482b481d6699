//! What a certificate says.

use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::{MOST_NAMES, San, name};
use crate::SpkiHash;

/// A certificate, read and not judged.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: CertificateDer<'static>,
    /// Whose it is, on one line.
    pub subject: String,
    /// Who signed it, on one line.
    pub issuer: String,
    /// Whether subject and issuer are the same name, as in a root.
    pub is_self_issued: bool,
    /// Its number at the issuer, in hexadecimal with a colon between bytes.
    pub serial: String,
    /// Its subject alternative names, the first [`MOST_NAMES`] of them.
    pub names: Vec<San>,
    /// From when it counts, in Unix time, in seconds.
    pub not_before: i64,
    /// Until when it counts, in Unix time, in seconds.
    pub not_after: i64,
    /// What names its key.
    pub spki: SpkiHash,
    /// Whether it may sign certificates, as far as its basic constraints say.
    pub is_ca: bool,
    /// How many CAs may stand below it, if that is limited.
    pub path_len: Option<u32>,
    /// What it may be used for; `None`: for everything, as it does not say.
    pub extended_use: Option<ExtendedUse>,
    /// Whether its key usage, if it has one, lets it sign handshakes.
    pub signs_handshakes: bool,
    /// Whether its key usage, if it has one, lets it sign certificates.
    pub signs_certificates: bool,
    /// Whether its key usage, if it has one, lets it sign revocation lists.
    pub signs_crls: bool,
}

/// The extended key usage of a certificate (RFC 5280, 4.2.1.12), as far as it concerns TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedUse {
    /// serverAuth: it may stand for the side that is called.
    pub server: bool,
    /// clientAuth: it may stand for the side that calls.
    pub client: bool,
}

impl Certificate {
    /// Reads a certificate.
    ///
    /// # Errors
    /// What the parser found, for people.
    pub fn from_der(der: impl Into<CertificateDer<'static>>) -> Result<Self, String> {
        let der = der.into();
        let (rest, found) = X509Certificate::from_der(&der).map_err(|error| parser_says(&error))?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow it", rest.len()));
        }
        let twice = |error: x509_parser::error::X509Error| name::printable(&error.to_string());
        let names = found.subject_alternative_name().map_err(twice)?;
        let constraints = found.basic_constraints().map_err(twice)?;
        let usage = found.key_usage().map_err(twice)?;
        let extended = found.extended_key_usage().map_err(twice)?;
        let may = |of: fn(&x509_parser::extensions::KeyUsage) -> bool| {
            usage.as_ref().is_none_or(|usage| of(usage.value))
        };
        Ok(Self {
            subject: name::distinguished(found.subject()),
            issuer: name::distinguished(found.issuer()),
            is_self_issued: found.subject().as_raw() == found.issuer().as_raw(),
            serial: name::printable(&found.raw_serial_as_string()),
            names: names
                .iter()
                .flat_map(|names| &names.value.general_names)
                .take(MOST_NAMES)
                .map(San::of)
                .collect(),
            not_before: found.validity().not_before.timestamp(),
            not_after: found.validity().not_after.timestamp(),
            spki: SpkiHash::of(found.public_key().raw),
            is_ca: constraints
                .as_ref()
                .is_some_and(|constraints| constraints.value.ca),
            path_len: constraints.and_then(|constraints| constraints.value.path_len_constraint),
            extended_use: extended.map(|extended| ExtendedUse {
                server: extended.value.server_auth,
                client: extended.value.client_auth,
            }),
            signs_handshakes: may(|usage| usage.digital_signature()),
            signs_certificates: may(|usage| usage.key_cert_sign()),
            signs_crls: may(|usage| usage.crl_sign()),
            der,
        })
    }

    /// The certificate itself.
    pub const fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// Whether it may stand for the side that is called.
    pub fn may_serve(&self) -> bool {
        self.signs_handshakes && self.extended_use.is_none_or(|used| used.server)
    }

    /// Whether it may stand for the side that calls.
    pub fn may_call(&self) -> bool {
        self.signs_handshakes && self.extended_use.is_none_or(|used| used.client)
    }
}

/// What a parser found, for people: its words are of one line, and quote no input.
pub(super) fn parser_says(error: &x509_parser::nom::Err<x509_parser::error::X509Error>) -> String {
    match error {
        x509_parser::nom::Err::Incomplete(_) => String::from("it ends too early"),
        x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => {
            name::printable(&error.to_string())
        }
    }
}
