//! The gate in front of every curve operation: mac1, cookies, rate limits (after WireGuard).
//!
//! mac1 shows that the sender knows our public key. When one source, or all together, send more first messages
//! than we want to compute, the answer is a cookie: a MAC over the sender's address and port, which only comes
//! back (as mac2) if that address is real. A cookie reply is shorter than the message it answers.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use aoe_keys::PublicKey;
use subtle::ConstantTimeEq;

use super::cookie_secrets::{COOKIE_LIFE, CookieSecrets};
use super::macs::{COOKIE_LEN, MAC_LEN, MacKeys, cookie, mac2_of, split_macs};
use super::rates::{OfEach, Pace, Together, network};
use crate::drop_reason::DropReason;
use crate::random::Random;
use crate::time::Instant;

/// First messages per second we compute without asking for a cookie, from everybody together.
const ALL_PER_SECOND: NonZeroU32 = NonZeroU32::new(200).unwrap();
/// The same, from one [`network`].
const SOURCE_PER_SECOND: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// Messages with a right cookie that we compute per second besides, from everybody together.
const COOKIES_PER_SECOND: NonZeroU32 = NonZeroU32::new(200).unwrap();
/// The same, from one [`network`].
const COOKIE_PER_SECOND: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// Messages with a right cookie that we compute per second besides, from each host where a peer is: no flood of others
/// keeps a peer out.
const KNOWN_PER_SECOND: NonZeroU32 = NonZeroU32::new(5).unwrap();
/// Of those for everybody, so many at once: each costs some 0.2 ms, in which no data is carried.
const BURST: NonZeroU32 = NonZeroU32::new(40).unwrap();
/// The listening side's gate.
pub(crate) struct Gate {
    /// Of each key of ours that is accepted: few, so that a first message costs few MACs.
    ours: Vec<(PublicKey, MacKeys)>,
    secrets: CookieSecrets,
    pace: Pace,
    all: Together,
    sources: OfEach,
    all_with_cookie: Together,
    with_cookie: OfEach,
    known: OfEach,
}

/// What the gate says to a first message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Compute it: it is for this key of ours.
    Admit(PublicKey),
    /// Send this datagram back instead.
    Cookie(Vec<u8>),
    /// Say nothing.
    Refuse(DropReason),
}

impl Gate {
    pub(crate) fn new(
        our_keys: impl Iterator<Item = PublicKey>,
        now: Instant,
        random: &mut Random,
    ) -> Option<Gate> {
        let pace = Pace::new(now);
        Some(Gate {
            ours: mac_keys(our_keys)?,
            secrets: CookieSecrets::new(now, random),
            all: pace.together(ALL_PER_SECOND, BURST),
            sources: pace.of_each(SOURCE_PER_SECOND),
            all_with_cookie: pace.together(COOKIES_PER_SECOND, BURST),
            with_cookie: pace.of_each(COOKIE_PER_SECOND),
            known: pace.of_each(KNOWN_PER_SECOND),
            pace,
        })
    }

    /// These keys of ours are accepted from now on, and no others.
    pub(crate) fn set_keys(&mut self, our_keys: impl Iterator<Item = PublicKey>) {
        if let Some(ours) = mac_keys(our_keys) {
            self.ours = ours;
        }
    }

    /// Judges a first message that claims to be for us. `is_known` says whether a peer is on a host.
    pub(crate) fn admit(
        &mut self,
        message: &[u8],
        from: SocketAddr,
        is_known: impl FnOnce(IpAddr) -> bool,
        now: Instant,
        random: &mut Random,
    ) -> Admission {
        let Some((body, mac1, mac2)) = split_macs(message) else {
            return Admission::Refuse(DropReason::DatagramTooShort);
        };
        let Some(key) = self.addressed(body, mac1) else {
            return Admission::Refuse(DropReason::HandshakeBadMac);
        };
        self.pace.advance(now);
        let source = network(from);
        if self.sources.permits(source) && self.all.permits() {
            return Admission::Admit(key);
        }
        let cookies = self.secrets.at(now, random).map(|secret| cookie(secret, from));
        let proven = cookies
            .iter()
            .any(|cookie| bool::from(mac2_of(cookie, body, mac1).ct_eq(mac2)));
        if !proven {
            let [fresh, _] = cookies;
            let ours = self.ours.iter().find(|(public, _)| *public == key);
            return match ours.and_then(|(_, ours)| ours.cookie_reply(body, mac1, &fresh, random)) {
                Some(reply) => Admission::Cookie(reply),
                None => Admission::Refuse(DropReason::HandshakeRateLimited),
            };
        }
        let admitted = self.with_cookie.permits(source) && self.all_with_cookie.permits();
        if admitted || is_known(from.ip()) && self.known.permits(from.ip()) {
            return Admission::Admit(key);
        }
        Admission::Refuse(DropReason::HandshakeRateLimited)
    }

    /// Checks mac1 of an answer to us.
    pub(crate) fn mac1_is_right(&self, message: &[u8]) -> bool {
        split_macs(message).is_some_and(|(body, mac1, _)| self.addressed(body, mac1).is_some())
    }

    /// Which of our keys a message is for.
    fn addressed(&self, body: &[u8], mac1: &[u8; MAC_LEN]) -> Option<PublicKey> {
        let mut ours = self.ours.iter();
        ours.find(|(_, ours)| ours.mac1_is_right(body, mac1))
            .map(|(key, _)| *key)
    }
}

/// Of each of these keys.
fn mac_keys(keys: impl Iterator<Item = PublicKey>) -> Option<Vec<(PublicKey, MacKeys)>> {
    keys.map(|key| Some((key, MacKeys::new(key)?))).collect()
}

/// The calling side's end of the gate: adds macs to what we send one peer.
#[derive(Default)]
pub(crate) struct Stamp {
    /// Of our last call: the key of the peer that it went to, and its mac1.
    last: Option<(PublicKey, [u8; MAC_LEN])>,
    cookie: Option<([u8; COOKIE_LEN], Instant)>,
}

impl Stamp {
    /// Appends mac1 for the holder of this key, and mac2 if we hold a cookie.
    pub(crate) fn append(&mut self, their_key: PublicKey, message: &mut Vec<u8>, now: Instant) {
        let Some(theirs) = MacKeys::new(their_key) else {
            return;
        };
        let mac1 = theirs.mac1(message);
        self.last = Some((their_key, mac1));
        let mac2 = match self.cookie {
            Some((cookie, _)) if self.has_cookie(now) => mac2_of(&cookie, message, &mac1),
            _ => [0; MAC_LEN],
        };
        message.extend_from_slice(&mac1);
        message.extend_from_slice(&mac2);
    }

    /// Whether we hold a cookie that is still good.
    pub(crate) fn has_cookie(&self, now: Instant) -> bool {
        self.cookie
            .is_some_and(|(_, since)| now.saturating_since(since) < COOKIE_LIFE)
    }

    /// Takes the cookie out of a reply to our last message; false if it is not one.
    pub(crate) fn accept_cookie(&mut self, reply: &[u8], now: Instant) -> bool {
        let cookie = self
            .last
            .and_then(|(their_key, mac1)| MacKeys::new(their_key)?.open_cookie(reply, &mac1));
        let Some(cookie) = cookie else {
            return false;
        };
        self.cookie = Some((cookie, now));
        true
    }
}

/// Appends the macs of an answer to a call of the holder of this key, with this answer key.
pub(crate) fn append_to_answer(their_key: PublicKey, message: &mut Vec<u8>, answer_key: &[u8; MAC_LEN]) {
    let Some(theirs) = MacKeys::new(their_key) else {
        return;
    };
    let mac1 = theirs.mac1(message);
    let mac2 = mac2_of(answer_key, message, &mac1);
    message.extend_from_slice(&mac1);
    message.extend_from_slice(&mac2);
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;
    use std::time::Duration;

    use aoe_keys::SecretKey;

    use super::super::macs::cookie_receiver;
    use super::super::rates::MAX_SOURCES;
    use super::*;

    struct World {
        gate: Gate,
        stamp: Stamp,
        random: Random,
        messages: u64,
    }

    fn key() -> PublicKey {
        SecretKey::from_bytes([9; 32]).public()
    }

    fn world() -> World {
        let mut random = Random::new([1; 32]);
        let gate = Gate::new([key()].into_iter(), Instant::default(), &mut random).unwrap();
        World {
            gate,
            stamp: Stamp::default(),
            random,
            messages: 0,
        }
    }

    impl World {
        fn message(&mut self, now: Instant) -> Vec<u8> {
            let mut message = vec![1, 0, 0, 0, 0, 0, 0, 42];
            message.extend_from_slice(&[7; 100]);
            self.messages += 1;
            message.extend_from_slice(&self.messages.to_be_bytes());
            self.stamp.append(key(), &mut message, now);
            message
        }

        fn admit(&mut self, message: &[u8], from: &str, now: Instant) -> Admission {
            self.gate
                .admit(message, from.parse().unwrap(), |_| false, now, &mut self.random)
        }

        fn flood(&mut self, from: &str, now: Instant) -> Vec<u8> {
            for _ in 0..1000 {
                let message = self.message(now);
                if let Admission::Cookie(reply) = self.admit(&message, from, now) {
                    assert!(
                        reply.len() <= message.len(),
                        "never answer with more than was asked"
                    );
                    return reply;
                }
            }
            panic!("a thousand messages at once were all admitted")
        }
    }

    #[test]
    fn without_our_key_nothing_is_computed() {
        let mut world = world();
        let good = world.message(Instant::default());
        for at in 0..good.len() - 16 {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let verdict = world.admit(&bad, "192.0.2.1:1", Instant::default());
            assert_eq!(
                verdict,
                Admission::Refuse(DropReason::HandshakeBadMac),
                "byte {at}"
            );
        }
        assert_eq!(
            world.admit(&good[..20], "192.0.2.1:1", Instant::default()),
            Admission::Refuse(DropReason::DatagramTooShort)
        );
    }

    #[test]
    fn each_of_our_keys_can_be_called_and_asks_for_cookies_and_none_that_is_gone() {
        let keys = [8, 9, 10].map(|byte| SecretKey::from_bytes([byte; 32]).public());
        let now = Instant::default();
        for called in keys {
            let mut world = world();
            world.gate.set_keys(keys.into_iter());
            let call = |world: &mut World| {
                let mut message = vec![1; 100];
                world.stamp.append(called, &mut message, now);
                message
            };
            let message = call(&mut world);
            let verdict = world.admit(&message, "192.0.2.1:1", now);
            assert_eq!(verdict, Admission::Admit(called));
            let mut reply = None;
            while reply.is_none() {
                let message = call(&mut world);
                match world.admit(&message, "192.0.2.1:1", now) {
                    Admission::Cookie(cookie) => reply = Some(cookie),
                    other => assert_eq!(other, Admission::Admit(called)),
                }
            }
            assert!(world.stamp.accept_cookie(&reply.unwrap(), now));
            let message = call(&mut world);
            assert_eq!(
                world.admit(&message, "192.0.2.1:1", now),
                Admission::Admit(called)
            );
            world.gate.set_keys(keys.into_iter().filter(|key| *key != called));
            let refused = Admission::Refuse(DropReason::HandshakeBadMac);
            assert_eq!(world.admit(&message, "192.0.2.1:1", now), refused);
        }
    }

    #[test]
    fn a_flood_from_one_source_does_not_cost_another_a_cookie() {
        let mut world = world();
        let now = Instant::default();
        world.flood("192.0.2.1:1", now);
        let message = world.message(now);
        assert_eq!(world.admit(&message, "192.0.2.2:1", now), Admission::Admit(key()));
    }

    #[test]
    fn a_host_with_a_network_of_its_own_is_one_source() {
        let mut world = world();
        let mut admitted = |second: u64, from: &dyn Fn(u32) -> String| {
            let now = Instant::from_micros(second * 1_000_000);
            let verdicts = (0..100).map(|n| {
                let message = world.message(now);
                world.admit(&message, &from(n), now)
            });
            verdicts
                .filter(|verdict| *verdict == Admission::Admit(key()))
                .count()
        };
        assert_eq!(admitted(0, &|n| format!("[2001:db8::{n:x}]:1")), 20, "one /64");
        assert_eq!(
            admitted(1, &|n| format!("[2001:db8:0:{:x}::]:1", n + 1)),
            BURST.get() as usize,
            "many"
        );
        let mapped = |n| format!("[::ffff:192.0.2.{}]:1", n % 2);
        assert_eq!(
            admitted(2, &mapped),
            40,
            "two IPv4 addresses, as a socket for both shows them"
        );
    }

    #[test]
    fn a_cookie_admits_its_own_address_and_port_only() {
        let mut world = world();
        let now = Instant::default();
        let reply = world.flood("192.0.2.1:1", now);
        let mut damaged = reply.clone();
        damaged[30] ^= 1;
        assert!(!world.stamp.accept_cookie(&damaged, now));
        world.message(now);
        assert!(
            !world.stamp.accept_cookie(&reply, now),
            "a reply to another message"
        );
        let from = "192.0.2.1:1";
        let message = world.message(now);
        let Admission::Cookie(reply) = world.admit(&message, from, now) else {
            panic!("still under load")
        };
        assert_eq!(cookie_receiver(&reply), 42);
        assert!(world.stamp.accept_cookie(&reply, now));
        let message = world.message(now);
        assert!(
            matches!(world.admit(&message, "192.0.2.1:2", now), Admission::Cookie(_)),
            "other port"
        );
        assert_eq!(world.admit(&message, from, now), Admission::Admit(key()));
        let later = now + COOKIE_LIFE + COOKIE_LIFE;
        world.flood(from, later);
        assert!(
            matches!(world.admit(&message, from, later), Admission::Cookie(_)),
            "an old cookie"
        );
    }

    #[test]
    fn spoofed_sources_neither_fill_memory_nor_pass_the_limit_of_all() {
        let mut world = world();
        let now = Instant::default();
        let mut admitted = 0;
        for n in 0..20_000u32 {
            let message = world.message(now);
            let from = SocketAddr::new(IpAddr::V4(n.into()), 1);
            if world
                .gate
                .admit(&message, from, |_| false, now, &mut world.random)
                == Admission::Admit(key())
            {
                admitted += 1;
            }
            assert!(world.gate.sources.len() <= MAX_SOURCES + 1);
        }
        assert_eq!(admitted, BURST.get());
    }

    #[test]
    fn who_can_receive_in_thousands_of_networks_neither_gets_more_nor_keeps_a_peer_out() {
        let mut world = world();
        let [attacker, peer] = ["2001:db8::", "192.0.2.77"].map(|ip| ip.parse::<IpAddr>().unwrap());
        let mut now = Instant::default();
        let mut computed = [0, 0];
        // A second: 20 messages of each of 2000 networks, each with the cookie of its sender; and five of a peer.
        for n in 0..40_000u64 {
            now = now + Duration::from_micros(25);
            let host = match (n % 8000, attacker) {
                (0, _) => peer,
                (_, IpAddr::V6(ip)) => {
                    IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() | u128::from(n % 2000) << 64))
                }
                (_, v4) => v4,
            };
            let from = SocketAddr::new(host, 1);
            world.stamp.cookie = Some((
                cookie(world.gate.secrets.at(now, &mut world.random)[0], from),
                now,
            ));
            let message = world.message(now);
            let verdict = world
                .gate
                .admit(&message, from, |host| host == peer, now, &mut world.random);
            computed[usize::from(host == peer)] += u32::from(verdict == Admission::Admit(key()));
        }
        let most = ALL_PER_SECOND.get() + COOKIES_PER_SECOND.get() + 2 * BURST.get();
        assert!(computed[0] <= most, "{} messages of strangers", computed[0]);
        assert_eq!(computed[1], 5, "the peer's");
    }
}
