//! How much of something limited each peer may have, so that none can take all of it from the others.
//!
//! Half of it is divided evenly: a peer that has less than its part is never refused. The other half is for those that
//! need more. A peer may have of it as much as is left for others, so a greedy one gets half of it, and two get a third each
//! if they come together; what they leave and what others do not use of their parts stays free.

use crate::config::PeerId;

/// One thing that is limited: requests, bytes.
#[derive(Debug)]
pub(crate) struct Quota {
    /// What is a peer's own.
    part: usize,
    /// What is left of the common half.
    left: usize,
    /// What each peer has.
    used: Vec<usize>,
}

impl Quota {
    /// So much for so many peers. One alone may have all of it.
    pub(crate) fn new(total: usize, peers: usize) -> Quota {
        let part = if peers <= 1 { total } else { total / 2 / peers };
        Quota {
            part,
            left: total - part * peers.max(1),
            used: vec![0; peers],
        }
    }

    /// How much more this peer may have now.
    pub(crate) fn room(&self, peer: PeerId) -> usize {
        let Some(used) = self.used.get(usize::from(peer.0)) else {
            return 0;
        };
        let own = self.part.saturating_sub(*used);
        own + self.left.saturating_sub(used.saturating_sub(self.part))
    }

    /// Takes `n` for a peer, which must have room for it.
    pub(crate) fn take(&mut self, peer: PeerId, n: usize) {
        if let Some(used) = self.used.get_mut(usize::from(peer.0)) {
            let before = used.saturating_sub(self.part);
            *used += n;
            self.left = self.left.saturating_sub(used.saturating_sub(self.part) - before);
        }
    }

    /// Gives back what was taken.
    pub(crate) fn give(&mut self, peer: PeerId, n: usize) {
        if let Some(used) = self.used.get_mut(usize::from(peer.0)) {
            let before = used.saturating_sub(self.part);
            *used = used.saturating_sub(n);
            self.left += before - used.saturating_sub(self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fill(quota: &mut Quota, peer: u16) -> usize {
        let peer = PeerId(peer);
        let mut taken = 0;
        while quota.room(peer) > 0 {
            quota.take(peer, 1);
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_greedy_peer_leaves_every_other_one_its_part_and_more() {
        let mut quota = Quota::new(1000, 5);
        assert_eq!(fill(&mut quota, 0), 100 + 250);
        assert_eq!(fill(&mut quota, 1), 100 + 125, "half of what was left");
        for peer in [2, 3, 4] {
            assert!(fill(&mut quota, peer) > 100);
        }
        quota.give(PeerId(0), 350);
        assert!(quota.room(PeerId(0)) >= 100 + 250);
    }

    #[test]
    fn one_peer_alone_and_none() {
        assert_eq!(fill(&mut Quota::new(1000, 1), 0), 1000);
        assert_eq!(Quota::new(1000, 0).room(PeerId(0)), 0);
    }

    proptest! {
        #[test]
        fn parts_are_never_refused_and_the_total_is_never_exceeded(
            steps in prop::collection::vec((0u16..4, 1usize..50, any::<bool>()), 1..200)
        ) {
            let mut quota = Quota::new(400, 4);
            let mut used = [0; 4];
            for (peer, n, gives) in steps {
                let (at, id) = (usize::from(peer), PeerId(peer));
                if gives {
                    let n = n.min(used[at]);
                    quota.give(id, n);
                    used[at] -= n;
                } else if n <= quota.room(id) {
                    quota.take(id, n);
                    used[at] += n;
                } else {
                    prop_assert!(used[at] + n > 50, "{n} of its part were refused");
                }
                prop_assert!(used.iter().sum::<usize>() <= 400);
            }
        }
    }
}
