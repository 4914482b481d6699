//! Which requests touch a run of sectors: chains of slots by block of sectors.
//!
//! Two requests that overlap have a block in common, and each lies in two blocks at most, so looking costs as much as
//! there are requests near by, however many there are elsewhere. The chains are threaded through memory that grows
//! with the number of slots only.

use super::span::Span;
use super::table::SlotId;
use super::target::TargetId;
use crate::spread::place_of;

/// Nobody.
const END: u32 = u32::MAX;
/// Chains a slot can be in at a time.
const PER_SLOT: u32 = 2;

/// The chains.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    heads: Vec<u32>,
    nodes: Vec<Node>,
}

/// One slot's place in one chain. Nodes `2 n` and `2 n + 1` belong to slot `n`.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// Which chain; [`END`]: none.
    chain: u32,
    before: u32,
    after: u32,
}

const UNUSED: Node = Node {
    chain: END,
    before: END,
    after: END,
};

impl Ranges {
    /// Makes room for slots below `slots`. The chains are empty afterwards.
    pub(crate) fn grow(&mut self, slots: usize) {
        self.heads = vec![END; slots.next_power_of_two()];
        self.nodes = vec![UNUSED; slots * PER_SLOT as usize];
    }

    pub(crate) fn insert(&mut self, slot: SlotId, target: TargetId, span: &Span) {
        let (first, second) = span.blocks();
        let node = u32::from(slot.0) * PER_SLOT;
        self.join(node, self.chain(target, first));
        if let Some(second) = second {
            self.join(node + 1, self.chain(target, second));
        }
    }

    pub(crate) fn remove(&mut self, slot: SlotId) {
        let node = u32::from(slot.0) * PER_SLOT;
        self.leave(node);
        self.leave(node + 1);
    }

    /// Slots that may overlap the span: all that do, some that do not, and some of them twice.
    pub(crate) fn near(&self, target: TargetId, span: &Span) -> impl Iterator<Item = SlotId> + use<'_> {
        let (first, second) = span.blocks();
        let first = self.chain(target, first);
        let second = second
            .map(|second| self.chain(target, second))
            .filter(|second| *second != first);
        self.walk(first)
            .chain(second.into_iter().flat_map(|chain| self.walk(chain)))
    }

    fn walk(&self, chain: u32) -> impl Iterator<Item = SlotId> + use<'_> {
        let mut at = self.heads.get(chain as usize).copied().unwrap_or(END);
        std::iter::from_fn(move || {
            let node = self.nodes.get(at as usize)?;
            let slot = u16::try_from(at / PER_SLOT).ok()?;
            at = node.after;
            Some(SlotId(slot))
        })
    }

    fn chain(&self, target: TargetId, block: u64) -> u32 {
        let key = block ^ u64::from(target.0) << 48;
        u32::try_from(place_of(key, self.heads.len())).unwrap_or(END)
    }

    fn join(&mut self, node: u32, chain: u32) {
        let Some(head) = self.heads.get_mut(chain as usize) else {
            return;
        };
        let after = std::mem::replace(head, node);
        if let Some(next) = self.nodes.get_mut(after as usize) {
            next.before = node;
        }
        if let Some(place) = self.nodes.get_mut(node as usize) {
            *place = Node {
                chain,
                before: END,
                after,
            };
        }
    }

    fn leave(&mut self, node: u32) {
        let Some(place) = self.nodes.get_mut(node as usize) else {
            return;
        };
        let Node { chain, before, after } = std::mem::replace(place, UNUSED);
        if chain == END {
            return;
        }
        if let Some(next) = self.nodes.get_mut(after as usize) {
            next.before = before;
        }
        if let Some(previous) = self.nodes.get_mut(before as usize) {
            previous.after = after;
        } else if let Some(head) = self.heads.get_mut(chain as usize) {
            *head = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::span::Touch;
    use super::*;

    proptest! {
        /// Against a list of everything: whatever overlaps is found, whatever left is not.
        #[test]
        fn whatever_overlaps_is_found(
            steps in prop::collection::vec((0u16..64, 0u16..2, 0u64..400, 1u8..32), 1..200)
        ) {
            let mut ranges = Ranges::default();
            ranges.grow(64);
            let mut there: Vec<Option<(TargetId, Span)>> = vec![None; 64];
            for (slot, target, start, sectors) in steps {
                let span = Span::new(start, sectors, Touch::Writes);
                let target = TargetId(target);
                let found: BTreeSet<u16> = ranges.near(target, &span).map(|slot| slot.0).collect();
                for (other, place) in (0..).zip(&there) {
                    if place.is_some_and(|(t, s)| t == target && s.overlaps(&span)) {
                        prop_assert!(found.contains(&other));
                    }
                    if place.is_none() {
                        prop_assert!(!found.contains(&other));
                    }
                }
                let place = &mut there[usize::from(slot)];
                match place.take() {
                    Some(_) => ranges.remove(SlotId(slot)),
                    None => {
                        ranges.insert(SlotId(slot), target, &span);
                        *place = Some((target, span));
                    }
                }
            }
        }
    }

    #[test]
    fn sequential_blocks_spread_over_the_chains() {
        let mut ranges = Ranges::default();
        ranges.grow(4096);
        let chains: BTreeSet<u32> = (0..4096).map(|block| ranges.chain(TargetId(0), block)).collect();
        assert!(
            chains.len() > 2048 && chains.iter().all(|chain| *chain < 4096),
            "{}",
            chains.len()
        );
    }
}
