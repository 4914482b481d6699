//! What is logged of an import.

use super::answer::sectors;
use super::import::{GRACE, Import};
use crate::config::{ImportId, OnConflict};
use crate::context::Context;
use crate::event::{Event, ForeignEffect, FrameLimit, ImportFault};
use crate::export::Writes;
use crate::segment::SegmentState;
use crate::trouble::{About, Was};
use crate::tunnel::links::Links;

/// What an import was until now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Up,
    Down,
}

/// It can be used from now on.
pub(super) fn up(
    id: ImportId,
    import: &mut Import,
    state: SegmentState,
    links: &Links,
    cx: &mut Context<'_>,
) {
    let was = cx.telemetry.over(cx.now, About::Import(id));
    // A peer whose target comes and goes all the time does not fill the log.
    if was == Was::Unlogged && import.said_up {
        return;
    }
    import.said_up = true;
    let Some(remote) = &import.remote else { return };
    cx.telemetry.event(Event::ImportUp {
        peer: links.name(import.config.peer),
        export: import.config.export.clone(),
        address: import.config.address,
        sectors: sectors(remote, state),
    });
    frames(id, import, state, links, cx);
}

/// It cannot be used, for this reason.
pub(super) fn down(
    id: ImportId,
    import: &mut Import,
    fault: ImportFault,
    before: Before,
    links: &Links,
    cx: &mut Context<'_>,
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
            cx.telemetry.over(cx.now, about);
            if before == Before::Up {
                cx.telemetry.event(event(fault));
                import.said_up = false;
            }
        }
        (ImportFault::Untold, Before::Up) => {
            cx.telemetry.event(event(ImportFault::PeerRestarted));
            cx.telemetry
                .raise_after(GRACE, cx.now, about, event(ImportFault::Untold));
            import.said_up = false;
        }
        (fault, Before::Up) => cx.telemetry.raise(cx.now, about, event(fault)),
        (fault @ (ImportFault::NotOffered { .. } | ImportFault::Withdrawn(_)), Before::Down) => {
            cx.telemetry.raise(cx.now, about, event(fault));
        }
        (fault, Before::Down) => cx.telemetry.raise_after(GRACE, cx.now, about, event(fault)),
    }
}

/// It is not configured any more.
pub(super) fn removed(import: &Import, links: &Links, cx: &mut Context<'_>) {
    cx.telemetry.event(Event::ImportDown {
        peer: links.name(import.config.peer),
        export: import.config.export.clone(),
        address: import.config.address,
        why: ImportFault::Removed,
    });
}

/// Whether frames carry all the sectors they could.
pub(super) fn frames(
    id: ImportId,
    import: &Import,
    state: SegmentState,
    links: &Links,
    cx: &mut Context<'_>,
) {
    match short_frames(import, state, links) {
        Some(short) => cx.telemetry.raise(cx.now, About::Frames(id), short),
        None => {
            cx.telemetry.over(cx.now, About::Frames(id));
        }
    }
}

/// Whether the exit takes writes.
pub(super) fn writes(id: ImportId, import: &Import, links: &Links, cx: &mut Context<'_>) {
    let address = import.config.address;
    if let Some(refused) = writes_refused(import, links) {
        cx.telemetry.raise(cx.now, About::Writes(id), refused);
    } else if cx.telemetry.over(cx.now, About::Writes(id)) == Was::Logged {
        cx.telemetry.event(Event::WritesTaken { address });
    }
}

/// Whether what is asked of it waits because an operator says so.
pub(super) fn pause(id: ImportId, import: &Import, links: &Links, cx: &mut Context<'_>) {
    match paused(import, links) {
        Some(paused) => cx.telemetry.raise(cx.now, About::PausedImport(id), paused),
        None => {
            let of_peer = cx.telemetry.over(cx.now, About::PausedImport(id)) == Was::Logged;
            // An end here has been told with who said so.
            if of_peer && import.pauses.ended() < cx.now {
                cx.telemetry.event(Event::ImportResumed {
                    address: import.config.address,
                    by: None,
                });
            }
        }
    }
}

/// That it is paused here or at its exit, if it is.
pub(super) fn paused(import: &Import, links: &Links) -> Option<Event> {
    let remote = || import.remote.as_ref().is_some_and(|remote| remote.is_paused);
    let here = import.pauses.on();
    if here.is_none() && !remote() {
        return None;
    }
    let pause = here.map(|pause| (pause.by.clone(), pause.until.saturating_since(pause.since)));
    let (by, lasts) = pause.unzip();
    Some(Event::ImportPaused {
        address: import.config.address,
        peer: links.name(import.config.peer),
        export: import.config.export.clone(),
        by,
        lasts: lasts.unwrap_or_default(),
    })
}

/// That frames carry fewer sectors than they could, if they do.
pub(super) fn short_frames(import: &Import, state: SegmentState, links: &Links) -> Option<Event> {
    let remote = import.remote.as_ref()?;
    let (ours, theirs) = (state.max_sectors(), remote.carried);
    let (carried, possible) = (sectors(remote, state), ours.max(theirs));
    if carried >= possible {
        return None;
    }
    let limit = if carried == ours {
        FrameLimit::OurSegment
    } else if carried == theirs {
        FrameLimit::TheirSegment(links.name(import.config.peer))
    } else {
        FrameLimit::Target
    };
    Some(Event::ShortFrames {
        address: import.config.address,
        sectors: carried,
        possible,
        limit,
    })
}

/// That the exit refuses writes, if it does.
pub(super) fn writes_refused(import: &Import, links: &Links) -> Option<Event> {
    import.live().filter(|remote| remote.writes == Writes::Stopped)?;
    Some(Event::WritesRefused {
        peer: links.name(import.config.peer),
        export: import.config.export.clone(),
        address: import.config.address,
    })
}

/// That another station answers for its address, if one does.
pub(super) fn foreign(import: &Import) -> Option<Event> {
    Some(Event::ForeignResponder {
        address: import.config.address,
        mac: import.presence.other()?,
        effect: match import.config.on_conflict {
            OnConflict::Alarm => ForeignEffect::None,
            OnConflict::Stop if import.announced.is_some() => ForeignEffect::WritesRefused,
            OnConflict::Stop => ForeignEffect::NotPresented,
        },
    })
}
