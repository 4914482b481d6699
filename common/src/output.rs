//! Memory that the driver lends and the engine fills: frames for segments, trains for the wire.
//!
//! Everything here keeps its capacity when cleared, so a running gateway allocates nothing per frame.

use std::net::SocketAddr;

use crate::config::SegmentId;

/// Most datagrams in one train: the kernel's `UDP_MAX_SEGMENTS`.
pub const TRAIN_MAX_DATAGRAMS: usize = 64;

/// Most bytes in one train: a UDP payload of IPv4 (65 507) with room to spare.
pub const TRAIN_MAX_LEN: usize = 65_000;

/// One way to a peer: which of our sockets, and its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// Index of the listen address, in the order of the configuration.
    pub socket: u8,
    /// The peer's UDP address.
    pub remote: SocketAddr,
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
#[derive(Debug, Default)]
pub struct TrainBatch {
    trains: Vec<OwnedTrain>,
    spare: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct OwnedTrain {
    path: Path,
    stride: usize,
    bytes: Vec<u8>,
}

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

    /// An empty buffer to fill and [`push`](Self::push).
    pub fn lend(&mut self) -> Vec<u8> {
        self.spare
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(TRAIN_MAX_LEN))
    }

    /// Adds a finished train; an empty one goes back to the pool.
    pub fn push(&mut self, path: Path, stride: usize, bytes: Vec<u8>) {
        if bytes.is_empty() {
            self.spare.push(bytes);
        } else {
            self.trains.push(OwnedTrain { path, stride, bytes });
        }
    }

    /// Adds one lone datagram.
    pub fn push_datagram(&mut self, path: Path, datagram: &[u8]) {
        let mut bytes = self.lend();
        bytes.extend_from_slice(datagram);
        self.push(path, datagram.len(), bytes);
    }

    /// Forgets the trains and keeps the memory, at most [`SPARE_TRAINS`] buffers of it.
    pub fn clear(&mut self) {
        for mut train in self.trains.drain(..) {
            if self.spare.len() < SPARE_TRAINS {
                train.bytes.clear();
                self.spare.push(train.bytes);
            }
        }
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
        let path = Path {
            socket: 0,
            remote: "127.0.0.1:1".parse().unwrap(),
        };
        let mut batch = TrainBatch::default();
        batch.push_datagram(path, &[7; 100]);
        assert_eq!(batch.iter().next().unwrap().datagrams().count(), 1);
        batch.clear();
        let lent = batch.lend();
        assert!(lent.is_empty() && lent.capacity() >= TRAIN_MAX_LEN);
    }
}
