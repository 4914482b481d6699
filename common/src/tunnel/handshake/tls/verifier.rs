//! The library asks here whether it may believe a certificate.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::verify_tls13_signature;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::authority::{Authority, Usage, Verified, claimed_names};
use super::endpoint::Algorithms;
use crate::config::{CertificateFault, CertificateName};

/// What was found of the peer's certificate; empty: it was not asked yet.
pub(super) type Verdict = Arc<OnceLock<Judged>>;

/// What was found of a certificate.
#[derive(Clone, Debug)]
pub(super) enum Judged {
    /// It is good. Its key is only shown by the signature that follows.
    Good(Verified),
    /// It is not.
    Bad {
        why: CertificateFault,
        /// The names it claims to have.
        claimed: Vec<CertificateName>,
    },
}

/// One handshake's view of whom to believe.
#[derive(Debug)]
pub(super) struct Verifier {
    authority: Arc<Authority>,
    /// The name it must have. `None`: any, who it is is found afterwards.
    wanted: Option<CertificateName>,
    algorithms: Algorithms,
    verdict: Verdict,
}

impl Verifier {
    pub(super) fn new(
        authority: Arc<Authority>,
        wanted: Option<CertificateName>,
        algorithms: Algorithms,
        verdict: Verdict,
    ) -> Verifier {
        Verifier {
            authority,
            wanted,
            algorithms,
            verdict,
        }
    }

    fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: Usage,
        now: UnixTime,
    ) -> Result<(), Error> {
        let found = self
            .authority
            .verify(certificate, intermediates, usage, now.as_secs());
        let found = found.and_then(|verified| match &self.wanted {
            Some(wanted) if !verified.names.contains(wanted) => Err(CertificateFault::WrongName {
                found: verified.names,
                wanted: wanted.clone(),
            }),
            _ => Ok(verified),
        });
        let alert = found.as_ref().err().map(alert);
        let judged = match found {
            Ok(verified) => Judged::Good(verified),
            Err(why) => Judged::Bad {
                why,
                claimed: claimed_names(certificate),
            },
        };
        let _ = self.verdict.set(judged);
        alert.map_or(Ok(()), |alert| Err(Error::InvalidCertificate(alert)))
    }

    fn check_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }
}

/// What the library tells the peer; see [`refusal_by`](super::words::refusal_by) for what the peer makes of it.
fn alert(fault: &CertificateFault) -> CertificateError {
    match fault {
        CertificateFault::Expired(_) => CertificateError::Expired,
        CertificateFault::NotYetValid(_) => CertificateError::NotValidYet,
        CertificateFault::UnknownIssuer => CertificateError::UnknownIssuer,
        CertificateFault::Revoked => CertificateError::Revoked,
        CertificateFault::StaleList | CertificateFault::NoList => {
            CertificateError::Other(rustls::OtherError(Arc::new(fault.clone())))
        }
        CertificateFault::WrongName { .. } => CertificateError::NotValidForName,
        CertificateFault::WrongUsage => CertificateError::InvalidPurpose,
        CertificateFault::Malformed(_) | CertificateFault::TooLong => {
            CertificateError::ApplicationVerificationFailure
        }
    }
}

const NO_TLS12: Error = Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered);

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge(certificate, intermediates, Usage::Listener, now)
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(NO_TLS12)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    /// None: our authorities are nobody's business.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.judge(certificate, intermediates, Usage::Dialer, now)
            .map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(NO_TLS12)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
