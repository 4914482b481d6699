//! Answers by TLS: the handshakes that peers start with us, in several datagrams.

use std::net::SocketAddr;

use super::Links;
use crate::config::{CertificateFault, CertificateName, Endpoint as Known, PeerId};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::output::Path;
use crate::timers::Timer;
use crate::trouble::About;
use crate::tunnel::handshake::Failure;
use crate::tunnel::handshake::tls::{Answer, Call, Caller, Refusal, Up};

impl Links {
    /// Somebody wants to call: it gets a cookie, which is no longer than its hello, and is forgotten.
    pub(super) fn handle_hello(
        &mut self,
        path: Path,
        datagram: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let call = Call::parse_hello(datagram).ok_or(DropReason::HandshakeMalformed)?;
        if !self.tls.is_ready() {
            return Err(DropReason::DatagramUnknownType);
        }
        let cookie = self.tls.gate.cookie(call, path.remote, cx.now, &mut self.random);
        cx.out.trains.push_datagram(path, &call.cookie(&cookie));
        Ok(())
    }

    /// A caller's part of a handshake.
    pub(super) fn handle_up(
        &mut self,
        path: Path,
        datagram: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let up = Up::parse(datagram).ok_or(DropReason::HandshakeMalformed)?;
        let shown = (up.call, &up.cookie);
        if !self
            .tls
            .gate
            .is_right(shown, path.remote, cx.now, &mut self.random)
        {
            return Err(DropReason::HandshakeBadCookie);
        }
        self.tls.half_open.expire(cx.now);
        let (mut answer, since) = match self.tls.half_open.take(path.remote, up.call) {
            Some(found) => found,
            None => (Box::new(self.admit_caller(path.remote, up.call, cx)?), cx.now),
        };
        let outcome = match answer.hear(&up) {
            Ok(None) => Ok(()),
            Ok(Some(caller)) => self.meet(path, &mut answer, caller, cx),
            Err(refusal) => self.caller_refused(path.remote, refusal, cx),
        };
        for datagram in answer.next() {
            cx.out.trains.push_datagram(path, &datagram);
        }
        self.tls.half_open.put(path.remote, (answer, since));
        cx.timers.lower(Timer::Peers, self.tls.deadline());
        outcome
    }

    /// The gate in front of every signature and key exchange.
    fn admit_caller(
        &mut self,
        from: SocketAddr,
        call: Call,
        cx: &mut Context<'_>,
    ) -> Result<Answer, DropReason> {
        let unix_time = self.wall_seconds(cx.now);
        let is_known = self
            .links
            .values()
            .any(|link| link.identity.trust.certificate_name().is_some() && link.path.is_at(from.ip()));
        if !self.tls.half_open.has_room(from, is_known) {
            return Err(DropReason::HandshakeTooMany);
        }
        if !self.tls.gate.admits(from, is_known, cx.now) {
            return Err(DropReason::HandshakeRateLimited);
        }
        let endpoint = self.tls.endpoint.as_ref();
        endpoint
            .and_then(|endpoint| Answer::new(call, endpoint, unix_time))
            .ok_or(DropReason::DatagramUnknownType)
    }

    /// A caller has shown who it is.
    fn meet(
        &mut self,
        path: Path,
        answer: &mut Answer,
        caller: Caller,
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let Some(peer) = self.named(&caller.names) else {
            answer.refuse();
            stranger(path.remote, caller.names, None, cx);
            return Err(DropReason::HandshakeUnknownPeer);
        };
        if self.is_elsewhere(peer, path, cx) {
            return Err(DropReason::PeerElsewhere);
        }
        let local_index = self.new_index(peer);
        let link = self.links.get_mut(peer).ok_or(DropReason::HandshakeUnknownPeer)?;
        if link.is_taken_down {
            return Err(DropReason::HandshakeTakenDown);
        }
        if !link.handshakes.answers(cx.now) {
            return Err(DropReason::HandshakeRateLimited);
        }
        let endpoint = self.tls.endpoint.as_ref();
        let endpoint = endpoint.ok_or(DropReason::DatagramUnknownType)?;
        let ours = self.us.for_tls(&link.identity);
        match answer.choose(caller, endpoint, &ours, local_index) {
            Ok(agreed) => {
                // No stamp: nobody can play a handshake by TLS again.
                self.answered(peer, agreed, (path, 0), cx);
                Ok(())
            }
            Err(Failure::NoAgreement(what)) => {
                self.no_agreement(peer, Failure::NoAgreement(what), cx);
                Err(DropReason::HandshakeNoAgreement)
            }
            Err(_) => Err(DropReason::HandshakeUndecryptable),
        }
    }

    /// The only peer that has one of these names. A certificate of two peers is that of neither.
    fn named(&self, names: &[CertificateName]) -> Option<PeerId> {
        let is_named = |name: Option<&CertificateName>| name.is_some_and(|name| names.contains(name));
        let mut peers = self
            .links
            .iter()
            .filter(|(_, link)| is_named(link.identity.trust.certificate_name()))
            .map(|(peer, _)| peer);
        peers.next().filter(|_| peers.next().is_none())
    }

    /// A caller comes to nothing before it has shown who it is. What it says of itself is believed only as far as it is
    /// where that peer is, or the peer may be anywhere.
    fn caller_refused(
        &mut self,
        from: SocketAddr,
        refusal: Refusal,
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let claimed = match &refusal {
            Refusal::Certificate { claimed, .. } => self.named(claimed),
            _ => None,
        };
        let is_there = |peer: &PeerId| {
            let link = self.links.get(*peer);
            link.is_some_and(|link| link.path.endpoint == Known::Unknown || link.path.is_at(from.ip()))
        };
        let there = || {
            let mut peers = self.links.iter().filter(|(_, link)| {
                link.identity.trust.certificate_name().is_some() && link.path.is_at(from.ip())
            });
            peers
                .next()
                .map(|(peer, _)| peer)
                .filter(|_| peers.next().is_none())
        };
        let peer = match &refusal {
            Refusal::Certificate { .. } => claimed.filter(is_there),
            _ => there(),
        };
        match (peer, refusal) {
            (Some(peer), refusal) => self.note_refusal(peer, refusal, cx),
            (None, Refusal::Certificate { why, claimed }) => {
                stranger(from, claimed, Some(why), cx);
                Err(DropReason::HandshakeCertificate)
            }
            (None, Refusal::Told(_)) => Err(DropReason::HandshakeCertificate),
            (None, Refusal::Broken(_) | Refusal::Failure(_)) => Err(DropReason::HandshakeUndecryptable),
        }
    }
}

/// Somebody calls who is none of our peers.
fn stranger(
    from: SocketAddr,
    names: Vec<CertificateName>,
    why: Option<CertificateFault>,
    cx: &mut Context<'_>,
) {
    cx.telemetry.notes.stranger(cx.now, from, None);
    cx.telemetry
        .happened(cx.now, 1, About::Strangers, || Event::StrangerCertificate {
            from,
            names,
            why,
        });
}
