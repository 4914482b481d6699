//! Handshakes that callers have begun and not ended: few, short, and not for long.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::answer::Answer;
use super::datagrams::Call;
use crate::time::Instant;
use crate::tunnel::rates::network;

/// Handshakes under way at a time, from everybody.
const MOST: usize = 64;
/// The same, from one network.
const MOST_OF_NETWORK: usize = 4;
/// Handshakes that have ended, and are kept so that the end can be said again.
const MOST_OVER: usize = 64;
/// How long one may take, from its first datagram to its last.
pub(crate) const LONGEST: Duration = Duration::from_secs(10);

/// All of them.
#[derive(Default)]
pub(crate) struct HalfOpens(Vec<HalfOpen>);

/// One of them.
struct HalfOpen {
    from: SocketAddr,
    since: Instant,
    answer: Box<Answer>,
}

impl HalfOpens {
    /// Takes the one of this call from there, to be [`put`](Self::put) back.
    pub(crate) fn take(&mut self, from: SocketAddr, call: Call) -> Option<(Box<Answer>, Instant)> {
        let is_it = |open: &HalfOpen| open.from == from && open.answer.call() == call;
        let place = self.0.iter().position(is_it)?;
        let open = self.0.remove(place);
        Some((open.answer, open.since))
    }

    /// Whether one more may begin there. Of a host where a peer is, one always may.
    pub(crate) fn has_room(&self, from: SocketAddr, is_known: bool) -> bool {
        let under_way = || self.0.iter().filter(|open| !open.answer.is_over());
        let of_network = under_way().filter(|open| network(open.from) == network(from));
        let of_host = |host: IpAddr| under_way().any(|open| open.from.ip() == host);
        of_network.count() < MOST_OF_NETWORK && under_way().count() < MOST || is_known && !of_host(from.ip())
    }

    /// One that began at this moment goes on.
    pub(crate) fn put(&mut self, from: SocketAddr, (answer, since): (Box<Answer>, Instant)) {
        let over = |open: &HalfOpen| open.answer.is_over();
        if self.0.iter().filter(|open| over(open)).count() >= MOST_OVER
            && let Some(oldest) = self.0.iter().position(over)
        {
            self.0.remove(oldest);
        }
        self.0.push(HalfOpen { from, since, answer });
    }

    /// None of those before this moment is of use any more.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Those that took too long are over.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.0.retain(|open| now < open.since + LONGEST);
    }

    /// When the first one has taken too long.
    pub(crate) fn deadline(&self) -> Instant {
        let ends = self.0.iter().map(|open| open.since + LONGEST);
        ends.min().unwrap_or(Instant::NEVER)
    }

    /// How many are under way.
    #[cfg(test)]
    pub(crate) fn under_way(&self) -> usize {
        self.0.iter().filter(|open| !open.answer.is_over()).count()
    }
}
