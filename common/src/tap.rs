//! Copies of frames, for those who capture them.
//!
//! While nobody does, the context of a frame has no tap: one branch for each step of a frame, no copy
//! and no clock. A capture has room for [`MOST_FRAMES`] and [`MOST_BYTES`] until its batch is taken. What does not fit
//! is not copied, and counted; a frame itself never waits and is never lost for it.
//!
//! Which steps are copied, with the Ethernet addresses that they have there:
//!
//! | step | at | frame |
//! |---|---|---|
//! | [`Step::Request`] | an import | as it came, once it was judged |
//! | [`Step::Answer`] | an import | as it was sent, be it the target's answer or our own |
//! | [`Step::Request`] | an export | the PDU as it came from the peer, without padding: from the initiator to the target |
//! | [`Step::ToTarget`] | an export | as it was sent |
//! | [`Step::FromTarget`] | an export | as it came |
//! | [`Step::Answer`] | an export | the error that we gave after waiting: from the target to the initiator |
//!
//! What the gateway asks and announces by itself is not copied, nor what was dropped before it was judged.

use crate::config::{ExportId, ImportId, PeerId};
use crate::drop_reason::DropReason;
use crate::frame::MacAddr;
use crate::time::Instant;

/// Captures at a time.
pub const MOST_CAPTURES: usize = 4;
/// Frames that wait to be taken.
pub const MOST_FRAMES: usize = 4096;
/// Bytes of frames that wait to be taken.
pub const MOST_BYTES: usize = 1 << 20;

/// What is captured: an interface of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// An export here.
    Export(ExportId),
    /// An import here.
    Import(ImportId),
}

/// What somebody wants to capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Of these.
    pub places: Vec<Place>,
    /// Of this peer; `None`: of all.
    pub peer: Option<PeerId>,
    /// Of this initiator; `None`: of all.
    pub initiator: Option<MacAddr>,
    /// Most bytes of a frame; 0: all of it.
    pub snaplen: usize,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was carried on, or answered by us as the target would.
    Admitted,
    /// The initiator was told no.
    Refused(DropReason),
    /// The initiator was told nothing.
    Ignored(DropReason),
}

/// Where a frame was when it was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A request, judged.
    Request(Verdict),
    /// A request that was sent to the target; how often before.
    ToTarget {
        /// 0: it is the first copy.
        before: u32,
    },
    /// What the target answered.
    FromTarget {
        /// Microseconds since this copy was sent to it, if it is known.
        took_us: Option<u64>,
    },
    /// What the initiator is told.
    Answer {
        /// Microseconds since its request came, if that was carried on.
        took_us: Option<u64>,
        /// Why it is an error of ours, if it is.
        refused: Option<DropReason>,
    },
}

impl Step {
    /// Whether the frame came in; otherwise it goes out.
    pub fn is_inbound(self) -> bool {
        matches!(self, Step::Request(_) | Step::FromTarget { .. })
    }
}

/// Whose frame it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Where it was copied.
    pub place: Place,
    /// The peer that has the export, or behind which the initiator is.
    pub peer: PeerId,
    /// The initiator; `None`: nobody waits for it any more.
    pub initiator: Option<MacAddr>,
    /// The request's number in the tunnel, if it has one.
    pub number: Option<u64>,
}

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it came to this machine, or was made.
    pub at: Instant,
    /// Whose it is.
    pub subject: Subject,
    /// Where it was.
    pub step: Step,
    /// How long it was, in bytes.
    pub len: usize,
    /// Where its bytes end.
    end: usize,
}

/// Frames that were copied since the last batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    records: Vec<Record>,
    bytes: Vec<u8>,
    dropped: Vec<(Place, u64)>,
}

impl Batch {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.dropped.is_empty()
    }

    /// The frames in the order in which they were copied, each with the bytes of it that were.
    pub fn iter(&self) -> impl Iterator<Item = (&Record, &[u8])> {
        let starts = std::iter::once(0).chain(self.records.iter().map(|record| record.end));
        let bytes = |start: usize, end: usize| self.bytes.get(start..end).unwrap_or_default();
        self.records
            .iter()
            .zip(starts)
            .map(move |(record, start)| (record, bytes(start, record.end)))
    }

    /// Frames for which there was no room, by where they were.
    pub fn dropped(&self) -> &[(Place, u64)] {
        &self.dropped
    }

    fn add(&mut self, at: Instant, subject: Subject, step: Step, snaplen: usize, frame: [&[u8]; 2]) {
        let len: usize = frame.iter().map(|part| part.len()).sum();
        let room = match snaplen {
            0 => len,
            most => len.min(most),
        };
        if self.records.len() >= MOST_FRAMES || self.bytes.len() + room > MOST_BYTES {
            return self.drop(subject.place);
        }
        let mut rest = room;
        for part in frame {
            let (copied, _) = part.split_at(part.len().min(rest));
            self.bytes.extend_from_slice(copied);
            rest -= copied.len();
        }
        self.records.push(Record {
            at,
            subject,
            step,
            len,
            end: self.bytes.len(),
        });
    }

    fn drop(&mut self, place: Place) {
        match self.dropped.iter_mut().find(|(other, _)| *other == place) {
            Some((_, count)) => *count += 1,
            None => self.dropped.push((place, 1)),
        }
    }
}

/// All captures of an engine.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    captures: Vec<Capture>,
    /// Whether the initiator has just been told no, by a message to its edge.
    told: bool,
}

/// A capture.
#[derive(Debug)]
struct Capture {
    id: u64,
    /// Its places are sorted.
    wish: Wish,
    batch: Batch,
}

impl Tap {
    /// One more capture, of this number. False: there are as many as there may be.
    pub(crate) fn begin(&mut self, id: u64, mut wish: Wish) -> bool {
        if self.captures.len() >= MOST_CAPTURES {
            return false;
        }
        wish.places.sort_unstable();
        wish.places.dedup();
        let batch = Batch::default();
        self.captures.push(Capture { id, wish, batch });
        true
    }

    /// A capture is over; what was not taken of it.
    pub(crate) fn end(&mut self, id: u64) -> Option<Batch> {
        let at = self.captures.iter().position(|capture| capture.id == id)?;
        Some(self.captures.remove(at).batch)
    }

    /// What a capture has.
    pub(crate) fn batch(&mut self, id: u64) -> Option<&mut Batch> {
        let mut captures = self.captures.iter_mut();
        let capture = captures.find(|capture| capture.id == id)?;
        Some(&mut capture.batch)
    }

    /// Whether nobody captures.
    pub(crate) fn is_idle(&self) -> bool {
        self.captures.is_empty()
    }

    /// Copies a frame, which is in two parts, for those who want it.
    pub(crate) fn copy(&mut self, at: Instant, subject: Subject, step: Step, frame: [&[u8]; 2]) {
        for capture in &mut self.captures {
            if capture.wish.wants(&subject) {
                capture.batch.add(at, subject, step, capture.wish.snaplen, frame);
            }
        }
    }

    /// Notes whether the initiator was told no.
    pub(crate) fn note_told(&mut self, told: bool) {
        self.told = told;
    }

    /// What became of a request that ended for this reason.
    pub(crate) fn verdict(&mut self, reason: DropReason) -> Verdict {
        match std::mem::take(&mut self.told) {
            true => Verdict::Refused(reason),
            false => Verdict::Ignored(reason),
        }
    }
}

impl Wish {
    fn wants(&self, subject: &Subject) -> bool {
        self.peer.is_none_or(|peer| peer == subject.peer)
            && self.initiator.is_none_or(|mac| subject.initiator == Some(mac))
            && self.places.binary_search(&subject.place).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place = Place::Import(ImportId(3));
    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const ASKED: Step = Step::Request(Verdict::Admitted);
    const SUBJECT: Subject = Subject {
        place: HERE,
        peer: PeerId(1),
        initiator: Some(MAC),
        number: Some(7),
    };

    fn tap(wish: Wish) -> Tap {
        let mut tap = Tap::default();
        assert!(tap.begin(1, wish));
        tap
    }

    fn wish(snaplen: usize) -> Wish {
        Wish {
            places: vec![HERE, Place::Export(ExportId(3)), HERE],
            snaplen,
            ..Wish::default()
        }
    }

    fn copy(tap: &mut Tap, subject: Subject, frame: [&[u8]; 2]) {
        tap.copy(Instant::from_micros(5), subject, ASKED, frame);
    }

    fn copied(tap: &mut Tap) -> Vec<(usize, Vec<u8>)> {
        let batch = std::mem::take(tap.batch(1).unwrap());
        let frames = batch.iter().map(|(record, bytes)| (record.len, bytes.to_vec()));
        frames.collect()
    }

    #[test]
    fn a_frame_is_cut_wherever_its_parts_meet() {
        for (snaplen, wanted) in [(0, "abcdef"), (2, "ab"), (3, "abc"), (4, "abcd"), (9, "abcdef")] {
            let mut tap = tap(wish(snaplen));
            copy(&mut tap, SUBJECT, [b"abc", b"def"]);
            copy(&mut tap, SUBJECT, [b"x", b""]);
            let wanted = [(6, wanted.as_bytes().to_vec()), (1, b"x".to_vec())];
            assert_eq!(copied(&mut tap), wanted, "{snaplen}");
            assert!(copied(&mut tap).is_empty(), "it is taken once");
        }
    }

    #[test]
    fn only_what_is_wanted_is_copied() {
        let other = |change: fn(&mut Subject)| {
            let mut subject = SUBJECT;
            change(&mut subject);
            subject
        };
        let elsewhere = other(|subject| subject.place = Place::Import(ImportId(4)));
        let of_export = other(|subject| subject.place = Place::Export(ExportId(3)));
        let of_peer = other(|subject| subject.peer = PeerId(2));
        let of_another = other(|subject| subject.initiator = Some(MacAddr([2; 6])));
        let of_nobody = other(|subject| subject.initiator = None);
        let all = [SUBJECT, elsewhere, of_export, of_peer, of_another, of_nobody];
        let kept = |wish: Wish| -> Vec<bool> {
            let one = |subject: &Subject| {
                let mut tap = tap(wish.clone());
                copy(&mut tap, *subject, [b"frame", b""]);
                !copied(&mut tap).is_empty()
            };
            all.iter().map(one).collect()
        };
        assert_eq!(kept(wish(0)), [true, false, true, true, true, true]);
        let peer = Wish {
            peer: Some(PeerId(1)),
            ..wish(0)
        };
        assert_eq!(kept(peer), [true, false, true, false, true, true]);
        let initiator = Wish {
            initiator: Some(MAC),
            ..wish(0)
        };
        assert_eq!(kept(initiator), [true, false, true, true, false, false]);
    }

    #[test]
    fn what_has_no_room_is_counted_and_the_next_batch_has_room_again() {
        let mut tap = tap(wish(0));
        for _ in 0..MOST_FRAMES + 3 {
            copy(&mut tap, SUBJECT, [b"frame", b""]);
        }
        let batch = std::mem::take(tap.batch(1).unwrap());
        assert_eq!(batch.iter().count(), MOST_FRAMES);
        assert_eq!(batch.dropped(), [(HERE, 3)]);
        let long = vec![0; MOST_BYTES / 2 + 1];
        copy(&mut tap, SUBJECT, [&long, b""]);
        copy(&mut tap, SUBJECT, [&long, b""]);
        copy(&mut tap, SUBJECT, [b"short", b""]);
        let batch = tap.end(1).unwrap();
        assert_eq!(batch.iter().count(), 2, "a shorter one had room");
        assert_eq!(batch.dropped(), [(HERE, 1)]);
        assert!(batch.bytes.len() <= MOST_BYTES);
        assert!(tap.is_idle() && tap.end(1).is_none());
    }

    #[test]
    fn captures_do_not_share_their_room_and_there_are_only_so_many() {
        let mut tap = tap(wish(0));
        for id in 2..=MOST_CAPTURES as u64 {
            assert!(tap.begin(id, wish(1)));
        }
        assert!(!tap.begin(9, wish(0)));
        copy(&mut tap, SUBJECT, [b"frame", b""]);
        let len = |tap: &mut Tap, id| tap.batch(id).unwrap().bytes.len();
        assert_eq!((len(&mut tap, 1), len(&mut tap, 2)), (5, 1));
        tap.end(2);
        assert!(tap.begin(9, wish(0)));
    }

    #[test]
    fn who_was_told_was_refused_and_that_is_forgotten() {
        let mut tap = tap(wish(0));
        tap.note_told(true);
        let reason = DropReason::RefusedReadOnly;
        assert_eq!(tap.verdict(reason), Verdict::Refused(reason));
        assert_eq!(tap.verdict(reason), Verdict::Ignored(reason));
    }
}
