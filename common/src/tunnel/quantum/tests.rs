use super::*;

const SESSION: SessionName = [9; 32];

/// Both ends of an exchange, with what each has of psk and session.
fn exchange(
    dialer: (Option<&Psk>, SessionName),
    listener: (Option<&Psk>, SessionName),
) -> (ChainSecret, ChainSecret) {
    let offer = Offer::make().unwrap();
    assert_eq!(offer.message().len(), OFFER_LEN);
    let (theirs, sent) = answer(listener.0, listener.1, offer.message()).unwrap();
    assert_eq!(sent.len(), ANSWER_LEN);
    (offer.open(dialer.0, dialer.1, &sent).unwrap(), theirs)
}

fn are_same(one: &ChainSecret, other: &ChainSecret) -> bool {
    let same = one.expose() == other.expose();
    assert_eq!(
        same,
        one.name == other.name,
        "the name says whether it is the same"
    );
    same
}

#[test]
fn both_sides_have_one_secret_and_each_exchange_another() {
    let psk = Psk::from_bytes([5; 32]);
    for psk in [None, Some(&psk)] {
        let (one, other) = exchange((psk, SESSION), (psk, SESSION));
        assert!(are_same(&one, &other) && one.made_in == SESSION);
        let (next, _) = exchange((psk, SESSION), (psk, SESSION));
        assert!(!are_same(&one, &next));
    }
}

#[test]
fn a_secret_belongs_to_a_psk_and_a_session() {
    let (psk, another) = (Psk::from_bytes([5; 32]), Psk::from_bytes([6; 32]));
    let (one, other) = exchange((Some(&psk), SESSION), (Some(&another), SESSION));
    assert!(!are_same(&one, &other));
    let (one, other) = exchange((Some(&psk), SESSION), (None, SESSION));
    assert!(!are_same(&one, &other));
    let (one, other) = exchange((None, SESSION), (None, [8; 32]));
    assert!(!are_same(&one, &other));
}

#[test]
fn an_answer_that_was_changed_or_is_another_offers_gives_a_secret_that_nobody_else_has() {
    let (offer, another) = (Offer::make().unwrap(), Offer::make().unwrap());
    let (theirs, sent) = answer(None, SESSION, offer.message()).unwrap();
    for at in [0, 500, ANSWER_LEN - 1] {
        let mut changed = sent.clone();
        changed[at] ^= 1;
        assert!(!are_same(&offer.open(None, SESSION, &changed).unwrap(), &theirs));
    }
    assert!(!are_same(&another.open(None, SESSION, &sent).unwrap(), &theirs));
    assert!(are_same(&offer.open(None, SESSION, &sent).unwrap(), &theirs));
    assert!(offer.open(None, SESSION, &sent[1..]).is_none());
}

#[test]
fn what_is_no_key_is_not_answered() {
    // Coefficients that are not reduced: FIPS 203, the check of an encapsulation key.
    assert!(answer(None, SESSION, &[0xff; OFFER_LEN]).is_none());
    assert!(answer(None, SESSION, &[1; OFFER_LEN - 1]).is_none());
}

#[test]
fn a_session_is_named_by_its_transcript_and_both_keys_in_their_roles() {
    let [one, other] = [1, 2].map(|byte| PublicKey::from_bytes([byte; 32]));
    let name = session_name(&[7; 32], &one, &other);
    assert_eq!(name, session_name(&[7; 32], &one, &other));
    assert_ne!(name, session_name(&[7; 32], &other, &one));
    assert_ne!(name, session_name(&[8; 32], &one, &other));
}

#[test]
fn who_requires_it_lets_nothing_pass_by_other_keys_and_who_has_none_speaks_to_nobody_who_requires_it() {
    use PostQuantum::{Off, Prefer, Require};
    let assurance = |kind, peer_requires| Assurance {
        kind,
        peer_requires,
        exchange: None,
    };
    for (kind, peer_requires, ours, carries, suits) in [
        (Quantum::None, false, Off, true, true),
        (Quantum::None, false, Prefer, true, true),
        (Quantum::None, false, Require, false, false),
        (Quantum::None, true, Prefer, false, true),
        (Quantum::None, true, Off, false, false),
        (Quantum::MlKem768, true, Off, true, false),
        (Quantum::MlKem768, false, Require, true, true),
        (Quantum::MlKem768, true, Prefer, true, true),
    ] {
        let assurance = assurance(kind, peer_requires);
        let found = (assurance.carries_storage(ours), assurance.suits(ours));
        assert_eq!(found, (carries, suits), "{assurance:?} {ours}");
    }
}
