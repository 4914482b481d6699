//! Static keys that change while the gateway runs: ours, and those of peers.
//!
//! A session ends at once when one of the two keys that made it is not accepted any more, and so does a call under way.

use std::time::Duration;

use aoe_keys::PublicKey;

use super::{Change, Links};
use crate::config::{Endpoint, OwnKeys, PeerId, Revoked, Told};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::event::{Event, KeyEvent, KeysFault};
use crate::time::Instant;
use crate::timers::Timer;
use crate::trouble::About;
use crate::tunnel::closing::Closing;
use crate::tunnel::keyring::{Keyring, Turn};
use crate::tunnel::link::{Link, List};
use crate::tunnel::message::Kind;
use crate::tunnel::said_keys::{SaidKeys, emit_ack, parse_ack};
use crate::tunnel::session::{KeyPair, Session};

/// New sessions by a new key of ours begin within this time for each peer, so that they do not begin all at once.
const RENEW_FOR_EACH: Duration = Duration::from_millis(10);
/// The longest time for all of them.
const RENEW_LONGEST: Duration = Duration::from_secs(10);

impl Links {
    /// Neither says nor hears what keys are.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn know_nothing_of_keys(&mut self) {
        self.knows_nothing_of_keys = true;
    }

    /// Our own keys are these from now on.
    pub(crate) fn set_keys(&mut self, keys: OwnKeys, cx: &mut Context<'_>) {
        let before = self.us.keys.next();
        self.us.keys.set(keys, &self.us.revoked);
        if self.us.keys.next() != before {
            self.announce(cx);
        }
        self.keys_changed(cx);
    }

    /// Says in the log that there is a next key.
    pub(super) fn announce(&self, cx: &mut Context<'_>) {
        if let (Some(key), Some(switch)) = (self.us.keys.waiting(), self.us.keys.switch()) {
            cx.telemetry
                .event(Event::Keys(KeyEvent::Announced { key, switch }));
        }
    }

    /// These are not trusted any more, and no others.
    pub(crate) fn set_revoked(&mut self, revoked: Revoked, cx: &mut Context<'_>) {
        let newly: Vec<PublicKey> = revoked.keys.difference(&self.us.revoked.keys).copied().collect();
        self.us.keys.set_revoked(&revoked);
        let others = self.us.revoked.certificates != revoked.certificates;
        self.us.revoked = revoked;
        if others {
            self.judge_certificates(cx);
        }
        let ours = self.us.keys.held().iter().map(|held| held.public);
        for key in ours.filter(|key| newly.contains(key)) {
            cx.telemetry.event(Event::Keys(KeyEvent::OwnRevoked { key }));
        }
        let peers: Vec<PeerId> = self.links.ids().collect();
        for peer in peers {
            let Some(link) = self.links.get_mut(peer) else {
                continue;
            };
            link.identity.judge_keys(&self.us.revoked);
            let hit = link.identity.trust.keys().iter().find(|key| newly.contains(key));
            let Some(key) = hit.copied() else {
                continue;
            };
            // Whatever it asked for may be from somebody else who has the key.
            self.changes.push_back((peer, Change::Cut));
            let event = Event::Keys(KeyEvent::PeerRevoked {
                peer: link.name(),
                key,
                others: link.identity.accepted().next().is_some(),
            });
            self.end_unaccepted(peer, cx);
            if let Some(link) = self.links.get_mut(peer) {
                match link.sessions.current {
                    Some(_) => cx.telemetry.event(event),
                    None => link.in_trouble(event, cx),
                }
            }
        }
        self.keys_changed(cx);
    }

    /// Other keys of ours are accepted, or another one is used.
    fn keys_changed(&mut self, cx: &mut Context<'_>) {
        self.gate.set_keys(self.us.keys.live());
        let peers: Vec<PeerId> = self.links.ids().collect();
        for peer in peers {
            self.end_unaccepted(peer, cx);
            self.say_keys(peer, cx);
            self.call_again(peer, cx);
        }
        self.turn_keys(cx);
    }

    /// A peer that could not be called may be now: by keys that are accepted again, or that are new.
    pub(super) fn call_again(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        let wants_call = self.links.get(peer).is_some_and(|link| {
            link.sessions.current.is_none()
                && link.path.endpoint == Endpoint::Known
                && link.handshakes.dialing.is_none()
        });
        if wants_call {
            self.dial(peer, 0, cx);
        }
    }

    /// What becomes of our keys as time passes, and when all peers have the next one.
    pub(crate) fn turn_keys(&mut self, cx: &mut Context<'_>) {
        loop {
            let wall = self.wall(cx.now);
            let all_have = match self.us.keys.waiting() {
                Some(next) => self.links.values().all(|link| link.is_told(next, &self.us.keys)),
                None => true,
            };
            match self.us.keys.turn(wall, all_have) {
                None => break,
                Some(Turn::Switched { key, was, drop_at }) => {
                    let without = self.names(|link, keys| !link.is_told(key, keys));
                    cx.telemetry.event(Event::Keys(KeyEvent::Switched {
                        key,
                        was,
                        at: wall,
                        drop_at,
                        without,
                    }));
                    self.use_key(cx);
                }
                Some(Turn::DropsSoon(key, drop_at)) => {
                    let without = self.names(|link, keys| !link.knows_newer(key, keys));
                    if !without.is_empty() {
                        cx.telemetry.event(Event::Keys(KeyEvent::DropsSoon {
                            key,
                            drop_at,
                            without,
                        }));
                    }
                }
                Some(Turn::Dropped(key)) => {
                    let without = self.names(|link, keys| !link.knows_newer(key, keys));
                    cx.telemetry
                        .event(Event::Keys(KeyEvent::Dropped { key, without }));
                    self.gate.set_keys(self.us.keys.live());
                    let peers: Vec<PeerId> = self.links.ids().collect();
                    for peer in peers {
                        self.end_unaccepted(peer, cx);
                        self.say_keys(peer, cx);
                    }
                }
            }
        }
        cx.timers.set(Timer::Keys, self.keys_due_at(cx.now));
    }

    /// When [`turn_keys`](Self::turn_keys) has something to do by the wall clock.
    pub(super) fn keys_due_at(&self, now: Instant) -> Instant {
        let due = self.us.keys.look_at();
        due.map_or(Instant::NEVER, |at| now + at.saturating_sub(self.wall(now)))
    }

    /// A key of ours is used from now on: peers are told, and those that have it get a session by it.
    fn use_key(&mut self, cx: &mut Context<'_>) {
        let peers: Vec<PeerId> = self.links.ids().collect();
        let count = u32::try_from(peers.len()).unwrap_or(u32::MAX);
        let within = RENEW_FOR_EACH.saturating_mul(count).min(RENEW_LONGEST);
        for peer in peers {
            self.say_keys(peer, cx);
            self.renew_by_key(peer, within, cx);
        }
    }

    /// A session by another key of ours than the one that this peer is called by now is replaced, within this time.
    fn renew_by_key(&mut self, peer: PeerId, within: Duration, cx: &mut Context<'_>) {
        let at = cx.now + self.random.part_of(within);
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        let told = link.key_talk.told.map(|told| told.key);
        let best = self.us.keys.in_call_order(told).first().copied();
        let is_other = |session: &Session| session.keys.is_some_and(|keys| Some(keys.ours) != best);
        if told.is_some() && link.sessions.current.as_ref().is_some_and(is_other) {
            let precedence = link.precedence();
            link.sessions.renew_at(precedence, at);
            cx.timers.lower(Timer::Peers, link.deadline(self.keepalive));
        }
    }

    /// Tells a peer what our keys are, until it answers.
    pub(super) fn say_keys(&mut self, peer: PeerId, cx: &mut Context<'_>) {
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
    pub(super) fn send_keys(&mut self, peer: PeerId, message: &[u8], cx: &mut Context<'_>) {
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

    /// Ends what is not accepted any more: sessions of a mode or a key that is not, and a call by such a key.
    pub(super) fn end_unaccepted(&mut self, peer: PeerId, cx: &mut Context<'_>) {
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

    /// Names of the peers that are known by a key, and of which this is so.
    fn names(&self, which: impl Fn(&Link, &Keyring) -> bool) -> Vec<String> {
        let links = self.links.values().filter(|link| link.identity.is_by_key());
        let found = links.filter(|link| which(link, &self.us.keys));
        found.map(Link::name).collect()
    }

    /// Names of the peers that have not kept the newest of our keys.
    pub(super) fn without_newest(&self) -> Vec<String> {
        match self.us.keys.live().next() {
            Some(newest) => self.names(|link, keys| !link.is_told(newest, keys)),
            None => Vec::new(),
        }
    }

    /// What the wall clock shows, in Unix time.
    fn wall(&self, now: Instant) -> Duration {
        let (unix_time, at) = self.wall_clock;
        unix_time.saturating_add(now.saturating_since(at))
    }
}

impl Link {
    /// Whether it has kept this key of ours. Of a peer that is known in another way, or that no key opens, nothing is
    /// expected.
    fn is_told(&self, key: PublicKey, keys: &Keyring) -> bool {
        let told = self.key_talk.told.map(|told| told.key);
        let expects = self.identity.is_by_key() && self.identity.accepted().next().is_some();
        !expects || told.is_some() && keys.is_known(key, told)
    }

    /// Whether it has kept a key of ours that is newer than this one.
    fn knows_newer(&self, key: PublicKey, keys: &Keyring) -> bool {
        keys.knows_newer(key, self.key_talk.told.map(|told| told.key))
    }

    /// The pairs of our and its keys by which it is called, one after the other: both first, then what is next to that.
    pub(super) fn pairs(&self, keys: &Keyring) -> Vec<KeyPair> {
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
    pub(super) fn pair_of(&self, attempt: u32, keys: &Keyring) -> Option<KeyPair> {
        let pairs = self.pairs(keys);
        let ways = self.path.ways().count().max(1);
        let calls = ways * if self.sessions.current.is_some() { 2 } else { 1 };
        let round = attempt as usize / calls;
        let place = round.checked_rem(pairs.len())?;
        pairs.get(place).copied()
    }
}
