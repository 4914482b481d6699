//! Exchanges of secrets against a quantum computer, and the calls that they lead to.

use super::{Change, Links};
use crate::config::PeerId;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::timers::Timer;
use crate::tunnel::link::Exchanged;
use crate::tunnel::message::Kind;
use crate::tunnel::quantum::{ANSWER_LEN, OFFER_LEN, Quantum, SecretName};

#[cfg(test)]
mod recorder;
#[cfg(test)]
mod tests;

/// In front of an offer and an answer: the session, as its receiver counts it.
const INDEX_LEN: usize = 4;

impl Links {
    /// A session of a call of ours has begun: in it a secret for the next one is exchanged.
    pub(super) fn begin_exchange(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        if let Some(link) = self.links.get_mut(peer)
            && let Some(session) = &link.sessions.current
        {
            link.chain.begin(session, cx.now);
            self.offer(peer, cx);
        }
    }

    /// Sends the offer that waits for its answer, if it is time.
    pub(super) fn offer(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        if let Some(link) = self.links.get_mut(peer)
            && let Some(message) = link.chain.offer(cx.now)
        {
            cx.timers.lower(Timer::Peers, link.chain.deadline());
            self.send_or_count(peer, Kind::QuantumOffer, &message, cx);
        }
    }

    /// Answers an offer.
    pub(super) fn handle_offer(
        &mut self,
        peer: PeerId,
        message: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let (index, offer) = split::<OFFER_LEN>(message)?;
        let link = self.links.get_mut(peer).ok_or(DropReason::NoSession)?;
        let found = link.sessions.find(index);
        let (_, session) = found.ok_or(DropReason::QuantumUnexpected)?;
        let answer = link
            .chain
            .answer(session, link.identity.trust.psk(), offer, cx.now)?;
        self.send(peer, Kind::QuantumAnswer, &answer, &[], cx)
    }

    /// Takes an answer. The first secret with a peer is used at once, those that follow at the next handshake.
    pub(super) fn handle_answer(
        &mut self,
        peer: PeerId,
        message: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let (index, answer) = split::<ANSWER_LEN>(message)?;
        let link = self.links.get_mut(peer).ok_or(DropReason::NoSession)?;
        let Exchanged::In(name) = link.chain.take(index, link.identity.trust.psk(), answer) else {
            // Both called at once, and the other session took over while this was under way: its exchange is the one.
            let replaced = link.sessions.previous.as_ref();
            return match replaced.is_some_and(|session| session.local_index == index) {
                true => Ok(()),
                false => Err(DropReason::QuantumUnexpected),
            };
        };
        link.note_used_secret();
        let current = link.sessions.current.as_ref();
        let in_use = current.filter(|session| session.assurance.exchange == Some(name));
        if in_use.is_some_and(|session| session.assurance.kind == Quantum::None) {
            self.dial(peer, 0, cx);
        }
        Ok(())
    }

    /// Perhaps sessions carry storage now that did not, or the other way round: keys are to be otherwise.
    pub(super) fn judge_quantum(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        let had_carried = link.carries_storage();
        let post_quantum = link.identity.trust.post_quantum();
        for session in link.sessions.all_mut() {
            session.carries_storage = session.assurance.carries_storage(post_quantum);
        }
        if link.carries_storage() != had_carried {
            let current = link.sessions.current.as_ref();
            let kind = current.map(|session| session.assurance.kind);
            link.note_quantum(kind, cx);
            self.changes.push_back((peer, Change::Path));
        }
    }

    /// A peer does not know the secret that a call of ours was made with, as after a restart: it is called without at once.
    pub(super) fn call_without(&mut self, peer: PeerId, named: SecretName, cx: &mut Context<'_>) {
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        link.chain.forget_one(named);
        let attempt = link.handshakes.dialing.as_ref().map(|dialing| dialing.attempt);
        self.dial(peer, attempt.unwrap_or(0), cx);
    }
}

/// The session's index, and what follows it, if that is as long as it has to be.
fn split<const N: usize>(message: &[u8]) -> Result<(u32, &[u8; N]), DropReason> {
    let (index, rest) = message
        .split_first_chunk::<INDEX_LEN>()
        .ok_or(DropReason::MessageMalformed)?;
    let rest = rest.try_into().map_err(|_| DropReason::MessageMalformed)?;
    Ok((u32::from_be_bytes(*index), rest))
}
