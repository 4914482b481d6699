//! How the keys of a session come to be: the one place where the ways to agree on them are told apart.
//!
//! A side that calls has a [`Dial`], one that is called a [`Call`]; both end in the same
//! [`Agreed`], and nothing behind that knows which way it came from. Another way is another
//! variant here, with a file beside [`noise`].

pub(crate) mod noise;
mod terms;

use aoe_keys::{Psk, PublicKey};

use super::macs::MAC_LEN;
use super::session::{Agreed, KeyPair};
use super::transport::Transport;
use crate::config::{Cipher, Protection};
use crate::random::Secret;
pub(crate) use noise::{INIT_LEN, RESPONSE_LEN, response_receiver};
pub(crate) use terms::{Failure, Fresh, Local, Terms};

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

    /// The static keys that it is made with; `None`: it is made in a way without.
    pub(crate) fn keys(&self) -> Option<KeyPair> {
        match self {
            Dial::Noise(dial) => Some(dial.keys),
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
            Call::Noise(call) => call.keys.theirs,
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
