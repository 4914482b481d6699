//! What was taken away from peers, until each of them knows.
//!
//! A peer that knows an export is told that it is withdrawn, and why: again in each session, until it acknowledges
//! it. For a while after that requests are on the way that it sent before; they are known here as late, not as forbidden.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::{ExportId, PeerId};
use crate::export::Withdrawn;
use crate::time::Instant;

/// Requests that were sent before the peer knew have arrived by then, or are too old (`max_age` is 10 s at most).
const LATE: Duration = Duration::from_secs(15);

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Withdrawals(BTreeMap<(PeerId, ExportId), Withdrawal>);

#[derive(Debug)]
struct Withdrawal {
    why: Withdrawn,
    told: Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    No,
    /// It is in the update that is under way.
    Sent,
    Acknowledged(Instant),
}

impl Withdrawals {
    /// An export is withdrawn from a peer that knows it.
    pub(crate) fn note(&mut self, peer: PeerId, export: ExportId, why: Withdrawn) {
        let told = Told::No;
        self.0.insert((peer, export), Withdrawal { why, told });
    }

    /// The peer may use the export again. Whether it was withdrawn.
    pub(crate) fn cancel(&mut self, peer: PeerId, export: ExportId) -> bool {
        self.0.remove(&(peer, export)).is_some()
    }

    /// Whether the export was withdrawn from the peer so lately that it may not know.
    pub(crate) fn has(&self, peer: PeerId, export: ExportId) -> bool {
        self.0.contains_key(&(peer, export))
    }

    /// Whether there is a peer that does not know yet that this export is withdrawn.
    pub(crate) fn is_untold(&self, export: ExportId) -> bool {
        let open = |told| !matches!(told, Told::Acknowledged(_));
        self.0
            .iter()
            .any(|((_, of), one)| *of == export && open(one.told))
    }

    /// Peers that have to be told.
    pub(crate) fn uninformed(&self) -> impl Iterator<Item = PeerId> {
        let open = self.0.iter().filter(|(_, one)| one.told == Told::No);
        open.map(|((peer, _), _)| *peer)
    }

    /// The next one that a peer has to be told; it counts as sent.
    pub(crate) fn news(&mut self, peer: PeerId) -> Option<(ExportId, Withdrawn)> {
        let mut theirs = self.theirs(peer);
        let (export, one) = theirs.find(|(_, one)| one.told == Told::No)?;
        one.told = Told::Sent;
        Some((export, one.why))
    }

    /// The peer has acknowledged what was sent.
    pub(crate) fn acknowledged(&mut self, peer: PeerId, now: Instant) {
        for (_, one) in self.theirs(peer).filter(|(_, one)| one.told == Told::Sent) {
            one.told = Told::Acknowledged(now);
        }
    }

    /// The peer has a new session: what it has not acknowledged is sent again.
    pub(crate) fn repeat(&mut self, peer: PeerId) {
        for (_, one) in self.theirs(peer).filter(|(_, one)| one.told == Told::Sent) {
            one.told = Told::No;
        }
    }

    /// The peer process is another one, which knows nothing, or the peer has gone.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.0.retain(|(of, _), _| *of != peer);
    }

    /// Forgets what every peer has known for long.
    pub(crate) fn expire(&mut self, now: Instant) {
        let lasts = |told| !matches!(told, Told::Acknowledged(at) if now.saturating_since(at) >= LATE);
        self.0.retain(|_, one| lasts(one.told));
    }

    /// Whether [`expire`](Self::expire) will have something to do.
    pub(crate) fn expires(&self) -> bool {
        let known = |one: &Withdrawal| matches!(one.told, Told::Acknowledged(_));
        self.0.values().any(known)
    }

    fn theirs(&mut self, peer: PeerId) -> impl Iterator<Item = (ExportId, &mut Withdrawal)> {
        let (first, last) = (ExportId(0), ExportId(u16::MAX));
        let theirs = self.0.range_mut((peer, first)..=(peer, last));
        theirs.map(|((_, export), one)| (*export, one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerId = PeerId(3);
    const OTHER: PeerId = PeerId(4);
    const DISK: ExportId = ExportId(7);

    #[test]
    fn a_peer_is_told_once_a_session_until_it_acknowledges() {
        let (mut withdrawals, now) = (Withdrawals::default(), Instant::default());
        withdrawals.note(PEER, DISK, Withdrawn::NotAllowed);
        withdrawals.note(OTHER, DISK, Withdrawn::NotExported);
        assert_eq!(withdrawals.uninformed().collect::<Vec<_>>(), [PEER, OTHER]);
        for _ in 0..3 {
            assert_eq!(withdrawals.news(PEER), Some((DISK, Withdrawn::NotAllowed)));
            assert_eq!(withdrawals.news(PEER), None);
            withdrawals.repeat(PEER);
        }
        withdrawals.acknowledged(PEER, now);
        assert!(withdrawals.news(PEER).is_some(), "that was not under way");
        withdrawals.acknowledged(PEER, now);
        withdrawals.repeat(PEER);
        assert_eq!(withdrawals.news(PEER), None);
        assert!(withdrawals.is_untold(DISK), "the other does not know");
        withdrawals.forget(OTHER);
        assert!(!withdrawals.is_untold(DISK) && withdrawals.has(PEER, DISK));
        withdrawals.expire(now + LATE / 2);
        assert!(withdrawals.has(PEER, DISK) && withdrawals.expires());
        withdrawals.expire(now + LATE);
        assert!(!withdrawals.has(PEER, DISK) && !withdrawals.expires());
    }

    #[test]
    fn what_is_given_back_is_not_told() {
        let mut withdrawals = Withdrawals::default();
        withdrawals.note(PEER, DISK, Withdrawn::NotAllowed);
        assert!(withdrawals.cancel(PEER, DISK) && !withdrawals.cancel(PEER, DISK));
        assert_eq!(withdrawals.news(PEER), None);
    }
}
