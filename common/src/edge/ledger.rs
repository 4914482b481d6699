//! What was asked and not answered, and which replies are delivered.
//!
//! The Linux driver sends a request again under a new tag and forgets the old one; a reply to the forgotten tag is no
//! use to it but as a sample of the round trip, of the age it has by then. A sample of some tens of milliseconds is
//! what it needs when the path has become slower: keep all of them back, and with a round trip above its timer no
//! request would ever end, for each reply would come when the request has been sent once more. A sample of ten seconds
//! puts its timer to ten seconds. So:
//!
//! - A reply is delivered under the tag of the request it answers, once, and only if it can be the answer to that.
//! - It is kept back if the request was sent again since and the reply is older than `late`. Then the newest request
//!   for the same thing is owed one: whatever comes for that is delivered, however late, so no request stays without an
//!   answer forever.
//!
//! Whether a request was sent again is guessed from initiator, command, address and length. Two different requests may
//! have these in common at the same time; the second does not take the place of the first, so both are answered.

use std::time::Duration;

use super::key::Key;
use crate::frame::{MacAddr, Pdu, Tag};
use crate::request::Asked;
use crate::spread::place_of;
use crate::time::Instant;

/// Why a reply is kept from the initiator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Withheld {
    /// It answers nothing that is known, or nothing any more.
    Unknown,
    /// It cannot be the answer to its request, which still waits for one.
    Unfit,
    /// Its request was sent again, long ago.
    Late,
}

/// A request that is answered by a reply which is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) asked: Asked,
    pub(super) passage: Passage,
}

/// When a request was where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passage {
    /// When it was handed to the tunnel.
    pub(super) sent: Instant,
    /// How long before that it was captured, in microseconds.
    waited_us: u32,
}

impl Passage {
    /// It was captured then, and is handed to the tunnel now.
    pub(super) fn new(captured: Instant, now: Instant) -> Passage {
        Passage {
            sent: now,
            waited_us: u32::try_from(now.micros_since(captured)).unwrap_or(u32::MAX),
        }
    }

    /// How long before it was sent it was captured, in microseconds.
    pub(super) fn waited_us(&self) -> u64 {
        self.waited_us.into()
    }
}

/// Whether a request is a copy of one that was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Novelty {
    New,
    Resent,
}

/// Requests by number, and the newest of each key.
#[derive(Debug)]
pub(super) struct Ledger {
    late: Duration,
    /// Most entries.
    room: usize,
    /// Sorted by number.
    entries: Vec<Entry>,
    /// How many of them wait for an answer.
    waiting: usize,
    /// Number of the newest request, by hash of its key.
    newest: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    number: u64,
    key: Key,
    tag: Tag,
    passage: Passage,
    /// When its first copy was handed to the tunnel.
    since: Instant,
    state: State,
}

/// How a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Answered,
    /// Sent again since.
    Superseded,
    Outstanding,
    /// A reply to an older copy was kept back.
    Owed,
}

impl State {
    fn waits(self) -> bool {
        matches!(self, State::Outstanding | State::Owed)
    }
}

impl Entry {
    /// It stands so from now on.
    fn turn(&mut self, state: State, waiting: &mut usize) {
        *waiting -= usize::from(self.state.waits());
        *waiting += usize::from(state.waits());
        self.state = state;
    }
}

impl Ledger {
    /// With room for so many requests.
    pub(super) fn new(room: usize, late: Duration) -> Ledger {
        Ledger {
            late,
            room,
            entries: Vec::new(),
            waiting: 0,
            newest: vec![0; room],
        }
    }

    /// It has room for so many requests from now on.
    pub(super) fn set_room(&mut self, room: usize) {
        if room == self.room {
            return;
        }
        self.room = room;
        self.make_room();
        self.newest = vec![0; room];
        let known: Vec<_> = self
            .entries
            .iter()
            .map(|entry| (entry.key, entry.number))
            .collect();
        for (key, number) in known {
            if let Some(slot) = self.newest_slot(key) {
                *slot = number;
            }
        }
    }

    /// Replies to requests that were sent again are kept back from this age on.
    pub(super) fn set_late(&mut self, late: Duration) {
        self.late = late;
    }

    /// How many requests wait for an answer.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many requests wait for an answer that were asked for after this moment, and when the first of them was first
    /// asked.
    pub(super) fn pending(&self, after: Instant) -> (u64, Option<Instant>) {
        let waiting = self.entries.iter().filter(|entry| entry.state.waits());
        let asked = waiting.filter(|entry| entry.passage.sent >= after);
        asked.fold((0, None), |(count, oldest), entry| {
            let oldest = oldest.map_or(entry.since, |oldest: Instant| oldest.min(entry.since));
            (count + 1, Some(oldest))
        })
    }

    /// Whether an answer to this request is waited for.
    pub(super) fn waits_for(&mut self, key: Key) -> bool {
        let newest = self.newest_slot(key).map_or(0, |slot| *slot);
        find(&mut self.entries, newest).is_some_and(|entry| entry.key == key && entry.state.waits())
    }

    /// Whose requests it knows.
    pub(super) fn initiators(&self) -> impl Iterator<Item = MacAddr> {
        self.entries.iter().map(|entry| entry.key.initiator)
    }

    /// Notes a request. Its number is above all that were noted before.
    pub(super) fn capture(&mut self, number: u64, key: Key, tag: Tag, passage: Passage) -> Novelty {
        let before = match self.newest_slot(key) {
            Some(slot) => std::mem::replace(slot, number),
            None => 0,
        };
        let (mut novelty, mut since) = (Novelty::New, passage.sent);
        if let Some(entry) = find(&mut self.entries, before)
            && entry.key == key
            && entry.state.waits()
        {
            (novelty, since) = (Novelty::Resent, entry.since);
            if entry.state == State::Outstanding {
                entry.turn(State::Superseded, &mut self.waiting);
            }
        }
        if self.entries.len() >= self.room {
            self.make_room();
        }
        self.waiting += 1;
        self.entries.push(Entry {
            number,
            key,
            tag,
            passage,
            since,
            state: State::Outstanding,
        });
        novelty
    }

    /// Judges the reply to a request of the initiator; if it is delivered, the request is answered.
    ///
    /// # Errors
    /// Why it is not delivered.
    pub(super) fn answer(
        &mut self,
        initiator: MacAddr,
        number: u64,
        pdu: &Pdu<'_>,
        now: Instant,
    ) -> Result<Answered, Withheld> {
        let entry = find(&mut self.entries, number)
            .filter(|entry| entry.key.initiator == initiator && entry.state != State::Answered)
            .ok_or(Withheld::Unknown)?;
        if entry.tag != pdu.tag() || !entry.key.is_answered_by(pdu) {
            return Err(Withheld::Unfit);
        }
        let superseded = entry.state == State::Superseded;
        entry.turn(State::Answered, &mut self.waiting);
        let Entry {
            key, tag, passage, ..
        } = *entry;
        let answered = Answered {
            asked: key.asked,
            passage,
        };
        if !superseded {
            return Ok(answered);
        }
        let newest = self.newest_slot(key).map_or(0, |slot| *slot);
        let newest =
            find(&mut self.entries, newest).filter(|newest| newest.key == key && newest.number > number);
        let Some(newest) = newest else {
            return Ok(answered);
        };
        let newest_answered = newest.state == State::Answered;
        if now.saturating_since(passage.sent) > self.late {
            if !newest_answered {
                newest.turn(State::Owed, &mut self.waiting);
            }
            return Err(Withheld::Late);
        }
        if newest.tag == tag {
            // An initiator that uses the tag again takes one for the answer to both.
            newest.turn(State::Answered, &mut self.waiting);
            if newest_answered {
                return Err(Withheld::Unknown);
            }
        }
        Ok(answered)
    }

    /// Forgets a quarter, so that this is seldom done: of what was answered first, and of all the oldest first.
    fn make_room(&mut self) {
        let most = self.room - self.room / 4;
        for state in [
            State::Answered,
            State::Superseded,
            State::Outstanding,
            State::Owed,
        ] {
            let mut too_many = self.entries.len().saturating_sub(most);
            if too_many == 0 {
                break;
            }
            self.entries.retain(|entry| {
                let goes = too_many > 0 && entry.state == state;
                too_many -= usize::from(goes);
                !goes
            });
        }
        self.waiting = self.entries.iter().filter(|entry| entry.state.waits()).count();
    }

    fn newest_slot(&mut self, key: Key) -> Option<&mut u64> {
        let at = place_of(key.number(), self.newest.len());
        self.newest.get_mut(at)
    }
}

fn find(entries: &mut [Entry], number: u64) -> Option<&mut Entry> {
    let at = entries.binary_search_by_key(&number, |entry| entry.number);
    entries.get_mut(at.ok()?)
}

#[cfg(test)]
mod tests;
