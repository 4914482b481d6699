//! Who uses an import, and what each is owed.
//!
//! All requests to an import are numbered in one sequence, in the order of capture, whichever initiator sent them: an
//! initiator with two network cards sends copies of one request from two MACs, and one initiator may write what another
//! wrote.
//!
//! Every initiator has a ledger of its own, so that none fills that of another. There are only so many; one is given to
//! somebody else when its owner has been silent for long, and not before. Those who find no free one share a ledger:
//! a flood of sources that do not exist makes newcomers suffer, and not those who are at work.

use std::collections::BTreeSet;
use std::time::Duration;

use super::key::Key;
use super::ledger::{Ledger, Novelty, Passage, Withheld};
use super::stats::{Done, count_request};
use crate::frame::{MacAddr, Pdu, Tag};
use crate::pause::ASKED_AGAIN;
use crate::stats::{Carried, Times};
use crate::time::Instant;

/// Initiators with a ledger of their own.
const MAX_INITIATORS: usize = 256;
/// Silent for this long, and an initiator does not wait for an answer: the Linux driver asks again every 17 s at least.
pub(super) const SILENT: Duration = Duration::from_secs(60);
/// Least room of a ledger, in requests, and so many times more that those without one share.
const LEAST: usize = 256;
const SHARED: usize = 8;

/// All initiators of one import.
#[derive(Debug)]
pub(crate) struct Initiators {
    /// Number of the newest request.
    last: u64,
    /// Sorted by MAC.
    known: Vec<Initiator>,
    /// Of those who have no ledger of their own, and when one of them last asked for something.
    shared: Ledger,
    shared_seen: Instant,
    /// Initiators whose ledger was given to another one.
    replaced: u64,
    /// Room of one ledger.
    room: usize,
    late: Duration,
    /// Nobody who is known has been silent for long before this.
    full_until: Instant,
}

#[derive(Debug)]
struct Initiator {
    mac: MacAddr,
    ledger: Ledger,
    first_seen: Instant,
    last_seen: Instant,
    carried: Carried,
    /// From capture to reply.
    total: Times,
}

/// What an initiator did, as it is shown.
pub(super) struct Usage<'a> {
    pub(super) mac: MacAddr,
    /// Since when it has a ledger.
    pub(super) first_seen: Instant,
    pub(super) last_seen: Instant,
    pub(super) carried: &'a Carried,
    /// Requests that it waits for, if it was seen lately.
    pub(super) waiting: u64,
    pub(super) total: &'a Times,
}

impl Initiators {
    /// Of an import with this window; `late`: age above which a reply may be kept back.
    pub(super) fn new(window: u16, late: Duration) -> Initiators {
        let room = room(window);
        Initiators {
            last: 0,
            known: Vec::new(),
            shared: Ledger::new(room * SHARED, late),
            shared_seen: Instant::default(),
            replaced: 0,
            room,
            late,
            full_until: Instant::default(),
        }
    }

    /// The import has another window. What was asked stays known.
    pub(super) fn set_window(&mut self, window: u16) {
        self.room = room(window);
        self.shared.set_room(self.room * SHARED);
        for initiator in &mut self.known {
            initiator.ledger.set_room(self.room);
        }
    }

    /// Replies to requests that were sent again are kept back from another age on.
    pub(super) fn set_late(&mut self, late: Duration) {
        self.late = late;
        self.shared.set_late(late);
        for initiator in &mut self.known {
            initiator.ledger.set_late(late);
        }
    }

    /// Notes a request; its number, and whether it is a copy.
    pub(super) fn capture(&mut self, key: Key, tag: Tag, passage: Passage) -> (u64, Novelty) {
        self.last += 1;
        let now = passage.sent;
        let place = self.place(key.initiator).ok();
        let place = place.or_else(|| self.admit(key.initiator, now));
        let Some(initiator) = place.and_then(|place| self.known.get_mut(place)) else {
            self.shared_seen = now;
            return (self.last, self.shared.capture(self.last, key, tag, passage));
        };
        initiator.last_seen = now;
        let novelty = initiator.ledger.capture(self.last, key, tag, passage);
        count_request(&mut initiator.carried, novelty);
        (self.last, novelty)
    }

    /// Judges a reply to the initiator's request of this number.
    ///
    /// # Errors
    /// Why it is not delivered.
    pub(super) fn answer(
        &mut self,
        initiator: MacAddr,
        number: u64,
        pdu: &Pdu<'_>,
        now: Instant,
    ) -> Result<Done, Withheld> {
        let own = self.place(initiator).ok();
        if let Some(own) = own.and_then(|at| self.known.get_mut(at)) {
            match own.ledger.answer(initiator, number, pdu, now) {
                Ok(answered) => {
                    let done = Done::new(answered, pdu, now);
                    done.count(&mut own.carried);
                    own.total.note(done.total_us);
                    return Ok(done);
                }
                // Perhaps it was asked before there was a ledger for this initiator.
                Err(Withheld::Unknown) => {}
                Err(withheld) => return Err(withheld),
            }
        }
        let answered = self.shared.answer(initiator, number, pdu, now)?;
        Ok(Done::new(answered, pdu, now))
    }

    /// A request of this initiator was refused.
    pub(super) fn refused(&mut self, initiator: MacAddr) {
        let own = self.place(initiator).ok();
        if let Some(own) = own.and_then(|at| self.known.get_mut(at)) {
            own.carried.refused += 1;
        }
    }

    /// Requests that are waited for by those who were seen lately.
    pub(super) fn waiting(&self, now: Instant) -> u64 {
        let own = self.usages(now).map(|usage| usage.waiting);
        own.sum::<u64>() + waiting(&self.shared, self.shared_seen, now)
    }

    /// How many requests are waited for by those who still ask for them, and when the first of them was first asked.
    pub(super) fn pending(&self, now: Instant) -> (u64, Option<Instant>) {
        let after = now.saturating_sub(ASKED_AGAIN);
        let ledgers = self.known.iter().map(|one| &one.ledger).chain([&self.shared]);
        ledgers.fold((0, None), |(count, oldest), ledger| {
            let (more, since) = ledger.pending(after);
            (count + more, oldest.into_iter().chain(since).min())
        })
    }

    /// Whether an answer to this request is waited for.
    pub(super) fn waits_for(&mut self, key: Key) -> bool {
        let own = self.place(key.initiator).ok();
        let own = own.and_then(|place| self.known.get_mut(place));
        own.is_some_and(|own| own.ledger.waits_for(key)) || self.shared.waits_for(key)
    }

    /// Those who have a ledger.
    pub(super) fn usages(&self, now: Instant) -> impl Iterator<Item = Usage<'_>> {
        self.known.iter().map(move |one| Usage {
            mac: one.mac,
            first_seen: one.first_seen,
            last_seen: one.last_seen,
            carried: &one.carried,
            waiting: waiting(&one.ledger, one.last_seen, now),
            total: &one.total,
        })
    }

    /// How many have no ledger: their requests are known by the shared one, or they made room for others.
    pub(super) fn others(&self) -> u64 {
        let sharing: BTreeSet<MacAddr> = self.shared.initiators().collect();
        self.replaced + sharing.len() as u64
    }

    /// Where an initiator is, or would be.
    fn place(&self, mac: MacAddr) -> Result<usize, usize> {
        self.known.binary_search_by_key(&mac, |one| one.mac)
    }

    /// Gives a newcomer a ledger, if there is one to give; where it is.
    fn admit(&mut self, mac: MacAddr, now: Instant) -> Option<usize> {
        let ledger = if self.known.len() < MAX_INITIATORS {
            Ledger::new(self.room, self.late)
        } else if now >= self.full_until {
            let all = self.known.iter().enumerate();
            let (longest, seen) = all
                .map(|(at, one)| (at, one.last_seen))
                .min_by_key(|(_, seen)| *seen)?;
            if now < seen + SILENT {
                self.full_until = seen + SILENT;
                return None;
            }
            self.known.remove(longest);
            self.replaced += 1;
            Ledger::new(self.room, self.late)
        } else {
            return None;
        };
        let place = self.place(mac).err()?;
        self.known.insert(
            place,
            Initiator {
                mac,
                ledger,
                first_seen: now,
                last_seen: now,
                carried: Carried::default(),
                total: Times::default(),
            },
        );
        Some(place)
    }
}

/// Requests of a ledger that are waited for. Who is silent for long does not wait any more.
fn waiting(ledger: &Ledger, seen: Instant, now: Instant) -> u64 {
    match now.saturating_since(seen) < SILENT {
        true => ledger.waiting() as u64,
        false => 0,
    }
}

/// Room of a ledger: for four times the window, and a little.
fn room(window: u16) -> usize {
    (usize::from(window) * 4).next_power_of_two().max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(n: u32) -> MacAddr {
        let [_, high, middle, low] = n.to_be_bytes();
        MacAddr([2, 0, 0, high, middle, low])
    }

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    fn initiators() -> Initiators {
        Initiators::new(64, Duration::from_secs(1))
    }

    /// Somebody asks for the config string; the number, and what is said to the answer.
    fn ask(initiators: &mut Initiators, n: u32, now: Instant) -> u64 {
        initiators
            .capture(Key::of_query(mac(n)), Tag(7), Passage::new(now, now))
            .0
    }

    fn answer(initiators: &mut Initiators, n: u32, number: u64, now: Instant) -> Result<(), Withheld> {
        let bytes = [0x18, 0, 0, 1, 1, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0];
        let pdu = Pdu::parse(&bytes).unwrap();
        initiators.answer(mac(n), number, &pdu, now).map(drop)
    }

    #[test]
    fn all_who_use_an_import_number_in_one_sequence() {
        let mut initiators = initiators();
        let numbers: Vec<u64> = [0, 1, 0, 2, 1]
            .into_iter()
            .map(|n| ask(&mut initiators, n, at(0)))
            .collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
        assert_eq!(
            answer(&mut initiators, 1, 3, at(1)),
            Err(Withheld::Unknown),
            "it asked 2 and 5"
        );
        assert_eq!(answer(&mut initiators, 0, 3, at(1)), Ok(()));
    }

    /// Sources that do not exist, far more than there are ledgers, and never a pause of a minute between them.
    #[test]
    fn an_initiator_at_work_keeps_its_ledger_in_a_flood_of_others() {
        let mut initiators = initiators();
        let busy = 0;
        let mut waits = ask(&mut initiators, busy, at(0));
        for n in 1..20_000 {
            let now = at(u64::from(n) * 10);
            ask(&mut initiators, n, now);
            if n % 3000 == 0 {
                // Thirty seconds is what a target that is slow, or a driver's timer, takes.
                assert_eq!(answer(&mut initiators, busy, waits, now), Ok(()), "{n}");
                waits = ask(&mut initiators, busy, now);
            }
        }
        assert_eq!(initiators.known.len(), MAX_INITIATORS);
        // A newcomer is answered as long as the answer does not take too long.
        let newcomer = ask(&mut initiators, 1 << 20, at(200_000));
        for n in 0..1000 {
            ask(&mut initiators, n << 8, at(200_000));
        }
        assert_eq!(answer(&mut initiators, 1 << 20, newcomer, at(200_001)), Ok(()));
    }

    #[test]
    fn a_ledger_of_somebody_who_is_silent_for_long_is_given_to_a_newcomer() {
        let mut initiators = initiators();
        for n in 0..256 {
            ask(&mut initiators, n, at(u64::from(n)));
        }
        let asked = ask(&mut initiators, 1000, at(1000));
        let again = ask(&mut initiators, 1000, at(60_000));
        assert!(initiators.place(mac(1000)).is_ok() && initiators.place(mac(0)).is_err());
        assert_eq!(
            answer(&mut initiators, 1000, asked, at(60_001)),
            Ok(()),
            "from the shared one"
        );
        assert_eq!(answer(&mut initiators, 1000, again, at(60_001)), Ok(()));
        assert_eq!(answer(&mut initiators, 1, 2, at(60_001)), Ok(()));
        assert_eq!(answer(&mut initiators, 0, 1, at(60_001)), Err(Withheld::Unknown));
    }
}
