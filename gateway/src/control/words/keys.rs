//! Our own keys, and those that are not trusted any more.

use aoe_common::config::{OwnKeys, Switch, Until};
use aoe_common::snapshot::Revocation;
use aoe_keys::{PublicKey, SecretKey};

use super::{Kind, Lines};
use crate::config::Loaded;

pub(super) fn compare(old: &Loaded, new: &Loaded, lines: &mut Lines) {
    revoked(&old.revocations, &new.revocations, lines);
    own(&old.core.keys, &new.core.keys, lines);
}

fn revoked(old: &[Revocation], new: &[Revocation], lines: &mut Lines) {
    let is_in = |list: &[Revocation], what: &str| list.iter().any(|known| known.what == what);
    for entry in new.iter().filter(|entry| !is_in(old, &entry.what)) {
        let why = match entry.why.as_str() {
            "" => String::new(),
            why => format!(" ({why})"),
        };
        lines.add(
            Kind::Loss,
            format!("{} is revoked{why}: its sessions end", subject(entry)),
        );
    }
    for entry in old.iter().filter(|entry| !is_in(new, &entry.what)) {
        lines.add(Kind::Gain, format!("{} is revoked no more", subject(entry)));
    }
}

/// What is revoked, in words.
fn subject(entry: &Revocation) -> String {
    let what = match entry.what.parse::<PublicKey>() {
        Ok(key) => format!("key {}", key.fingerprint()),
        Err(_) => format!("certificate key {}", entry.what),
    };
    match entry.name.as_str() {
        "" => what,
        name => format!("{what} of {name}"),
    }
}

fn own(old: &OwnKeys, new: &OwnKeys, lines: &mut Lines) {
    let print = |secret: &SecretKey| secret.public().fingerprint().to_string();
    let current = |keys: &OwnKeys| keys.current.as_ref().map(print);
    let (was, is) = (current(old), current(new));
    if was != is {
        let shown = |print: Option<String>| print.unwrap_or_else(|| "none".to_owned());
        lines.add(
            Kind::Changes,
            format!("our key {} becomes {}", shown(was), shown(is)),
        );
    }
    let next = |keys: &OwnKeys| {
        let next = keys.next.as_ref()?;
        let when = match next.switch {
            Switch::All => "once all peers have it".to_owned(),
            Switch::At(at) => format!("from {} on", Until(at.as_secs())),
        };
        Some((print(&next.secret), when))
    };
    match (next(old), next(new)) {
        (None, Some((key, when))) => {
            lines.add(
                Kind::Appears,
                format!("our next key {key}: peers are told, and it is used {when}"),
            );
        }
        (Some((was, _)), Some((key, when))) if was != key => {
            lines.add(
                Kind::Changes,
                format!("our next key is {key}, not {was}: it is used {when}"),
            );
        }
        (Some((key, was)), Some((_, when))) if was != when => {
            lines.add(Kind::Changes, format!("our next key {key} is used {when}"));
        }
        (Some((key, _)), None)
            if !new
                .public()
                .iter()
                .any(|known| known.fingerprint().to_string() == key) =>
        {
            lines.add(Kind::Disappears, format!("our next key {key} is taken back"));
        }
        _ => {}
    }
    for gone in old.all().filter(|key| !new.public().contains(&key.public())) {
        let key = print(gone);
        if next(old).is_none_or(|(next, _)| next != key) {
            lines.add(
                Kind::Disappears,
                format!("our old key {key} is not accepted any more"),
            );
        }
    }
}
