//! `revoked.toml`: keys that are not trusted any more.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::str::FromStr;

use aoe_keys::{PublicKey, SpkiHash};
use serde::{Deserialize, Serialize};

use super::changes::replace;
use crate::failure::{Exit, Failure};

/// Longest `why`, in characters.
pub(crate) const LONGEST_WHY: usize = 200;
const HEAD: &str = "\
# Keys that are not trusted any more; the gateway reads this file whenever it changes. `aoe-keys revoke` adds to it.
# To trust a key again, remove its [[revoked]].
";

/// What is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A static key.
    Key(PublicKey),
    /// The key of certificates.
    Certificate(SpkiHash),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Key(key) => key.fmt(f),
            What::Certificate(hash) => hash.fmt(f),
        }
    }
}

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.starts_with(SpkiHash::PREFIX) {
            true => text
                .parse()
                .map(What::Certificate)
                .map_err(|error: aoe_keys::SpkiTextError| error.to_string()),
            false => text
                .parse()
                .map(What::Key)
                .map_err(|error: aoe_keys::KeyTextError| error.to_string()),
        }
    }
}

/// One entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Revocation {
    /// Text of the key or hash.
    pub(crate) what: String,
    /// Whose it was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) when: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) why: String,
}

/// The file.
#[derive(Debug)]
pub(crate) struct Revocations {
    text: String,
    /// Its entries.
    pub(crate) list: Vec<Revocation>,
}

#[derive(Deserialize)]
struct Contents {
    #[serde(default)]
    revoked: Vec<Revocation>,
}

impl Revocations {
    /// Reads the file; one that is not there is empty.
    ///
    /// # Errors
    /// It cannot be read or understood. Nothing is added to such a file: what is in it would not count.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(Failure::refused(
                    Exit::NoInput,
                    format!("cannot read {}: {error}", path.display()),
                ));
            }
        };
        let broken = |line: usize, why: &str| {
            let why = why.replace('\n', " ");
            Failure::refused(
                Exit::Data,
                format!(
                    "{}:{line}: {why}; mend the file first: the gateway refuses it too",
                    path.display()
                ),
            )
        };
        let contents: Contents = toml::from_str(&text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            broken(
                text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1,
                error.message(),
            )
        })?;
        for entry in &contents.revoked {
            if let Err(why) = entry.what.parse::<What>() {
                let before = text.split(entry.what.as_str()).next().unwrap_or_default();
                return Err(broken(before.matches('\n').count() + 1, &why));
            }
        }
        Ok(Revocations {
            list: contents.revoked,
            text,
        })
    }

    /// Whether it is there already.
    pub(crate) fn find(&self, what: What) -> Option<&Revocation> {
        self.list.iter().find(|entry| entry.what.parse() == Ok(what))
    }

    /// Adds entries behind what is written, in one step.
    ///
    /// # Errors
    /// It cannot be written; then it is as it was.
    pub(crate) fn add(&self, path: &Path, config: &Path, entries: &[Revocation]) -> Result<(), Failure> {
        let mut text = match self.text.is_empty() {
            true => HEAD.to_owned(),
            false => self.text.clone(),
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        for entry in entries {
            let table = toml::to_string(entry).unwrap_or_default();
            text.push_str(&format!("\n[[revoked]]\n{table}"));
        }
        replace(path, &text, 0o644, config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "aoe-public-1:j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF-Qnmfh";

    #[test]
    fn what_is_added_stands_behind_what_was_written_by_hand() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("revoked.toml");
        let hash = SpkiHash::of(b"x");
        fs::write(&file, format!("# ours\n[[revoked]]\nwhat = '{hash}' # lost")).unwrap();
        let entry = Revocation {
            what: KEY.to_owned(),
            why: "a \"quoted\"\nreason".to_owned(),
            ..Revocation::default()
        };
        let before = Revocations::read(&file).unwrap();
        before.add(&file, &file, std::slice::from_ref(&entry)).unwrap();
        let after = Revocations::read(&file).unwrap();
        assert_eq!(after.list.len(), 2);
        assert_eq!(after.list[1], entry);
        assert!(after.find(What::Certificate(hash)).is_some());
        assert!(after.text.starts_with("# ours\n"), "{}", after.text);
        assert_eq!(before.find(KEY.parse().unwrap()), None);
    }

    #[test]
    fn a_file_that_would_not_count_is_not_added_to() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("revoked.toml");
        for (text, expected) in [
            ("[[revoked]]\n\nwhat = 'aoe-public-1:x'\n", ":3: "),
            ("a = 1\n[[revoked]", ":2: "),
            ("[[revoked]]\nname = 'x'\n", ":1: missing field `what`"),
        ] {
            fs::write(&file, text).unwrap();
            let error = Revocations::read(&file).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
