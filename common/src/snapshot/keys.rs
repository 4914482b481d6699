//! Static keys: ours, and where a rotation of them stands.

use serde::{Deserialize, Serialize};

/// Our own static keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Keys {
    /// All of them, the newest first.
    pub own: Vec<Key>,
    /// When the next key is used: `all`, when every peer has it, or `at` a date; empty: there is none.
    pub switch: String,
    /// That date, in Unix time, in seconds.
    pub switch_at: Option<f64>,
    /// When the next key began to be used, in Unix time, in seconds; `None`: it is not in use, or there is none.
    pub switched: Option<f64>,
    /// Peers that do not have the newest key, as far as is known.
    pub without: Vec<String>,
    /// How many keys and certificates are revoked.
    pub revoked: u64,
}

/// A static key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Key {
    /// Its fingerprint.
    pub fingerprint: String,
    /// What it is.
    pub stage: KeyStage,
    /// When it is not accepted any more, in Unix time, in seconds; `None`: no date is set.
    pub drop_at: Option<f64>,
}

/// A key that is not trusted any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Revocation {
    /// A public key (`aoe-public-1:…`), or what names the key of a certificate (`spki-sha256:…`).
    pub what: String,
    /// Whose it was; empty if nobody says.
    pub name: String,
    /// When it was revoked, as a date; empty if nobody says.
    pub when: String,
    /// Why; empty if nobody says.
    pub why: String,
}

/// What a key is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyStage {
    /// It is accepted, and will be used.
    Next,
    /// It is used.
    #[default]
    InUse,
    /// It was used, and is still accepted.
    Old,
    /// It is not accepted any more.
    Dropped,
    /// It is revoked.
    Revoked,
    /// A word of a newer version.
    #[serde(other)]
    Unknown,
}

impl Keys {
    /// Adds what another worker of the same gateway says of the same keys: what one of them waits for is waited for.
    pub(super) fn merge(&mut self, other: Keys) {
        if self.own.is_empty() {
            *self = other;
            return;
        }
        for name in other.without {
            if !self.without.contains(&name) {
                self.without.push(name);
            }
        }
        // In use is what every worker uses.
        if other.switched.is_none() && self.switched.is_some() {
            (self.own, self.switched) = (other.own, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_workers_the_one_that_waits_says_where_it_stands() {
        let worker = |switched: Option<f64>, without: &[&str]| Keys {
            own: vec![Key {
                stage: if switched.is_some() {
                    KeyStage::InUse
                } else {
                    KeyStage::Next
                },
                ..Key::default()
            }],
            switched,
            without: without.iter().map(ToString::to_string).collect(),
            ..Keys::default()
        };
        let mut all = worker(Some(5.0), &["a"]);
        all.merge(worker(None, &["a", "b"]));
        assert_eq!((all.switched, all.own[0].stage), (None, KeyStage::Next));
        assert_eq!(all.without, ["a", "b"]);
        let mut none = Keys::default();
        none.merge(worker(Some(5.0), &[]));
        assert_eq!(none.switched, Some(5.0));
    }
}
