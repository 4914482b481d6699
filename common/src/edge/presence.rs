//! Whether somebody else answers for an address that we present, or would.
//!
//! The Linux driver takes everybody who answers for a shelf.slot for one more way to the same disk, and spreads its
//! requests over them. So the segment is asked before an address is presented, and now and then afterwards.

use std::time::Duration;

use crate::config::OnConflict;
use crate::frame::MacAddr;
use crate::time::Instant;

/// How long an answer is waited for before the address is presented.
const ANSWER: Duration = Duration::from_millis(100);
/// How often the segment is asked.
const EVERY: Duration = Duration::from_secs(60);
/// How often while somebody else is there.
const EVERY_IN_CONFLICT: Duration = Duration::from_secs(10);
/// Somebody who has been silent for this long, three questions, is gone.
const GONE: Duration = Duration::from_secs(35);

/// What is known about others at one address.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// When the segment was first asked, of the time in which the import can be used.
    asked: Option<Instant>,
    ask_at: Option<Instant>,
    /// Who else answered last, and when.
    heard: Option<(Instant, MacAddr)>,
}

impl Presence {
    /// The import can be used: whether to ask the segment now, before anything else.
    pub(crate) fn begin(&mut self, now: Instant) -> bool {
        let first = self.asked.is_none();
        if first {
            self.asked = Some(now);
            self.ask_at = Some(now + self.every());
        }
        first
    }

    /// The import cannot be used any more.
    pub(crate) fn end(&mut self) {
        self.asked = None;
        self.ask_at = None;
    }

    /// Whether the address may be presented.
    pub(crate) fn is_free(&self, on_conflict: OnConflict, now: Instant) -> bool {
        let waited = self.asked.is_some_and(|asked| now >= asked + ANSWER);
        waited && (on_conflict == OnConflict::Alarm || !self.is_disputed())
    }

    /// Somebody else answered for it. Whether that is new.
    pub(crate) fn heard(&mut self, mac: MacAddr, now: Instant) -> bool {
        let new = self.heard.replace((now, mac)).is_none();
        if new && self.ask_at.is_some() {
            self.ask_at = Some(now + EVERY_IN_CONFLICT);
        }
        new
    }

    /// Who else is there.
    pub(crate) fn other(&self) -> Option<MacAddr> {
        self.heard.map(|(_, mac)| mac)
    }

    /// Whether somebody else is there.
    pub(crate) fn is_disputed(&self) -> bool {
        self.heard.is_some()
    }

    /// Whether somebody else who was there has just been given up.
    pub(crate) fn is_gone(&mut self, now: Instant) -> bool {
        self.heard.take_if(|(heard, _)| now >= *heard + GONE).is_some()
    }

    /// Whether to ask the segment again now.
    pub(crate) fn asks(&mut self, now: Instant) -> bool {
        let due = self.ask_at.is_some_and(|at| now >= at);
        if due {
            self.ask_at = Some(now + self.every());
        }
        due
    }

    /// When there is something to do.
    pub(crate) fn deadline(&self, now: Instant) -> Instant {
        let answer = self.asked.map(|asked| asked + ANSWER).filter(|at| *at > now);
        let gone = self.heard.map(|(heard, _)| heard + GONE);
        let next = [answer, gone, self.ask_at].into_iter().flatten().min();
        next.unwrap_or(Instant::NEVER)
    }

    fn every(&self) -> Duration {
        if self.is_disputed() {
            EVERY_IN_CONFLICT
        } else {
            EVERY
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

    #[test]
    fn the_segment_is_asked_before_an_address_is_presented() {
        let now = Instant::default();
        let mut presence = Presence::default();
        assert!(!presence.is_free(OnConflict::Alarm, now));
        assert!(presence.begin(now) && !presence.begin(now));
        assert!(!presence.is_free(OnConflict::Stop, now));
        assert_eq!(presence.deadline(now), now + ANSWER);
        assert!(presence.is_free(OnConflict::Stop, now + ANSWER));
        assert_eq!(presence.deadline(now + ANSWER), now + EVERY);
        presence.end();
        assert!(!presence.is_free(OnConflict::Stop, now + EVERY));
        assert_eq!(presence.deadline(now), Instant::NEVER);
    }

    #[test]
    fn somebody_else_keeps_it_from_being_presented_until_he_is_gone() {
        let now = Instant::default();
        let mut presence = Presence::default();
        presence.begin(now);
        assert!(presence.heard(ONE, now) && !presence.heard(OTHER, now));
        assert_eq!(presence.other(), Some(OTHER));
        let later = now + ANSWER;
        assert!(presence.is_free(OnConflict::Alarm, later) && !presence.is_free(OnConflict::Stop, later));
        assert!(presence.asks(now + EVERY_IN_CONFLICT) && !presence.asks(now + EVERY_IN_CONFLICT));
        assert!(!presence.is_gone(later) && presence.is_gone(now + GONE));
        assert!(presence.is_free(OnConflict::Stop, now + GONE));
        assert_eq!(presence.other(), None);
        assert!(presence.heard(ONE, now + GONE));
    }
}
