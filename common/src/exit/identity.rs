//! Whether targets are who they were: asking them, comparing what they say, remembering it.

use std::time::Duration;

use super::ids::TargetId;
use super::recognition::Answer;
use super::tags::Whom;
use super::target::Target;
use super::{Exit, Response};
use crate::config::ExportId;
use crate::context::Context;
use crate::disk::Disk;
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::frame::aoe::{self, AoeCommand, Flags};
use crate::frame::ata::{self, AtaFlags, AtaHeader};
use crate::frame::{Ata, Header, MacAddr, Tag};
use crate::steer::{Accepted, Steered};
use crate::timers::Timer;
use crate::tunnel::links::Links;
/// A disk that grows again and again is logged at most this often.
const GROWTH_EVENT_EVERY: Duration = Duration::from_secs(60);

impl Exit {
    /// Asks targets who they are, or gives up on an answer.
    pub(super) fn recognise(&mut self, links: &mut Links, cx: &mut Context<'_>) {
        for place in 0..self.targets.len() {
            let Some(id) = self.targets.id_at(place) else {
                break;
            };
            let Some(target) = self.target_mut(id).filter(|target| target.is_up()) else {
                continue;
            };
            target.give_up_question(cx.now);
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
        target.asked_identity(now);
        if let Some(mac) = target.liveness.mac() {
            let tag = self.tags.of_question(id, Whom::Target);
            identify(target, mac, tag, cx);
        }
        let until = target.recognition.deadline();
        cx.timers.lower(Timer::Targets, until);
    }

    /// An answer to an IDENTIFY of ours.
    pub(super) fn hear_identity(
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
                target.liveness.follow(source);
                self.suspend(id);
                self.resume(id, cx);
            }
        } else {
            if !target.liveness.is(source) {
                return Err(DropReason::ResponseWrongSource);
            }
            let before = target.recognition.disk().cloned();
            let answer = target.told_identity(disk, now);
            if answer == Answer::Unasked {
                return Err(DropReason::ResponseUnmatched);
            }
            target.liveness.alive(now);
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
        let target = self.target_named(export).and_then(|id| self.target_mut(id));
        // What others that use it know already holds for a new export of it, too.
        if let Some(target) = target.filter(|target| target.recognition.disk().is_none()) {
            target.recognition.remember(disk);
        }
    }

    /// The operator says that the disk behind an export is the right one, or the next one will be.
    pub(crate) fn accept_disk(&mut self, export: &str, links: &mut Links, cx: &mut Context<'_>) {
        if let Some(id) = self.target_named(export) {
            self.accept_disk_at(id, links, cx);
        }
    }

    /// The same, with which disk it had and has. `None`: there is no such export here.
    pub(crate) fn accept_disk_of(
        &mut self,
        export: ExportId,
        links: &mut Links,
        cx: &mut Context<'_>,
    ) -> Option<Steered> {
        let id = self.exports.get(export)?.target;
        let was = self.expected_disk(id);
        self.accept_disk_at(id, links, cx);
        let is = self.expected_disk(id);
        Some(Steered {
            changed: was != is,
            disk: Some(Accepted { was, is }),
            ..Steered::default()
        })
    }

    /// Which disk an export has. `None`: there is no such export here.
    pub(crate) fn look_at_disk(&self, export: ExportId) -> Option<Steered> {
        let is = self.expected_disk(self.exports.get(export)?.target);
        Some(Steered {
            changed: false,
            disk: Some(Accepted { was: is.clone(), is }),
            ..Steered::default()
        })
    }

    fn expected_disk(&self, id: TargetId) -> String {
        let disk = self.target(id).and_then(|target| target.recognition.expected());
        disk.map(ToString::to_string).unwrap_or_default()
    }

    fn accept_disk_at(&mut self, id: TargetId, links: &mut Links, cx: &mut Context<'_>) {
        let now = cx.now;
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
            && target.liveness.growth_told.permits(cx.now, GROWTH_EVENT_EVERY);
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
}

/// Asks a station who it is.
pub(super) fn identify(target: &Target, mac: MacAddr, tag: Tag, cx: &mut Context<'_>) {
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
