//! Packs messages into records and records into trains.
//!
//! Messages of one batch share records; a message longer than a record is cut and starts in the room the last
//! one left. All records of a train have the length of its first (the last may be shorter), so that one GSO
//! send carries them. Nothing waits: the batch's end seals what there is.

use super::message::{
    CHUNK_HEAD_LEN, FRAGMENT_HEAD_LEN, Kind, MAX_MESSAGE_LEN, Position, emit_chunk_head, emit_fragment_head,
};
use super::record::{AUTH_TAG_LEN, HEADER_LEN, MAX_RECORD_LEN};
use super::session::Session;
use crate::config::PeerId;
use crate::drop_reason::DropReason;
use crate::output::{Path, Records, TRAIN_MAX_DATAGRAMS, TRAIN_MAX_LEN, TrainBatch};
use crate::time::Instant;

/// Smallest part of a message worth a fragment of its own.
const MIN_PART_LEN: usize = 64;

/// Fills one train at a time for one peer.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    train: Vec<u8>,
    /// Records sealed in `train`.
    sealed: usize,
    /// Length of the first record of `train`; meaningful once it is sealed.
    stride: usize,
    /// Counter of the first record of `train`; meaningful once it is sealed.
    first: u64,
    /// Where the open record starts in `train`, if there is one.
    open: Option<usize>,
    next_message: u32,
}

/// Where a packer's output goes.
pub(crate) struct Outlet<'a> {
    pub(crate) peer: PeerId,
    pub(crate) session: &'a mut Session,
    pub(crate) path: Path,
    /// Longest datagram for this path.
    pub(crate) datagram_len: usize,
    pub(crate) trains: &'a mut TrainBatch,
    pub(crate) now: Instant,
    /// Whether what is packed is not sent again when it is lost.
    pub(crate) is_probe: bool,
    /// Records sealed, and their bytes, for the counters.
    pub(crate) sealed: (u64, u64),
}

impl Packer {
    /// Adds a message: `head` then `body`.
    ///
    /// # Errors
    /// The message is lost if it is longer than any we carry or the session can seal no more.
    pub(crate) fn push(
        &mut self,
        kind: Kind,
        head: &[u8],
        body: &[u8],
        to: &mut Outlet<'_>,
    ) -> Result<(), DropReason> {
        let len = head.len() + body.len();
        if len > MAX_MESSAGE_LEN {
            return Err(DropReason::FrameTooLong);
        }
        let capacity = payload_capacity(to.datagram_len);
        if CHUNK_HEAD_LEN + len > capacity {
            return self.push_fragments(kind, head, body, to);
        }
        self.make_room(CHUNK_HEAD_LEN + len, to)?;
        emit_chunk_head(kind, clamp(len), &mut self.train);
        self.train.extend_from_slice(head);
        self.train.extend_from_slice(body);
        Ok(())
    }

    /// Adds a part of a message that was cut before, by its number of then; cuts it again if it is too long.
    pub(crate) fn push_part(
        &mut self,
        kind: Kind,
        position: Position,
        part: &[u8],
        to: &mut Outlet<'_>,
    ) -> Result<(), DropReason> {
        let mut rest = part;
        let mut offset = position.offset;
        while !rest.is_empty() {
            let whole = FRAGMENT_HEAD_LEN + rest.len();
            self.make_room(whole.min(FRAGMENT_HEAD_LEN + MIN_PART_LEN), to)?;
            let (now, later) = rest.split_at((self.room(to) - FRAGMENT_HEAD_LEN).min(rest.len()));
            emit_fragment_head(
                kind,
                Position { offset, ..position },
                clamp(now.len()),
                &mut self.train,
            );
            self.train.extend_from_slice(now);
            offset += clamp(now.len());
            rest = later;
        }
        Ok(())
    }

    /// Seals the open record and sends the train on its way.
    pub(crate) fn flush(&mut self, to: &mut Outlet<'_>) -> Result<(), DropReason> {
        let result = self.close_record(Ending::Last, to);
        self.dispatch(to);
        result
    }

    /// Whether nothing waits to be flushed.
    pub(crate) fn is_empty(&self) -> bool {
        self.sealed == 0 && self.open.is_none()
    }

    /// Forgets what is not sealed yet: its session is gone.
    pub(crate) fn discard(&mut self) {
        self.train.clear();
        self.sealed = 0;
        self.open = None;
    }

    fn push_fragments(
        &mut self,
        kind: Kind,
        head: &[u8],
        body: &[u8],
        to: &mut Outlet<'_>,
    ) -> Result<(), DropReason> {
        let message = self.next_message;
        self.next_message = self.next_message.wrapping_add(1);
        if self.sealed > 0 && self.stride * 2 < to.datagram_len {
            // A train of short records would cut a long message into crumbs.
            self.flush(to)?;
        }
        let total = head.len() + body.len();
        let mut offset = 0;
        while offset < total {
            let whole = FRAGMENT_HEAD_LEN + (total - offset);
            self.make_room(whole.min(FRAGMENT_HEAD_LEN + MIN_PART_LEN), to)?;
            let part_len = (self.room(to) - FRAGMENT_HEAD_LEN).min(total - offset);
            let position = Position {
                message,
                offset: clamp(offset),
                total: clamp(total),
            };
            emit_fragment_head(kind, position, clamp(part_len), &mut self.train);
            extend_from_both(&mut self.train, head, body, offset, part_len);
            offset += part_len;
        }
        Ok(())
    }

    /// Makes the open record have `needed` bytes of room: it may be another one.
    fn make_room(&mut self, needed: usize, to: &mut Outlet<'_>) -> Result<(), DropReason> {
        if self.open.is_some() && self.room(to) < needed {
            self.close_record(Ending::Another, to)?;
        }
        if self.open.is_none() {
            let limit = if self.sealed > 0 {
                self.stride
            } else {
                to.datagram_len
            };
            let fits = needed <= payload_capacity(limit)
                && self.sealed < TRAIN_MAX_DATAGRAMS
                && self.train.len() + limit <= TRAIN_MAX_LEN;
            if self.sealed > 0 && !fits {
                self.dispatch(to);
            }
            if self.train.capacity() == 0 {
                self.train = to.trains.lend();
            }
            self.open = Some(self.train.len());
            self.train.extend_from_slice(&[0; HEADER_LEN]);
        }
        Ok(())
    }

    /// Bytes left in the open record.
    fn room(&self, to: &Outlet<'_>) -> usize {
        let limit = if self.sealed > 0 {
            self.stride
        } else {
            to.datagram_len
        };
        let used = self.open.map_or(0, |start| self.train.len() - start);
        (limit.saturating_sub(AUTH_TAG_LEN)).saturating_sub(used)
    }

    fn close_record(&mut self, ending: Ending, to: &mut Outlet<'_>) -> Result<(), DropReason> {
        let Some(start) = self.open.take() else {
            return Ok(());
        };
        if ending == Ending::Another && self.sealed > 0 {
            self.train.resize(start + self.stride - AUTH_TAG_LEN, 0);
        }
        let counter = match to.session.seal(&mut self.train, start) {
            Ok(counter) => counter,
            Err(reason) => {
                self.train.truncate(start);
                return Err(reason);
            }
        };
        if self.sealed == 0 {
            self.stride = self.train.len() - start;
            self.first = counter;
        }
        self.sealed += 1;
        to.sealed.0 += 1;
        to.sealed.1 += (self.train.len() - start) as u64;
        Ok(())
    }

    fn dispatch(&mut self, to: &mut Outlet<'_>) {
        if self.sealed > 0 {
            let records = Records {
                peer: to.peer,
                receiver: to.session.remote_index,
                first: self.first,
                sealed_at: to.now,
                is_probe: to.is_probe,
            };
            let train = std::mem::take(&mut self.train);
            to.trains.push_records(to.path, self.stride, train, records);
            self.sealed = 0;
        }
    }
}

/// Whether the record being closed is the last of its train.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Another,
    Last,
}

fn payload_capacity(datagram_len: usize) -> usize {
    datagram_len
        .min(MAX_RECORD_LEN)
        .saturating_sub(HEADER_LEN + AUTH_TAG_LEN)
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "messages are bounded by MAX_MESSAGE_LEN, far below 65536"
)]
fn clamp(len: usize) -> u16 {
    len as u16
}

fn extend_from_both(out: &mut Vec<u8>, head: &[u8], body: &[u8], offset: usize, len: usize) {
    let from_head = head.get(offset..).unwrap_or_default();
    let from_head = from_head.get(..len).unwrap_or(from_head);
    out.extend_from_slice(from_head);
    let start = (offset + from_head.len()).saturating_sub(head.len());
    let rest = len - from_head.len();
    out.extend_from_slice(body.get(start..start + rest).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::message::chunks;
    use super::super::reassembly::{Reassembly, Step};
    use super::super::record::RecordHeader;
    use super::*;
    use crate::tunnel::session::tests::pair;

    /// Packs messages into trains and takes them apart again.
    fn round_trip(batches: &[Vec<Vec<u8>>], datagram_len: usize) -> Vec<Vec<u8>> {
        let now = Instant::default();
        let (mut sender, mut receiver) = pair(now);
        let mut packer = Packer::default();
        let mut trains = TrainBatch::default();
        let path = Path::new(0, "127.0.0.1:1".parse().unwrap());
        for batch in batches {
            let mut to = Outlet {
                peer: PeerId(0),
                session: &mut sender,
                path,
                datagram_len,
                trains: &mut trains,
                now,
                is_probe: false,
                sealed: (0, 0),
            };
            for message in batch {
                let (head, body) = message.split_at(message.len().min(20));
                packer.push(Kind::Request, head, body, &mut to).unwrap();
            }
            packer.flush(&mut to).unwrap();
        }
        let mut reassembly = Reassembly::default();
        let mut messages = Vec::new();
        for train in trains.iter() {
            assert!(train.bytes.len() <= TRAIN_MAX_LEN && train.stride <= datagram_len);
            assert!(train.datagrams().count() <= TRAIN_MAX_DATAGRAMS);
            for datagram in train.datagrams() {
                let mut datagram = datagram.to_vec();
                let header = RecordHeader::parse(*datagram.first_chunk().unwrap()).unwrap();
                let (payload, _) = receiver.open(header, &mut datagram, Duration::ZERO, now).unwrap();
                for chunk in chunks(payload) {
                    let chunk = chunk.unwrap();
                    match chunk.position {
                        None => messages.push(chunk.bytes.to_vec()),
                        Some(position) => match reassembly.add(position, chunk.bytes, now) {
                            Step::Complete(message) => messages.push(message.bytes().to_vec()),
                            Step::Waiting | Step::Displaced => {}
                            Step::Refused(reason) => panic!("{reason:?}"),
                        },
                    }
                }
            }
        }
        messages
    }

    #[test]
    fn equal_frames_make_one_train_and_share_records_where_they_fit() {
        let small = vec![vec![1; 58]; 40];
        assert_eq!(round_trip(std::slice::from_ref(&small), 1452), small);
        let jumbo = vec![vec![2; 8750]; 8];
        assert_eq!(round_trip(std::slice::from_ref(&jumbo), 1452), jumbo);
        assert_eq!(round_trip(std::slice::from_ref(&jumbo), 8972), jumbo);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_message_arrives_whole_once_and_in_order(
            lens in prop::collection::vec(prop::collection::vec(1usize..12_000, 1..12), 1..6),
            datagram_len in prop::sample::select(vec![1232usize, 1252, 1452, 1472, 8972]),
            small in any::<bool>(),
        ) {
            let mut tag = 0u8;
            let batches: Vec<Vec<Vec<u8>>> = lens.iter().map(|batch| batch.iter().map(|len| {
                tag = tag.wrapping_add(1);
                vec![tag; if small { len % 300 + 1 } else { *len }]
            }).collect()).collect();
            let expected: Vec<_> = batches.iter().flatten().cloned().collect();
            prop_assert_eq!(round_trip(&batches, datagram_len), expected);
        }
    }
}
