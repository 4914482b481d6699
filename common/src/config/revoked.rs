//! What is not trusted any more, whatever else says that it is.

use std::collections::BTreeSet;

use aoe_keys::PublicKey;

/// Length of a SHA-256.
pub const SPKI_HASH_LEN: usize = 32;

/// Keys that nobody may use any more: neither we, nor a peer, nor as a key that a peer says it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revoked {
    /// Static keys.
    pub keys: BTreeSet<PublicKey>,
    /// SHA-256 of the SubjectPublicKeyInfo of certificates: a certificate that is made again for the same key has the
    /// same.
    pub certificates: BTreeSet<[u8; SPKI_HASH_LEN]>,
}

impl Revoked {
    /// Whether this static key is.
    pub fn has_key(&self, key: &PublicKey) -> bool {
        self.keys.contains(key)
    }

    /// Whether the key of the certificate is that has this SHA-256 of its SubjectPublicKeyInfo.
    pub fn has_certificate(&self, spki: &[u8; SPKI_HASH_LEN]) -> bool {
        self.certificates.contains(spki)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len() + self.certificates.len()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
