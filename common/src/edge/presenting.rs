//! When an import is presented to its segment, and who else answers there.

use super::Edge;
use super::answer::{advertised, emit_query};
use super::import::{Announcement, Import};
use super::report::{self, Before};
use crate::config::{ImportConfig, ImportId, PeerId, SegmentId};
use crate::context::Context;
use crate::event::{Event, ImportFault};
use crate::export::ExportState;
use crate::frame::aoe::{self, AoeCommand, Flags};
use crate::frame::query::{self, QueryCommand};
use crate::frame::{HEADER_LEN, Header, MacAddr, Tag};
use crate::segment::SegmentState;
use crate::telemetry::Count;
use crate::time::Instant;
use crate::timers::Timer;
use crate::trouble::About;
use crate::tunnel::links::Links;
use crate::tunnel::update::{Entry, Rest, Update};

/// The tag of our questions who else is at an address: bit 31 is never set by a Linux kernel initiator.
const PROBE_TAG: Tag = Tag(0xc000_ffff);

impl Edge {
    /// Asks segments who else is there, and presents what nobody else does.
    pub(crate) fn handle_timeout(&mut self, links: &mut Links, cx: &mut Context<'_>) {
        if !cx.timers.is_due(Timer::Imports, cx.now) {
            return;
        }
        self.tell_refusals(links, cx);
        self.end_pauses(links, cx);
        let mut peers = Vec::new();
        for (id, import) in self.imports.iter_mut() {
            if import.presence.is_gone(cx.now) {
                cx.telemetry.over(cx.now, About::Foreign(id));
                cx.telemetry.event(Event::ForeignGone {
                    address: import.config.address,
                });
            }
            if import.presence.asks(cx.now) {
                ask(&import.config, cx);
            }
            peers.push(import.config.peer);
        }
        peers.sort_unstable();
        peers.dedup();
        for peer in peers {
            self.present(peer, links, cx);
        }
        self.inquire(links, cx);
        cx.timers.set(Timer::Imports, self.due(cx.now));
    }

    /// A station on the segment of an import answers for its address.
    pub(crate) fn handle_foreign(&mut self, id: ImportId, mac: MacAddr, links: &Links, cx: &mut Context<'_>) {
        let workers = self.workers;
        let Some(import) = self.imports.get_mut(id) else {
            return;
        };
        let before = import.presence.other();
        if import.presence.heard(mac, cx.now) {
            cx.telemetry.count(Count::Conflicts);
        }
        if before != Some(mac) {
            import.note_standing(&import.fault_now(workers, links, cx), links, cx);
        }
        if let Some(foreign) = report::foreign(import) {
            cx.telemetry.raise(cx.now, About::Foreign(id), foreign);
        }
        cx.timers.set(Timer::Imports, self.due(cx.now));
    }

    /// When there is something to do.
    pub(super) fn due(&self, now: Instant) -> Instant {
        let deadline = |import: &Import| {
            let (presence, inquiry) = (import.presence.deadline(now), import.inquiry.deadline());
            presence
                .min(inquiry)
                .min(import.standing_deadline(now))
                .min(import.pauses.deadline())
        };
        let deadlines = self.imports.values().map(deadline);
        deadlines
            .min()
            .unwrap_or(Instant::NEVER)
            .min(self.refusals.deadline())
    }

    /// What an exit says about its exports.
    pub(crate) fn handle_update(
        &mut self,
        peer: PeerId,
        update: Update,
        links: &Links,
        cx: &mut Context<'_>,
    ) {
        for entry in update.entries {
            match entry {
                Entry::Offered(export) => self.learn(peer, export, links, cx),
                Entry::Withdrawn(export, why) => {
                    self.imports_of(peer)
                        .for_each(|(_, import)| import.lose(export, why));
                }
            }
        }
        if update.scope.rest != Rest::Follows {
            for import in self.imports_of(peer).map(|(_, import)| import) {
                import.peer_ends = update.scope.rest == Rest::Ending;
                if import.inquiry.is_complete(update.serial) {
                    import.offered = Some(update.scope.exports);
                }
            }
        }
        self.present(peer, links, cx);
    }

    /// An export is so now.
    fn learn(&mut self, peer: PeerId, export: ExportState, links: &Links, cx: &mut Context<'_>) {
        for (_, import) in self.imports_of(peer) {
            if import.config.export == export.name && import.learn(export.clone()) {
                cx.telemetry.event(Event::ImportChanged {
                    peer: links.name(peer),
                    export: export.name.clone(),
                    address: import.config.address,
                });
            }
        }
    }

    /// The exports of a peer that we import and that it does not offer, once it has told all.
    pub(crate) fn missed(&self, peer: PeerId) -> impl Iterator<Item = &str> {
        let missed = move |import: &&Import| {
            import.config.peer == peer && import.offered.is_some() && import.remote.is_none()
        };
        self.imports
            .values()
            .filter(missed)
            .map(|import| import.config.export.as_str())
    }

    pub(super) fn imports_of(&mut self, peer: PeerId) -> impl Iterator<Item = (ImportId, &mut Import)> {
        self.imports
            .iter_mut()
            .filter(move |(_, import)| import.config.peer == peer)
    }

    /// The peer process is another one: what the old one told us is void.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.imports_of(peer).for_each(|(_, import)| import.forget());
    }

    /// Lets initiators know which imports of `peer` came alive or changed, and goes silent about those that went.
    pub(crate) fn present(&mut self, peer: PeerId, links: &Links, cx: &mut Context<'_>) {
        let is_heard = links.is_up(peer, cx.now) && links.is_path_proven(peer) && links.carries_storage(peer);
        let workers = self.workers;
        for (id, import) in self.imports_of(peer) {
            let state = cx.segment(import.config.segment);
            import.note_segment(state, cx.now);
            import.inquiry.expect(is_heard && import.is_untold(), cx.now);
            let fault = import.fault_now(workers, links, cx);
            if fault.is_some() {
                import.presence.end();
            } else if import.presence.begin(cx.now) {
                ask(&import.config, cx);
            }
            // What is presented stays so: initiators that know it would not forget it.
            let free =
                import.announced.is_some() || import.presence.is_free(import.config.on_conflict, cx.now);
            let remote = import.remote.as_ref().filter(|_| fault.is_none() && free);
            let announcement = remote.zip(state.mac()).map(|(remote, mac)| Announcement {
                header: advertised(import, remote, state, QueryCommand::Read),
                mac,
            });
            let before = std::mem::replace(&mut import.announced, announcement);
            import.note_standing(&fault, links, cx);
            match (before, announcement) {
                (None, Some(_)) => {
                    report::up(id, import, state, links, cx);
                    advertise(import, state, cx);
                }
                (Some(old), Some(new)) if old != new => {
                    report::frames(id, import, state, links, cx);
                    advertise(import, state, cx);
                }
                (Some(_), Some(_)) => {}
                (was, None) => {
                    let was = if was.is_some() { Before::Up } else { Before::Down };
                    let fault = fault.unwrap_or(ImportFault::Taken);
                    report::down(id, import, fault, was, links, cx);
                }
            }
            report::writes(id, import, links, cx);
            report::pause(id, import, links, cx);
        }
        cx.timers.set(Timer::Imports, self.due(cx.now));
    }

    /// Peers that any import on this segment belongs to.
    pub(crate) fn peers_on(&self, segment: SegmentId) -> Vec<PeerId> {
        let on = self
            .imports
            .values()
            .filter(|import| import.config.segment == segment);
        let mut peers: Vec<_> = on.map(|import| import.config.peer).collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    }
}

/// Asks a segment who is at the address of an import.
pub(super) fn ask(config: &ImportConfig, cx: &mut Context<'_>) {
    cx.ask_config(config.segment, config.address, PROBE_TAG);
}

/// The unsolicited Config response with which a target says that it is there.
fn advertise(import: &Import, state: SegmentState, cx: &mut Context<'_>) {
    let Some(remote) = import.live() else { return };
    let header = Header {
        version: aoe::VERSION,
        flags: Flags::RESPONSE,
        error: 0,
        address: import.config.address,
        command: AoeCommand::Query,
        tag: Tag(0),
    };
    let argument = advertised(import, remote, state, QueryCommand::Read);
    let string = &remote.target.string;
    let len = HEADER_LEN + query::ARGUMENT_LEN + string.len();
    // To those who may use it; to everybody only where everybody may.
    let listed = remote.rights.listed();
    for destination in listed.unwrap_or_else(|| vec![MacAddr::BROADCAST]) {
        let sent = cx.emit(import.config.segment, destination, len, |frame| {
            emit_query(frame, header, argument, string);
        });
        if let Err(reason) = sent {
            cx.telemetry.drop(reason);
        }
    }
}
