//! Imports that come, change and go while the gateway runs.

use std::time::Duration;

use super::Edge;
use super::import::Import;
use super::inquiry::Inquiry;
use super::presenting::ask;
use super::report;
use crate::config::{ImportConfig, ImportId};
use crate::context::Context;
use crate::trouble::About;
use crate::tunnel::links::Links;

impl Edge {
    /// A request that is older is not carried on from now on.
    pub(crate) fn set_max_age(&mut self, max_age: Duration) {
        self.max_age = max_age;
        for import in self.imports.values_mut() {
            import.initiators.set_late(max_age);
        }
    }

    /// A new import. Its peer is asked how the export is, then the segment whether its address is free.
    pub(crate) fn add(
        &mut self,
        id: ImportId,
        config: ImportConfig,
        links: &mut Links,
        cx: &mut Context<'_>,
    ) {
        let (peer, place) = (config.peer, (config.segment, config.address, id));
        let inquiry = Inquiry::since(links.newest_update(peer));
        self.imports
            .insert(id, Import::new(config, self.max_age, inquiry, cx.now));
        let at = self.presented.partition_point(|known| *known < place);
        self.presented.insert(at, place);
        self.present(peer, links, cx);
        self.inquire(links, cx);
    }

    /// An import of the same export at the same address has another window, or treats conflicts in another way.
    pub(crate) fn change(&mut self, id: ImportId, config: ImportConfig, links: &Links, cx: &mut Context<'_>) {
        let Some(import) = self.imports.get_mut(id) else {
            return;
        };
        let peer = config.peer;
        import.initiators.set_window(config.window);
        import.config = config;
        if import.presence.is_disputed() {
            // Its next answer says in the log what becomes of the import now.
            ask(&import.config, cx);
        }
        self.present(peer, links, cx);
    }

    /// An import is removed. It is silent from now on, and nothing that comes for it is known.
    pub(crate) fn remove(&mut self, id: ImportId, links: &Links, cx: &mut Context<'_>) {
        let Some(import) = self.imports.remove(id) else {
            return;
        };
        self.presented.retain(|(.., known)| *known != id);
        self.refusals.forget(id);
        cx.telemetry.forget(|about| match about {
            About::Import(of)
            | About::PausedImport(of)
            | About::Writes(of)
            | About::RefusedHere(of, _)
            | About::Frames(of)
            | About::Foreign(of) => of == id,
            _ => false,
        });
        report::removed(&import, links, cx);
    }
}
