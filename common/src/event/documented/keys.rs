//! One event of each kind about keys.

use std::time::Duration;

use aoe_keys::{PublicKey, SecretKey};

use super::{a, b};
use crate::config::{PeerId, Switch};
use crate::event::{Event, KeyEvent, KeysFault};

const AT: Duration = Duration::from_secs(1_801_353_600);

fn key(byte: u8) -> PublicKey {
    SecretKey::from_bytes([byte; 32]).public()
}

pub(super) fn samples() -> Vec<Event> {
    let switched = |without| KeyEvent::Switched {
        key: key(2),
        was: Some(key(1)),
        at: AT,
        drop_at: Some(AT),
        without,
    };
    let dropped = |without| KeyEvent::Dropped { key: key(1), without };
    let revoked = |others| KeyEvent::PeerRevoked {
        peer: a(),
        key: key(3),
        others,
    };
    let refused = |why| KeyEvent::Refused { peer: a(), why };
    let events = vec![
        KeyEvent::Announced {
            key: key(2),
            switch: Switch::At(AT),
        },
        KeyEvent::Told {
            peer: b(),
            key: key(2),
            since: AT,
            left: 2,
        },
        switched(Vec::new()),
        switched(vec![b()]),
        KeyEvent::DropsSoon {
            key: key(1),
            drop_at: AT,
            without: vec![b()],
        },
        dropped(Vec::new()),
        dropped(vec![b()]),
        KeyEvent::Learnt {
            peer: PeerId(0),
            serial: 7,
            keys: vec![key(4), key(3)],
            in_use: 1,
        },
        KeyEvent::PeerChanged {
            peer: a(),
            key: key(3),
            others: vec![key(4)],
        },
        refused(KeysFault::OfAnotherPeer),
        refused(KeysFault::OfTheReceiver),
        refused(KeysFault::Revoked),
        refused(KeysFault::WithoutItsOwn),
        KeyEvent::RefusedThere {
            peer: b(),
            why: KeysFault::OfAnotherPeer,
        },
        revoked(true),
        revoked(false),
        KeyEvent::OwnRevoked { key: key(1) },
    ];
    events.into_iter().map(Event::Keys).collect()
}

/// The names of all kinds, as they stand in the source.
pub(super) fn kinds() -> Vec<&'static str> {
    super::variants(include_str!("../keys.rs"), "KeyEvent")
}

#[test]
fn lines_about_keys_name_who_and_what() {
    let lines: Vec<String> = samples().iter().map(ToString::to_string).collect();
    let print = |byte| key(byte).fingerprint().to_string();
    for (line, names) in lines.iter().zip([
        vec![print(2), "2027-01-31T00:00:00Z".to_owned()],
        vec![b(), print(2), "2 peers".to_owned()],
        vec![print(2), print(1)],
        vec![print(2), print(1), b()],
    ]) {
        assert!(names.iter().all(|name| line.contains(name)), "{line}");
    }
    let many = KeyEvent::Dropped {
        key: key(1),
        without: (0..9).map(|n| format!("site-{n}")).collect(),
    };
    assert!(many.to_string().contains("site-4 and 4 more knew no newer one"));
}
