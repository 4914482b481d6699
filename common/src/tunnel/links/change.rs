//! Peers that come, change and go while the gateway runs.

#[cfg(test)]
mod tests;

use super::{Change, Links};
use crate::config::{Endpoint, PeerConfig, PeerId, PostQuantum, TunnelConfig};
use crate::context::Context;
use crate::event::Event;
use crate::notes::What;
use crate::timers::Timer;
use crate::trouble::About;
use crate::tunnel::closing::Closing;
use crate::tunnel::message::Kind;

impl Links {
    /// Settings of every tunnel are these from now on. Sessions stay.
    pub(crate) fn set_tunnel(&mut self, tunnel: &TunnelConfig, cx: &mut Context<'_>) {
        self.rekey_after = tunnel.rekey_after;
        self.keepalive = tunnel.keepalive;
        let sessions = self.links.values_mut().flat_map(|link| link.sessions.all_mut());
        sessions.for_each(|session| session.limit_age(tunnel.rekey_after));
        if self.us.ciphers != tunnel.ciphers {
            self.us.ciphers.clone_from(&tunnel.ciphers);
            // What was offered before is not to be agreed on.
            let calling = self
                .links
                .iter()
                .filter(|(_, link)| link.handshakes.dialing.is_some());
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
        link.identity.name = config.name;
        link.path.mtu.set(config.path_mtu, cx.now);
        link.path.pinned = config.endpoint_pinned;
        let terms = link
            .identity
            .change(config.trust, config.protection, &self.us.revoked);
        if terms.keys {
            // What the peer said was about other keys.
            link.key_talk.waiting = None;
        }
        // Secrets were made with the psk of before.
        if terms.psk || link.identity.trust.post_quantum() == PostQuantum::Off {
            link.chain.forget();
        }
        if terms.psk {
            let session = link.sessions.current.as_ref();
            cx.telemetry.event(Event::PskChanged {
                peer: link.name(),
                ends_in: session.map(|session| session.ends_at().saturating_since(cx.now)),
            });
        }
        let endpoint = link.change_endpoint(config.endpoint, cx);
        if link.settle_way(cx) {
            self.changes.push_back((peer, Change::Path));
        }
        self.judge_quantum(peer, cx);
        self.end_unaccepted(peer, cx);
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        if endpoint && link.sessions.current.is_none() {
            link.await_session(cx.now, cx.telemetry);
        }
        // A call under way was made on the old terms. One that is not under way is made if it is for us to call.
        if (terms.psk || terms.protection || terms.post_quantum)
            && (link.path.endpoint == Endpoint::Known || link.handshakes.dialing.is_some())
        {
            let at = link.sessions.renew_at(link.precedence(), cx.now);
            if at <= cx.now {
                self.dial(peer, 0, cx);
            } else {
                link.handshakes.dialing = None;
            }
        }
        if terms.keys {
            self.call_again(peer, cx);
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
        if link.sessions.current.is_some() {
            let peer = link.known();
            let why = "it is no peer of this gateway any more";
            cx.telemetry
                .notes
                .session(cx.now, What::SessionLost { peer, why });
        }
        link.repair.clear(&mut cx.out.trains);
        self.seats.leave(link.identity.seat);
        self.packed.retain(|packed| *packed != peer);
        self.changes.retain(|(changed, _)| *changed != peer);
        cx.telemetry.forget(|about| is_about(about, peer));
        cx.telemetry.event(Event::PeerRemoved {
            peer: link.identity.name,
        });
        self.turn_keys(cx);
    }

    /// Tells every peer that we go.
    pub(crate) fn close_all(&mut self, cx: &mut Context<'_>) {
        let peers: Vec<PeerId> = self.links.ids().collect();
        for peer in peers {
            self.close(peer, Closing::Ending, cx);
        }
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
}

/// Whether a trouble is about this peer.
fn is_about(about: About, peer: PeerId) -> bool {
    match about {
        About::Session(id)
        | About::ClockOf(id)
        | About::OurClock(id)
        | About::Elsewhere(id)
        | About::Path(id)
        | About::KeysOf(id)
        | About::OurKeys(id)
        | About::Quantum(id)
        | About::Missed(id)
        | About::RefusedThere(id, _)
        | About::Sending(Some(id)) => id == peer,
        About::Strangers
        | About::Target(_)
        | About::Paused(_)
        | About::PausedImport(_)
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
