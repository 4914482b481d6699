//! Whose requests are limited, by what, and who waits for it.
//!
//! A request is one of an export, of a peer, of a peer on that export, and of an initiator; each of the four may have a limit,
//! and what passes takes from all of them or from none. What cannot pass stays in its queue. An initiator whose own limit is
//! used up leaves its target's round and is parked; where a limit that it shares is used up, the others that share it are
//! passed over together, so the work does not grow with their number. A limit that refused somebody is closed until the
//! moment for which that one waits: then all targets are served in turn, those below their floors first.

mod account;

use std::collections::{BTreeMap, BTreeSet};

use self::account::Account;
pub(crate) use self::account::Cost;
use super::ids::{FlowId, TargetId};
use crate::config::{ExportId, Limit, Limited, PeerId, PeerLimit};
use crate::frame::MacAddr;
use crate::snapshot;
use crate::time::Instant;

/// With more initiators than this that have a limit each, those at rest are forgotten from time to time.
const MANY: usize = 1024;

/// Whose a request is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) export: ExportId,
    pub(crate) peer: PeerId,
    pub(crate) initiator: MacAddr,
}

impl Owner {
    /// The limits that it shares with others.
    fn shared(self) -> [Limited; 3] {
        [
            Limited::Export(self.export),
            Limited::Peer(self.peer),
            Limited::Grant(self.export, self.peer),
        ]
    }

    /// Its own.
    fn own(self) -> Limited {
        Limited::Initiator(self.export, self.peer, self.initiator)
    }

    fn all(self) -> [Limited; 4] {
        let [export, peer, grant] = self.shared();
        [export, peer, grant, self.own()]
    }
}

/// Why a request does not pass now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A limit that it shares is used up.
    Shared,
    /// Its initiator's own is, until this moment.
    Own(Instant),
}

/// All limits.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    accounts: BTreeMap<Limited, Account>,
    /// What the configuration says, before it is divided among workers.
    files: BTreeMap<Limited, Limit>,
    /// What it says of each initiator of a peer on an export.
    each: BTreeMap<(ExportId, PeerId), Limit>,
    /// What an operator said, before it is divided among workers.
    live: BTreeMap<Limited, Limit>,
    /// Among how many workers a peer's is divided.
    among: BTreeMap<PeerId, u8>,
    /// Whether some initiator has a floor of its own.
    own_floors: bool,
    /// Whether anybody has a floor.
    floors: bool,
    /// Initiators whose own limit is used up: until when, and who came first.
    parked: BTreeSet<(Instant, u64, FlowId)>,
    parkings: u64,
    /// When the first of those that are not parked may pass.
    due: Option<Instant>,
    /// The target that was served first the last time that somebody waited.
    first: Option<TargetId>,
    /// With so many accounts those at rest are forgotten.
    most: usize,
}

impl Limits {
    /// Whether there are none.
    pub(crate) fn are_none(&self) -> bool {
        self.accounts.is_empty() && self.each.is_empty()
    }

    /// Whether requests of this peer on this export, or some of them, are limited.
    pub(crate) fn concern(&self, export: ExportId, peer: PeerId) -> bool {
        let shared = [
            Limited::Export(export),
            Limited::Peer(peer),
            Limited::Grant(export, peer),
        ];
        let first = Limited::Initiator(export, peer, MacAddr([0; 6]));
        let last = Limited::Initiator(export, peer, MacAddr([0xff; 6]));
        shared.iter().any(|whom| self.accounts.contains_key(whom))
            || self.each.contains_key(&(export, peer))
            || self.accounts.range(first..=last).next().is_some()
    }

    /// Whether anybody has a floor.
    pub(crate) fn have_floors(&self) -> bool {
        self.floors
    }

    /// Whether an initiator has one of its own.
    pub(crate) fn have_own_floors(&self) -> bool {
        self.own_floors
    }

    /// What the configuration says of a peer.
    pub(crate) fn set_peer(&mut self, peer: PeerId, limit: PeerLimit, now: Instant) {
        self.among.insert(peer, limit.among);
        self.set_file(Limited::Peer(peer), limit.whole, now);
    }

    /// What it says of all users of an export.
    pub(crate) fn set_export(&mut self, export: ExportId, limit: Limit, now: Instant) {
        self.set_file(Limited::Export(export), limit, now);
    }

    /// What it says of one of them, and of each initiator behind it.
    pub(crate) fn set_grant(&mut self, key: (ExportId, PeerId), limit: Limit, of_each: Limit, now: Instant) {
        self.set_file(Limited::Grant(key.0, key.1), limit, now);
        let before = match of_each.is_none() {
            true => self.each.remove(&key),
            false => self.each.insert(key, of_each),
        };
        if before.unwrap_or_default() != of_each {
            let theirs = |whom: &Limited| matches!(whom, Limited::Initiator(export, peer, _) if (*export, *peer) == key);
            let theirs: Vec<Limited> = self.accounts.keys().copied().filter(theirs).collect();
            for whom in theirs {
                self.settle(whom, now);
            }
        }
        self.look_for_floors();
    }

    fn set_file(&mut self, whom: Limited, limit: Limit, now: Instant) {
        match limit.is_none() {
            true => self.files.remove(&whom),
            false => self.files.insert(whom, limit),
        };
        self.settle(whom, now);
    }

    /// What an operator says; `None`: the configuration's counts again.
    pub(crate) fn set_live(&mut self, whom: Limited, limit: Option<Limit>, now: Instant) {
        match limit {
            Some(limit) => self.live.insert(whom, limit),
            None => self.live.remove(&whom),
        };
        self.settle(whom, now);
    }

    /// What an operator said.
    pub(crate) fn live(&self, whom: Limited) -> Option<Limit> {
        self.live.get(&whom).copied()
    }

    /// All that operators said.
    pub(crate) fn all_live(&self) -> impl Iterator<Item = Limited> {
        self.live.keys().copied()
    }

    /// What counts, whole: what an operator said, or else the configuration.
    pub(crate) fn in_force(&self, whom: Limited) -> Limit {
        let of_each = match whom {
            Limited::Initiator(export, peer, _) => self.each.get(&(export, peer)),
            Limited::Export(_) | Limited::Peer(_) | Limited::Grant(..) => None,
        };
        let limit = self.live.get(&whom).or(self.files.get(&whom)).or(of_each);
        limit.copied().unwrap_or_default()
    }

    /// What of it is this worker's.
    fn part(&self, whom: Limited) -> Limit {
        let among = match whom {
            Limited::Peer(peer) => self.among.get(&peer).copied().unwrap_or(1),
            Limited::Export(_) | Limited::Grant(..) | Limited::Initiator(..) => 1,
        };
        self.in_force(whom).part(among)
    }

    /// Puts in force what counts.
    fn settle(&mut self, whom: Limited, now: Instant) {
        let limit = self.part(whom);
        match self.accounts.get_mut(&whom) {
            _ if limit.is_none() => {
                self.accounts.remove(&whom);
            }
            Some(account) => account.change(limit, now),
            None => {
                self.accounts.insert(whom, Account::new(limit, now));
            }
        }
        self.look_for_floors();
    }

    fn look_for_floors(&mut self) {
        let has = |limit: &Limit| !limit.floor.is_none();
        let own = |(whom, limit): (&Limited, &Limit)| matches!(whom, Limited::Initiator(..)) && has(limit);
        self.own_floors = self.each.values().any(has) || self.live.iter().any(own);
        self.floors = self.own_floors || self.accounts.values().any(|account| has(&account.limit()));
    }

    /// Forgets all that is about an export.
    pub(crate) fn forget_export(&mut self, gone: ExportId) {
        self.forget(|whom| match whom {
            Limited::Export(export) | Limited::Grant(export, _) | Limited::Initiator(export, ..) => {
                export == gone
            }
            Limited::Peer(_) => false,
        });
        self.each.retain(|(export, _), _| *export != gone);
        self.look_for_floors();
    }

    /// Forgets all that is about a peer on an export.
    pub(crate) fn forget_grant(&mut self, gone: (ExportId, PeerId)) {
        self.forget(|whom| match whom {
            Limited::Grant(export, peer) | Limited::Initiator(export, peer, _) => (export, peer) == gone,
            Limited::Export(_) | Limited::Peer(_) => false,
        });
        self.each.remove(&gone);
        self.look_for_floors();
    }

    /// Forgets all that is about a peer.
    pub(crate) fn forget_peer(&mut self, gone: PeerId) {
        self.forget(|whom| match whom {
            Limited::Peer(peer) | Limited::Grant(_, peer) | Limited::Initiator(_, peer, _) => peer == gone,
            Limited::Export(_) => false,
        });
        self.each.retain(|(_, peer), _| *peer != gone);
        self.among.remove(&gone);
        self.look_for_floors();
    }

    fn forget(&mut self, is_gone: impl Fn(Limited) -> bool) {
        self.accounts.retain(|whom, _| !is_gone(*whom));
        self.files.retain(|whom, _| !is_gone(*whom));
        self.live.retain(|whom, _| !is_gone(*whom));
    }

    /// The account of an initiator, made when it is needed first.
    fn enter(&mut self, owner: Owner, now: Instant) {
        let (whom, key) = (owner.own(), (owner.export, owner.peer));
        let Some(limit) = self.each.get(&key).copied() else {
            return;
        };
        if self.accounts.contains_key(&whom) {
            return;
        }
        if self.accounts.len() >= self.most.max(MANY) {
            self.accounts
                .retain(|whom, account| !matches!(whom, Limited::Initiator(..)) || !account.is_at_rest(now));
            // So the search costs each that comes little.
            self.most = self.accounts.len() * 2;
        }
        self.accounts.insert(whom, Account::new(limit, now));
    }

    /// Whether less of this owner's passed of late than a floor that it shares.
    pub(crate) fn is_below_shared_floor(&mut self, owner: Owner, cost: Cost, now: Instant) -> bool {
        owner.shared().iter().any(|whom| self.is_below(whom, cost, now))
    }

    /// Whether less passed than its own.
    pub(crate) fn is_below_own_floor(&mut self, owner: Owner, cost: Cost, now: Instant) -> bool {
        self.enter(owner, now);
        self.is_below(&owner.own(), cost, now)
    }

    fn is_below(&mut self, whom: &Limited, cost: Cost, now: Instant) -> bool {
        let account = self.accounts.get_mut(whom);
        account.is_some_and(|account| account.is_below_floor(cost, now))
    }

    /// Takes what a request costs from all its limits, if all have it. It has been here since `since`.
    ///
    /// # Errors
    /// Which does not; then nothing was taken.
    pub(crate) fn admit(
        &mut self,
        owner: Owner,
        cost: Cost,
        since: Instant,
        now: Instant,
    ) -> Result<(), Refused> {
        self.enter(owner, now);
        let mut shared = None;
        for whom in owner.shared() {
            if let Some(account) = self.accounts.get_mut(&whom)
                && let Some(due) = account.refuses(cost, now)
            {
                shared = Some(shared.map_or(due, |other: Instant| other.max(due)));
            }
        }
        if let Some(due) = shared {
            self.due = Some(self.due.map_or(due, |other| other.min(due)));
            return Err(Refused::Shared);
        }
        if let Some(account) = self.accounts.get_mut(&owner.own())
            && let Some(due) = account.refuses(cost, now)
        {
            return Err(Refused::Own(due));
        }
        for whom in owner.all() {
            if let Some(account) = self.accounts.get_mut(&whom) {
                account.take(cost, since, now);
            }
        }
        Ok(())
    }

    /// Whether a request that has been here since then had, or has, to wait for a limit.
    pub(crate) fn held(&self, owner: Owner, since: Instant) -> bool {
        let accounts = owner.all();
        let mut accounts = accounts.iter().filter_map(|whom| self.accounts.get(whom));
        accounts.any(|account| account.held(since))
    }

    /// For which limits its requests wait now.
    pub(crate) fn waits_for(&self, owner: Owner) -> impl Iterator<Item = Limited> {
        let closed = |whom: &Limited| self.accounts.get(whom).is_some_and(Account::is_closed);
        owner.all().into_iter().filter(move |whom| closed(whom))
    }

    /// An initiator waits for its own limit.
    pub(crate) fn park(&mut self, flow: FlowId, until: Instant) {
        self.parkings += 1;
        self.parked.insert((until, self.parkings, flow));
    }

    /// Those for whom the waiting is over, who came first first.
    pub(crate) fn unpark(&mut self, now: Instant) -> Vec<FlowId> {
        let mut over = Vec::new();
        while let Some((_, _, flow)) = self.parked.first().filter(|(due, ..)| *due <= now).copied() {
            self.parked.pop_first();
            over.push(flow);
        }
        over
    }

    /// These have gone.
    pub(crate) fn leave(&mut self, leaves: impl Fn(FlowId) -> bool) {
        self.parked.retain(|(_, _, flow)| !leaves(*flow));
    }

    /// What waits for this moment is asked.
    pub(crate) fn open(&mut self, now: Instant) {
        self.due = None;
        for account in self.accounts.values_mut() {
            account.open(now);
        }
    }

    /// Everything that waits is asked.
    pub(crate) fn reopen(&mut self) {
        self.due = None;
        for account in self.accounts.values_mut() {
            account.reopen();
        }
        let parked = std::mem::take(&mut self.parked);
        let all = parked
            .into_iter()
            .map(|(_, n, flow)| (Instant::default(), n, flow));
        self.parked = all.collect();
    }

    /// When somebody may pass who cannot now.
    pub(crate) fn due(&self) -> Instant {
        let parked = self.parked.first().map(|(due, ..)| *due);
        let first = parked.into_iter().chain(self.due).min();
        first.unwrap_or(Instant::NEVER)
    }

    /// The target that was served first the last time.
    pub(crate) fn first(&self) -> Option<TargetId> {
        self.first
    }

    /// This one was.
    pub(crate) fn set_first(&mut self, target: TargetId) {
        self.first = Some(target);
    }

    /// Peers that may have a limit over all exports.
    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.among.keys().copied()
    }

    /// All limits in force.
    pub(crate) fn all(&self) -> impl Iterator<Item = Limited> {
        self.accounts.keys().copied()
    }

    /// A limit as data, while so many wait for it; `None` if there is none.
    pub(crate) fn row(&self, whom: Limited, waiting: u64) -> Option<snapshot::Limit> {
        let from = match self.live.contains_key(&whom) {
            true => "live",
            false => "file",
        };
        Some(self.accounts.get(&whom)?.row(from, waiting))
    }
}

#[cfg(test)]
mod tests;
