//! Other gateways: sessions and paths.

use serde::{Deserialize, Serialize};

use super::{Directions, Key, Limit, Standing};

/// Another gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Peer {
    /// Its name in the configuration.
    pub name: String,
    /// Whether there is a session.
    #[serde(flatten)]
    pub standing: Standing,
    /// The fingerprint of the key that it uses.
    pub fingerprint: String,
    /// Its static keys, the newest first.
    pub keys: Vec<Key>,
    /// The fingerprint of the newest of our keys that it has kept; empty: that is not known.
    pub has_key: String,
    /// Since when, in Unix time, in seconds.
    pub has_key_since: Option<f64>,
    /// Why it did not take our keys; empty if it did.
    pub keys_refused: String,
    /// The worker whose session this is.
    pub worker: u8,
    /// The session, if there is one.
    pub session: Option<Session>,
    /// The path to it.
    pub path: Path,
    /// What it may have of all exports together; `None`: as much as it likes.
    pub limit: Option<Limit>,
}

/// A session with a peer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// How its keys were agreed, such as `noise`.
    pub handshake: String,
    /// `encrypt` or `authenticate`.
    pub protection: String,
    /// The cipher of its records.
    pub cipher: String,
    /// Whether a pre-shared key was mixed in.
    pub psk: bool,
    /// What its keys rest on against a quantum computer: `none`, `ml-kem-768`, `x25519mlkem768`.
    pub post_quantum: String,
    /// The fingerprints of the static keys it was made with: ours, and the peer's; empty: it was made without.
    pub our_key: String,
    /// See [`our_key`](Self::our_key).
    pub peer_key: String,
    /// When its keys were agreed, in Unix time, in seconds.
    pub since: f64,
    /// When they are replaced, in Unix time, in seconds.
    pub rekey_at: f64,
}

impl Session {
    /// Whether its keys withstand a quantum computer.
    pub fn is_post_quantum(&self) -> bool {
        !["", "none"].contains(&self.post_quantum.as_str())
    }
}

/// A path to a peer, and what it did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Path {
    /// The peer's address; empty while it is unknown.
    pub remote: String,
    /// Whether it carries what we need.
    #[serde(flatten)]
    pub standing: Standing,
    /// The round trip, in microseconds; `None` until it was measured.
    pub round_trip_us: Option<u64>,
    /// How much single round trips differ from that, in microseconds; `None` until it was measured.
    pub jitter_us: Option<u64>,
    /// The longest IP packet it carries, in bytes, as far as is known.
    pub mtu: u16,
    /// Where that is from: `fixed`, `probed`, `searching`, …
    pub mtu_why: String,
    /// Datagram payload of records, in bytes.
    pub bytes: Directions,
    /// Records opened, and records sealed.
    pub records: Directions,
    /// Records that did not arrive at once, as their receiver says.
    pub missed: Directions,
    /// Records that were sent again.
    pub repaired: Directions,
    /// Records that never arrived.
    pub lost: Directions,
    /// Records of the peer that came later than newer ones, by themselves.
    pub reordered: u64,
}
