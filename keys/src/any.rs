//! A key whose kind only its text tells.

use std::str::FromStr;

use crate::{Fingerprint, KeyKind, KeyTextError, Psk, PublicKey, SecretKey, encoding};

/// Any key there is: what a tool that only looks at keys reads.
#[derive(Debug)]
pub enum AnyKey {
    /// A public key.
    Public(PublicKey),
    /// A secret key.
    Secret(SecretKey),
    /// A pre-shared key.
    Psk(Psk),
}

impl AnyKey {
    /// What it is.
    pub const fn kind(&self) -> KeyKind {
        match self {
            Self::Public(_) => KeyKind::Public,
            Self::Secret(_) => KeyKind::Secret,
            Self::Psk(_) => KeyKind::Psk,
        }
    }

    /// The short form for people. A key pair has one: that of its public key.
    pub fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Public(key) => key.fingerprint(),
            Self::Secret(key) => key.public().fingerprint(),
            Self::Psk(key) => key.fingerprint(),
        }
    }
}

impl FromStr for AnyKey {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        match encoding::kind_of(text)? {
            KeyKind::Public => text.parse().map(Self::Public),
            KeyKind::Secret => text.parse().map(Self::Secret),
            KeyKind::Psk => text.parse().map(Self::Psk),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KEY_LEN;

    #[test]
    fn the_text_decides_the_kind() {
        let secret = SecretKey::from_bytes([7; KEY_LEN]);
        let texts = [
            (secret.public().to_string(), KeyKind::Public),
            (secret.to_text().to_string(), KeyKind::Secret),
            (Psk::from_bytes([7; KEY_LEN]).to_text().to_string(), KeyKind::Psk),
        ];

        for (text, kind) in texts {
            assert_eq!(text.parse::<AnyKey>().unwrap().kind(), kind);
        }
    }

    #[test]
    fn both_halves_of_a_pair_have_one_fingerprint() {
        let secret = SecretKey::from_bytes([7; KEY_LEN]);
        let public = AnyKey::Public(secret.public()).fingerprint();

        assert_eq!(AnyKey::Secret(secret).fingerprint(), public);
    }

    #[test]
    fn what_is_no_key_is_told_of_all_kinds() {
        assert_eq!(
            "x".parse::<AnyKey>().unwrap_err(),
            KeyTextError::NotAKey { expected: None }
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = AnyKey::Secret(SecretKey::from_bytes([7; KEY_LEN]));

        assert_eq!(format!("{key:?}"), "Secret(SecretKey(hidden))");
    }
}
