//! Who a peer is, and on which terms we agree on keys with it.

use aoe_keys::PublicKey;

use crate::config::{PeerConfig, PeerId, Protection, Trust};
use crate::tunnel::handshake::Terms;
use crate::tunnel::seats::Seat;
use crate::tunnel::sessions::Precedence;
use crate::tunnel::transport::Transport;

/// Who a peer is.
pub(crate) struct Identity {
    pub(crate) id: PeerId,
    /// Its place in session indexes.
    pub(crate) seat: Seat,
    /// What we are to it: drawn when we began to know it. A peer that is removed and added again meets us as a new process.
    boot: u64,
    pub(crate) name: String,
    pub(crate) trust: Trust,
    pub(crate) precedence: Precedence,
    /// Accepted modes, in order of preference.
    pub(crate) protection: Vec<Protection>,
}

impl Identity {
    /// `boot` is random.
    pub(super) fn new(
        (id, seat): (PeerId, Seat),
        config: &PeerConfig,
        our_key: PublicKey,
        boot: u64,
    ) -> Identity {
        let newest = config.trust.keys().first();
        let precedence = if newest.is_some_and(|theirs| our_key.as_bytes() < theirs.as_bytes()) {
            Precedence::Ours
        } else {
            Precedence::Theirs
        };
        let PeerConfig {
            name,
            trust,
            protection,
            ..
        } = config.copy();
        Identity {
            id,
            seat,
            boot,
            name,
            trust,
            precedence,
            protection,
        }
    }

    /// The key that it is called by: its newest.
    pub(crate) fn newest_key(&self) -> Option<PublicKey> {
        self.trust.keys().first().copied()
    }

    /// What we bring to handshakes with it.
    pub(crate) fn terms(&self) -> Terms<'_> {
        Terms {
            transport: Transport::Noise,
            boot: self.boot,
            psk: self.trust.psk(),
            protection: &self.protection,
        }
    }

    /// Handshakes are on these terms from now on. What of them is another one than before.
    pub(crate) fn change(&mut self, trust: Trust, protection: Vec<Protection>) -> Changed {
        let secret = |trust: &Trust| trust.psk().map(|psk| *psk.expose());
        let changed = Changed {
            psk: secret(&self.trust) != secret(&trust),
            protection: self.protection != protection,
        };
        (self.trust, self.protection) = (trust, protection);
        changed
    }
}

/// What is another one than before.
#[derive(Clone, Copy)]
pub(crate) struct Changed {
    pub(crate) psk: bool,
    pub(crate) protection: bool,
}
