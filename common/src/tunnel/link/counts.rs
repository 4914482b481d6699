//! What the path to a peer did: numbers that outlive sessions and addresses.

use crate::snapshot::Directions;

/// Numbers of one path. What is `received` was sent by the peer, what is `sent` by us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PathCounts {
    /// Bytes of records, those that are sent again included.
    pub(crate) bytes: Directions,
    /// Records opened, and records sealed.
    pub(crate) records: Directions,
    /// Records that did not arrive at once: of the peer's, and of ours as far as it asked for them.
    pub(crate) missed: Directions,
    /// Of those: records that came when they were asked for, and records that we sent again.
    pub(crate) repaired: Directions,
    /// Of those: records that were given up, and records that we could not send again.
    pub(crate) lost: Directions,
    /// Records of the peer that were overtaken, and came by themselves.
    pub(crate) reordered: u64,
}

impl PathCounts {
    /// A record of so many bytes was opened.
    pub(crate) fn opened(&mut self, len: usize) {
        add(&mut self.bytes.received, len as u64);
        add(&mut self.records.received, 1);
    }

    /// Records of so many bytes together were sealed.
    pub(crate) fn sealed(&mut self, records: u64, bytes: u64) {
        add(&mut self.bytes.sent, bytes);
        add(&mut self.records.sent, records);
    }

    /// A record came that was asked for.
    pub(crate) fn came_late(&mut self) {
        add(&mut self.missed.received, 1);
        add(&mut self.repaired.received, 1);
    }

    /// A record came late that was not asked for.
    pub(crate) fn was_overtaken(&mut self) {
        add(&mut self.reordered, 1);
    }

    /// Records of the peer were given up.
    pub(crate) fn gave_up(&mut self, records: u64) {
        add(&mut self.missed.received, records);
        add(&mut self.lost.received, records);
    }

    /// Of records that the peer asked for the first time, so many were sent again and so many could not be; so many
    /// bytes went out again.
    pub(crate) fn sent_again(&mut self, repaired: u64, lost: u64, bytes: u64) {
        add(&mut self.missed.sent, repaired.saturating_add(lost));
        add(&mut self.repaired.sent, repaired);
        add(&mut self.lost.sent, lost);
        add(&mut self.bytes.sent, bytes);
    }
}

/// Numbers saturate: a peer has a say in some of them.
fn add(number: &mut u64, more: u64) {
    *number = number.saturating_add(more);
}
