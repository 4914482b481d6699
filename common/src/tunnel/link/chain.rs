//! Secrets that we share with one peer against a quantum computer, and the exchanges that make them.
//!
//! In each session its dialer offers and its listener answers, once. What comes of it is for the next handshake; once the
//! session of that is confirmed, it is erased, for by then the next exchange has begun. Both sides keep a few, since both may
//! call: a call says by name which one it was made with.

use std::time::Duration;

use aoe_keys::Psk;

use crate::allowance::Allowance;
use crate::drop_reason::DropReason;
use crate::time::Instant;
use crate::tunnel::quantum::{self, ChainSecret, OFFER_LEN, Offer, SecretName, SessionName};
use crate::tunnel::session::{Role, Session};

/// Secrets kept: one for each session of a peer in which there may be an exchange.
const MOST_SECRETS: usize = 3;
/// Offers of one peer that are answered in a second; each costs an encapsulation. An honest one makes one in a session.
const ANSWERS_PER_SECOND: u32 = 4;
/// How long an answer is waited for before the offer is sent again.
const OFFER_AGAIN: Duration = Duration::from_secs(1);

/// Secrets shared with one peer, and how they come to be.
#[derive(Default)]
pub(crate) struct Chain {
    /// The newest last.
    secrets: Vec<ChainSecret>,
    offered: Option<Offered>,
    answered: Option<Answered>,
    /// Offers answered in this second.
    answers: Allowance,
}

/// An exchange of ours that is not answered.
struct Offered {
    offer: Offer,
    session: SessionName,
    /// By which index the peer has it, and by which we have.
    indices: (u32, u32),
    again_at: Instant,
}

/// The peer's newest exchange that was answered.
struct Answered {
    session: SessionName,
    offer: Vec<u8>,
    answer: Vec<u8>,
}

/// What comes of an answer of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exchanged {
    /// A secret, by an exchange in this session.
    In(SessionName),
    /// Nothing: it answers no offer of ours that waits for one.
    Nothing,
}

impl Chain {
    /// The secret that a call of ours is made with.
    pub(crate) fn newest(&self) -> Option<&ChainSecret> {
        self.secrets.last()
    }

    /// The secret of this name.
    pub(crate) fn find(&self, name: SecretName) -> Option<&ChainSecret> {
        self.secrets.iter().find(|secret| secret.name == name)
    }

    /// The peer does not know the secret of this name.
    pub(crate) fn forget_one(&mut self, name: SecretName) {
        self.secrets.retain(|secret| secret.name != name);
    }

    /// Erases all there is: the peer is another process, or secrets were made on terms that hold no more.
    pub(crate) fn forget(&mut self) {
        self.secrets.clear();
        (self.offered, self.answered) = (None, None);
    }

    /// A session is confirmed that was made with a secret: that one is erased, and so are those before it.
    pub(crate) fn confirmed(&mut self, session: SessionName) {
        self.secrets.retain(|secret| secret.made_in == session);
    }

    /// Makes the offer for a session that we called for.
    pub(crate) fn begin(&mut self, session: &Session, now: Instant) {
        self.offered = None;
        let Some(name) = session
            .assurance
            .exchange
            .filter(|_| session.role == Role::Dialer)
        else {
            return;
        };
        self.offered = Offer::make().map(|offer| Offered {
            offer,
            session: name,
            indices: (session.remote_index, session.local_index),
            again_at: now,
        });
    }

    /// Another session is in use: an offer in the one before is not waited for any more.
    pub(crate) fn left(&mut self, session: &Session) {
        let name = session.assurance.exchange;
        self.offered.take_if(|offered| Some(offered.session) != name);
    }

    /// The offer, if it is to be sent now.
    pub(crate) fn offer(&mut self, now: Instant) -> Option<Vec<u8>> {
        let offered = self.offered.as_mut().filter(|offered| now >= offered.again_at)?;
        offered.again_at = now + OFFER_AGAIN;
        let mut message = offered.indices.0.to_be_bytes().to_vec();
        message.extend_from_slice(offered.offer.message());
        Some(message)
    }

    /// When [`offer`](Self::offer) has something to send.
    pub(crate) fn deadline(&self) -> Instant {
        let offered = self.offered.as_ref();
        offered.map_or(Instant::NEVER, |offered| offered.again_at)
    }

    /// Answers an offer in this session; what the peer is sent. The same offer has the same answer, however often it comes.
    ///
    /// # Errors
    /// The session has no exchange, had another one, or one more is too soon. Or it is no key.
    pub(crate) fn answer(
        &mut self,
        session: &Session,
        psk: Option<&Psk>,
        offer: &[u8; OFFER_LEN],
        now: Instant,
    ) -> Result<Vec<u8>, DropReason> {
        let name = session
            .assurance
            .exchange
            .filter(|_| session.role == Role::Listener);
        let name = name.ok_or(DropReason::QuantumUnexpected)?;
        let message = |answer: &[u8]| {
            let mut message = session.remote_index.to_be_bytes().to_vec();
            message.extend_from_slice(answer);
            message
        };
        if let Some(answered) = self.answered.as_ref().filter(|answered| answered.session == name) {
            return match answered.offer == offer {
                true => Ok(message(&answered.answer)),
                false => Err(DropReason::QuantumUnexpected),
            };
        }
        if !self.answers.take(ANSWERS_PER_SECOND, now) {
            return Err(DropReason::QuantumTooSoon);
        }
        let (secret, answer) = quantum::answer(psk, name, offer).ok_or(DropReason::MessageMalformed)?;
        self.keep(secret);
        let answer = self.answered.insert(Answered {
            session: name,
            offer: offer.to_vec(),
            answer,
        });
        Ok(message(&answer.answer))
    }

    /// Takes the answer to an offer of ours, by the index that we have the session by.
    pub(crate) fn take(&mut self, index: u32, psk: Option<&Psk>, answer: &[u8]) -> Exchanged {
        let Some(offered) = self.offered.take_if(|offered| offered.indices.1 == index) else {
            return Exchanged::Nothing;
        };
        match offered.offer.open(psk, offered.session, answer) {
            Some(secret) => {
                self.keep(secret);
                Exchanged::In(offered.session)
            }
            None => Exchanged::Nothing,
        }
    }

    fn keep(&mut self, secret: ChainSecret) {
        if self.secrets.len() >= MOST_SECRETS {
            self.secrets.remove(0);
        }
        self.secrets.push(secret);
    }
}
