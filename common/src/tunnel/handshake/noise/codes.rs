//! What one byte of a payload means: modes, ciphers, workers, and why there is no agreement.

use crate::config::{Cipher, Protection};
use crate::worker::Worker;

pub(in crate::tunnel::handshake) const STATUS_AGREED: u8 = 0;
pub(in crate::tunnel::handshake) const STATUS_NO_PROTECTION: u8 = 1;
pub(in crate::tunnel::handshake) const STATUS_NO_CIPHER: u8 = 2;
pub(in crate::tunnel::handshake) const STATUS_NO_VERSION: u8 = 3;
pub(in crate::tunnel::handshake) const STATUS_OTHER_WORKERS: u8 = 4;
/// The boot number's place holds the stamp that the call's was not greater than.
pub(in crate::tunnel::handshake) const STATUS_OLD_STAMP: u8 = 5;

/// Why the peer refused.
pub(in crate::tunnel::handshake) fn refusal_text(status: u8) -> &'static str {
    match status {
        STATUS_NO_PROTECTION => {
            "the two sides accept no common protection mode; compare `protection` of the peer on both"
        }
        STATUS_NO_CIPHER => "the two sides offer no common cipher",
        STATUS_NO_VERSION => "the two sides speak different versions of the protocol",
        STATUS_OTHER_WORKERS => {
            "the two sides have different numbers of workers, or the ports of different workers; compare `workers` of \
             [gateway] on both"
        }
        _ => "the peer refused for a reason this version does not know",
    }
}

/// A list in its two bytes.
pub(in crate::tunnel::handshake) fn padded(codes: impl Iterator<Item = u8>) -> impl Iterator<Item = u8> {
    codes.chain(std::iter::repeat(0)).take(2)
}

pub(in crate::tunnel::handshake) fn worker_codes(worker: Worker) -> [u8; 2] {
    [worker.number, worker.of.saturating_sub(1)]
}

/// 2 was `authenticate` with another authentication tag: gateways that know only that have no mode in common with us.
pub(in crate::tunnel::handshake) fn protection_code(protection: Protection) -> u8 {
    match protection {
        Protection::Encrypt => 1,
        Protection::Authenticate => 3,
    }
}

pub(in crate::tunnel::handshake) fn decode_protection(code: u8) -> Option<Protection> {
    [Protection::Encrypt, Protection::Authenticate]
        .into_iter()
        .find(|mode| protection_code(*mode) == code)
}

pub(in crate::tunnel::handshake) fn cipher_code(cipher: Cipher) -> u8 {
    match cipher {
        Cipher::Aes256Gcm => 1,
        Cipher::ChaCha20Poly1305 => 2,
    }
}

pub(in crate::tunnel::handshake) fn decode_cipher(code: u8) -> Option<Cipher> {
    [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305]
        .into_iter()
        .find(|cipher| cipher_code(*cipher) == code)
}
