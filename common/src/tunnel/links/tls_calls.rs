//! Calls by TLS: the handshakes that we start, in several datagrams.

use super::Links;
use crate::config::PeerId;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::notes::What;
use crate::output::Path;
use crate::time::Instant;
use crate::timers::Timer;
use crate::tunnel::handshake::Dial;
use crate::tunnel::handshake::tls::{Call, Down, Heard, LONGEST_HANDSHAKE, Refusal};

impl Links {
    /// The peer has answered our hello: the handshake goes on where the answer came from.
    pub(super) fn handle_tls_cookie(
        &mut self,
        path: Path,
        datagram: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let (call, cookie) = Call::parse_cookie(datagram).ok_or(DropReason::HandshakeMalformed)?;
        let peer = self
            .seats
            .peer(call.index)
            .ok_or(DropReason::HandshakeUnsolicited)?;
        if self.is_elsewhere(peer, path, cx) {
            return Err(DropReason::PeerElsewhere);
        }
        let clock = (cx.now, self.wall_seconds(cx.now));
        let endpoint = self.tls.endpoint.as_ref();
        let link = self.links.get_mut(peer).ok_or(DropReason::HandshakeUnsolicited)?;
        let dial = link.handshakes.dial(call.index).and_then(Dial::as_tls);
        let (dial, endpoint) = dial.zip(endpoint).ok_or(DropReason::HandshakeUnsolicited)?;
        let is_first = !dial.has_cookie();
        if !dial.accept_cookie((call, cookie), path, endpoint, clock) {
            return Err(DropReason::HandshakeUnsolicited);
        }
        for datagram in dial.next(false) {
            cx.out.trains.push_datagram(path, &datagram);
        }
        if let Some(dialing) = link.handshakes.dialing.as_mut().filter(|_| is_first) {
            dialing.again_at = cx.now + LONGEST_HANDSHAKE;
        }
        cx.timers.lower(Timer::Peers, link.deadline(self.keepalive));
        Ok(())
    }

    /// The peer's part of a handshake that we started.
    pub(super) fn handle_down(
        &mut self,
        path: Path,
        datagram: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let down = Down::parse(datagram).ok_or(DropReason::HandshakeMalformed)?;
        let peer = self.seats.peer(down.call.index);
        let peer = peer.ok_or(DropReason::HandshakeUnsolicited)?;
        let endpoint = self.tls.endpoint.as_ref();
        let link = self.links.get_mut(peer).ok_or(DropReason::HandshakeUnsolicited)?;
        let dial = link.handshakes.dial(down.call.index).and_then(Dial::as_tls);
        let (dial, endpoint) = dial.zip(endpoint).ok_or(DropReason::HandshakeUnsolicited)?;
        if !dial.path().is_some_and(|way| way.same_way(path)) {
            return Err(DropReason::HandshakeUnsolicited);
        }
        let terms = (&*link.identity.protection, &*self.us.ciphers);
        let heard = dial.hear(&down, endpoint, terms, cx.now);
        for datagram in dial.next(false) {
            cx.out.trains.push_datagram(path, &datagram);
        }
        match heard {
            Heard::More => {
                cx.timers.lower(Timer::Peers, link.deadline(self.keepalive));
                Ok(())
            }
            Heard::Agreed(agreed) => {
                let dialing = link.handshakes.dialing.take();
                link.answered_from(path, dialing.map_or(0, |dialing| dialing.attempt), cx);
                self.begin(peer, *agreed, cx);
                Ok(())
            }
            Heard::Refused(refusal) => self.call_refused(peer, refusal, cx),
        }
    }

    /// Our call comes to nothing. The next one follows after a while.
    fn call_refused(
        &mut self,
        peer: PeerId,
        refusal: Refusal,
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        if let Some(link) = self.links.get_mut(peer) {
            link.handshakes.give_up();
            let attempt = link
                .handshakes
                .dialing
                .as_ref()
                .map_or(0, |dialing| dialing.attempt);
            let again_at = cx.now + self.random.jitter(link.dial_wait(attempt));
            if let Some(dialing) = &mut link.handshakes.dialing {
                dialing.again_at = again_at;
            }
            cx.timers.lower(Timer::Peers, again_at);
        }
        self.note_refusal(peer, refusal, cx)
    }

    /// Why a handshake with this peer came to nothing, for people and counters.
    pub(super) fn note_refusal(
        &mut self,
        peer: PeerId,
        refusal: Refusal,
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        match refusal {
            Refusal::Certificate { why, .. } => {
                if let Some(link) = self.links.get_mut(peer) {
                    let (known, name) = (link.known(), link.name());
                    let refused = "its certificate is not accepted";
                    cx.telemetry.notes.session(
                        cx.now,
                        What::SessionRefused {
                            peer: known,
                            why: refused,
                        },
                    );
                    link.in_trouble(Event::CertificateRefused { peer: name, why }, cx);
                }
                Err(DropReason::HandshakeCertificate)
            }
            Refusal::Told(why) => {
                self.refused(peer, why, cx);
                Err(DropReason::HandshakeCertificate)
            }
            Refusal::Broken(why) => {
                self.refused(peer, why, cx);
                Err(DropReason::HandshakeUndecryptable)
            }
            Refusal::Failure(failure) => {
                self.no_agreement(peer, failure, cx);
                Err(DropReason::HandshakeNoAgreement)
            }
        }
    }

    /// Sends again what a call by TLS lacks an answer to, if that is due.
    pub(super) fn repeat_call(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        let Some(dialing) = link.handshakes.dialing.as_ref() else {
            return;
        };
        let again_at = dialing.dial.as_ref().map_or(Instant::NEVER, Dial::again_at);
        if cx.now < again_at {
            return;
        }
        let calling: Vec<Path> = link.calling(dialing.attempt, cx.now).collect();
        let dialing = link.handshakes.dialing.as_mut();
        let dial = dialing.and_then(|dialing| dialing.dial.as_mut());
        let Some(dial) = dial.and_then(Dial::as_tls) else {
            return;
        };
        dial.repeat(cx.now);
        match dial.path() {
            Some(path) => {
                for datagram in dial.next(true) {
                    cx.out.trains.push_datagram(path, &datagram);
                }
            }
            None => {
                for path in calling {
                    cx.out.trains.push_datagram(path, &dial.hello());
                }
            }
        }
    }
}
