//! 32 bytes that are erased when dropped.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

use crate::KEY_LEN;

/// The store of every secret here. It lives on the heap, so moving the owner leaves no copy on the stack.
/// Not `Clone`, not `Display`, and `Debug` shows a placeholder.
pub(crate) struct SecretBytes(Box<[u8; KEY_LEN]>);

impl SecretBytes {
    pub(crate) fn copied_from(bytes: &[u8; KEY_LEN]) -> Self {
        let mut held = Self(Box::new([0; KEY_LEN]));
        held.0.copy_from_slice(bytes);
        held
    }

    /// Takes an array and erases the copy that came in as the argument.
    pub(crate) fn taken_from(bytes: [u8; KEY_LEN]) -> Self {
        Self::copied_from(&Zeroizing::new(bytes))
    }

    #[cfg(feature = "files")]
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut held = Self(Box::new([0; KEY_LEN]));
        getrandom::fill(held.0.as_mut_slice())?;
        Ok(held)
    }

    pub(crate) fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hidden")
    }
}
