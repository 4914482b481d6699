//! Our own static keys: the one in use, the next one, and older ones that are still accepted.

use std::time::Duration;

use aoe_keys::{PublicKey, SecretKey};

/// Most static keys that one gateway has at a time.
pub const MOST_KEYS: usize = 4;

/// Our own static keys, at most [`MOST_KEYS`] of them, each another one. Peers may call any of them.
#[derive(Debug, Default)]
pub struct OwnKeys {
    /// The key of the configuration; `None`: no peer is known by a key.
    pub current: Option<SecretKey>,
    /// The key that takes its place.
    pub next: Option<NextKey>,
    /// Keys that were in use before, the newest first.
    pub old: Vec<OldKey>,
}

/// The key that takes the place of the one in use.
#[derive(Debug)]
pub struct NextKey {
    /// The key.
    pub secret: SecretKey,
    /// When it is used for calls.
    pub switch: Switch,
    /// When it began to be used, in Unix time; `None`: it is not in use yet, as far as is known. It stays in use over a
    /// restart if the gateway keeps what [`KeyEvent::Switched`](crate::event::KeyEvent::Switched) says.
    pub switched: Option<Duration>,
    /// How long after that the key before it is still accepted; `None`: until another configuration says so.
    pub drop_after: Option<Duration>,
}

/// When a new key is used for calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// When every peer has acknowledged it.
    All,
    /// At this moment of Unix time, with those peers that have it.
    At(Duration),
}

/// A key that was in use before.
#[derive(Debug)]
pub struct OldKey {
    /// The key.
    pub secret: SecretKey,
    /// When it is not accepted any more, in Unix time; `None`: when another configuration says so.
    pub drop_at: Option<Duration>,
}

impl OwnKeys {
    /// One key, which does not change.
    pub fn of(secret: SecretKey) -> OwnKeys {
        OwnKeys {
            current: Some(secret),
            ..OwnKeys::default()
        }
    }

    /// All of them, the newest first.
    pub fn all(&self) -> impl Iterator<Item = &SecretKey> {
        let next = self.next.as_ref().map(|next| &next.secret);
        let old = self.old.iter().map(|old| &old.secret);
        next.into_iter().chain(&self.current).chain(old)
    }

    /// The public keys of all of them, the newest first.
    pub fn public(&self) -> Vec<PublicKey> {
        self.all().map(SecretKey::public).collect()
    }

    /// The short form of the key of the configuration, for people; empty if there is none.
    pub fn fingerprint(&self) -> String {
        let current = self.current.as_ref().map(|secret| secret.public().fingerprint());
        current.map(|print| print.to_string()).unwrap_or_default()
    }

    /// Whether nothing differs.
    pub fn is_same(&self, other: &OwnKeys) -> bool {
        let next = |keys: &OwnKeys| {
            let next = keys.next.as_ref()?;
            Some((next.switch, next.switched, next.drop_after))
        };
        let old = |keys: &OwnKeys| keys.old.iter().map(|old| old.drop_at).collect::<Vec<_>>();
        let secrets = |keys: &OwnKeys| (keys.current.is_some(), keys.public());
        secrets(self) == secrets(other) && next(self) == next(other) && old(self) == old(other)
    }

    /// The same once more: each secret is erased with each of them.
    pub fn copy(&self) -> OwnKeys {
        let copy = |secret: &SecretKey| SecretKey::from_bytes(*secret.expose());
        OwnKeys {
            current: self.current.as_ref().map(copy),
            next: self.next.as_ref().map(|next| NextKey {
                secret: copy(&next.secret),
                ..*next
            }),
            old: self
                .old
                .iter()
                .map(|old| OldKey {
                    secret: copy(&old.secret),
                    drop_at: old.drop_at,
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_bytes([byte; 32])
    }

    fn keys() -> OwnKeys {
        OwnKeys {
            current: Some(key(2)),
            next: Some(NextKey {
                secret: key(3),
                switch: Switch::All,
                switched: None,
                drop_after: Some(Duration::from_secs(60)),
            }),
            old: vec![OldKey {
                secret: key(1),
                drop_at: Some(Duration::from_secs(1_800_000_000)),
            }],
        }
    }

    #[test]
    fn the_newest_is_first_and_a_copy_is_the_same() {
        let keys = keys();
        let numbers: Vec<u8> = keys.all().map(|secret| secret.expose()[0]).collect();
        assert_eq!(numbers, [3, 2, 1]);
        assert!(keys.copy().is_same(&keys));
        assert_eq!(keys.fingerprint(), key(2).public().fingerprint().to_string());
    }

    #[test]
    fn every_change_is_one() {
        let changes: [fn(&mut OwnKeys); 7] = [
            |keys| keys.current = None,
            |keys| keys.current = Some(key(9)),
            |keys| keys.next = None,
            |keys| keys.next.as_mut().unwrap().switch = Switch::At(Duration::ZERO),
            |keys| keys.next.as_mut().unwrap().switched = Some(Duration::ZERO),
            |keys| keys.old[0].drop_at = None,
            |keys| keys.old.clear(),
        ];
        for change in changes {
            let mut other = keys();
            change(&mut other);
            assert!(!other.is_same(&keys()), "{other:?}");
        }
    }
}
