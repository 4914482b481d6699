//! How a peer proves who it is, and with what we agree on keys with it.

use aoe_keys::{Fingerprint, Psk, PublicKey};

/// How a peer proves who it is.
#[derive(Debug)]
pub enum Trust {
    /// By a static key: Noise.
    Key(KeyTrust),
}

/// A peer that is known by its static key.
#[derive(Debug)]
pub struct KeyTrust {
    /// Its static keys, the newest first; never empty.
    pub keys: Vec<PublicKey>,
    /// A secret shared with this peer alone, mixed into every handshake.
    pub psk: Option<Psk>,
}

impl Trust {
    /// A peer with this static key, and nothing else that is not so by default.
    pub fn of_key(key: PublicKey) -> Trust {
        Trust::Key(KeyTrust {
            keys: vec![key],
            psk: None,
        })
    }

    /// Another pre-shared key, or none.
    pub fn set_psk(&mut self, psk: Option<Psk>) {
        match self {
            Trust::Key(trust) => trust.psk = psk,
        }
    }

    /// The secret shared with this peer alone.
    pub fn psk(&self) -> Option<&Psk> {
        match self {
            Trust::Key(trust) => trust.psk.as_ref(),
        }
    }

    /// The static keys of a peer that is known by one, the newest first.
    pub fn keys(&self) -> &[PublicKey] {
        match self {
            Trust::Key(trust) => &trust.keys,
        }
    }

    /// The short form of its newest key, for people.
    pub fn fingerprint(&self) -> String {
        let newest = self.keys().first().map(PublicKey::fingerprint);
        newest.as_ref().map(Fingerprint::to_string).unwrap_or_default()
    }

    /// Whether both are about the same peer: they have a key in common.
    pub fn is_about_the_same(&self, other: &Trust) -> bool {
        self.keys().iter().any(|key| other.keys().contains(key))
    }

    /// Whether nothing differs.
    pub fn is_same(&self, other: &Trust) -> bool {
        let secret = |trust: &Trust| trust.psk().map(|psk| *psk.expose());
        self.keys() == other.keys() && secret(self) == secret(other)
    }

    /// The same once more: its secret is erased with each of them.
    pub fn copy(&self) -> Trust {
        match self {
            Trust::Key(KeyTrust { keys, psk }) => Trust::Key(KeyTrust {
                keys: keys.clone(),
                psk: psk.as_ref().map(|psk| Psk::from_bytes(*psk.expose())),
            }),
        }
    }
}
