//! Handshakes with one peer: the call of ours that is under way, and what its calls are measured by.

use std::time::Duration;

use super::Identity;
use crate::allowance::Allowance;
use crate::throttle::Throttle;
use crate::time::Instant;
use crate::tunnel::admission::{Stamp, append_to_answer};
use crate::tunnel::handshake::{Call, Dial};

/// Calls of one peer that are answered in a second. An honest one calls once in a second.
pub(crate) const CALLS_PER_SECOND: u32 = 10;
/// Calls of one peer with an old stamp are answered at most this often: who repeats them gets little.
const OLD_CALL_ANSWER_EVERY: Duration = Duration::from_millis(500);
/// Calls without confirmation before we say so.
const UNCONFIRMED_CALLS: u32 = 3;
/// Time over which they have come at least: calls that waited while one of the two gateways was stopped come all at once.
const UNCONFIRMED_FOR: Duration = Duration::from_secs(5);
/// Most answers to one call that are computed and do not fit. Nobody but the peer can make one that is computed.
const MAX_FAILURES: u32 = 4;

/// Handshakes with one peer.
pub(crate) struct Handshakes {
    /// Adds macs to what we send.
    pub(crate) stamp: Stamp,
    pub(crate) dialing: Option<Dialing>,
    /// The greatest stamp of its calls that led to a session; what is not greater is old.
    newest_call: u64,
    /// Calls in a row that we answered and it did not confirm, and when the first one came.
    unconfirmed: (u32, Instant),
    /// The greatest stamp of our calls.
    newest_dial: u64,
    /// Its calls that were answered in this second.
    answered: Allowance,
    /// When a call was last answered by our refusal of its stamp.
    old_call_answered: Throttle,
}

/// A call under way.
pub(crate) struct Dialing {
    /// `None` after an answer without agreement, or too many of the peer that do not decrypt: nothing more is expected
    /// for this call.
    pub(crate) dial: Option<Dial>,
    /// Answers computed that did not fit.
    failures: u32,
    pub(crate) attempt: u32,
    pub(crate) again_at: Instant,
}

impl Dialing {
    /// A call went out, or without `dial` will go out at this moment.
    pub(crate) fn new(dial: Option<Dial>, attempt: u32, again_at: Instant) -> Dialing {
        Dialing {
            dial,
            failures: 0,
            attempt,
            again_at,
        }
    }
}

impl Handshakes {
    pub(super) fn new(now: Instant) -> Handshakes {
        Handshakes {
            stamp: Stamp::default(),
            dialing: None,
            newest_call: 0,
            unconfirmed: (0, now),
            newest_dial: 0,
            answered: Allowance::default(),
            old_call_answered: Throttle::default(),
        }
    }

    /// The call of ours that has this index and waits for its answer.
    pub(crate) fn dial(&mut self, local_index: u32) -> Option<&mut Dial> {
        let dial = self.dialing.as_mut()?.dial.as_mut()?;
        (dial.local_index() == local_index).then_some(dial)
    }

    /// Nothing more is expected for the call under way.
    pub(crate) fn give_up(&mut self) {
        if let Some(dialing) = &mut self.dialing {
            dialing.dial = None;
        }
    }

    /// An answer to our call was computed and did not fit.
    pub(crate) fn note_failure(&mut self) {
        if let Some(dialing) = &mut self.dialing {
            dialing.failures += 1;
            if dialing.failures >= MAX_FAILURES {
                dialing.dial = None;
            }
        }
    }

    /// The stamp of our next call: this time, in microseconds since 1970, or one more than the last.
    pub(crate) fn next_stamp(&mut self, wall: u64) -> u64 {
        self.newest_dial = wall.max(self.newest_dial.saturating_add(1));
        self.newest_dial
    }

    /// The peer remembers a call of ours with this stamp: the next one gets a greater stamp.
    pub(crate) fn note_old_dial(&mut self, newest: u64) {
        self.give_up();
        self.newest_dial = self.newest_dial.max(newest);
    }

    /// By how much the stamp of a call is behind the newest one that led to a session; `None`: it is newer.
    pub(crate) fn behind(&self, stamp: u64) -> Option<Duration> {
        let behind = self.newest_call.checked_sub(stamp)?;
        Some(Duration::from_micros(behind))
    }

    /// The answer to a call with an old stamp: the peer can call again with one that is greater. Not for each.
    pub(crate) fn refuse_stamp(&mut self, call: Call, identity: &Identity, now: Instant) -> Option<Vec<u8>> {
        if !self.old_call_answered.permits(now, OLD_CALL_ANSWER_EVERY) {
            return None;
        }
        let (caller, answer_key) = (call.caller(), call.answer_key());
        let mut message = call.refuse_stamp(identity.trust.psk(), self.newest_call).ok()?;
        append_to_answer(caller, &mut message, &answer_key);
        Some(message)
    }

    /// Whether one more call of the peer is answered now.
    pub(crate) fn answers(&mut self, now: Instant) -> bool {
        self.answered.take(CALLS_PER_SECOND, now)
    }

    /// A call was answered. Whether there are too many that were never confirmed.
    pub(crate) fn note_unconfirmed(&mut self, now: Instant) -> bool {
        let (calls, since) = self.unconfirmed;
        let since = if calls == 0 { now } else { since };
        let calls = calls.saturating_add(1);
        self.unconfirmed = (calls, since);
        calls >= UNCONFIRMED_CALLS && now >= since + UNCONFIRMED_FOR
    }

    /// A record came by the session of a call with this stamp: it is not repeated.
    pub(crate) fn note_confirmed(&mut self, stamp: u64) {
        self.newest_call = self.newest_call.max(stamp);
    }

    /// There are new keys, by the call of either side: a call of ours that is still under way is not needed.
    pub(crate) fn succeeded(&mut self, now: Instant) {
        self.unconfirmed = (0, now);
        self.dialing = None;
    }
}
