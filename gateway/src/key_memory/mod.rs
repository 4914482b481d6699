//! What is remembered of keys over a restart, in the state directory: which keys peers said they have, which of our keys
//! they have kept, and since when our next key is used.
//!
//! One file, `peer-keys.toml`, replaced as a whole. It is written before anything in it counts. One that cannot be used is
//! put aside and missed in the log: then keys are those of the configuration.

mod file;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aoe_common::config::{GatewayConfig, KeyTrust, MOST_KEYS, Told, Trust};
use aoe_keys::PublicKey;

use crate::logging::id;

/// Peers whose keys are remembered. Of more, those that are not configured go first.
const MOST_PEERS: usize = 10_000;

/// What a peer said of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// Its key as the configuration named it then: what it said counts as long as that is so.
    pub(crate) configured: PublicKey,
    /// Its keys, the newest first; at least one, at most [`MOST_KEYS`].
    pub(crate) keys: Vec<PublicKey>,
    /// Which of these it uses.
    pub(crate) in_use: usize,
    /// Since when, in Unix time.
    pub(crate) since: Duration,
}

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// By the peer's name.
    said: BTreeMap<String, Said>,
    /// What each peer has kept of our keys.
    told: BTreeMap<String, Told>,
    /// Our next key, and since when it is used, in Unix time.
    switched: Option<(PublicKey, Duration)>,
}

/// What is remembered, and where.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    path: Option<PathBuf>,
    known: Known,
}

impl Memory {
    /// Reads what is in the state directory, if there is one.
    pub(crate) fn read(directory: Option<&Path>) -> Memory {
        let path = directory.map(file::path);
        let known = match path.as_deref().map(file::read) {
            None | Some(Ok(None)) => Known::default(),
            Some(Ok(Some(known))) => known,
            Some(Err(why)) => {
                let aside = path.as_deref().map(file::put_aside).unwrap_or_default();
                tracing::warn!(
                    id = id::KEYS_FORGOTTEN,
                    "{why}; {aside}: keys that peers have told us count no more, only those of the configuration, until they \
                     are told again; a peer that is a stranger now needs its new key in the configuration"
                );
                Known::default()
            }
        };
        Memory { path, known }
    }

    /// What is in the state directory, if it can be read. Nothing is changed.
    pub(crate) fn look(directory: &Path) -> Option<Memory> {
        let path = file::path(directory);
        let known = file::read(&path).ok().flatten()?;
        Some(Memory {
            path: Some(path),
            known,
        })
    }

    /// Whether anything is remembered over a restart.
    pub(crate) fn is_kept(&self) -> bool {
        self.path.is_some()
    }

    /// Makes a configuration, as it is written, know what is remembered.
    pub(crate) fn apply(&self, config: &mut GatewayConfig) {
        for peer in config.peers.values_mut() {
            if let Trust::Key(trust) = &mut peer.trust {
                if let Some(said) = self.known.said.get(&peer.name) {
                    said.apply(trust);
                }
                trust.told = self.known.told.get(&peer.name).copied();
            }
        }
        if let (Some(next), Some((key, at))) = (&mut config.keys.next, self.known.switched) {
            next.switched = (next.secret.public() == key).then_some(at);
        }
    }

    /// A peer said what its keys are.
    pub(crate) fn hear(&mut self, peer: &str, said: Said) {
        self.known.said.insert(peer.to_owned(), said);
    }

    /// What a peer said last.
    pub(crate) fn said(&self, peer: &str) -> Option<&Said> {
        self.known.said.get(peer)
    }

    /// A peer has kept our keys up to this one.
    pub(crate) fn tell(&mut self, peer: &str, told: Told) {
        self.known.told.insert(peer.to_owned(), told);
    }

    /// Our next key is used since then; if several workers say so, since the first of them.
    pub(crate) fn switch(&mut self, key: PublicKey, at: Duration) {
        if self.known.switched.is_none_or(|(known, _)| known != key) {
            self.known.switched = Some((key, at));
        }
    }

    /// Writes it down. Peers of other names than these go, if there are too many.
    ///
    /// # Errors
    /// There is no state directory, or it cannot be written to.
    pub(crate) fn write(&mut self, configured: impl Fn(&str) -> bool) -> io::Result<()> {
        if self.known.said.len().max(self.known.told.len()) > MOST_PEERS {
            self.known.said.retain(|name, _| configured(name));
            self.known.told.retain(|name, _| configured(name));
        }
        match &self.path {
            Some(path) => file::write(path, &self.known),
            None => Err(io::Error::other("`state` of [gateway] names no directory")),
        }
    }
}

impl Said {
    /// Whether nothing differs but the time.
    pub(crate) fn is_same(&self, other: &Said) -> bool {
        (self.configured, &self.keys, self.in_use) == (other.configured, &other.keys, other.in_use)
    }

    /// What a peer of this trust said; `None`: nothing that could be said.
    pub(crate) fn of(trust: &Trust, keys: &[PublicKey], in_use: usize, since: Duration) -> Option<Said> {
        let trust = trust.as_key()?;
        let configured = trust.configured.first().or(trust.keys.first()).copied()?;
        let is_possible = (1..=MOST_KEYS).contains(&keys.len()) && in_use < keys.len();
        is_possible.then(|| Said {
            configured,
            keys: keys.to_vec(),
            in_use,
            since,
        })
    }

    /// The peer has these keys, if the configuration names the same key as it did then.
    pub(crate) fn apply(&self, trust: &mut KeyTrust) {
        let configured = match trust.configured.is_empty() {
            true => trust.keys.clone(),
            false => trust.configured.clone(),
        };
        if configured.contains(&self.configured) {
            (trust.keys, trust.in_use, trust.configured) = (self.keys.clone(), self.in_use, configured);
        }
    }
}

#[cfg(test)]
mod tests;
