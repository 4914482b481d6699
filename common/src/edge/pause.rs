//! An import that an operator pauses: what initiators wait for already goes on, with every copy of it; nothing new does.
//!
//! What is new is not kept: its initiator asks again by its own timer, so nothing that it has given up meanwhile is sent
//! afterwards. Config queries are answered as always, so initiators keep the disk.

use std::time::Duration;

use super::Edge;
use crate::config::ImportId;
use crate::context::Context;
use crate::event::Event;
use crate::steer::Steered;
use crate::time::Instant;
use crate::timers::Timer;
use crate::tunnel::links::Links;

impl Edge {
    /// Carries nothing new on for so long, or as long as it may. `None`: there is no such import here.
    pub(crate) fn pause(
        &mut self,
        id: ImportId,
        how_long: Duration,
        by: &str,
        links: &Links,
        cx: &mut Context<'_>,
    ) -> Option<Steered> {
        let import = self.imports.get_mut(id)?;
        let (_, oldest) = import.initiators.pending(cx.now);
        let was = import.pauses.on().cloned();
        import.pauses.begin(how_long, by, oldest, cx.now);
        let changed = import.pauses.on() != was.as_ref();
        let peer = import.config.peer;
        self.present(peer, links, cx);
        let steered = self.look_at(id, cx.now)?;
        Some(Steered { changed, ..steered })
    }

    /// Ends a pause. `None`: there is no such import here.
    pub(crate) fn end_pause(
        &mut self,
        id: ImportId,
        by: Option<&str>,
        links: &Links,
        cx: &mut Context<'_>,
    ) -> Option<Steered> {
        let import = self.imports.get_mut(id)?;
        let changed = import.pauses.end(cx.now).is_some();
        if changed {
            cx.telemetry.event(Event::ImportResumed {
                address: import.config.address,
                by: by.map(str::to_owned),
            });
        }
        let peer = import.config.peer;
        self.present(peer, links, cx);
        let steered = self.look_at(id, cx.now)?;
        Some(Steered { changed, ..steered })
    }

    /// Ends the pauses whose time is over.
    pub(super) fn end_pauses(&mut self, links: &Links, cx: &mut Context<'_>) {
        let over = self
            .imports
            .iter()
            .filter_map(|(id, import)| (import.pauses.deadline() <= cx.now).then_some(id));
        for id in over.collect::<Vec<_>>() {
            self.end_pause(id, None, links, cx);
        }
        cx.timers.set(Timer::Imports, self.due(cx.now));
    }

    /// How an import is. `None`: there is no such import here.
    pub(crate) fn look_at(&self, id: ImportId, now: Instant) -> Option<Steered> {
        let import = self.imports.get(id)?;
        let (in_flight, oldest) = import.initiators.pending(now);
        Some(Steered {
            pause: Some(import.pauses.steered(oldest, now)),
            in_flight,
            ..Steered::default()
        })
    }
}
