//! Static keys that change while the gateway runs.
//!
//! - this file: ours, and those that are revoked
//! - `talk`: what peers and we say to each other of our keys
//! - `ending`: sessions and calls by keys that are not accepted any more, and by which keys peers are called

mod ending;
mod talk;
#[cfg(test)]
mod tests;

use std::time::Duration;

use aoe_keys::PublicKey;

use super::{Change, Links};
use crate::config::{Endpoint, OwnKeys, PeerId, Revoked};
use crate::context::Context;
use crate::event::{Event, KeyEvent};
use crate::time::Instant;
use crate::timers::Timer;
use crate::tunnel::keyring::{Keyring, Turn};
use crate::tunnel::link::Link;
use crate::tunnel::session::Session;

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
}
