//! The secret half of a gateway's key pair.

use std::fmt;
use std::str::FromStr;

use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use crate::secret_bytes::SecretBytes;
use crate::{KEY_LEN, KeyKind, KeyTextError, PublicKey, encoding};

/// An X25519 secret key: who holds it is the gateway.
///
/// Erased when dropped; `Debug` shows a placeholder; there is no `Clone`, `Display` or `Serialize`.
pub struct SecretKey(SecretBytes);

impl SecretKey {
    /// Makes a new key from the randomness of the operating system.
    ///
    /// # Errors
    /// [`GenerateError`](crate::GenerateError) if the system gives no randomness.
    #[cfg(feature = "files")]
    pub fn generate() -> Result<Self, crate::GenerateError> {
        Ok(Self(SecretBytes::random()?))
    }

    /// Takes the raw bytes, in any form: X25519 clamps them when they are used (RFC 7748 section 5).
    ///
    /// The argument is erased; erasing what it was copied from is the caller's part.
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self(SecretBytes::taken_from(bytes))
    }

    /// The public key that belongs to this secret.
    pub fn public(&self) -> PublicKey {
        let secret = StaticSecret::from(*self.expose());
        PublicKey::from_bytes(x25519_dalek::PublicKey::from(&secret).to_bytes())
    }

    /// The raw bytes, for the handshake. Copy them nowhere.
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        self.0.expose()
    }

    /// The key text, `aoe-secret-1:…`, in a buffer that is erased when dropped.
    pub fn to_text(&self) -> Zeroizing<String> {
        encoding::encode(KeyKind::Secret, self.expose())
    }
}

impl FromStr for SecretKey {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let bytes = encoding::decode(text, KeyKind::Secret)?;
        if encoding::is_zero(&bytes) {
            return Err(KeyTextError::Zero);
        }
        Ok(Self(SecretBytes::copied_from(&bytes)))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretKey").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_byte_of_it() {
        assert_eq!(
            format!("{:?}", SecretKey::from_bytes([7; KEY_LEN])),
            "SecretKey(hidden)"
        );
    }

    #[test]
    fn a_key_of_zeros_is_refused_as_text() {
        let text = SecretKey::from_bytes([0; KEY_LEN]).to_text();

        assert_eq!(text.parse::<SecretKey>().unwrap_err(), KeyTextError::Zero);
    }

    #[cfg(feature = "files")]
    #[test]
    fn two_new_keys_differ() {
        let [one, other] = [SecretKey::generate().unwrap(), SecretKey::generate().unwrap()];

        assert_ne!(one.expose(), other.expose());
        assert_ne!(one.public(), other.public());
    }
}
