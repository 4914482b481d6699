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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretKey;

    const P_LOW_BYTE: u8 = 0xed;

    /// The little-endian bytes of 2^255 - 19 with another lowest byte.
    fn near_p(lowest: u8) -> [u8; KEY_LEN] {
        let mut bytes = [0xff; KEY_LEN];
        bytes[0] = lowest;
        bytes[31] = 0x7f;
        bytes
    }

    fn bytes_of(hex: &str) -> [u8; KEY_LEN] {
        std::array::from_fn(|index| u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).unwrap())
    }

    fn parse(bytes: [u8; KEY_LEN]) -> Result<PublicKey, KeyTextError> {
        PublicKey::from_bytes(bytes).to_string().parse()
    }

    #[test]
    fn it_belongs_to_its_secret_as_openssl_says() {
        let secret = SecretKey::from_bytes(std::array::from_fn(|index| u8::try_from(index).unwrap()));

        let public = secret.public();

        assert_eq!(
            public.to_string(),
            "aoe-public-1:j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF-Qnmfh"
        );
        assert_eq!(public.to_string().parse(), Ok(public));
    }

    /// The seven points that OpenSSL refuses an exchange with, and two of them with the spare top bit set.
    #[test]
    fn every_point_of_low_order_is_refused() {
        let mut top_bit_and_zero = [0; KEY_LEN];
        top_bit_and_zero[31] = 0x80;
        let mut top_bit_and_one = top_bit_and_zero;
        top_bit_and_one[0] = 1;
        let mut one = [0; KEY_LEN];
        one[0] = 1;
        let points = [
            [0; KEY_LEN],
            one,
            bytes_of("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
            bytes_of("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
            near_p(P_LOW_BYTE - 1),
            near_p(P_LOW_BYTE),
            near_p(P_LOW_BYTE + 1),
            top_bit_and_zero,
            top_bit_and_one,
        ];

        for point in points {
            assert_eq!(parse(point), Err(KeyTextError::LowOrder), "{point:02x?}");
        }
    }

    #[test]
    fn another_spelling_of_a_key_is_refused() {
        let mut base_point = [0; KEY_LEN];
        base_point[0] = 9;
        let mut with_top_bit = base_point;
        with_top_bit[31] = 0x80;

        assert!(parse(base_point).is_ok());
        assert_eq!(parse(with_top_bit), Err(KeyTextError::NotCanonical));
        assert_eq!(parse(near_p(P_LOW_BYTE + 9)), Err(KeyTextError::NotCanonical));
    }

    #[test]
    fn the_largest_canonical_number_is_one_below_the_prime() {
        assert!(PublicKey::from_bytes(near_p(P_LOW_BYTE - 1)).is_canonical());
        assert!(!PublicKey::from_bytes(near_p(P_LOW_BYTE)).is_canonical());
    }

    #[test]
    fn debug_shows_the_text() {
        let key = PublicKey::from_bytes([9; KEY_LEN]);

        assert_eq!(format!("{key:?}"), format!("PublicKey({key})"));
    }
}
