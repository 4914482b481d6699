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
        self.ledger.capture(self.last, key, tag, Passage::new(now, now));
        let waiting = self.ledger.entries.iter().filter(|entry| entry.state.waits());
        assert_eq!(self.ledger.waiting(), waiting.count());
        (self.last, tag)
    }

    /// A failure fits whatever was asked.
    fn answer(&mut self, (number, tag): (u64, Tag), now: Instant) -> Result<(), Withheld> {
        let bytes = response(tag, 0x41, 0);
        let pdu = Pdu::parse(&bytes).unwrap();
        self.ledger.answer(SOMEBODY, number, &pdu, now).map(drop)
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
    assert_eq!(
        ledger.answer((number.0 + 1, number.1), at(1)),
        Err(Withheld::Unknown)
    );
    assert_eq!(ledger.answer(number, at(50_000)), Ok(()), "nothing came after it");
    assert_eq!(ledger.answer(number, at(50_000)), Err(Withheld::Unknown));
}

/// Ten seconds without a way back, a copy every second: only the newest is answered.
#[test]
fn after_an_outage_the_linux_driver_sees_no_old_reply() {
    let mut ledger = ledger();
    let copies: Vec<_> = (0u32..10)
        .map(|n| ledger.capture(write(), Tag(n), at(u64::from(n) * 1000)))
        .collect();
    let outcomes: Vec<_> = copies
        .iter()
        .map(|number| ledger.answer(*number, at(10_500)))
        .collect();
    assert_eq!(outcomes[..8], [Err(Withheld::Late); 8]);
    assert_eq!(outcomes[9], Ok(()));
    // The other way round as well.
    let (one, other) = (
        ledger.capture(write(), Tag(1), at(20_000)),
        ledger.capture(write(), Tag(2), at(30_000)),
    );
    assert_eq!(ledger.answer(other, at(30_500)), Ok(()));
    assert_eq!(ledger.answer(one, at(30_500)), Err(Withheld::Late));
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
                && ledger.answer(number, at(now)) == Ok(())
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
    assert_eq!(ledger.answer(one, at(5)), Ok(()));
    assert_eq!(ledger.answer(other, at(5)), Ok(()));
}

#[test]
fn a_tag_used_again_is_answered_once() {
    let mut ledger = ledger();
    let (one, other) = (
        ledger.capture(write(), Tag(1), at(0)),
        ledger.capture(write(), Tag(1), at(100)),
    );
    assert_eq!(ledger.answer(one, at(105)), Ok(()));
    assert_eq!(ledger.answer(other, at(205)), Err(Withheld::Unknown));
    let (one, other) = (
        ledger.capture(write(), Tag(1), at(300)),
        ledger.capture(write(), Tag(1), at(400)),
    );
    assert_eq!(ledger.answer(other, at(405)), Ok(()));
    assert_eq!(ledger.answer(one, at(406)), Err(Withheld::Unknown));
}

#[test]
fn one_request_that_takes_long_outlives_many_that_do_not() {
    let mut ledger = ledger();
    let slow = ledger.capture(write(), Tag(1), at(0));
    for n in 0..=u16::MAX {
        let quick = ledger.capture(key(0x24, n.to_le_bytes()), Tag(2), at(1));
        assert_eq!(ledger.answer(quick, at(2)), Ok(()));
    }
    assert_eq!(ledger.answer(slow, at(3)), Ok(()));
}

#[test]
fn what_cannot_be_the_answer_is_not_delivered_and_does_not_count_as_one() {
    let mut ledger = ledger().ledger;
    let (read, tag) = (key(0x24, [8, 0]), Tag(7));
    ledger.capture(1, read, tag, Passage::new(at(0), at(0)));
    let mut answer = |mac, tag, status, data| {
        let bytes = response(tag, status, data);
        ledger.answer(mac, 1, &Pdu::parse(&bytes).unwrap(), at(1))
    };
    for data in [0, 512, 1023, 1025, 2048] {
        assert_eq!(answer(SOMEBODY, tag, 0x40, data), Err(Withheld::Unfit), "{data}");
    }
    assert_eq!(answer(SOMEBODY, Tag(8), 0x40, 1024), Err(Withheld::Unfit));
    assert_eq!(answer(MacAddr([4; 6]), tag, 0x40, 1024), Err(Withheld::Unknown));
    assert!(answer(SOMEBODY, tag, 0x40, 1024).is_ok());
}

#[test]
fn what_waits_for_an_answer_makes_room_last() {
    let mut ledger = ledger();
    let owed = ledger.capture(write(), Tag(1), at(0));
    let newest = ledger.capture(write(), Tag(2), at(1));
    assert_eq!(ledger.answer(owed, at(5000)), Err(Withheld::Late));
    for n in 0..=u16::MAX {
        ledger.capture(key(0x24, n.to_le_bytes()), Tag(3), at(6000));
        assert!(ledger.ledger.entries.len() <= ROOM && ledger.ledger.entries.capacity() <= ROOM);
    }
    assert_eq!(ledger.answer(newest, at(7000)), Ok(()));
}

#[test]
fn what_is_waited_for_is_as_old_as_its_first_copy_and_ends_with_its_initiator() {
    let mut book = ledger();
    assert!(!book.ledger.waits_for(write()));
    for millis in [1000, 3000, 5000] {
        book.capture(write(), Tag(1), at(millis));
    }
    let other = key(0x34, [80, 0]);
    let (number, tag) = book.capture(other, Tag(2), at(4000));
    assert!(book.ledger.waits_for(write()) && book.ledger.waits_for(other));
    assert_eq!(book.ledger.pending(at(0)), (2, Some(at(1000))));
    assert_eq!(
        book.ledger.pending(at(4500)),
        (1, Some(at(1000))),
        "the other is not asked for any more"
    );
    assert_eq!(book.ledger.pending(at(6000)), (0, None));
    book.answer((number, tag), at(4500)).unwrap();
    assert!(!book.ledger.waits_for(other));
    // Asked once more it is a request of its own.
    book.capture(other, Tag(3), at(7000));
    assert_eq!(book.ledger.pending(at(6000)), (1, Some(at(7000))));
}
