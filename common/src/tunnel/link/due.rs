//! When anything of a peer is due.

use std::time::Duration;

use super::Link;
use crate::config::Endpoint;
use crate::output::Path;
use crate::time::Instant;
use crate::tunnel::handshake::Dial;
use crate::tunnel::timing::CONFIRM_WITHIN;

/// First wait between two calls; doubles up to [`DIAL_LONGEST`].
const DIAL_FIRST: Duration = Duration::from_secs(1);
const DIAL_LONGEST: Duration = Duration::from_secs(5);
impl Link {
    /// Whether a call should be started now.
    pub(crate) fn wants_dial(&self, now: Instant) -> bool {
        if self.is_taken_down || self.handshakes.dialing.is_some() || self.path.ways().next().is_none() {
            return false;
        }
        match &self.sessions.current {
            None => self.path.endpoint == Endpoint::Known,
            Some(session) => now >= session.rekey_at() || session.is_worn() || self.liveness.is_silent(now),
        }
    }

    /// When there is something to report, or to ask about.
    pub(crate) fn repair_at(&self) -> Instant {
        self.repair
            .news
            .due_at(self.ask_at())
            .min(self.repair.sent.probe_at(self.path.clock.round_trip()))
    }

    /// When the next ping is due.
    pub(crate) fn ping_at(&self, keepalive: Duration) -> Instant {
        let wants_reading = self.path.clock.wants_reading() || !self.path.mtu.is_proven();
        self.liveness.ping_at(keepalive, wants_reading)
    }

    /// Where call number `attempt` goes: to one way after the other. If a session fell silent, its way is in doubt but
    /// not given up, and the first call goes by all of them.
    pub(crate) fn calling(&self, attempt: u32, now: Instant) -> impl Iterator<Item = Path> {
        let first = (attempt as usize)
            .checked_rem(self.path.ways().count())
            .unwrap_or(0);
        let all = attempt == 0 && self.liveness.is_silent(now);
        self.path
            .ways()
            .skip(first)
            .take(if all { usize::MAX } else { 1 })
    }

    /// How long to wait for the answer to call number `attempt`: longer after each round of all ways.
    pub(crate) fn dial_wait(&self, attempt: u32) -> Duration {
        let round = attempt as usize / self.path.ways().count().max(1);
        let doubled = u32::try_from(round).unwrap_or(u32::MAX).min(4);
        (DIAL_FIRST * 2u32.pow(doubled)).min(DIAL_LONGEST)
    }

    /// When there is a missing record to ask for.
    pub(crate) fn ask_at(&self) -> Instant {
        let due = self.sessions.all().map(|session| session.gaps.deadline());
        due.min().unwrap_or(Instant::NEVER)
    }

    /// The next moment at which something is due.
    pub(crate) fn deadline(&self, keepalive: Duration) -> Instant {
        let mut at = self.reassembly.deadline();
        if let Some(dialing) = &self.handshakes.dialing {
            at = at.min(dialing.again_at);
            at = at.min(dialing.dial.as_ref().map_or(Instant::NEVER, Dial::again_at));
        }
        if let Some(next) = &self.sessions.next {
            at = at.min(next.at + CONFIRM_WITHIN).min(next.session.trusted_until);
        }
        if let Some(previous) = &self.sessions.previous {
            at = at.min(previous.ends_at()).min(previous.trusted_until);
        }
        let Some(current) = &self.sessions.current else {
            return at;
        };
        at = at
            .min(current.ends_at())
            .min(current.trusted_until)
            .min(self.ping_at(keepalive));
        // What cannot be sealed any more is not waited for.
        if self.path.address.is_some() && current.is_usable(current.since()) {
            at = at.min(self.repair_at()).min(self.path.mtu.deadline());
        }
        if self.handshakes.dialing.is_none() {
            at = at.min(current.rekey_at());
        }
        at.min(self.liveness.deadline(self.handshakes.dialing.is_some()))
            .min(self.updates.deadline())
            .min(self.key_talk.deadline())
            .min(self.chain.deadline())
    }
}
