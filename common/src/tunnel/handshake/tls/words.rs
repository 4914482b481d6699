//! What an alert of the peer means to an operator here.

use rustls::AlertDescription;

/// Why the peer refused us, in words that follow "it refuses our certificate" or stand for themselves.
pub(super) fn refusal_by(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateExpired => {
            "it says that our certificate has expired or is not valid yet; renew it, and compare the clocks of both sides"
        }
        AlertDescription::CertificateRevoked => "it says that our certificate is revoked",
        AlertDescription::UnknownCA => {
            "it does not know the authority that signed our certificate; compare `ca` of [tls] there with our `certificate`"
        }
        AlertDescription::BadCertificate => {
            "our certificate does not have the name it expects, or cannot be read there; see `certificate_name` of this \
             gateway there"
        }
        AlertDescription::UnsupportedCertificate => {
            "our certificate is not made for this; it needs clientAuth and serverAuth in its extended key usage"
        }
        AlertDescription::CertificateUnknown => {
            "it cannot check our certificate: its revocation list is stale or missing there"
        }
        AlertDescription::AccessDenied => "it does not accept our certificate; see its log",
        AlertDescription::CertificateRequired => "it wants a certificate and got none",
        AlertDescription::NoApplicationProtocol => "it speaks another version of this protocol",
        AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure => {
            "the two sides have no TLS version, cipher or key exchange in common"
        }
        AlertDescription::DecryptError => {
            "it says that a signature of ours is wrong; see whether `key` of [tls] belongs to `certificate`"
        }
        _ => "it broke the TLS handshake off; see its log",
    }
}
