//! What one byte of a payload means: modes, ciphers, workers, and why there is no agreement.

use crate::config::{Cipher, PostQuantum, Protection};
use crate::worker::Worker;

pub(in crate::tunnel::handshake) const STATUS_AGREED: u8 = 0;
pub(in crate::tunnel::handshake) const STATUS_NO_PROTECTION: u8 = 1;
pub(in crate::tunnel::handshake) const STATUS_NO_CIPHER: u8 = 2;
pub(in crate::tunnel::handshake) const STATUS_NO_VERSION: u8 = 3;
pub(in crate::tunnel::handshake) const STATUS_OTHER_WORKERS: u8 = 4;
/// The boot number's place holds the stamp that the call's was not greater than.
pub(in crate::tunnel::handshake) const STATUS_OLD_STAMP: u8 = 5;
/// The call names a secret that the listener does not know.
pub(super) const STATUS_UNKNOWN_SECRET: u8 = 6;
/// The listener requires post-quantum keys, and the dialer has none to offer.
pub(super) const STATUS_QUANTUM_REQUIRED: u8 = 7;
/// The dialer requires post-quantum keys, and the listener has none to offer.
pub(super) const STATUS_QUANTUM_OFF: u8 = 8;
/// Agreed, and secrets are exchanged in the session.
pub(super) const STATUS_AGREED_QUANTUM: u8 = 9;
/// The same, and the listener lets nothing pass by keys that are not post-quantum.
pub(super) const STATUS_AGREED_REQUIRED: u8 = 10;

/// Why the dialer refuses an answer that agrees to a session without an exchange.
pub(super) const NO_EXCHANGE: &str = "`post_quantum` of the peer is \"require\" here, and there it is \"off\", or its version does not know \
                                      it; set it to \"prefer\" or \"require\" there";

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
        STATUS_QUANTUM_REQUIRED => {
            "one side has `post_quantum = \"require\"`, and the one that called has \"off\", or a version that does not know \
             it; set it to \"prefer\" or \"require\" there"
        }
        STATUS_QUANTUM_OFF => {
            "the side that called has `post_quantum = \"require\"`, and the one that was called has \"off\"; set it to \
             \"prefer\" or \"require\" there"
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

/// In a first message. What is neither of them nor zero is taken for `prefer`.
pub(super) fn post_quantum_code(mode: PostQuantum) -> u8 {
    match mode {
        PostQuantum::Off => 0,
        PostQuantum::Prefer => 1,
        PostQuantum::Require => 2,
    }
}

pub(super) fn decode_post_quantum(code: u8) -> PostQuantum {
    match code {
        0 => PostQuantum::Off,
        2 => PostQuantum::Require,
        _ => PostQuantum::Prefer,
    }
}

/// What an answer that agrees says of the listener.
pub(super) fn agreed_status(ours: PostQuantum, theirs: PostQuantum) -> u8 {
    match (ours, theirs) {
        (PostQuantum::Off, _) | (_, PostQuantum::Off) => STATUS_AGREED,
        (PostQuantum::Prefer, _) => STATUS_AGREED_QUANTUM,
        (PostQuantum::Require, _) => STATUS_AGREED_REQUIRED,
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
