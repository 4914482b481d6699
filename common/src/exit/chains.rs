//! Many lists of few members: joining, leaving and looking at the first cost the same however many there are.
//!
//! Lists and members are numbers; a member is in one list at a time. The memory grows with both numbers only.

/// Nobody.
const END: u32 = u32::MAX;

/// The lists; newest members first.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    heads: Vec<u32>,
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// Which list; [`END`]: none.
    chain: u32,
    before: u32,
    after: u32,
}

const UNUSED: Node = Node {
    chain: END,
    before: END,
    after: END,
};

impl Chains {
    /// Makes room for lists and members below these numbers; nobody leaves.
    pub(crate) fn grow(&mut self, chains: usize, members: usize) {
        self.heads.resize(chains.max(self.heads.len()), END);
        self.nodes.resize(members.max(self.nodes.len()), UNUSED);
    }

    /// How many lists there are.
    pub(crate) fn len(&self) -> usize {
        self.heads.len()
    }

    /// Members of a list, the newest first.
    pub(crate) fn walk(&self, chain: u32) -> impl Iterator<Item = u32> + use<'_> {
        let mut at = self.heads.get(chain as usize).copied().unwrap_or(END);
        std::iter::from_fn(move || {
            let node = self.nodes.get(at as usize)?;
            Some(std::mem::replace(&mut at, node.after))
        })
    }

    /// Joins a list; the member must be in none.
    pub(crate) fn join(&mut self, member: u32, chain: u32) {
        let Some(head) = self.heads.get_mut(chain as usize) else {
            return;
        };
        let after = std::mem::replace(head, member);
        if let Some(next) = self.nodes.get_mut(after as usize) {
            next.before = member;
        }
        if let Some(node) = self.nodes.get_mut(member as usize) {
            *node = Node {
                chain,
                before: END,
                after,
            };
        }
    }

    /// Leaves the list it is in, if there is one.
    pub(crate) fn leave(&mut self, member: u32) {
        let Some(node) = self.nodes.get_mut(member as usize) else {
            return;
        };
        let Node { chain, before, after } = std::mem::replace(node, UNUSED);
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against lists moved by hand, growing on the way.
        #[test]
        fn members_join_and_leave(steps in prop::collection::vec((0u32..16, 0u32..4), 1..200)) {
            let mut chains = Chains::default();
            chains.grow(4, 8);
            let mut model: Vec<Vec<u32>> = vec![Vec::new(); 4];
            for (step, (member, chain)) in steps.into_iter().enumerate() {
                if step == 20 {
                    chains.grow(4, 16);
                }
                if step < 20 && member >= 8 {
                    continue;
                }
                if model.iter().any(|list| list.contains(&member)) {
                    chains.leave(member);
                    model.iter_mut().for_each(|list| list.retain(|other| *other != member));
                } else {
                    chains.join(member, chain);
                    model[chain as usize].insert(0, member);
                }
                for (list, expected) in (0..).zip(&model) {
                    prop_assert_eq!(&chains.walk(list).collect::<Vec<_>>(), expected);
                }
            }
        }
    }
}
