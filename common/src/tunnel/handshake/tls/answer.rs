//! The side that is called: one half-open handshake.

use super::connection::{Broken, Connection};
use super::datagrams::{Call, Down, Up};
use super::endpoint::Endpoint;
use super::messages::{OFFER_LEN, Offer, Ours, agreed, choose, for_stranger};
use super::refusal::{Refusal, refusal};
use super::verifier::{Judged, Verdict};
use crate::config::CertificateName;
use crate::tunnel::handshake::Failure;
use crate::tunnel::session::{Agreed, Proof, Role};

/// A handshake that somebody started, and who has shown to receive at the address that it comes from.
pub(crate) struct Answer {
    call: Call,
    connection: Connection,
    verdict: Verdict,
    is_over: bool,
}

/// A caller that has shown who it is, and what it offers.
pub(crate) struct Caller {
    /// The names in its certificate.
    pub(crate) names: Vec<CertificateName>,
    offer: Offer,
    proof: Proof,
}

impl Answer {
    pub(crate) fn new(call: Call, endpoint: &Endpoint, unix_time: u64) -> Option<Answer> {
        let (tls, verdict) = endpoint.server(unix_time)?;
        Some(Answer {
            call,
            connection: Connection::new(tls, OFFER_LEN),
            verdict,
            is_over: false,
        })
    }

    /// Whether it has been decided what comes of it: what is left is to say so.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Which call it answers.
    pub(crate) fn call(&self) -> Call {
        self.call
    }

    /// Takes a datagram. A caller that has shown who it is waits for [`choose`](Self::choose) or
    /// [`refuse`](Self::refuse). What to send is said by [`next`](Self::next).
    ///
    /// # Errors
    /// It comes to nothing.
    pub(crate) fn hear(&mut self, up: &Up<'_>) -> Result<Option<Caller>, Refusal> {
        if up.again {
            self.connection.rewind();
        }
        if self.is_over {
            self.connection.acknowledge(up.part.received);
            return Ok(None);
        }
        if let Err(broken) = self.connection.take(&up.part) {
            self.is_over = true;
            return Err(refusal(broken, &self.verdict));
        }
        let Some(message) = self.connection.message() else {
            return Ok(None);
        };
        self.is_over = true;
        let offer = Offer::try_from(message);
        let (Ok(offer), Some(Judged::Good(verified)), Some(_)) =
            (offer, self.verdict.get(), self.connection.peer_fingerprint())
        else {
            return Err(refusal(Broken::Surplus, &self.verdict));
        };
        Ok(Some(Caller {
            names: verified.names.clone(),
            offer,
            proof: Proof {
                chain: self.connection.peer_chain(),
                until: verified.until,
            },
        }))
    }

    /// Chooses of what a caller offers. Without an agreement it is told so, and there are no keys.
    ///
    /// # Errors
    /// There is no agreement, or nothing can be said.
    pub(crate) fn choose(
        &mut self,
        caller: Caller,
        endpoint: &Endpoint,
        ours: &Ours<'_>,
        local_index: u32,
    ) -> Result<Agreed, Failure> {
        let (choice, found) = choose(&caller.offer, ours, local_index);
        self.connection
            .send(&choice)
            .map_err(|_| Failure::Undecryptable)?;
        let made = agreed(
            &self.connection,
            Role::Listener,
            endpoint.fingerprint(),
            (&caller.offer, &choice),
            found?,
            caller.proof,
        );
        made.ok_or(Failure::Undecryptable)
    }

    /// Tells a caller that no peer has its names.
    pub(crate) fn refuse(&mut self) {
        // If it cannot be told, it calls again.
        let _ = self.connection.send(&for_stranger());
    }

    /// What to send: what is owed, or at least what has come.
    pub(crate) fn next(&mut self) -> Vec<Vec<u8>> {
        let call = self.call;
        let mut datagrams = Vec::new();
        while let Some(part) = self.connection.next() {
            datagrams.push(Down { call, part }.emit());
        }
        if datagrams.is_empty() {
            let part = self.connection.nothing();
            datagrams.push(Down { call, part }.emit());
        }
        datagrams
    }
}
