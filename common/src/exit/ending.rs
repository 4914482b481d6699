//! The last second of a process: what is at a target is waited for, so that its answer goes to the initiator that asked
//! and not to the next process, and nothing is sent any more.

use super::Exit;
use super::ids::SlotId;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::tunnel::links::Links;

impl Exit {
    /// Sends nothing more, and tells peers that every target is away. What never was at a target is dropped.
    pub(crate) fn begin_to_end(&mut self, links: &mut Links, cx: &mut Context<'_>) {
        self.is_ending = true;
        let unsent: Vec<SlotId> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.copies.count() == 0)
            .map(|(slot, _)| slot)
            .collect();
        for slot in unsent {
            self.unlist(slot);
            self.shed(slot, DropReason::GatewayEnding, cx);
        }
        for place in 0..self.targets.len() {
            let Some(target) = self.targets.id_at(place) else {
                break;
            };
            self.changed(target, cx);
        }
        self.send_news(links, cx);
    }

    /// Whether nothing is at a target.
    pub(crate) fn is_drained(&self) -> bool {
        self.pending.is_empty()
    }
}
