//! Secrets that withstand a quantum computer: an ML-KEM-768 exchange (FIPS 203) inside a session makes the pre-shared key
//! of the next handshake.
//!
//! Who records today and breaks X25519 later reads the exchange, and still does not have its secret. So what is sealed
//! by a session made with it stays closed. The cryptography is `aws-lc`'s; what is here is the binding of a secret to
//! what it belongs to, and the names it goes by. Who exchanges when is said in `link/chain.rs`.

#[cfg(test)]
mod tests;

use aoe_keys::{Psk, PublicKey};
use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::kem::{self, DecapsulationKey, ML_KEM_768};
use zeroize::Zeroizing;

use crate::config::PostQuantum;
use crate::random::Secret;
use crate::tunnel::transport::Group;

/// An encapsulation key of ML-KEM-768.
pub(crate) const OFFER_LEN: usize = 1184;
/// A ciphertext of ML-KEM-768.
pub(crate) const ANSWER_LEN: usize = 1088;
const SECRET_LEN: usize = 32;
/// The name of a secret.
pub(crate) const NAME_LEN: usize = 8;

const SESSION_LABEL: &[u8] = b"aoe-gateway session 1";
const SECRET_LABEL: &[u8] = b"aoe-gateway post-quantum 1";

/// What names a session to both of its sides and to nobody else: no other session has the same.
pub(crate) type SessionName = [u8; 32];
/// By which a call names the secret that it was made with. It tells nothing of the secret.
pub(crate) type SecretName = [u8; NAME_LEN];

/// What the keys of a session rest on, and what the two sides want of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Assurance {
    /// What they rest on.
    pub(crate) kind: Quantum,
    /// Whether the peer lets nothing pass by keys that do not withstand a quantum computer.
    pub(crate) peer_requires: bool,
    /// By which an exchange for the next handshake is bound to this session; `None`: there is no exchange.
    pub(crate) exchange: Option<SessionName>,
}

/// What a session's keys rest on against a quantum computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantum {
    /// Nothing, or a pre-shared key alone.
    None,
    /// A secret of an ML-KEM-768 exchange in a session before.
    MlKem768,
    /// The key exchange of its own TLS handshake.
    X25519MlKem768,
}

impl Quantum {
    /// Its name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Quantum::None => "none",
            Quantum::MlKem768 => "ml-kem-768",
            Quantum::X25519MlKem768 => Group::X25519MlKem768.name(),
        }
    }
}

impl Assurance {
    /// Nothing, and neither side wants more.
    #[cfg(any(test, feature = "bench"))]
    pub(crate) const NONE: Assurance = Assurance {
        kind: Quantum::None,
        peer_requires: false,
        exchange: None,
    };

    /// Those of a TLS handshake, by how it exchanged its keys.
    pub(crate) fn of_group(group: Option<Group>) -> Assurance {
        Assurance {
            kind: match group {
                Some(Group::X25519MlKem768) => Quantum::X25519MlKem768,
                Some(Group::X25519) | None => Quantum::None,
            },
            peer_requires: false,
            exchange: None,
        }
    }

    /// Whether requests, replies and what belongs to them may travel under these keys, if this is how we want it.
    pub(crate) fn carries_storage(self, ours: PostQuantum) -> bool {
        let required = ours == PostQuantum::Require || self.peer_requires;
        !required || self.kind != Quantum::None
    }

    /// Whether such a session may be, or go on, if this is how we want it.
    pub(crate) fn suits(self, ours: PostQuantum) -> bool {
        match ours {
            PostQuantum::Off => !self.peer_requires,
            PostQuantum::Prefer => true,
            PostQuantum::Require => self.kind != Quantum::None,
        }
    }
}

/// Names the session of a handshake: both static keys, and all that Noise made of both messages.
pub(crate) fn session_name(handshake_hash: &[u8], dialer: &PublicKey, listener: &PublicKey) -> SessionName {
    let mut context = Context::new(&SHA256);
    for part in [
        SESSION_LABEL,
        handshake_hash,
        dialer.as_bytes(),
        listener.as_bytes(),
    ] {
        context.update(part);
    }
    first(context.finish().as_ref())
}

/// A secret that two gateways share since an exchange; erased when dropped.
pub(crate) struct ChainSecret {
    pub(crate) name: SecretName,
    secret: Secret,
    /// The session that it was exchanged in.
    pub(crate) made_in: SessionName,
}

impl ChainSecret {
    /// From what ML-KEM gave, bound to all that it belongs to; `None` if the library refuses, which it has no reason to.
    pub(super) fn derive(
        shared: &[u8],
        psk: Option<&Psk>,
        session: SessionName,
        (offer, answer): (&[u8], &[u8]),
    ) -> Option<ChainSecret> {
        let none = [0; SECRET_LEN];
        let salt = Salt::new(
            HKDF_SHA256,
            psk.map_or(none.as_slice(), |psk| psk.expose().as_slice()),
        );
        let mut transcript = Context::new(&SHA256);
        transcript.update(offer);
        transcript.update(answer);
        let transcript = transcript.finish();
        let mut made = Zeroizing::new([0; SECRET_LEN + NAME_LEN]);
        salt.extract(shared)
            .expand(&[SECRET_LABEL, &session, transcript.as_ref()], Made)
            .and_then(|made_of| made_of.fill(made.as_mut_slice()))
            .ok()?;
        let (secret, name) = made.split_at(SECRET_LEN);
        let mut kept = Secret::default();
        kept.copy_from_slice(secret);
        Some(ChainSecret {
            name: first(name),
            secret: kept,
            made_in: session,
        })
    }

    /// One that was not exchanged.
    #[cfg(test)]
    pub(crate) fn known(name: SecretName, secret: [u8; SECRET_LEN]) -> ChainSecret {
        ChainSecret {
            name,
            secret: Secret::new(secret.into()),
            made_in: [0; 32],
        }
    }

    /// The pre-shared key of a handshake.
    pub(crate) fn expose(&self) -> &[u8; SECRET_LEN] {
        &self.secret
    }

    /// One more of it, that is erased as well.
    pub(crate) fn copy_secret(&self) -> Secret {
        self.secret.clone()
    }
}

/// As much as is made of an exchange.
struct Made;

impl KeyType for Made {
    fn len(&self) -> usize {
        SECRET_LEN + NAME_LEN
    }
}

/// An exchange that we offered: the key that opens the answer.
pub(crate) struct Offer {
    key: DecapsulationKey,
    message: Vec<u8>,
}

impl Offer {
    /// A new one: one key generation.
    pub(crate) fn make() -> Option<Offer> {
        let key = DecapsulationKey::generate(&ML_KEM_768).ok()?;
        let message = key.encapsulation_key().ok()?.key_bytes().ok()?.as_ref().to_vec();
        Some(Offer { key, message })
    }

    /// One with a known key; `key` and `message` as FIPS 203 writes the two keys.
    #[cfg(test)]
    pub(crate) fn known(key: &[u8], message: &[u8]) -> Offer {
        Offer {
            key: DecapsulationKey::new(&ML_KEM_768, key).unwrap(),
            message: message.to_vec(),
        }
    }

    /// What the peer is sent: [`OFFER_LEN`] bytes.
    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }

    /// Opens its answer: one decapsulation. An answer that was not made for it gives a secret that nobody else has.
    pub(crate) fn open(&self, psk: Option<&Psk>, session: SessionName, answer: &[u8]) -> Option<ChainSecret> {
        let shared = self.key.decapsulate(answer.into()).ok()?;
        ChainSecret::derive(shared.as_ref(), psk, session, (&self.message, answer))
    }
}

/// Answers an offer: one encapsulation. The secret, and [`ANSWER_LEN`] bytes for the peer. `None`: it is no key.
pub(crate) fn answer(
    psk: Option<&Psk>,
    session: SessionName,
    offer: &[u8],
) -> Option<(ChainSecret, Vec<u8>)> {
    let key = kem::EncapsulationKey::new(&ML_KEM_768, offer).ok()?;
    let (answer, shared) = key.encapsulate().ok()?;
    let secret = ChainSecret::derive(shared.as_ref(), psk, session, (offer, answer.as_ref()))?;
    Some((secret, answer.as_ref().to_vec()))
}

/// The first bytes of so many or more.
fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.first_chunk().copied().unwrap_or([0; N])
}
