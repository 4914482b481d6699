//! What is logged of an import.

use std::time::Duration;

use super::answer::sectors;
use super::import::Import;
use crate::config::ImportId;
use crate::event::{Event, FrameLimit, ImportFault};
use crate::segment::SegmentState;
use crate::trouble::{About, Was};
use crate::tunnel::links::{Io, Links};
use crate::tunnel::update::Writes;

/// An import that was not up is not missed earlier: peers and targets take a while to be heard.
const GRACE: Duration = Duration::from_secs(5);

/// What an import was until now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Up,
    Down,
}

/// It can be used from now on.
pub(super) fn up(id: ImportId, import: &mut Import, state: SegmentState, links: &Links, io: &mut Io<'_>) {
    let was = io.telemetry.over(io.now, About::Import(id));
    // A peer whose target comes and goes all the time does not fill the log.
    if was == Was::Unlogged && import.said_up {
        return;
    }
    import.said_up = true;
    let Some(remote) = &import.remote else { return };
    io.telemetry.event(Event::ImportUp {
        peer: links.name(import.config.peer),
        export: import.config.export.clone(),
        address: import.config.address,
        sectors: sectors(remote, state),
    });
    frames(id, import, state, links, io);
}

/// It cannot be used, for this reason.
pub(super) fn down(
    id: ImportId,
    import: &mut Import,
    fault: ImportFault,
    before: Before,
    links: &Links,
    io: &mut Io<'_>,
) {
    let event = |why| Event::ImportDown {
        peer: links.name(import.config.peer),
        export: import.config.export.clone(),
        address: import.config.address,
        why,
    };
    let about = About::Import(id);
    match (fault, before) {
        (fault, before) if fault.is_logged_elsewhere() => {
            io.telemetry.over(io.now, about);
            if before == Before::Up {
                io.telemetry.event(event(fault));
                import.said_up = false;
            }
        }
        (ImportFault::Untold, Before::Up) => {
            io.telemetry.event(event(ImportFault::PeerRestarted));
            io.telemetry
                .raise_after(GRACE, io.now, about, event(ImportFault::Untold));
            import.said_up = false;
        }
        (fault, Before::Up) => io.telemetry.raise(io.now, about, event(fault)),
        (fault @ ImportFault::NotOffered { .. }, Before::Down) => {
            io.telemetry.raise(io.now, about, event(fault));
        }
        (fault, Before::Down) => io.telemetry.raise_after(GRACE, io.now, about, event(fault)),
    }
}

/// Whether frames carry all the sectors they could.
pub(super) fn frames(id: ImportId, import: &Import, state: SegmentState, links: &Links, io: &mut Io<'_>) {
    let Some(remote) = &import.remote else { return };
    let (ours, theirs) = (state.max_sectors(), remote.carried);
    let (carried, possible) = (sectors(remote, state), ours.max(theirs));
    if carried >= possible {
        io.telemetry.over(io.now, About::Frames(id));
        return;
    }
    let limit = if carried == ours {
        FrameLimit::OurSegment
    } else if carried == theirs {
        FrameLimit::TheirSegment(links.name(import.config.peer))
    } else {
        FrameLimit::Target
    };
    let short = Event::ShortFrames {
        address: import.config.address,
        sectors: carried,
        possible,
        limit,
    };
    io.telemetry.raise(io.now, About::Frames(id), short);
}

/// Whether the exit takes writes.
pub(super) fn writes(id: ImportId, import: &Import, links: &Links, io: &mut Io<'_>) {
    let address = import.config.address;
    let stopped = import
        .live()
        .is_some_and(|remote| remote.writes == Writes::Stopped);
    if stopped {
        let refused = Event::WritesRefused {
            peer: links.name(import.config.peer),
            export: import.config.export.clone(),
            address,
        };
        io.telemetry.raise(io.now, About::Writes(id), refused);
    } else if io.telemetry.over(io.now, About::Writes(id)) == Was::Logged {
        io.telemetry.event(Event::WritesTaken { address });
    }
}
