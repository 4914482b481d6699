//! A short stream of bytes over datagrams that are lost, doubled and overtaken: what is on the way out, and what came.

use super::datagrams::{BODY, Part};

/// Most bytes of one direction.
pub(super) const MOST: usize = 32 * 1024;
/// Bytes that are under way at most.
const WINDOW: usize = 8 * BODY;
/// Most runs of bytes that came before what is missing in front of them.
const MOST_RUNS: usize = 16;

/// Bytes on the way out.
#[derive(Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    acknowledged: usize,
    sent: usize,
}

impl Outgoing {
    /// More bytes; false if that is too much.
    #[must_use]
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        if self.bytes.len() + bytes.len() > MOST {
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        true
    }

    /// All bytes before this one have come; whether that is new.
    pub(super) fn acknowledge(&mut self, received: u16) -> bool {
        let received = usize::from(received);
        let is_new = received > self.acknowledged && received <= self.bytes.len();
        if is_new {
            self.acknowledged = received;
            self.sent = self.sent.max(received);
        }
        is_new
    }

    /// What was not acknowledged is sent again.
    pub(super) fn rewind(&mut self) {
        self.sent = self.acknowledged;
    }

    /// The next part to send, if there is one and not too much is under way.
    pub(super) fn next(&mut self, received: u16) -> Option<Part<'_>> {
        let end = self
            .bytes
            .len()
            .min(self.sent + BODY)
            .min(self.acknowledged + WINDOW);
        let offset = u16::try_from(self.sent).ok()?;
        let bytes = self.bytes.get(self.sent..end).filter(|bytes| !bytes.is_empty())?;
        self.sent = end;
        Some(Part {
            offset,
            received,
            bytes,
        })
    }

    /// A part that only says what has come.
    pub(super) fn nothing(&self, received: u16) -> Part<'static> {
        Part {
            offset: u16::try_from(self.acknowledged).unwrap_or(u16::MAX),
            received,
            bytes: &[],
        }
    }
}

/// Bytes that come.
#[derive(Default)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    /// Bytes before this one have come.
    whole: usize,
    /// Bytes before this one were read.
    read: usize,
    /// What came behind that, sorted, apart from each other.
    runs: Vec<(usize, usize)>,
}

impl Incoming {
    /// Takes a part. What came first counts. False: it is longer than any stream.
    pub(super) fn take(&mut self, part: &Part<'_>) -> bool {
        let start = usize::from(part.offset);
        let end = start + part.bytes.len();
        if end > MOST {
            return false;
        }
        if start > self.whole && self.runs.len() >= MOST_RUNS || end <= self.whole {
            return true;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        // Only into the holes.
        let mut at = start.max(self.whole);
        for (first, after) in self.runs.iter().copied().chain([(MOST, MOST)]) {
            let hole = first.min(end);
            if at < hole
                && let (Some(to), Some(from)) = (
                    self.bytes.get_mut(at..hole),
                    part.bytes.get(at - start..hole - start),
                )
            {
                to.copy_from_slice(from);
            }
            at = at.max(after.min(end));
        }
        self.runs.push((start.max(self.whole), end));
        self.runs.sort_unstable();
        let mut joined: Vec<(usize, usize)> = Vec::with_capacity(self.runs.len());
        for (first, after) in self.runs.drain(..) {
            match joined.last_mut() {
                Some(last) if first <= last.1 => last.1 = last.1.max(after),
                _ => joined.push((first, after)),
            }
        }
        if let Some((first, after)) = joined.first().copied()
            && first <= self.whole
        {
            self.whole = after;
            joined.remove(0);
        }
        self.runs = joined;
        true
    }

    /// All bytes before this one have come.
    pub(super) fn received(&self) -> u16 {
        u16::try_from(self.whole).unwrap_or(u16::MAX)
    }

    /// What came and was not read.
    pub(super) fn unread(&self) -> &[u8] {
        self.bytes.get(self.read..self.whole).unwrap_or_default()
    }

    /// So many bytes were read.
    pub(super) fn advance(&mut self, read: usize) {
        self.read = (self.read + read).min(self.whole);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(sender: &mut Outgoing) -> Vec<(u16, Vec<u8>)> {
        let parts = std::iter::from_fn(|| sender.next(0).map(|part| (part.offset, part.bytes.to_vec())));
        parts.collect()
    }

    fn give(receiver: &mut Incoming, (offset, bytes): &(u16, Vec<u8>)) -> bool {
        receiver.take(&Part {
            offset: *offset,
            received: 0,
            bytes,
        })
    }

    #[test]
    fn no_more_than_a_window_is_under_way_and_no_more_than_all_is_taken() {
        let mut sender = Outgoing::default();
        assert!(sender.push(&[1; MOST]));
        assert!(!sender.push(&[1]));
        let under_way =
            |parts: Vec<(u16, Vec<u8>)>| parts.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        assert_eq!(under_way(parts(&mut sender)), WINDOW);
        assert!(!sender.acknowledge(0) && sender.acknowledge(100));
        assert_eq!(under_way(parts(&mut sender)), 100);
        sender.rewind();
        assert_eq!(under_way(parts(&mut sender)), WINDOW);
        let mut receiver = Incoming::default();
        assert!(!give(&mut receiver, &(u16::try_from(MOST).unwrap(), vec![1])));
        assert!(give(&mut receiver, &(u16::try_from(MOST - 1).unwrap(), vec![1])));
        assert_eq!(receiver.received(), 0);
    }

    #[test]
    fn what_came_first_counts() {
        let mut receiver = Incoming::default();
        assert!(give(&mut receiver, &(2, vec![7, 7])));
        assert!(give(&mut receiver, &(0, vec![1, 2, 3, 4, 5])));
        assert_eq!(receiver.unread(), [1, 2, 7, 7, 5]);
        assert!(give(&mut receiver, &(0, vec![9; 5])));
        assert_eq!(receiver.unread(), [1, 2, 7, 7, 5]);
    }

    proptest! {
        #[test]
        fn all_comes_whatever_the_path_does(len in 1usize..MOST, seed in any::<u64>()) {
            let sent: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let (mut sender, mut receiver) = (Outgoing::default(), Incoming::default());
            prop_assert!(sender.push(&sent));
            let mut random = seed | 1;
            let mut draw = move || { random ^= random << 13; random ^= random >> 7; random ^= random << 17; random };
            let mut got = Vec::new();
            for _ in 0..2000 {
                sender.rewind();
                let mut flight = parts(&mut sender);
                if flight.is_empty() { break; }
                for at in (1..flight.len()).rev() {
                    flight.swap(at, usize::try_from(draw()).unwrap_or(0) % (at + 1));
                }
                for part in &flight {
                    for _ in 0..draw() % 3 {
                        prop_assert!(give(&mut receiver, part));
                    }
                }
                got.extend_from_slice(receiver.unread());
                receiver.advance(receiver.unread().len());
                sender.acknowledge(receiver.received());
            }
            prop_assert_eq!(got, sent);
        }
    }
}
