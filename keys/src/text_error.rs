//! What can be wrong with a key text.

use crate::KeyKind;

/// Why a text is not the key it should be.
///
/// No variant carries any part of the key itself, so the message may be logged even when the text was a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyTextError {
    /// One or more characters are not those that were written.
    #[error("the checksum does not match: one or more characters are mistyped")]
    Checksum,
    /// Nothing there.
    #[error("the key text is empty")]
    Empty,
    /// A public key of low order: every key exchange with it has the same result, known to everybody.
    #[error("this public key is of low order and gives no secrecy; generate a new key pair")]
    LowOrder,
    /// A character outside the base64url alphabet.
    #[error("character {position} cannot be part of a key; allowed are A-Z, a-z, 0-9, `-` and `_`")]
    NotBase64 {
        /// Which character of the whole text, the first being 1.
        position: usize,
    },
    /// Another spelling of a key that has a shorter number: two texts must never name one identity.
    #[error("this public key is not in its canonical form; ask its owner for what `aoe-keys public` prints")]
    NotCanonical,
    /// The text does not begin as a key text does.
    #[error("this is not a key text: {}", begins(.expected))]
    NotAKey {
        /// The kind that was asked for, if only one would do.
        expected: Option<KeyKind>,
    },
    /// A version this program does not know.
    #[error("this is {} of version {version}, and this program knows version 1 only", .kind.with_article())]
    UnknownVersion {
        /// What the text claims to be.
        kind: KeyKind,
        /// The version it claims.
        version: u32,
    },
    /// White space around or inside the text.
    #[error("the key text contains white space; it must be one unbroken word")]
    WhiteSpace,
    /// Too few or too many characters after the colon.
    #[error("the key has {found} characters after the colon instead of {expected}")]
    WrongLength {
        /// Characters there are.
        found: usize,
        /// Characters there should be.
        expected: usize,
    },
    /// A key, but of another kind.
    #[error("this is {}, expected {}", .found.with_article(), .expected.with_article())]
    WrongType {
        /// What the text is.
        found: KeyKind,
        /// What was asked for.
        expected: KeyKind,
    },
    /// A secret of zero bytes only: a placeholder or an erased key.
    #[error("the key is all zeros, which is no secret; generate a new one")]
    Zero,
}

fn begins(expected: &Option<KeyKind>) -> String {
    match expected {
        Some(kind) => format!("{} begins with `{}`", kind.with_article(), kind.prefix()),
        None => {
            let [a, b, c] = KeyKind::ALL.map(KeyKind::prefix);
            format!("a key begins with `{a}`, `{b}` or `{c}`")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_says_what_was_found_and_what_was_expected() {
        let error = KeyTextError::WrongType {
            found: KeyKind::Secret,
            expected: KeyKind::Public,
        };

        assert_eq!(error.to_string(), "this is a secret key, expected a public key");
    }

    #[test]
    fn a_text_that_is_no_key_is_told_how_one_begins() {
        let one = KeyTextError::NotAKey {
            expected: Some(KeyKind::Psk),
        }
        .to_string();
        let any = KeyTextError::NotAKey { expected: None }.to_string();

        assert_eq!(
            one,
            "this is not a key text: a pre-shared key begins with `aoe-psk-1:`"
        );
        assert!(
            any.ends_with("a key begins with `aoe-public-1:`, `aoe-secret-1:` or `aoe-psk-1:`"),
            "{any}"
        );
    }
}
