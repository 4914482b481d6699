//! The public half of a key pair: the identity of a gateway.

use std::fmt;
use std::str::FromStr;

use x25519_dalek::StaticSecret;

use crate::{Fingerprint, KEY_LEN, KeyKind, KeyTextError, encoding};

/// An X25519 public key. `Display` and `FromStr` are its key text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; KEY_LEN]);

impl PublicKey {
    /// Takes raw bytes as they are, without judging them: right for a key that a handshake brought and that
    /// will only be looked up among known ones. Keys that people hand in come as text, which is judged.
    pub const fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// The short form for people.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(KeyKind::Public, &self.0)
    }

    /// Whether an exchange with this key depends on the secret at all (RFC 7748 section 6.1).
    ///
    /// Any clamped scalar is a multiple of the cofactor and sends every point of low order to zero, so one
    /// exchange with a fixed scalar finds them all, in every encoding, without a list.
    pub fn is_contributory(&self) -> bool {
        let probe = StaticSecret::from([1; KEY_LEN]);
        probe
            .diffie_hellman(&x25519_dalek::PublicKey::from(self.0))
            .was_contributory()
    }

    /// Whether the number is below 2^255 - 19. X25519 takes larger ones and reduces them, which would give
    /// one gateway several identities.
    pub fn is_canonical(&self) -> bool {
        let [lowest, middle @ .., highest] = &self.0;
        *highest < 0x7f || (*highest == 0x7f && (*lowest < 0xed || middle.iter().any(|byte| *byte != 0xff)))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&encoding::encode(KeyKind::Public, &self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let key = Self(*encoding::decode(text, KeyKind::Public)?);
        if !key.is_contributory() {
            return Err(KeyTextError::LowOrder);
        }
        if !key.is_canonical() {
            return Err(KeyTextError::NotCanonical);
        }
        Ok(key)
    }
}
