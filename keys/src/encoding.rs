//! Key text: kind, version, base64url and checksum, without a branch or a table look-up on key bytes.

use std::fmt;

use aws_lc_rs::digest;
use base64ct::{Base64UrlUnpadded, Encoding};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::KeyTextError;

/// Length of every key, in bytes.
pub const KEY_LEN: usize = 32;

/// What a key is for; its text begins with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// An X25519 public key, for everybody to see.
    Public,
    /// An X25519 secret key, for one gateway only.
    Secret,
    /// A pre-shared key, for the two gateways of one pair.
    Psk,
}

impl KeyKind {
    /// All kinds, in the order messages list them.
    pub const ALL: [Self; 3] = [Self::Public, Self::Secret, Self::Psk];

    /// What a text of this kind begins with, the colon included.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Public => "aoe-public-1:",
            Self::Secret => "aoe-secret-1:",
            Self::Psk => "aoe-psk-1:",
        }
    }

    /// The word for it in machine-readable output: `public`, `secret` or `psk`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Secret => "secret",
            Self::Psk => "psk",
        }
    }

    /// The words for it in a sentence, as in "a public key".
    pub const fn with_article(self) -> &'static str {
        match self {
            Self::Public => "a public key",
            Self::Secret => "a secret key",
            Self::Psk => "a pre-shared key",
        }
    }

    /// Reads the kind a text claims by its first characters, whether or not the rest of it is right.
    pub fn claimed_by(text: &str) -> Option<Self> {
        let words = text.strip_prefix("aoe-")?;
        Self::ALL.into_iter().find(|kind| {
            words
                .strip_prefix(kind.word())
                .is_some_and(|rest| rest.starts_with('-'))
        })
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Writes a key as text. The buffer is erased when dropped, and never grows, so no copy stays behind.
pub(crate) fn encode(kind: KeyKind, key: &[u8; KEY_LEN]) -> Zeroizing<String> {
    let mut sealed = Zeroizing::new([0_u8; SEALED_LEN]);
    let (body, sum) = sealed.split_at_mut(KEY_LEN);
    body.copy_from_slice(key);
    sum.copy_from_slice(&checksum(kind, key));

    let mut characters = Zeroizing::new([0_u8; BODY_LEN]);
    let mut text = Zeroizing::new(String::with_capacity(kind.prefix().len() + BODY_LEN));
    text.push_str(kind.prefix());
    #[allow(
        clippy::expect_used,
        reason = "the buffer has exactly the length 36 bytes need"
    )]
    text.push_str(
        Base64UrlUnpadded::encode(sealed.as_slice(), characters.as_mut_slice()).expect("48 characters"),
    );
    text
}

/// Reads a key that must be of one kind.
pub(crate) fn decode(text: &str, expected: KeyKind) -> Result<Zeroizing<[u8; KEY_LEN]>, KeyTextError> {
    let (found, body) = split(text, Some(expected))?;
    if found != expected {
        return Err(KeyTextError::WrongType { found, expected });
    }
    decode_body(found, body)
}

/// Reads the kind of a text that may be any key; [`decode`] then reads the key.
pub(crate) fn kind_of(text: &str) -> Result<KeyKind, KeyTextError> {
    split(text, None).map(|(kind, _)| kind)
}

/// Whether all bytes are zero, in time that does not depend on them.
pub(crate) fn is_zero(key: &[u8; KEY_LEN]) -> bool {
    key.ct_eq(&[0; KEY_LEN]).into()
}

const CHECKSUM_LEN: usize = 4;
const SEALED_LEN: usize = KEY_LEN + CHECKSUM_LEN;
/// Base64 characters of [`SEALED_LEN`] bytes: a multiple of three, so there are neither padding nor spare bits,
/// and every key has one spelling only.
const BODY_LEN: usize = SEALED_LEN / 3 * 4;

/// SHA-256 and not a CRC: it runs over secrets, and CRC code looks up tables by them.
fn checksum(kind: KeyKind, key: &[u8; KEY_LEN]) -> [u8; CHECKSUM_LEN] {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(kind.prefix().as_bytes());
    hash.update(key);
    let mut sum = [0; CHECKSUM_LEN];
    sum.iter_mut()
        .zip(hash.finish().as_ref())
        .for_each(|(to, from)| *to = *from);
    sum
}

/// Takes kind and version off; what is left is base64.
fn split(text: &str, expected: Option<KeyKind>) -> Result<(KeyKind, &str), KeyTextError> {
    if text.is_empty() {
        return Err(KeyTextError::Empty);
    }
    if text.contains(char::is_whitespace) {
        return Err(KeyTextError::WhiteSpace);
    }
    if let Some(found) = KeyKind::ALL
        .into_iter()
        .find_map(|kind| Some((kind, text.strip_prefix(kind.prefix())?)))
    {
        return Ok(found);
    }
    match (KeyKind::claimed_by(text), claimed_version(text)) {
        (Some(kind), Some(version)) if version != 1 => Err(KeyTextError::UnknownVersion { kind, version }),
        _ => Err(KeyTextError::NotAKey { expected }),
    }
}

fn claimed_version(text: &str) -> Option<u32> {
    let (head, _) = text.split_once(':')?;
    let (_, digits) = head.rsplit_once('-')?;
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

fn decode_body(kind: KeyKind, body: &str) -> Result<Zeroizing<[u8; KEY_LEN]>, KeyTextError> {
    let found = body.chars().count();
    if found != BODY_LEN {
        return Err(KeyTextError::WrongLength {
            found,
            expected: BODY_LEN,
        });
    }
    let mut sealed = Zeroizing::new([0_u8; SEALED_LEN]);
    if body.len() != BODY_LEN || Base64UrlUnpadded::decode(body, sealed.as_mut_slice()).is_err() {
        return Err(KeyTextError::NotBase64 {
            position: kind.prefix().len() + first_foreign(body),
        });
    }
    let (bytes, sum) = sealed.split_at(KEY_LEN);
    let mut key = Zeroizing::new([0_u8; KEY_LEN]);
    key.copy_from_slice(bytes);
    if bool::from(checksum(kind, &key).ct_eq(sum)) {
        Ok(key)
    } else {
        Err(KeyTextError::Checksum)
    }
}

/// Which character, counted from 1, is outside the alphabet. Only a text already refused is looked at.
fn first_foreign(body: &str) -> usize {
    let foreign = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
    body.chars().take_while(|c| !foreign(*c)).count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key bytes 0 to 31; the texts were made with Python's hashlib and base64.
    const VECTORS: [(KeyKind, &str); 3] = [
        (
            KeyKind::Public,
            "aoe-public-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh_gQUTd",
        ),
        (
            KeyKind::Secret,
            "aoe-secret-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh99lj40",
        ),
        (
            KeyKind::Psk,
            "aoe-psk-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8YiBH6",
        ),
    ];

    fn counting() -> [u8; KEY_LEN] {
        std::array::from_fn(|index| u8::try_from(index).unwrap())
    }

    fn refusal(text: &str) -> KeyTextError {
        decode(text, KeyKind::Public).unwrap_err()
    }

    #[test]
    fn texts_are_those_of_another_implementation() {
        for (kind, text) in VECTORS {
            assert_eq!(encode(kind, &counting()).as_str(), text);
            assert_eq!(*decode(text, kind).unwrap(), counting());
            assert_eq!(kind_of(text), Ok(kind));
        }
    }

    #[test]
    fn a_key_of_another_kind_is_named() {
        for (kind, text) in VECTORS.into_iter().skip(1) {
            assert_eq!(
                refusal(text),
                KeyTextError::WrongType {
                    found: kind,
                    expected: KeyKind::Public
                }
            );
        }
    }

    #[test]
    fn a_relabelled_key_fails_its_checksum() {
        let (_, secret) = VECTORS[1];

        assert_eq!(
            refusal(&secret.replace("secret", "public")),
            KeyTextError::Checksum
        );
    }

    #[test]
    fn each_refusal_says_what_is_wrong() {
        let (_, good) = VECTORS[0];
        let not_a_key = KeyTextError::NotAKey {
            expected: Some(KeyKind::Public),
        };
        let cases = [
            (String::new(), KeyTextError::Empty),
            (format!("{good} "), KeyTextError::WhiteSpace),
            ("PUBLIC-KEY-TEXT".to_owned(), not_a_key),
            (good.replace("aoe-", "AOE-"), not_a_key),
            (good.replace("-1:", "-01:"), not_a_key),
            (good.replace("-1:", "-x:"), not_a_key),
            (good.replace("-1:", "-99999999999:"), not_a_key),
            (good.replace("-1:", "-"), not_a_key),
            (
                good.replace("-1:", "-2:"),
                KeyTextError::UnknownVersion {
                    kind: KeyKind::Public,
                    version: 2,
                },
            ),
            (
                format!("{good}A"),
                KeyTextError::WrongLength {
                    found: 49,
                    expected: 48,
                },
            ),
            (
                good[..60].to_owned(),
                KeyTextError::WrongLength {
                    found: 47,
                    expected: 48,
                },
            ),
            (
                good.replace("AAEC", "AA+C"),
                KeyTextError::NotBase64 { position: 16 },
            ),
            (
                good.replace("AAEC", "ÄAEC"),
                KeyTextError::NotBase64 { position: 14 },
            ),
            (good.replace("AAEC", "AAED"), KeyTextError::Checksum),
        ];

        for (text, expected) in cases {
            assert_eq!(refusal(&text), expected, "{text}");
        }
    }
}
