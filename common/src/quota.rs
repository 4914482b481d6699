//! How much of something limited each peer may have, so that none can take all of it from the others.
//!
//! Half of it is divided evenly: a peer that has less than its part is never refused. The other half is for those that
//! need more. A peer may have of it as much as is left for others, so a greedy one gets half of it, and two get a third each
//! if they come together; what they leave and what others do not use of their parts stays free.
//!
//! Peers come and go. What one has it keeps, also if its part is smaller now or it is no peer any more, until it gives it
//! back; while more is taken than parts and common half allow, newcomers get what is free.

use crate::config::PeerId;
use crate::table::Table;

/// One thing that is limited: requests, bytes.
#[derive(Debug)]
pub(crate) struct Quota {
    /// How much there is.
    total: usize,
    /// How much is taken.
    taken: usize,
    /// What is a peer's own.
    part: usize,
    /// What peers have of the common half. May be more than there is after a peer has come.
    common: usize,
    /// How many peers there are.
    peers: usize,
    users: Table<PeerId, User>,
}

#[derive(Clone, Copy, Debug, Default)]
struct User {
    used: usize,
    /// Whether it has gone, and only gives back.
    is_gone: bool,
}

impl User {
    /// What it has of the common half, where so much is each peer's own.
    fn beyond(&self, part: usize) -> usize {
        self.used.saturating_sub(if self.is_gone { 0 } else { part })
    }
}

impl Quota {
    /// So much for these peers. One alone may have all of it.
    pub(crate) fn new(total: usize, peers: impl IntoIterator<Item = PeerId>) -> Quota {
        let users: Table<PeerId, User> = peers.into_iter().map(|peer| (peer, User::default())).collect();
        let mut quota = Quota {
            total,
            taken: 0,
            part: 0,
            common: 0,
            peers: users.len(),
            users,
        };
        quota.divide();
        quota
    }

    /// There is one more peer.
    pub(crate) fn admit(&mut self, peer: PeerId) {
        if self.users.get(peer).is_none() {
            self.users.insert(peer, User::default());
            self.peers += 1;
            self.divide();
        }
    }

    /// A peer has gone. It gets nothing any more, and others get what it has once it gives that back.
    pub(crate) fn dismiss(&mut self, peer: PeerId) {
        let Some(user) = self.users.get_mut(peer).filter(|user| !user.is_gone) else {
            return;
        };
        user.is_gone = true;
        if user.used == 0 {
            self.users.remove(peer);
        }
        self.peers -= 1;
        self.divide();
    }

    /// How much more this peer may have now.
    pub(crate) fn room(&self, peer: PeerId) -> usize {
        let Some(user) = self.users.get(peer).filter(|user| !user.is_gone) else {
            return 0;
        };
        let left = (self.total - self.part * self.peers).saturating_sub(self.common);
        let own = self.part.saturating_sub(user.used);
        let room = own + left.saturating_sub(user.beyond(self.part));
        room.min(self.total.saturating_sub(self.taken))
    }

    /// Takes `n` for a peer, which must have room for it.
    pub(crate) fn take(&mut self, peer: PeerId, n: usize) {
        if let Some(user) = self.users.get_mut(peer) {
            let before = user.beyond(self.part);
            user.used += n;
            self.taken += n;
            self.common += user.beyond(self.part) - before;
        }
    }

    /// Gives back what was taken.
    pub(crate) fn give(&mut self, peer: PeerId, n: usize) {
        let Some(user) = self.users.get_mut(peer) else {
            return;
        };
        let before = user.beyond(self.part);
        let n = n.min(user.used);
        user.used -= n;
        self.taken -= n;
        self.common -= before - user.beyond(self.part);
        if user.is_gone && user.used == 0 {
            self.users.remove(peer);
        }
    }

    /// Gives each peer its part.
    fn divide(&mut self) {
        self.part = match self.peers {
            0 => 0,
            1 => self.total,
            peers => self.total / 2 / peers,
        };
        let part = self.part;
        self.common = self.users.values().map(|user| user.beyond(part)).sum();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn peers(n: u16) -> impl Iterator<Item = PeerId> {
        (0..n).map(PeerId)
    }

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
        let mut quota = Quota::new(1000, peers(5));
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
        assert_eq!(fill(&mut Quota::new(1000, peers(1)), 0), 1000);
        assert_eq!(Quota::new(1000, peers(0)).room(PeerId(0)), 0);
    }

    #[test]
    fn a_peer_that_comes_gets_its_part_as_soon_as_it_is_free_and_one_that_goes_leaves_it() {
        let mut quota = Quota::new(1000, peers(1));
        fill(&mut quota, 0);
        // A number that is far from the others.
        let late = PeerId(40_000);
        quota.admit(late);
        assert_eq!(
            (quota.room(PeerId(0)), quota.room(late)),
            (0, 0),
            "all of it is taken"
        );
        quota.give(PeerId(0), 400);
        assert_eq!(quota.room(PeerId(0)), 0, "it has more than may be its own");
        assert_eq!(quota.room(late), 250 + 150);
        quota.take(late, 10);
        quota.dismiss(PeerId(0));
        assert_eq!(
            (quota.room(PeerId(0)), quota.room(late)),
            (0, 390),
            "all that is free"
        );
        quota.give(PeerId(0), 600);
        assert_eq!((quota.users.len(), quota.room(late)), (1, 990));
        quota.dismiss(late);
        quota.give(late, 10);
        assert_eq!((quota.users.len(), quota.taken, quota.common), (0, 0, 0));
    }

    proptest! {
        #[test]
        fn parts_are_never_refused_and_the_total_is_never_exceeded(
            steps in prop::collection::vec((0u16..4, 1usize..50, any::<bool>()), 1..200)
        ) {
            let mut quota = Quota::new(400, peers(4));
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

        /// Peers come and go while others take and give: nobody loses what he has, the total holds, and when all is given
        /// back the shares are those of a new one for as many peers.
        #[test]
        fn peers_come_and_go_while_it_is_used(
            steps in prop::collection::vec((0u16..6, 1usize..80, 0u8..6), 1..200)
        ) {
            let mut quota = Quota::new(400, peers(2));
            let mut here: BTreeMap<u16, usize> = [(0, 0), (1, 0)].into();
            let mut gone: BTreeMap<u16, usize> = BTreeMap::new();
            for (peer, n, step) in steps {
                let id = PeerId(peer);
                match step {
                    0 if !here.contains_key(&peer) && !gone.contains_key(&peer) => {
                        quota.admit(id);
                        here.insert(peer, 0);
                    }
                    1 => {
                        quota.dismiss(id);
                        gone.extend(here.remove(&peer).filter(|used| *used > 0).map(|used| (peer, used)));
                    }
                    2 | 3 => {
                        let used = here.get_mut(&peer).or(gone.get_mut(&peer));
                        if let Some(used) = used {
                            let n = n.min(*used);
                            quota.give(id, n);
                            *used -= n;
                        }
                        gone.retain(|_, used| *used > 0);
                    }
                    _ if n <= quota.room(id) => {
                        quota.take(id, n);
                        *here.get_mut(&peer).unwrap() += n;
                    }
                    _ => {}
                }
                let taken = here.values().chain(gone.values()).sum::<usize>();
                prop_assert!(taken <= 400 && quota.taken == taken);
                let fair = 400 / 2 / here.len().max(2);
                let greedy = here.values().any(|used| *used > fair) || !gone.is_empty();
                for (peer, used) in &here {
                    let room = quota.room(PeerId(*peer));
                    prop_assert!(greedy || used + room >= fair, "{used} and {room} of {fair}");
                }
            }
            for (peer, used) in here.iter().chain(&gone) {
                quota.give(PeerId(*peer), *used);
            }
            let fresh = Quota::new(400, here.keys().map(|peer| PeerId(*peer)));
            for peer in here.keys() {
                prop_assert_eq!(quota.room(PeerId(*peer)), fresh.room(PeerId(*peer)));
            }
            prop_assert_eq!((quota.taken, quota.common, quota.users.len()), (0, 0, here.len()));
        }
    }
}
