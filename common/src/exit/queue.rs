//! Requests that wait for room at a target, bounded in number, bytes and time.

use std::collections::VecDeque;
use std::time::Duration;

use super::pending::{Asked, Origin};
use crate::config::PeerId;
use crate::time::Instant;

/// Most requests waiting for one target.
const MAX_REQUESTS: usize = 4096;
/// Most bytes waiting for one target.
const MAX_BYTES: usize = 8 << 20;
/// Longest wait.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// A request that waits, as it will be sent but for its tag.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) origin: Origin,
    pub(crate) asked: Asked,
    pub(crate) pdu: Vec<u8>,
    pub(crate) since: Instant,
}

/// First come, first served.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

impl Queue {
    /// Adds a request; false, and it is lost, if there is no room.
    #[must_use]
    pub(crate) fn push(&mut self, request: Waiting) -> bool {
        let bytes = self.bytes + request.pdu.len();
        if self.waiting.len() >= MAX_REQUESTS || bytes > MAX_BYTES {
            return false;
        }
        self.bytes = bytes;
        self.waiting.push_back(request);
        true
    }

    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        let request = self.waiting.pop_front()?;
        self.bytes -= request.pdu.len();
        Some(request)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Lets go of what a peer asked; returns how many requests that were.
    pub(crate) fn forget(&mut self, peer: PeerId) -> u64 {
        let before = self.waiting.len();
        self.waiting.retain(|request| request.origin.peer != peer);
        self.bytes = self.waiting.iter().map(|request| request.pdu.len()).sum();
        (before - self.waiting.len()) as u64
    }

    /// Lets go of requests that waited too long; returns how many.
    pub(crate) fn expire(&mut self, now: Instant) -> u64 {
        let mut expired = 0;
        while self
            .waiting
            .front()
            .is_some_and(|one| now.saturating_since(one.since) >= MAX_WAIT)
        {
            self.pop();
            expired += 1;
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ImportId;
    use crate::frame::{MacAddr, Tag};

    fn waiting(number: u64, len: usize, since: Instant) -> Waiting {
        let origin = Origin {
            peer: PeerId(0),
            import: ImportId(0),
            initiator: MacAddr([2; 6]),
            number,
            tag: Tag(0),
        };
        Waiting {
            origin,
            asked: Asked::Query,
            pdu: vec![0; len],
            since,
        }
    }

    #[test]
    fn first_come_first_served_within_bounds() {
        let mut queue = Queue::default();
        let now = Instant::default();
        assert!(queue.push(waiting(1, 10, now)) && queue.push(waiting(2, 10, now)));
        assert!(!queue.push(waiting(3, MAX_BYTES, now)), "too many bytes");
        assert_eq!(queue.pop().unwrap().origin.number, 1);
        assert_eq!((queue.forget(PeerId(1)), queue.forget(PeerId(0))), (0, 1));
        assert!(queue.is_empty() && queue.bytes == 0);
        assert!(queue.push(waiting(3, 10, now)));
        assert_eq!(queue.expire(now + MAX_WAIT), 1);
        assert!(queue.is_empty() && queue.bytes == 0);
        assert_eq!(
            (0..10_000).filter(|n| queue.push(waiting(*n, 1, now))).count(),
            MAX_REQUESTS
        );
    }
}
