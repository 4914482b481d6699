//! The files of a key that is replaced.
//!
//! ```text
//! FILE            the key that the configuration names
//! FILE.next       the key that takes its place
//! FILE.old        the one before it, still accepted
//! FILE.old2       the one before that
//! FILE.rotation   when the next one is used, and until when old ones are accepted; by the key, not by the file
//! ```
//! Each file is put in place in one step, and in such an order that the gateway can read them after each. What was
//! interrupted is seen in the files, and completed by the next command.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aoe_keys::{PublicKey, SecretKey, store};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::changes::{cannot_write, replace, sync};
use crate::failure::{Exit, Failure};

const HEAD: &str =
    "# How the key beside this file is replaced. Written by `aoe-keys rotate`, read by the gateway.\n";

/// What is decided about a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    /// The key.
    pub(crate) public: String,
    /// When it is used: `all`, or a moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) switch: Option<String>,
    /// So many seconds after that, the key before it is not accepted any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) drop_after_seconds: Option<u64>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) begun: Option<String>,
    /// From when on it is not accepted any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) drop_at: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    #[serde(default)]
    key: Vec<Decision>,
}

/// The keys of a gateway, and what is decided about them.
#[derive(Debug)]
pub(crate) struct Rotation {
    file: PathBuf,
    /// The key of the configuration.
    pub(crate) current: PublicKey,
    /// The one that takes its place.
    pub(crate) next: Option<PublicKey>,
    /// The one before, and the one before that.
    pub(crate) old: [Option<PublicKey>; 2],
    decisions: Vec<Decision>,
}

impl Rotation {
    /// Reads the files of a key.
    ///
    /// # Errors
    /// The key cannot be read, or one of the other files is there and cannot.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let maybe = |suffix| match store::look_at_secret(with(file, suffix)) {
            Ok(key) => Ok(Some(key.public())),
            Err(store::StoreError::Open { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::Input(error)),
        };
        let current = store::look_at_secret(file).map_err(Failure::Input)?.public();
        if fs::symlink_metadata(file).is_ok_and(|found| found.is_symlink()) {
            return Err(Failure::refused(
                Exit::CannotCreate,
                format!(
                    "{} is a symbolic link, which cannot be replaced in one step; name the file itself as `key` of [gateway]",
                    file.display()
                ),
            ));
        }
        Ok(Rotation {
            current,
            next: maybe("next")?.filter(|next| *next != current),
            old: [maybe("old")?, maybe("old2")?],
            decisions: decisions(file)?,
            file: file.to_owned(),
        })
    }

    /// What is decided about a key.
    pub(crate) fn decision(&self, key: PublicKey) -> Option<&Decision> {
        let text = key.to_string();
        self.decisions.iter().find(|decision| decision.public == text)
    }

    /// From when on a key is not accepted any more.
    pub(crate) fn drop_at(&self, key: PublicKey) -> Option<Timestamp> {
        self.decision(key)?.drop_at.as_ref()?.parse().ok()
    }

    /// Makes the next key.
    ///
    /// # Errors
    /// There is no randomness, or something cannot be written; then nothing counts.
    pub(crate) fn begin(&mut self, switch: String, drop_after: Duration) -> Result<PublicKey, Failure> {
        let secret = SecretKey::generate()?;
        let key = secret.public();
        // First what is decided: the key is never there without it.
        self.decide(Decision {
            public: key.to_string(),
            switch: Some(switch),
            drop_after_seconds: Some(drop_after.as_secs()),
            begun: Some(format!("{:.0}", Timestamp::now())),
            drop_at: None,
        })?;
        self.put_next(&secret)?;
        self.next = Some(key);
        Ok(key)
    }

    fn put_next(&self, secret: &SecretKey) -> Result<(), Failure> {
        let next = with(&self.file, "next");
        replace(&next, &store::secret_file_text(secret), 0o600, &self.file)
    }

    /// Whether the next key is being put in the place of the one in use, and that was interrupted.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.next.is_some() && (self.drop_at(self.current).is_some() || self.old[0] == Some(self.current))
    }

    /// Puts the next key in the place of the one in use, which is accepted until `drop_at`.
    ///
    /// # Errors
    /// Something cannot be written; the next command goes on.
    pub(crate) fn finish(&mut self, drop_at: Timestamp) -> Result<(), Failure> {
        if self.drop_at(self.current).is_none() {
            self.decide(Decision {
                public: self.current.to_string(),
                drop_at: Some(format!("{drop_at:.0}")),
                ..Decision::default()
            })?;
        }
        self.put_in_place()
    }

    /// Moves the files. Begun again after any of its steps, it does the rest.
    pub(crate) fn put_in_place(&mut self) -> Result<(), Failure> {
        let [next, old, older] = ["next", "old", "old2"].map(|suffix| with(&self.file, suffix));
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| cannot_write(&path, &error)
        };
        if self.old[0] != Some(self.current) {
            if self.old[0].is_some() {
                fs::rename(&old, &older).map_err(failed(&older))?;
            }
            // The key is never missing.
            fs::hard_link(&self.file, &old).map_err(failed(&old))?;
        }
        fs::rename(&next, &self.file).map_err(failed(&self.file))?;
        sync(self.directory()).map_err(failed(&self.file))?;
        *self = Rotation::read(&self.file)?;
        self.prune()
    }

    /// Takes the next key back.
    pub(crate) fn abort(&mut self) -> Result<(), Failure> {
        self.remove("next")?;
        self.next = None;
        self.prune()
    }

    /// Removes keys that are not accepted any more, and what was decided about keys that are not there. The keys that
    /// went.
    pub(crate) fn sweep(&mut self, now: Timestamp) -> Result<Vec<PublicKey>, Failure> {
        let mut gone = Vec::new();
        for (suffix, key) in ["old", "old2"].into_iter().zip(self.old) {
            let is_over =
                |key: &PublicKey| *key != self.current && self.drop_at(*key).is_some_and(|at| at <= now);
            if let Some(key) = key.filter(is_over) {
                self.remove(suffix)?;
                gone.push(key);
            }
        }
        self.old = self.old.map(|key| key.filter(|key| !gone.contains(key)));
        self.prune()?;
        Ok(gone)
    }

    fn remove(&self, suffix: &str) -> Result<(), Failure> {
        let path = with(&self.file, suffix);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Failure::refused(
                Exit::CannotCreate,
                format!("cannot remove {}: {error}", path.display()),
            )),
            _ => Ok(()),
        }
    }

    fn decide(&mut self, decision: Decision) -> Result<(), Failure> {
        self.decisions.retain(|known| known.public != decision.public);
        self.decisions.push(decision);
        self.write()
    }

    /// Forgets what was decided about keys that are not there.
    fn prune(&mut self) -> Result<(), Failure> {
        let there = [Some(self.current), self.next, self.old[0], self.old[1]];
        let texts: Vec<_> = there.iter().flatten().map(PublicKey::to_string).collect();
        let before = self.decisions.len();
        self.decisions.retain(|decision| texts.contains(&decision.public));
        match self.decisions.len() == before {
            true => Ok(()),
            false => self.write(),
        }
    }

    fn write(&self) -> Result<(), Failure> {
        let path = with(&self.file, "rotation");
        let contents = Contents {
            key: self.decisions.clone(),
        };
        let text = toml::to_string(&contents).unwrap_or_default();
        replace(&path, &format!("{HEAD}\n{text}"), 0o644, &self.file)
    }

    fn directory(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("."))
    }
}

/// The file beside a key that is called after it.
fn with(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

fn decisions(file: &Path) -> Result<Vec<Decision>, Failure> {
    let path = with(file, "rotation");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            let why = format!("cannot read {}: {error}", path.display());
            return Err(Failure::refused(Exit::NoInput, why));
        }
    };
    let contents: Contents = toml::from_str(&text).map_err(|error| {
        let why = error.message().replace('\n', " ");
        Failure::refused(
            Exit::Data,
            format!(
                "{}: {why}; mend it, or remove it: then old keys are accepted until their files go",
                path.display()
            ),
        )
    })?;
    Ok(contents.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: Duration = Duration::from_secs(7 * 86_400);

    fn key_in(dir: &Path) -> PathBuf {
        let file = dir.join("a.key");
        store::write_secret(&file, &SecretKey::generate().unwrap(), store::Existing::Keep).unwrap();
        file
    }

    fn later() -> Timestamp {
        Timestamp::now() + jiff::SignedDuration::from_hours(24)
    }

    #[test]
    fn two_rotations_leave_the_newest_in_use_and_both_older_ones_with_their_dates() {
        let dir = tempfile::tempdir().unwrap();
        let file = key_in(dir.path());
        let mut rotation = Rotation::read(&file).unwrap();
        let first = rotation.current;
        let second = rotation.begin("all".to_owned(), WEEK).unwrap();
        assert_eq!(Rotation::read(&file).unwrap().next, Some(second));
        rotation.finish(later()).unwrap();
        let third = rotation.begin("all".to_owned(), WEEK).unwrap();
        rotation.finish(later()).unwrap();

        let mut read = Rotation::read(&file).unwrap();
        assert_eq!((read.current, read.next), (third, None));
        assert_eq!(read.old, [Some(second), Some(first)]);
        assert!(read.drop_at(first).is_some() && read.drop_at(second).is_some());
        assert_eq!(read.sweep(Timestamp::now()).unwrap(), []);
        assert_eq!(
            read.sweep(later() + jiff::SignedDuration::from_hours(1)).unwrap(),
            [second, first]
        );
        let read = Rotation::read(&file).unwrap();
        assert_eq!((read.current, read.old), (third, [None, None]));
        assert_eq!(read.drop_at(first), None);
    }

    /// What is on disk after the first so many steps of a finish.
    fn interrupted(file: &Path, steps: usize) -> Rotation {
        let mut rotation = Rotation::read(file).unwrap();
        rotation.begin("all".to_owned(), WEEK).unwrap();
        let current = rotation.current.to_string();
        let drop_at = Some(format!("{:.0}", later()));
        rotation
            .decide(Decision {
                public: current,
                drop_at,
                ..Decision::default()
            })
            .unwrap();
        let [old, older] = ["old", "old2"].map(|suffix| with(file, suffix));
        if steps > 0 && rotation.old[0].is_some() {
            fs::rename(&old, older).unwrap();
        }
        if steps > 1 {
            fs::hard_link(file, old).unwrap();
        }
        rotation
    }

    #[test]
    fn a_finish_that_was_interrupted_anywhere_is_seen_and_completed() {
        for before in [false, true] {
            for steps in 0..3 {
                let dir = tempfile::tempdir().unwrap();
                let file = key_in(dir.path());
                let mut rotation = Rotation::read(&file).unwrap();
                assert!(!rotation.is_interrupted());
                let mut expected = Vec::new();
                if before {
                    expected.push(rotation.current);
                    rotation.begin("all".to_owned(), WEEK).unwrap();
                    rotation.finish(later()).unwrap();
                }
                let rotation = interrupted(&file, steps);
                expected.insert(0, rotation.current);
                let next = rotation.next.unwrap();

                let mut again = Rotation::read(&file).unwrap();
                assert!(again.is_interrupted(), "{steps}");
                again.put_in_place().unwrap();
                let read = Rotation::read(&file).unwrap();
                assert!(!read.is_interrupted());
                assert_eq!((read.current, read.next), (next, None), "{steps}");
                let old: Vec<_> = read.old.into_iter().flatten().collect();
                assert_eq!(old, expected, "{steps}");
                assert!(expected.iter().all(|key| read.drop_at(*key).is_some()));
            }
        }
    }

    #[test]
    fn a_begin_that_was_interrupted_leaves_nothing_that_counts() {
        let dir = tempfile::tempdir().unwrap();
        let file = key_in(dir.path());
        let mut rotation = Rotation::read(&file).unwrap();
        rotation.begin("all".to_owned(), WEEK).unwrap();
        fs::remove_file(with(&file, "next")).unwrap();
        let mut read = Rotation::read(&file).unwrap();
        assert_eq!(read.next, None);
        read.sweep(Timestamp::now()).unwrap();
        assert_eq!(read.decisions, []);
        read.begin("all".to_owned(), WEEK).unwrap();
        read.abort().unwrap();
        let read = Rotation::read(&file).unwrap();
        assert_eq!((read.next, read.decisions.len()), (None, 0));
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            2,
            "the key and the file of decisions"
        );
    }
}
