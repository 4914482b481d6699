//! Whether a target is the disk it was, and the only one that says it is.
//!
//! A target that comes up, or announces itself, may be another disk than before: nothing is sent to it until its
//! IDENTIFY was compared. The first identity is the one that counts, for as long as the process lives. One that never
//! answers IDENTIFY cannot be compared, and is used all the same.
//!
//! A second station that answers for it is asked too: another port of the same disk is no danger.

use std::time::Duration;

use crate::frame::MacAddr;
use crate::time::Instant;
use crate::tunnel::update::Identity;

/// How long an answer to IDENTIFY is waited for, at least.
const ANSWER: Duration = Duration::from_millis(250);
/// Questions in vain after which a target that never answered one is used without.
const TRIES: u8 = 4;
/// How often it is asked without a reason.
const EVERY: Duration = Duration::from_secs(60);
/// How often it is asked while it does not answer that.
const AGAIN: Duration = Duration::from_secs(5);
/// A second station that has not shown by then that it is the same disk is another one.
const PROOF: Duration = Duration::from_secs(3);
/// A second station that has been silent for this long, three questions to everybody, is gone.
const GONE: Duration = Duration::from_secs(20);

/// What is known of a target's identity.
#[derive(Debug)]
pub(crate) struct Recognition {
    known: Option<Identity>,
    /// What it said last, if that is something else.
    found: Option<Identity>,
    trust: Trust,
    /// Until when the answer to a question is waited for.
    asked: Option<Instant>,
    ask_at: Instant,
    unanswered: u8,
    second: Option<Second>,
}

/// Whether requests may go to whoever answers now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// It has to be asked first.
    Open,
    /// It has been asked, or never answers.
    Settled,
}

#[derive(Debug)]
struct Second {
    mac: MacAddr,
    since: Instant,
    heard: Instant,
    asked: Option<Instant>,
    same: bool,
}

/// Why writes may hit the wrong disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// Another disk answers for the target.
    Changed { known: Identity, found: Identity },
    /// Two do.
    Second(MacAddr),
}

impl Recognition {
    pub(crate) fn new(now: Instant) -> Recognition {
        Recognition {
            known: None,
            found: None,
            trust: Trust::Open,
            asked: None,
            ask_at: now,
            unanswered: 0,
            second: None,
        }
    }

    /// The identity to tell of.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.found.or(self.known)
    }

    /// Whether requests may be sent.
    pub(crate) fn is_settled(&self) -> bool {
        self.trust == Trust::Settled
    }

    /// It came to life or announced itself: it may be another one.
    pub(crate) fn doubt(&mut self, now: Instant) {
        if self.known.is_none() && self.unanswered >= TRIES {
            return;
        }
        self.trust = Trust::Open;
        if self.asked.is_none() {
            self.ask_at = now;
        }
    }

    /// Whether it has to be asked now.
    pub(crate) fn wants_answer(&self, now: Instant) -> bool {
        self.asked.is_none() && now >= self.ask_at
    }

    /// Whether an answer is waited for.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// It is being asked; with what it has in front of it an answer may take `usual`.
    pub(crate) fn asked(&mut self, now: Instant, usual: Duration) {
        self.asked = Some(now + usual.max(ANSWER));
    }

    /// Whether a question has just been given up.
    pub(crate) fn gave_up(&mut self, now: Instant) -> bool {
        let late = self.asked.is_some_and(|until| now >= until);
        if late {
            self.asked = None;
            self.unanswered = self.unanswered.saturating_add(1);
            let (wait, settled) = match (self.unanswered < TRIES, self.known) {
                (true, _) => (Duration::ZERO, false),
                (false, Some(_)) => (AGAIN, false),
                (false, None) => (EVERY, true),
            };
            self.ask_at = now + wait;
            if settled {
                self.trust = Trust::Settled;
            }
        }
        late
    }

    /// It is gone; whether a question was under way.
    pub(crate) fn forget_question(&mut self) -> bool {
        self.asked.take().is_some()
    }

    /// It said who it is; false if it was not asked.
    pub(crate) fn answered(&mut self, identity: Option<Identity>, now: Instant) -> bool {
        if self.asked.take().is_none() {
            return false;
        }
        self.unanswered = 0;
        self.ask_at = now + EVERY;
        self.trust = Trust::Settled;
        if let Some(identity) = identity {
            let known = *self.known.get_or_insert(identity);
            self.found = Some(identity).filter(|found| *found != known);
        }
        true
    }

    /// When there is something to do.
    pub(crate) fn deadline(&self) -> Instant {
        match self.asked {
            Some(until) => until,
            None => self.ask_at,
        }
    }

    /// A second station answers; whether to ask it who it is.
    pub(crate) fn second(&mut self, mac: MacAddr, now: Instant) -> bool {
        let second = match &mut self.second {
            Some(second) if second.mac == mac => second,
            other => other.insert(Second {
                mac,
                since: now,
                heard: now,
                asked: None,
                same: false,
            }),
        };
        second.heard = now;
        let ask = second
            .asked
            .is_none_or(|asked| now.saturating_since(asked) >= Duration::from_secs(1));
        if ask {
            second.asked = Some(now);
        }
        ask
    }

    /// The second station said who it is; false if it was not asked.
    pub(crate) fn second_answered(&mut self, mac: MacAddr, identity: Option<Identity>) -> bool {
        let known = self.known;
        match self.second.as_mut().filter(|second| second.mac == mac) {
            Some(second) => {
                second.same = identity.is_some() && identity == known;
                true
            }
            None => false,
        }
    }

    /// What is wrong, if anything is.
    pub(crate) fn conflict(&self, now: Instant) -> Option<Conflict> {
        if let (Some(known), Some(found)) = (self.known, self.found) {
            return Some(Conflict::Changed { known, found });
        }
        let second = self.second.as_ref()?;
        let lasts = now.saturating_since(second.heard) < GONE;
        let proven = now.saturating_since(second.since) >= PROOF;
        (lasts && proven && !second.same).then_some(Conflict::Second(second.mac))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([4; 6]);

    fn identity(size: u64) -> Option<Identity> {
        Some(Identity { size, digest: [1; 8] })
    }

    fn known(now: Instant) -> Recognition {
        let mut recognition = Recognition::new(now);
        assert!(recognition.wants_answer(now) && !recognition.is_settled());
        recognition.asked(now, Duration::ZERO);
        assert!(recognition.answered(identity(8), now) && recognition.is_settled());
        recognition
    }

    #[test]
    fn another_disk_is_a_conflict_until_the_first_returns() {
        let now = Instant::default();
        let mut target = known(now);
        assert!(!target.wants_answer(now) && target.wants_answer(now + EVERY));
        for (size, conflict) in [(8, false), (9, true), (9, true), (8, false)] {
            target.doubt(now);
            assert!(!target.is_settled() && target.wants_answer(now));
            target.asked(now, Duration::ZERO);
            assert!(target.answered(identity(size), now));
            assert_eq!(target.conflict(now).is_some(), conflict, "{size}");
        }
        assert!(!target.answered(identity(9), now), "nobody asked");
        assert_eq!(target.conflict(now), None);
    }

    #[test]
    fn one_that_never_says_who_it_is_is_used_and_one_that_did_is_not_without_it() {
        let mut now = Instant::default();
        let fail = |target: &mut Recognition, now: &mut Instant| {
            for _ in 0..TRIES {
                assert!(target.wants_answer(*now));
                target.asked(*now, Duration::ZERO);
                assert!(!target.gave_up(*now));
                *now = target.deadline();
                assert!(target.gave_up(*now));
            }
        };
        let mut silent = Recognition::new(now);
        fail(&mut silent, &mut now);
        assert!(silent.is_settled() && silent.deadline() == now + EVERY);
        silent.doubt(now);
        assert!(silent.is_settled(), "it cannot be compared");
        let mut target = known(now);
        target.doubt(now);
        fail(&mut target, &mut now);
        assert!(!target.is_settled());
    }

    #[test]
    fn a_second_station_has_to_show_that_it_is_the_same_disk() {
        let now = Instant::default();
        let mut target = known(now);
        assert!(target.second(MAC, now) && !target.second(MAC, now));
        assert_eq!(target.conflict(now), None, "it may yet");
        assert_eq!(target.conflict(now + PROOF), Some(Conflict::Second(MAC)));
        assert!(target.second_answered(MAC, identity(8)));
        assert_eq!(target.conflict(now + PROOF), None);
        assert!(target.second_answered(MAC, identity(9)));
        assert_eq!(target.conflict(now + PROOF), Some(Conflict::Second(MAC)));
        assert_eq!(target.conflict(now + GONE), None, "it is gone");
        assert!(!target.second_answered(MacAddr([6; 6]), identity(8)));
    }
}
