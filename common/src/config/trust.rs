//! How a peer proves who it is, and with what we agree on keys with it.

use std::fmt;

use aoe_keys::{Fingerprint, Psk, PublicKey};

/// How a peer proves who it is.
#[derive(Debug)]
pub enum Trust {
    /// By a static key: Noise.
    Key(KeyTrust),
    /// By a certificate: TLS 1.3.
    Certificate(CertificateTrust),
}

/// A peer that is known by its static key.
#[derive(Debug)]
pub struct KeyTrust {
    /// Its static keys, the newest first; never empty.
    pub keys: Vec<PublicKey>,
    /// A secret shared with this peer alone, mixed into every handshake.
    pub psk: Option<Psk>,
}

/// A peer that is known by a certificate of an authority that we believe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateTrust {
    /// One of the names in its certificate.
    pub name: CertificateName,
}

/// A name in a certificate (subject alternative name).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificateName {
    /// A DNS name, in lower case. Patterns such as `*.example` are not names.
    Dns(String),
    /// A URI, compared byte by byte.
    Uri(String),
}

impl CertificateName {
    /// A DNS name; upper and lower case are the same.
    pub fn dns(name: &str) -> CertificateName {
        CertificateName::Dns(name.to_ascii_lowercase())
    }

    /// A URI.
    pub fn uri(uri: &str) -> CertificateName {
        CertificateName::Uri(uri.to_owned())
    }
}

/// `dns:b.example` or `uri:spiffe://example/b`.
impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertificateName::Dns(name) => write!(f, "dns:{name}"),
            CertificateName::Uri(uri) => write!(f, "uri:{uri}"),
        }
    }
}

impl Trust {
    /// A peer with this static key, and nothing else that is not so by default.
    pub fn of_key(key: PublicKey) -> Trust {
        Trust::Key(KeyTrust {
            keys: vec![key],
            psk: None,
        })
    }

    /// A peer whose certificate has this name.
    pub fn of_certificate(name: CertificateName) -> Trust {
        Trust::Certificate(CertificateTrust { name })
    }

    /// Another pre-shared key, or none. A peer that is known by a certificate has none.
    pub fn set_psk(&mut self, psk: Option<Psk>) {
        match self {
            Trust::Key(trust) => trust.psk = psk,
            Trust::Certificate(_) => {}
        }
    }

    /// The secret shared with this peer alone.
    pub fn psk(&self) -> Option<&Psk> {
        match self {
            Trust::Key(trust) => trust.psk.as_ref(),
            Trust::Certificate(_) => None,
        }
    }

    /// The static keys of a peer that is known by one, the newest first.
    pub fn keys(&self) -> &[PublicKey] {
        match self {
            Trust::Key(trust) => &trust.keys,
            Trust::Certificate(_) => &[],
        }
    }

    /// The name in the certificate of a peer that is known by one.
    pub fn certificate_name(&self) -> Option<&CertificateName> {
        match self {
            Trust::Key(_) => None,
            Trust::Certificate(trust) => Some(&trust.name),
        }
    }

    /// What it is known by, for people: the short form of its newest key, or the name in its certificate.
    pub fn fingerprint(&self) -> String {
        match self {
            Trust::Key(trust) => {
                let newest = trust.keys.first().map(PublicKey::fingerprint);
                newest.as_ref().map(Fingerprint::to_string).unwrap_or_default()
            }
            Trust::Certificate(trust) => trust.name.to_string(),
        }
    }

    /// Whether both are about the same peer: they have a key, or the name in the certificate, in common. A peer that is
    /// known in another way is another peer.
    pub fn is_about_the_same(&self, other: &Trust) -> bool {
        match (self, other) {
            (Trust::Key(one), Trust::Key(other)) => one.keys.iter().any(|key| other.keys.contains(key)),
            (Trust::Certificate(one), Trust::Certificate(other)) => one == other,
            (Trust::Key(_), Trust::Certificate(_)) | (Trust::Certificate(_), Trust::Key(_)) => false,
        }
    }

    /// Whether nothing differs.
    pub fn is_same(&self, other: &Trust) -> bool {
        let secret = |trust: &Trust| trust.psk().map(|psk| *psk.expose());
        self.keys() == other.keys()
            && self.certificate_name() == other.certificate_name()
            && secret(self) == secret(other)
    }

    /// The same once more: its secret is erased with each of them.
    pub fn copy(&self) -> Trust {
        match self {
            Trust::Key(KeyTrust { keys, psk }) => Trust::Key(KeyTrust {
                keys: keys.clone(),
                psk: psk.as_ref().map(|psk| Psk::from_bytes(*psk.expose())),
            }),
            Trust::Certificate(trust) => Trust::Certificate(trust.clone()),
        }
    }
}
