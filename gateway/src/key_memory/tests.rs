use aoe_common::config::{NextKey, OwnKeys, Switch};
use aoe_keys::SecretKey;

use super::*;

fn key(byte: u8) -> PublicKey {
    SecretKey::from_bytes([byte; 32]).public()
}

const SINCE: Duration = Duration::from_secs(1_800_000_000);

fn trust(byte: u8) -> Trust {
    Trust::of_key(key(byte))
}

fn said(configured: u8, keys: &[u8], in_use: usize) -> Said {
    let keys: Vec<_> = keys.iter().map(|byte| key(*byte)).collect();
    Said::of(&trust(configured), &keys, in_use, SINCE).unwrap()
}

fn directory() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let state = root.path().join("state");
    (root, state)
}

#[test]
fn what_is_written_is_there_after_a_restart_and_nothing_is_left_behind() {
    let (_root, state) = directory();
    let mut memory = Memory::read(Some(&state));
    memory.hear("site \"b\"", said(1, &[2, 1], 1));
    memory.tell(
        "c",
        Told {
            key: key(7),
            since: SINCE,
        },
    );
    memory.switch(key(7), SINCE);
    memory.switch(key(7), SINCE * 2);
    memory.write(|_| true).unwrap();
    let again = Memory::read(Some(&state));
    assert_eq!(again.known, memory.known);
    assert_eq!(
        again.known.switched,
        Some((key(7), SINCE)),
        "the first of several workers"
    );
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 1);
    assert!(Memory::read(None).write(|_| true).is_err());
}

#[test]
fn a_file_that_cannot_be_used_is_kept_aside_and_does_no_harm() {
    let (_root, state) = directory();
    let mut memory = Memory::read(Some(&state));
    memory.hear("b", said(1, &[2, 1], 0));
    memory.write(|_| true).unwrap();
    let path = file::path(&state);
    let good = std::fs::read_to_string(&path).unwrap();
    for bad in [
        good.replace("version = 1", "version = 2"),
        good.replace("in_use = 0", "in_use = 2"),
        good.replace("aoe-public-1:", "aoe-public-2:"),
        good[..good.len() / 2].to_owned(),
        "\u{0}".to_owned(),
    ] {
        std::fs::write(&path, &bad).unwrap();
        assert_eq!(Memory::read(Some(&state)).known, Known::default(), "{bad}");
        assert!(!path.exists());
        assert_eq!(
            std::fs::read_to_string(state.join("peer-keys.toml.bad")).unwrap(),
            bad
        );
    }
}

#[test]
fn what_a_peer_said_counts_while_the_configuration_names_the_same_key() {
    let of = |configured: u8| {
        let Trust::Key(mut trust) = trust(configured) else {
            panic!()
        };
        said(1, &[3, 2], 1).apply(&mut trust);
        trust
    };
    let same = of(1);
    assert_eq!(
        (same.keys, same.in_use, same.configured),
        (vec![key(3), key(2)], 1, vec![key(1)])
    );
    let other = of(9);
    assert_eq!((other.keys, other.configured.is_empty()), (vec![key(9)], true));
    assert_eq!(
        of(3).keys,
        [key(3)],
        "a human wrote another one, though it is one of them"
    );
    let mut known = trust(1);
    if let Trust::Key(trust) = &mut known {
        said(1, &[2, 1], 0).apply(trust);
    }
    let next = Said::of(&known, &[key(3), key(2)], 0, SINCE).unwrap();
    assert_eq!(next.configured, key(1), "the root stays the one that is written");
    assert_eq!(Said::of(&known, &[], 0, SINCE), None);
    assert_eq!(Said::of(&known, &[key(3)], 1, SINCE), None);
}

#[test]
fn our_next_key_is_in_use_after_a_restart_if_it_is_the_one_that_was() {
    let mut memory = Memory::read(None);
    memory.switch(key(2), SINCE);
    let config = |next: u8| {
        let mut keys = OwnKeys::of(SecretKey::from_bytes([1; 32]));
        keys.next = Some(NextKey {
            secret: SecretKey::from_bytes([next; 32]),
            switch: Switch::All,
            switched: None,
            drop_after: None,
        });
        keys
    };
    for (next, expected) in [(2, Some(SINCE)), (3, None)] {
        let mut config = GatewayConfig {
            name: "a".to_owned(),
            keys: config(next),
            tls: None,
            revoked: Default::default(),
            segments: Default::default(),
            peers: Default::default(),
            exports: Default::default(),
            imports: Default::default(),
            tunnel: Default::default(),
        };
        memory.apply(&mut config);
        assert_eq!(config.keys.next.unwrap().switched, expected);
    }
}
