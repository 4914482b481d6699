//! How peers are at one moment.

use super::Links;
use crate::snapshot::Peer;
use crate::standing::Moment;

impl Links {
    /// A row for each peer.
    pub(crate) fn rows(&self, _moment: &Moment) -> Vec<Peer> {
        Vec::new()
    }
}
