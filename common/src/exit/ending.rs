//! The last second of a process: what is at a target is waited for, so that its answer goes to the initiator that asked
//! and not to the next process, and nothing is sent any more.

use super::table::SlotId;
use super::{Exit, Hands};
use crate::drop_reason::DropReason;

impl Exit {
    /// Sends nothing more, and tells peers that every target is away. What never was at a target is dropped.
    pub(crate) fn begin_to_end(&mut self, hands: &mut Hands<'_, '_>) {
        self.is_ending = true;
        let unsent: Vec<SlotId> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.copies.count() == 0)
            .map(|(slot, _)| slot)
            .collect();
        for slot in unsent {
            self.unlist(slot);
            self.shed(slot, DropReason::GatewayEnding, hands);
        }
        for target in self.target_ids() {
            self.changed(target);
        }
        self.send_news(hands);
    }

    /// Whether nothing is at a target.
    pub(crate) fn is_drained(&self) -> bool {
        self.pending.is_empty()
    }
}
