//! Puts messages that span records together again, within bounds.

use std::ops::Range;
use std::time::Duration;

use super::message::{MAX_MESSAGE_LEN, Position};
use crate::drop_reason::DropReason;
use crate::time::Instant;

/// Unfinished messages kept per peer: with [`MAX_MESSAGE_LEN`] a bound of about 1 MiB.
const MAX_MESSAGES: usize = 64;
/// Parts of one message: a jumbo frame over the smallest path has 8.
const MAX_PARTS: usize = 128;
/// How long the parts of one message may take.
const MAX_AGE: Duration = Duration::from_secs(1);

/// Unfinished messages of one peer, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    unfinished: Vec<Unfinished>,
    spare: Vec<Unfinished>,
}

#[derive(Debug, Default)]
struct Unfinished {
    message: u32,
    since: Instant,
    missing: usize,
    /// What has arrived; ranges never overlap, so once nothing is missing every byte was written.
    parts: Vec<Range<usize>>,
    bytes: Vec<u8>,
}

/// What a part led to.
#[derive(Debug)]
pub(crate) enum Step {
    /// The message is whole. Give its memory back by [`Reassembly::recycle`].
    Complete(Whole),
    /// More parts are to come.
    Waiting,
    /// More parts are to come. The oldest of too many unfinished messages, some part of which was probably lost, is
    /// given up.
    Displaced,
    /// The part, and with it the message, is given up.
    Refused(DropReason),
}

/// A message put together.
#[derive(Debug)]
pub(crate) struct Whole(Unfinished);

impl Whole {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl Reassembly {
    /// Adds one part.
    pub(crate) fn add(&mut self, position: Position, part: &[u8], now: Instant) -> Step {
        let (start, total) = (usize::from(position.offset), usize::from(position.total));
        let range = start..start + part.len();
        if part.is_empty() || range.end > total || total > MAX_MESSAGE_LEN {
            return Step::Refused(DropReason::ReassemblyMalformed);
        }
        // Parts come in order, so what is wanted is nearly always the newest.
        let known = self
            .unfinished
            .iter()
            .rposition(|one| one.message == position.message);
        let at = known.unwrap_or_else(|| self.begin(position.message, total, now));
        let Some(one) = self.unfinished.get_mut(at) else {
            return Step::Waiting;
        };
        if let Err(reason) = one.write(range, total, part) {
            let given_up = self.unfinished.remove(at);
            self.recycle(Whole(given_up));
            return Step::Refused(reason);
        }
        if one.missing == 0 {
            return Step::Complete(Whole(self.unfinished.remove(at)));
        }
        if self.unfinished.len() > MAX_MESSAGES {
            let oldest = self.unfinished.remove(0);
            self.recycle(Whole(oldest));
            return Step::Displaced;
        }
        Step::Waiting
    }

    /// Takes a message's memory back.
    pub(crate) fn recycle(&mut self, whole: Whole) {
        let mut one = whole.0;
        if self.spare.len() < MAX_MESSAGES {
            one.parts.clear();
            self.spare.push(one);
        }
    }

    /// Gives up messages that took too long; returns how many.
    pub(crate) fn expire(&mut self, now: Instant) -> u64 {
        let mut expired = 0;
        while self.deadline() <= now {
            let oldest = self.unfinished.remove(0);
            self.recycle(Whole(oldest));
            expired += 1;
        }
        expired
    }

    /// When the next message will have taken too long.
    pub(crate) fn deadline(&self) -> Instant {
        self.unfinished
            .first()
            .map_or(Instant::NEVER, |one| one.since + MAX_AGE)
    }

    /// Gives up everything: the peer was restarted and numbers its messages from the start.
    pub(crate) fn clear(&mut self) {
        self.unfinished.clear();
    }

    /// Starts a message; returns where it is.
    fn begin(&mut self, message: u32, total: usize, now: Instant) -> usize {
        let mut one = self.spare.pop().unwrap_or_default();
        // Every byte is written before any is read: what an earlier message left needs no wiping.
        one.bytes.resize(total, 0);
        self.unfinished.push(Unfinished {
            message,
            since: now,
            missing: total,
            ..one
        });
        self.unfinished.len() - 1
    }
}

impl Unfinished {
    fn write(&mut self, range: Range<usize>, total: usize, part: &[u8]) -> Result<(), DropReason> {
        let overlaps = self
            .parts
            .iter()
            .any(|other| other.start < range.end && range.start < other.end);
        if total != self.bytes.len() || overlaps || self.parts.len() >= MAX_PARTS {
            return Err(DropReason::ReassemblyMalformed);
        }
        let room = self
            .bytes
            .get_mut(range.clone())
            .ok_or(DropReason::ReassemblyMalformed)?;
        room.copy_from_slice(part);
        self.missing -= part.len();
        self.parts.push(range);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(message: u32, offset: u16, total: u16) -> Position {
        Position {
            message,
            offset,
            total,
        }
    }

    #[test]
    fn parts_in_any_order_make_the_message() {
        let mut reassembly = Reassembly::default();
        let now = Instant::default();
        assert!(matches!(
            reassembly.add(position(1, 2, 5), b"cde", now),
            Step::Waiting
        ));
        let Step::Complete(whole) = reassembly.add(position(1, 0, 5), b"ab", now) else {
            panic!("not whole")
        };
        assert_eq!(whole.bytes(), b"abcde");
        assert_eq!(reassembly.deadline(), Instant::NEVER);
    }

    #[test]
    fn overlaps_never_leave_stale_bytes_in_a_message() {
        let mut reassembly = Reassembly::default();
        let now = Instant::default();
        let Step::Complete(first) = reassembly.add(position(1, 0, 6), b"secret", now) else {
            panic!("not whole")
        };
        reassembly.recycle(first);
        assert!(matches!(
            reassembly.add(position(2, 0, 6), b"abc", now),
            Step::Waiting
        ));
        let overlap = reassembly.add(position(2, 2, 6), b"cde", now);
        assert!(matches!(overlap, Step::Refused(DropReason::ReassemblyMalformed)));
        assert!(
            matches!(reassembly.add(position(2, 5, 6), b"f", now), Step::Waiting),
            "it starts again"
        );
    }

    #[test]
    fn messages_that_lost_a_part_do_not_keep_others_out() {
        let mut reassembly = Reassembly::default();
        let now = Instant::default();
        for message in 0..1000 {
            reassembly.add(position(2 * message, 0, 2), b"a", now);
            reassembly.add(position(2 * message + 1, 0, 2), b"b", now);
            let Step::Complete(whole) = reassembly.add(position(2 * message + 1, 1, 2), b"c", now) else {
                panic!("message {message} is not whole")
            };
            assert_eq!(whole.bytes(), b"bc");
            reassembly.recycle(whole);
        }
    }

    #[test]
    fn bombs_of_fragments_are_bounded_in_number_and_time() {
        let mut reassembly = Reassembly::default();
        let now = Instant::default();
        let bomb = |message| position(message, 0, 16_000);
        let displaced =
            (0..10_000).filter(|n| matches!(reassembly.add(bomb(*n), &[1], now), Step::Displaced));
        assert_eq!(displaced.count(), 10_000 - MAX_MESSAGES);
        assert_eq!(reassembly.expire(reassembly.deadline()), MAX_MESSAGES as u64);
        assert!(matches!(
            reassembly.add(position(0, 0, 0), b"", now),
            Step::Refused(_)
        ));
        assert!(matches!(
            reassembly.add(position(0, 9, 10), b"ab", now),
            Step::Refused(_)
        ));
        assert!(matches!(
            reassembly.add(position(0, 0, 65_535), b"ab", now),
            Step::Refused(_)
        ));
    }
}
