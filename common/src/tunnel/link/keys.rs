//! What a peer and we say to each other of our static keys.
//!
//! ```text
//!   we                                         the peer
//!      ── keys: serial, list ──▶                checks it, gives it to its host, which writes it
//!      ── keys again, later and later ──▶       the host says that it is kept: the list counts
//!      ◀── keys ack: serial ──                  we know that it has them
//! ```

use std::time::Duration;

use aoe_keys::PublicKey;

use crate::allowance::Allowance;
use crate::config::Told;
use crate::event::KeysFault;
use crate::throttle::Throttle;
use crate::time::Instant;
use crate::tunnel::said_keys::SaidKeys;

/// How long a list waits for its ack before it is sent again; then twice as long, and so on.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest such wait: a peer of an older version never answers.
const LONGEST_WAIT: Duration = Duration::from_secs(32);
/// Lists of one peer that are looked at in a second. An honest one sends a new one for each change.
const LISTS_PER_SECOND: u32 = 8;
/// The host is asked to keep the same list again after this time: it may have failed.
const ASK_HOST_EVERY: Duration = Duration::from_secs(10);

/// What is said of keys.
#[derive(Debug, Default)]
pub(crate) struct KeyTalk {
    /// What we say, until it is answered.
    outgoing: Option<Outgoing>,
    last_serial: u32,
    /// What it has kept of our keys.
    pub(crate) told: Option<Told>,
    /// Why it did not take what we said last.
    pub(crate) refused_there: Option<KeysFault>,
    /// The number of the newest list of this process of the peer that counts; 0: there was none.
    kept_serial: u32,
    /// A list of the peer that the host has not kept yet.
    pub(crate) waiting: Option<Waiting>,
    /// Lists that were looked at in this second.
    looked_at: Allowance,
}

/// A list of ours that is not answered.
#[derive(Debug)]
struct Outgoing {
    said: SaidKeys,
    again_at: Instant,
    wait: Duration,
}

/// A list of the peer that is not kept yet.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) said: SaidKeys,
    /// The key of the session that it came by.
    pub(crate) by: PublicKey,
    /// When the host was asked to keep it.
    asked: Throttle,
}

/// What becomes of a list of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    /// It is looked at.
    New,
    /// It counts already: only its ack was lost.
    Kept,
    /// A newer one counts.
    Old,
    /// There are too many.
    TooSoon,
}

impl KeyTalk {
    pub(super) fn new(told: Option<Told>) -> KeyTalk {
        KeyTalk {
            told,
            ..KeyTalk::default()
        }
    }

    /// These are our keys: says so until it is answered. What to send.
    pub(crate) fn say(&mut self, keys: Vec<PublicKey>, in_use: usize, now: Instant) -> Vec<u8> {
        self.last_serial = self.last_serial.wrapping_add(1).max(1);
        let said = SaidKeys {
            serial: self.last_serial,
            keys,
            in_use,
        };
        let message = said.emit();
        self.outgoing = Some(Outgoing {
            said,
            again_at: now + FIRST_WAIT,
            wait: FIRST_WAIT,
        });
        message
    }

    /// What we say, if it has to be sent again now.
    pub(crate) fn again(&mut self, now: Instant) -> Option<Vec<u8>> {
        let outgoing = self.outgoing.as_mut().filter(|said| now >= said.again_at)?;
        outgoing.wait = (outgoing.wait * 2).min(LONGEST_WAIT);
        outgoing.again_at = now + outgoing.wait;
        Some(outgoing.said.emit())
    }

    /// When [`again`](Self::again) has something to send.
    pub(crate) fn deadline(&self) -> Instant {
        let outgoing = self.outgoing.as_ref();
        outgoing.map_or(Instant::NEVER, |said| said.again_at)
    }

    /// Takes an answer. The newest key that it is about; `None`: it is not about what we said last.
    pub(crate) fn answered(&mut self, serial: u32, outcome: Result<(), KeysFault>) -> Option<PublicKey> {
        let answered = self.outgoing.take_if(|said| said.said.serial == serial)?;
        self.refused_there = outcome.err();
        answered.said.keys.first().copied()
    }

    /// What becomes of a list with this serial.
    pub(crate) fn judge(&mut self, serial: u32, now: Instant) -> List {
        if !self.looked_at.take(LISTS_PER_SECOND, now) {
            return List::TooSoon;
        }
        let waiting = self.waiting.as_ref().map_or(0, |waiting| waiting.said.serial);
        match serial {
            serial if serial == self.kept_serial => List::Kept,
            serial if serial < self.kept_serial.max(waiting) => List::Old,
            _ => List::New,
        }
    }

    /// This list waits for the host. Whether the host is to be asked to keep it now.
    pub(crate) fn wait_for_host(&mut self, said: SaidKeys, by: PublicKey, now: Instant) -> bool {
        match &mut self.waiting {
            Some(waiting) if waiting.said == said => {
                waiting.by = by;
                waiting.asked.permits(now, ASK_HOST_EVERY)
            }
            _ => {
                let mut asked = Throttle::default();
                let ask = asked.permits(now, ASK_HOST_EVERY);
                self.waiting = Some(Waiting { said, by, asked });
                ask
            }
        }
    }

    /// The host has kept the list with this serial; `None`: it is not the one that waits.
    pub(crate) fn take_kept(&mut self, serial: u32) -> Option<Waiting> {
        self.waiting.take_if(|waiting| waiting.said.serial == serial)
    }

    /// The list with this serial counts.
    pub(crate) fn counts(&mut self, serial: u32) {
        self.kept_serial = serial;
        self.waiting.take_if(|waiting| waiting.said.serial <= serial);
    }

    /// The peer is another process: it numbers from the start.
    pub(crate) fn forget(&mut self) {
        (self.kept_serial, self.waiting) = (0, None);
    }
}
