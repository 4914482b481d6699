//! How the keys of a session come to be: the one place where the ways to agree on them are told apart.
//!
//! A side that calls has a [`Dial`]. One that is called by Noise has a [`Call`], one that is called by TLS, in several
//! datagrams, an [`Answer`](tls::Answer). All end in the same [`Agreed`], and nothing behind that knows which way it came
//! from. Each way has a file here: [`noise`], [`tls`].

pub(crate) mod noise;
mod terms;
pub(crate) mod tls;

use aoe_keys::{Psk, PublicKey};

use super::macs::MAC_LEN;
use super::quantum::SecretName;
use super::session::{Agreed, KeyPair};
use crate::random::Secret;
use crate::time::Instant;
pub(crate) use noise::{INIT_LEN, INIT_NAMING_LEN, RESPONSE_LEN, response_receiver};
pub(crate) use terms::{Failure, Fresh, Local, Terms};

/// A handshake we started.
pub(crate) enum Dial {
    Noise(noise::Dial),
    Tls(Box<tls::Dial>),
}

/// A first message, understood: the caller is known, but nothing is agreed yet.
pub(crate) enum Call {
    Noise(noise::Call),
}

impl Dial {
    /// Starts a handshake by Noise; the message still lacks its macs.
    pub(crate) fn start(
        local: &Local<'_>,
        peer: PublicKey,
        terms: Terms<'_>,
        fresh: Fresh,
    ) -> Option<(Dial, Vec<u8>)> {
        let (dial, message) = noise::Dial::start(local, peer, terms, fresh)?;
        Some((Dial::Noise(dial), message))
    }

    /// Our index of the session to be.
    pub(crate) fn local_index(&self) -> u32 {
        match self {
            Dial::Noise(dial) => dial.local_index,
            Dial::Tls(dial) => dial.local_index(),
        }
    }

    /// The static keys that it is made with; `None`: it is made in a way without.
    pub(crate) fn keys(&self) -> Option<KeyPair> {
        match self {
            Dial::Noise(dial) => Some(dial.keys),
            Dial::Tls(_) => None,
        }
    }

    /// A call by Noise.
    pub(crate) fn as_noise(&mut self) -> Option<&mut noise::Dial> {
        match self {
            Dial::Noise(dial) => Some(dial),
            Dial::Tls(_) => None,
        }
    }

    /// A call by TLS.
    pub(crate) fn as_tls(&mut self) -> Option<&mut tls::Dial> {
        match self {
            Dial::Noise(_) => None,
            Dial::Tls(dial) => Some(dial),
        }
    }

    /// When a datagram of it is sent again.
    pub(crate) fn again_at(&self) -> Instant {
        match self {
            Dial::Noise(_) => Instant::NEVER,
            Dial::Tls(dial) => dial.again_at(),
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

    /// The secret of an exchange that it was made with, if it names one.
    pub(crate) fn secret_name(&self) -> Option<SecretName> {
        match self {
            Call::Noise(call) => call.secret_name,
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
