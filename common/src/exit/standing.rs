//! How an export is, and why, in the words of the log.

use super::Exit;
use super::export::Export;
use super::ids::TargetId;
use super::recognition::Conflict;
use super::target::Target;
use crate::config::OnConflict;
use crate::context::Context;
use crate::event::Event;
use crate::segment::SegmentState;
use crate::snapshot::State;
use crate::time::Instant;

impl Exit {
    /// Something about a target changed: notes how its exports are now.
    pub(super) fn note_standing(&mut self, id: TargetId, cx: &Context<'_>) {
        let target = self.targets.get(id);
        let segment = target.map_or(SegmentState::Down, |target| cx.segment(target.segment));
        for export in self.exports.values_mut().filter(|export| export.target == id) {
            let (state, why) = match target {
                _ if self.is_ending => (State::Leaving, "this gateway is about to end".to_owned()),
                None => (State::Down, "it has no target".to_owned()),
                Some(target) => how(export, target, segment, cx.now),
            };
            export.standing.note(state, why, cx.now);
        }
    }
}

fn how(export: &Export, target: &Target, segment: SegmentState, now: Instant) -> (State, String) {
    let words = |event: Event| {
        let line = event.to_string();
        let prefix = format!("export {}: ", export.name);
        line.strip_prefix(&prefix).unwrap_or(&line).to_owned()
    };
    if let Some(pause) = export.pauses.on() {
        let event = Event::ExportPaused {
            export: export.name.clone(),
            by: pause.by.clone(),
            lasts: pause.until.saturating_since(pause.since),
        };
        return (State::Paused, words(event));
    }
    let conflict = target.recognition.conflict(now).filter(|_| target.conflict);
    match conflict {
        _ if segment == SegmentState::Down => (
            State::Down,
            format!("the segment of target {} is down", target.address),
        ),
        _ if target.liveness.mac().is_none() && !target.liveness.is_missed() => (
            State::Starting,
            format!("target {} was not heard yet", target.address),
        ),
        _ if !target.is_up() => (State::Down, words(down(export, target))),
        Some(conflict) => {
            let state = match export.safety.on_conflict {
                OnConflict::Alarm => State::Degraded,
                OnConflict::Stop => State::Down,
            };
            (state, words(in_conflict(export, target, &conflict)))
        }
        None => (State::Up, String::new()),
    }
}

/// Its target does not answer.
pub(super) fn down(export: &Export, target: &Target) -> Event {
    Event::TargetDown {
        export: export.name.clone(),
        target: target.address,
    }
}

/// It may be another disk.
pub(super) fn in_conflict(export: &Export, target: &Target, conflict: &Conflict) -> Event {
    let (name, on_conflict) = (export.name.clone(), export.safety.on_conflict);
    match conflict {
        Conflict::Changed { known, found } => Event::TargetChanged {
            export: name,
            target: target.address,
            difference: found.difference(known),
            on_conflict,
        },
        Conflict::Second(mac) => Event::SecondResponder {
            export: name,
            mac: *mac,
            on_conflict: Some(on_conflict),
        },
    }
}
