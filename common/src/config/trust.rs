//! How a peer proves who it is, and with what we agree on keys with it.

use std::fmt;
use std::time::Duration;

use aoe_keys::{Fingerprint, Psk, PublicKey};

use super::PostQuantum;

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
    /// Its static keys that count, the newest first; never empty, at most [`MOST_KEYS`](super::MOST_KEYS).
    pub keys: Vec<PublicKey>,
    /// Which of these it uses: the others are tried when it does not answer by this one. 0 if that is not known.
    pub in_use: usize,
    /// Its keys as the configuration names them, where it said that it has others since: they say that it is the same
    /// peer, and are not accepted unless they are in `keys` too. Empty: `keys` are those of the configuration.
    pub configured: Vec<PublicKey>,
    /// What it is known to have kept of our own keys, from an earlier process.
    pub told: Option<Told>,
    /// A secret shared with this peer alone, mixed into every handshake.
    pub psk: Option<Psk>,
    /// Whether keys are to withstand a quantum computer.
    pub post_quantum: PostQuantum,
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

/// A peer has kept one of our keys, and those that are older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The newest of them.
    pub key: PublicKey,
    /// Since when, in Unix time.
    pub since: Duration,
}

impl Trust {
    /// A peer with this static key, and nothing else that is not so by default.
    pub fn of_key(key: PublicKey) -> Trust {
        Trust::Key(KeyTrust::of(key))
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

    /// What is known of a peer that is known by a static key.
    pub fn as_key(&self) -> Option<&KeyTrust> {
        match self {
            Trust::Key(trust) => Some(trust),
            Trust::Certificate(_) => None,
        }
    }

    /// Keys are to withstand a quantum computer so from now on. Those of TLS do as far as both sides can.
    pub fn set_post_quantum(&mut self, post_quantum: PostQuantum) {
        match self {
            Trust::Key(trust) => trust.post_quantum = post_quantum,
            Trust::Certificate(_) => {}
        }
    }

    /// Whether keys are to withstand a quantum computer, by messages of the tunnel.
    pub fn post_quantum(&self) -> PostQuantum {
        match self {
            Trust::Key(trust) => trust.post_quantum,
            Trust::Certificate(_) => PostQuantum::Prefer,
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

    /// A peer that is known by a static key has these from now on, the newest first, and uses that one.
    pub fn set_keys(&mut self, keys: Vec<PublicKey>, in_use: usize) {
        match self {
            Trust::Key(trust) => (trust.keys, trust.in_use) = (keys, in_use),
            Trust::Certificate(_) => {}
        }
    }

    /// What it is known by, for people: the short form of the key that it uses, or the name in its certificate.
    pub fn fingerprint(&self) -> String {
        match self {
            Trust::Key(trust) => {
                let used = trust.in_call_order().next();
                let used = used.as_ref().map(PublicKey::fingerprint);
                used.as_ref().map(Fingerprint::to_string).unwrap_or_default()
            }
            Trust::Certificate(trust) => trust.name.to_string(),
        }
    }

    /// Whether both are about the same peer: they have a key in common, which may be one that the configuration names and
    /// the peer has no more, or the name in the certificate. A peer that is known in another way is another peer.
    pub fn is_about_the_same(&self, other: &Trust) -> bool {
        match (self, other) {
            (Trust::Key(one), Trust::Key(other)) => {
                let others = other.named();
                one.named().iter().any(|key| others.contains(key))
            }
            (Trust::Certificate(one), Trust::Certificate(other)) => one == other,
            (Trust::Key(_), Trust::Certificate(_)) | (Trust::Certificate(_), Trust::Key(_)) => false,
        }
    }

    /// Whether nothing differs that counts.
    pub fn is_same(&self, other: &Trust) -> bool {
        let secret = |trust: &Trust| trust.psk().map(|psk| *psk.expose());
        let in_use = |trust: &Trust| trust.as_key().map(|trust| trust.in_use);
        self.keys() == other.keys()
            && in_use(self) == in_use(other)
            && self.certificate_name() == other.certificate_name()
            && secret(self) == secret(other)
            && self.post_quantum() == other.post_quantum()
    }

    /// The same once more: its secret is erased with each of them.
    pub fn copy(&self) -> Trust {
        match self {
            Trust::Key(trust) => Trust::Key(trust.copy()),
            Trust::Certificate(trust) => Trust::Certificate(trust.clone()),
        }
    }
}

impl KeyTrust {
    /// A peer with this static key.
    pub fn of(key: PublicKey) -> KeyTrust {
        KeyTrust {
            keys: vec![key],
            in_use: 0,
            configured: Vec::new(),
            told: None,
            psk: None,
            post_quantum: PostQuantum::default(),
        }
    }

    /// Its keys in the order in which it is called by them: first the one it uses, then the newest.
    pub fn in_call_order(&self) -> impl Iterator<Item = PublicKey> {
        let used = self.keys.get(self.in_use).copied();
        let others = self.keys.iter().copied();
        used.into_iter()
            .chain(others.filter(move |key| Some(*key) != used))
    }

    /// All keys that say who it is.
    fn named(&self) -> Vec<PublicKey> {
        self.keys.iter().chain(&self.configured).copied().collect()
    }

    fn copy(&self) -> KeyTrust {
        KeyTrust {
            keys: self.keys.clone(),
            in_use: self.in_use,
            configured: self.configured.clone(),
            told: self.told,
            post_quantum: self.post_quantum,
            psk: self.psk.as_ref().map(|psk| Psk::from_bytes(*psk.expose())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> PublicKey {
        PublicKey::from_bytes([byte; 32])
    }

    fn by_key(keys: &[u8], configured: &[u8]) -> KeyTrust {
        KeyTrust {
            keys: keys.iter().map(|byte| key(*byte)).collect(),
            configured: configured.iter().map(|byte| key(*byte)).collect(),
            ..KeyTrust::of(key(0))
        }
    }

    fn trust(keys: &[u8], configured: &[u8]) -> Trust {
        Trust::Key(by_key(keys, configured))
    }

    #[test]
    fn a_peer_is_the_same_by_any_key_that_it_has_or_had_in_the_configuration() {
        assert!(trust(&[1], &[]).is_about_the_same(&trust(&[2, 1], &[])));
        assert!(!trust(&[1], &[]).is_about_the_same(&trust(&[2], &[])));
        assert!(trust(&[2], &[1]).is_about_the_same(&trust(&[1], &[])));
        assert!(!trust(&[2], &[1]).is_about_the_same(&trust(&[3], &[])));
        assert!(!trust(&[2], &[1]).is_same(&trust(&[2, 1], &[])));
    }

    #[test]
    fn it_is_called_by_the_key_it_uses_and_then_by_the_newest() {
        let mut trust = by_key(&[3, 2, 1], &[]);
        trust.in_use = 1;
        let order: Vec<_> = trust.in_call_order().collect();
        assert_eq!(order, [key(2), key(3), key(1)]);
        assert_eq!(Trust::Key(trust).fingerprint(), key(2).fingerprint().to_string());
    }
}
