//! What one initiator has asked and not been answered, and which replies it gets.
//!
//! The Linux driver sends a request again under a new tag and forgets the old one; a reply to the forgotten tag is no
//! use to it but as a sample of the round trip, of the age it has by then. A sample of some tens of milliseconds is
//! what it needs when the path has become slower: keep all of them back, and with a round trip above its timer no
//! request would ever end, for each reply would come when the request has been sent once more. A sample of ten seconds
//! puts its timer to ten seconds. So:
//!
//! - A reply is delivered under the tag of the request it answers, once.
//! - It is kept back if the request was sent again since and the reply is older than `late`. Then the newest request
//!   for the same thing is owed one: whatever comes for that is delivered, however late. So of two that are kept back
//!   at most one is in vain, and no request stays without an answer for good.
//!
//! Whether a request was sent again is guessed from command, address and length. Two different requests may have these
//! in common at the same time; the second does not take the place of the first, so both are answered.

use std::time::Duration;

use crate::frame::{Ata, Tag};
use crate::spread::place_of;
use crate::time::Instant;

/// Entries that may have one number's place.
const WAYS: usize = 4;
/// Least entries.
const LEAST: usize = 256;

/// What makes two requests look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    lba: u64,
    what: u16,
    sectors: u8,
}

/// What to do with a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes to the initiator.
    Deliver,
    /// It answers nothing that is known, or nothing any more.
    Unknown,
    /// Its request was sent again, long ago.
    Late,
}

/// Requests by number, and the newest of each key.
#[derive(Debug)]
pub(crate) struct Ledger {
    last: u64,
    late: Duration,
    /// Sets of [`WAYS`]; a number belongs into one of them.
    entries: Vec<Entry>,
    /// Number of the newest request, by hash of its key.
    newest: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// 0: none.
    number: u64,
    key: Key,
    tag: Tag,
    captured: Instant,
    state: State,
}

/// How a request stands. Their order is that in which entries make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Answered,
    /// Sent again since.
    Superseded,
    Outstanding,
    /// A reply to an older copy was kept back.
    Owed,
}

const NONE: Entry = Entry {
    number: 0,
    key: Key::OF_QUERIES,
    tag: Tag(0),
    captured: Instant::from_micros(0),
    state: State::Answered,
};

impl Key {
    /// Of what is no ATA command.
    pub(crate) const OF_QUERIES: Key = Key {
        lba: 0,
        what: 0x100,
        sectors: 0,
    };

    pub(crate) fn new(opcode: u8, lba: u64, sectors: u8) -> Key {
        Key {
            lba,
            what: opcode.into(),
            sectors,
        }
    }

    pub(crate) fn of_ata(ata: &Ata<'_>) -> Key {
        Key::new(ata.header().command_status, ata.lba(), ata.sectors())
    }

    /// All of it in one number.
    fn number(self) -> u64 {
        self.lba ^ u64::from(self.what) << 48 ^ u64::from(self.sectors) << 56
    }
}

impl Ledger {
    /// Numbers begin above `last`. There is room for four times the window, and a little.
    pub(crate) fn new(last: u64, window: u16, late: Duration) -> Ledger {
        let room = (usize::from(window) * 4).next_power_of_two().max(LEAST);
        Ledger {
            last,
            late,
            entries: vec![NONE; room],
            newest: vec![0; room],
        }
    }

    /// Notes a request; its number.
    pub(crate) fn capture(&mut self, key: Key, tag: Tag, now: Instant) -> u64 {
        self.last += 1;
        let number = self.last;
        let before = match self.newest_slot(key) {
            Some(slot) => std::mem::replace(slot, number),
            None => 0,
        };
        if let Some(entry) = self.find(before)
            && entry.key == key
            && entry.state == State::Outstanding
        {
            entry.state = State::Superseded;
        }
        let oldest = self.set(number).min_by_key(|entry| (entry.state, entry.number));
        if let Some(place) = oldest {
            *place = Entry {
                number,
                key,
                tag,
                captured: now,
                state: State::Outstanding,
            };
        }
        number
    }

    /// Judges the reply to a request; if it is delivered, the request is answered.
    pub(crate) fn answer(&mut self, number: u64, now: Instant) -> Verdict {
        let late = self.late;
        let Some(entry) = self.find(number).filter(|entry| entry.state != State::Answered) else {
            return Verdict::Unknown;
        };
        let superseded = entry.state == State::Superseded;
        let old = now.saturating_since(entry.captured) > late;
        let Entry { key, tag, .. } = std::mem::replace(
            entry,
            Entry {
                state: State::Answered,
                ..*entry
            },
        );
        if !superseded {
            return Verdict::Deliver;
        }
        let newest = self.newest_slot(key).map_or(0, |slot| *slot);
        let newest = self
            .find(newest)
            .filter(|newest| newest.key == key && newest.number > number);
        let Some(newest) = newest else {
            return Verdict::Deliver;
        };
        let answered = newest.state == State::Answered;
        if old {
            if !answered {
                newest.state = State::Owed;
            }
            return Verdict::Late;
        }
        if newest.tag == tag {
            // An initiator that uses the tag again takes one for the answer to both.
            newest.state = State::Answered;
            if answered {
                return Verdict::Unknown;
            }
        }
        Verdict::Deliver
    }

    fn find(&mut self, number: u64) -> Option<&mut Entry> {
        self.set(number)
            .find(|entry| entry.number == number && number != 0)
    }

    fn set(&mut self, number: u64) -> impl Iterator<Item = &mut Entry> {
        let sets = (self.entries.len() / WAYS).max(1) as u64;
        let start = usize::try_from(number % sets).unwrap_or(0) * WAYS;
        self.entries.iter_mut().skip(start).take(WAYS)
    }

    fn newest_slot(&mut self, key: Key) -> Option<&mut u64> {
        let at = place_of(key.number(), self.newest.len());
        self.newest.get_mut(at)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const LATE: Duration = Duration::from_secs(1);

    fn ledger() -> Ledger {
        Ledger::new(0, 64, LATE)
    }

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    const KEY: Key = Key {
        lba: 8,
        what: 0x34,
        sectors: 2,
    };

    #[test]
    fn a_reply_is_delivered_once_and_only_to_what_was_asked() {
        let mut ledger = ledger();
        let number = ledger.capture(KEY, Tag(1), at(0));
        assert_eq!(ledger.answer(number + 1, at(1)), Verdict::Unknown);
        assert_eq!(
            ledger.answer(number, at(50_000)),
            Verdict::Deliver,
            "nothing came after it"
        );
        assert_eq!(ledger.answer(number, at(50_000)), Verdict::Unknown);
    }

    /// Ten seconds without a way back, a copy every second: only the newest is answered.
    #[test]
    fn after_an_outage_the_linux_driver_sees_no_old_reply() {
        let mut ledger = ledger();
        let copies: Vec<u64> = (0u32..10)
            .map(|n| ledger.capture(KEY, Tag(n), at(u64::from(n) * 1000)))
            .collect();
        let verdicts: Vec<_> = copies
            .iter()
            .map(|number| ledger.answer(*number, at(10_500)))
            .collect();
        assert_eq!(verdicts[..8], [Verdict::Late; 8]);
        assert_eq!(verdicts[9], Verdict::Deliver);
        // The other way round as well.
        let (one, other) = (
            ledger.capture(KEY, Tag(1), at(20_000)),
            ledger.capture(KEY, Tag(2), at(30_000)),
        );
        assert_eq!(ledger.answer(other, at(30_500)), Verdict::Deliver);
        assert_eq!(ledger.answer(one, at(30_500)), Verdict::Late);
    }

    /// A round trip above the initiator's timer and above `late`: every reply comes when the request has been sent
    /// again, and yet it ends.
    #[test]
    fn a_round_trip_longer_than_the_timer_ends_all_the_same() {
        for round_trip in [300, 1500] {
            let mut ledger = ledger();
            let mut delivered = None;
            let mut under_way = VecDeque::new();
            for (copy, now) in (0u32..).zip((0..10 * round_trip).step_by(100)) {
                let arrived = under_way.pop_front_if(|(_, sent)| now - *sent >= round_trip);
                if let Some((number, _)) = arrived
                    && ledger.answer(number, at(now)) == Verdict::Deliver
                {
                    delivered.get_or_insert(now);
                }
                under_way.push_back((ledger.capture(KEY, Tag(copy), at(now)), now));
            }
            let first = delivered.expect("one of them is delivered");
            assert!(first <= 3 * round_trip, "after {first} ms of {round_trip}");
        }
    }

    #[test]
    fn two_different_writes_of_one_range_are_both_answered() {
        let mut ledger = ledger();
        let (one, other) = (
            ledger.capture(KEY, Tag(1), at(0)),
            ledger.capture(KEY, Tag(2), at(0)),
        );
        assert_eq!(ledger.answer(one, at(5)), Verdict::Deliver);
        assert_eq!(ledger.answer(other, at(5)), Verdict::Deliver);
    }

    #[test]
    fn a_tag_used_again_is_answered_once() {
        let mut ledger = ledger();
        let (one, other) = (
            ledger.capture(KEY, Tag(1), at(0)),
            ledger.capture(KEY, Tag(1), at(100)),
        );
        assert_eq!(ledger.answer(one, at(105)), Verdict::Deliver);
        assert_eq!(ledger.answer(other, at(205)), Verdict::Unknown);
        let (one, other) = (
            ledger.capture(KEY, Tag(1), at(300)),
            ledger.capture(KEY, Tag(1), at(400)),
        );
        assert_eq!(ledger.answer(other, at(405)), Verdict::Deliver);
        assert_eq!(ledger.answer(one, at(406)), Verdict::Unknown);
    }

    #[test]
    fn one_request_that_takes_long_outlives_many_that_do_not() {
        let mut ledger = ledger();
        let slow = ledger.capture(KEY, Tag(1), at(0));
        for n in 0..100_000u64 {
            let quick = ledger.capture(Key::new(0x24, 100 + n, 1), Tag(2), at(1));
            assert_eq!(ledger.answer(quick, at(2)), Verdict::Deliver);
        }
        assert_eq!(ledger.answer(slow, at(3)), Verdict::Deliver);
    }
}
