//! What names the key of a certificate, however the certificate around it is encoded.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;

/// SHA-256 over the DER of a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7), written `spki-sha256:` and 64 hexadecimal digits.
///
/// Two certificates of one key have one hash, so a key that is revoked by it stays revoked when its certificate is
/// renewed or encoded differently.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpkiHash([u8; digest::SHA256_OUTPUT_LEN]);

/// Why a text is no [`SpkiHash`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `spki-sha256:` and 64 hexadecimal digits, as `aoe-keys check CERTIFICATE` prints it")]
pub struct SpkiTextError;

impl SpkiHash {
    /// What its text begins with.
    pub const PREFIX: &'static str = "spki-sha256:";

    /// Hashes the DER of a SubjectPublicKeyInfo.
    pub fn of(spki: &[u8]) -> Self {
        let mut hash = [0; digest::SHA256_OUTPUT_LEN];
        let found = digest::digest(&digest::SHA256, spki);
        hash.iter_mut()
            .zip(found.as_ref())
            .for_each(|(to, from)| *to = *from);
        Self(hash)
    }

    /// A hash that was made elsewhere.
    pub const fn from_bytes(hash: [u8; digest::SHA256_OUTPUT_LEN]) -> Self {
        Self(hash)
    }

    /// The hash itself.
    pub const fn as_bytes(&self) -> &[u8; digest::SHA256_OUTPUT_LEN] {
        &self.0
    }
}

impl fmt::Display for SpkiHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SpkiHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SpkiHash {
    type Err = SpkiTextError;

    fn from_str(text: &str) -> Result<Self, SpkiTextError> {
        let digits = text.strip_prefix(Self::PREFIX).ok_or(SpkiTextError)?.as_bytes();
        let mut hash = [0; digest::SHA256_OUTPUT_LEN];
        if digits.len() != 2 * hash.len() {
            return Err(SpkiTextError);
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks(2)) {
            *byte = pair
                .iter()
                .try_fold(0, |byte, digit| Some(byte << 4 | nibble(*digit)?))
                .ok_or(SpkiTextError)?;
        }
        Ok(Self(hash))
    }
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_leads_back_to_the_hash() {
        let hash = SpkiHash::of(b"abc");
        let text = hash.to_string();

        // FIPS 180-4's example.
        assert_eq!(
            text,
            "spki-sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(text.parse(), Ok(hash));
        assert_eq!(
            text.to_uppercase().replace("SPKI-SHA256", "spki-sha256").parse(),
            Ok(hash)
        );
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let good = SpkiHash::of(b"abc").to_string();
        for bad in [
            "",
            "spki-sha256:",
            &good[1..],
            &good[..good.len() - 1],
            &format!("{good}0"),
            &good.replace("ba78", "ga78"),
            &good.replace("ba78", "ä78"),
        ] {
            assert_eq!(bad.parse::<SpkiHash>(), Err(SpkiTextError), "{bad}");
        }
    }
}
