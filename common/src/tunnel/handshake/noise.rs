//! The Noise handshake, through `snow`: `Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s`.
//!
//! Two messages. The first proves who calls and lists what it accepts; the second chooses. Both payloads are
//! under Noise's AEAD, so nobody on the path can change an offer or a choice. The layout of both messages is in
//! `docs/protocol.md`; mac1 and mac2, the last 32 bytes of each, belong to [`macs`](crate::tunnel::macs).

pub(super) mod codes;
mod crypto;
#[cfg(test)]
mod tests;

use aoe_keys::{Psk, PublicKey};
use snow::HandshakeState;
use zeroize::Zeroize;

use super::terms::{Failure, Fresh, Local, Terms};
use crate::config::{Cipher, PostQuantum, Protection};
use crate::random::Secret;
use crate::tunnel::cipher::RecordKey;
use crate::tunnel::macs::{MAC_LEN, MACS_LEN};
use crate::tunnel::quantum::{Assurance, ChainSecret, NAME_LEN, Quantum, SecretName, session_name};
use crate::tunnel::record::{TYPE_INIT, TYPE_RESPONSE};
use crate::tunnel::session::{Agreed, KeyPair, Role};
use crate::tunnel::transport::Transport;
use codes::{
    NO_EXCHANGE, STATUS_AGREED, STATUS_AGREED_QUANTUM, STATUS_AGREED_REQUIRED, STATUS_NO_CIPHER,
    STATUS_NO_PROTECTION, STATUS_NO_VERSION, STATUS_OLD_STAMP, STATUS_OTHER_WORKERS, STATUS_QUANTUM_OFF,
    STATUS_QUANTUM_REQUIRED, STATUS_UNKNOWN_SECRET, agreed_status, cipher_code, decode_cipher,
    decode_post_quantum, decode_protection, padded, post_quantum_code, protection_code, refusal_text,
    worker_codes,
};

/// Version of this protocol, in both payloads. Another version is no agreement.
const VERSION: u8 = 1;
const INIT_PAYLOAD_LEN: usize = ANSWER_KEY_AT + MAC_LEN;
/// With the name of a secret behind it.
const NAMING_PAYLOAD_LEN: usize = INIT_PAYLOAD_LEN + NAME_LEN;
/// Where in a first message's payload the dialer's `post_quantum` is.
const POST_QUANTUM_AT: usize = 23;
/// Where in a first message's payload the answer key is.
const ANSWER_KEY_AT: usize = 24;
const RESPONSE_PAYLOAD_LEN: usize = 12;
const KEY_LEN: usize = 32;
const NOISE_TAG_LEN: usize = 16;
const INIT_HEAD_LEN: usize = 8;
const RESPONSE_HEAD_LEN: usize = 12;
/// What Noise adds to the payload of a first message.
const INIT_NOISE_OVERHEAD: usize = KEY_LEN + KEY_LEN + NOISE_TAG_LEN + NOISE_TAG_LEN;
const RESPONSE_NOISE_LEN: usize = KEY_LEN + RESPONSE_PAYLOAD_LEN + NOISE_TAG_LEN;

/// Length of a first message.
pub(crate) const INIT_LEN: usize = INIT_HEAD_LEN + INIT_NOISE_OVERHEAD + INIT_PAYLOAD_LEN + MACS_LEN;
/// Length of a first message that names a secret. A gateway that knows of no secrets is never sent one.
pub(crate) const INIT_NAMING_LEN: usize = INIT_LEN + NAME_LEN;
/// Length of an answer; shorter than what it answers.
pub(crate) const RESPONSE_LEN: usize = RESPONSE_HEAD_LEN + RESPONSE_NOISE_LEN + MACS_LEN;

/// A handshake we started.
pub(crate) struct Dial {
    /// On the heap: memory that is given back is erased (by the program's allocator), moved values are not.
    noise: Box<HandshakeState>,
    has_psk: bool,
    /// The static keys that it is made with.
    pub(crate) keys: KeyPair,
    post_quantum: PostQuantum,
    /// The secret of an exchange that the call was made with, and the psk that a refusal is under.
    named: Option<Named>,
    /// Our index of the session to be.
    pub(crate) local_index: u32,
    /// Known to us and to those who could read our call.
    pub(crate) answer_key: [u8; MAC_LEN],
}

/// A secret of an exchange that a call of ours names.
struct Named {
    name: SecretName,
    secret: Secret,
    psk: Secret,
}

/// A first message, decrypted: the caller is known, but nothing is agreed yet.
pub(crate) struct Call {
    noise: Box<HandshakeState>,
    remote_index: u32,
    /// Who calls, and which key of ours.
    pub(crate) keys: KeyPair,
    /// Microseconds since 1970 by the caller's clock, growing with every first message it makes.
    pub(crate) stamp: u64,
    /// What its answer is marked with.
    pub(crate) answer_key: [u8; MAC_LEN],
    offer: [u8; INIT_PAYLOAD_LEN],
    /// The secret that it was made with, if it names one.
    pub(crate) secret_name: Option<SecretName>,
}

impl Dial {
    /// Starts a handshake; the message still lacks its macs.
    pub(crate) fn start(
        local: &Local<'_>,
        peer: PublicKey,
        terms: Terms<'_>,
        fresh: Fresh,
    ) -> Option<(Dial, Vec<u8>)> {
        let none = [0; 32];
        let Fresh {
            local_index,
            stamp,
            ephemeral,
            answer_key,
        } = fresh;
        let psk = terms.psk.map_or(&none, |psk| psk.expose());
        let secret = terms.secret.map(ChainSecret::expose);
        let mut noise = crypto::builder(local, ephemeral)?
            .remote_public_key(peer.as_bytes())
            .ok()?
            .psk(2, secret.unwrap_or(psk))
            .ok()?
            .build_initiator()
            .map(Box::new)
            .ok()?;
        let mut payload = Vec::with_capacity(NAMING_PAYLOAD_LEN);
        payload.push(VERSION);
        payload.extend_from_slice(&stamp.to_be_bytes());
        payload.extend_from_slice(&terms.boot.to_be_bytes());
        payload.extend(padded(terms.protection.iter().map(|mode| protection_code(*mode))));
        payload.extend(padded(local.ciphers.iter().map(|cipher| cipher_code(*cipher))));
        payload.extend(worker_codes(local.worker));
        payload.push(post_quantum_code(terms.post_quantum));
        payload.extend_from_slice(&answer_key);
        payload.extend(terms.secret.into_iter().flat_map(|secret| secret.name));
        let mut message = head(TYPE_INIT);
        message.extend_from_slice(&local_index.to_be_bytes());
        let len = INIT_NOISE_OVERHEAD + payload.len();
        crypto::append(&mut noise, &payload, len, &mut message)?;
        let dial = Dial {
            noise,
            has_psk: terms.psk.is_some(),
            keys: KeyPair {
                ours: local.public,
                theirs: peer,
            },
            post_quantum: terms.post_quantum,
            named: terms.secret.map(|secret| Named {
                name: secret.name,
                secret: secret.copy_secret(),
                psk: Secret::new((*psk).into()),
            }),
            local_index,
            answer_key,
        };
        Some((dial, message))
    }

    /// Reads the answer, macs already checked and cut off. A damaged answer leaves the dial as it was, to be
    /// finished by the genuine one.
    pub(crate) fn finish(
        &mut self,
        body: &[u8],
        protection: &[Protection],
        ciphers: &[Cipher],
    ) -> Result<Agreed, Failure> {
        let (payload, refuses) = self.open(body).ok_or(Failure::Undecryptable)?;
        let [version, status, mode, cipher, boot @ ..] = payload;
        let theirs = match status {
            STATUS_OLD_STAMP => return Err(Failure::OldStamp(u64::from_be_bytes(boot))),
            STATUS_UNKNOWN_SECRET if self.named.is_some() => return Err(Failure::UnknownSecret),
            // An agreement is under the secret that the call named, or is none.
            _ if refuses => return Err(Failure::NoAgreement(refusal_text(status))),
            STATUS_AGREED => PostQuantum::Off,
            STATUS_AGREED_QUANTUM => PostQuantum::Prefer,
            STATUS_AGREED_REQUIRED => PostQuantum::Require,
            _ => return Err(Failure::NoAgreement(refusal_text(status))),
        };
        match (self.post_quantum, theirs) {
            (PostQuantum::Require, PostQuantum::Off) => return Err(Failure::NoAgreement(NO_EXCHANGE)),
            (PostQuantum::Off, PostQuantum::Prefer | PostQuantum::Require) => {
                return Err(Failure::NoAgreement("the peer chose what we did not offer"));
            }
            _ => {}
        }
        let mode = decode_protection(mode).filter(|mode| protection.contains(mode));
        let cipher = decode_cipher(cipher).filter(|cipher| ciphers.contains(cipher));
        let (VERSION, Some(mode), Some(cipher)) = (version, mode, cipher) else {
            return Err(Failure::NoAgreement("the peer chose what we did not offer"));
        };
        let side = Side {
            role: Role::Dialer,
            keys: self.keys,
            has_psk: self.has_psk,
            indices: (self.local_index, u32_at(body, 4)),
            quantum: kind(self.named.is_some()),
            ours: self.post_quantum,
            theirs,
        };
        agreed(&mut self.noise, side, (mode, cipher), u64::from_be_bytes(boot))
    }

    /// The secret that the call was made with.
    pub(crate) fn secret_name(&self) -> Option<SecretName> {
        self.named.as_ref().map(|named| named.name)
    }

    /// The payload of an answer, and whether it can be nothing but a refusal: a side that does not know the secret that the call
    /// names, or does not want it, says so under the configured psk.
    fn open(&mut self, body: &[u8]) -> Option<([u8; RESPONSE_PAYLOAD_LEN], bool)> {
        let message = body.get(RESPONSE_HEAD_LEN..)?;
        let mut payload = [0; RESPONSE_PAYLOAD_LEN];
        if let Some(named) = &self.named {
            self.noise.set_psk(2, named.secret.as_slice()).ok()?;
        }
        if self.noise.read_message(message, &mut payload) == Ok(RESPONSE_PAYLOAD_LEN) {
            return Some((payload, false));
        }
        self.noise.set_psk(2, self.named.as_ref()?.psk.as_slice()).ok()?;
        let read = self.noise.read_message(message, &mut payload);
        (read == Ok(RESPONSE_PAYLOAD_LEN)).then_some((payload, true))
    }
}

impl Call {
    /// Decrypts a first message, macs already checked and cut off.
    pub(crate) fn read(local: &Local<'_>, body: &[u8], ephemeral: Secret) -> Result<Call, Failure> {
        let mut noise = crypto::builder(local, ephemeral)
            .and_then(|builder| builder.build_responder().ok())
            .map(Box::new)
            .ok_or(Failure::Undecryptable)?;
        let message = body.get(INIT_HEAD_LEN..).ok_or(Failure::Undecryptable)?;
        let mut payload = [0; NAMING_PAYLOAD_LEN];
        let len = noise
            .read_message(message, &mut payload)
            .map_err(|_| Failure::Undecryptable)?;
        let (offer, name) = payload
            .split_first_chunk::<INIT_PAYLOAD_LEN>()
            .ok_or(Failure::Undecryptable)?;
        let secret_name = match len {
            INIT_PAYLOAD_LEN => None,
            NAMING_PAYLOAD_LEN => name.first_chunk().copied(),
            _ => return Err(Failure::Undecryptable),
        };
        let caller = noise
            .get_remote_static()
            .and_then(|key| <[u8; 32]>::try_from(key).ok())
            .map(PublicKey::from_bytes)
            .ok_or(Failure::Undecryptable)?;
        Ok(Call {
            noise,
            remote_index: u32_at(body, 4),
            keys: KeyPair {
                ours: local.public,
                theirs: caller,
            },
            stamp: u64_at(offer, 1),
            answer_key: *offer.last_chunk().ok_or(Failure::Undecryptable)?,
            offer: *offer,
            secret_name,
        })
    }

    /// Chooses and answers; the message still lacks its macs. Without an agreement the answer says so, under
    /// authentication, and there are no keys.
    pub(crate) fn answer(
        mut self,
        local: &Local<'_>,
        terms: Terms<'_>,
        local_index: u32,
    ) -> Result<(Vec<u8>, Result<Agreed, Failure>), Failure> {
        let choice = self.choose(local, &terms);
        let theirs = self.post_quantum();
        let head = match choice {
            Ok((mode, cipher)) => [
                agreed_status(terms.post_quantum, theirs),
                protection_code(mode),
                cipher_code(cipher),
            ],
            Err(status) => [status, 0, 0],
        };
        let psk = terms.psk.map(Psk::expose);
        let secret = terms.secret.filter(|_| choice.is_ok()).map(ChainSecret::expose);
        let message = self.emit(secret.or(psk), local_index, head, terms.boot)?;
        let outcome = match choice {
            Ok(choice) => {
                let side = Side {
                    role: Role::Listener,
                    keys: self.keys,
                    has_psk: terms.psk.is_some(),
                    indices: (local_index, self.remote_index),
                    quantum: kind(secret.is_some()),
                    ours: terms.post_quantum,
                    theirs,
                };
                agreed(&mut self.noise, side, choice, u64_at(&self.offer, 9))
            }
            Err(STATUS_UNKNOWN_SECRET) => Err(Failure::UnknownSecret),
            Err(status) => Err(Failure::NoAgreement(refusal_text(status))),
        };
        Ok((message, outcome))
    }

    /// Answers that the stamp is not greater than `newest`, so that the caller may call again with one that is.
    pub(crate) fn refuse_stamp(mut self, psk: Option<&Psk>, newest: u64) -> Result<Vec<u8>, Failure> {
        self.emit(psk.map(Psk::expose), 0, [STATUS_OLD_STAMP, 0, 0], newest)
    }

    /// How the dialer wants it.
    fn post_quantum(&self) -> PostQuantum {
        self.offer
            .get(POST_QUANTUM_AT)
            .map_or(PostQuantum::Off, |code| decode_post_quantum(*code))
    }

    fn choose(&self, local: &Local<'_>, terms: &Terms<'_>) -> Result<(Protection, Cipher), u8> {
        let choice = self.choose_lists(local, terms.protection)?;
        match (terms.post_quantum, self.post_quantum()) {
            (PostQuantum::Require, PostQuantum::Off) => Err(STATUS_QUANTUM_REQUIRED),
            (PostQuantum::Off, PostQuantum::Require) => Err(STATUS_QUANTUM_OFF),
            _ if self.secret_name.is_some() && terms.secret.is_none() => Err(STATUS_UNKNOWN_SECRET),
            _ => Ok(choice),
        }
    }

    fn choose_lists(&self, local: &Local<'_>, protection: &[Protection]) -> Result<(Protection, Cipher), u8> {
        let [version, ..] = self.offer;
        let offered = |at: usize| self.offer.get(at..at + 2).unwrap_or_default();
        let mode = protection
            .iter()
            .find(|mode| offered(17).contains(&protection_code(**mode)));
        let cipher = local
            .ciphers
            .iter()
            .find(|cipher| offered(19).contains(&cipher_code(**cipher)));
        let same_workers = offered(21) == worker_codes(local.worker);
        match (version, mode, cipher) {
            (VERSION, ..) if !same_workers => Err(STATUS_OTHER_WORKERS),
            (VERSION, Some(mode), Some(cipher)) => Ok((*mode, *cipher)),
            (VERSION, None, _) => Err(STATUS_NO_PROTECTION),
            (VERSION, _, None) => Err(STATUS_NO_CIPHER),
            _ => Err(STATUS_NO_VERSION),
        }
    }

    fn emit(
        &mut self,
        psk: Option<&[u8; 32]>,
        local_index: u32,
        [status, mode, cipher]: [u8; 3],
        number: u64,
    ) -> Result<Vec<u8>, Failure> {
        let none = [0; 32];
        self.noise
            .set_psk(2, psk.unwrap_or(&none))
            .map_err(|_| Failure::Undecryptable)?;
        let mut payload = vec![VERSION, status, mode, cipher];
        payload.extend_from_slice(&number.to_be_bytes());
        let mut message = head(TYPE_RESPONSE);
        message.extend_from_slice(&local_index.to_be_bytes());
        message.extend_from_slice(&self.remote_index.to_be_bytes());
        crypto::append(&mut self.noise, &payload, RESPONSE_NOISE_LEN, &mut message)
            .ok_or(Failure::Undecryptable)?;
        Ok(message)
    }
}

/// The receiver index of an answer.
pub(crate) fn response_receiver(body: &[u8]) -> u32 {
    u32_at(body, 8)
}

/// What the keys of a session rest on, by whether a secret of an exchange was mixed in.
fn kind(has_secret: bool) -> Quantum {
    match has_secret {
        true => Quantum::MlKem768,
        false => Quantum::None,
    }
}

/// Our side of a handshake that agrees.
struct Side {
    role: Role,
    keys: KeyPair,
    has_psk: bool,
    /// Ours and the peer's.
    indices: (u32, u32),
    quantum: Quantum,
    ours: PostQuantum,
    theirs: PostQuantum,
}

fn agreed(
    noise: &mut HandshakeState,
    side: Side,
    (protection, cipher): (Protection, Cipher),
    peer_boot: u64,
) -> Result<Agreed, Failure> {
    let Side {
        role,
        keys,
        has_psk,
        indices: (local_index, remote_index),
        ..
    } = side;
    let (dialer, listener) = match role {
        Role::Dialer => (&keys.ours, &keys.theirs),
        Role::Listener => (&keys.theirs, &keys.ours),
    };
    let exchanges = side.ours != PostQuantum::Off && side.theirs != PostQuantum::Off;
    let assurance = Assurance {
        kind: side.quantum,
        peer_requires: side.theirs == PostQuantum::Require,
        exchange: exchanges.then(|| session_name(noise.get_handshake_hash(), dialer, listener)),
    };
    let (mut to_listener, mut to_dialer) = noise.dangerously_get_raw_split();
    let (send, receive) = match role {
        Role::Dialer => (&to_listener, &to_dialer),
        Role::Listener => (&to_dialer, &to_listener),
    };
    let record_keys =
        RecordKey::new(cipher, protection, send).zip(RecordKey::new(cipher, protection, receive));
    to_listener.zeroize();
    to_dialer.zeroize();
    let (send_key, receive_key) = record_keys.ok_or(Failure::Undecryptable)?;
    Ok(Agreed {
        transport: Transport::Noise,
        keys: Some(keys),
        has_psk,
        assurance,
        role,
        local_index,
        remote_index,
        send_key,
        receive_key,
        protection,
        cipher,
        peer_boot,
        proof: None,
    })
}

fn head(message_type: u8) -> Vec<u8> {
    let mut message = Vec::with_capacity(INIT_NAMING_LEN);
    message.extend_from_slice(&[message_type, 0, 0, 0]);
    message
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |chunk| u32::from_be_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |chunk| u64::from_be_bytes(*chunk))
}
