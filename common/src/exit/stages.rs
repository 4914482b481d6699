//! The stages of a request, and the one door between them: what changes a stage changes lists and buffers with it.
//!
//! ```text
//!   accepted ──▶ Held ──▶ Queued ──▶ Dormant ──▶ AtTarget     (again: to the end of what is there)
//!                            ▲          │  ▲         │
//!                            └──────────┘  └─────────┘
//!                                       └──▶ Draining
//! ```
//! A request is released from Held, Dormant and Draining, in which it is in no list.

use super::Exit;
use super::ids::SlotId;

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Accepted, or behind an overlapping write.
    Held,
    /// In its initiator's queue.
    Queued,
    /// Out of the queue and not at the target. If it was sent, the target has gone since or counts as having lost it: it is
    /// sent again if the target comes back soon, or its initiator asks again.
    Dormant,
    /// Sent, and in one of the target's buffers.
    AtTarget,
    /// Answered or given up, but a copy may still be at the target and be applied there: without its data.
    Draining,
}

impl Stage {
    fn may_become(self, next: Stage) -> bool {
        match self {
            Stage::Held => next == Stage::Queued,
            Stage::Queued => next == Stage::Dormant,
            Stage::Dormant => matches!(next, Stage::Queued | Stage::AtTarget | Stage::Draining),
            Stage::AtTarget => matches!(next, Stage::Dormant | Stage::AtTarget),
            Stage::Draining => false,
        }
    }

    /// Whether a request of this stage is in a list.
    pub(super) fn is_listed(self) -> bool {
        matches!(self, Stage::Queued | Stage::AtTarget)
    }
}

impl Exit {
    /// Moves a request out of the list it is in into that of another stage.
    pub(super) fn move_to(&mut self, slot: SlotId, next: Stage) {
        let Some(pending) = self.pending.get_mut(slot) else {
            return;
        };
        let before = std::mem::replace(&mut pending.stage, next);
        debug_assert!(before.may_become(next), "from {before:?} to {next:?}");
        let whose = pending.origin.map(|origin| (origin.peer, origin.flow));
        let target = self.targets.get_mut(pending.target);
        let flow = whose.and_then(|(_, flow)| self.flows.get_mut(flow));
        match (before, next) {
            // It keeps its buffer.
            (Stage::AtTarget, Stage::AtTarget) => {
                if let Some(target) = target {
                    self.pending.unlink(&mut target.sent, slot);
                    self.pending.push_back(&mut target.sent, slot);
                }
            }
            (Stage::AtTarget, _) => {
                if let Some(target) = target {
                    self.pending.unlink(&mut target.sent, slot);
                    target.free();
                }
            }
            (_, Stage::AtTarget) => {
                if let Some(target) = target {
                    self.pending.push_back(&mut target.sent, slot);
                    target.occupy();
                }
            }
            (Stage::Queued, _) => {
                if let Some(flow) = flow {
                    self.pending.unlink(&mut flow.queue, slot);
                }
            }
            (_, Stage::Queued) => {
                if let (Some((peer, id)), Some(flow), Some(target)) = (whose, flow, target) {
                    self.pending.push_back(&mut flow.queue, slot);
                    if !std::mem::replace(&mut flow.in_turn, true) {
                        target.turns.push(peer, flow.export, id);
                    }
                }
            }
            (Stage::Held | Stage::Dormant | Stage::Draining, _) => {}
        }
    }

    /// Takes a request out of the list it is in.
    pub(super) fn unlist(&mut self, slot: SlotId) {
        if self
            .pending
            .get(slot)
            .is_some_and(|pending| pending.stage.is_listed())
        {
            self.move_to(slot, Stage::Dormant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage::Stage as Bench;
    use super::super::stage::{ALICE, DISK, TARGET, export};
    use super::*;

    #[test]
    fn lists_and_buffers_follow_the_stage() {
        let mut bench = Bench::new(vec![export("disk", TARGET)], 2);
        for lba in [8, 80, 160] {
            bench.write(ALICE, DISK, lba);
        }
        let slots: Vec<SlotId> = bench.exit.pending.iter().map(|(slot, _)| slot).collect();
        let at_target = |bench: &Bench| {
            let target = bench.exit.targets.values().next().unwrap();
            (target.sent.first(), target.has_buffer())
        };
        assert_eq!(at_target(&bench), (Some(slots[0]), false));
        bench.exit.move_to(slots[0], Stage::AtTarget);
        assert_eq!(
            at_target(&bench),
            (Some(slots[1]), false),
            "it is the last one now"
        );
        bench.exit.unlist(slots[1]);
        assert_eq!(at_target(&bench), (Some(slots[0]), true));
        bench.exit.unlist(slots[1]);
        assert_eq!(
            at_target(&bench),
            (Some(slots[0]), true),
            "a buffer is given back once"
        );
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "from Held to AtTarget")]
    fn no_stage_is_left_out() {
        let mut bench = Bench::new(vec![export("disk", TARGET)], 2);
        bench.write(ALICE, DISK, 8);
        bench.write(ALICE, DISK, 9);
        let last = bench.exit.pending.iter().last().unwrap().0;
        bench.exit.move_to(last, Stage::AtTarget);
    }
}
