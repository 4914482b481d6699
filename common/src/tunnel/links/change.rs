//! Peers that come, change and go while the gateway runs.

#[cfg(test)]
mod tests;

use aoe_keys::Psk;

use super::{Change, Links};
use crate::config::{Endpoint, PeerConfig, PeerId, Protection, TunnelConfig};
use crate::context::Context;
use crate::event::Event;
use crate::output::Path;
use crate::timers::Timer;
use crate::trouble::About;
use crate::tunnel::link::{Link, Presence};
use crate::tunnel::message::Kind;
use crate::tunnel::session::Session;

/// Why we end a session: what a Close says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// We end. No byte: a gateway that knows no reasons knows this one.
    Ending,
    /// It is no peer of ours any more.
    Removed,
    /// The session's protection mode is not accepted any more.
    Protection,
    /// A reason that this version does not know.
    Unknown,
}

impl Closing {
    fn code(self) -> &'static [u8] {
        match self {
            Closing::Ending | Closing::Unknown => &[],
            Closing::Removed => &[1],
            Closing::Protection => &[2],
        }
    }

    pub(super) fn parse(message: &[u8]) -> Closing {
        match message {
            [] => Closing::Ending,
            [1] => Closing::Removed,
            [2] => Closing::Protection,
            _ => Closing::Unknown,
        }
    }

    /// Why the session is lost, to the side that is told.
    pub(super) fn told(self) -> &'static str {
        match self {
            Closing::Ending => "the peer was shut down",
            Closing::Removed => {
                "the peer's configuration was changed, and this gateway is no peer of it any more"
            }
            Closing::Protection => {
                "the peer's configuration was changed, and it does not accept the session's protection mode any more"
            }
            Closing::Unknown => "the peer ended it, for a reason this version does not know",
        }
    }
}

impl Links {
    /// Settings of every tunnel are these from now on. Sessions stay.
    pub(crate) fn set_tunnel(&mut self, tunnel: &TunnelConfig, cx: &mut Context<'_>) {
        self.rekey_after = tunnel.rekey_after;
        self.keepalive = tunnel.keepalive;
        let sessions = self.links.values_mut().flat_map(|link| link.sessions.all_mut());
        sessions.for_each(|session| session.limit_age(tunnel.rekey_after));
        if self.ciphers != tunnel.ciphers {
            self.ciphers.clone_from(&tunnel.ciphers);
            // What was offered before is not to be agreed on.
            let calling = self.links.iter().filter(|(_, link)| link.dialing.is_some());
            let calling: Vec<PeerId> = calling.map(|(peer, _)| peer).collect();
            calling.into_iter().for_each(|peer| self.dial(peer, 0, cx));
        }
        cx.timers.lower(Timer::Peers, cx.now);
    }

    /// A new peer, which is called if it has an endpoint.
    pub(crate) fn add(&mut self, peer: PeerId, config: PeerConfig, cx: &mut Context<'_>) {
        // The configuration has no more peers than there are seats, and what goes, goes first.
        if self.insert(peer, config, cx.now).is_some()
            && let Some(link) = self.links.get(peer)
        {
            link.await_session(cx.now, cx.telemetry);
            cx.timers.lower(Timer::Peers, link.deadline(self.keepalive));
        }
    }

    /// A peer is spoken to in another way.
    pub(crate) fn change(&mut self, peer: PeerId, config: PeerConfig, cx: &mut Context<'_>) {
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        // What is packed was made to the measure of before.
        link.flush(cx);
        link.name = config.name;
        link.path_mtu.set(config.path_mtu, cx.now);
        link.pinned = config.endpoint_pinned;
        let terms = link.change_terms(config.psk, config.protection, cx);
        let endpoint = link.change_endpoint(config.endpoint, cx);
        if link.settle_way(cx) {
            self.changes.push_back((peer, Change::Path));
        }
        self.end_unaccepted(peer, cx);
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        if endpoint == Is::Other && link.sessions.current.is_none() {
            link.await_session(cx.now, cx.telemetry);
        }
        // A call under way was made on the old terms. One that is not under way is made if it is for us to call.
        if terms == Is::Other && (link.endpoint == Endpoint::Known || link.dialing.is_some()) {
            let at = link.sessions.renew_at(link.precedence, cx.now);
            if at <= cx.now {
                self.dial(peer, 0, cx);
            } else {
                link.dialing = None;
            }
        }
        cx.timers.lower(Timer::Peers, cx.now);
    }

    /// A peer is none any more: it is told, and everything about it is forgotten. What it sends from now on comes from a
    /// stranger.
    pub(crate) fn remove(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        self.close(peer, Closing::Removed, cx);
        let Some(mut link) = self.links.remove(peer) else {
            return;
        };
        link.repair.clear(&mut cx.out.trains);
        self.seats.leave(link.seat);
        self.packed.retain(|packed| *packed != peer);
        self.changes.retain(|(changed, _)| *changed != peer);
        cx.telemetry.forget(|about| is_about(about, peer));
        cx.telemetry.event(Event::PeerRemoved { peer: link.name });
    }

    /// A listen address is none any more. What went by it goes another way, if one is known.
    pub(crate) fn forget_socket(&mut self, socket: u8, cx: &mut Context<'_>) {
        for (peer, link) in self.links.iter_mut() {
            link.ways.retain(|way| way.socket != socket);
            link.sessions.next.take_if(|next| next.path.socket == socket);
            if link.path.is_none_or(|path| path.socket != socket) {
                continue;
            }
            let next = link.ways.first().copied();
            link.flush(cx);
            match next {
                Some(way) => _ = link.go_by(way, cx),
                None => link.path = None,
            }
            link.note_path(cx.now);
            if link.sessions.current.is_some() {
                // It does not know where we are now: it answers soon, or it has to be called.
                link.owes_since.get_or_insert(cx.now);
                self.changes.push_back((peer, Change::Path));
            }
            if link.endpoint == Endpoint::Known {
                cx.telemetry.event(Event::EndpointNeeded(peer));
            }
        }
        cx.timers.lower(Timer::Peers, cx.now);
    }

    /// Tells a peer that its session ends, at once.
    pub(super) fn close(&mut self, peer: PeerId, why: Closing, cx: &mut Context<'_>) {
        if !self.is_up(peer, cx.now) {
            return;
        }
        self.send_or_count(peer, Kind::Close, why.code(), cx);
        if let Some(link) = self.links.get_mut(peer) {
            link.flush(cx);
        }
    }

    /// Ends sessions of a mode that is not accepted any more.
    fn end_unaccepted(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        let modes = &link.protection;
        let unaccepted = |session: &Session| !modes.contains(&session.protection);
        link.sessions.previous.take_if(|session| unaccepted(session));
        link.sessions.next.take_if(|next| unaccepted(&next.session));
        if link.sessions.current.as_ref().is_some_and(unaccepted) {
            self.close(peer, Closing::Protection, cx);
            let why = "its protection mode is not accepted here any more";
            self.lose(peer, why, cx);
        }
    }
}

/// Whether something is as it was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    Same,
    Other,
}

impl Link {
    /// Handshakes are on these terms from now on. The session that there is stays.
    fn change_terms(&mut self, psk: Option<Psk>, protection: Vec<Protection>, cx: &mut Context<'_>) -> Is {
        let secret = |psk: &Option<Psk>| psk.as_ref().map(|psk| *psk.expose());
        let other_psk = secret(&self.psk) != secret(&psk);
        let terms = if other_psk || self.protection != protection {
            Is::Other
        } else {
            Is::Same
        };
        (self.psk, self.protection) = (psk, protection);
        if other_psk {
            let session = self.sessions.current.as_ref();
            cx.telemetry.event(Event::PskChanged {
                peer: self.name.clone(),
                ends_in: session.map(|session| session.ends_at().saturating_since(cx.now)),
            });
        }
        terms
    }

    /// The peer can be called from now on, or not any more.
    fn change_endpoint(&mut self, endpoint: Endpoint, cx: &mut Context<'_>) -> Is {
        if self.endpoint == endpoint {
            return Is::Same;
        }
        self.endpoint = endpoint;
        self.ways.clear();
        self.dialing = None;
        if self.sessions.current.is_none() {
            // What was wrong with the other way to a session.
            cx.telemetry.over(cx.now, About::Session(self.id));
            self.presence = Presence::new(cx.now);
            self.path = None;
        } else if endpoint == Endpoint::Known {
            cx.telemetry.event(Event::EndpointNeeded(self.id));
        }
        Is::Other
    }

    /// Goes by the first of the known ways, if there is a session and no way, or one that a pinned peer does not have.
    /// Returns whether records can be sent that could not before.
    pub(super) fn settle_way(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(first) = self.ways.first().copied() else {
            return false;
        };
        let is_right = |path: &Path| !self.pinned || self.ways.iter().any(|way| way.remote == path.remote);
        if self.sessions.current.is_none() || self.path.as_ref().is_some_and(is_right) {
            return false;
        }
        let had_none = self.path.is_none();
        self.go_by(first, cx);
        self.note_path(cx.now);
        had_none
    }
}

/// Whether a trouble is about this peer.
fn is_about(about: About, peer: PeerId) -> bool {
    match about {
        About::Session(id)
        | About::ClockOf(id)
        | About::OurClock(id)
        | About::Elsewhere(id)
        | About::Path(id)
        | About::Missed(id)
        | About::RefusedThere(id, _)
        | About::Sending(Some(id)) => id == peer,
        About::Strangers
        | About::Target(_)
        | About::Conflict(_)
        | About::Imposter(_)
        | About::Import(_)
        | About::Writes(_)
        | About::RefusedHere(..)
        | About::Sending(None)
        | About::Receiving
        | About::Standstill
        | About::Frames(_)
        | About::Foreign(_) => false,
    }
}
