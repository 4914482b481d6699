//! Asks peers that owe imports an answer.

use super::Edge;
use super::import::Import;
use crate::config::PeerId;
use crate::context::Context;
use crate::tunnel::links::Links;
use crate::tunnel::message::Kind;

impl Edge {
    /// Asks the peers that owe imports an answer, when that is due.
    pub(super) fn inquire(&mut self, links: &mut Links, cx: &mut Context<'_>) {
        let due = |import: &&Import| import.inquiry.is_due(cx.now);
        let mut peers: Vec<PeerId> = self.imports.values().filter(due).map(Import::peer).collect();
        peers.sort_unstable();
        peers.dedup();
        for peer in peers {
            if let Err(reason) = links.send(peer, Kind::Inquire, &[], &[], cx) {
                cx.telemetry.drop(reason);
            }
            let newest = links.newest_update(peer);
            let waiting = |import: &&mut Import| import.inquiry.is_owed();
            for import in self.imports_of(peer).map(|(_, import)| import).filter(waiting) {
                import.inquiry.ask(newest, cx.now);
            }
        }
    }
}
