//! Who may do what, and whose key is whose, before and after a reload. Secrets are compared and never shown.

use std::collections::BTreeMap;

use aoe_common::config::{Access, Allow, ConfigString, PeerConfig};
use serde_json::{Value, json};

use super::Entry;
use crate::config::Loaded;

/// One entry for each right and each key that differs.
pub(crate) fn differences(old: &Loaded, new: &Loaded) -> Vec<Entry> {
    let mut entries = Vec::new();
    keys(old, new, &mut entries);
    revoked(old, new, &mut entries);
    let (before, after) = (rights(old), rights(new));
    let either = before
        .keys()
        .chain(after.keys().filter(|key| !before.contains_key(*key)));
    for key in either {
        let (was, is) = (before.get(key), after.get(key));
        if was != is {
            let (peer, export) = key.clone();
            entries.push(Entry::Right {
                peer,
                export,
                before: was.cloned(),
                after: is.cloned(),
            });
        }
    }
    entries
}

/// What each peer may do with each export.
fn rights(loaded: &Loaded) -> BTreeMap<(String, String), Value> {
    let name = |allow: &Allow| loaded.core.peers.get(allow.peer).map(|peer| peer.name.clone());
    let exports = loaded.core.exports.values();
    let allows = exports.flat_map(|export| export.allow.iter().map(move |allow| (export, allow)));
    let mut rules: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    for (export, allow) in allows {
        if let Some(peer) = name(allow) {
            let of_pair = rules.entry((peer, export.name.clone())).or_default();
            of_pair.push(right(allow));
        }
    }
    // What one of several allows is allowed.
    let one = |mut rules: Vec<Value>| match rules.len() {
        1 => rules.pop().unwrap_or_default(),
        _ => Value::Array(rules),
    };
    rules
        .into_iter()
        .map(|(pair, rules)| (pair, one(rules)))
        .collect()
}

fn right(allow: &Allow) -> Value {
    let Allow {
        peer: _,
        access,
        initiators,
        config_string,
        lba,
        commands,
        reserve,
        mac_mask,
        until,
        // How much is no right; the lines of the reload say it.
        limit: _,
        initiator_limit: _,
    } = allow;
    let mut right = json!({
        "access": match access {
            Access::ReadOnly => "read-only",
            Access::ReadWrite => "read-write",
        },
        "initiators": initiators.as_ref().map(|only| only.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "config_string": match config_string {
            ConfigString::Read => "read",
            ConfigString::Set => "set",
        },
    });
    let words = |list: Vec<String>| Value::from(list);
    let extra = [
        (
            "lba",
            lba.as_ref()
                .map(|runs| words(runs.iter().map(ToString::to_string).collect())),
        ),
        (
            "commands",
            (!commands.is_empty())
                .then(|| words(commands.iter().map(|command| command.to_string()).collect())),
        ),
        (
            "reserve",
            reserve.is_allowed().then(|| reserve.to_string().into()),
        ),
        (
            "mac_mask",
            mac_mask.is_allowed().then(|| mac_mask.to_string().into()),
        ),
        ("until", until.map(|until| until.to_string().into())),
    ];
    for (key, value) in extra {
        if let (Some(value), Some(right)) = (value, right.as_object_mut()) {
            right.insert(key.to_owned(), value);
        }
    }
    right
}

/// What is not trusted any more, or again.
fn revoked(old: &Loaded, new: &Loaded, entries: &mut Vec<Entry>) {
    for (from, to, change) in [(old, new, "added"), (new, old, "removed")] {
        let is_in = |what: &str| from.revocations.iter().any(|known| known.what == what);
        let differ = to.revocations.iter().filter(|entry| !is_in(&entry.what));
        entries.extend(differ.map(|entry| Entry::Revoked {
            what: entry.what.clone(),
            peer: entry.name.clone(),
            why: entry.why.clone(),
            change,
        }));
    }
}

fn find<'a>(loaded: &'a Loaded, name: &str) -> Option<&'a PeerConfig> {
    loaded.core.peers.values().find(|peer| peer.name == name)
}

fn keys(old: &Loaded, new: &Loaded, entries: &mut Vec<Entry>) {
    let gone = old
        .core
        .peers
        .values()
        .filter(|peer| find(new, &peer.name).is_none());
    for name in new.core.peers.values().chain(gone).map(|peer| &peer.name) {
        let (was, is) = (find(old, name), find(new, name));
        let key = |peer: &PeerConfig| peer.trust.fingerprint();
        let (before, after) = (was.map(key), is.map(key));
        if before != after {
            entries.push(Entry::PeerKey {
                peer: name.clone(),
                before,
                after,
            });
        }
        let psk = |peer: &'_ PeerConfig| peer.trust.psk().map(|psk| *psk.expose());
        let change = match (was.and_then(psk), is.and_then(psk)) {
            (None, Some(_)) => "added",
            (Some(_), None) => "removed",
            (Some(was), Some(is)) if was != is => "changed",
            (Some(_), Some(_)) | (None, None) => continue,
        };
        entries.push(Entry::Psk {
            peer: name.clone(),
            change,
        });
    }
}
