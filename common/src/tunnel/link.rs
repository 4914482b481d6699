//! One peer: who it is, where it is, and what is known of both. Each part owns its fields; the link composes them.
//!
//! - `identity`: who it is, and on which terms we agree on keys with it
//! - `path`: where it is, how far, what the way carries; `counts` what it carried
//! - `keys`: what both say of their static keys
//! - `handshakes`, beside [`Sessions`]: how keys come to be
//! - `chain`: secrets against a quantum computer, for the next keys
//! - `outbox`: what is packed; [`Repair`]: what was sent, and what the peer hears of what came
//! - `updates`: what exits tell about exports
//! - `liveness`: whether it answers
//! - `due`: when anything of it is due
//! - `moving`: how it goes from one address to another
//! - `sending`: what is packed for it, sealed, and sent again
//! - `standing`: how it is, for people

mod chain;
mod counts;
mod due;
mod handshakes;
mod identity;
mod keys;
mod liveness;
mod moving;
mod outbox;
mod path;
mod sending;
mod standing;
mod updates;

use self::chain::Chain;
use self::handshakes::Handshakes;
use self::keys::KeyTalk;
use self::liveness::Liveness;
use self::outbox::Outbox;
use self::path::PathState;
use self::updates::Updates;
use super::quantum::Quantum;
use super::reassembly::Reassembly;
use super::repair::Repair;
use super::seats::Seat;
use super::sessions::{Precedence, Sessions};
use crate::config::{KeyTrust, PeerConfig, PeerId, Revoked};
use crate::notes::Known;
use crate::time::Instant;

pub(crate) use self::chain::Exchanged;
#[cfg(test)]
pub(crate) use self::handshakes::CALLS_PER_SECOND;
pub(crate) use self::handshakes::Dialing;
pub(crate) use self::identity::Identity;
pub(crate) use self::keys::List;
pub(crate) use self::standing::Presence;
pub(crate) use self::updates::Applies;

/// One peer.
pub(crate) struct Link {
    pub(crate) identity: Identity,
    pub(crate) path: PathState,
    pub(crate) sessions: Sessions,
    pub(crate) handshakes: Handshakes,
    pub(crate) key_talk: KeyTalk,
    pub(crate) chain: Chain,
    pub(crate) outbox: Outbox,
    pub(crate) repair: Repair,
    pub(crate) reassembly: Reassembly,
    pub(crate) updates: Updates,
    pub(crate) liveness: Liveness,
    /// How it is, for people.
    pub(crate) presence: Presence,
    /// Whether an operator wants no session with it: it is neither called nor answered.
    pub(crate) is_taken_down: bool,
}

impl Link {
    /// A peer that was not heard yet. `boot` is random.
    pub(crate) fn new(
        place: (PeerId, Seat),
        config: &PeerConfig,
        revoked: &Revoked,
        boot: u64,
        now: Instant,
    ) -> Link {
        let told = config.trust.as_key().and_then(|trust: &KeyTrust| trust.told);
        Link {
            identity: Identity::new(place, config, revoked, boot),
            path: PathState::new(config, now),
            sessions: Sessions::default(),
            handshakes: Handshakes::new(now),
            key_talk: KeyTalk::new(told),
            chain: Chain::default(),
            outbox: Outbox::default(),
            repair: Repair::new(now),
            reassembly: Reassembly::default(),
            updates: Updates::default(),
            liveness: Liveness::new(now),
            presence: Presence::new(now),
            is_taken_down: false,
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> String {
        self.identity.name.clone()
    }

    /// Who it is, for the audit log.
    pub(crate) fn known(&self) -> Known {
        Known {
            name: self.name(),
            key: self.identity.trust.fingerprint(),
            address: self.path.address.map(|path| path.remote),
        }
    }

    /// Whose call counts if both call at once: that of the side with the smaller boot number. Both know both, and they
    /// stay as long as the two processes do.
    pub(crate) fn precedence(&self) -> Precedence {
        let peer = self.sessions.current.as_ref().map(|session| session.peer_boot);
        match peer {
            Some(theirs) if self.identity.boot < theirs => Precedence::Ours,
            _ => Precedence::Theirs,
        }
    }

    /// Whether a session of ours with this peer, or one to be, has this index.
    pub(crate) fn uses(&mut self, index: u32) -> bool {
        self.handshakes.dial(index).is_some() || self.sessions.find(index).is_some()
    }

    /// The session in use was made with a secret, and the peer has used it: that secret is used up.
    pub(crate) fn note_used_secret(&mut self) {
        if let Some(session) = &self.sessions.current
            && session.assurance.kind == Quantum::MlKem768
            && session.has_opened()
            && let Some(name) = session.assurance.exchange
        {
            self.chain.confirmed(name);
        }
    }

    /// Whether requests, replies and what belongs to them pass: there is a session whose keys are good enough.
    pub(crate) fn carries_storage(&self) -> bool {
        let session = self.sessions.current.as_ref();
        session.is_none_or(|session| session.carries_storage)
    }

    /// Whether records can be sealed.
    pub(crate) fn is_up(&self, now: Instant) -> bool {
        let session = self.sessions.current.as_ref();
        self.path.address.is_some() && session.is_some_and(|session| session.is_usable(now))
    }
}
