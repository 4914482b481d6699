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
