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
