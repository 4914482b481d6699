//! The parts of an engine, and how a change of one reaches the others.

use crate::config::SegmentId;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::edge::Edge;
use crate::exit::Exit;
use crate::output::Path;
use crate::segment::SegmentState;
use crate::timers::Timer;
use crate::tunnel::links::{Change, Links, Opened};
use crate::tunnel::message::News;

/// What works, borrowed once, beside what it works with.
pub(super) struct Core {
    pub(super) links: Links,
    pub(super) edge: Edge,
    pub(super) exit: Exit,
    pub(super) is_ending: bool,
}

impl Core {
    pub(super) fn handle_segment(&mut self, segment: SegmentId, state: SegmentState, cx: &mut Context<'_>) {
        self.exit.handle_segment(segment, state, cx);
        for peer in self.edge.peers_on(segment) {
            self.edge.present(peer, &self.links, cx);
        }
        self.settle(cx);
    }

    pub(super) fn handle_datagram(&mut self, path: Path, datagram: &mut [u8], cx: &mut Context<'_>) {
        match self.links.handle_datagram(path, datagram, cx) {
            Ok(Some(Opened {
                peer,
                session,
                carries_storage,
                payload,
            })) => {
                // A change of session goes first: what follows in this record belongs to the new one.
                self.settle(cx);
                if self.handle_chunks(peer, (session, carries_storage), payload, cx) == News::Wanted {
                    self.links.note_news(peer, session, payload.len(), cx);
                }
            }
            Ok(None) => {}
            Err(reason) => cx.telemetry.drop(reason),
        }
    }

    /// Lets a change of one part reach the others.
    pub(super) fn settle(&mut self, cx: &mut Context<'_>) {
        while let Some((peer, change)) = self.links.poll_change() {
            match change {
                Change::UpdateAcked => self.exit.update_acked(peer, cx),
                Change::Path => self.exit.path_opened(),
                Change::Up => self.exit.inform(peer),
                Change::Restarted => {
                    self.edge.forget(peer);
                    self.exit.forget(peer, cx);
                    self.exit.inform(peer);
                }
                Change::Cut => self.exit.drop_requests_of(peer, DropReason::KeyNotAccepted, cx),
                Change::Lost => {}
            }
            if change != Change::UpdateAcked {
                self.edge.present(peer, &self.links, cx);
            }
        }
        self.exit.send_news(&mut self.links, cx);
        cx.timers.lower(Timer::Log, cx.telemetry.deadline());
    }
}
