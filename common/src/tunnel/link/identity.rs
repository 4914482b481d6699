//! Who a peer is, and on which terms we agree on keys with it.

use aoe_keys::PublicKey;

use crate::config::{PeerConfig, PeerId, Protection, Revoked, Trust};
use crate::tunnel::handshake::Terms;
use crate::tunnel::seats::Seat;

/// Who a peer is.
pub(crate) struct Identity {
    pub(crate) id: PeerId,
    /// Its place in session indexes.
    pub(crate) seat: Seat,
    /// What we are to it: drawn when we began to know it. A peer that is removed and added again meets us as a new process.
    pub(crate) boot: u64,
    pub(crate) name: String,
    pub(crate) trust: Trust,
    /// Its static keys that are not revoked, in the order in which it is called by them.
    accepted: Vec<PublicKey>,
    /// Accepted modes, in order of preference.
    pub(crate) protection: Vec<Protection>,
}

impl Identity {
    /// `boot` is random.
    pub(super) fn new(
        (id, seat): (PeerId, Seat),
        config: &PeerConfig,
        revoked: &Revoked,
        boot: u64,
    ) -> Identity {
        let PeerConfig {
            name,
            trust,
            protection,
            ..
        } = config.copy();
        let mut identity = Identity {
            id,
            seat,
            boot,
            name,
            trust,
            accepted: Vec::new(),
            protection,
        };
        identity.judge_keys(revoked);
        identity
    }

    /// Whether it is known by a static key.
    pub(crate) fn is_by_key(&self) -> bool {
        self.trust.as_key().is_some()
    }

    /// Its static keys that count, in the order in which it is called by them.
    pub(crate) fn accepted(&self) -> impl Iterator<Item = PublicKey> {
        self.accepted.iter().copied()
    }

    /// Whether who has this static key is it.
    pub(crate) fn accepts(&self, key: &PublicKey) -> bool {
        self.accepted.contains(key)
    }

    /// These are not trusted any more, and no others.
    pub(crate) fn judge_keys(&mut self, revoked: &Revoked) {
        let keys = self.trust.as_key().into_iter();
        let keys = keys.flat_map(|trust| trust.in_call_order());
        self.accepted = keys.filter(|key| !revoked.has_key(key)).collect();
    }

    /// Whether these are its keys already, and it uses that one.
    pub(crate) fn has_just(&self, keys: &[PublicKey], in_use: usize) -> bool {
        let trust = self.trust.as_key();
        trust.is_some_and(|trust| trust.keys == keys && trust.in_use == in_use)
    }

    /// These are its keys from now on.
    pub(crate) fn learn(&mut self, keys: Vec<PublicKey>, in_use: usize, revoked: &Revoked) {
        self.trust.set_keys(keys, in_use);
        self.judge_keys(revoked);
    }

    /// What we bring to handshakes with it.
    pub(crate) fn terms(&self) -> Terms<'_> {
        Terms {
            boot: self.boot,
            psk: self.trust.psk(),
            protection: &self.protection,
            post_quantum: self.trust.post_quantum(),
            secret: None,
        }
    }

    /// Handshakes are on these terms from now on. What of them is another one than before.
    pub(crate) fn change(&mut self, trust: Trust, protection: Vec<Protection>, revoked: &Revoked) -> Changed {
        let secret = |trust: &Trust| trust.psk().map(|psk| *psk.expose());
        let changed = Changed {
            psk: secret(&self.trust) != secret(&trust),
            protection: self.protection != protection,
            keys: self.trust.keys() != trust.keys(),
            post_quantum: self.trust.post_quantum() != trust.post_quantum(),
        };
        (self.trust, self.protection) = (trust, protection);
        self.judge_keys(revoked);
        changed
    }
}

/// What is another one than before.
#[derive(Clone, Copy)]
pub(crate) struct Changed {
    pub(crate) psk: bool,
    pub(crate) protection: bool,
    pub(crate) keys: bool,
    pub(crate) post_quantum: bool,
}
