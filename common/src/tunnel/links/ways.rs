//! What the gateway says of sockets, addresses and devices on the way to peers.

use super::{Change, Links};
use crate::config::PeerId;
use crate::context::Context;
use crate::event::Event;
use crate::output::Path;
use crate::telemetry::{Count, Telemetry};
use crate::time::Instant;
use crate::timers::{Timer, Timers};
use crate::trouble::About;
use crate::tunnel::link::Link;
use crate::tunnel::path_mtu::Refused;

impl Links {
    /// Takes the (newly resolved) ways to a peer, the best first. Calls go there in turn; a session keeps the way it has,
    /// until an answer or authenticated data moves it.
    pub(crate) fn set_endpoint(&mut self, peer: PeerId, ways: Vec<Path>, cx: &mut Context<'_>) {
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        link.path.resolve(ways);
        if link.settle_way(cx) {
            self.changes.push_back((peer, Change::Path));
        }
        if link.sessions.current.is_none() && link.handshakes.dialing.is_none() {
            self.dial(peer, 0, cx);
        }
    }

    /// The kernel did not take a datagram of this length, for it is longer than the device allows.
    pub(crate) fn handle_refused(
        &mut self,
        path: Path,
        len: usize,
        now: Instant,
        (telemetry, timers): (&mut Telemetry, &mut Timers),
    ) -> Refused {
        let Some(link) = self
            .links
            .values_mut()
            .find(|link| link.path.address == Some(path))
        else {
            return Refused::Fixed;
        };
        let refused = link.path.refused(len, now);
        if refused == Refused::Lowered {
            telemetry.count(Count::PathMtuLowered);
        }
        if refused != Refused::Fixed {
            timers.lower(Timer::Peers, now);
        }
        refused
    }

    /// The kernel did not take datagrams for this path. While there is no session with the peer this is why.
    pub(crate) fn note_send_failed(
        &mut self,
        path: Path,
        now: Instant,
        error: impl FnOnce() -> String,
        telemetry: &mut Telemetry,
    ) {
        let found = self
            .links
            .values_mut()
            .find(|link| link.path.address == Some(path));
        let failed = |link: Option<&Link>| Event::SendFailed {
            peer: link.map(Link::name),
            error: error(),
        };
        match found {
            Some(link) if link.sessions.current.is_none() => {
                let failed = failed(Some(link));
                link.presence.down(&failed, now);
                telemetry.raise(now, About::Session(link.identity.id), failed);
            }
            found => {
                let found = found.as_deref();
                telemetry.happened(now, 1, About::Sending(found.map(|link| link.identity.id)), || {
                    failed(found)
                });
            }
        }
    }

    /// One of our sockets is none any more: what went by it goes another way, if one is known.
    pub(crate) fn forget_socket(&mut self, socket: u8, cx: &mut Context<'_>) {
        for (peer, link) in self.links.iter_mut() {
            if link.forget_socket(socket, cx) && link.sessions.current.is_some() {
                self.changes.push_back((peer, Change::Path));
            }
        }
        cx.timers.lower(Timer::Peers, cx.now);
    }
}
