//! What becomes of keys: ours, and those of peers.

mod words;

use std::time::Duration;

use aoe_keys::PublicKey;

use super::{Facts, Level};
use crate::config::{PeerId, Switch};

/// What becomes of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyEvent {
    /// We have a next key: peers are told.
    Announced {
        /// The key.
        key: PublicKey,
        /// When it is used for calls.
        switch: Switch,
    },
    /// To be remembered over a restart: a peer has kept our keys up to this one.
    Told {
        /// The peer.
        peer: String,
        /// The newest of them.
        key: PublicKey,
        /// Since when, in Unix time.
        since: Duration,
        /// How many peers have not kept it yet.
        left: usize,
    },
    /// To be remembered over a restart: peers are called by our next key from now on.
    Switched {
        /// It.
        key: PublicKey,
        /// The key that it takes the place of.
        was: Option<PublicKey>,
        /// When, in Unix time.
        at: Duration,
        /// When the key before it is not accepted any more, in Unix time; `None`: not before another configuration.
        drop_at: Option<Duration>,
        /// Peers that have not got it, and are still called by an older key.
        without: Vec<String>,
    },
    /// A key of ours is not accepted much longer, and there are peers that know no newer one.
    DropsSoon {
        /// The key.
        key: PublicKey,
        /// When that is, in Unix time.
        drop_at: Duration,
        /// These peers.
        without: Vec<String>,
    },
    /// A key of ours is not accepted any more.
    Dropped {
        /// The key.
        key: PublicKey,
        /// Peers that know no newer one.
        without: Vec<String>,
    },
    /// To be kept over a restart, and then confirmed by
    /// [`Engine::keys_kept`](crate::engine::Engine::keys_kept): a peer says that these are its keys. They count once that
    /// is done.
    Learnt {
        /// The peer.
        peer: PeerId,
        /// The number of what it said.
        serial: u32,
        /// All its keys, the newest first, at most [`MOST_KEYS`](crate::config::MOST_KEYS).
        keys: Vec<PublicKey>,
        /// Which of these it uses.
        in_use: usize,
    },
    /// A peer has other keys than before.
    PeerChanged {
        /// The peer.
        peer: String,
        /// The key that it uses.
        key: PublicKey,
        /// Its other keys.
        others: Vec<PublicKey>,
    },
    /// What a peer says of its keys is not believed.
    Refused {
        /// The peer.
        peer: String,
        /// Why not.
        why: KeysFault,
    },
    /// A peer does not believe what we say of our keys.
    RefusedThere {
        /// The peer.
        peer: String,
        /// Why not.
        why: KeysFault,
    },
    /// A key of a peer is not trusted any more.
    PeerRevoked {
        /// The peer.
        peer: String,
        /// The key.
        key: PublicKey,
        /// Whether it has another one.
        others: bool,
    },
    /// A key of ours is not trusted any more.
    OwnRevoked {
        /// The key.
        key: PublicKey,
    },
}

/// Why a list of keys is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeysFault {
    /// One of them is that of another peer: the two could not be told apart.
    OfAnotherPeer,
    /// One of them is one of the receiver's own.
    OfTheReceiver,
    /// One of them was revoked.
    Revoked,
    /// The key of the session that it came by is not among them.
    WithoutItsOwn,
    /// A reason that this version does not know.
    Unknown,
}

impl KeysFault {
    /// Why, in words.
    pub fn words(self) -> &'static str {
        match self {
            KeysFault::OfAnotherPeer => {
                "one of the keys is that of another peer there, and the two could not be told apart"
            }
            KeysFault::OfTheReceiver => "one of the keys is that of the receiver itself",
            KeysFault::Revoked => "one of the keys was revoked there",
            KeysFault::WithoutItsOwn => "the key of the session is not among the keys",
            KeysFault::Unknown => "a reason that this version does not know",
        }
    }
}

impl KeyEvent {
    /// How loud this is.
    pub fn level(&self) -> Level {
        match self {
            KeyEvent::Dropped { without, .. } if !without.is_empty() => Level::Warn,
            KeyEvent::Switched { without, .. } if !without.is_empty() => Level::Warn,
            KeyEvent::DropsSoon { .. }
            | KeyEvent::Refused { .. }
            | KeyEvent::RefusedThere { .. }
            | KeyEvent::PeerRevoked { .. }
            | KeyEvent::OwnRevoked { .. } => Level::Warn,
            KeyEvent::Announced { .. }
            | KeyEvent::Told { .. }
            | KeyEvent::Switched { .. }
            | KeyEvent::Dropped { .. }
            | KeyEvent::PeerChanged { .. } => Level::Info,
            KeyEvent::Learnt { .. } => Level::Debug,
        }
    }

    pub(super) fn facts(&self) -> Facts<'_> {
        match self {
            KeyEvent::Announced { .. } => Facts::new("key-announced"),
            KeyEvent::Told { peer, .. } => Facts::new("key-told").peer(peer),
            KeyEvent::Switched { .. } => Facts::new("key-switched"),
            KeyEvent::DropsSoon { .. } => Facts::new("key-drops-soon"),
            KeyEvent::Dropped { .. } => Facts::new("key-dropped"),
            KeyEvent::Learnt { .. } => Facts::new("peer-keys-learnt"),
            KeyEvent::PeerChanged { peer, .. } => Facts::new("peer-keys-changed").peer(peer),
            KeyEvent::Refused { peer, why } => Facts::new("peer-keys-refused").peer(peer).reason(why.words()),
            KeyEvent::RefusedThere { peer, why } => {
                Facts::new("keys-refused-there").peer(peer).reason(why.words())
            }
            KeyEvent::PeerRevoked { peer, .. } => Facts::new("peer-key-revoked").peer(peer),
            KeyEvent::OwnRevoked { .. } => Facts::new("own-key-revoked"),
        }
    }
}
