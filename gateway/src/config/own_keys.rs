//! Our own keys: the one that the configuration names, and those beside it while it is replaced.
//!
//! `aoe-keys rotate` writes these files; the gateway only reads them. `FILE.rotation` says when the next one is used and
//! until when old ones are accepted, by the key and not by the file: between two of its steps a key may have two files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aoe_common::config::{NextKey, OldKey, OwnKeys, Switch};
use aoe_keys::store::{self, Purpose};
use aoe_keys::{PublicKey, SecretKey};
use jiff::Timestamp;
use serde::Deserialize;

use super::fault::{Faults, Kind};
use super::kept::Reader;
use super::source::Place;
use crate::clock::unix_time;

/// No such file is longer.
const LONGEST: u64 = 64 << 10;

/// What is decided about a key.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    public: String,
    switch: Option<String>,
    drop_after_seconds: Option<u64>,
    /// For people.
    #[serde(rename = "begun")]
    _begun: Option<String>,
    drop_at: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decisions {
    #[serde(default)]
    key: Vec<Decision>,
}

/// The keys beside `current`, which is in `file`. What cannot be used is reported at `place`, where that is named.
pub(super) fn read(
    current: SecretKey,
    file: &Path,
    place: &Place,
    (reader, faults): (&mut Reader<'_>, &mut Faults),
) -> OwnKeys {
    let mut beside = |suffix| {
        let path = with(file, suffix);
        reader.watch(&path);
        let read = match reader.purpose() {
            Purpose::Use => store::read_secret(&path),
            Purpose::Look => store::look_at_secret(&path),
        };
        match read {
            Ok(key) => Some(key),
            Err(store::StoreError::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let instead = match error.mending_command() {
                    Some(command) => format!("run: {command}"),
                    None => format!("look at it with `aoe-keys check {}`", path.display()),
                };
                faults.fault(Kind::Secret, place, error.to_string(), instead);
                None
            }
        }
    };
    let [next, old, older] = ["next", "old", "old2"].map(&mut beside);
    let path = with(file, "rotation");
    reader.watch(&path);
    let decisions = match decisions(&path) {
        Ok(decisions) => decisions,
        Err(why) => {
            let instead = "mend it, or remove it: then old keys are accepted until their files go";
            faults.file_fault(Kind::BadValue, &path, why, instead.to_owned());
            Vec::new()
        }
    };
    assemble(current, next, [old, older], &decisions, unix_time())
}

/// Each key once: the next one is none if it is in use already, and an old one none if it is newer, or its time is over.
fn assemble(
    current: SecretKey,
    next: Option<SecretKey>,
    old: [Option<SecretKey>; 2],
    decisions: &[Decision],
    now: Duration,
) -> OwnKeys {
    let of = |key: PublicKey| {
        let text = key.to_string();
        decisions.iter().find(|decision| decision.public == text)
    };
    let next = next.filter(|next| next.public() != current.public());
    let next = next.map(|secret| {
        let decision = of(secret.public());
        let at = decision.and_then(|decision| moment(decision.switch.as_deref()?));
        NextKey {
            switch: at.map_or(Switch::All, Switch::At),
            switched: None,
            drop_after: decision.and_then(|decision| decision.drop_after_seconds.map(Duration::from_secs)),
            secret,
        }
    });
    let mut taken = vec![current.public()];
    taken.extend(next.as_ref().map(|next| next.secret.public()));
    let mut kept = Vec::new();
    for secret in old.into_iter().flatten() {
        let drop_at = of(secret.public()).and_then(|decision| moment(decision.drop_at.as_deref()?));
        if !taken.contains(&secret.public()) && drop_at.is_none_or(|at| at > now) {
            taken.push(secret.public());
            kept.push(OldKey { secret, drop_at });
        }
    }
    OwnKeys {
        current: Some(current),
        next,
        old: kept,
    }
}

/// The file beside a key that is called after it.
fn with(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// What is decided; nothing, if there is no such file.
fn decisions(path: &Path) -> Result<Vec<Decision>, String> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("it cannot be read: {error}")),
        Ok(found) if !found.is_file() => return Err("this is no regular file".to_owned()),
        Ok(found) if found.len() > LONGEST => return Err(format!("it has more than {LONGEST} bytes")),
        Ok(_) => {}
    }
    let text = fs::read_to_string(path).map_err(|error| format!("it cannot be read: {error}"))?;
    let wrong = |at: usize, what: &str| {
        let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        format!("line {line}: {}", what.replace('\n', " "))
    };
    let decisions: Decisions = toml::from_str(&text)
        .map_err(|error| wrong(error.span().map_or(0, |span| span.start), error.message()))?;
    for decision in &decisions.key {
        let at = text.find(&decision.public).unwrap_or(0);
        if decision.public.parse::<PublicKey>().is_err() {
            return Err(wrong(at, "`public` is no public key"));
        }
        let is_switch = |switch: &str| switch == "all" || moment(switch).is_some();
        if decision
            .switch
            .as_deref()
            .is_some_and(|switch| !is_switch(switch))
        {
            return Err(wrong(
                at,
                "the `switch` of this key is neither \"all\" nor a moment",
            ));
        }
        if decision.drop_at.as_deref().is_some_and(|at| moment(at).is_none()) {
            return Err(wrong(at, "the `drop_at` of this key is no moment"));
        }
    }
    Ok(decisions.key)
}

/// A moment in Unix time.
fn moment(text: &str) -> Option<Duration> {
    let at: Timestamp = text.parse().ok()?;
    u64::try_from(at.as_second()).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_bytes([byte; 32])
    }

    fn dropped(byte: u8, at: &str) -> Decision {
        Decision {
            public: key(byte).public().to_string(),
            drop_at: Some(at.to_owned()),
            ..Decision::default()
        }
    }

    fn numbers(keys: &OwnKeys) -> Vec<u8> {
        keys.all().map(|secret| secret.expose()[0]).collect()
    }

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    #[test]
    fn each_key_counts_once_and_not_longer_than_it_should() {
        let decisions = [
            dropped(1, "2099-01-01T00:00:00Z"),
            dropped(3, "2001-01-01T00:00:00Z"),
            Decision {
                public: key(4).public().to_string(),
                switch: Some("2098-01-01T00:00:00Z".to_owned()),
                drop_after_seconds: Some(60),
                ..Decision::default()
            },
        ];
        let keys = assemble(
            key(2),
            Some(key(4)),
            [Some(key(1)), Some(key(3))],
            &decisions,
            NOW,
        );
        assert_eq!(numbers(&keys), [4, 2, 1]);
        let next = keys.next.as_ref().unwrap();
        assert!(matches!(next.switch, Switch::At(_)));
        assert_eq!(next.drop_after, Some(Duration::from_secs(60)));
        assert!(keys.old[0].drop_at.is_some());
    }

    #[test]
    fn between_two_steps_of_a_finish_a_key_with_two_files_is_what_it_was() {
        let keys = assemble(key(2), Some(key(3)), [Some(key(2)), Some(key(1))], &[], NOW);
        assert_eq!(numbers(&keys), [3, 2, 1]);
        let keys = assemble(key(3), Some(key(3)), [Some(key(2)), Some(key(1))], &[], NOW);
        assert_eq!((numbers(&keys), keys.next.is_none()), (vec![3, 2, 1], true));
    }

    #[test]
    fn a_file_of_decisions_that_is_wrong_says_where() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key.rotation");
        assert!(decisions(&path).unwrap().is_empty());
        let public = key(1).public();
        for (text, expected) in [
            (
                "[[key]]\npublic = 'x'\n".to_owned(),
                "line 2: `public` is no public key",
            ),
            (
                format!("[[key]]\npublic = '{public}'\nswitch = 'soon'\n"),
                "line 2: the `switch`",
            ),
            (
                format!("[[key]]\npublic = '{public}'\ndrop_at = 'soon'\n"),
                "line 2: the `drop_at`",
            ),
            ("\n[[key]]\nkind = 1\n".to_owned(), "line 3: unknown field"),
            ("[[key".to_owned(), "line 1: "),
        ] {
            fs::write(&path, &text).unwrap();
            let why = decisions(&path).unwrap_err();
            assert!(why.contains(expected), "{text}: {why}");
        }
    }
}
