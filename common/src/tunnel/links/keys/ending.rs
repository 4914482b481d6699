//! Sessions end with the static keys that made them, and calls go by those that are accepted.

use aoe_keys::PublicKey;

use super::{Change, Links};
use crate::config::PeerId;
use crate::context::Context;
use crate::tunnel::closing::Closing;
use crate::tunnel::keyring::Keyring;
use crate::tunnel::link::Link;
use crate::tunnel::session::{KeyPair, Session};

impl Links {
    /// Ends what is not accepted any more: sessions of a mode or a key that is not, and a call by such a key.
    pub(in crate::tunnel::links) fn end_unaccepted(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        let (identity, keys) = (&link.identity, &self.us.keys);
        let by_key = |pair: Option<KeyPair>| {
            pair.is_none_or(|pair| keys.is_live(&pair.ours) && identity.accepts(&pair.theirs))
        };
        let post_quantum = identity.trust.post_quantum();
        let is_accepted = |session: &Session| {
            identity.protection.contains(&session.protection)
                && by_key(session.keys)
                && session.assurance.suits(post_quantum)
        };
        link.sessions.previous.take_if(|session| !is_accepted(session));
        link.sessions.next.take_if(|next| !is_accepted(&next.session));
        let dialing = link.handshakes.dialing.as_ref();
        let dials = dialing.and_then(|dialing| dialing.dial.as_ref());
        let dial_ends = dials.is_some_and(|dial| !by_key(dial.keys()));
        let current = link.sessions.current.as_ref();
        let mode_ends = current.is_some_and(|session| !identity.protection.contains(&session.protection));
        let quantum_ends = current.is_some_and(|session| !session.assurance.suits(post_quantum));
        let key_ends = current.is_some_and(|session| !by_key(session.keys));
        let attempt = dialing.map(|dialing| dialing.attempt).filter(|_| dial_ends);
        if dial_ends {
            link.handshakes.dialing = None;
        }
        if key_ends {
            self.close(peer, Closing::Key, cx);
            self.lose(
                peer,
                "a key that it was made with is not accepted here any more",
                cx,
            );
            if let Some(link) = self.links.get_mut(peer) {
                link.reassembly.clear();
                link.chain.forget();
            }
            self.changes.push_back((peer, Change::Cut));
        } else if mode_ends {
            self.close(peer, Closing::Protection, cx);
            self.lose(peer, "its protection mode is not accepted here any more", cx);
        } else if quantum_ends {
            self.close(peer, Closing::PostQuantum, cx);
            let why = "its keys are not what `post_quantum` here, or there, asks for now";
            self.lose(peer, why, cx);
        }
        if attempt.is_some() {
            self.dial(peer, 0, cx);
        }
    }
}

impl Link {
    /// The pairs of our and its keys by which it is called, one after the other: both first, then what is next to that.
    pub(in crate::tunnel::links) fn pairs(&self, keys: &Keyring) -> Vec<KeyPair> {
        let ours = keys.in_call_order(self.key_talk.told.map(|told| told.key));
        let theirs: Vec<PublicKey> = self.identity.accepted().collect();
        let mut pairs: Vec<(usize, KeyPair)> = Vec::with_capacity(ours.len() * theirs.len());
        for (row, ours) in ours.iter().copied().enumerate() {
            let with = |(column, theirs)| (row + column, KeyPair { ours, theirs });
            pairs.extend(theirs.iter().copied().enumerate().map(with));
        }
        pairs.sort_by_key(|(distance, _)| *distance);
        pairs.into_iter().map(|(_, pair)| pair).collect()
    }

    /// The pair by which call number `attempt` goes. While there is a session, no call fails because a key is not known:
    /// each pair has two of them.
    pub(in crate::tunnel::links) fn pair_of(&self, attempt: u32, keys: &Keyring) -> Option<KeyPair> {
        let pairs = self.pairs(keys);
        let ways = self.path.ways().count().max(1);
        let calls = ways * if self.sessions.current.is_some() { 2 } else { 1 };
        let round = attempt as usize / calls;
        let place = round.checked_rem(pairs.len())?;
        pairs.get(place).copied()
    }
}
