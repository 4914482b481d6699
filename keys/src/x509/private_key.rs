//! The private key of a certificate.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use zeroize::Zeroize;

use super::pem::Erased;
use super::{Label, Section, X509Fault};
use crate::SpkiHash;

/// What a private key signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// RSA of 2048 to 8192 bits.
    Rsa,
}

impl KeyAlgorithm {
    /// Its usual name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::P256 => "ECDSA P-256",
            Self::P384 => "ECDSA P-384",
            Self::P521 => "ECDSA P-521",
            Self::Rsa => "RSA",
        }
    }
}

/// The private key of a certificate: erased when dropped, never shown.
pub struct PrivateKey {
    der: PrivateKeyDer<'static>,
    /// What it signs with.
    pub algorithm: KeyAlgorithm,
    /// What names its public half: the same as [`Certificate::spki`](super::Certificate::spki) of its certificate.
    pub spki: SpkiHash,
}

impl PrivateKey {
    pub(super) fn from_section(section: &Section<'_>) -> Result<Self, X509Fault> {
        let line = section.line;
        if section.is_encrypted() {
            return Err(X509Fault::Encrypted { line });
        }
        let bytes = Erased(section.der()?);
        let (algorithm, spki) =
            judge(&bytes.0, section.label).map_err(|why| X509Fault::UnusableKey { line, why })?;
        let der = match section.label {
            Label::EcPrivateKey => PrivateSec1KeyDer::from(bytes.0.clone()).into(),
            Label::RsaPrivateKey => PrivatePkcs1KeyDer::from(bytes.0.clone()).into(),
            _ => PrivatePkcs8KeyDer::from(bytes.0.clone()).into(),
        };
        Ok(Self { der, algorithm, spki })
    }

    /// The key itself.
    pub const fn der(&self) -> &PrivateKeyDer<'static> {
        &self.der
    }
}

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.der.zeroize();
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, hidden)", self.algorithm.name())
    }
}

const CURVES: [(KeyAlgorithm, &EcdsaSigningAlgorithm); 3] = [
    (KeyAlgorithm::P256, &ECDSA_P256_SHA256_ASN1_SIGNING),
    (KeyAlgorithm::P384, &ECDSA_P384_SHA384_ASN1_SIGNING),
    (KeyAlgorithm::P521, &ECDSA_P521_SHA512_ASN1_SIGNING),
];

/// Finds out what a key is by letting the crypto library take it.
fn judge(der: &[u8], label: Label) -> Result<(KeyAlgorithm, SpkiHash), String> {
    match label {
        Label::RsaPrivateKey => rsa(rsa::KeyPair::from_der(der)),
        Label::EcPrivateKey => curve(der).ok_or_else(|| String::from("it is on no curve of these")),
        _ => ed25519(der)
            .or_else(|| curve(der))
            .map_or_else(|| rsa(rsa::KeyPair::from_pkcs8(der)), Ok),
    }
}

fn ed25519(der: &[u8]) -> Option<(KeyAlgorithm, SpkiHash)> {
    // What OpenSSL writes has no public half that could be checked.
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?;
    Some((KeyAlgorithm::Ed25519, spki(pair.public_key()).ok()?))
}

fn curve(der: &[u8]) -> Option<(KeyAlgorithm, SpkiHash)> {
    CURVES.into_iter().find_map(|(algorithm, curve)| {
        let pair = EcdsaKeyPair::from_private_key_der(curve, der).ok()?;
        Some((algorithm, spki(pair.public_key()).ok()?))
    })
}

fn rsa(pair: Result<rsa::KeyPair, KeyRejected>) -> Result<(KeyAlgorithm, SpkiHash), String> {
    let pair = pair.map_err(|refused| refused.to_string())?;
    let spki = spki(pair.public_key()).map_err(|refused| refused.to_string())?;
    Ok((KeyAlgorithm::Rsa, spki))
}

fn spki(key: &impl AsDer<PublicKeyX509Der<'static>>) -> Result<SpkiHash, Unspecified> {
    Ok(SpkiHash::of(key.as_der()?.as_ref()))
}
