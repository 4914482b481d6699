//! What a gateway proves itself by to peers that are known by certificates, and whom it believes.

use std::fmt;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use zeroize::Zeroize;

use super::{CertificateFault, TlsFault};
use crate::tunnel::judge_own;

/// Certificates, key and revocation lists of a gateway, as DER. The gateway reads and checks the files; see
/// [`check`](TlsConfig::check).
#[derive(Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Our certificate, then those of the authorities between it and the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of our certificate.
    pub key: TlsKey,
    /// Certificates of the authorities that we believe; never empty.
    pub roots: Vec<CertificateDer<'static>>,
    /// Revocation lists. Empty: nothing is said to be revoked. If there are any, each authority of a chain must have one.
    pub crls: Vec<CertificateRevocationListDer<'static>>,
    /// A revocation list counts for so much longer than it says itself.
    pub crl_grace: Duration,
}

impl TlsConfig {
    /// Whether handshakes can be made with these.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn check(&self) -> Result<(), TlsFault> {
        judge_own(self, 0).map(|_| ())
    }

    /// What a gateway that believes the same authorities and lists would say of our certificate at this time, in seconds
    /// since 1970, if we call it, and if it calls us.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn judge(&self, unix_time: u64) -> Result<[Option<CertificateFault>; 2], TlsFault> {
        judge_own(self, unix_time)
    }
}

/// The private key of a certificate. It is erased when it is dropped.
#[derive(PartialEq, Eq)]
pub struct TlsKey(PrivateKeyDer<'static>);

impl TlsKey {
    /// Takes a key.
    pub fn new(key: PrivateKeyDer<'static>) -> TlsKey {
        TlsKey(key)
    }

    /// Takes the bytes of a PKCS#8 key.
    pub fn pkcs8(der: Vec<u8>) -> TlsKey {
        TlsKey(PrivateKeyDer::Pkcs8(der.into()))
    }

    /// The key, in the clear.
    pub fn expose(&self) -> &PrivateKeyDer<'static> {
        &self.0
    }
}

impl Drop for TlsKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for TlsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsKey")
    }
}
