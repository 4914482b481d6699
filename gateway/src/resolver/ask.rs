//! What a resolver is asked, and what it has to know.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use aoe_common::config::PeerId;

/// Where we listen, by the number of the socket: a peer can only be called from a socket of its family.
pub type Sockets = BTreeMap<u8, SocketAddr>;

/// What it has to know.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Of each peer its name, and its `host:port` if the configuration has one.
    pub peers: BTreeMap<PeerId, (String, Option<String>)>,
    /// The sockets there are.
    pub sockets: Sockets,
}

/// What it is asked, or told.
#[derive(Debug)]
pub enum Ask {
    /// This peer is to be called.
    Needed(PeerId),
    /// From now on it is so.
    Know(Known),
}
