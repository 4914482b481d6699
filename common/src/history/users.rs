//! Who used what: of each minute of the last hour the busiest initiators.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::usage;
use crate::snapshot::{Initiator, Side, Snapshot, Traffic};

/// Minutes that are kept.
const MINUTES: u64 = 60;
/// Initiators of a minute that are kept.
const MOST: usize = 16;
/// Initiators that are followed; the snapshot has the busiest first.
const FOLLOWED: usize = 4096;

/// An initiator and what it uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct User {
    /// Its MAC.
    pub mac: String,
    /// Whether it is here, or behind a peer.
    pub side: Side,
    /// The peer that has the export, or behind which it is.
    pub peer: String,
    /// The export.
    pub export: String,
    /// The shelf.slot it uses, if it is here.
    pub address: String,
}

/// What it used in a minute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Used {
    /// Who, and what.
    #[serde(flatten)]
    pub user: User,
    /// Requests.
    pub requests: u64,
    /// Bytes of sectors read.
    pub read_bytes: u64,
    /// Bytes of sectors written.
    pub written_bytes: u64,
}

/// The busiest initiators of a minute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Minute {
    /// Its number since the start.
    pub minute: u64,
    /// The busiest first.
    pub users: Vec<Used>,
}

/// The busiest initiators of each minute of the last hour.
#[derive(Debug, Default)]
pub(super) struct Users {
    /// What they had used at the last look, and have used since the minute began.
    now: BTreeMap<User, (Traffic, Traffic)>,
    /// The oldest first.
    minutes: VecDeque<Minute>,
}

impl Users {
    /// Looks at a snapshot.
    pub(super) fn look(&mut self, snapshot: &Snapshot) {
        let mut before = std::mem::take(&mut self.now);
        let mut rows: Vec<&Initiator> = snapshot.initiators.iter().collect();
        if rows.len() > FOLLOWED {
            rows.sort_by_key(|row| Reverse(row.traffic.requests));
            rows.truncate(FOLLOWED);
        }
        for row in rows {
            let user = User::of(row);
            let mut used = Traffic::default();
            if let Some((then, since)) = before.remove(&user) {
                used = since;
                usage::add(&mut used, &usage::since(&row.traffic, &then));
            }
            self.now.insert(user, (row.traffic, used));
        }
    }

    /// This minute is over.
    pub(super) fn close(&mut self, minute: u64) {
        let mut users: Vec<Used> = self
            .now
            .iter()
            .filter_map(|(user, (_, used))| used_by(user, used))
            .collect();
        users.sort_by_key(|used| Reverse(used.requests));
        users.truncate(MOST);
        users.shrink_to_fit();
        self.now
            .values_mut()
            .for_each(|(_, used)| *used = Traffic::default());
        if !users.is_empty() {
            self.minutes.push_back(Minute { minute, users });
        }
        while self
            .minutes
            .front()
            .is_some_and(|old| old.minute + MINUTES <= minute)
        {
            self.minutes.pop_front();
        }
    }

    /// The oldest first.
    pub(super) fn minutes(&self) -> impl Iterator<Item = &Minute> {
        self.minutes.iter()
    }
}

fn used_by(user: &User, traffic: &Traffic) -> Option<Used> {
    (traffic.requests > 0).then(|| Used {
        user: user.clone(),
        requests: traffic.requests,
        read_bytes: traffic.read_bytes,
        written_bytes: traffic.written_bytes,
    })
}

impl User {
    fn of(row: &Initiator) -> User {
        User {
            mac: row.mac.clone(),
            side: row.side,
            peer: row.peer.clone(),
            export: row.export.clone(),
            address: row.address.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(users: &mut Users, requests: &[(u32, u64)]) {
        let row = |(n, requests): &(u32, u64)| Initiator {
            mac: n.to_string(),
            traffic: Traffic {
                requests: *requests,
                read_bytes: 512 * *requests,
                ..Traffic::default()
            },
            ..Initiator::default()
        };
        users.look(&Snapshot {
            initiators: requests.iter().map(row).collect(),
            ..Snapshot::default()
        });
    }

    fn told(users: &Users) -> Vec<(u64, Vec<(&str, u64)>)> {
        let minutes = users.minutes();
        minutes
            .map(|row| {
                let used = row.users.iter();
                let used = used.map(|used| (used.user.mac.as_str(), used.requests));
                (row.minute, used.collect())
            })
            .collect()
    }

    #[test]
    fn each_minute_has_its_busiest() {
        let mut users = Users::default();
        look(&mut users, &[(1, 1000), (2, 0)]);
        look(&mut users, &[(1, 1005), (2, 7)]);
        look(&mut users, &[(1, 1006), (2, 9), (3, 5000)]);
        users.close(4);
        look(&mut users, &[(1, 1006), (2, 2), (3, 5001)]);
        users.close(5);
        assert_eq!(
            told(&users),
            [(4, vec![("2", 9), ("1", 6)]), (5, vec![("2", 2), ("3", 1)])],
            "what was there before it was seen is not of this minute, and counters may begin again"
        );
        users.close(64);
        assert_eq!(told(&users).len(), 1, "an hour is kept");
    }

    #[test]
    fn there_are_never_too_many() {
        let mut users = Users::default();
        let all = |requests| {
            (0..10_000)
                .map(|n| (n, requests + u64::from(n)))
                .collect::<Vec<_>>()
        };
        look(&mut users, &all(0));
        look(&mut users, &all(9));
        assert_eq!(users.now.len(), FOLLOWED);
        users.close(0);
        assert_eq!(told(&users)[0].1.len(), MOST);
    }
}
