//! Memory that segments fill with frames, a batch at a time.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use aoe_common::frame::MAX_FRAME_LEN;

use super::message::{Fit, Messages, Received};

/// Frames received in one turn. The memory is allocated once and used again for every batch.
pub struct RecvBatch {
    memory: Box<[u8]>,
    slot_len: usize,
    /// Length of the frame in each slot, `None` where it did not fit.
    lens: Vec<Option<usize>>,
    /// Stamp of the frame in each slot; none where there are fewer.
    stamps: Vec<Option<Duration>>,
    messages: Messages,
}

impl RecvBatch {
    /// Frames per batch that pay off, and the most there are: more brings nothing, fewer costs system calls.
    pub const SLOTS: usize = 64;

    /// Bytes per frame: the longest frame fits with room to tell that it did, and the whole batch stays near
    /// one mebibyte, the size of a second-level cache.
    pub const SLOT_LEN: usize = MAX_FRAME_LEN + 64;

    /// Memory for `slots` frames of at most `slot_len` bytes; zero counts as one for both.
    pub fn new(slots: usize, slot_len: usize) -> Self {
        let (slots, slot_len) = (slots.max(1), slot_len.max(1));
        RecvBatch {
            memory: vec![0; slots * slot_len].into_boxed_slice(),
            slot_len,
            lens: Vec::with_capacity(slots),
            stamps: Vec::with_capacity(slots),
            messages: Messages::with_capacity(slots),
        }
    }

    /// How many frames it takes.
    pub fn slots(&self) -> usize {
        self.memory.len() / self.slot_len
    }

    /// The frames of the last batch that arrived whole, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.stamped().map(|(frame, _)| frame)
    }

    /// The same, each with the wall clock (time since 1970) at its arrival, if the kernel says so.
    pub fn stamped(&self) -> impl Iterator<Item = (&[u8], Option<Duration>)> {
        let stamps = self.stamps.iter().copied().chain(std::iter::repeat(None));
        self.memory
            .chunks_exact(self.slot_len)
            .zip(&self.lens)
            .zip(stamps)
            .filter_map(|((slot, len), stamp)| Some((slot.get(..(*len)?)?, stamp)))
    }

    /// How many frames of the last batch were longer than a slot, and so are left out.
    pub fn truncated(&self) -> usize {
        self.lens.iter().filter(|len| len.is_none()).count()
    }

    /// Fills the batch by one `recvmmsg`.
    pub(super) fn fill_from_socket(&mut self, socket: &impl AsFd) -> io::Result<usize> {
        self.lens.clear();
        self.stamps.clear();
        let slots = self.memory.chunks_exact_mut(self.slot_len);
        let count = self.messages.recv(socket, slots)?;
        for Received { len, fit, stamp } in self.messages.received(count) {
            self.lens.push((fit == Fit::Whole).then_some(len));
            self.stamps.push(stamp);
        }
        Ok(count)
    }

    /// Fills the batch by calling `read` for slot after slot until it would block or the batch is full.
    /// Returns how many frames came. A frame that fills its slot to the last byte counts as truncated: a
    /// plain read does not tell.
    ///
    /// # Errors
    /// What `read` returned, if it failed at once; a failure after the first frame will show on the next call.
    pub fn fill_by(&mut self, mut read: impl FnMut(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        self.lens.clear();
        self.stamps.clear();
        for slot in self.memory.chunks_exact_mut(self.slot_len) {
            match read(slot) {
                Ok(len) => self.lens.push((len < slot.len()).then_some(len)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock || !self.lens.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(self.lens.len())
    }
}

impl Default for RecvBatch {
    fn default() -> Self {
        RecvBatch::new(Self::SLOTS, Self::SLOT_LEN)
    }
}

/// Sizes only: frames do not belong into logs.
impl fmt::Debug for RecvBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvBatch")
            .field("slot_len", &self.slot_len)
            .field("frames", &self.lens.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_stops_when_it_would_block_and_keeps_what_came() {
        let mut batch = RecvBatch::new(4, 8);
        let mut frames = [&b"one"[..], b"seven77"].into_iter();
        let read = |slot: &mut [u8]| {
            let frame = frames.next().ok_or(io::ErrorKind::WouldBlock)?;
            slot[..frame.len()].copy_from_slice(frame);
            Ok(frame.len())
        };
        assert_eq!(batch.fill_by(read).unwrap(), 2);
        assert_eq!(batch.iter().collect::<Vec<_>>(), [&b"one"[..], b"seven77"]);
        assert_eq!(batch.truncated(), 0);
    }

    #[test]
    fn a_frame_that_may_have_been_cut_is_left_out() {
        let mut batch = RecvBatch::new(2, 4);
        let mut lens = [4, 3].into_iter();
        assert_eq!(batch.fill_by(|_| Ok(lens.next().unwrap())).unwrap(), 2);
        assert_eq!(batch.iter().map(<[u8]>::len).collect::<Vec<_>>(), [3]);
        assert_eq!(batch.truncated(), 1);
    }

    #[test]
    fn a_failure_shows_at_once_only_if_nothing_came() {
        let mut batch = RecvBatch::new(3, 4);
        assert!(
            batch
                .fill_by(|_| Err(io::ErrorKind::NotConnected.into()))
                .is_err()
        );
        let mut first = true;
        let read = |_: &mut [u8]| {
            if std::mem::take(&mut first) {
                Ok(1)
            } else {
                Err(io::ErrorKind::NotConnected.into())
            }
        };
        assert_eq!(batch.fill_by(read).unwrap(), 1);
    }
}
