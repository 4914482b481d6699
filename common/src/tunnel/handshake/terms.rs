//! What both sides bring to a handshake, whichever it is, and why one may lead to nothing.

use aoe_keys::{Psk, PublicKey, SecretKey};

use crate::config::{Cipher, PostQuantum, Protection};
use crate::random::Secret;
use crate::tunnel::macs::MAC_LEN;
use crate::tunnel::quantum::ChainSecret;
use crate::worker::Worker;

/// What one side brings to every handshake.
pub(crate) struct Local<'a> {
    /// Our static key, that of ours which is used here.
    pub(crate) secret: &'a SecretKey,
    /// The public half of it.
    pub(crate) public: PublicKey,
    /// Ciphers we offer, best first.
    pub(crate) ciphers: &'a [Cipher],
    /// Which worker of how many.
    pub(crate) worker: Worker,
}

/// What one side brings to the handshakes with one peer.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// What we are to this peer: drawn when we began to know it.
    pub(crate) boot: u64,
    /// The secret shared with it.
    pub(crate) psk: Option<&'a Psk>,
    /// Accepted modes, in order of preference.
    pub(crate) protection: &'a [Protection],
    /// Whether keys are to withstand a quantum computer.
    pub(crate) post_quantum: PostQuantum,
    /// The secret of an exchange in a session before: the newest one for a call of ours, and for a call of the peer the one
    /// that it names. It takes the place of the psk, which it was made with.
    pub(crate) secret: Option<&'a ChainSecret>,
}

impl<'a> Terms<'a> {
    /// The same with this secret of an exchange.
    pub(crate) fn with(self, secret: Option<&'a ChainSecret>) -> Terms<'a> {
        Terms { secret, ..self }
    }
}

/// Why a handshake message led to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Not made for this pair of keys, or damaged.
    Undecryptable,
    /// Decrypted, but the two sides' lists have nothing in common.
    NoAgreement(&'static str),
    /// The side that was called does not know the secret that the call names.
    UnknownSecret,
    /// The peer remembers this stamp, which is not less than that of our call.
    OldStamp(u64),
}

/// What is new in every call.
pub(crate) struct Fresh {
    /// Our index of the session to be.
    pub(crate) local_index: u32,
    /// Microseconds since 1970.
    pub(crate) stamp: u64,
    pub(crate) ephemeral: Secret,
    /// Random, and told to the listener alone: with it it marks its answers.
    pub(crate) answer_key: [u8; MAC_LEN],
}
