//! What peers and we say to each other of our static keys. See [`KeyTalk`](crate::tunnel::link).

use std::time::Duration;

use aoe_keys::PublicKey;

use super::Links;
use crate::config::{PeerId, Told};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::event::{Event, KeyEvent, KeysFault};
use crate::timers::Timer;
use crate::trouble::About;
use crate::tunnel::link::List;
use crate::tunnel::message::Kind;
use crate::tunnel::said_keys::{SaidKeys, emit_ack, parse_ack};
use crate::tunnel::session::Session;

impl Links {
    /// Tells a peer what our keys are, until it answers.
    pub(in crate::tunnel::links) fn say_keys(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        let keys: Vec<PublicKey> = self.us.keys.live().collect();
        let used = self.us.keys.in_use();
        let in_use = keys.iter().position(|key| Some(*key) == used);
        let (Some(link), Some(in_use)) = (self.links.get_mut(peer), in_use) else {
            return;
        };
        let by_key = |session: &Session| session.keys.is_some();
        #[cfg(feature = "fuzzing")]
        if self.knows_nothing_of_keys {
            return;
        }
        if link.sessions.current.as_ref().is_some_and(by_key) {
            let message = link.key_talk.say(keys, in_use, cx.now);
            self.send_keys(peer, &message, cx);
        }
    }

    /// Sends what we say of our keys.
    pub(in crate::tunnel::links) fn send_keys(&mut self, peer: PeerId, message: &[u8], cx: &mut Context<'_>) {
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        // Alone: a peer of an older version reads no record further than to what it does not know.
        link.flush(cx);
        if let Err(reason) = link.push(Kind::Keys, message, &[], cx) {
            cx.telemetry.drop(reason);
        }
        link.flush(cx);
        cx.timers.lower(Timer::Peers, link.deadline(self.keepalive));
    }

    /// What a peer says of its keys, in this session of ours.
    ///
    /// # Errors
    /// It makes no sense, is not believed, or comes too soon.
    pub(crate) fn handle_keys(
        &mut self,
        peer: PeerId,
        session: u32,
        message: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        #[cfg(feature = "fuzzing")]
        if self.knows_nothing_of_keys {
            return Err(DropReason::RecordMalformed);
        }
        let said = SaidKeys::parse(message).ok_or(DropReason::MessageMalformed)?;
        let link = self.links.get_mut(peer).ok_or(DropReason::NoSession)?;
        let by = link.sessions.find(session).and_then(|(_, session)| session.keys);
        // A peer that is known in another way has no keys to speak of.
        let by = by.ok_or(DropReason::MessageMalformed)?.theirs;
        let serial = said.serial;
        match link.key_talk.judge(serial, cx.now) {
            List::TooSoon => return Err(DropReason::KeysTooSoon),
            List::Old => return Ok(()),
            List::Kept => {
                self.ack_keys(peer, serial, Ok(()), cx);
                return Ok(());
            }
            List::New => {}
        }
        if let Err(fault) = self.judge_keys(peer, by, &said.keys) {
            self.refuse_keys(peer, serial, fault, cx);
            return Err(DropReason::KeysRefused);
        }
        let link = self.links.get_mut(peer).ok_or(DropReason::NoSession)?;
        if link.identity.has_just(&said.keys, said.in_use) {
            link.key_talk.counts(serial);
            self.ack_keys(peer, serial, Ok(()), cx);
            return Ok(());
        }
        if link.key_talk.wait_for_host(said.clone(), by, cx.now) {
            cx.telemetry.event(Event::Keys(KeyEvent::Learnt {
                peer,
                serial,
                keys: said.keys,
                in_use: said.in_use,
            }));
        }
        Ok(())
    }

    /// The host has kept what a peer said of its keys under this number: it counts from now on, and the peer is told.
    pub(crate) fn keys_kept(&mut self, peer: PeerId, serial: u32, cx: &mut Context<'_>) {
        let waiting = self
            .links
            .get_mut(peer)
            .and_then(|link| link.key_talk.take_kept(serial));
        let Some(waiting) = waiting else {
            return;
        };
        // Meanwhile a key may have been revoked, or become that of another peer.
        if let Err(fault) = self.judge_keys(peer, waiting.by, &waiting.said.keys) {
            return self.refuse_keys(peer, serial, fault, cx);
        }
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        link.key_talk.counts(serial);
        link.identity
            .learn(waiting.said.keys, waiting.said.in_use, &self.us.revoked);
        let order: Vec<PublicKey> = link.identity.accepted().collect();
        if let Some((key, others)) = order.split_first() {
            cx.telemetry.event(Event::Keys(KeyEvent::PeerChanged {
                peer: link.name(),
                key: *key,
                others: others.to_vec(),
            }));
        }
        cx.telemetry.over(cx.now, About::KeysOf(peer));
        self.ack_keys(peer, serial, Ok(()), cx);
        self.end_unaccepted(peer, cx);
    }

    /// Takes the answer to what we said of our keys.
    ///
    /// # Errors
    /// It makes no sense.
    pub(crate) fn handle_keys_ack(
        &mut self,
        peer: PeerId,
        message: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let (serial, outcome) = parse_ack(message).ok_or(DropReason::MessageMalformed)?;
        let since = self.wall(cx.now);
        let link = self.links.get_mut(peer).ok_or(DropReason::NoSession)?;
        let Some(key) = link.key_talk.answered(serial, outcome) else {
            return Ok(());
        };
        if let Err(why) = outcome {
            let event = || {
                Event::Keys(KeyEvent::RefusedThere {
                    peer: link.name(),
                    why,
                })
            };
            cx.telemetry.happened(cx.now, 1, About::OurKeys(peer), event);
            return Ok(());
        }
        cx.telemetry.over(cx.now, About::OurKeys(peer));
        if link.key_talk.told.is_none_or(|told| told.key != key) {
            link.key_talk.told = Some(Told { key, since });
            let peer = link.name();
            let left = self.names(|link, keys| !link.is_told(key, keys)).len();
            cx.telemetry.event(Event::Keys(KeyEvent::Told {
                peer,
                key,
                since,
                left,
            }));
            self.turn_keys(cx);
        }
        self.renew_by_key(peer, Duration::ZERO, cx);
        Ok(())
    }

    /// Whether a list of keys of this peer can be believed that came by a session of the key `by`.
    fn judge_keys(&self, peer: PeerId, by: PublicKey, keys: &[PublicKey]) -> Result<(), KeysFault> {
        if !keys.contains(&by) {
            return Err(KeysFault::WithoutItsOwn);
        }
        if keys.iter().any(|key| self.us.revoked.has_key(key)) {
            return Err(KeysFault::Revoked);
        }
        if self.us.keys.held().iter().any(|held| keys.contains(&held.public)) {
            return Err(KeysFault::OfTheReceiver);
        }
        let others = self.links.iter().filter(|(other, _)| *other != peer);
        let mut others = others.flat_map(|(_, link)| {
            let waiting = link.key_talk.waiting.iter();
            let waiting = waiting.flat_map(|waiting| waiting.said.keys.iter());
            link.identity.trust.keys().iter().chain(waiting)
        });
        match others.any(|key| keys.contains(key)) {
            true => Err(KeysFault::OfAnotherPeer),
            false => Ok(()),
        }
    }

    /// What a peer says of its keys is not believed: it is told, and so is the operator.
    fn refuse_keys(&mut self, peer: PeerId, serial: u32, why: KeysFault, cx: &mut Context<'_>) {
        let event = || {
            Event::Keys(KeyEvent::Refused {
                peer: self.name(peer),
                why,
            })
        };
        cx.telemetry.happened(cx.now, 1, About::KeysOf(peer), event);
        self.ack_keys(peer, serial, Err(why), cx);
    }

    fn ack_keys(&mut self, peer: PeerId, serial: u32, outcome: Result<(), KeysFault>, cx: &mut Context<'_>) {
        self.send_or_count(peer, Kind::KeysAck, &emit_ack(serial, outcome), cx);
    }
}
