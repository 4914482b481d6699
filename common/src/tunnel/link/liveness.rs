//! Whether a peer answers, and when it is asked.

use std::time::Duration;

use crate::time::Instant;
use crate::tunnel::timing::{ASK_AFTER, LOST_AFTER, REDIAL_AFTER};

/// How often a peer is asked whose clock we do not know yet, or whose requests look too old.
const FIRST_READING_EVERY: Duration = Duration::from_millis(250);
/// How often a peer that requests or replies go to is asked for its clock.
const READING_EVERY: Duration = Duration::from_secs(1);

/// When a peer was heard and asked.
pub(crate) struct Liveness {
    received_at: Instant,
    pinged_at: Instant,
    /// Whether requests or replies went to it since the last ping.
    is_busy: bool,
    /// Since when it owes us an answer.
    owes_since: Option<Instant>,
}

impl Liveness {
    pub(super) fn new(now: Instant) -> Liveness {
        Liveness {
            received_at: now,
            pinged_at: now,
            is_busy: false,
            owes_since: None,
        }
    }

    /// It was heard.
    pub(crate) fn heard(&mut self, now: Instant) {
        (self.received_at, self.owes_since) = (now, None);
    }

    /// A ping goes out, or would if it could.
    pub(crate) fn pinged(&mut self, now: Instant) {
        (self.pinged_at, self.is_busy) = (now, false);
    }

    /// It owes us an answer from now on. False: it did before.
    pub(crate) fn owes(&mut self, now: Instant) -> bool {
        let first = self.owes_since.is_none();
        self.owes_since.get_or_insert(now);
        first
    }

    /// It owes us nothing: it is gone.
    pub(crate) fn forgive(&mut self) {
        self.owes_since = None;
    }

    /// Requests or replies go to it. False: they did before.
    pub(crate) fn works(&mut self) -> bool {
        !std::mem::replace(&mut self.is_busy, true)
    }

    /// For how long it has owed us an answer.
    pub(crate) fn owed_for(&self, now: Instant) -> Duration {
        self.owes_since
            .map_or(Duration::ZERO, |since| now.saturating_since(since))
    }

    /// Whether it has owed us an answer for so long that it is called again.
    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        self.owed_for(now) >= REDIAL_AFTER
    }

    /// When the next ping is due. `wants_reading`: there is something to learn by it.
    pub(super) fn ping_at(&self, keepalive: Duration, wants_reading: bool) -> Instant {
        let mut at = self.received_at.max(self.pinged_at) + keepalive;
        if let Some(since) = self.owes_since {
            at = at.min(since.max(self.pinged_at) + ASK_AFTER);
        }
        if wants_reading {
            at = at.min(self.pinged_at + FIRST_READING_EVERY);
        } else if self.is_busy {
            at = at.min(self.pinged_at + READING_EVERY);
        }
        at
    }

    /// When its silence means something more. `is_called`: it is being called already.
    pub(super) fn deadline(&self, is_called: bool) -> Instant {
        let Some(since) = self.owes_since else {
            return Instant::NEVER;
        };
        since + if is_called { LOST_AFTER } else { REDIAL_AFTER }
    }
}
