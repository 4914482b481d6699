//! A request that does not fit one frame to its target: done in parts, one after the other, and answered as one.
//!
//! What fits may become less while a request is under way: the MTU of a segment, what the target says of itself. Its
//! initiator sends it at its old size forever.

use super::copies::CopyId;
use crate::frame::{Ata, AtaHeader};

/// How far a request is.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// Sectors of the parts that were answered.
    done: u8,
    /// Sectors of the part that was sent last; 0: it was answered, or none was.
    part: u8,
    /// How many copies were sent before that part.
    before: u8,
    /// What was read so far.
    data: Vec<u8>,
}

/// A run of sectors of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// How many are before it.
    pub(crate) done: u8,
    pub(crate) sectors: u8,
}

/// What the answer to a part means for the request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pieces {
    /// It is the answer.
    Whole,
    /// This is: argument and data.
    Made(Vec<u8>),
    /// There are more parts to do.
    More,
}

impl Parts {
    /// What to send of a request for `total` sectors, where a frame carries `most`, and after so many copies.
    pub(crate) fn next(&mut self, total: u8, most: u8, copies: u8) -> Part {
        let sectors = total.saturating_sub(self.done).min(most.max(1));
        if sectors != self.part {
            self.part = sectors;
            self.before = copies;
        }
        Part {
            done: self.done,
            sectors,
        }
    }

    /// Sectors of the part that was sent last.
    pub(crate) fn sectors(&self) -> u8 {
        self.part
    }

    /// Whether a copy was of the part that was sent last.
    pub(crate) fn is_current(&self, copy: CopyId) -> bool {
        copy.number() >= self.before
    }

    /// The part that was sent last was answered, after so many copies; `request` is all that was asked for.
    pub(crate) fn answered(&mut self, request: &Ata<'_>, response: &Ata<'_>, copies: u8) -> Pieces {
        let total = request.sectors();
        let after = total.saturating_sub(self.done).saturating_sub(self.part);
        if self.done == 0 && after == 0 {
            return Pieces::Whole;
        }
        let mut header = response.header();
        if !response.is_success() {
            // The count is that of the sectors that were not moved.
            header.sectors = after.saturating_add(header.sectors.min(self.part));
            return Pieces::Made(header.to_bytes().to_vec());
        }
        if after > 0 {
            self.done += self.part;
            self.part = 0;
            self.before = copies;
            return Pieces::More;
        }
        let header = AtaHeader {
            lba: request.lba_bytes(),
            ..header
        };
        let mut whole = header.to_bytes().to_vec();
        whole.extend_from_slice(&self.data);
        whole.extend_from_slice(response.data());
        Pieces::Made(whole)
    }

    /// Keeps what a part of a read brought.
    pub(crate) fn keep(&mut self, data: &[u8]) {
        self.data.extend_from_slice(data);
    }

    /// Bytes kept.
    pub(crate) fn kept(&self) -> usize {
        self.data.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::copies::Copies;
    use super::*;
    use crate::time::Instant;

    /// Registers and data of a response to a read, or the registers of a request.
    fn ata(status: u8, sectors: u8, lba: u8, data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x40, 0, sectors, status, lba, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend_from_slice(data);
        bytes
    }

    fn answered(parts: &mut Parts, response: &[u8], copies: &Copies) -> Pieces {
        let request = ata(0x24, 5, 7, &[]);
        let (request, response) = (Ata::parse(&request).unwrap(), Ata::parse(response).unwrap());
        parts.answered(&request, &response, copies.count())
    }

    fn send(parts: &mut Parts, most: u8, copies: &mut Copies) -> (Part, CopyId) {
        let part = parts.next(5, most, copies.count());
        copies.sent(Instant::default());
        (part, copies.get(u16::from(copies.count()) - 1).unwrap())
    }

    #[test]
    fn what_fits_is_one_part() {
        let (mut parts, mut copies) = (Parts::default(), Copies::default());
        for _ in 0..2 {
            let (part, copy) = send(&mut parts, 17, &mut copies);
            assert_eq!((part.done, part.sectors), (0, 5));
            assert!(parts.is_current(copy));
        }
        assert!(
            parts.is_current(copies.get(0).unwrap()),
            "either copy is answered"
        );
        assert_eq!(
            answered(&mut parts, &ata(0x40, 0, 7, &[1]), &copies),
            Pieces::Whole
        );
        assert_eq!(
            answered(&mut parts, &ata(0x41, 5, 7, &[]), &copies),
            Pieces::Whole
        );
    }

    #[test]
    fn parts_follow_one_another_and_make_one_answer() {
        let (mut parts, mut copies) = (Parts::default(), Copies::default());
        let (_, whole) = send(&mut parts, 17, &mut copies);
        let (part, first) = send(&mut parts, 2, &mut copies);
        assert_eq!(part, Part { done: 0, sectors: 2 });
        assert!(
            parts.is_current(first) && !parts.is_current(whole),
            "it is asked for less now"
        );
        assert_eq!(answered(&mut parts, &ata(0x40, 0, 7, &[]), &copies), Pieces::More);
        parts.keep(&[1, 2]);
        assert!(!parts.is_current(first), "nothing of the next part was sent");
        let (part, second) = send(&mut parts, 2, &mut copies);
        assert_eq!(part, Part { done: 2, sectors: 2 });
        assert!(parts.is_current(second) && !parts.is_current(first));
        assert_eq!(answered(&mut parts, &ata(0x40, 0, 9, &[]), &copies), Pieces::More);
        parts.keep(&[3, 4]);
        // More fits again; there is only one left.
        let (part, _) = send(&mut parts, 17, &mut copies);
        assert_eq!(part, Part { done: 4, sectors: 1 });
        let whole = Pieces::Made(ata(0x40, 0, 7, &[1, 2, 3, 4, 5]));
        assert_eq!(answered(&mut parts, &ata(0x40, 0, 11, &[5]), &copies), whole);
        assert_eq!(parts.kept(), 4, "until the request is released");
    }

    #[test]
    fn a_part_that_fails_ends_the_request_and_counts_what_is_left() {
        for (not_moved, left) in [(0, 1), (1, 2), (2, 3), (200, 3)] {
            let (mut parts, mut copies) = (Parts::default(), Copies::default());
            send(&mut parts, 2, &mut copies);
            answered(&mut parts, &ata(0x40, 0, 7, &[]), &copies);
            send(&mut parts, 2, &mut copies);
            let failed = answered(&mut parts, &ata(0x41, not_moved, 10, &[]), &copies);
            assert_eq!(failed, Pieces::Made(ata(0x41, left, 10, &[])));
        }
    }
}
