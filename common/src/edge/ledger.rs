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
//!   for the same thing is owed one: whatever comes for that is delivered, however late. So of two that are kept back
//!   at most one is in vain, and no request stays without an answer for good.
//!
//! Whether a request was sent again is guessed from initiator, command, address and length. Two different requests may
//! have these in common at the same time; the second does not take the place of the first, so both are answered.

use std::time::Duration;

use super::key::Key;
use crate::frame::{MacAddr, Pdu, Tag};
use crate::spread::place_of;
use crate::time::Instant;

/// What to do with a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// It goes to the initiator.
    Deliver,
    /// It answers nothing that is known, or nothing any more.
    Unknown,
    /// It cannot be the answer to its request, which still waits for one.
    Unfit,
    /// Its request was sent again, long ago.
    Late,
}

/// Requests by number, and the newest of each key.
#[derive(Debug)]
pub(super) struct Ledger {
    late: Duration,
    /// Most entries.
    room: usize,
    /// Sorted by number.
    entries: Vec<Entry>,
    /// Number of the newest request, by hash of its key.
    newest: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    number: u64,
    key: Key,
    tag: Tag,
    captured: Instant,
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

impl Ledger {
    /// With room for so many requests.
    pub(super) fn new(room: usize, late: Duration) -> Ledger {
        Ledger {
            late,
            room,
            entries: Vec::new(),
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

    /// Notes a request. Its number is above all that were noted before.
    pub(super) fn capture(&mut self, number: u64, key: Key, tag: Tag, now: Instant) {
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
        if self.entries.len() >= self.room {
            self.make_room();
        }
        self.entries.push(Entry {
            number,
            key,
            tag,
            captured: now,
            state: State::Outstanding,
        });
    }

    /// Judges the reply to a request of the initiator; if it is delivered, the request is answered.
    pub(super) fn answer(
        &mut self,
        initiator: MacAddr,
        number: u64,
        pdu: &Pdu<'_>,
        now: Instant,
    ) -> Delivery {
        let late = self.late;
        let Some(entry) = self
            .find(number)
            .filter(|entry| entry.key.initiator == initiator && entry.state != State::Answered)
        else {
            return Delivery::Unknown;
        };
        if entry.tag != pdu.tag() || !entry.key.is_answered_by(pdu) {
            return Delivery::Unfit;
        }
        let superseded = entry.state == State::Superseded;
        let old = now.saturating_since(entry.captured) > late;
        entry.state = State::Answered;
        let Entry { key, tag, .. } = *entry;
        if !superseded {
            return Delivery::Deliver;
        }
        let newest = self.newest_slot(key).map_or(0, |slot| *slot);
        let newest = self
            .find(newest)
            .filter(|newest| newest.key == key && newest.number > number);
        let Some(newest) = newest else {
            return Delivery::Deliver;
        };
        let answered = newest.state == State::Answered;
        if old {
            if !answered {
                newest.state = State::Owed;
            }
            return Delivery::Late;
        }
        if newest.tag == tag {
            // An initiator that uses the tag again takes one for the answer to both.
            newest.state = State::Answered;
            if answered {
                return Delivery::Unknown;
            }
        }
        Delivery::Deliver
    }

    fn find(&mut self, number: u64) -> Option<&mut Entry> {
        let at = self.entries.binary_search_by_key(&number, |entry| entry.number);
        self.entries.get_mut(at.ok()?)
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
                return;
            }
            self.entries.retain(|entry| {
                let goes = too_many > 0 && entry.state == state;
                too_many -= usize::from(goes);
                !goes
            });
        }
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
    use crate::frame::Ata;

    const LATE: Duration = Duration::from_secs(1);
    const ROOM: usize = 256;
    const SOMEBODY: MacAddr = MacAddr([2; 6]);

    /// A ledger, and who numbers requests for it.
    struct Book {
        ledger: Ledger,
        last: u64,
    }

    impl Book {
        fn capture(&mut self, key: Key, tag: Tag, now: Instant) -> (u64, Tag) {
            self.last += 1;
            self.ledger.capture(self.last, key, tag, now);
            (self.last, tag)
        }

        /// A failure fits whatever was asked.
        fn answer(&mut self, (number, tag): (u64, Tag), now: Instant) -> Delivery {
            let bytes = response(tag, 0x41, 0);
            self.ledger
                .answer(SOMEBODY, number, &Pdu::parse(&bytes).unwrap(), now)
        }
    }

    fn response(Tag(tag): Tag, status: u8, data: usize) -> Vec<u8> {
        let mut pdu = vec![0x18, 0, 0, 1, 1, 0];
        pdu.extend_from_slice(&tag.to_be_bytes());
        pdu.extend_from_slice(&[0, 0, 0, status, 0, 0, 0, 0, 0, 0, 0, 0]);
        pdu.resize(pdu.len() + data, 0);
        pdu
    }

    fn ledger() -> Book {
        Book {
            ledger: Ledger::new(ROOM, LATE),
            last: 0,
        }
    }

    fn key(opcode: u8, [low, high]: [u8; 2]) -> Key {
        let argument = [0x40, 0, 2, opcode, low, high, 0, 0, 0, 0, 0, 0];
        Key::of_ata(SOMEBODY, &Ata::parse(&argument).unwrap())
    }

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    fn write() -> Key {
        key(0x34, [8, 0])
    }

    #[test]
    fn a_reply_is_delivered_once_and_only_to_what_was_asked() {
        let mut ledger = ledger();
        let number = ledger.capture(write(), Tag(1), at(0));
        assert_eq!(ledger.answer((number.0 + 1, number.1), at(1)), Delivery::Unknown);
        assert_eq!(
            ledger.answer(number, at(50_000)),
            Delivery::Deliver,
            "nothing came after it"
        );
        assert_eq!(ledger.answer(number, at(50_000)), Delivery::Unknown);
    }

    /// Ten seconds without a way back, a copy every second: only the newest is answered.
    #[test]
    fn after_an_outage_the_linux_driver_sees_no_old_reply() {
        let mut ledger = ledger();
        let copies: Vec<_> = (0u32..10)
            .map(|n| ledger.capture(write(), Tag(n), at(u64::from(n) * 1000)))
            .collect();
        let deliverys: Vec<_> = copies
            .iter()
            .map(|number| ledger.answer(*number, at(10_500)))
            .collect();
        assert_eq!(deliverys[..8], [Delivery::Late; 8]);
        assert_eq!(deliverys[9], Delivery::Deliver);
        // The other way round as well.
        let (one, other) = (
            ledger.capture(write(), Tag(1), at(20_000)),
            ledger.capture(write(), Tag(2), at(30_000)),
        );
        assert_eq!(ledger.answer(other, at(30_500)), Delivery::Deliver);
        assert_eq!(ledger.answer(one, at(30_500)), Delivery::Late);
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
                    && ledger.answer(number, at(now)) == Delivery::Deliver
                {
                    delivered.get_or_insert(now);
                }
                under_way.push_back((ledger.capture(write(), Tag(copy), at(now)), now));
            }
            let first = delivered.expect("one of them is delivered");
            assert!(first <= 3 * round_trip, "after {first} ms of {round_trip}");
        }
    }

    #[test]
    fn two_different_writes_of_one_range_are_both_answered() {
        let mut ledger = ledger();
        let (one, other) = (
            ledger.capture(write(), Tag(1), at(0)),
            ledger.capture(write(), Tag(2), at(0)),
        );
        assert_eq!(ledger.answer(one, at(5)), Delivery::Deliver);
        assert_eq!(ledger.answer(other, at(5)), Delivery::Deliver);
    }

    #[test]
    fn a_tag_used_again_is_answered_once() {
        let mut ledger = ledger();
        let (one, other) = (
            ledger.capture(write(), Tag(1), at(0)),
            ledger.capture(write(), Tag(1), at(100)),
        );
        assert_eq!(ledger.answer(one, at(105)), Delivery::Deliver);
        assert_eq!(ledger.answer(other, at(205)), Delivery::Unknown);
        let (one, other) = (
            ledger.capture(write(), Tag(1), at(300)),
            ledger.capture(write(), Tag(1), at(400)),
        );
        assert_eq!(ledger.answer(other, at(405)), Delivery::Deliver);
        assert_eq!(ledger.answer(one, at(406)), Delivery::Unknown);
    }

    #[test]
    fn one_request_that_takes_long_outlives_many_that_do_not() {
        let mut ledger = ledger();
        let slow = ledger.capture(write(), Tag(1), at(0));
        for n in 0..=u16::MAX {
            let quick = ledger.capture(key(0x24, n.to_le_bytes()), Tag(2), at(1));
            assert_eq!(ledger.answer(quick, at(2)), Delivery::Deliver);
        }
        assert_eq!(ledger.answer(slow, at(3)), Delivery::Deliver);
    }

    #[test]
    fn what_cannot_be_the_answer_is_not_delivered_and_does_not_count_as_one() {
        let mut ledger = ledger().ledger;
        let (read, tag) = (key(0x24, [8, 0]), Tag(7));
        ledger.capture(1, read, tag, at(0));
        let mut answer = |mac, tag, status, data| {
            let bytes = response(tag, status, data);
            ledger.answer(mac, 1, &Pdu::parse(&bytes).unwrap(), at(1))
        };
        for data in [0, 512, 1023, 1025, 2048] {
            assert_eq!(answer(SOMEBODY, tag, 0x40, data), Delivery::Unfit, "{data}");
        }
        assert_eq!(answer(SOMEBODY, Tag(8), 0x40, 1024), Delivery::Unfit);
        assert_eq!(answer(MacAddr([4; 6]), tag, 0x40, 1024), Delivery::Unknown);
        assert_eq!(answer(SOMEBODY, tag, 0x40, 1024), Delivery::Deliver);
    }

    #[test]
    fn what_waits_for_an_answer_makes_room_last() {
        let mut ledger = ledger();
        let owed = ledger.capture(write(), Tag(1), at(0));
        let newest = ledger.capture(write(), Tag(2), at(1));
        assert_eq!(ledger.answer(owed, at(5000)), Delivery::Late);
        for n in 0..=u16::MAX {
            ledger.capture(key(0x24, n.to_le_bytes()), Tag(3), at(6000));
            assert!(ledger.ledger.entries.len() <= ROOM && ledger.ledger.entries.capacity() <= ROOM);
        }
        assert_eq!(ledger.answer(newest, at(7000)), Delivery::Deliver);
    }
}
