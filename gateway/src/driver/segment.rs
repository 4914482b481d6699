//! A segment as the data plane has it.

use aoe_common::config::SegmentId;
use aoe_common::output::Output;
use aoe_common::snapshot::Directions;
use aoe_common::time::Instant;

use super::command::Lost;
use super::queue::Queue;
use crate::segment::SegmentPort;

/// A segment, with its port if it is attached.
#[derive(Debug, Default)]
pub(super) struct Segment {
    pub(super) attached: Option<Attached>,
    /// The port was lost while sending; the engine is told at the start of the next turn.
    pub(super) to_report: Option<Lost>,
    /// Frames since the start.
    pub(super) frames: Directions,
    /// Their bytes.
    pub(super) bytes: Directions,
}

/// An open port.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) port: SegmentPort,
    pub(super) generation: u64,
    pub(super) queue: Queue,
}

impl Attached {
    /// A port that was just opened.
    pub(super) fn new(port: SegmentPort, generation: u64, now: Instant) -> Self {
        Attached {
            port,
            generation,
            queue: Queue::new(now),
        }
    }
}

impl Segment {
    /// Sends the frames that are for this segment; returns how many were lost.
    pub(super) fn send(&mut self, id: SegmentId, out: &Output) -> usize {
        let frames = out
            .frames
            .iter()
            .filter(|(segment, _)| *segment == id)
            .map(|(_, frame)| frame);
        let Some(attached) = &mut self.attached else {
            return frames.count();
        };
        let mut bytes = 0;
        let outcome = attached
            .port
            .send_batch(frames.inspect(|frame| bytes += frame.len() as u64));
        self.frames.sent += outcome.sent as u64;
        // Frames that did not leave are in here too: they are few, and nobody says which they were.
        self.bytes.sent += bytes;
        if let Some(error) = outcome.gone {
            self.to_report = Some(Lost {
                segment: id,
                generation: attached.generation,
                error,
            });
        }
        outcome.failed
    }
}
