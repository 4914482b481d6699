//! Who a peer is, and on which terms we agree on keys with it.

use aoe_keys::{Psk, PublicKey};

use crate::config::{PeerConfig, PeerId, Protection};
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
    pub(crate) key: PublicKey,
    pub(crate) precedence: Precedence,
    pub(crate) psk: Option<Psk>,
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
        let precedence = if our_key.as_bytes() < config.key.as_bytes() {
            Precedence::Ours
        } else {
            Precedence::Theirs
        };
        let PeerConfig {
            name,
            key,
            psk,
            protection,
            ..
        } = config.copy();
        Identity {
            id,
            seat,
            boot,
            name,
            key,
            precedence,
            psk,
            protection,
        }
    }

    /// What we bring to handshakes with it.
    pub(crate) fn terms(&self) -> Terms<'_> {
        Terms {
            transport: Transport::Noise,
            boot: self.boot,
            psk: self.psk.as_ref(),
            protection: &self.protection,
        }
    }

    /// Handshakes are on these terms from now on. What of them is another one than before.
    pub(crate) fn change(&mut self, psk: Option<Psk>, protection: Vec<Protection>) -> Changed {
        let secret = |psk: &Option<Psk>| psk.as_ref().map(|psk| *psk.expose());
        let changed = Changed {
            psk: secret(&self.psk) != secret(&psk),
            protection: self.protection != protection,
        };
        (self.psk, self.protection) = (psk, protection);
        changed
    }
}

/// What is another one than before.
#[derive(Clone, Copy)]
pub(crate) struct Changed {
    pub(crate) psk: bool,
    pub(crate) protection: bool,
}
