//! Memory that the driver lends and the engine fills: frames for segments, trains for the wire.
//!
//! Everything here keeps its capacity when cleared, so a running gateway allocates nothing per frame.

use std::net::{IpAddr, SocketAddr};

use crate::config::{PeerId, SegmentId};
use crate::time::Instant;

/// Most datagrams in one train: the kernel's `UDP_MAX_SEGMENTS`.
pub const TRAIN_MAX_DATAGRAMS: usize = 64;

/// Most bytes in one train: a UDP payload of IPv4 (65 507) with room to spare.
pub const TRAIN_MAX_LEN: usize = 65_000;

/// One way to a peer: which of our sockets, which of our addresses, and its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// Index of the listen address, in the order of the configuration.
    pub socket: u8,
    /// Which of our own addresses the peer sends to, where the socket has several: what goes to the peer leaves from
    /// there. A firewall or NAT of the peer lets in only what comes from the address that was called. `None`: the
    /// kernel chooses.
    pub local: Option<IpAddr>,
    /// The peer's UDP address.
    pub remote: SocketAddr,
}

impl Path {
    /// A way for which the kernel chooses our address.
    pub const fn new(socket: u8, remote: SocketAddr) -> Path {
        Path {
            socket,
            local: None,
            remote,
        }
    }

    /// Whether datagrams go the same way, as far as is known: an address of ours that the kernel chose may be the one
    /// that it was told.
    pub(crate) fn same_way(self, other: Path) -> bool {
        let locals = self.local.zip(other.local);
        self.socket == other.socket
            && self.remote == other.remote
            && locals.is_none_or(|(ours, theirs)| ours == theirs)
    }
}

/// What one batch of input made.
#[derive(Debug, Default)]
pub struct Output {
    /// Frames to send on segments, in this order.
    pub frames: FrameBatch,
    /// Datagrams to send, in this order.
    pub trains: TrainBatch,
}

impl Output {
    /// Forgets what was sent and keeps the memory.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.trains.clear();
    }
}

/// Ethernet frames to send, back to back in one buffer.
#[derive(Debug, Default)]
pub struct FrameBatch {
    bytes: Vec<u8>,
    ends: Vec<(SegmentId, usize)>,
}

impl FrameBatch {
    /// The frames in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = (SegmentId, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        self.ends
            .iter()
            .zip(starts)
            .map(|((segment, end), start)| (*segment, self.bytes.get(start..*end).unwrap_or_default()))
    }

    /// The frame that was made last.
    pub fn last(&self) -> Option<&[u8]> {
        let (_, end) = self.ends.last()?;
        let before = self.ends.len().checked_sub(2).and_then(|at| self.ends.get(at));
        self.bytes.get(before.map_or(0, |(_, end)| *end)..*end)
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds one frame: `write` appends its bytes, at most
    /// [`MAX_FRAME_LEN`](crate::frame::MAX_FRAME_LEN), to the buffer it is given; `start` is where they begin.
    pub fn push(&mut self, segment: SegmentId, write: impl FnOnce(&mut Vec<u8>, usize)) {
        let start = self.bytes.len();
        write(&mut self.bytes, start);
        self.ends.push((segment, self.bytes.len()));
    }

    /// Forgets the frames and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// Trains to send.
///
/// A train of records may have to be sent again in part, so its buffer is not emptied when the batch is cleared: it
/// goes back to the engine, which keeps it until the peer has it. For that the same batch must be lent every time; with
/// another one nothing is lost but the ability to repair.
#[derive(Debug, Default)]
pub struct TrainBatch {
    trains: Vec<OwnedTrain>,
    /// Sent, and not yet taken by the engine.
    sent: Vec<SentTrain>,
    /// Empty buffers of these capacities: [`TRAIN_MAX_LEN`], [`MEDIUM_LEN`], [`SMALL_LEN`].
    large: Vec<Vec<u8>>,
    medium: Vec<Vec<u8>>,
    small: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct OwnedTrain {
    path: Path,
    stride: usize,
    bytes: Vec<u8>,
    records: Option<Records>,
}

/// What the records of a train are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Records {
    pub(crate) peer: PeerId,
    /// The receiver's index of the session.
    pub(crate) receiver: u32,
    /// The counter of the first; the others follow it.
    pub(crate) first: u64,
    pub(crate) sealed_at: Instant,
    /// Whether it is lost if it is lost.
    pub(crate) is_probe: bool,
}

/// A train of records that was sent.
#[derive(Debug)]
pub(crate) struct SentTrain {
    pub(crate) records: Records,
    pub(crate) stride: usize,
    pub(crate) bytes: Vec<u8>,
}

/// Buffers for trains that are kept: most batches of a quiet link are one short record, which should not hold the
/// memory of 64 long ones.
const MEDIUM_LEN: usize = 16 << 10;
const SMALL_LEN: usize = 2 << 10;

/// One GSO send: datagrams of `stride` bytes each, of which the last may be shorter; at most
/// [`TRAIN_MAX_DATAGRAMS`] of them and [`TRAIN_MAX_LEN`] bytes, at least one byte.
#[derive(Clone, Copy, Debug)]
pub struct Train<'a> {
    /// Where to send it.
    pub path: Path,
    /// Bytes per datagram.
    pub stride: usize,
    /// The datagrams, back to back.
    pub bytes: &'a [u8],
}

impl<'a> Train<'a> {
    /// The datagrams one by one, for a socket without GSO.
    pub fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.bytes.chunks(self.stride.max(1))
    }
}

impl TrainBatch {
    /// The trains in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = Train<'_>> {
        self.trains.iter().map(|train| Train {
            path: train.path,
            stride: train.stride,
            bytes: &train.bytes,
        })
    }

    /// Number of trains.
    pub fn len(&self) -> usize {
        self.trains.len()
    }

    /// Whether there is no train.
    pub fn is_empty(&self) -> bool {
        self.trains.is_empty()
    }

    /// An empty buffer to fill and push.
    pub(crate) fn lend(&mut self) -> Vec<u8> {
        self.large
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(TRAIN_MAX_LEN))
    }

    /// Adds a finished train of records, of which parts may have to be sent again; an empty one goes back to the pool.
    pub(crate) fn push_records(&mut self, path: Path, stride: usize, bytes: Vec<u8>, records: Records) {
        self.push_owned(path, stride, bytes, Some(records));
    }

    /// Adds a finished train that nobody asks for again; an empty one goes back to the pool.
    pub(crate) fn push(&mut self, path: Path, stride: usize, bytes: Vec<u8>) {
        self.push_owned(path, stride, bytes, None);
    }

    /// Adds one lone datagram.
    pub(crate) fn push_datagram(&mut self, path: Path, datagram: &[u8]) {
        let mut bytes = self.lend();
        bytes.extend_from_slice(datagram);
        self.push(path, datagram.len(), bytes);
    }

    /// Forgets the trains and keeps the memory, at most [`SPARE_TRAINS`] buffers of it.
    pub fn clear(&mut self) {
        // What nobody took since the last time will not be taken.
        while let Some(left) = self.sent.pop() {
            self.give_back(left.bytes);
        }
        while let Some(train) = self.trains.pop() {
            let OwnedTrain { stride, bytes, .. } = train;
            match train.records {
                Some(records) => self.sent.push(SentTrain {
                    records,
                    stride,
                    bytes,
                }),
                None => self.give_back(bytes),
            }
        }
    }

    /// The oldest train that was sent and not yet taken. Its buffer should be given back some time.
    pub(crate) fn pop_sent(&mut self) -> Option<SentTrain> {
        // Cleared from behind, so this is the order they were sent in.
        self.sent.pop()
    }

    /// The same bytes in a buffer of about their length.
    pub(crate) fn compact(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let (pool, len) = if bytes.len() <= SMALL_LEN {
            (&mut self.small, SMALL_LEN)
        } else if bytes.len() <= MEDIUM_LEN {
            (&mut self.medium, MEDIUM_LEN)
        } else {
            return bytes;
        };
        let mut short = pool.pop().unwrap_or_else(|| Vec::with_capacity(len));
        short.extend_from_slice(&bytes);
        self.give_back(bytes);
        short
    }

    /// Takes a buffer back, if there are not enough already.
    pub(crate) fn give_back(&mut self, mut bytes: Vec<u8>) {
        let (pool, enough) = match bytes.capacity() {
            TRAIN_MAX_LEN.. => (&mut self.large, SPARE_TRAINS),
            MEDIUM_LEN.. => (&mut self.medium, SPARE_TRAINS),
            SMALL_LEN.. => (&mut self.small, SPARE_TRAINS * 4),
            _ => return,
        };
        if pool.len() < enough {
            bytes.clear();
            pool.push(bytes);
        }
    }

    fn push_owned(&mut self, path: Path, stride: usize, bytes: Vec<u8>, records: Option<Records>) {
        if bytes.is_empty() {
            return self.give_back(bytes);
        }
        self.trains.push(OwnedTrain {
            path,
            stride,
            bytes,
            records,
        });
    }
}

/// Train buffers kept between batches: enough for every peer of a hub to fill one.
pub const SPARE_TRAINS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_in_order_and_clearing_forgets_them() {
        let mut batch = FrameBatch::default();
        batch.push(SegmentId(1), |bytes, _| bytes.extend_from_slice(b"one"));
        batch.push(SegmentId(0), |bytes, start| {
            assert_eq!(start, 3);
            bytes.extend_from_slice(b"second");
        });
        let frames: Vec<_> = batch.iter().collect();
        assert_eq!(
            frames,
            [(SegmentId(1), &b"one"[..]), (SegmentId(0), &b"second"[..])]
        );
        batch.clear();
        assert!(batch.is_empty() && batch.iter().next().is_none());
    }

    #[test]
    fn a_cleared_train_buffer_is_lent_again_empty() {
        let path = Path::new(0, "127.0.0.1:1".parse().unwrap());
        let mut batch = TrainBatch::default();
        batch.push_datagram(path, &[7; 100]);
        assert_eq!(batch.iter().next().unwrap().datagrams().count(), 1);
        batch.clear();
        let lent = batch.lend();
        assert!(lent.is_empty() && lent.capacity() >= TRAIN_MAX_LEN);
    }

    #[test]
    fn records_go_back_in_the_order_they_were_sent_and_are_let_go_if_nobody_takes_them() {
        let path = Path::new(0, "127.0.0.1:1".parse().unwrap());
        let mut batch = TrainBatch::default();
        let fill = |batch: &mut TrainBatch| {
            for first in 0..3 {
                let mut bytes = batch.lend();
                bytes.push(7);
                let records = Records {
                    peer: PeerId(0),
                    receiver: 1,
                    first,
                    sealed_at: Instant::default(),
                    is_probe: false,
                };
                batch.push_records(path, 1, bytes, records);
            }
            batch.clear();
        };
        fill(&mut batch);
        fill(&mut batch);
        assert_eq!((batch.sent.len(), batch.large.len()), (3, 3));
        for first in 0..3 {
            let sent = batch.pop_sent().unwrap();
            assert_eq!((sent.records.first, &sent.bytes[..]), (first, &[7][..]));
            let short = batch.compact(sent.bytes);
            assert_eq!((short.capacity(), &short[..]), (SMALL_LEN, &[7][..]));
            batch.give_back(short);
        }
        assert!(batch.pop_sent().is_none());
        assert_eq!((batch.large.len(), batch.small.len()), (6, 1));
    }
}
