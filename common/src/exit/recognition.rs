//! Whether a target is the disk it was, and the only one that says it is.
//!
//! A target that comes up, or announces itself, may be another disk than before: nothing is sent to it until its
//! IDENTIFY was compared. The disk that is remembered from before the start counts, else the first that answers. One
//! that never answers IDENTIFY cannot be compared, and is used all the same. A disk that only grew is the same disk.
//!
//! A second station that answers for it is asked too: another port of the same disk is no danger, and if the first is
//! another disk than at first, the second may be the right one.

use std::time::Duration;

use crate::disk::Disk;
use crate::frame::MacAddr;
use crate::time::Instant;

/// How long an answer to IDENTIFY is waited for, at least.
const ANSWER: Duration = Duration::from_millis(250);
/// Unanswered questions after which a target that never answered one is used without.
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
    known: Option<Disk>,
    /// What it said last, if that is something else.
    found: Option<Disk>,
    trust: Trust,
    /// Until when the answer to a question is waited for.
    asked: Option<Instant>,
    ask_at: Instant,
    unanswered: u8,
    second: Option<Second>,
}

/// Whether requests may go to the station that answers now.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// Another disk answers for the target.
    Changed { known: Disk, found: Disk },
    /// Two do.
    Second(MacAddr),
}

/// What an answer to IDENTIFY told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nobody asked.
    Unasked,
    /// Whether it is the one it was; nothing that has to be remembered.
    Compared,
    /// This disk is the one from now on.
    First,
    /// The disk has more sectors than before.
    Grown { was: u64 },
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

    /// The disk that is there, if it has said so.
    pub(crate) fn disk(&self) -> Option<&Disk> {
        self.found.as_ref().or(self.known.as_ref())
    }

    /// The disk that is expected to be there; `None`: the next one that says which it is will be.
    pub(crate) fn expected(&self) -> Option<&Disk> {
        self.known.as_ref()
    }

    /// The disk is this one, and no other is taken for it.
    pub(crate) fn remember(&mut self, disk: Disk) {
        self.known = Some(disk);
    }

    /// The disk that is there is the right one; if it has not said which it is, the next one that does so is. Returns
    /// the one it is.
    pub(crate) fn accept(&mut self, now: Instant) -> Option<&Disk> {
        self.known = self.found.take();
        if self.known.is_none() {
            self.doubt(now);
        }
        self.known.as_ref()
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
            let (wait, settled) = match (self.unanswered < TRIES, &self.known) {
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

    /// It said who it is.
    pub(crate) fn answered(&mut self, disk: Option<Disk>, now: Instant) -> Answer {
        if self.asked.take().is_none() {
            return Answer::Unasked;
        }
        self.unanswered = 0;
        self.ask_at = now + EVERY;
        self.trust = Trust::Settled;
        let Some(disk) = disk else {
            return Answer::Compared;
        };
        let answer = match &self.known {
            None => Answer::First,
            Some(known) if disk.is_grown(known) => Answer::Grown { was: known.size },
            Some(known) => {
                self.found = Some(disk).filter(|found| found != known);
                return Answer::Compared;
            }
        };
        self.found = None;
        self.known = Some(disk);
        answer
    }

    /// When there is something to do.
    pub(crate) fn deadline(&self) -> Instant {
        match self.asked {
            Some(until) => until,
            None => self.ask_at,
        }
    }

    /// A second station answers; whether to ask it who it is. Of several, the first that has not shown that it is the
    /// same disk is watched until it is gone: they must not hide each other.
    pub(crate) fn second(&mut self, mac: MacAddr, now: Instant) -> bool {
        let second = match &mut self.second {
            Some(second) if second.mac == mac => second,
            Some(second) if !second.same && now.saturating_since(second.heard) < GONE => return false,
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
    pub(crate) fn second_answered(&mut self, mac: MacAddr, disk: Option<&Disk>) -> bool {
        let known = self.known.as_ref();
        match self.second.as_mut().filter(|second| second.mac == mac) {
            Some(second) => {
                second.same = disk.is_some() && disk == known;
                true
            }
            None => false,
        }
    }

    /// Whether the second station is the disk that is meant, and the first is another one.
    pub(crate) fn second_is_right(&self) -> bool {
        self.found.is_some() && self.second.as_ref().is_some_and(|second| second.same)
    }

    /// This station is the target from now on.
    pub(crate) fn moved(&mut self, mac: MacAddr) {
        self.second.take_if(|second| second.mac == mac);
    }

    /// What is wrong, if anything is.
    pub(crate) fn conflict(&self, now: Instant) -> Option<Conflict> {
        if let (Some(known), Some(found)) = (self.known.clone(), self.found.clone()) {
            return Some(Conflict::Changed { known, found });
        }
        let second = self.second.as_ref()?;
        let lasts = now.saturating_since(second.heard) < GONE;
        let proven = now.saturating_since(second.since) >= PROOF;
        (lasts && proven && !second.same).then_some(Conflict::Second(second.mac))
    }
}

#[cfg(test)]
mod tests;
