//! What is kept for the audit log: sessions, and who was refused what.
//!
//! The log for operators merges by what has to be mended, and says it late or not at all if it is over soon. An audit log
//! wants to know who it was, each time. So these notes are merged only if everything about them is the same, and nothing is
//! left out as long as there is room: somebody asks for them once a second.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{IpAddr, SocketAddr};

use aoe_keys::Fingerprint;

use crate::config::{Cipher, PeerId, Protection};
use crate::event::Place;
use crate::frame::MacAddr;
use crate::refusal::Refusal;
use crate::time::Instant;

/// Notes of one sort that are kept at a time; of more only the number is known.
pub const MOST: usize = 256;

/// Something that happened, perhaps several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When it first happened since notes were asked for.
    pub first: Instant,
    /// When it last happened.
    pub last: Instant,
    /// How often.
    pub times: u64,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// There is a session.
    SessionUp {
        /// The peer.
        peer: Known,
        /// Agreed mode.
        protection: Protection,
        /// Agreed cipher.
        cipher: Cipher,
        /// Whether a pre-shared key was mixed in.
        psk: bool,
        /// What its keys rest on against a quantum computer: `none` or `ml-kem-768`.
        post_quantum: &'static str,
    },
    /// The keys of the session withstand a quantum computer from now on.
    SessionKeys {
        /// The peer.
        peer: Known,
        /// By what, such as `ml-kem-768`.
        post_quantum: &'static str,
    },
    /// A session has ended.
    SessionLost {
        /// The peer.
        peer: Known,
        /// Why.
        why: &'static str,
    },
    /// A known peer gets no session.
    SessionRefused {
        /// The peer.
        peer: Known,
        /// Why.
        why: &'static str,
    },
    /// Somebody called who is no peer.
    Stranger {
        /// Where the last call came from.
        from: SocketAddr,
        /// The key of the caller; `None` if the call could not be understood.
        key: Option<Fingerprint>,
    },
    /// A request of an initiator was refused.
    Refused {
        /// Where.
        place: Place,
        /// The export.
        export: String,
        /// The other gateway.
        peer: String,
        /// Who asked.
        initiator: MacAddr,
        /// What for, and why it was refused.
        what: Refusal,
    },
}

/// A peer, as an auditor knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// The fingerprint of its key.
    pub key: String,
    /// Its address, if one is known.
    pub address: Option<SocketAddr>,
}

/// Notes that were taken.
#[derive(Debug, Default)]
pub struct Notes {
    /// What was noted, the oldest first.
    pub list: Vec<Note>,
    /// What else happened, of which only the number is known.
    pub unnamed: u64,
}

impl Notes {
    /// Whether nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.unnamed == 0
    }
}

/// Who was refused what. Requests of one initiator for one thing are one note.
pub(crate) type Refused = (Option<PeerId>, u16, MacAddr, Refusal);

/// The notes that nobody has asked for yet.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Sessions, in their order.
    sessions: Vec<Note>,
    strangers: BTreeMap<(IpAddr, Option<Fingerprint>), Note>,
    refused: BTreeMap<Refused, Note>,
    unnamed: u64,
}

impl Book {
    /// Something about a session. One thing again and again is one note.
    pub(crate) fn session(&mut self, now: Instant, what: What) {
        let has_room = self.sessions.len() < MOST;
        match self.sessions.last_mut() {
            Some(last) if last.what == what => last.again(now, 1),
            _ if has_room => self.sessions.push(Note::new(now, 1, what)),
            _ => self.unnamed = self.unnamed.saturating_add(1),
        }
    }

    /// Somebody called who is no peer. Calls by one key from one host are one note.
    pub(crate) fn stranger(&mut self, now: Instant, from: SocketAddr, key: Option<Fingerprint>) {
        let what = || What::Stranger { from, key };
        note(
            &mut self.strangers,
            (from.ip(), key),
            (now, 1),
            what,
            &mut self.unnamed,
        );
    }

    /// Requests were refused. `what` is asked for the words if they are not known yet.
    pub(crate) fn refused(&mut self, now: Instant, times: u64, whose: Refused, what: impl FnOnce() -> What) {
        note(&mut self.refused, whose, (now, times), what, &mut self.unnamed);
    }

    /// Everything, once.
    pub(crate) fn take(&mut self) -> Notes {
        let Book {
            sessions,
            strangers,
            refused,
            unnamed,
        } = std::mem::take(self);
        let mut list = sessions;
        list.extend(strangers.into_values().chain(refused.into_values()));
        list.sort_by_key(|note| note.first);
        Notes { list, unnamed }
    }
}

impl Note {
    fn new(now: Instant, times: u64, what: What) -> Note {
        Note {
            first: now,
            last: now,
            times,
            what,
        }
    }

    fn again(&mut self, now: Instant, times: u64) {
        self.last = now;
        self.times = self.times.saturating_add(times);
    }
}

fn note<K: Ord>(
    notes: &mut BTreeMap<K, Note>,
    key: K,
    (now, times): (Instant, u64),
    what: impl FnOnce() -> What,
    unnamed: &mut u64,
) {
    let is_full = notes.len() >= MOST;
    match notes.entry(key) {
        Entry::Occupied(mut known) => known.get_mut().again(now, times),
        Entry::Vacant(_) if is_full => *unnamed = unnamed.saturating_add(times),
        Entry::Vacant(free) => {
            free.insert(Note::new(now, times, what()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(initiator: u8) -> What {
        What::Refused {
            place: Place::Exit,
            export: "backup".to_owned(),
            peer: "site-a".to_owned(),
            initiator: MacAddr([initiator; 6]),
            what: Refusal::ReadOnly,
        }
    }

    fn whose(initiator: u8) -> Refused {
        (Some(PeerId(0)), 0, MacAddr([initiator; 6]), Refusal::ReadOnly)
    }

    #[test]
    fn everybody_who_was_refused_is_named() {
        let mut book = Book::default();
        let at = |second: u64| Instant::from_micros(second * 1_000_000);
        for second in 1..=100 {
            book.refused(at(second), 2, whose(7), || refused(7));
            book.refused(at(second), 1, whose(8), || refused(8));
        }
        let Notes { list, unnamed } = book.take();
        let found: Vec<_> = list.iter().map(|note| (note.times, note.what.clone())).collect();
        assert_eq!(found, [(200, refused(7)), (100, refused(8))]);
        assert_eq!((list[0].first, list[0].last, unnamed), (at(1), at(100), 0));
        assert!(book.take().list.is_empty());
    }

    #[test]
    fn a_flood_takes_no_more_memory_than_there_is_and_is_counted() {
        let mut book = Book::default();
        let now = Instant::from_micros(1);
        for n in 0..1000_u16 {
            let [high, low] = n.to_be_bytes();
            book.stranger(now, SocketAddr::from(([10, 0, high, low], 7)), None);
        }
        let Notes { list, unnamed } = book.take();
        assert_eq!((list.len(), unnamed), (MOST, 1000 - MOST as u64));
    }

    #[test]
    fn one_host_that_calls_from_many_ports_is_one_note() {
        let mut book = Book::default();
        let from = |port| SocketAddr::from(([192, 0, 2, 9], port));
        for port in 1..=50 {
            book.stranger(Instant::from_micros(1), from(port), None);
        }
        let list = book.take().list;
        assert_eq!((list.len(), list[0].times), (1, 50));
    }
}
