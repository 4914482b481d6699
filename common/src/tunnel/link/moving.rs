//! How a peer goes from one address to another.

use super::Link;
use crate::config::Endpoint;
use crate::context::Context;
use crate::event::Event;
use crate::output::Path;
use crate::trouble::About;

use super::Presence;

impl Link {
    /// Goes by this path from now on. Returns whether the peer was at another address before.
    pub(crate) fn go_by(&mut self, path: Path, cx: &mut Context<'_>) -> bool {
        if self.path.address.is_none_or(|known| !known.same_way(path)) {
            // What is packed was made to the measure of the old path.
            self.flush(cx);
            self.path.mtu.moved(cx.now);
        }
        let before = self.path.address.replace(path);
        before.is_some_and(|known| known.remote != path.remote)
    }

    /// The peer is there from now on.
    pub(crate) fn move_to(&mut self, path: Path, cx: &mut Context<'_>) {
        if self.go_by(path, cx) && self.path.logs_move(cx.now) {
            cx.telemetry.event(Event::PeerMoved { peer: self.name() });
        }
    }

    /// Call number `attempt` was answered. A peer that answers from where we called is there; an answer from elsewhere may
    /// have been sent on, and the first record from there is answered by a challenge.
    pub(crate) fn answered_from(&mut self, path: Path, attempt: u32, cx: &mut Context<'_>) {
        let called = self.path.ways().any(|way| way.same_way(path)).then_some(path);
        let unknown = self.path.address.is_none();
        let way = called.or_else(|| self.calling(attempt, cx.now).next().filter(|_| unknown));
        if let Some(way) = way {
            self.go_by(way, cx);
        }
    }

    /// Goes by the first of the known ways, if there is a session and no way, or one that a pinned peer does not have.
    /// Returns whether records can be sent that could not before.
    pub(crate) fn settle_way(&mut self, cx: &mut Context<'_>) -> bool {
        let is_right = self.path.address.is_some_and(|path| !self.path.forbids(path));
        let Some(first) = self.path.resolved.first().copied() else {
            return false;
        };
        if self.sessions.current.is_none() || is_right {
            return false;
        }
        let had_none = self.path.address.is_none();
        self.go_by(first, cx);
        self.note_path(cx.now);
        had_none
    }

    /// One of our sockets is none any more: what went by it goes another way, if one is known. Returns whether it did.
    pub(crate) fn forget_socket(&mut self, socket: u8, cx: &mut Context<'_>) -> bool {
        self.path.resolved.retain(|way| way.socket != socket);
        self.sessions.next.take_if(|next| next.path.socket == socket);
        if self.path.address.is_none_or(|path| path.socket != socket) {
            return false;
        }
        self.flush(cx);
        match self.path.resolved.first().copied() {
            Some(way) => _ = self.go_by(way, cx),
            None => self.path.address = None,
        }
        self.note_path(cx.now);
        if self.sessions.current.is_some() {
            // It does not know where we are now: it answers soon, or it has to be called.
            self.liveness.owes(cx.now);
        }
        if self.path.endpoint == Endpoint::Known {
            cx.telemetry.event(Event::EndpointNeeded(self.identity.id));
        }
        true
    }

    /// The peer can be called from now on, or not any more. Returns whether that is new.
    pub(crate) fn change_endpoint(&mut self, endpoint: Endpoint, cx: &mut Context<'_>) -> bool {
        if self.path.endpoint == endpoint {
            return false;
        }
        self.path.endpoint = endpoint;
        self.path.resolved.clear();
        self.handshakes.dialing = None;
        if self.sessions.current.is_none() {
            // What was wrong with the other way to a session.
            cx.telemetry.over(cx.now, About::Session(self.identity.id));
            self.presence = Presence::new(cx.now);
            self.path.address = None;
        } else if endpoint == Endpoint::Known {
            cx.telemetry.event(Event::EndpointNeeded(self.identity.id));
        }
        true
    }
}
