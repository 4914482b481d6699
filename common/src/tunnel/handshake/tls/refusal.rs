//! Why a TLS handshake comes to nothing.

use rustls::Error;

use super::connection::Broken;
use super::verifier::{Judged, Verdict};
use super::words::refusal_by;
use crate::config::{CertificateFault, CertificateName};
use crate::tunnel::handshake::Failure;

/// Why a TLS handshake comes to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// We do not accept the peer's certificate.
    Certificate {
        why: CertificateFault,
        /// The names that it claims to have.
        claimed: Vec<CertificateName>,
    },
    /// The peer told us why it does not go on.
    Told(&'static str),
    /// It is no handshake that we understand.
    Broken(&'static str),
    /// There is no agreement.
    Failure(Failure),
}

pub(super) fn refusal(broken: Broken, verdict: &Verdict) -> Refusal {
    if let Some(Judged::Bad { why, claimed }) = verdict.get() {
        return Refusal::Certificate {
            why: why.clone(),
            claimed: claimed.clone(),
        };
    }
    match broken {
        Broken::Tls(Error::AlertReceived(alert)) => Refusal::Told(refusal_by(alert)),
        Broken::Tls(Error::NoApplicationProtocol) => {
            Refusal::Broken("it speaks another version of this protocol")
        }
        Broken::Tls(Error::PeerIncompatible(_)) => {
            Refusal::Broken("it has no TLS version, cipher or key exchange in common with us")
        }
        Broken::Tls(Error::NoCertificatesPresented) => Refusal::Broken("it shows no certificate"),
        Broken::Tls(Error::InvalidCertificate(_)) => {
            Refusal::Broken("the signature that should show that the certificate is its own is wrong")
        }
        Broken::Tls(_) => Refusal::Broken("its TLS handshake cannot be read, or was altered on the way"),
        Broken::Surplus => Refusal::Broken("it sends what does not belong into this handshake"),
    }
}
