//! What every step of an engine works with: the time, the output, the numbers and the segments.

use crate::config::SegmentId;
use crate::drop_reason::DropReason;
use crate::frame::aoe::{self, AoeCommand, Flags};
use crate::frame::query::{self, QueryCommand, QueryHeader};
use crate::frame::{Address, HEADER_LEN, Header, MacAddr, Tag, ethernet, pad_to_min};
use crate::output::Output;
use crate::segment::SegmentState;
use crate::table::Table;
use crate::tap::Tap;
use crate::telemetry::{Count, Telemetry};
use crate::time::Instant;
use crate::timers::Timers;

/// The surroundings of one input. Passed as `cx`.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) out: &'a mut Output,
    pub(crate) telemetry: &'a mut Telemetry,
    pub(crate) timers: &'a mut Timers,
    pub(crate) segments: &'a Table<SegmentId, SegmentState>,
    /// Takes copies of frames, if somebody captures.
    pub(crate) tap: Option<&'a mut Tap>,
}

impl Context<'_> {
    /// How a segment is; one that is unknown is down.
    pub(crate) fn segment(&self, segment: SegmentId) -> SegmentState {
        self.segments.get(segment).copied().unwrap_or_default()
    }

    /// Emits one frame: our own address as source, `write` appends the PDU (`len` bytes), zeros pad it to 60 bytes.
    ///
    /// # Errors
    /// The frame is lost if the segment is down or smaller than the frame.
    pub(crate) fn emit(
        &mut self,
        segment: SegmentId,
        destination: MacAddr,
        len: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), DropReason> {
        let state = self.segment(segment);
        let mac = state.mac().ok_or(DropReason::SegmentDown)?;
        if !state.carries(len) {
            return Err(DropReason::FrameTooBigForSegment);
        }
        self.out.frames.push(segment, |bytes, start| {
            bytes.extend_from_slice(&ethernet::header_bytes(destination, mac));
            write(bytes);
            pad_to_min(bytes, start);
        });
        self.telemetry.count(Count::FramesSent);
        Ok(())
    }

    /// Asks the station at `address` on a segment for its Config answer, as the Linux driver does: by broadcast.
    pub(crate) fn ask_config(&mut self, segment: SegmentId, address: Address, tag: Tag) {
        let header = Header {
            version: aoe::VERSION,
            flags: Flags::REQUEST,
            error: 0,
            address,
            command: AoeCommand::Query,
            tag,
        };
        let argument = QueryHeader {
            buffer_count: 0,
            firmware: 0,
            sectors: 0,
            version: aoe::VERSION,
            command: QueryCommand::Read,
        };
        let len = HEADER_LEN + query::ARGUMENT_LEN;
        let sent = self.emit(segment, MacAddr::BROADCAST, len, |frame| {
            frame.extend_from_slice(&header.to_bytes());
            frame.extend_from_slice(&argument.to_bytes(0));
        });
        if let Err(reason) = sent {
            self.telemetry.drop(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_padded_with_zeros_and_never_longer_than_the_segment() {
        let up = SegmentState::Up {
            mac: MacAddr([2; 6]),
            mtu: 100,
        };
        let (mut out, mut telemetry) = (Output::default(), Telemetry::default());
        let write = |len: usize| move |bytes: &mut Vec<u8>| bytes.resize(bytes.len() + len, 0xaa);
        let segments = Table::from(vec![up]);
        let mut cx = Context {
            now: Instant::default(),
            out: &mut out,
            telemetry: &mut telemetry,
            timers: &mut Timers::new(Instant::default()),
            segments: &segments,
            tap: None,
        };
        let there = SegmentId(0);
        assert!(cx.emit(there, MacAddr([1; 6]), 10, write(10)).is_ok());
        assert!(cx.emit(there, MacAddr([1; 6]), 100, write(100)).is_ok());
        let too_big = cx.emit(there, MacAddr([1; 6]), 101, write(101));
        assert_eq!(too_big, Err(DropReason::FrameTooBigForSegment));
        let frames: Vec<_> = out.frames.iter().map(|(_, frame)| frame.to_vec()).collect();
        assert_eq!(frames.len(), 2);
        assert_eq!((frames[0].len(), frames[1].len()), (60, 114));
        assert!(frames[0][24..].iter().all(|byte| *byte == 0));
    }
}
