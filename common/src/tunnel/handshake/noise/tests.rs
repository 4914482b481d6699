use aoe_keys::SecretKey;

use super::*;
use crate::tunnel::record::HEADER_LEN;
use crate::worker::Worker;

const BOTH: [Cipher; 2] = [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305];

fn secret(bytes: [u8; 32]) -> Secret {
    Secret::new(bytes.into())
}

fn fresh(stamp: u64) -> Fresh {
    Fresh {
        local_index: 1,
        stamp,
        ephemeral: secret([3; 32]),
        answer_key: [8; MAC_LEN],
    }
}

fn dial(us: &Local<'_>, them: PublicKey, psk: Option<&Psk>, modes: &[Protection]) -> (Dial, Vec<u8>) {
    let (dial, message) = Dial::start(us, them, terms(11, psk, modes), fresh(7)).unwrap();
    assert_eq!(message.len() + MACS_LEN, INIT_LEN);
    (dial, message)
}

fn keys() -> (SecretKey, SecretKey) {
    (SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32]))
}

fn terms<'a>(boot: u64, psk: Option<&'a Psk>, protection: &'a [Protection]) -> Terms<'a> {
    Terms {
        boot,
        psk,
        protection,
        post_quantum: PostQuantum::Prefer,
        secret: None,
    }
}

fn identity(secret: &SecretKey) -> Local<'_> {
    Local {
        secret,
        public: secret.public(),
        ciphers: &BOTH,
        worker: Worker::default(),
    }
}

fn listen(
    them: &Local<'_>,
    message: &[u8],
    psk: Option<&Psk>,
    modes: &[Protection],
) -> ((PublicKey, u64), Vec<u8>, Result<Agreed, Failure>) {
    let call = Call::read(them, message, secret([4; 32])).unwrap();
    let seen = (call.keys.theirs, call.stamp);
    let (answer, outcome) = call.answer(them, terms(22, psk, modes), 2).unwrap();
    assert_eq!(answer.len() + MACS_LEN, RESPONSE_LEN);
    (seen, answer, outcome)
}

#[test]
fn both_sides_agree_on_keys_and_choice() {
    let (a, b) = keys();
    let us = identity(&a);
    let them = Local {
        ciphers: &[Cipher::ChaCha20Poly1305],
        ..identity(&b)
    };
    let modes = [Protection::Authenticate, Protection::Encrypt];
    let (mut dial, message) = dial(&us, b.public(), None, &modes);
    let ((caller, stamp), answer, outcome) = listen(&them, &message, None, &[Protection::Encrypt]);
    assert_eq!((caller, stamp), (a.public(), 7));
    assert_eq!(dial.answer_key, [8; MAC_LEN]);
    let listener = outcome.ok().unwrap();
    let dialer = dial.finish(&answer, &modes, &BOTH).ok().unwrap();
    assert_eq!(
        (dialer.protection, dialer.cipher),
        (Protection::Encrypt, Cipher::ChaCha20Poly1305)
    );
    assert_eq!((dialer.peer_boot, listener.peer_boot), (22, 11));
    let mut record = [&[0; HEADER_LEN], &b"hello"[..]].concat();
    let tag = dialer.send_key.seal(0, &mut record).unwrap();
    record.extend_from_slice(&tag);
    assert_eq!(listener.receive_key.open(0, &mut record).unwrap(), b"hello");
}

#[test]
fn a_wrong_psk_fails_at_the_answer_and_the_dial_survives_it() {
    let (a, b) = keys();
    let (us, them) = (identity(&a), identity(&b));
    let (right, wrong) = (Psk::from_bytes([5; 32]), Psk::from_bytes([6; 32]));
    let modes = [Protection::Encrypt];
    let (mut dial, message) = dial(&us, b.public(), Some(&right), &modes);
    let (_, answer, _) = listen(&them, &message, Some(&wrong), &modes);
    assert_eq!(
        dial.finish(&answer, &modes, &BOTH).err(),
        Some(Failure::Undecryptable)
    );
    let (_, answer, _) = listen(&them, &message, Some(&right), &modes);
    assert!(dial.finish(&answer, &modes, &BOTH).is_ok());
}

#[test]
fn without_a_common_mode_both_sides_learn_it_and_have_no_keys() {
    let (a, b) = keys();
    let (us, them) = (identity(&a), identity(&b));
    let (mut dial, message) = dial(&us, b.public(), None, &[Protection::Authenticate]);
    let (_, answer, outcome) = listen(&them, &message, None, &[Protection::Encrypt]);
    assert!(matches!(outcome, Err(Failure::NoAgreement(_))));
    let finished = dial.finish(&answer, &[Protection::Authenticate], &BOTH);
    assert!(matches!(finished, Err(Failure::NoAgreement(_))));
}

#[test]
fn workers_of_other_numbers_learn_it_on_both_sides_and_have_no_keys() {
    let (a, b) = keys();
    let identity = |secret, (number, of)| Local {
        worker: Worker { number, of },
        ..identity(secret)
    };
    let modes = [Protection::Encrypt];
    for (ours, theirs, agree) in [
        ((0, 1), (0, 1), true),
        ((1, 2), (1, 2), true),
        ((0, 2), (0, 1), false),
        ((0, 1), (0, 2), false),
        ((0, 2), (1, 2), false),
    ] {
        let (mut dial, message) = dial(&identity(&a, ours), b.public(), None, &modes);
        let them = identity(&b, theirs);
        let (_, answer, outcome) = listen(&them, &message, None, &modes);
        let finished = dial.finish(&answer, &modes, &BOTH);
        assert_eq!(finished.is_ok(), agree, "{ours:?} {theirs:?}");
        match (outcome.err(), finished.err()) {
            (None, None) => assert!(agree),
            (Some(Failure::NoAgreement(here)), Some(Failure::NoAgreement(there))) => {
                assert!(here == there && here.contains("`workers`"), "{here}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn every_changed_byte_and_every_truncation_is_refused() {
    let (a, b) = keys();
    let (us, them) = (identity(&a), identity(&b));
    let (_, message) = dial(&us, b.public(), None, &[Protection::Encrypt]);
    for at in INIT_HEAD_LEN..message.len() {
        let mut damaged = message.clone();
        damaged[at] ^= 1;
        assert!(Call::read(&them, &damaged, secret([0; 32])).is_err(), "byte {at}");
    }
    for len in 0..message.len() {
        assert!(
            Call::read(&them, &message[..len], secret([0; 32])).is_err(),
            "length {len}"
        );
    }
}
