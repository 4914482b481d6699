//! One direction's key of a session: seals and opens records in place.
//!
//! A record is a readable part, which is the AEAD's associated data, and an encrypted part. In mode `encrypt` the header
//! is readable and the chunks are encrypted; in mode `authenticate` everything is readable and nothing is left to
//! encrypt, which makes AES-256-GCM a GMAC (NIST SP 800-38D). See `docs/decisions/0008-authenticate-mode.md`.

use aws_lc_rs::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use super::record::{AUTH_TAG_LEN, HEADER_LEN};
use crate::config::{Cipher, Protection};

/// A key for one direction of one session. The counter is never used twice: the session makes sure of that.
pub(crate) struct RecordKey {
    key: LessSafeKey,
    protection: Protection,
}

impl std::fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordKey")
            .field("protection", &self.protection)
            .finish_non_exhaustive()
    }
}

/// The AEAD refused; only reachable for payloads of gigabytes and for what is no record.
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
        Some(RecordKey { key, protection })
    }

    /// Seals `record`, its header and chunks, in place; returns the authentication tag over all of it.
    pub(crate) fn seal(&self, counter: u64, record: &mut [u8]) -> Result<[u8; AUTH_TAG_LEN], SealFailed> {
        let readable = self.readable_len(record.len());
        let (readable, secret) = record.split_at_mut_checked(readable).ok_or(SealFailed)?;
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(counter), Aad::from(&*readable), secret)
            .map_err(|_| SealFailed)?;
        tag.as_ref().try_into().map_err(|_| SealFailed)
    }

    /// Opens `sealed`, a record's header, chunks and tag, in place; returns the chunks, or `None` if one bit is not as
    /// it was sealed.
    pub(crate) fn open<'a>(&self, counter: u64, sealed: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let record_len = sealed.len().checked_sub(AUTH_TAG_LEN)?;
        let (readable, secret) = sealed.split_at_mut_checked(self.readable_len(record_len))?;
        self.key
            .open_in_place(self.nonce(counter), Aad::from(&*readable), secret)
            .ok()?;
        sealed.get_mut(HEADER_LEN..record_len)
    }

    /// How many bytes of a record stay readable.
    fn readable_len(&self, record_len: usize) -> usize {
        match self.protection {
            Protection::Encrypt => HEADER_LEN,
            Protection::Authenticate => record_len,
        }
    }

    /// The mode is in it, so that not even one key would ever use a nonce in both.
    fn nonce(&self, counter: u64) -> Nonce {
        let mode: u32 = match self.protection {
            Protection::Encrypt => 0,
            Protection::Authenticate => 1,
        };
        let mut bytes = [0; 12];
        let (high, low) = bytes.split_at_mut(4);
        high.copy_from_slice(&mode.to_be_bytes());
        low.copy_from_slice(&counter.to_be_bytes());
        Nonce::assume_unique_for_key(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [u8; HEADER_LEN] = [9; HEADER_LEN];

    fn pair(cipher: Cipher, protection: Protection) -> (RecordKey, RecordKey) {
        let make = || RecordKey::new(cipher, protection, &[7; 32]).unwrap();
        (make(), make())
    }

    fn sealed(key: &RecordKey, counter: u64, payload: &[u8]) -> Vec<u8> {
        let mut record = [&HEADER, payload].concat();
        let tag = key.seal(counter, &mut record).unwrap();
        record.extend_from_slice(&tag);
        record
    }

    fn opens(key: &RecordKey, counter: u64, sealed: &[u8]) -> bool {
        key.open(counter, &mut sealed.to_vec()).is_some()
    }

    #[test]
    fn one_flipped_bit_anywhere_is_refused_in_every_mode() {
        for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
            for protection in [Protection::Encrypt, Protection::Authenticate] {
                let (sealing, opening) = pair(cipher, protection);
                let mut sealed = sealed(&sealing, 1, b"some sectors");
                for bit in 0..sealed.len() * 8 {
                    let mut forged = sealed.clone();
                    forged[bit / 8] ^= 1 << (bit % 8);
                    assert!(!opens(&opening, 1, &forged), "bit {bit}");
                }
                assert!(!opens(&opening, 2, &sealed), "other counter");
                assert_eq!(opening.open(1, &mut sealed).unwrap(), b"some sectors");
            }
        }
    }

    #[test]
    fn a_tag_belongs_to_one_payload_of_one_length_under_one_counter() {
        for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
            for protection in [Protection::Encrypt, Protection::Authenticate] {
                let (sealing, opening) = pair(cipher, protection);
                // Lengths around the blocks of both ciphers; zeros, which a sloppy MAC takes for padding.
                let mut made = Vec::new();
                for (counter, len) in (0..).zip([0, 1, 15, 16, 17, 63, 64, 65, 64, 0]) {
                    let record = sealed(&sealing, counter, &vec![0; len]);
                    let (record, tag) = record.split_last_chunk::<AUTH_TAG_LEN>().unwrap();
                    made.push((counter, record.to_vec(), *tag));
                }
                for (counter, _, _) in &made {
                    for (of_payload, record, _) in &made {
                        for (of_tag, _, tag) in &made {
                            let same_bytes = made[usize::try_from(*counter).unwrap()].1 == *record;
                            assert_eq!(
                                opens(&opening, *counter, &[record.as_slice(), tag].concat()),
                                counter == of_tag && same_bytes,
                                "payload of {of_payload}, tag of {of_tag}, opened as {counter}"
                            );
                        }
                    }
                }
                let (counter, record, tag) = &made[7];
                let whole = [record.as_slice(), tag].concat();
                for len in 0..whole.len() {
                    assert!(!opens(&opening, *counter, &whole[..len]), "first {len}");
                    assert!(
                        !opens(&opening, *counter, &whole[whole.len() - len..]),
                        "last {len}"
                    );
                }
                for zeros in 1..=64 {
                    let longer = [record.as_slice(), &vec![0; zeros], tag].concat();
                    assert!(!opens(&opening, *counter, &longer));
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
                let [sealing, opening] = modes.map(|mode| RecordKey::new(cipher, mode, &[7; 32]).unwrap());
                // Without a payload the two modes differ in their nonces alone.
                for payload in [&b"some sectors"[..], b""] {
                    assert!(!opens(&opening, 1, &sealed(&sealing, 1, payload)));
                }
            }
        }
    }

    #[test]
    fn the_two_modes_share_no_nonce() {
        let nonces = |protection| {
            let (key, _) = pair(Cipher::Aes256Gcm, protection);
            [0, 1, 1 << 32, u64::MAX].map(|counter| *key.nonce(counter).as_ref())
        };
        let authenticating = nonces(Protection::Authenticate);
        for nonce in nonces(Protection::Encrypt) {
            assert!(!authenticating.contains(&nonce));
        }
    }

    /// AES-256-GCM with nothing to encrypt is GMAC, here computed step by step from NIST SP 800-38D by another
    /// implementation.
    #[test]
    fn authenticate_is_gmac() {
        let (key, _) = pair(Cipher::Aes256Gcm, Protection::Authenticate);
        let record = sealed(&key, 1, b"some sectors");
        let (readable, tag) = record.split_last_chunk::<AUTH_TAG_LEN>().unwrap();
        assert_eq!(readable, [&HEADER[..], b"some sectors"].concat());
        let expected = [
            0x65, 0xc9, 0xbd, 0x93, 0xa4, 0x2c, 0xbf, 0x61, 0x59, 0xd4, 0xe9, 0x47, 0x48, 0x2c, 0x14, 0x73,
        ];
        assert_eq!(*tag, expected);
    }

    #[test]
    fn only_authenticate_leaves_the_payload_readable() {
        let marker = b"a marker that a sniffer looks for";
        for (protection, readable) in [(Protection::Encrypt, false), (Protection::Authenticate, true)] {
            let (key, _) = pair(Cipher::Aes256Gcm, protection);
            let record = sealed(&key, 1, marker);
            assert_eq!(record[..HEADER_LEN], HEADER);
            assert_eq!(record[HEADER_LEN..].starts_with(marker), readable);
        }
    }

    #[test]
    fn sealed_things_shorter_than_header_and_tag_are_refused() {
        for protection in [Protection::Encrypt, Protection::Authenticate] {
            let (key, _) = pair(Cipher::Aes256Gcm, protection);
            for len in 0..HEADER_LEN + AUTH_TAG_LEN {
                assert!(!opens(&key, 0, &vec![0; len]));
            }
            // The key would make a tag for a record without a whole header; that is no record all the same.
            let mut short = vec![0; HEADER_LEN - 1];
            if let Ok(tag) = key.seal(0, &mut short) {
                short.extend_from_slice(&tag);
                assert!(!opens(&key, 0, &short));
            }
        }
    }
}
