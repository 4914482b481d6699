//! What all TLS handshakes of a gateway share: certificate and key, whom we believe, clock and algorithms.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aoe_keys::SpkiHash;
use rustls::client::{ClientConnection, Resumption};
use rustls::crypto::aws_lc_rs as aws;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::server::{NoServerSessionStorage, ServerConnection};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, Error, InconsistentKeys, ServerConfig};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::authority::{Authority, Usage};
use super::verifier::{Verdict, Verifier};
use crate::config::{CertificateFault, CertificateName, TlsConfig};

/// The protocol within TLS: a gateway that speaks another one does not agree.
pub(super) const ALPN: &[u8] = b"aoe-gateway/1";
/// No name is sent in the clear; the library wants one.
const NO_NAME: &str = "aoe-gateway.invalid";

/// What all TLS handshakes of a gateway share.
pub(crate) struct Endpoint {
    provider: Arc<CryptoProvider>,
    own: Arc<SingleCertAndKey>,
    /// SHA-256 of our certificate.
    fingerprint: [u8; 32],
    chain: Vec<CertificateDer<'static>>,
    pub(crate) authority: Arc<Authority>,
    clock: Arc<Clock>,
}

/// What is wrong with our own certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// There is no certificate.
    #[error("there is no certificate")]
    NoCertificate,
    /// There is no authority to believe.
    #[error("there is no authority")]
    NoAuthority,
    /// The key is that of another certificate, or cannot be used.
    #[error("the key is not that of the certificate")]
    KeyMismatch,
    /// The key cannot be used.
    #[error("the key cannot be used: {0}")]
    Key(String),
    /// A certificate of an authority, or a revocation list, cannot be used.
    #[error("an authority or revocation list cannot be used: it {0}")]
    Authority(CertificateFault),
}

impl Endpoint {
    /// # Errors
    /// What cannot be used.
    pub(crate) fn new(config: &TlsConfig, revoked: Vec<SpkiHash>) -> Result<Endpoint, TlsFault> {
        let provider = Arc::new(provider());
        let leaf = config.chain.first().ok_or(TlsFault::NoCertificate)?;
        if config.roots.is_empty() {
            return Err(TlsFault::NoAuthority);
        }
        let own = CertifiedKey::from_der(config.chain.clone(), config.key.expose().clone_key(), &provider)
            .map_err(|error| match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsFault::KeyMismatch,
                other => TlsFault::Key(other.to_string()),
            })?;
        let algorithms = provider.signature_verification_algorithms;
        let authority = Authority::new(config, revoked, algorithms.all).map_err(TlsFault::Authority)?;
        Ok(Endpoint {
            fingerprint: fingerprint(leaf),
            chain: config.chain.clone(),
            own: Arc::new(own.into()),
            authority: Arc::new(authority),
            clock: Arc::default(),
            provider,
        })
    }

    /// SHA-256 of our certificate.
    pub(super) fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// How our own certificate would fare with us at this end.
    fn judge_own(&self, usage: Usage, now: u64) -> Result<(), CertificateFault> {
        let (leaf, rest) = self.chain.split_first().ok_or(CertificateFault::TooLong)?;
        self.authority.verify(leaf, rest, usage, now).map(|_| ())
    }

    /// A connection that we start, at this time, in seconds since 1970, to the peer whose certificate has this name.
    pub(super) fn client(&self, wanted: CertificateName, now: u64) -> Option<(ClientConnection, Verdict)> {
        self.clock.set(now);
        let (verifier, verdict) = self.verifier(Some(wanted));
        let mut config = ClientConfig::builder_with_details(self.provider.clone(), self.clock.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .ok()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(self.own.clone());
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        config.enable_sni = false;
        let name = ServerName::try_from(NO_NAME).ok()?;
        Some((ClientConnection::new(Arc::new(config), name).ok()?, verdict))
    }

    /// A connection that somebody starts.
    pub(super) fn server(&self, now: u64) -> Option<(ServerConnection, Verdict)> {
        self.clock.set(now);
        let (verifier, verdict) = self.verifier(None);
        let mut config = ServerConfig::builder_with_details(self.provider.clone(), self.clock.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .ok()?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(self.own.clone());
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        Some((ServerConnection::new(Arc::new(config)).ok()?, verdict))
    }

    fn verifier(&self, wanted: Option<CertificateName>) -> (Arc<Verifier>, Verdict) {
        let verdict = Verdict::default();
        let verifier = Verifier::new(
            self.authority.clone(),
            wanted,
            self.provider.signature_verification_algorithms,
            verdict.clone(),
        );
        (Arc::new(verifier), verdict)
    }
}

/// What a gateway that believes the same would say of our certificate if we call it, and if it calls us.
///
/// # Errors
/// What cannot be used.
pub(crate) fn judge_own(config: &TlsConfig, now: u64) -> Result<[Option<CertificateFault>; 2], TlsFault> {
    let endpoint = Endpoint::new(config, Vec::new())?;
    Ok([Usage::Dialer, Usage::Listener].map(|usage| endpoint.judge_own(usage, now).err()))
}

/// Hybrid key exchange first. The library's own generator draws the keys: those of its key exchange cannot be handed in.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            aws::cipher_suite::TLS13_AES_256_GCM_SHA384,
            aws::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![aws::kx_group::X25519MLKEM768, aws::kx_group::X25519],
        ..aws::default_provider()
    }
}

/// Which signatures of certificates and handshakes are known.
pub(super) type Algorithms = WebPkiSupportedAlgorithms;

/// SHA-256 of a certificate.
pub(super) fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    *SpkiHash::of(certificate).as_bytes()
}

/// The wall clock as the engine was told it, in seconds since 1970.
#[derive(Debug, Default)]
struct Clock(AtomicU64);

impl Clock {
    fn set(&self, now: u64) {
        self.0.store(now, Ordering::Relaxed);
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(
            self.0.load(Ordering::Relaxed),
        )))
    }
}
