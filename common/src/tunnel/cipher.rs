//! One direction's key of a session: seals and opens payloads in place.
//!
//! In mode `authenticate` the payload stays readable. Handing it to the AEAD as associated data would be four
//! times slower than encrypting it (ring hashes associated data slowly), so the authentication tag is made by
//! encrypting a scratch copy and throwing the ciphertext away: a MAC over a one-to-one image of the payload,
//! under the same key and nonce rules. See `docs/decisions/0008-authenticate-mode.md`.

use aws_lc_rs::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use subtle::ConstantTimeEq;

use super::record::{AUTH_TAG_LEN, HEADER_LEN};
use crate::config::{Cipher, Protection};

/// A key for one direction of one session. The counter is never used twice: the session sees to that.
pub(crate) struct RecordKey {
    key: LessSafeKey,
    protection: Protection,
    scratch: Vec<u8>,
}

impl std::fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordKey")
            .field("protection", &self.protection)
            .finish_non_exhaustive()
    }
}

/// The AEAD refused; only reachable for payloads of gigabytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SealFailed;

impl RecordKey {
    /// A key of 32 secret bytes.
    pub(crate) fn new(cipher: Cipher, protection: Protection, secret: &[u8; 32]) -> Option<RecordKey> {
        let algorithm = match cipher {
            Cipher::Aes256Gcm => &AES_256_GCM,
            Cipher::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, secret).ok()?);
        Some(RecordKey {
            key,
            protection,
            scratch: Vec::new(),
        })
    }

    /// Seals `payload` in place; returns the authentication tag over it and `header`.
    pub(crate) fn seal(
        &mut self,
        counter: u64,
        header: &[u8; HEADER_LEN],
        payload: &mut [u8],
    ) -> Result<[u8; AUTH_TAG_LEN], SealFailed> {
        let sealed = match self.protection {
            Protection::Encrypt => payload,
            Protection::Authenticate => {
                self.scratch.clear();
                self.scratch.extend_from_slice(payload);
                &mut self.scratch
            }
        };
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce(counter), Aad::from(header), sealed)
            .map_err(|_| SealFailed)?;
        tag.as_ref().try_into().map_err(|_| SealFailed)
    }

    /// Opens `sealed` (payload and tag) in place; `None` if one bit of it or of `header` is not as it was sealed.
    pub(crate) fn open<'a>(
        &mut self,
        counter: u64,
        header: &[u8; HEADER_LEN],
        sealed: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        match self.protection {
            Protection::Encrypt => self
                .key
                .open_in_place(nonce(counter), Aad::from(header), sealed)
                .ok(),
            Protection::Authenticate => {
                let payload_len = sealed.len().checked_sub(AUTH_TAG_LEN)?;
                let (payload, tag) = sealed.split_at_mut_checked(payload_len)?;
                let expected = self.seal(counter, header, payload).ok()?;
                bool::from(expected.ct_eq(tag)).then_some(payload)
            }
        }
    }
}

fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    let (_, low) = bytes.split_at_mut(4);
    low.copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(cipher: Cipher, protection: Protection) -> (RecordKey, RecordKey) {
        let make = || RecordKey::new(cipher, protection, &[7; 32]).unwrap();
        (make(), make())
    }

    #[test]
    fn one_flipped_bit_anywhere_is_refused_in_every_mode() {
        for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
            for protection in [Protection::Encrypt, Protection::Authenticate] {
                let (mut sealing, mut opening) = pair(cipher, protection);
                let header = [9; HEADER_LEN];
                let mut sealed = b"some sectors".to_vec();
                let tag = sealing.seal(1, &header, &mut sealed).unwrap();
                sealed.extend_from_slice(&tag);
                for bit in 0..sealed.len() * 8 {
                    let mut forged = sealed.clone();
                    forged[bit / 8] ^= 1 << (bit % 8);
                    assert!(opening.open(1, &header, &mut forged).is_none(), "bit {bit}");
                }
                for bit in 0..HEADER_LEN * 8 {
                    let mut other = header;
                    other[bit / 8] ^= 1 << (bit % 8);
                    assert!(
                        opening.open(1, &other, &mut sealed.clone()).is_none(),
                        "header bit {bit}"
                    );
                }
                assert!(
                    opening.open(2, &header, &mut sealed.clone()).is_none(),
                    "other counter"
                );
                assert_eq!(opening.open(1, &header, &mut sealed).unwrap(), b"some sectors");
            }
        }
    }

    #[test]
    fn a_tag_belongs_to_one_payload_of_one_length_under_one_counter() {
        for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
            for protection in [Protection::Encrypt, Protection::Authenticate] {
                let (mut sealing, mut opening) = pair(cipher, protection);
                let header = [9; HEADER_LEN];
                // Lengths around the blocks of both ciphers; zeros, which a sloppy MAC takes for padding.
                let mut made = Vec::new();
                for (counter, len) in (0..).zip([0, 1, 15, 16, 17, 63, 64, 65, 64, 0]) {
                    let mut sealed = vec![0; len];
                    let tag = sealing.seal(counter, &header, &mut sealed).unwrap();
                    made.push((counter, sealed, tag));
                }
                for (counter, _, _) in &made {
                    for (of_payload, sealed, _) in &made {
                        for (of_tag, _, tag) in &made {
                            let mut record = [sealed.as_slice(), tag].concat();
                            let opens = opening.open(*counter, &header, &mut record).is_some();
                            let same_bytes = made[usize::try_from(*counter).unwrap()].1 == *sealed;
                            assert_eq!(
                                opens,
                                counter == of_tag && same_bytes,
                                "payload of {of_payload}, tag of {of_tag}, opened as {counter}"
                            );
                        }
                    }
                }
                let (counter, sealed, tag) = &made[7];
                let record = [sealed.as_slice(), tag].concat();
                for len in 0..record.len() {
                    let mut front = record[..len].to_vec();
                    let mut back = record[record.len() - len..].to_vec();
                    assert!(
                        opening.open(*counter, &header, &mut front).is_none(),
                        "first {len}"
                    );
                    assert!(opening.open(*counter, &header, &mut back).is_none(), "last {len}");
                }
                for zeros in 1..=64 {
                    let mut longer = [sealed.as_slice(), &vec![0; zeros], tag].concat();
                    assert!(opening.open(*counter, &header, &mut longer).is_none());
                }
            }
        }
    }

    #[test]
    fn a_record_of_one_mode_opens_in_no_other() {
        for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
            for modes in [
                [Protection::Encrypt, Protection::Authenticate],
                [Protection::Authenticate, Protection::Encrypt],
            ] {
                let [mut sealing, mut opening] =
                    modes.map(|mode| RecordKey::new(cipher, mode, &[7; 32]).unwrap());
                let mut sealed = b"some sectors".to_vec();
                let tag = sealing.seal(1, &[9; HEADER_LEN], &mut sealed).unwrap();
                sealed.extend_from_slice(&tag);
                assert!(opening.open(1, &[9; HEADER_LEN], &mut sealed).is_none());
            }
        }
    }

    #[test]
    fn only_authenticate_leaves_the_payload_readable() {
        for (protection, readable) in [(Protection::Encrypt, false), (Protection::Authenticate, true)] {
            let (mut sealing, _) = pair(Cipher::Aes256Gcm, protection);
            let mut payload = b"a marker that a sniffer looks for".to_vec();
            sealing.seal(1, &[0; HEADER_LEN], &mut payload).unwrap();
            assert_eq!(payload == b"a marker that a sniffer looks for", readable);
        }
    }

    #[test]
    fn sealed_things_shorter_than_a_tag_are_refused() {
        for protection in [Protection::Encrypt, Protection::Authenticate] {
            let (_, mut opening) = pair(Cipher::Aes256Gcm, protection);
            for len in 0..AUTH_TAG_LEN {
                assert!(opening.open(0, &[0; HEADER_LEN], &mut vec![0; len]).is_none());
            }
        }
    }
}
