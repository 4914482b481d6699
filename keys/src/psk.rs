//! The key two gateways share in advance.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::secret_bytes::SecretBytes;
use crate::{Fingerprint, KEY_LEN, KeyKind, KeyTextError, encoding};

/// A pre-shared key: mixed into the handshake, so that a pair stays safe should X25519 fall one day.
///
/// Erased when dropped; `Debug` shows a placeholder; there is no `Clone`, `Display` or `Serialize`.
pub struct Psk(SecretBytes);

impl Psk {
    /// Makes a new key from the randomness of the operating system.
    ///
    /// # Errors
    /// [`GenerateError`](crate::GenerateError) if the system gives no randomness.
    #[cfg(feature = "files")]
    pub fn generate() -> Result<Self, crate::GenerateError> {
        Ok(Self(SecretBytes::random()?))
    }

    /// Takes the raw bytes. All zeros is what a pair without a pre-shared key uses in the handshake.
    ///
    /// The argument is erased; erasing what it was copied from is the caller's part.
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self(SecretBytes::taken_from(bytes))
    }

    /// The raw bytes, for the handshake. Copy them nowhere.
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        self.0.expose()
    }

    /// The key text, `aoe-psk-1:…`, in a buffer that is erased when dropped.
    pub fn to_text(&self) -> Zeroizing<String> {
        encoding::encode(KeyKind::Psk, self.expose())
    }

    /// A short form to compare both sites' files by. It tells nothing about the key, which is random.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(KeyKind::Psk, self.expose())
    }
}

impl FromStr for Psk {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let bytes = encoding::decode(text, KeyKind::Psk)?;
        if encoding::is_zero(&bytes) {
            return Err(KeyTextError::Zero);
        }
        Ok(Self(SecretBytes::copied_from(&bytes)))
    }
}

impl fmt::Debug for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Psk").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_byte_of_it() {
        assert_eq!(format!("{:?}", Psk::from_bytes([7; KEY_LEN])), "Psk(hidden)");
    }

    #[test]
    fn a_key_of_zeros_is_refused_as_text() {
        let text = Psk::from_bytes([0; KEY_LEN]).to_text();

        assert_eq!(text.parse::<Psk>().unwrap_err(), KeyTextError::Zero);
    }

    #[cfg(feature = "files")]
    #[test]
    fn two_new_keys_differ() {
        let [one, other] = [Psk::generate().unwrap(), Psk::generate().unwrap()];

        assert_ne!(one.expose(), other.expose());
        assert_ne!(one.fingerprint(), other.fingerprint());
    }
}
