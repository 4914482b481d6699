//! The two macs of handshake messages, and the cookies that the second is made of.

use std::net::{IpAddr, SocketAddr};

use aoe_keys::PublicKey;
use aws_lc_rs::{aead, digest, hmac};
use subtle::ConstantTimeEq;

use super::record::TYPE_COOKIE;
use crate::random::Random;

pub(crate) const MAC_LEN: usize = 16;
/// Both macs at the end of a handshake message.
pub(crate) const MACS_LEN: usize = 2 * MAC_LEN;
pub(super) const COOKIE_LEN: usize = 16;
const COOKIE_NONCE_LEN: usize = 16;
const COOKIE_REPLY_HEAD_LEN: usize = 8;
/// Length of a cookie reply.
pub(crate) const COOKIE_REPLY_LEN: usize = COOKIE_REPLY_HEAD_LEN + COOKIE_NONCE_LEN + COOKIE_LEN + 16;

/// Makes and checks the two macs of messages from us to one holder of a key, or from anybody to us.
pub(super) struct MacKeys {
    mac1: hmac::Key,
    cookie: hmac::Key,
}

impl MacKeys {
    /// For messages to the holder of this key.
    pub(super) fn new(key: PublicKey) -> Option<MacKeys> {
        let derive = |label: &[u8]| {
            let mut context = digest::Context::new(&digest::SHA256);
            context.update(label);
            context.update(key.as_bytes());
            <[u8; 32]>::try_from(context.finish().as_ref()).ok()
        };
        Some(MacKeys {
            mac1: hmac_key(&derive(b"aoe-gateway mac1 1")?),
            cookie: hmac_key(&derive(b"aoe-gateway cookie 1")?),
        })
    }

    /// mac1 of a message.
    pub(super) fn mac1(&self, body: &[u8]) -> [u8; MAC_LEN] {
        truncated(&hmac::sign(&self.mac1, body))
    }

    /// Whether a message has this mac1, in constant time.
    pub(super) fn mac1_is_right(&self, body: &[u8], mac1: &[u8; MAC_LEN]) -> bool {
        self.mac1(body).ct_eq(mac1).into()
    }

    /// The key of one cookie reply: a fresh one for every random nonce, so that the AEAD's own nonce can stay
    /// zero.
    fn reply_key(&self, nonce: &[u8]) -> Option<aead::LessSafeKey> {
        let derived = hmac::sign(&self.cookie, nonce);
        let key = aead::UnboundKey::new(&aead::CHACHA20_POLY1305, derived.as_ref()).ok()?;
        Some(aead::LessSafeKey::new(key))
    }

    /// A reply that gives a cookie to the sender of a message, who alone can read it.
    pub(super) fn cookie_reply(
        &self,
        body: &[u8],
        mac1: &[u8; MAC_LEN],
        cookie: &[u8; COOKIE_LEN],
        random: &mut Random,
    ) -> Option<Vec<u8>> {
        let nonce: [u8; COOKIE_NONCE_LEN] = random.bytes();
        let mut sealed = *cookie;
        let tag = self
            .reply_key(&nonce)?
            .seal_in_place_separate_tag(
                aead::Nonce::assume_unique_for_key([0; 12]),
                aead::Aad::from(mac1),
                &mut sealed,
            )
            .ok()?;
        let mut reply = vec![TYPE_COOKIE, 0, 0, 0];
        reply.extend_from_slice(body.get(4..8)?);
        reply.extend_from_slice(&nonce);
        reply.extend_from_slice(&sealed);
        reply.extend_from_slice(tag.as_ref());
        Some(reply)
    }

    /// The cookie in a reply to our message with this mac1.
    pub(super) fn open_cookie(&self, reply: &[u8], mac1: &[u8; MAC_LEN]) -> Option<[u8; COOKIE_LEN]> {
        if reply.len() != COOKIE_REPLY_LEN {
            return None;
        }
        let (nonce, sealed) = reply
            .get(COOKIE_REPLY_HEAD_LEN..)?
            .split_at_checked(COOKIE_NONCE_LEN)?;
        let mut sealed = sealed.to_vec();
        let key = self.reply_key(nonce)?;
        let zero = aead::Nonce::assume_unique_for_key([0; 12]);
        let cookie = key.open_in_place(zero, aead::Aad::from(mac1), &mut sealed).ok()?;
        (&*cookie).try_into().ok()
    }
}

/// Body, mac1 and mac2 of a handshake message.
pub(super) fn split_macs(message: &[u8]) -> Option<(&[u8], &[u8; MAC_LEN], &[u8; MAC_LEN])> {
    let (rest, mac2) = message.split_last_chunk()?;
    let (body, mac1) = rest.split_last_chunk()?;
    Some((body, mac1, mac2))
}

/// A handshake message without its macs.
pub(crate) fn body(message: &[u8]) -> &[u8] {
    message
        .get(..message.len().saturating_sub(MACS_LEN))
        .unwrap_or_default()
}

/// Whether an answer has the mac2 that only the reader of our call can make, in constant time.
pub(crate) fn is_marked(answer: &[u8], answer_key: &[u8; MAC_LEN]) -> bool {
    split_macs(answer).is_some_and(|(body, mac1, mac2)| mac2_of(answer_key, body, mac1).ct_eq(mac2).into())
}

/// The receiver index of a cookie reply: our index in the message it answers.
pub(crate) fn cookie_receiver(reply: &[u8]) -> u32 {
    reply
        .get(4..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |chunk| u32::from_be_bytes(*chunk))
}

/// The cookie of an address and port.
pub(super) fn cookie(secret: &hmac::Key, from: SocketAddr) -> [u8; COOKIE_LEN] {
    let mut context = hmac::Context::with_key(secret);
    update_with_address(&mut context, from);
    truncated(&context.sign())
}

/// Takes an address (4 or 16 bytes) and a port (2 bytes) into a MAC.
pub(crate) fn update_with_address(context: &mut hmac::Context, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => context.update(&ip.octets()),
        IpAddr::V6(ip) => context.update(&ip.octets()),
    }
    context.update(&address.port().to_be_bytes());
}

/// mac2 of a first message whose sender has this cookie, or of an answer to the call with this answer key.
pub(super) fn mac2_of(key: &[u8; MAC_LEN], body: &[u8], mac1: &[u8; MAC_LEN]) -> [u8; MAC_LEN] {
    let mut context = hmac::Context::with_key(&hmac_key(key));
    context.update(body);
    context.update(mac1);
    truncated(&context.sign())
}

pub(crate) fn hmac_key(secret: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret)
}

fn truncated(tag: &hmac::Tag) -> [u8; MAC_LEN] {
    tag.as_ref().first_chunk().copied().unwrap_or_default()
}
