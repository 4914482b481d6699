//! What pings tell of a peer: how far away it is, and what its clock says.
//!
//! ```text
//!   ours   t1 ────────────────── t4 ──────────────── now
//!             ping ╲      ╱ pong                ╱
//!   theirs          ╲── p ──────────────── c ──╱
//! ```
//! The peer read its clock (`p`) after we asked (`t1`) and captured the request (`c`) after that, so the request is at
//! most `(now − t1) − (c − p)` old. That errs by the ping's way to the peer, and by what two clocks drift apart.
//!
//! Which reading may be used, if clocks can stand still (a virtual machine that is paused, moved or restored):
//!
//! - *The peer's clock stood still.* Between `p` and `c`: it was captured later than it looks, so it is younger than
//!   computed. After `c`: our own clock counted that. Between `c` and `p`: it would be older than computed. So only a
//!   reading taken **before the capture** counts, and of those, each of which is an upper bound, the lowest. After such
//!   a stop everything is too old until the peer has read its clock once more, and what it captured before it did
//!   (what waited in its network card) stays so.
//! - *Our clock stood still.* Readings from before the stop make everything younger than it is. They are void as soon
//!   as the peer's clock is seen ahead of what they allow, in a pong or in a request; that request and what follows
//!   has no age until the next pong. What cannot be seen: requests that waited for us all through our stop and are read
//!   before anything newer. A later stop that is shorter than the way of a pong is not seen either.
//! - *The path became longer or shorter.* Old readings stay right. A worse one does not replace a better one until
//!   drift has made that worse.

mod readings;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::readings::Readings;
use super::round_trip::RoundTrip;
use crate::time::Instant;

/// Pings whose answers are waited for; an older one is forgotten.
const ASKED: usize = 16;
/// Pings of one peer and what their answers told.
#[derive(Debug, Default)]
pub(crate) struct PeerClock {
    next_ping: u64,
    asked: [Option<SentPing>; ASKED],
    readings: Readings,
    round_trip: Option<RoundTrip>,
    /// Whether a request looked too old since the last ping.
    is_doubted: bool,
}

/// A ping under way.
#[derive(Clone, Copy, Debug)]
struct SentPing {
    ping: u64,
    at: Instant,
    /// The record it went in: the receiver's index of the session, and the counter.
    record: Option<(u32, u64)>,
    /// Whether that record was sent again.
    is_repaired: bool,
}

/// How a pong arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// As it was sent at first.
    AtOnce,
    /// Perhaps only when it was asked for: it says nothing of the way.
    Repaired,
}

impl PeerClock {
    /// The number of a ping that goes out now.
    pub(crate) fn ask(&mut self, now: Instant) -> u64 {
        let ping = self.next_ping;
        self.next_ping += 1;
        self.is_doubted = false;
        if let Some(slot) = self.asked.get_mut(slot(ping)) {
            *slot = Some(SentPing {
                ping,
                at: now,
                record: None,
                is_repaired: false,
            });
        }
        ping
    }

    /// The ping travels in this record.
    pub(crate) fn asked_in(&mut self, ping: u64, receiver: u32, counter: u64) {
        let asked = self.asked.iter_mut().flatten().find(|asked| asked.ping == ping);
        if let Some(asked) = asked {
            asked.record = Some((receiver, counter));
        }
    }

    /// A record was sent again: how long the answer to a ping in it takes says nothing (Karn's algorithm, RFC 6298
    /// section 3).
    pub(crate) fn resent(&mut self, receiver: u32, counter: u64) {
        let mut asked = self.asked.iter_mut().flatten();
        if let Some(asked) = asked.find(|asked| asked.record == Some((receiver, counter))) {
            asked.is_repaired = true;
        }
    }

    /// A pong came: the ping it answers, and the peer's clock in microseconds. False if we wait for no such pong;
    /// then it tells nothing.
    pub(crate) fn answered(&mut self, ping: u64, clock: u64, came: Came, now: Instant) -> bool {
        let waiting = self.asked.get_mut(slot(ping));
        let Some(asked) = waiting.and_then(|waiting| waiting.take_if(|asked| asked.ping == ping)) else {
            return false;
        };
        let took = now.saturating_since(asked.at);
        self.readings.learn(asked.at, clock, now);
        if asked.is_repaired || came == Came::Repaired {
            return true;
        }
        match &mut self.round_trip {
            None => self.round_trip = Some(RoundTrip::first(took, now)),
            Some(round_trip) => round_trip.add(took, now),
        }
        true
    }

    /// How old what the peer captured then (microseconds of its clock, modulo 2^32) is at most; `None` if that is not
    /// known. Right for what is less than half an hour old.
    pub(crate) fn age(&mut self, captured: u32, now: Instant) -> Option<Duration> {
        self.readings.age(captured, now)
    }

    /// A request looked too old, or has no age: perhaps the clock has to be read again.
    pub(crate) fn doubt(&mut self) {
        self.is_doubted = true;
    }

    /// Whether it is to be read soon.
    pub(crate) fn wants_reading(&self) -> bool {
        self.is_doubted || self.round_trip.is_none()
    }

    /// Whether a session that began then, by our clock, is as old as it seems.
    pub(crate) fn ran_since(&self, moment: Instant) -> bool {
        self.readings.ran_since(moment)
    }

    /// How long pongs take, once one has come.
    pub(crate) fn round_trip(&self) -> Option<&RoundTrip> {
        self.round_trip.as_ref()
    }

    /// The peer is another process: its clock has another zero, and it answers none of our old pings.
    pub(crate) fn forget(&mut self) {
        *self = PeerClock {
            next_ping: self.next_ping,
            ..PeerClock::default()
        };
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a remainder by ASKED")]
fn slot(ping: u64) -> usize {
    (ping % ASKED as u64) as usize
}
