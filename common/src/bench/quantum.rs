//! What post-quantum keys cost: the three operations of an exchange, and whole handshakes.

use aoe_keys::SecretKey;

use crate::config::{Cipher, PostQuantum, Protection};
use crate::random::Secret;
use crate::tunnel::handshake::{Call, Dial, Fresh, Local, Terms};
use crate::tunnel::quantum::{self, ChainSecret, Offer};
use crate::worker::Worker;

const CIPHERS: [Cipher; 2] = [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305];
const SESSION: [u8; 32] = [1; 32];

/// An exchange, by its steps. `None` of any: the cryptographic library refuses.
pub struct Exchange {
    offer: Offer,
    answer: Vec<u8>,
}

impl Exchange {
    /// All of it once.
    pub fn new() -> Option<Exchange> {
        let offer = Offer::make()?;
        let (_, answer) = quantum::answer(None, SESSION, offer.message())?;
        Some(Exchange { offer, answer })
    }

    /// The dialer's first step: a key. How long its offer is.
    pub fn offer() -> Option<usize> {
        Offer::make().map(|offer| offer.message().len())
    }

    /// The listener's step. How long its answer is.
    pub fn answer(&self) -> Option<usize> {
        quantum::answer(None, SESSION, self.offer.message()).map(|(_, answer)| answer.len())
    }

    /// The dialer's last step. The first byte of the secret.
    pub fn open(&self) -> Option<u8> {
        let secret = self.offer.open(None, SESSION, &self.answer)?;
        secret.expose().first().copied()
    }
}

/// Both ends of handshakes.
pub struct Handshakes {
    sides: [SecretKey; 2],
    secret: Option<ChainSecret>,
}

impl Handshakes {
    /// With a secret of an exchange, or without.
    pub fn new(with_secret: bool) -> Option<Handshakes> {
        let secret = if with_secret {
            let offer = Offer::make()?;
            Some(quantum::answer(None, SESSION, offer.message())?.0)
        } else {
            None
        };
        Some(Handshakes {
            sides: [1, 2].map(|byte| SecretKey::from_bytes([byte; 32])),
            secret,
        })
    }

    /// One whole handshake, both sides' work. How many bytes its two messages have, without their macs.
    pub fn run(&self) -> Option<usize> {
        let [dialer, listener] = self.sides.each_ref().map(|secret| Local {
            secret,
            public: secret.public(),
            ciphers: &CIPHERS,
            worker: Worker::default(),
        });
        let terms = Terms {
            boot: 1,
            psk: None,
            protection: &[Protection::Encrypt],
            post_quantum: PostQuantum::Prefer,
            secret: self.secret.as_ref(),
        };
        let fresh = Fresh {
            local_index: 1,
            stamp: 1,
            ephemeral: Secret::new([3; 32].into()),
            answer_key: [4; 16],
        };
        let (mut dial, message) = Dial::start(&dialer, listener.secret.public(), terms, fresh)?;
        let call = Call::read(&listener, &message, Secret::new([5; 32].into())).ok()?;
        let (answer, agreed) = call.answer(&listener, terms, 2).ok()?;
        agreed.ok()?;
        dial.as_noise()?
            .finish(&answer, &[Protection::Encrypt], &CIPHERS)
            .ok()?;
        Some(message.len() + answer.len())
    }
}
