//! Whether targets live: asking them, hearing them, telling of them.

use std::time::Duration;

use super::conflict::raise_conflict;
use super::export::Export;
use super::identity::identify;
use super::ids::TargetId;
use super::liveness::{Heard, Life};
use super::tags::{Tags, Whom};
use super::target::Target;
use super::{Exit, Response, standing};
use crate::config::{ExportId, SegmentId};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::export::TargetInfo;
use crate::frame::aoe::{AoeCommand, Pdu};
use crate::frame::query::Query;
use crate::frame::{MacAddr, Tag};
use crate::segment::SegmentState;
use crate::timers::Timer;
use crate::trouble::About;
use crate::tunnel::links::Links;

/// What a target says again is logged at most this often: its segment is not authenticated.
const CHANGE_EVENT_EVERY: Duration = Duration::from_secs(1);

impl Exit {
    /// A segment came, went, or changed its MTU or address.
    pub(crate) fn handle_segment(&mut self, segment: SegmentId, state: SegmentState, cx: &mut Context<'_>) {
        for place in 0..self.targets.len() {
            let Some(id) = self.targets.id_at(place) else {
                break;
            };
            let here = |target: &&mut Target| target.segment == segment;
            let Some(target) = self.targets.get_mut(id).filter(here) else {
                continue;
            };
            if state == SegmentState::Down {
                target.liveness.segment_changed();
                self.take_down(id, cx);
            } else {
                target.liveness.asked(cx.now);
                ask(id, target, &self.tags, cx);
            }
            self.changed(id, cx);
        }
        cx.timers.lower(Timer::Targets, cx.now);
    }

    /// Asks the targets that are to be asked now.
    pub(super) fn ask_targets(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        for place in 0..self.targets.len() {
            let Some(id) = self.targets.id_at(place) else {
                break;
            };
            let Some(target) = self.targets.get_mut(id) else {
                continue;
            };
            let state = cx.segment(target.segment);
            if state == SegmentState::Down || now < target.liveness.ask_at() {
                continue;
            }
            let life = target.liveness.asked(now);
            let never_there = target.liveness.was_never_there();
            ask(id, target, &self.tags, cx);
            if life == Life::Down {
                self.take_down(id, cx);
                self.changed(id, cx);
            } else if never_there {
                self.tell_down(id, cx);
                self.note_standing(id, cx);
            }
        }
    }

    /// An answer to a question of our own.
    pub(super) fn hear(
        &mut self,
        asked: (TargetId, Whom),
        response: Response<'_>,
        links: &mut Links,
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        if response.pdu.command() == AoeCommand::Ata {
            return self.hear_identity(asked, response, links, cx);
        }
        let target = self.target(asked.0).ok_or(DropReason::ResponseUnmatched)?;
        if target.segment != response.segment || target.address != response.pdu.address() {
            return Err(DropReason::ResponseMismatch);
        }
        self.hear_config(response, cx)
    }

    /// A Config response that says how a target is.
    pub(super) fn hear_config(
        &mut self,
        response: Response<'_>,

        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let Response { segment, source, pdu } = response;
        if pdu.command() != AoeCommand::Query || pdu.is_error() {
            return Err(DropReason::ResponseUnmatched);
        }
        let query = Query::parse(pdu.argument())?;
        let info = TargetInfo {
            buffer_count: query.buffer_count(),
            firmware: query.firmware(),
            sectors: query.sectors(),
            string: query.string().to_vec(),
        };
        let mut outcome = Err(DropReason::ResponseUnmatched);
        for place in 0..self.targets.len() {
            let Some(id) = self.targets.id_at(place) else {
                break;
            };
            let here = |target: &&mut Target| target.segment == segment && target.address == pdu.address();
            let Some(target) = self.targets.get_mut(id).filter(here) else {
                continue;
            };
            let now = cx.now;
            let was = target.liveness.mac();
            let heard = target.liveness.hear(source, info.clone(), now);
            let ask_at = target.liveness.ask_at();
            if target.liveness.mac() != was {
                target.recognition.moved(source);
            }
            match heard {
                // Who announces itself has just started, and may be another disk.
                Heard::Same | Heard::Changed if pdu.tag() == Tag(0) => {
                    target.recognition.doubt(now);
                    cx.timers.lower(Timer::Targets, now);
                }
                Heard::Imposter | Heard::Candidate
                    if target.liveness.pin().is_none() && target.recognition.second(source, now) =>
                {
                    let tag = self.tags.of_question(id, Whom::Second);
                    identify(target, source, tag, cx);
                }
                _ => {}
            }
            outcome = match heard {
                Heard::Imposter | Heard::Candidate => Err(DropReason::SecondResponder),
                Heard::Same | Heard::Changed | Heard::Up => Ok(()),
            };
            if matches!(heard, Heard::Changed | Heard::Up) {
                self.changed(id, cx);
            }
            cx.timers.lower(Timer::Targets, ask_at);
            self.tell(id, heard, source, cx);
            if heard == Heard::Up {
                self.resume(id, cx);
                cx.timers.lower(Timer::Targets, now);
            }
        }
        outcome
    }

    /// An export has a target that is known already: tells what is known.
    pub(super) fn tell_found(&mut self, id: ExportId, cx: &mut Context<'_>) {
        let Some(export) = self.exports.get(id) else {
            return;
        };
        let Some(target) = self.targets.get(export.target) else {
            return;
        };
        let Some(mac) = target.liveness.mac() else { return };
        let name = || export.name.clone();
        if let Some(disk) = target.recognition.disk() {
            cx.telemetry.event(Event::DiskKnown {
                export: name(),
                disk: disk.clone(),
            });
        }
        if target.is_up() {
            cx.telemetry.event(Event::TargetUp {
                export: name(),
                target: target.address,
                mac,
                buffer_count: target.liveness.info.buffer_count,
                sectors: target.liveness.info.sectors,
            });
        } else {
            raise_down(export, target, cx);
        }
        if let Some(conflict) = target.recognition.conflict(cx.now).filter(|_| target.conflict) {
            raise_conflict(export, target, &conflict, cx);
        }
    }

    /// Tells of what a station said about a target.
    fn tell(&mut self, id: TargetId, heard: Heard, mac: MacAddr, cx: &mut Context<'_>) {
        let Some(target) = self.target_mut(id) else { return };
        let told = &mut target.liveness;
        let due = match heard {
            Heard::Same | Heard::Candidate => return,
            // While it is a conflict, that is what is logged.
            Heard::Imposter if target.conflict => return,
            Heard::Imposter => true,
            Heard::Changed | Heard::Up => told.change_told.permits(cx.now, CHANGE_EVENT_EVERY),
        };
        let (address, buffer_count, sectors) = (target.address, told.info.buffer_count, told.info.sectors);
        for export in self.exports.values().filter(|export| export.target == id) {
            if heard == Heard::Up {
                cx.telemetry.over(cx.now, About::Target(export.id));
            }
            let name = || export.name.clone();
            match heard {
                Heard::Imposter => {
                    let about = About::Imposter(export.id);
                    cx.telemetry
                        .happened(cx.now, 1, about, || Event::SecondResponder {
                            export: name(),
                            mac,
                            on_conflict: None,
                        });
                }
                _ if due => cx.telemetry.event(Event::TargetUp {
                    export: name(),
                    target: address,
                    mac,
                    buffer_count,
                    sectors,
                }),
                _ => {}
            }
        }
    }

    fn take_down(&mut self, id: TargetId, cx: &mut Context<'_>) {
        if self
            .target_mut(id)
            .is_some_and(|target| target.liveness.down(cx.now))
        {
            self.suspend(id);
            self.tell_down(id, cx);
        }
    }

    fn tell_down(&mut self, id: TargetId, cx: &mut Context<'_>) {
        let Some(target) = self.target(id) else { return };
        for export in self.exports.values().filter(|export| export.target == id) {
            raise_down(export, target, cx);
        }
    }
}

fn raise_down(export: &Export, target: &Target, cx: &mut Context<'_>) {
    let event = standing::down(export, target);
    cx.telemetry.raise(cx.now, About::Target(export.id), event);
}

/// Whether a target says this without having been asked.
pub(super) fn is_announcement(pdu: &Pdu<'_>) -> bool {
    pdu.command() == AoeCommand::Query && !pdu.is_error() && pdu.tag() == Tag(0)
}

/// Asks a target how it is.
fn ask(id: TargetId, target: &Target, tags: &Tags, cx: &mut Context<'_>) {
    let tag = tags.of_question(id, Whom::Target);
    cx.ask_config(target.segment, target.address, tag);
}
