//! When anything of a peer is due.

use std::time::Duration;

use super::{ASK_AFTER, LOST_AFTER, Link, REDIAL_AFTER};
use crate::config::Endpoint;
use crate::output::Path;
use crate::time::Instant;
use crate::tunnel::sessions::CONFIRM_WITHIN;

/// First wait between two calls; doubles up to [`DIAL_LONGEST`].
const DIAL_FIRST: Duration = Duration::from_secs(1);
const DIAL_LONGEST: Duration = Duration::from_secs(5);
/// How often a peer is asked whose clock we do not know yet, or whose requests look too old.
const FIRST_READING_EVERY: Duration = Duration::from_millis(250);
/// How often a peer that requests or replies go to is asked for its clock.
const READING_EVERY: Duration = Duration::from_secs(1);

impl Link {
    /// Whether a call should be started now.
    pub(crate) fn wants_dial(&self, now: Instant) -> bool {
        if self.dialing.is_some() || self.ways().next().is_none() {
            return false;
        }
        match &self.sessions.current {
            None => self.endpoint == Endpoint::Known,
            Some(session) => now >= session.rekey_at() || session.is_worn() || self.is_silent(now),
        }
    }

    /// When there is something to report, or to ask about.
    pub(crate) fn repair_at(&self) -> Instant {
        self.repair
            .report_at(self.ask_at())
            .min(self.repair.probe_at(self.clock.round_trip()))
    }

    /// When the next ping is due.
    pub(crate) fn ping_at(&self, keepalive: Duration) -> Instant {
        let mut at = self.last_received.max(self.last_ping) + keepalive;
        if let Some(since) = self.owes_since {
            at = at.min(since.max(self.last_ping) + ASK_AFTER);
        }
        if self.clock.wants_reading() || !self.path_mtu.is_proven() {
            at = at.min(self.last_ping + FIRST_READING_EVERY);
        } else if self.busy {
            at = at.min(self.last_ping + READING_EVERY);
        }
        at
    }

    /// Where call number `attempt` goes: to one way after the other. If a session fell silent, its way is in doubt but
    /// not given up, and the first call goes by all of them.
    pub(crate) fn calling(&self, attempt: u32, now: Instant) -> impl Iterator<Item = Path> {
        let first = (attempt as usize).checked_rem(self.ways().count()).unwrap_or(0);
        let all = attempt == 0 && self.is_silent(now);
        self.ways().skip(first).take(if all { usize::MAX } else { 1 })
    }

    /// How long to wait for the answer to call number `attempt`: longer after each round of all ways.
    pub(crate) fn dial_wait(&self, attempt: u32) -> Duration {
        let round = attempt as usize / self.ways().count().max(1);
        let doubled = u32::try_from(round).unwrap_or(u32::MAX).min(4);
        (DIAL_FIRST * 2u32.pow(doubled)).min(DIAL_LONGEST)
    }

    /// Whether the peer owes us an answer for so long that it is called again.
    fn is_silent(&self, now: Instant) -> bool {
        self.owes_since
            .is_some_and(|since| now.saturating_since(since) >= REDIAL_AFTER)
    }

    /// When there is a missing record to ask for.
    pub(crate) fn ask_at(&self) -> Instant {
        let next = self.sessions.next.as_ref().map(|next| &next.session);
        [
            self.sessions.current.as_ref(),
            self.sessions.previous.as_ref(),
            next,
        ]
        .into_iter()
        .flatten()
        .map(|session| session.gaps.deadline())
        .min()
        .unwrap_or(Instant::NEVER)
    }

    /// The next moment at which something is due.
    pub(crate) fn deadline(&self, keepalive: Duration) -> Instant {
        let mut at = self.reassembly.deadline();
        if let Some(dialing) = &self.dialing {
            at = at.min(dialing.again_at);
        }
        if let Some(next) = &self.sessions.next {
            at = at.min(next.at + CONFIRM_WITHIN);
        }
        if let Some(previous) = &self.sessions.previous {
            at = at.min(previous.ends_at());
        }
        let Some(current) = &self.sessions.current else {
            return at;
        };
        at = at.min(current.ends_at()).min(self.ping_at(keepalive));
        // What cannot be sealed any more is not waited for.
        if self.path.is_some() && current.is_usable(current.since()) {
            at = at.min(self.repair_at()).min(self.path_mtu.deadline());
        }
        if self.dialing.is_none() {
            at = at.min(current.rekey_at());
        }
        if let Some(since) = self.owes_since {
            at = at.min(since + LOST_AFTER);
            if self.dialing.is_none() {
                at = at.min(since + REDIAL_AFTER);
            }
        }
        if let Some(update) = &self.outgoing {
            at = at.min(update.again_at);
        }
        at
    }
}
