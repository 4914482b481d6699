//! Where the replacement of a key stands, by the files and by the gateway that runs with them.

use aoe_keys::PublicKey;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::rotation::Rotation;

/// What is of interest of `aoe-gateway status --json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    keys: Keys,
    peers: Vec<PeerRow>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Keys {
    own: Vec<KeyRow>,
    switched: Option<f64>,
    without: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct KeyRow {
    fingerprint: String,
    drop_at: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PeerRow {
    name: String,
    state: String,
    why: String,
    has_key: String,
    has_key_since: Option<f64>,
    keys_refused: String,
}

/// Where it stands.
#[derive(Debug, Serialize)]
pub(crate) struct Stage {
    /// `none`, `announced`, `switched`, `unknown` (no gateway runs, or it has not seen the next key).
    pub(crate) stage: &'static str,
    /// Whether a gateway runs with these files.
    pub(crate) running: bool,
    /// The key of the configuration.
    current: Key,
    /// The key that takes its place.
    next: Option<Key>,
    /// When that is used: `all`, or a moment.
    switch: Option<String>,
    /// Since when it is used.
    switched: Option<String>,
    /// Keys that were in use before.
    old: Vec<Key>,
    /// Peers that are known by a key, and what they have of ours.
    peers: Vec<Peer>,
    /// What to do next.
    pub(crate) todo: String,
}

/// A key of ours.
#[derive(Debug, Serialize)]
struct Key {
    fingerprint: String,
    public: String,
    /// From when on it is not accepted any more.
    drop_at: Option<String>,
}

/// A peer.
#[derive(Debug, Serialize)]
struct Peer {
    name: String,
    /// Whether it has kept our newest key.
    has_newest: bool,
    /// Since when.
    since: Option<String>,
    /// Why it did not take it.
    refused: String,
    state: String,
    why: String,
}

impl Stage {
    /// By the files, and by what the gateway says, if one runs.
    pub(crate) fn of(rotation: &Rotation, status: Option<&Status>) -> Stage {
        let row = |key: PublicKey| {
            let print = key.fingerprint().to_string();
            status?.keys.own.iter().find(|row| row.fingerprint == print)
        };
        let known = rotation.next.and_then(row);
        let switched = status
            .and_then(|status| status.keys.switched)
            .filter(|_| known.is_some());
        let stage = match (rotation.next, known, switched) {
            (None, ..) => "none",
            (Some(_), None, _) => "unknown",
            (Some(_), Some(_), None) => "announced",
            (Some(_), Some(_), Some(_)) => "switched",
        };
        let key = |key: PublicKey| Key {
            fingerprint: key.fingerprint().to_string(),
            public: key.to_string(),
            drop_at: rotation
                .drop_at(key)
                .map(|at| format!("{at:.0}"))
                .or_else(|| date(row(key)?.drop_at?)),
        };
        let newest = rotation
            .next
            .unwrap_or(rotation.current)
            .fingerprint()
            .to_string();
        let peers = status.map(|status| status.peers.iter()).into_iter().flatten();
        let peers: Vec<_> = peers
            .filter_map(|row| {
                let lacks = status.is_some_and(|status| status.keys.without.contains(&row.name));
                let has_newest = row.has_key == newest;
                (lacks || has_newest).then(|| Peer {
                    name: row.name.clone(),
                    has_newest,
                    since: has_newest.then(|| date(row.has_key_since?)).flatten(),
                    refused: row.keys_refused.clone(),
                    state: row.state.clone(),
                    why: row.why.clone(),
                })
            })
            .collect();
        let switch = rotation
            .next
            .and_then(|next| rotation.decision(next)?.switch.clone());
        Stage {
            todo: todo(stage, status.is_some(), &peers, switch.as_deref()),
            stage,
            running: status.is_some(),
            current: key(rotation.current),
            next: rotation.next.map(key),
            switch: switch.or_else(|| rotation.next.map(|_| "all".to_owned())),
            switched: switched.and_then(date),
            old: rotation
                .old
                .into_iter()
                .flatten()
                .filter(|old| *old != rotation.current)
                .map(key)
                .collect(),
            peers,
        }
    }

    /// From when on the key of the configuration is not accepted any more, as the gateway says.
    pub(crate) fn current_drops_at(&self) -> Option<Timestamp> {
        self.current.drop_at.as_ref()?.parse().ok()
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |what: &str, key: &Key, then: String| {
            text.push_str(&format!("{what:<8} {}{then}\n", key.fingerprint));
        };
        let until = |key: &Key| match &key.drop_at {
            Some(at) => format!("  accepted until {at}"),
            None => "  accepted until its file is removed".to_owned(),
        };
        if let Some(next) = &self.next {
            let then = match (&self.switched, self.switch.as_deref()) {
                (Some(at), _) => format!("  in use since {at}"),
                (None, Some("all") | None) => "  used once all peers have it".to_owned(),
                (None, Some(at)) => format!("  used from {at} on"),
            };
            line("next", next, then);
        }
        let current = match &self.switched {
            Some(_) => until(&self.current),
            None => "  in use".to_owned(),
        };
        line("current", &self.current, current);
        for old in &self.old {
            line("old", old, until(old));
        }
        for peer in &self.peers {
            let Peer {
                name,
                since,
                refused,
                state,
                why,
                ..
            } = peer;
            let since = since
                .as_deref()
                .map(|since| format!(" since {since}"))
                .unwrap_or_default();
            let why = if why.is_empty() {
                String::new()
            } else {
                format!(", {why}")
            };
            let refused = if refused.is_empty() {
                String::new()
            } else {
                format!("; {refused}")
            };
            text.push_str(&match peer.has_newest {
                true => format!("{name} has the newest{since}\n"),
                false => format!("{name} does not have the newest: it is {state}{why}{refused}\n"),
            });
        }
        text.push_str(&format!("{}\n", self.todo));
        text
    }
}

fn todo(stage: &str, running: bool, peers: &[Peer], switch: Option<&str>) -> String {
    let without: Vec<_> = peers.iter().filter(|peer| !peer.has_newest).collect();
    match (stage, running) {
        (_, false) => "No gateway runs with these files: start it, so that peers are told.".to_owned(),
        ("none", _) => "Nothing is under way. `aoe-keys rotate` makes the next key.".to_owned(),
        ("unknown", _) => "The gateway has not read the next key: see its log, and reload it.".to_owned(),
        ("announced", _) if without.is_empty() => "All peers have it: it is used in a moment.".to_owned(),
        ("announced", _) => {
            let names: Vec<_> = without.iter().map(|peer| peer.name.as_str()).collect();
            let wait = match switch {
                None | Some("all") => "nothing is switched before they have it",
                Some(_) => "at that date it is used for those that have it",
            };
            format!(
                "Waiting for {}; {wait}. See why they are away, or give them the key by hand.",
                names.join(", ")
            )
        }
        _ => "The next key is in use: `aoe-keys rotate --finish` puts it in its place.".to_owned(),
    }
}

/// Unix time in seconds as a date.
fn date(seconds: f64) -> Option<String> {
    let at = Timestamp::UNIX_EPOCH
        .checked_add(SignedDuration::try_from_secs_f64(seconds).ok()?)
        .ok()?;
    Some(format!("{at:.0}"))
}
