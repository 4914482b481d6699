//! What the edge refused to initiators: logged here, and told to the exit, whose operator decides.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Captured, Edge};
use crate::config::{ImportId, PeerId};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::event::{Event, Place};
use crate::frame::{AoeCommand, MacAddr, Pdu};
use crate::notes::What;
use crate::refusal::{MAX_REFUSALS, Refusal, Refused};
use crate::tally::is_refusal;
use crate::time::Instant;
use crate::timers::Timer;
use crate::trouble::About;
use crate::tunnel::links::Links;
use crate::tunnel::message::Kind;

/// Refusals are collected for this long before the exit is told.
const COLLECT: Duration = Duration::from_secs(2);
/// Initiators and what was refused to them, over all imports; what more are refused counts as another one's.
const MAX_COLLECTED: usize = 256;

/// By what refusals are one: so the exit knows of each initiator.
type Key = (PeerId, ImportId, MacAddr, Refusal);

/// What the exits are yet to be told.
#[derive(Debug)]
pub(super) struct Refusals {
    collected: BTreeMap<Key, Refused>,
    tell_at: Instant,
}

impl Default for Refusals {
    fn default() -> Self {
        Refusals {
            collected: BTreeMap::new(),
            tell_at: Instant::NEVER,
        }
    }
}

impl Refusals {
    pub(super) fn deadline(&self) -> Instant {
        self.tell_at
    }

    /// Of this import nothing more is told.
    pub(super) fn forget(&mut self, id: ImportId) {
        self.collected.retain(|(_, of, ..), _| *of != id);
    }

    /// Where a refusal is counted: if there is no more room, with one of the same kind at the same import.
    fn place(&self, key: Key) -> Option<Key> {
        if self.collected.len() < MAX_COLLECTED || self.collected.contains_key(&key) {
            return Some(key);
        }
        let (peer, import, _, what) = &key;
        let mut known = self.collected.keys();
        let same = known.find(|(of, at, _, why)| (of, at, why) == (peer, import, what));
        same.cloned()
    }

    fn collect(&mut self, key: Key, refused: Refused, now: Instant) {
        let Some(key) = self.place(key) else { return };
        if self.collected.is_empty() {
            self.tell_at = now + COLLECT;
        }
        match self.collected.get_mut(&key) {
            Some(before) => before.times = before.times.saturating_add(refused.times),
            None => drop(self.collected.insert(key, refused)),
        }
    }
}

/// Whether a request that ended for this reason counts as refused. Who looks for disks, and finds none, was not.
fn is_refused(reason: DropReason, pdu: &Pdu<'_>) -> bool {
    let is_down = reason == DropReason::RequestImportDown;
    is_refusal(reason) && (!is_down || pdu.command() == AoeCommand::Ata)
}

impl Edge {
    /// A request to this import ended here for this reason.
    pub(super) fn note_refusal(
        &mut self,
        id: ImportId,
        captured: Captured<'_>,
        reason: DropReason,
        links: &Links,
        cx: &mut Context<'_>,
    ) {
        let Some(import) = self.imports.get_mut(id) else {
            return;
        };
        let what = Refusal::of(reason, &captured.pdu);
        if is_refused(reason, &captured.pdu) {
            import.initiators.refused(captured.initiator);
            import.stats.refused(reason, what, captured.initiator, cx.now);
        }
        let Some(what) = what else { return };
        let config = &import.config;
        cx.telemetry
            .happened(cx.now, 1, About::RefusedHere(id, what.kind()), || {
                Event::RequestRefused {
                    place: Place::Import(config.address),
                    export: config.export.clone(),
                    peer: links.name(config.peer),
                    initiator: captured.initiator,
                    what,
                }
            });
        let whose = (None, id.0, captured.initiator, what);
        cx.telemetry.notes.refused(cx.now, 1, whose, || What::Refused {
            place: Place::Import(config.address),
            export: config.export.clone(),
            peer: links.name(config.peer),
            initiator: captured.initiator,
            what,
        });
        let Some(remote) = &import.remote else { return };
        let refused = Refused {
            export: remote.export,
            initiator: captured.initiator,
            what,
            times: 1,
        };
        let key = (config.peer, id, captured.initiator, what);
        self.refusals.collect(key, refused, cx.now);
        cx.timers.lower(Timer::Imports, self.refusals.deadline());
    }

    /// Tells the exits what was refused, when that is due.
    pub(super) fn tell_refusals(&mut self, links: &mut Links, cx: &mut Context<'_>) {
        if cx.now < self.refusals.tell_at {
            return;
        }
        self.refusals.tell_at = Instant::NEVER;
        let collected: Vec<_> = std::mem::take(&mut self.refusals.collected).into_iter().collect();
        for of_peer in collected.chunk_by(|((one, ..), _), ((other, ..), _)| one == other) {
            for entries in of_peer.chunks(MAX_REFUSALS) {
                let mut message = Vec::new();
                entries.iter().for_each(|(_, refused)| refused.emit(&mut message));
                let Some(((peer, ..), _)) = entries.first() else {
                    continue;
                };
                // Without a session nothing of the peer is presented, and it logs that itself.
                if links.is_up(*peer, cx.now)
                    && let Err(reason) = links.send(*peer, Kind::Refusals, &message, &[], cx)
                {
                    cx.telemetry.drop(reason);
                }
            }
        }
    }
}
