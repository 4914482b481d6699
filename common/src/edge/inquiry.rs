//! Imports whose peer has not said how their export is: it is asked.
//!
//! A peer tells its exports when a session begins and when they change. An import that is added later missed that, so the
//! peer is asked to tell everything again; and so is a peer that says nothing although it should.

use std::time::Duration;

use crate::time::Instant;

/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_secs(1);
/// Of the updates that come after a question, so many may have been made before the peer read it: one is under way at a
/// time.
const UNDER_WAY: u32 = 1;

/// What an import has heard of its peer, and when to ask.
#[derive(Debug)]
pub(super) struct Inquiry {
    heard: Heard,
    ask_at: Option<Instant>,
}

/// Which updates an import has heard: what they do not tell is not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// All of this process of the peer.
    All,
    /// Not the first ones, and the peer was not asked.
    Some,
    /// The peer was asked to tell all again when this was its newest update.
    Asked(u32),
}

impl Inquiry {
    /// Of an import that is there before its peer says anything.
    pub(super) fn from_the_start() -> Inquiry {
        Inquiry {
            heard: Heard::All,
            ask_at: None,
        }
    }

    /// Of an import that is added when the peer's newest update is this; 0: there was none.
    pub(super) fn since(newest: u32) -> Inquiry {
        Inquiry {
            heard: if newest == 0 { Heard::All } else { Heard::Some },
            ask_at: None,
        }
    }

    /// Whether the peer has told all, when this update, with which it says so, has come.
    pub(super) fn is_complete(&self, update: u32) -> bool {
        match self.heard {
            Heard::All => true,
            Heard::Some => false,
            Heard::Asked(newest) => update > newest.saturating_add(UNDER_WAY),
        }
    }

    /// Whether the peer can be asked now and owes an answer.
    pub(super) fn expect(&mut self, owed: bool, now: Instant) {
        let patience = match self.heard {
            Heard::Some => Duration::ZERO,
            Heard::All | Heard::Asked(_) => ANSWER,
        };
        self.ask_at = owed.then(|| self.ask_at.unwrap_or(now + patience));
    }

    /// The peer is asked now.
    pub(super) fn ask(&mut self, newest: u32, now: Instant) {
        if self.heard == Heard::Some {
            self.heard = Heard::Asked(newest);
        }
        self.ask_at = Some(now + ANSWER);
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.ask_at.is_some_and(|at| now >= at)
    }

    /// Whether an answer is owed.
    pub(super) fn is_owed(&self) -> bool {
        self.ask_at.is_some()
    }

    /// When to ask.
    pub(super) fn deadline(&self) -> Instant {
        self.ask_at.unwrap_or(Instant::NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_that_was_under_way_is_no_answer() {
        let now = Instant::default();
        let mut inquiry = Inquiry::since(7);
        assert!(!inquiry.is_complete(8) && inquiry.deadline() == Instant::NEVER);
        inquiry.expect(true, now);
        assert!(inquiry.is_due(now));
        inquiry.ask(7, now);
        assert!(!inquiry.is_complete(8) && inquiry.is_complete(9));
        assert_eq!(inquiry.deadline(), now + ANSWER);
        inquiry.ask(8, now + ANSWER);
        assert!(
            inquiry.is_complete(9),
            "the first question may have been answered"
        );
        inquiry.expect(false, now);
        assert_eq!(inquiry.deadline(), Instant::NEVER);
    }

    #[test]
    fn who_has_heard_everything_waits_before_he_asks() {
        let now = Instant::default();
        for mut inquiry in [Inquiry::from_the_start(), Inquiry::since(0)] {
            assert!(inquiry.is_complete(1));
            inquiry.expect(true, now);
            inquiry.expect(true, now + ANSWER / 2);
            assert!(!inquiry.is_due(now) && inquiry.is_due(now + ANSWER));
            inquiry.ask(3, now + ANSWER);
            assert!(inquiry.is_complete(1) && !inquiry.is_due(now + ANSWER));
        }
    }
}
