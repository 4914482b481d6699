//! What is packed for a peer and not sent yet.

use crate::tunnel::pack::Packer;

/// What is packed for a peer.
#[derive(Default)]
pub(crate) struct Outbox {
    pub(crate) packer: Packer,
    /// Whether the peer is on the list of those to flush.
    pub(crate) is_listed: bool,
    /// Whether something is packed of which the peer is to tell that it arrived.
    pub(super) awaits_news: bool,
}

impl Outbox {
    /// The peer has to be put on the list of those to flush, and is on it from now on.
    pub(crate) fn list(&mut self) -> bool {
        !std::mem::replace(&mut self.is_listed, true)
    }
}
