//! First messages, answers and cookie replies, with fixed keys and seeds.

use aoe_keys::{Psk, SecretKey};

use super::{Vector, bytes, hex, number};
use crate::config::{Cipher, PostQuantum, Protection};
use crate::random::{Random, Secret};
use crate::time::Instant;
use crate::tunnel::admission::{Admission, Gate, Stamp, append_to_answer};
use crate::tunnel::cipher::RecordKey;
use crate::tunnel::handshake::noise::{Call, Dial, response_receiver};
use crate::tunnel::handshake::{Failure, Fresh, Local, Terms};
use crate::tunnel::macs::{self, cookie_receiver};
use crate::tunnel::quantum::ChainSecret;
use crate::tunnel::record::HEADER_LEN;
use crate::tunnel::session::Agreed;
use crate::worker::Worker;

const NOW: Instant = Instant::from_micros(0);
const BOTH: [Cipher; 2] = [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305];

/// What a file says of a first message.
struct First {
    dialer: SecretKey,
    listener: SecretKey,
    psk: Option<Psk>,
    ephemeral: [u8; 32],
    answer_key: [u8; 16],
    index: u32,
    version: u64,
    stamp: u64,
    boot: u64,
    modes: Vec<Protection>,
    ciphers: Vec<Cipher>,
    has_cookie: bool,
    post_quantum: PostQuantum,
    /// The secret of an exchange, and its name.
    secret: Option<([u8; 8], [u8; 32])>,
    bytes: Vec<u8>,
}

impl First {
    fn read(name: &str) -> First {
        let vector = Vector::read(name);
        let [head, times, modes, ciphers, mac2] = vector.datagram().meaning.as_slice() else {
            panic!("{name}: five lines")
        };
        let words: Vec<_> = head.split(' ').collect();
        let ["first-message", "index", index, "version", version] = words[..] else {
            panic!("{head}")
        };
        let words: Vec<_> = times.split(' ').collect();
        let ["stamp", stamp, "boot", boot] = words[..] else {
            panic!("{times}")
        };
        let list = |line: &str, label: &str| line.strip_prefix(label).unwrap().to_owned();
        First {
            dialer: SecretKey::from_bytes(vector.key("dialer")),
            listener: SecretKey::from_bytes(vector.key("listener")),
            psk: vector.find("psk").map(|_| Psk::from_bytes(vector.key("psk"))),
            ephemeral: vector.key("ephemeral"),
            answer_key: bytes(vector.get("answer-key")).try_into().unwrap(),
            index: u32::try_from(number(index)).unwrap(),
            version: number(version),
            stamp: number(stamp),
            boot: number(boot),
            modes: list(modes, "modes ")
                .split(' ')
                .map(|word| word.parse().unwrap())
                .collect(),
            ciphers: list(ciphers, "ciphers ")
                .split(' ')
                .map(|word| word.parse().unwrap())
                .collect(),
            post_quantum: vector.post_quantum(),
            secret: vector.find("secret").map(|_| {
                let name = bytes(vector.get("secret-name")).try_into().unwrap();
                (name, vector.key("secret"))
            }),
            has_cookie: mac2 == "mac2 of the cookie",
            bytes: vector.datagram().bytes.clone(),
        }
    }

    fn dialer(&self) -> Local<'_> {
        Local {
            secret: &self.dialer,
            public: self.dialer.public(),
            ciphers: &self.ciphers,
            worker: Worker::default(),
        }
    }

    fn chain_secret(&self) -> Option<ChainSecret> {
        self.secret.map(|(name, secret)| ChainSecret::known(name, secret))
    }

    /// The dial that made it; its message is not looked at.
    fn dial(&self) -> (Dial, Vec<u8>) {
        let secret = self.chain_secret();
        Dial::start(
            &self.dialer(),
            self.listener.public(),
            Terms {
                boot: self.boot,
                psk: self.psk.as_ref(),
                protection: &self.modes,
                post_quantum: self.post_quantum,
                secret: secret.as_ref(),
            },
            Fresh {
                local_index: self.index,
                stamp: self.stamp,
                ephemeral: Secret::new(self.ephemeral.into()),
                answer_key: self.answer_key,
            },
        )
        .unwrap()
    }
}

fn names_of_firsts() -> impl Iterator<Item = String> {
    Vector::all("first-message").into_iter().map(|vector| vector.name)
}

#[test]
fn first_messages_are_made_byte_for_byte() {
    for name in names_of_firsts() {
        let first = First::read(&name);
        let (_, mut message) = first.dial();
        let mut stamp = Stamp::default();
        let listener = first.listener.public();
        if first.has_cookie {
            // The cookie is the answer to another message of the same stamp.
            let reply = Vector::read(Vector::read(&name).get("after"));
            let before = First::read(reply.get("answers"));
            let mut replayed = macs::body(&before.bytes).to_vec();
            stamp.append(listener, &mut replayed, NOW);
            assert_eq!(replayed, before.bytes);
            assert!(stamp.accept_cookie(&reply.datagram().bytes, NOW));
        }
        stamp.append(listener, &mut message, NOW);
        if first.version == 1 {
            assert_eq!(hex(&message), hex(&first.bytes), "{name}");
        } else {
            assert_ne!(message, first.bytes, "{name} is of another version");
        }
    }
}

#[test]
fn answers_are_made_byte_for_byte_and_agree_on_the_keys_of_the_file() {
    let mut agreed = 0;
    for vector in Vector::all("answer") {
        let name = &vector.name;
        let first = First::read(vector.get("answers"));
        let ciphers = vector.ciphers("ciphers");
        let listener = Local {
            secret: &first.listener,
            public: first.listener.public(),
            ciphers: &ciphers,
            worker: Worker::default(),
        };
        let body = macs::body(&first.bytes);
        let call = Call::read(&listener, body, Secret::new(vector.key("ephemeral").into())).unwrap();
        assert_eq!(
            (call.keys.theirs, call.stamp),
            (first.dialer.public(), first.stamp),
            "{name}"
        );
        let index = u32::try_from(vector.number("index")).unwrap();
        assert_eq!(
            call.secret_name,
            first.secret.as_ref().map(|(name, _)| *name),
            "{name}"
        );
        let known = first
            .chain_secret()
            .filter(|_| vector.find("secret") == Some("known"));
        let modes = vector.protections("modes");
        let terms = Terms {
            boot: vector.number("boot"),
            psk: first.psk.as_ref(),
            protection: &modes,
            post_quantum: vector.post_quantum(),
            secret: known.as_ref(),
        };
        assert_eq!(call.answer_key, first.answer_key, "{name}");
        let (mut message, ours) = match vector.find("newest") {
            None => call.answer(&listener, terms, index).unwrap(),
            Some(newest) => {
                let newest = number(newest);
                let message = call.refuse_stamp(first.psk.as_ref(), newest).unwrap();
                (message, Err(Failure::OldStamp(newest)))
            }
        };
        let answer_body = message.clone();
        append_to_answer(first.dialer.public(), &mut message, &first.answer_key);
        assert_eq!(hex(&message), hex(&vector.datagram().bytes), "{name}");
        assert!(macs::is_marked(&message, &first.answer_key), "{name}");
        assert!(!macs::is_marked(&message, &[0; 16]), "{name}");

        assert_eq!(response_receiver(&answer_body), first.index);
        if first.version != 1 {
            assert!(matches!(ours, Err(Failure::NoAgreement(_))), "{name}");
            continue;
        }
        let theirs = first.dial().0.finish(&answer_body, &first.modes, &first.ciphers);
        let meaning = &vector.datagram().meaning;
        if meaning[1].starts_with("refused") {
            assert!(ours.is_err(), "{name}");
            assert_eq!(theirs.err(), ours.err(), "{name}: both say the same");
            continue;
        }
        agreed += 1;
        let (listener, dialer) = (ours.ok().unwrap(), theirs.ok().unwrap());
        assert_eq!(
            format!("agreed {} {}", listener.protection, listener.cipher),
            meaning[1],
            "{name}"
        );
        let key_of = |line: usize, label| bytes(meaning[line].strip_prefix(label).unwrap());
        let (to_listener, to_dialer) = (key_of(2, "key to-listener "), key_of(3, "key to-dialer "));
        assert_eq!(
            (dialer.peer_boot, listener.peer_boot),
            (vector.number("boot"), first.boot)
        );
        assert_eq!((dialer.remote_index, listener.remote_index), (index, first.index));
        assert_keys(dialer, &to_listener, &to_dialer);
        assert_keys(listener, &to_dialer, &to_listener);
    }
    assert_eq!(agreed, 4);
}

/// What dialer and listener have of the handshake that ends in this answer, and its psk.
pub(super) fn agreed_by(answer: &str) -> ([Agreed; 2], Option<Psk>) {
    let vector = Vector::read(answer);
    let first = First::read(vector.get("answers"));
    let ciphers = vector.ciphers("ciphers");
    let listener = Local {
        secret: &first.listener,
        public: first.listener.public(),
        ciphers: &ciphers,
        worker: Worker::default(),
    };
    let ephemeral = Secret::new(vector.key("ephemeral").into());
    let call = Call::read(&listener, macs::body(&first.bytes), ephemeral).unwrap();
    let modes = vector.protections("modes");
    let terms = Terms {
        boot: vector.number("boot"),
        psk: first.psk.as_ref(),
        protection: &modes,
        post_quantum: vector.post_quantum(),
        secret: None,
    };
    let index = u32::try_from(vector.number("index")).unwrap();
    let ours = call.answer(&listener, terms, index).unwrap().1;
    let body = macs::body(&vector.datagram().bytes);
    let theirs = first.dial().0.finish(body, &first.modes, &first.ciphers);
    ([theirs.ok().unwrap(), ours.ok().unwrap()], first.psk)
}

fn assert_keys(side: Agreed, send: &[u8], receive: &[u8]) {
    let tag = |key: &RecordKey| key.seal(3, &mut [7; HEADER_LEN + 3]).unwrap();
    let key =
        |secret: &[u8]| RecordKey::new(side.cipher, side.protection, secret.try_into().unwrap()).unwrap();
    assert_eq!(tag(&side.send_key), tag(&key(send)));
    assert_eq!(tag(&side.receive_key), tag(&key(receive)));
}

#[test]
fn the_cookie_reply_is_made_byte_for_byte_and_its_cookie_admits() {
    let vector = Vector::read("cookie-reply");
    let first = First::read(vector.get("answers"));
    let with_cookie = First::read("first-message-psk-cookie");
    let mut random = Random::new(vector.key("gate"));
    let mut gate = Gate::new([first.listener.public()].into_iter(), NOW, &mut random).unwrap();
    let from = vector.get("from").parse().unwrap();
    for n in 0..20 {
        let verdict = gate.admit(&first.bytes, from, |_| false, NOW, &mut random);
        assert_eq!(
            verdict,
            Admission::Admit(first.listener.public()),
            "message {n} of a second"
        );
    }
    let Admission::Cookie(reply) = gate.admit(&first.bytes, from, |_| false, NOW, &mut random) else {
        panic!("no cookie is asked for")
    };
    assert_eq!(hex(&reply), hex(&vector.datagram().bytes));
    assert_eq!(cookie_receiver(&reply), first.index);

    let mut altered = with_cookie.bytes.clone();
    *altered.last_mut().unwrap() ^= 1;
    assert!(matches!(
        gate.admit(&altered, from, |_| false, NOW, &mut random),
        Admission::Cookie(_)
    ));
    assert_eq!(
        gate.admit(&with_cookie.bytes, from, |_| false, NOW, &mut random),
        Admission::Admit(first.listener.public())
    );
}

#[test]
fn every_first_message_and_answer_has_the_mac_of_its_receiver_alone() {
    for name in names_of_firsts() {
        let first = First::read(&name);
        let gate = |key: &SecretKey| {
            let keys = [key.public()].into_iter();
            Gate::new(keys, NOW, &mut Random::new([0; 32])).unwrap()
        };
        assert!(gate(&first.listener).mac1_is_right(&first.bytes), "{name}");
        assert!(!gate(&first.dialer).mac1_is_right(&first.bytes), "{name}");
        for answer in Vector::all("answer") {
            assert!(gate(&first.dialer).mac1_is_right(&answer.datagram().bytes));
            assert!(!gate(&first.listener).mac1_is_right(&answer.datagram().bytes));
        }
    }
}

#[test]
fn an_answer_finishes_no_other_dial() {
    let (mut dial, _) = First::read("first-message").dial();
    let modes = [Protection::Encrypt, Protection::Authenticate];
    for name in ["answer-psk", "answer-no-common-mode", "answer-no-common-version"] {
        let answer = Vector::read(name);
        let body = macs::body(&answer.datagram().bytes);
        assert_eq!(
            dial.finish(body, &modes, &BOTH).err(),
            Some(Failure::Undecryptable),
            "{name}"
        );
    }
    let answer = Vector::read("answer");
    assert!(
        dial.finish(macs::body(&answer.datagram().bytes), &modes, &BOTH)
            .is_ok()
    );
}
