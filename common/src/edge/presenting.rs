//! When an import is presented to its segment, and who else answers there.

use super::answer::{advertised, emit_query};
use super::import::Import;
use super::{Edge, state_of};
use crate::config::{ImportConfig, ImportId, PeerId, SegmentId};
use crate::event::Event;
use crate::frame::aoe::{self, AoeCommand, Flags};
use crate::frame::query::{self, QueryCommand};
use crate::frame::{HEADER_LEN, Header, MacAddr, Tag};
use crate::segment::{self, SegmentState};
use crate::telemetry::Count;
use crate::time::Instant;
use crate::tunnel::links::{Io, Links};
use crate::tunnel::update::{ExportState, TargetState};

/// The tag of our questions who else is at an address: bit 31 is never set by a Linux kernel initiator.
const PROBE_TAG: Tag = Tag(0xc000_ffff);

impl Edge {
    /// Asks segments who else is there, and presents what nobody else does.
    pub(crate) fn handle_timeout(&mut self, segments: &[SegmentState], links: &Links, io: &mut Io<'_>) {
        if io.now < self.wake {
            return;
        }
        let mut peers = Vec::new();
        for import in &mut self.imports {
            let state = state_of(segments, import.config.segment);
            if import.presence.is_gone(io.now) {
                io.telemetry.event(Event::ForeignGone {
                    address: import.config.address,
                });
            }
            if import.presence.asks(io.now) {
                ask(&import.config, state, io);
            }
            peers.push(import.config.peer);
        }
        peers.sort_unstable();
        peers.dedup();
        for peer in peers {
            self.present(peer, segments, links, io);
        }
        self.wake = self.next_wake(io.now);
    }

    /// A station on the segment of an import answers for its address.
    pub(crate) fn handle_foreign(&mut self, id: ImportId, mac: MacAddr, io: &mut Io<'_>) {
        let Some(import) = self.imports.get_mut(usize::from(id.0)) else {
            return;
        };
        let (tell, new) = import.presence.heard(io.now);
        if new {
            io.telemetry.count(Count::Conflicts);
        }
        if tell {
            io.telemetry.event(Event::ForeignResponder {
                address: import.config.address,
                mac,
                on_conflict: import.config.on_conflict,
            });
        }
        self.wake = self.next_wake(io.now);
    }

    fn next_wake(&self, now: Instant) -> Instant {
        let deadlines = self.imports.iter().map(|import| import.presence.deadline(now));
        deadlines.min().unwrap_or(Instant::NEVER)
    }

    /// What an exit says about its exports.
    pub(crate) fn handle_update(
        &mut self,
        peer: PeerId,
        entries: Vec<ExportState>,
        segments: &[SegmentState],
        links: &Links,
        io: &mut Io<'_>,
    ) {
        for entry in entries {
            let wanted =
                |import: &&mut Import| import.config.peer == peer && import.config.export == entry.name;
            for import in self.imports.iter_mut().filter(wanted) {
                if import.learn(entry.clone()) {
                    io.telemetry.event(Event::ImportChanged {
                        peer: links.name(peer),
                        export: entry.name.clone(),
                        address: import.config.address,
                    });
                }
            }
        }
        self.present(peer, segments, links, io);
    }

    /// The peer process is another one: what the old one told us is void.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        for import in self
            .imports
            .iter_mut()
            .filter(|import| import.config.peer == peer)
        {
            import.remote = None;
        }
    }

    /// Lets initiators know which imports of `peer` came alive or changed, and goes silent about those that went.
    pub(crate) fn present(
        &mut self,
        peer: PeerId,
        segments: &[SegmentState],
        links: &Links,
        io: &mut Io<'_>,
    ) {
        for import in self
            .imports
            .iter_mut()
            .filter(|import| import.config.peer == peer)
        {
            let state = state_of(segments, import.config.segment);
            let live = import
                .remote
                .as_ref()
                .is_some_and(|remote| remote.state == TargetState::Live);
            let usable = live && links.is_up(peer, io.now) && state != SegmentState::Down;
            if !usable {
                import.presence.end();
            } else if import.presence.begin(io.now) {
                ask(&import.config, state, io);
            }
            // What is presented stays so: initiators that know it would not forget it.
            let free = import.told.is_some() || import.presence.is_free(import.config.on_conflict, io.now);
            let remote = import.remote.as_ref().filter(|_| usable && free);
            let tell = remote.map(|remote| advertised(import, remote, state, QueryCommand::Read));
            let told = std::mem::replace(&mut import.told, tell);
            let config = &import.config;
            let (peer, export, address) = (links.name(peer), config.export.clone(), config.address);
            match (told, tell) {
                (None, Some(_)) => {
                    io.telemetry.event(Event::ImportUp {
                        peer,
                        export,
                        address,
                    });
                    advertise(import, state, io);
                }
                (Some(old), Some(new)) if old != new => advertise(import, state, io),
                (Some(_), None) => io.telemetry.event(Event::ImportDown {
                    peer,
                    export,
                    address,
                }),
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
        self.wake = self.next_wake(io.now);
    }

    /// Peers that any import on this segment belongs to.
    pub(crate) fn peers_on(&self, segment: SegmentId) -> Vec<PeerId> {
        let on = self
            .imports
            .iter()
            .filter(|import| import.config.segment == segment);
        let mut peers: Vec<_> = on.map(|import| import.config.peer).collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    }
}

/// Asks a segment who is at the address of an import.
fn ask(config: &ImportConfig, state: SegmentState, io: &mut Io<'_>) {
    segment::ask_config(
        (config.segment, state),
        config.address,
        PROBE_TAG,
        io.out,
        io.telemetry,
    );
}

/// The unsolicited Config response with which a target says that it is there.
fn advertise(import: &Import, state: SegmentState, io: &mut Io<'_>) {
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
    let listed = remote
        .rights
        .initiators
        .as_deref()
        .unwrap_or(&[MacAddr::BROADCAST]);
    for destination in listed {
        let place = (import.config.segment, state);
        let sent = segment::emit(place, *destination, len, io.out, io.telemetry, |frame| {
            emit_query(frame, header, argument, string);
        });
        if let Err(reason) = sent {
            io.telemetry.drop(reason);
        }
    }
}
