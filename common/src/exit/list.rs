//! Queues of slots, linked through the slots themselves: joining and leaving cost the same wherever, and no memory.

use super::ids::SlotId;

/// A slot's neighbours in the one list it can be in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    before: Option<SlotId>,
    after: Option<SlotId>,
}

/// First in, first out; and out from anywhere.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct List {
    first: Option<SlotId>,
    last: Option<SlotId>,
}

impl List {
    pub(crate) fn first(&self) -> Option<SlotId> {
        self.first
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Joins at the end; the slot must be in no list.
    pub(super) fn push_back(&mut self, links: &mut [Link], slot: SlotId) {
        let before = self.last.replace(slot);
        if let Some(link) = links.get_mut(usize::from(slot.0)) {
            *link = Link { before, after: None };
        }
        self.set_after(links, before, Some(slot));
    }

    /// Leaves; the slot must be in this list.
    pub(super) fn remove(&mut self, links: &mut [Link], slot: SlotId) {
        let Some(link) = links.get_mut(usize::from(slot.0)) else {
            return;
        };
        let Link { before, after } = std::mem::take(link);
        self.set_after(links, before, after);
        match after.and_then(|after| links.get_mut(usize::from(after.0))) {
            Some(link) => link.before = before,
            None => self.last = before,
        }
    }

    fn set_after(&mut self, links: &mut [Link], before: Option<SlotId>, after: Option<SlotId>) {
        match before.and_then(|before| links.get_mut(usize::from(before.0))) {
            Some(link) => link.after = after,
            None => self.first = after,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a queue with everything moved by hand.
        #[test]
        fn slots_join_and_leave_anywhere(steps in prop::collection::vec(0u16..16, 1..200)) {
            let (mut list, mut links) = (List::default(), [Link::default(); 16]);
            let mut model: VecDeque<SlotId> = VecDeque::new();
            for slot in steps.into_iter().map(SlotId) {
                if model.contains(&slot) {
                    list.remove(&mut links, slot);
                    model.retain(|other| *other != slot);
                } else {
                    list.push_back(&mut links, slot);
                    model.push_back(slot);
                }
                prop_assert_eq!(list.first(), model.front().copied());
                prop_assert_eq!(list.last, model.back().copied());
                let mut at = list.first;
                let walked: Vec<_> = std::iter::from_fn(|| {
                    let slot = at?;
                    at = links[usize::from(slot.0)].after;
                    Some(slot)
                })
                .collect();
                prop_assert_eq!(walked, Vec::from(model.clone()));
            }
        }
    }
}
