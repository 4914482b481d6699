//! How the keys of a session come to be: the one place where the ways to agree on them are told apart.
//!
//! A side that calls has a [`Dial`], one that is called a [`Call`]; both end in the same
//! [`Agreed`], and nothing behind that knows which way it came from. Another way is another
//! variant here, with a file beside [`noise`].

pub(crate) mod noise;

use aoe_keys::{Psk, PublicKey, SecretKey};

use super::macs::MAC_LEN;
use super::session::Agreed;
use crate::config::{Cipher, Protection};
use crate::random::Secret;
use crate::worker::Worker;
pub(crate) use noise::{INIT_LEN, RESPONSE_LEN, response_receiver};

/// How two sides agree on the keys of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// By their static keys, and a pre-shared key if they have one.
    Noise,
}

impl Transport {
    /// Its name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Transport::Noise => "noise",
        }
    }
}

/// What one side brings to every handshake.
pub(crate) struct Local<'a> {
    /// Our static key.
    pub(crate) secret: &'a SecretKey,
    /// Ciphers we offer, best first.
    pub(crate) ciphers: &'a [Cipher],
    /// Which worker of how many.
    pub(crate) worker: Worker,
}

/// What one side brings to the handshakes with one peer.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// How keys are agreed on with this peer.
    pub(crate) transport: Transport,
    /// What we are to this peer: drawn when we began to know it.
    pub(crate) boot: u64,
    /// The secret shared with it.
    pub(crate) psk: Option<&'a Psk>,
    /// Accepted modes, in order of preference.
    pub(crate) protection: &'a [Protection],
}

/// Why a handshake message led to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Not made for this pair of keys, or damaged.
    Undecryptable,
    /// Decrypted, but the two sides' lists have nothing in common.
    NoAgreement(&'static str),
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

/// A handshake we started.
pub(crate) enum Dial {
    Noise(noise::Dial),
}

/// A first message, understood: the caller is known, but nothing is agreed yet.
pub(crate) enum Call {
    Noise(noise::Call),
}

impl Dial {
    /// Starts a handshake; the message still lacks its macs.
    pub(crate) fn start(
        local: &Local<'_>,
        peer: PublicKey,
        terms: Terms<'_>,
        fresh: Fresh,
    ) -> Option<(Dial, Vec<u8>)> {
        match terms.transport {
            Transport::Noise => {
                let (dial, message) = noise::Dial::start(local, peer, terms, fresh)?;
                Some((Dial::Noise(dial), message))
            }
        }
    }

    /// Our index of the session to be.
    pub(crate) fn local_index(&self) -> u32 {
        match self {
            Dial::Noise(dial) => dial.local_index,
        }
    }

    /// What its answer is marked with: known to us and to those who could read our call.
    pub(crate) fn answer_key(&self) -> &[u8; MAC_LEN] {
        match self {
            Dial::Noise(dial) => &dial.answer_key,
        }
    }

    /// Reads the answer, macs already checked and cut off. A damaged answer leaves the dial as it was.
    ///
    /// # Errors
    /// It does not decrypt, or there is no agreement.
    pub(crate) fn finish(
        &mut self,
        body: &[u8],
        protection: &[Protection],
        ciphers: &[Cipher],
    ) -> Result<Agreed, Failure> {
        match self {
            Dial::Noise(dial) => dial.finish(body, protection, ciphers),
        }
    }
}

impl Call {
    /// Reads a first message, macs already checked and cut off.
    ///
    /// # Errors
    /// It does not decrypt.
    pub(crate) fn read(local: &Local<'_>, body: &[u8], ephemeral: Secret) -> Result<Call, Failure> {
        noise::Call::read(local, body, ephemeral).map(Call::Noise)
    }

    /// Who calls.
    pub(crate) fn caller(&self) -> PublicKey {
        match self {
            Call::Noise(call) => call.caller,
        }
    }

    /// Microseconds since 1970 by the caller's clock, growing with every first message it makes.
    pub(crate) fn stamp(&self) -> u64 {
        match self {
            Call::Noise(call) => call.stamp,
        }
    }

    /// What its answer is marked with.
    pub(crate) fn answer_key(&self) -> [u8; MAC_LEN] {
        match self {
            Call::Noise(call) => call.answer_key,
        }
    }

    /// Chooses and answers; the message still lacks its macs. Without an agreement the answer says so, under
    /// authentication, and there are no keys.
    ///
    /// # Errors
    /// No answer can be made.
    pub(crate) fn answer(
        self,
        local: &Local<'_>,
        terms: Terms<'_>,
        local_index: u32,
    ) -> Result<(Vec<u8>, Result<Agreed, Failure>), Failure> {
        match self {
            Call::Noise(call) => call.answer(local, terms, local_index),
        }
    }

    /// Answers that the stamp is not greater than `newest`, so that the caller may call again with one that is.
    ///
    /// # Errors
    /// No answer can be made.
    pub(crate) fn refuse_stamp(self, psk: Option<&Psk>, newest: u64) -> Result<Vec<u8>, Failure> {
        match self {
            Call::Noise(call) => call.refuse_stamp(psk, newest),
        }
    }
}
