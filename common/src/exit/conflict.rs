//! What happens while it may be another disk, or two, that answer for a target.

use super::Exit;
use super::export::Export;
use super::ids::{SlotId, TargetId};
use super::pending::Pending;
use super::recognition::Conflict;
use super::standing;
use super::target::Target;
use crate::config::OnConflict;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::telemetry::Count;
use crate::trouble::About;
use crate::tunnel::links::Links;

impl Exit {
    /// Tells of a conflict that begins or ends, and refuses the writes that wait where that is configured.
    pub(super) fn judge_conflict(&mut self, id: TargetId, links: &mut Links, cx: &mut Context<'_>) {
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
}

pub(super) fn raise_conflict(export: &Export, target: &Target, conflict: &Conflict, cx: &mut Context<'_>) {
    let event = standing::in_conflict(export, target, conflict);
    cx.telemetry.raise(cx.now, About::Conflict(export.id), event);
}
