//! The up to three sessions of one peer: which one seals, which ones open, and when one takes another's place.

use std::time::Duration;

use super::session::{Role, Session};
use super::timing::{CONFIRM_WITHIN, REDIAL_AFTER};
use crate::output::Path;
use crate::time::Instant;

/// A call that waits for [`REDIAL_AFTER`] waits so much longer: the two sides count from moments of their own.
const CALL_MARGIN: Duration = Duration::from_millis(500);

/// Sessions of one peer. Records are sealed with `current`; all three open.
#[derive(Default)]
pub(crate) struct Sessions {
    pub(crate) current: Option<Session>,
    /// Replaced; opens what was under way.
    pub(crate) previous: Option<Session>,
    /// Answered, not confirmed: the first record that opens under it makes it current, see
    /// [`Sessions::keeps_current`].
    pub(crate) next: Option<Answered>,
    /// The peer process that we know; a restarted one numbers from the start.
    pub(crate) peer_boot: Option<u64>,
}

/// A session of a call that we answered.
pub(crate) struct Answered {
    pub(crate) session: Session,
    /// When.
    pub(crate) at: Instant,
    /// Where the call came from and the answer went.
    pub(crate) path: Path,
    /// The call's stamp.
    pub(crate) stamp: u64,
}

/// Whose call counts if both sides called at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precedence {
    /// Ours: our boot number is the smaller one.
    Ours,
    /// The peer's.
    Theirs,
}

/// Which of a peer's sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Current,
    Previous,
    Next,
}

/// What a new current session means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promotion {
    /// There was none.
    Up,
    /// The peer process is another one.
    Restarted,
    /// Just new keys.
    Rekeyed,
}

impl Sessions {
    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Session> {
        match slot {
            Slot::Current => self.current.as_mut(),
            Slot::Previous => self.previous.as_mut(),
            Slot::Next => self.next.as_mut().map(|next| &mut next.session),
        }
    }

    /// All there are.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Session> {
        let next = self.next.as_ref().map(|next| &next.session);
        let current = self.current.as_ref().into_iter();
        current.chain(self.previous.as_ref()).chain(next)
    }

    /// All there are.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        let next = self.next.as_mut().map(|next| &mut next.session);
        let current = self.current.as_mut().into_iter();
        current.chain(self.previous.as_mut()).chain(next)
    }

    /// The session with this index of ours.
    pub(crate) fn find(&mut self, local_index: u32) -> Option<(Slot, &mut Session)> {
        let next = self.next.as_mut().map(|next| &mut next.session);
        [
            (Slot::Current, self.current.as_mut()),
            (Slot::Previous, self.previous.as_mut()),
            (Slot::Next, next),
        ]
        .into_iter()
        .find_map(|(slot, session)| {
            session
                .filter(|session| session.local_index == local_index)
                .map(|session| (slot, session))
        })
    }

    /// When the first of those began whose records are opened.
    pub(crate) fn oldest_since(&self) -> Option<Instant> {
        let sessions = self.previous.iter().chain(&self.current);
        sessions.map(Session::since).min()
    }

    /// Whether the current session stays although a record opened under `next`.
    ///
    /// Two calls at once make two sessions. If each side went over to the other's, both would for good send what
    /// the other only expects for a while: so the side whose call counts stays where it is, and the other follows.
    /// A call that comes [`REDIAL_AFTER`] the current session began, or later, is no such call: the peer knew of
    /// that session and wants another.
    pub(crate) fn keeps_current(&self, precedence: Precedence) -> bool {
        let (Some(current), Some(next)) = (&self.current, &self.next) else {
            return false;
        };
        precedence == Precedence::Ours
            && current.role == Role::Dialer
            && current.peer_boot == next.session.peer_boot
            && next.at < current.since() + REDIAL_AFTER
    }

    /// New keys are wanted as soon as a call for them counts: when. See [`keeps_current`](Self::keeps_current).
    pub(crate) fn renew_at(&mut self, precedence: Precedence, now: Instant) -> Instant {
        let Some(current) = &mut self.current else {
            return now;
        };
        let at = match (precedence, current.role) {
            (Precedence::Theirs, Role::Listener) => now.max(current.since() + REDIAL_AFTER + CALL_MARGIN),
            _ => now,
        };
        current.renew_at(at);
        at
    }

    /// Makes `session` the current one.
    pub(crate) fn promote(&mut self, session: Session) -> Promotion {
        let boot = session.peer_boot;
        let replaced = self.current.replace(session);
        self.next.take_if(|next| next.session.peer_boot != boot);
        match (replaced, self.peer_boot.replace(boot)) {
            (Some(replaced), Some(known)) if known == boot => {
                // One that the peer never used has nothing under way; the one before it may.
                if replaced.has_opened() || self.previous.is_none() {
                    self.previous = Some(replaced);
                }
                Promotion::Rekeyed
            }
            (None, Some(known)) if known == boot => Promotion::Up,
            (None, None) => Promotion::Up,
            _ => {
                // What the old process sealed must never be opened again.
                self.previous = None;
                Promotion::Restarted
            }
        }
    }

    /// Drops what has ended; false if the current session has.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        if self
            .previous
            .as_ref()
            .is_some_and(|session| now >= session.ends_at())
        {
            self.previous = None;
        }
        if self
            .next
            .as_ref()
            .is_some_and(|next| now >= next.at + CONFIRM_WITHIN)
        {
            self.next = None;
        }
        self.current
            .as_ref()
            .is_none_or(|session| now < session.ends_at())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tunnel::session::tests::pair;

    #[test]
    fn of_two_sessions_made_at_once_one_side_keeps_its_own_but_a_later_call_counts() {
        let now = Instant::default();
        let keeps = |precedence, answered| {
            let sessions = Sessions {
                current: Some(pair(now).0),
                next: Some(Answered {
                    session: pair(answered).1,
                    at: answered,
                    path: Path::new(0, "192.0.2.1:1".parse().unwrap()),
                    stamp: 1,
                }),
                ..Sessions::default()
            };
            sessions.keeps_current(precedence)
        };
        assert!(keeps(Precedence::Ours, now));
        assert!(!keeps(Precedence::Theirs, now));
        assert!(!keeps(Precedence::Ours, now + REDIAL_AFTER));
    }
}
