//! Answers: the handshakes that peers start with us, and what is said of those that come to nothing.

use aoe_keys::PublicKey;

use super::Links;
use super::calls::OVERTAKEN;
use crate::config::PeerId;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::notes::What;
use crate::output::Path;
use crate::timers::Timer;
use crate::trouble::About;
use crate::tunnel::admission::{Admission, append_to_answer};
use crate::tunnel::handshake::{Call, Failure};
use crate::tunnel::link::Link;
use crate::tunnel::macs;
use crate::tunnel::session::Agreed;
use crate::tunnel::sessions::Answered;

impl Links {
    pub(super) fn handle_init(
        &mut self,
        path: Path,
        datagram: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let ours = self.admit(path, datagram, cx)?;
        let local = self.us.local(&ours).ok_or(DropReason::HandshakeBadMac)?;
        let Ok(call) = Call::read(&local, macs::body(datagram), self.secrets.draw()) else {
            stranger(path, None, cx);
            return Err(DropReason::HandshakeUndecryptable);
        };
        let caller = call.caller();
        let known = self.links.iter().find(|(_, link)| link.identity.accepts(&caller));
        let Some(peer) = known.map(|(peer, _)| peer) else {
            stranger(path, Some(caller), cx);
            return Err(DropReason::HandshakeUnknownPeer);
        };
        if self.is_elsewhere(peer, path, cx) {
            return Err(DropReason::PeerElsewhere);
        }
        let local_index = self.new_index(peer);
        let local = self.us.local(&ours).ok_or(DropReason::HandshakeBadMac)?;
        let link = self.links.get_mut(peer).ok_or(DropReason::HandshakeUnknownPeer)?;
        if link.is_taken_down {
            return Err(DropReason::HandshakeTakenDown);
        }
        let call = link.judge_call(call, path, cx)?;
        let (stamp, answer_key) = (call.stamp(), call.answer_key());
        let secret = call.secret_name().and_then(|name| link.chain.find(name));
        let (mut message, outcome) = call
            .answer(&local, link.identity.terms().with(secret), local_index)
            .map_err(|_| DropReason::HandshakeUndecryptable)?;
        append_to_answer(caller, &mut message, &answer_key);
        cx.out.trains.push_datagram(path, &message);
        match outcome {
            Ok(agreed) => {
                self.answered(peer, agreed, (path, stamp), cx);
                Ok(())
            }
            // It calls again without.
            Err(Failure::UnknownSecret) => Err(DropReason::HandshakeSecretUnknown),
            Err(failure) => {
                self.no_agreement(peer, failure, cx);
                Err(DropReason::HandshakeNoAgreement)
            }
        }
    }

    /// The gate in front of every curve operation. Which of our keys is called.
    fn admit(&mut self, path: Path, datagram: &[u8], cx: &mut Context<'_>) -> Result<PublicKey, DropReason> {
        let is_known = |host| self.links.values().any(|link| link.path.is_at(host));
        match self
            .gate
            .admit(datagram, path.remote, is_known, cx.now, &mut self.random)
        {
            Admission::Admit(key) => Ok(key),
            Admission::Cookie(reply) => {
                cx.out.trains.push_datagram(path, &reply);
                Err(DropReason::HandshakeCookieSent)
            }
            Admission::Refuse(reason) => Err(reason),
        }
    }

    /// A call was answered: its first record confirms that there is a session.
    pub(super) fn answered(
        &mut self,
        peer: PeerId,
        agreed: Agreed,
        (path, stamp): (Path, u64),
        cx: &mut Context<'_>,
    ) {
        let session = self.session(peer, agreed, cx.now);
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        let too_many = link.handshakes.note_unconfirmed(cx.now);
        link.sessions.next = Some(Answered {
            session,
            at: cx.now,
            path,
            stamp,
        });
        cx.timers.lower(Timer::Peers, link.deadline(self.keepalive));
        if too_many {
            let why = "it calls but never confirms; compare the psk of both sides, and see whether our datagrams reach it";
            self.refused(peer, why, cx);
        }
    }

    pub(super) fn no_agreement(&mut self, peer: PeerId, failure: Failure, cx: &mut Context<'_>) {
        let what = match failure {
            Failure::NoAgreement(what) => what,
            Failure::Undecryptable | Failure::OldStamp(_) | Failure::UnknownSecret => {
                "its handshake does not decrypt"
            }
        };
        if let Some(link) = self.links.get_mut(peer) {
            let known = link.known();
            cx.telemetry.notes.session(
                cx.now,
                What::SessionRefused {
                    peer: known,
                    why: what,
                },
            );
            let peer = link.name();
            link.in_trouble(Event::NoAgreement { peer, what }, cx);
        }
    }

    /// Why no session comes about with a peer. While there is one, a failed call for new keys is no trouble yet.
    pub(super) fn refused(&mut self, peer: PeerId, why: &'static str, cx: &mut Context<'_>) {
        let link = self.links.get_mut(peer);
        if let Some(link) = link.filter(|link| !link.is_up(cx.now)) {
            let known = link.known();
            cx.telemetry
                .notes
                .session(cx.now, What::SessionRefused { peer: known, why });
            let peer = link.name();
            link.in_trouble(Event::HandshakeRefused { peer, why }, cx);
        }
    }
}

impl Link {
    /// Whether a call of the peer is to be answered.
    fn judge_call(&mut self, call: Call, path: Path, cx: &mut Context<'_>) -> Result<Call, DropReason> {
        if let Some(behind) = self.handshakes.behind(call.stamp()) {
            // Either it is repeated, or the peer's clock was set back: then it can call again.
            if !behind.is_zero()
                && let Some(answer) = self.handshakes.refuse_stamp(call, &self.identity, cx.now)
            {
                cx.out.trains.push_datagram(path, &answer);
                if behind > OVERTAKEN {
                    let event = || Event::PeerClockBehind {
                        peer: self.name(),
                        behind,
                    };
                    cx.telemetry
                        .happened(cx.now, 1, About::ClockOf(self.identity.id), event);
                }
            }
            return Err(DropReason::HandshakeReplayed);
        }
        // One that is not confirmed yet counts while it may be: a repeated call must not take its place.
        let waiting = self.sessions.next.as_ref();
        if waiting.is_some_and(|next| call.stamp() <= next.stamp) {
            return Err(DropReason::HandshakeReplayed);
        }
        // Not before: nobody but the peer itself uses this up.
        if !self.handshakes.answers(cx.now) {
            return Err(DropReason::HandshakeRateLimited);
        }
        Ok(call)
    }
}

/// Somebody calls who is none of our peers.
fn stranger(path: Path, key: Option<PublicKey>, cx: &mut Context<'_>) {
    let fingerprint = key.as_ref().map(|key| key.fingerprint());
    cx.telemetry.notes.stranger(cx.now, path.remote, fingerprint);
    cx.telemetry
        .happened(cx.now, 1, About::Strangers, || Event::Stranger {
            from: path.remote,
            key: fingerprint,
        });
}
