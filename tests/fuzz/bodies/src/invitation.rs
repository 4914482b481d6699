//! Invitations and replies from outside: the sealed file, and what is in it.

use aoe_keys::pairing::{
    Invitation, Key, Kind, LARGEST, Lock, Paper, Refusal, Reply, Sealed, seal_with_work,
};

/// Work of scrypt that is done for the input: next to none.
const MOST_WORK: u8 = 2;
const PASSPHRASE: &str = "a passphrase of the fuzzer";

/// Takes the input as a sealed file, and as what is in one.
///
/// # Panics
/// If more comes out than goes in, if a refusal is not one of letters or has no words, or if what was sealed does not open.
pub fn invitation(data: &[u8]) {
    if let Some(sealed) = judged(Sealed::look(data)) {
        assert_eq!(sealed.id.len(), 16);
        judged(sealed.is_for_passphrase());
        let opened = judged(sealed.open(&key(), MOST_WORK));
        assert!(opened.is_none_or(|text| text.len() <= data.len()));
    }
    judged(Invitation::read(data));
    judged(Reply::read(data));
    if data.len() > LARGEST / 2 {
        return;
    }
    let lock = Lock::passphrase(PASSPHRASE).expect("it is long enough");
    let text = seal_with_work(Paper::Reply, "0123456789abcdef", data, &lock, 1).expect("there is randomness");
    let sealed = Sealed::look(text.as_bytes()).expect("we have made it");
    let opened = sealed.open(&key(), MOST_WORK).expect("we have sealed it");
    assert_eq!(&**opened, data);
}

fn key() -> Key {
    Key::Passphrase(PASSPHRASE.to_owned().into())
}

fn judged<T>(found: Result<T, Refusal>) -> Option<T> {
    if let Err(refusal) = &found {
        assert_eq!(refusal.kind, Kind::Letter);
        assert!(!refusal.words.is_empty() && refusal.words.len() < 1000);
    }
    found.ok()
}
