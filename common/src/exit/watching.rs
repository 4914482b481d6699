//! Whether targets live: asking them, hearing them, telling of them.

use std::time::Duration;

use super::target::{Target, TargetId};
use super::watch::{Heard, Liveness};
use super::{Exit, Hands, Response, state_of};
use crate::config::SegmentId;
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::frame::aoe::{self, AoeCommand, Flags, Pdu};
use crate::frame::query::{self, Query, QueryCommand, QueryHeader};
use crate::frame::{HEADER_LEN, Header, MacAddr, Tag};
use crate::segment::{self, SegmentState};
use crate::tunnel::links::Io;
use crate::tunnel::update::TargetInfo;

/// Tags of our own questions: bits that no request has, and the target.
const WATCH_TAG: u32 = 0xc000_0000;
/// A second responder is told of at most this often.
const IMPOSTER_EVENT_EVERY: Duration = Duration::from_secs(60);
/// What a target says anew is told of at most this often: its segment is not authenticated.
const CHANGE_EVENT_EVERY: Duration = Duration::from_secs(1);

impl Exit {
    /// A segment came, went, or changed its MTU or address.
    pub(crate) fn handle_segment(
        &mut self,
        segment: SegmentId,
        state: SegmentState,
        hands: &mut Hands<'_, '_>,
    ) {
        for id in self.target_ids() {
            let Some(target) = self.target_mut(id).filter(|target| target.segment == segment) else {
                continue;
            };
            if state == SegmentState::Down {
                self.take_down(id, hands.io);
            } else {
                ask(id, target, state, hands.io);
            }
            self.changed(id);
        }
        self.wake = hands.io.now;
    }

    /// Asks the targets that are to be asked now.
    pub(super) fn watch(&mut self, hands: &mut Hands<'_, '_>) {
        let now = hands.io.now;
        for id in self.target_ids() {
            let Some(target) = self.target_mut(id) else {
                continue;
            };
            let state = state_of(hands.segments, target.segment);
            if state == SegmentState::Down || now < target.watch.ask_at() {
                continue;
            }
            let liveness = target.watch.asked(now);
            let never_there = target.watch.was_never_there();
            ask(id, target, state, hands.io);
            if liveness == Liveness::Down {
                self.take_down(id, hands.io);
                self.changed(id);
            } else if never_there {
                self.tell_down(id, hands.io);
            }
        }
    }

    /// A Config response that says how a target is.
    pub(super) fn hear(
        &mut self,
        response: Response<'_>,
        hands: &mut Hands<'_, '_>,
    ) -> Result<(), DropReason> {
        let Response { segment, source, pdu } = response;
        let query = Query::parse(pdu.argument())?;
        let info = TargetInfo {
            buffer_count: query.buffer_count(),
            firmware: query.firmware(),
            sectors: query.sectors(),
            string: query.string().to_vec(),
        };
        let mut outcome = Err(DropReason::ResponseUnmatched);
        for id in self.target_ids() {
            let here = |target: &&mut Target| target.segment == segment && target.address == pdu.address();
            let Some(target) = self.target_mut(id).filter(here) else {
                continue;
            };
            let heard = target.watch.hear(source, info.clone(), hands.io.now);
            outcome = match heard {
                Heard::Imposter => Err(DropReason::SecondResponder),
                Heard::Same | Heard::Changed | Heard::Up => Ok(()),
            };
            if matches!(heard, Heard::Changed | Heard::Up) {
                self.changed(id);
            }
            self.tell(id, heard, source, hands.io);
            if heard == Heard::Up {
                self.resume(id, hands);
            }
        }
        outcome
    }

    /// Tells of what a station said about a target.
    fn tell(&mut self, id: TargetId, heard: Heard, mac: MacAddr, io: &mut Io<'_>) {
        let Some(target) = self.target_mut(id) else { return };
        let told = &mut target.watch;
        let due = match heard {
            Heard::Same => false,
            Heard::Imposter => told.imposter_told.tell(io.now, IMPOSTER_EVENT_EVERY),
            Heard::Changed | Heard::Up => told.change_told.tell(io.now, CHANGE_EVENT_EVERY),
        };
        if !due {
            return;
        }
        let (address, buffer_count, sectors) = (target.address, told.info.buffer_count, told.info.sectors);
        for export in self.exports.iter().filter(|export| export.target == id) {
            let export = export.name.clone();
            io.telemetry.event(match heard {
                Heard::Imposter => Event::SecondResponder { export, mac },
                Heard::Same | Heard::Changed | Heard::Up => Event::TargetUp {
                    export,
                    target: address,
                    mac,
                    buffer_count,
                    sectors,
                },
            });
        }
    }

    fn take_down(&mut self, id: TargetId, io: &mut Io<'_>) {
        if self
            .target_mut(id)
            .is_some_and(|target| target.watch.down(io.now))
        {
            self.suspend(id);
            self.tell_down(id, io);
        }
    }

    fn tell_down(&mut self, id: TargetId, io: &mut Io<'_>) {
        let Some(address) = self.target(id).map(|target| target.address) else {
            return;
        };
        for export in self.exports.iter().filter(|export| export.target == id) {
            io.telemetry.event(Event::TargetDown {
                export: export.name.clone(),
                target: address,
            });
        }
    }
}

/// Whether this answers a question of our own, or nobody's.
pub(super) fn is_watch(pdu: &Pdu<'_>) -> bool {
    let tag = pdu.tag().0;
    pdu.command() == AoeCommand::Query && !pdu.is_error() && (tag == 0 || tag & WATCH_TAG == WATCH_TAG)
}

/// Asks a target how it is.
fn ask(id: TargetId, target: &Target, state: SegmentState, io: &mut Io<'_>) {
    let header = Header {
        version: aoe::VERSION,
        flags: Flags::REQUEST,
        error: 0,
        address: target.address,
        command: AoeCommand::Query,
        tag: Tag(WATCH_TAG | u32::from(id.0)),
    };
    let argument = QueryHeader {
        buffer_count: 0,
        firmware: 0,
        sectors: 0,
        version: aoe::VERSION,
        command: QueryCommand::Read,
    };
    let len = HEADER_LEN + query::ARGUMENT_LEN;
    let place = (target.segment, state);
    let sent = segment::emit(place, MacAddr::BROADCAST, len, io.out, io.telemetry, |frame| {
        frame.extend_from_slice(&header.to_bytes());
        frame.extend_from_slice(&argument.to_bytes(0));
    });
    if let Err(reason) = sent {
        io.telemetry.drop(reason);
    }
}
