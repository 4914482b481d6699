//! Files of certificates, revocation lists and the keys of certificates.

use std::path::Path;

use zeroize::Zeroizing;

use super::guard::{self, Purpose};
use super::{StoreError, Visibility, contents, first, open};
use crate::x509::{self, Certificate, Crl, MAX_CERTIFICATES_LEN, MAX_CRL_LEN, PrivateKey, X509Fault};

/// Reads the certificates of a PEM file, as they stand there. They are no secret, but who can change the file decides
/// whom we trust, so it must be ours or root's and closed to other writers.
///
/// # Errors
/// [`StoreError`]: the file cannot be read, others could change it or swap it, or it holds no certificate.
pub fn read_certificates(path: impl AsRef<Path>) -> Result<Vec<Certificate>, StoreError> {
    read(
        path.as_ref(),
        (Visibility::Public, Purpose::Use),
        MAX_CERTIFICATES_LEN,
        x509::certificates,
    )
}

/// The same for who only looks.
///
/// # Errors
/// As [`read_certificates`], but see [`Purpose::Look`].
pub fn look_at_certificates(path: impl AsRef<Path>) -> Result<Vec<Certificate>, StoreError> {
    read(
        path.as_ref(),
        (Visibility::Public, Purpose::Look),
        MAX_CERTIFICATES_LEN,
        x509::certificates,
    )
}

/// Reads the revocation lists of a PEM file, with the demands of [`read_certificates`].
///
/// # Errors
/// [`StoreError`]: the file cannot be read, others could change it or swap it, or it holds no revocation list.
pub fn read_crls(path: impl AsRef<Path>) -> Result<Vec<Crl>, StoreError> {
    read(
        path.as_ref(),
        (Visibility::Public, Purpose::Use),
        MAX_CRL_LEN,
        x509::crls,
    )
}

/// The same for who only looks.
///
/// # Errors
/// As [`read_crls`], but see [`Purpose::Look`].
pub fn look_at_crls(path: impl AsRef<Path>) -> Result<Vec<Crl>, StoreError> {
    read(
        path.as_ref(),
        (Visibility::Public, Purpose::Look),
        MAX_CRL_LEN,
        x509::crls,
    )
}

/// Reads the private key of a certificate from a PEM file that only we and root can read.
///
/// # Errors
/// [`StoreError`]: the file cannot be read, others could read it or swap it, or it holds no key that can be used.
pub fn read_certificate_key(path: impl AsRef<Path>) -> Result<PrivateKey, StoreError> {
    // A key may stand in one file with its certificates.
    read(
        path.as_ref(),
        (Visibility::Secret, Purpose::Use),
        MAX_CERTIFICATES_LEN,
        x509::private_key,
    )
}

/// The same for who only looks.
///
/// # Errors
/// As [`read_certificate_key`], but see [`Purpose::Look`].
pub fn look_at_certificate_key(path: impl AsRef<Path>) -> Result<PrivateKey, StoreError> {
    read(
        path.as_ref(),
        (Visibility::Secret, Purpose::Look),
        MAX_CERTIFICATES_LEN,
        x509::private_key,
    )
}

fn read<T>(
    path: &Path,
    (visibility, purpose): (Visibility, Purpose),
    longest: usize,
    parse: impl Fn(&[u8]) -> Result<T, X509Fault>,
) -> Result<T, StoreError> {
    let (file, found) = open(path)?;
    first(guard::faults(path, &found, visibility, purpose))?;
    let bytes: Zeroizing<Vec<u8>> = contents::read_up_to(longest, file, path)?;
    parse(&bytes).map_err(|source| StoreError::X509 {
        path: path.to_owned(),
        source,
    })
}
