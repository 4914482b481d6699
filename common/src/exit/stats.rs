//! What each export, and each initiator behind a peer, had done: numbers beside the things themselves.

use super::Exit;
use super::ids::SlotId;
use super::pending::{Address, Origin, Pending};
use crate::config::ExportId;
use crate::drop_reason::DropReason;
use crate::frame::Pdu;
use crate::refusal::Refusal;
use crate::request::Moved;
use crate::sizes::Sizes;
use crate::stats::{Carried, Times};
use crate::tally::{Last, Tally, is_refusal};
use crate::time::Instant;
use crate::tunnel::message::Stay;

/// The numbers of an export.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) carried: Carried,
    pub(crate) sizes: Sizes,
    /// From the arrival of a request until it was sent to the target.
    pub(crate) queue: Times,
    /// From then until it was answered.
    pub(crate) target: Times,
    pub(crate) refused: Tally,
}

/// An answered request, in numbers.
#[derive(Clone, Copy)]
pub(super) struct Done {
    export: ExportId,
    origin: Origin,
    moved: Moved,
    stay: Stay,
}

impl Done {
    /// A request that is about to be answered, with or without success; `None` if nobody waits for the answer.
    pub(super) fn new(pending: &Pending, success: bool, now: Instant) -> Option<Done> {
        Some(Done {
            export: pending.export,
            origin: pending.origin?,
            moved: pending.asked.moved(success),
            stay: pending.stay(now),
        })
    }
}

impl Exit {
    /// A request was answered by its target.
    pub(super) fn note_done(&mut self, done: Done) {
        let Done { moved, stay, .. } = done;
        let (queue, target): (u64, u64) = (stay.queue_us.into(), stay.target_us.into());
        if let Some(export) = self.exports.get_mut(done.export) {
            export.stats.carried.answered(moved);
            export.stats.sizes.note(moved);
            export.stats.queue.note(queue);
            export.stats.target.note(target);
        }
        if let Some(flow) = self.flows.get_mut(done.origin.flow) {
            flow.carried.answered(moved);
            if let Some(times) = &mut flow.times {
                times.note(queue + target);
            }
        }
    }

    /// A request that was here is refused to all who asked for it.
    pub(super) fn note_failed(&mut self, slot: SlotId, reason: DropReason, askers: &[Address], now: Instant) {
        let Some(pending) = self.pending.get(slot) else {
            return;
        };
        let pdu = Pdu::parse(&pending.pdu).ok();
        let what = pdu.and_then(|pdu| Refusal::of(reason, &pdu));
        let export = pending.export;
        for to in askers {
            let last = Last {
                initiator: to.initiator,
                peer: Some(to.peer),
                what,
                at: now,
            };
            self.note_refusal((export, reason), 1, last);
        }
    }

    /// So many requests of an initiator were not carried, for this reason.
    pub(super) fn note_refusal(&mut self, (id, reason): (ExportId, DropReason), times: u64, last: Last) {
        let Some(export) = self.exports.get_mut(id).filter(|_| is_refusal(reason)) else {
            return;
        };
        let refused = &mut export.stats.carried.refused;
        *refused = refused.saturating_add(times);
        export.stats.refused.note(reason, times, last);
        let flow = last.peer.and_then(|peer| self.flows.of(peer, id, last.initiator));
        if let Some(flow) = flow.and_then(|flow| self.flows.get_mut(flow)) {
            flow.carried.refused = flow.carried.refused.saturating_add(times);
        }
    }
}
