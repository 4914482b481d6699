//! Peers that an operator takes down, and up again.

use super::Links;
use crate::config::PeerId;
use crate::context::Context;
use crate::event::Event;
use crate::snapshot::State;
use crate::timers::Timer;
use crate::trouble::About;
use crate::tunnel::closing::Closing;

impl Links {
    /// Ends the session with a peer, and calls it no more and answers no call of it. Whether that is new, and how many
    /// sessions were closed. `None`: there is no such peer.
    pub(crate) fn take_down(&mut self, peer: PeerId, by: &str, cx: &mut Context<'_>) -> Option<(bool, u64)> {
        if self.links.get(peer)?.is_taken_down {
            return Some((false, 0));
        }
        let closed = u64::from(self.is_up(peer, cx.now));
        self.close(peer, Closing::Operator, cx);
        self.links.get_mut(peer)?.is_taken_down = true;
        self.lose(peer, "an operator took it down", cx);
        let link = self.links.get_mut(peer)?;
        link.sessions.next = None;
        link.handshakes.dialing = None;
        link.chain.forget();
        link.reassembly.clear();
        let event = Event::PeerTakenDown {
            peer: link.name(),
            by: by.to_owned(),
        };
        link.in_trouble(event, cx);
        Some((true, closed))
    }

    /// Has a peer called and answered again, and calls it at once if we can. Whether it was taken down. `None`: there is no
    /// such peer.
    pub(crate) fn take_up(&mut self, peer: PeerId, by: &str, cx: &mut Context<'_>) -> Option<bool> {
        let link = self.links.get_mut(peer)?;
        if !std::mem::take(&mut link.is_taken_down) {
            return Some(false);
        }
        link.presence.again(State::Starting, cx.now);
        cx.telemetry.over(cx.now, About::Session(peer));
        cx.telemetry.event(Event::PeerTakenUp {
            peer: link.name(),
            by: by.to_owned(),
        });
        link.await_session(cx.now, cx.telemetry);
        self.dial(peer, 0, cx);
        cx.timers.lower(Timer::Peers, cx.now);
        Some(true)
    }
}

#[cfg(test)]
mod tests;
