//! Whether targets live: asking them, hearing them, telling of them.

use std::time::Duration;

use super::export::Export;
use super::pending::Pending;
use super::recognition::{Answer, Conflict};
use super::table::SlotId;
use super::tags::{Tags, Whom};
use super::target::{Target, TargetId};
use super::watch::{Heard, Liveness};
use super::{Exit, Response, standing};
use crate::config::{ExportId, OnConflict, SegmentId};
use crate::context::Context;
use crate::disk::Disk;
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::export::TargetInfo;
use crate::frame::aoe::{self, AoeCommand, Flags, Pdu};
use crate::frame::ata::{self, AtaFlags, AtaHeader};
use crate::frame::query::Query;
use crate::frame::{Ata, Header, MacAddr, Tag};
use crate::segment::SegmentState;
use crate::telemetry::Count;
use crate::timers::Timer;
use crate::trouble::About;
use crate::tunnel::links::Links;

/// A disk that grows again and again is logged at most this often.
const GROWTH_EVENT_EVERY: Duration = Duration::from_secs(60);
/// What a target says again is logged at most this often: its segment is not authenticated.
const CHANGE_EVENT_EVERY: Duration = Duration::from_secs(1);

impl Exit {
    /// A segment came, went, or changed its MTU or address.
    pub(crate) fn handle_segment(&mut self, segment: SegmentId, state: SegmentState, cx: &mut Context<'_>) {
        for id in self.target_ids() {
            let here = |target: &&mut Target| target.segment == segment;
            let Some(target) = self.targets.get_mut(id).filter(here) else {
                continue;
            };
            if state == SegmentState::Down {
                target.watch.segment_changed();
                self.take_down(id, cx);
            } else {
                target.watch.asked(cx.now);
                ask(id, target, &self.tags, cx);
            }
            self.changed(id, cx);
        }
        cx.timers.lower(Timer::Targets, cx.now);
    }

    /// Asks the targets that are to be asked now.
    pub(super) fn watch(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        for id in self.target_ids() {
            let Some(target) = self.targets.get_mut(id) else {
                continue;
            };
            let state = cx.segment(target.segment);
            if state == SegmentState::Down || now < target.watch.ask_at() {
                continue;
            }
            let liveness = target.watch.asked(now);
            let never_there = target.watch.was_never_there();
            ask(id, target, &self.tags, cx);
            if liveness == Liveness::Down {
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
        for id in self.target_ids() {
            let here = |target: &&mut Target| target.segment == segment && target.address == pdu.address();
            let Some(target) = self.targets.get_mut(id).filter(here) else {
                continue;
            };
            let now = cx.now;
            let was = target.watch.mac();
            let heard = target.watch.hear(source, info.clone(), now);
            let ask_at = target.watch.ask_at();
            if target.watch.mac() != was {
                target.recognition.moved(source);
            }
            match heard {
                // Who announces itself has just started, and may be another disk.
                Heard::Same | Heard::Changed if pdu.tag() == Tag(0) => {
                    target.recognition.doubt(now);
                    cx.timers.lower(Timer::Targets, now);
                }
                Heard::Imposter | Heard::Candidate
                    if target.watch.pin().is_none() && target.recognition.second(source, now) =>
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

    /// Asks targets who they are, or gives up on an answer.
    pub(super) fn recognise(&mut self, links: &mut Links, cx: &mut Context<'_>) {
        for id in self.target_ids() {
            let Some(target) = self.target_mut(id).filter(|target| target.is_up()) else {
                continue;
            };
            if target.recognition.gave_up(cx.now) {
                target.occupied = target.occupied.saturating_sub(1);
            }
            self.judge_conflict(id, links, cx);
            self.serve(id, cx);
        }
    }

    /// Asks a target who it is, if that is due and it has a buffer for it.
    pub(super) fn ask_identity(&mut self, id: TargetId, cx: &mut Context<'_>) {
        let now = cx.now;
        let due = |target: &&mut Target| {
            target.is_up() && target.has_buffer() && target.recognition.wants_answer(now)
        };
        let Some(target) = self.targets.get_mut(id).filter(due) else {
            return;
        };
        target.recognition.asked(now, target.rto.wait());
        target.occupied += 1;
        if let Some(mac) = target.watch.mac() {
            let tag = self.tags.of_question(id, Whom::Target);
            identify(target, mac, tag, cx);
        }
        let until = target.recognition.deadline();
        cx.timers.lower(Timer::Targets, until);
    }

    /// An answer to an IDENTIFY of ours.
    fn hear_identity(
        &mut self,
        (id, whom): (TargetId, Whom),
        response: Response<'_>,
        links: &mut Links,
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let Response { segment, source, pdu } = response;
        let now = cx.now;
        let target = self.target_mut(id).ok_or(DropReason::ResponseUnmatched)?;
        if target.segment != segment || target.address != pdu.address() {
            return Err(DropReason::ResponseMismatch);
        }
        let ata = Ata::parse(pdu.argument())?;
        let disk = Some(&ata).filter(|ata| ata.is_success() && !pdu.is_error());
        let disk = disk.and_then(|ata| Disk::of(ata.data()));
        if whom == Whom::Second {
            if !target.recognition.second_answered(source, disk.as_ref()) {
                return Err(DropReason::ResponseUnmatched);
            }
            if target.recognition.second_is_right() {
                target.recognition.moved(source);
                target.watch.follow(source);
                self.suspend(id);
                self.resume(id, cx);
            }
        } else {
            if !target.watch.is(source) {
                return Err(DropReason::ResponseWrongSource);
            }
            let before = target.recognition.disk().cloned();
            let answer = target.recognition.answered(disk, now);
            if answer == Answer::Unasked {
                return Err(DropReason::ResponseUnmatched);
            }
            target.watch.alive(now);
            target.occupied = target.occupied.saturating_sub(1);
            if target.recognition.disk() != before.as_ref() {
                self.changed(id, cx);
            }
            self.tell_disk(id, answer, cx);
        }
        self.judge_conflict(id, links, cx);
        self.serve(id, cx);
        Ok(())
    }

    /// The disk of this target is that one, whatever was there when the export was used last.
    pub(crate) fn remember_disk(&mut self, export: &str, disk: Disk) {
        if let Some(target) = self.target_named(export).and_then(|id| self.target_mut(id)) {
            target.recognition.remember(disk);
        }
    }

    /// The operator says that the disk behind an export is the right one, or the next one will be.
    pub(crate) fn accept_disk(&mut self, export: &str, links: &mut Links, cx: &mut Context<'_>) {
        let now = cx.now;
        let Some(id) = self.target_named(export) else {
            return;
        };
        let Some(target) = self.target_mut(id) else { return };
        if target.recognition.accept(now).is_some() {
            self.tell_disk(id, Answer::First, cx);
        }
        self.judge_conflict(id, links, cx);
        cx.timers.lower(Timer::Targets, now);
    }

    fn target_named(&self, export: &str) -> Option<TargetId> {
        let named = self.exports.values().find(|known| known.name == export);
        named.map(|export| export.target)
    }

    /// Tells which disk a target is, where that is news.
    fn tell_disk(&mut self, id: TargetId, answer: Answer, cx: &mut Context<'_>) {
        let Some(target) = self.targets.get_mut(id) else {
            return;
        };
        let tells_growth = matches!(answer, Answer::Grown { .. })
            && target.watch.growth_told.permits(cx.now, GROWTH_EVENT_EVERY);
        let Some(disk) = target.recognition.disk().filter(|_| answer != Answer::Compared) else {
            return;
        };
        for export in self.exports.values().filter(|export| export.target == id) {
            let (export, target) = (export.name.clone(), target.address);
            if let (Answer::Grown { was }, true) = (answer, tells_growth) {
                cx.telemetry.event(Event::DiskGrown {
                    export: export.clone(),
                    target,
                    was,
                    is: disk.size,
                });
            }
            cx.telemetry.event(Event::DiskKnown {
                export,
                disk: disk.clone(),
            });
        }
    }

    /// Tells of a conflict that begins or ends, and refuses the writes that wait where that is configured.
    fn judge_conflict(&mut self, id: TargetId, links: &mut Links, cx: &mut Context<'_>) {
        let Some(target) = self.target_mut(id) else { return };
        let conflict = target.recognition.conflict(cx.now).is_some();
        if std::mem::replace(&mut target.conflict, conflict) == conflict {
            return;
        }
        let address = target.address;
        self.changed(id, cx);
        if conflict {
            cx.telemetry.count(Count::Conflicts);
            return self.tell_conflict(id, |_| true, links, cx);
        }
        for export in self.exports.values().filter(|export| export.target == id) {
            cx.telemetry.over(cx.now, About::Conflict(export.id));
            cx.telemetry.event(Event::ConflictOver {
                export: export.name.clone(),
                target: address,
            });
        }
    }

    /// Tells these exports of a target of its conflict, if there is one, and refuses the writes that wait where that is
    /// configured.
    pub(super) fn tell_conflict(
        &mut self,
        id: TargetId,
        whose: impl Fn(&Export) -> bool,
        links: &mut Links,
        cx: &mut Context<'_>,
    ) {
        let Some(target) = self.targets.get(id).filter(|target| target.conflict) else {
            return;
        };
        let Some(conflict) = target.recognition.conflict(cx.now) else {
            return;
        };
        let mut stopped = Vec::new();
        for export in self
            .exports
            .values()
            .filter(|export| export.target == id && whose(export))
        {
            raise_conflict(export, target, &conflict, cx);
            if export.safety.on_conflict == OnConflict::Stop {
                stopped.push(export.id);
            }
        }
        let wait = |pending: &Pending| {
            stopped.contains(&pending.export) && pending.span.writes() && pending.origin.is_some()
        };
        let writes: Vec<SlotId> = self
            .pending
            .iter()
            .filter(|(_, pending)| wait(pending))
            .map(|(slot, _)| slot)
            .collect();
        for slot in writes {
            self.fail(slot, DropReason::RefusedConflict, links, cx);
        }
    }

    /// An export has a target that is known already: tells what is known.
    pub(super) fn tell_found(&mut self, id: ExportId, cx: &mut Context<'_>) {
        let Some(export) = self.exports.get(id) else {
            return;
        };
        let Some(target) = self.targets.get(export.target) else {
            return;
        };
        let Some(mac) = target.watch.mac() else { return };
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
                buffer_count: target.watch.info.buffer_count,
                sectors: target.watch.info.sectors,
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
        let told = &mut target.watch;
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
            .is_some_and(|target| target.watch.down(cx.now))
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

fn raise_conflict(export: &Export, target: &Target, conflict: &Conflict, cx: &mut Context<'_>) {
    let event = standing::in_conflict(export, target, conflict);
    cx.telemetry.raise(cx.now, About::Conflict(export.id), event);
}

/// Whether a target says this without having been asked.
pub(super) fn is_announcement(pdu: &Pdu<'_>) -> bool {
    pdu.command() == AoeCommand::Query && !pdu.is_error() && pdu.tag() == Tag(0)
}

/// Asks a station who it is.
fn identify(target: &Target, mac: MacAddr, tag: Tag, cx: &mut Context<'_>) {
    let header = Header {
        version: aoe::VERSION,
        flags: Flags::REQUEST,
        error: 0,
        address: target.address,
        command: AoeCommand::Ata,
        tag,
    };
    // As the Linux driver asks (`aoecmd_ata_id`).
    let argument = AtaHeader {
        flags: AtaFlags(0),
        error_feature: 0,
        sectors: 1,
        command_status: 0xec,
        lba: [0, 0, 0, 0xa0, 0, 0],
        reserved: [0; 2],
    };
    let sent = cx.emit(target.segment, mac, ata::PDU_LEN, |frame| {
        frame.extend_from_slice(&header.to_bytes());
        frame.extend_from_slice(&argument.to_bytes());
    });
    if let Err(reason) = sent {
        cx.telemetry.drop(reason);
    }
}

/// Asks a target how it is.
fn ask(id: TargetId, target: &Target, tags: &Tags, cx: &mut Context<'_>) {
    let tag = tags.of_question(id, Whom::Target);
    cx.ask_config(target.segment, target.address, tag);
}
