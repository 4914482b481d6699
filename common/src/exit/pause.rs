//! An export that an operator pauses: what is at the target is finished, what else is asked for waits here.
//!
//! A pause holds the turns of the export's initiators, and nothing else: requests are judged, collapsed, put in order and
//! flushed as always, and the target is watched as always. So nothing that lost its right, its peer or its place in the
//! order meanwhile is there to be sent afterwards.

use super::Exit;
use super::ids::SlotId;
use super::patience::LONGEST_WAIT;
use super::pending::Pending;
use super::stages::Stage;
use crate::config::ExportId;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::pause::{ASKED_AGAIN, Pauses};
use crate::steer::Steered;
use crate::time::Instant;
use crate::timers::Timer;
use crate::trouble::About;
use std::time::Duration;

impl Exit {
    /// Sends nothing new of an export for so long, or as long as it may. `None`: there is no such export here.
    pub(crate) fn pause(
        &mut self,
        id: ExportId,
        how_long: Duration,
        by: &str,
        cx: &mut Context<'_>,
    ) -> Option<Steered> {
        let oldest = self.oldest_waiting(id, cx.now);
        let export = self.exports.get_mut(id)?;
        let was = export.pauses.on().cloned();
        let begun = export.pauses.begin(how_long, by, oldest, cx.now);
        if let Some(pause) = export.pauses.on().filter(|_| begun) {
            let event = Event::ExportPaused {
                export: export.name.clone(),
                by: pause.by.clone(),
                lasts: pause.until.saturating_since(pause.since),
            };
            cx.telemetry.raise(cx.now, About::Paused(id), event);
        }
        let changed = export.pauses.on() != was.as_ref();
        for (_, flow) in self.flows.of_export_by_peer(id) {
            if let Some(flow) = self.flows.get_mut(flow) {
                flow.is_paused = begun;
            }
        }
        self.note_pauses(id, cx);
        let steered = self.look_at(id, cx.now)?;
        Some(Steered { changed, ..steered })
    }

    /// Ends a pause; what waited goes in its order, as far as the target has room. `None`: there is no such export here.
    pub(crate) fn end_pause(
        &mut self,
        id: ExportId,
        by: Option<&str>,
        cx: &mut Context<'_>,
    ) -> Option<Steered> {
        let now = cx.now;
        let export = self.exports.get_mut(id)?;
        let target = export.target;
        let Some(pause) = export.pauses.end(now) else {
            return self.look_at(id, now);
        };
        cx.telemetry.over(now, About::Paused(id));
        cx.telemetry.event(Event::ExportResumed {
            export: export.name.clone(),
            by: by.map(str::to_owned),
            lasted: now.saturating_since(pause.since),
        });
        let dropped = self.drop_outlasted(id, pause.since, cx);
        for (peer, flow_id) in self.flows.of_export_by_peer(id) {
            let (Some(flow), Some(target)) = (self.flows.get_mut(flow_id), self.targets.get_mut(target))
            else {
                continue;
            };
            flow.is_paused = false;
            if !flow.queue.is_empty() && !std::mem::replace(&mut flow.in_turn, true) {
                target.turns.push(peer, id, flow_id);
            }
        }
        self.note_pauses(id, cx);
        self.serve(target, cx);
        let steered = self.look_at(id, now)?;
        Some(Steered {
            changed: true,
            dropped,
            ..steered
        })
    }

    /// What has waited through the pause for so long that its initiator may ask another gateway by now is not sent: a write of it could come
    /// after a newer one that went there. If it still asks here, it asks again.
    fn drop_outlasted(&mut self, id: ExportId, begun: Instant, cx: &mut Context<'_>) -> u64 {
        let outlasted = |pending: &Pending| {
            pending.export == id
                && matches!(pending.stage, Stage::Queued | Stage::Held)
                && cx.now.saturating_since(pending.since.max(begun)) > LONGEST_WAIT
        };
        let all = self.pending.iter().filter(|(_, pending)| outlasted(pending));
        let all: Vec<(SlotId, bool)> = all
            .map(|(slot, pending)| (slot, pending.copies.count() == 0))
            .collect();
        let mut dropped = 0;
        for (slot, never_sent) in all {
            self.unlist(slot);
            // Of the others a copy may be at the target: they keep their place, and are sent again if they are asked again.
            if never_sent {
                dropped += 1;
                self.shed(slot, DropReason::PauseOutlasted, cx);
            }
        }
        dropped
    }

    /// Ends the pauses whose time is over.
    pub(super) fn end_pauses(&mut self, cx: &mut Context<'_>) {
        if cx.now < self.pauses_end {
            return;
        }
        let over =
            |(id, export): (ExportId, &super::Export)| (export.pauses.deadline() <= cx.now).then_some(id);
        let over: Vec<ExportId> = self.exports.iter().filter_map(over).collect();
        for id in over {
            self.end_pause(id, None, cx);
        }
        self.pauses_end = self.next_end();
    }

    fn next_end(&self) -> Instant {
        let ends = self.exports.values().map(|export| export.pauses.deadline());
        ends.min().unwrap_or(Instant::NEVER)
    }

    fn note_pauses(&mut self, id: ExportId, cx: &mut Context<'_>) {
        self.pauses_end = self.next_end();
        cx.timers.lower(Timer::Targets, self.pauses_end);
        if let Some(export) = self.exports.get_mut(id) {
            export.changed();
            let target = export.target;
            self.note_standing(target, cx);
        }
        self.news = true;
    }

    /// How an export is. `None`: there is no such export here.
    pub(crate) fn look_at(&self, id: ExportId, now: Instant) -> Option<Steered> {
        let export = self.exports.get(id)?;
        let ours = self.pending.iter().filter(|(_, pending)| pending.export == id);
        let (mut in_flight, mut waiting) = (0, 0);
        for (_, pending) in ours {
            match self.may_be_at_target(pending, now) {
                true => in_flight += 1,
                false if pending.origin.is_some() => waiting += 1,
                false => {}
            }
        }
        Some(Steered {
            pause: Some(export.pauses.steered(self.oldest_waiting(id, now), now)),
            in_flight,
            waiting,
            ..Steered::default()
        })
    }

    /// Whether the target may have a request, and do or answer it.
    fn may_be_at_target(&self, pending: &Pending, now: Instant) -> bool {
        if pending.stage == Stage::AtTarget {
            return true;
        }
        let is_out = pending.copies.count() > 0 && !pending.copies.all_answered();
        let is_up = self.target(pending.target).is_some_and(|target| target.is_up());
        is_out && pending.span.writes() && (!is_up || !self.is_gone(pending, now))
    }

    /// When the oldest request was first asked that is still asked for.
    fn oldest_waiting(&self, id: ExportId, now: Instant) -> Option<Instant> {
        let waits = |pending: &Pending| {
            pending.export == id
                && pending.origin.is_some()
                && now.saturating_since(pending.arrived) < ASKED_AGAIN
        };
        let all = self.pending.iter().filter(|(_, pending)| waits(pending));
        all.map(|(_, pending)| pending.since).min()
    }

    /// Whether an export is paused.
    pub(super) fn is_paused(&self, id: ExportId) -> bool {
        self.exports.get(id).is_some_and(|export| export.pauses.is_on())
    }
}

/// How long a target is taken to have been silent: while its export is paused, and after that, nobody has waited for it
/// yet.
pub(super) fn silence(pauses: &Pauses, silence: Duration, now: Instant) -> Duration {
    match pauses.is_on() {
        true => Duration::ZERO,
        false => silence.min(now.saturating_since(pauses.ended())),
    }
}

#[cfg(test)]
mod tests;
