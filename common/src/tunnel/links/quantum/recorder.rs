//! Somebody who has recorded all datagrams, and to whom a quantum computer has given every X25519 secret: both static keys,
//! and the ephemeral ones. The configured psk leaked as well. Such a one opens what was sealed before the first exchange
//! counted, exchange included, and nothing after.

use aoe_keys::Psk;

use super::tests::{kind, sides};
use super::*;
use crate::config::PostQuantum;
use crate::random::{Secret, Secrets};
use crate::tunnel::handshake::noise::Call;
use crate::tunnel::handshake::{INIT_LEN, INIT_NAMING_LEN, Local};
use crate::tunnel::links::two::{FIRST, Side, key};
use crate::tunnel::macs;
use crate::tunnel::message::chunks;
use crate::tunnel::quantum::ChainSecret;
use crate::tunnel::reassembly::{Reassembly, Step};
use crate::tunnel::record::{RecordHeader, TYPE_INIT, TYPE_RECORD, TYPE_RESPONSE};
use crate::tunnel::session::Agreed;

const PSK: [u8; 32] = [0x5a; 32];
const STEP: std::time::Duration = std::time::Duration::from_millis(100);
/// As much of each side's secrets as the test uses.
const DRAWS: usize = 60;

/// What crossed the wire, in order.
#[derive(Default)]
struct Recording(Vec<Vec<u8>>);

impl Recording {
    /// Carries for so many steps; between all that is said, both sides say a known text, or not. How often they could.
    fn carry(&mut self, one: &mut Side, other: &mut Side, steps: u32, says: bool) -> u32 {
        let mut said = 0;
        for _ in 0..steps {
            for _ in 0..10 {
                for side in [&mut *one, &mut *other] {
                    said += u32::from(says && say(side));
                }
                for datagram in one.take_sent() {
                    self.0.push(datagram.clone());
                    let _ = other.take(1, &datagram);
                }
                for datagram in other.take_sent() {
                    self.0.push(datagram.clone());
                    let _ = one.take(2, &datagram);
                }
            }
            one.pass_time(STEP);
            other.pass_time(STEP);
        }
        said
    }

    fn of(&self, kind: u8) -> impl Iterator<Item = &Vec<u8>> {
        self.0
            .iter()
            .filter(move |datagram| datagram.first() == Some(&kind))
    }

    /// All that records say under these keys, chunks put together.
    fn open(&self, agreed: &Agreed) -> Vec<Vec<u8>> {
        let mut opened = Vec::new();
        let mut parts = [Reassembly::default(), Reassembly::default()];
        for record in self.of(TYPE_RECORD) {
            let header = RecordHeader::parse(*record.first_chunk().unwrap()).unwrap();
            for (key, parts) in [&agreed.receive_key, &agreed.send_key]
                .into_iter()
                .zip(&mut parts)
            {
                let mut record = record.clone();
                let Some(payload) = key.open(header.counter, &mut record) else {
                    continue;
                };
                for chunk in chunks(payload).flatten() {
                    match chunk.position {
                        None => opened.push(chunk.bytes.to_vec()),
                        Some(position) => {
                            if let Step::Complete(whole) =
                                parts.add(position, chunk.bytes, crate::time::Instant::default())
                            {
                                opened.push(whole.bytes().to_vec());
                            }
                        }
                    }
                }
            }
        }
        opened
    }

    /// The keys of the session that this first message led to, if `psks` has the right one. Somebody who has the listener's
    /// secrets makes its answer again: if it is the one that was recorded, the keys are right.
    fn break_handshake(&self, listener: &Side, init: &[u8], psks: &[[u8; 32]]) -> Option<Agreed> {
        let static_secret = key(2);
        let ciphers = &listener.links.us.ciphers;
        let local = Local {
            secret: &static_secret,
            public: static_secret.public(),
            ciphers,
            worker: Default::default(),
        };
        let mut draws = Secrets::new([2; 32]);
        let ephemerals: Vec<Secret> = (0..DRAWS).map(|_| draws.draw()).collect();
        let answers = self
            .of(TYPE_RESPONSE)
            .filter(|answer| answer[8..12] == init[4..8]);
        for answer in answers {
            let sent = x25519_public(answer);
            let ephemeral = ephemerals.iter().find(|secret| public(secret) == sent);
            let ephemeral = ephemeral.expect("every ephemeral secret is known");
            let index = u32::from_be_bytes(answer[4..8].try_into().unwrap());
            for psk in psks {
                let call = Call::read(&local, macs::body(init), ephemeral.clone()).unwrap();
                let secret = call.secret_name.map(|name| ChainSecret::known(name, *psk));
                let psk = Psk::from_bytes(*psk);
                let terms = crate::tunnel::handshake::Terms {
                    psk: Some(&psk),
                    ..listener.link(FIRST).identity.terms()
                };
                let made = call.answer(&local, terms.with(secret.as_ref()), index).unwrap();
                if let (message, Ok(agreed)) = made
                    && message == macs::body(answer)
                {
                    return Some(agreed);
                }
            }
        }
        None
    }
}

fn public(secret: &Secret) -> [u8; 32] {
    x25519_dalek::x25519(***secret, x25519_dalek::X25519_BASEPOINT_BYTES)
}

fn x25519_public(answer: &[u8]) -> [u8; 32] {
    answer[12..44].try_into().unwrap()
}

/// Says a known text, as a request would be. Whether it could.
fn say(side: &mut Side) -> bool {
    let text = format!("KNOWN TEXT {:?}", kind(side));
    side.with(|links, cx| links.send(FIRST, Kind::Request, &[0; 22], text.as_bytes(), cx))
        .is_ok()
}

/// Two sides with a psk; what they said until they had post-quantum keys, three sessions of these, and a known text in
/// each.
fn record(mode: PostQuantum) -> (Side, Recording) {
    let (mut one, mut other) = sides(mode, mode);
    for (side, peer) in [(&mut one, 2), (&mut other, 1)] {
        side.change(
            |config| {
                config.trust.set_post_quantum(mode);
                config.trust.set_psk(Some(Psk::from_bytes(PSK)));
            },
            peer,
        );
    }
    let mut recording = Recording::default();
    let mut said = 0;
    for step in 0..4000 {
        said += recording.carry(&mut one, &mut other, 1, step % 10 == 0);
    }
    assert!(said > 500, "{said}");
    assert_eq!(
        (kind(&one), kind(&other)),
        (Some(Quantum::MlKem768), Some(Quantum::MlKem768))
    );
    (other, recording)
}

/// What such a one tries as the psk of a session: what leaked, nothing, and all that can be made of an exchange that was
/// read without its secret.
fn guesses(opened: &[Vec<u8>], session: [u8; 32]) -> Vec<[u8; 32]> {
    let mut guesses = vec![PSK, [0; 32]];
    let psk = Psk::from_bytes(PSK);
    let long = |len: usize| {
        opened
            .iter()
            .filter(move |message| message.len() == INDEX_LEN + len)
    };
    for offer in long(OFFER_LEN) {
        for answer in long(ANSWER_LEN) {
            let exchange = (&offer[INDEX_LEN..], &answer[INDEX_LEN..]);
            for shared in [&[][..], &[0; 32], &offer[INDEX_LEN..], &answer[INDEX_LEN..]] {
                for psk in [Some(&psk), None] {
                    let made = ChainSecret::derive(shared, psk, session, exchange).unwrap();
                    guesses.push(*made.expose());
                }
            }
        }
    }
    guesses
}

fn has_text(opened: &[Vec<u8>]) -> bool {
    let text = b"KNOWN TEXT";
    opened
        .iter()
        .any(|message| message.windows(text.len()).any(|bytes| bytes == text))
}

#[test]
fn who_has_every_x25519_secret_and_the_psk_opens_the_first_session_and_none_of_those_that_follow() {
    for mode in [PostQuantum::Prefer, PostQuantum::Require] {
        let (listener, recording) = record(mode);
        let inits: Vec<&Vec<u8>> = recording.of(TYPE_INIT).collect();
        let (first, later): (Vec<_>, Vec<_>) = inits.into_iter().partition(|init| init.len() == INIT_LEN);
        // Sessions before the first exchange counted: by leaked keys alone.
        let mut opened = Vec::new();
        let mut sessions = Vec::new();
        for init in first {
            if let Some(agreed) = recording.break_handshake(&listener, init, &[PSK, [0; 32]]) {
                opened.extend(recording.open(&agreed));
                sessions.extend(agreed.assurance.exchange);
            }
        }
        assert!(!sessions.is_empty(), "the recorder's way works");
        let read = |len: usize| opened.iter().any(|message| message.len() == INDEX_LEN + len);
        assert!(read(OFFER_LEN) && read(ANSWER_LEN), "it has read the exchange");
        // What it may read of storage is what `prefer` lets pass before.
        assert_eq!(has_text(&opened), mode == PostQuantum::Prefer, "{mode}");
        // Sessions that follow.
        let mut tried = 0;
        for init in later {
            assert_eq!(init.len(), INIT_NAMING_LEN);
            for session in &sessions {
                let guesses = guesses(&opened, *session);
                assert!(guesses.len() > 8);
                tried += 1;
                let broken = recording.break_handshake(&listener, init, &guesses);
                assert!(broken.is_none(), "{mode}: keys of a later session");
            }
        }
        assert!(tried >= 4, "{tried}");
    }
}

#[test]
fn the_recorder_would_open_a_later_session_if_it_had_the_secret() {
    let (mut one, mut other) = sides(PostQuantum::Require, PostQuantum::Require);
    let mut recording = Recording::default();
    recording.carry(&mut one, &mut other, 10, false);
    let secret = *other.link(FIRST).chain.newest().unwrap().expose();
    recording.carry(&mut one, &mut other, 1300, false);
    let last = recording.of(TYPE_INIT).last().unwrap().clone();
    assert!(
        recording
            .break_handshake(&other, &last, &[PSK, [0; 32]])
            .is_none()
    );
    let agreed = recording.break_handshake(&other, &last, &[secret]).unwrap();
    assert!(!recording.open(&agreed).is_empty());
}
