use super::*;
use crate::config::OldKey;

const START: Duration = Duration::from_secs(1_800_000_000);
const HOUR: Duration = Duration::from_secs(3600);

fn secret(byte: u8) -> SecretKey {
    SecretKey::from_bytes([byte; 32])
}

fn key(byte: u8) -> PublicKey {
    secret(byte).public()
}

/// Key 2 in use, key 3 the next, key 1 the one before.
fn keys(switch: Switch) -> OwnKeys {
    OwnKeys {
        current: Some(secret(2)),
        next: Some(NextKey {
            secret: secret(3),
            switch,
            switched: None,
            drop_after: Some(HOUR),
        }),
        old: vec![OldKey {
            secret: secret(1),
            drop_at: Some(START + HOUR * 2),
        }],
    }
}

fn ring(switch: Switch) -> Keyring {
    Keyring::new(keys(switch), &Revoked::default())
}

fn live(ring: &Keyring) -> Vec<PublicKey> {
    ring.live().collect()
}

#[test]
fn the_next_key_is_accepted_at_once_and_used_when_all_have_it() {
    let mut ring = ring(Switch::All);
    assert_eq!(live(&ring), [key(3), key(2), key(1)]);
    assert_eq!((ring.in_use(), ring.waiting()), (Some(key(2)), Some(key(3))));
    // The warning about the oldest key is due; a peer is missing.
    assert_eq!(
        ring.turn(START, false),
        Some(Turn::DropsSoon(key(1), START + HOUR * 2))
    );
    assert_eq!(ring.turn(START, false), None);
    let switched = Turn::Switched {
        key: key(3),
        was: Some(key(2)),
        drop_at: Some(START + HOUR),
    };
    assert_eq!(ring.turn(START, true), Some(switched));
    assert_eq!((ring.in_use(), ring.waiting()), (Some(key(3)), None));
    assert_eq!(live(&ring).len(), 3, "the one before is still accepted");
    assert_eq!(
        ring.turn(START, true),
        Some(Turn::DropsSoon(key(2), START + HOUR))
    );
    assert_eq!(ring.look_at(), Some(START + HOUR));
    assert_eq!(ring.turn(START + HOUR, true), Some(Turn::Dropped(key(2))));
    assert_eq!(live(&ring), [key(3), key(1)]);
    // A clock that is set back brings nothing back.
    assert_eq!(ring.turn(START, true), None);
    assert!(!ring.is_live(&key(2)) && ring.secret(&key(2)).is_none());
}

#[test]
fn at_a_date_it_is_used_with_those_who_have_it() {
    let mut ring = ring(Switch::At(START + HOUR));
    ring.turn(START, true);
    assert_eq!(ring.turn(START, true), None, "not before the date");
    assert_eq!(ring.look_at(), Some(START + HOUR));
    assert!(matches!(
        ring.turn(START + HOUR, false),
        Some(Turn::Switched { .. })
    ));
    assert_eq!(ring.in_call_order(Some(key(3))), [key(3), key(2), key(1)]);
    assert_eq!(ring.in_call_order(Some(key(2))), [key(2), key(1), key(3)]);
    assert_eq!(ring.in_call_order(None), [key(3), key(2), key(1)]);
    // A key that we have no more says nothing of those that we have.
    assert_eq!(ring.in_call_order(Some(key(9))), [key(3), key(2), key(1)]);
    assert!(ring.knows_newer(key(2), Some(key(3))));
    assert!(!ring.knows_newer(key(2), Some(key(2))) && !ring.knows_newer(key(2), None));
}

#[test]
fn before_the_switch_the_next_key_is_tried_last() {
    let ring = ring(Switch::All);
    for told in [None, Some(key(3))] {
        assert_eq!(ring.in_call_order(told), [key(2), key(1), key(3)]);
    }
}

#[test]
fn a_configuration_that_is_read_again_undoes_nothing() {
    let mut ring = ring(Switch::All);
    while ring.turn(START, true).is_some() {}
    ring.turn(START + HOUR, true);
    assert_eq!(live(&ring), [key(3), key(1)]);
    ring.set(keys(Switch::All), &Revoked::default());
    assert_eq!((live(&ring), ring.in_use()), (vec![key(3), key(1)], Some(key(3))));
    // Another next key has not been used.
    let mut other = keys(Switch::All);
    other.next.as_mut().unwrap().secret = secret(4);
    ring.set(other, &Revoked::default());
    assert_eq!(ring.in_use(), Some(key(2)));
}

#[test]
fn after_a_restart_the_switch_is_remembered_or_made_again() {
    let mut keys = keys(Switch::All);
    keys.next.as_mut().unwrap().switched = Some(START);
    let mut ring = Keyring::new(keys, &Revoked::default());
    assert_eq!(ring.in_use(), Some(key(3)));
    assert_eq!(ring.turn(START + HOUR, false), Some(Turn::Dropped(key(2))));
}

#[test]
fn what_is_revoked_is_neither_accepted_nor_used() {
    let mut ring = ring(Switch::All);
    let revoked = Revoked {
        keys: [key(2)].into(),
        ..Revoked::default()
    };
    ring.set_revoked(&revoked);
    assert_eq!(live(&ring), [key(3), key(1)]);
    assert!(ring.secret(&key(2)).is_none());
    assert_eq!(ring.in_use(), Some(key(1)));
    ring.set_revoked(&Revoked {
        keys: [key(1), key(2)].into(),
        ..Revoked::default()
    });
    assert_eq!(ring.in_use(), Some(key(3)), "better a key too early than none");
}

#[test]
fn a_key_without_a_date_stays_and_one_in_use_is_never_dropped() {
    let mut keys = keys(Switch::All);
    keys.old[0].drop_at = None;
    keys.next = None;
    let mut ring = Keyring::new(keys, &Revoked::default());
    assert_eq!(ring.turn(START * 2, true), None);
    assert_eq!(ring.look_at(), None);
    assert_eq!(live(&ring), [key(2), key(1)]);
}
