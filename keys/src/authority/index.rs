//! What a CA has issued.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use aoe_keys::store::{Existing, Visibility};
use serde::{Deserialize, Serialize};

use super::{CaError, INDEX, dates, write};

/// The longest index that is read, in bytes: some ten thousand certificates.
const LONGEST: u64 = 8 << 20;
const VERSION: u32 = 1;
const HEAD: &str = "\
# What this CA has issued. aoe-keys writes it; a change by hand is kept, and counts from the next command on.
";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Index {
    version: u32,
    /// Of the last revocation list.
    pub(crate) crl_number: u64,
    /// How long a revocation list counts.
    pub(crate) crl_days: u32,
    /// The oldest first.
    #[serde(default, rename = "certificate", skip_serializing_if = "Vec::is_empty")]
    pub(crate) entries: Vec<Entry>,
}

/// One certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The short name that people call it by.
    pub(crate) name: String,
    /// In hexadecimal, with a colon between bytes.
    pub(crate) serial: String,
    /// Its subject alternative names.
    pub(crate) names: Vec<String>,
    #[serde(with = "dates")]
    pub(crate) not_before: i64,
    #[serde(with = "dates")]
    pub(crate) not_after: i64,
    pub(crate) spki: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revoked: Option<Revoked>,
}

/// That a certificate counts no longer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revoked {
    #[serde(with = "dates")]
    pub(crate) at: i64,
    #[serde(default)]
    pub(crate) reason: Reason,
}

/// Why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reason {
    /// Nobody said why
    #[default]
    Unspecified,
    /// Somebody else has, or may have, the private key
    KeyCompromise,
    /// Another certificate took its place
    Superseded,
    /// The gateway is no longer there
    CessationOfOperation,
}

impl Index {
    pub(crate) fn new(crl_days: u32) -> Self {
        Index {
            version: VERSION,
            crl_number: 0,
            crl_days,
            entries: Vec::new(),
        }
    }

    /// Reads the index of a CA's directory.
    pub(crate) fn read(dir: &Path) -> Result<Self, CaError> {
        let path = dir.join(INDEX);
        let fault = |why: String| CaError::Index {
            path: path.clone(),
            why,
        };
        let mut text = String::new();
        let read = File::open(&path).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text));
        match read {
            Ok(_) if u64::try_from(text.len()).is_ok_and(|len| len <= LONGEST) => {}
            Ok(_) => return Err(fault(format!("it is longer than {LONGEST} bytes"))),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Err(CaError::NoAuthority { dir: dir.to_owned() });
            }
            Err(source) => return Err(CaError::Io { path, source }),
        }
        let index: Index =
            toml::from_str(&text).map_err(|error| fault(error.to_string().trim_end().to_owned()))?;
        match index.version {
            VERSION => Ok(index),
            other => Err(fault(format!(
                "it is of version {other}, and this aoe-keys knows version {VERSION}"
            ))),
        }
    }

    pub(super) fn write(&self, dir: &Path) -> Result<(), CaError> {
        let path = dir.join(INDEX);
        let text = toml::to_string(self).map_err(|error| CaError::Index {
            path: path.clone(),
            why: error.to_string(),
        })?;
        write(
            &path,
            &format!("{HEAD}{text}"),
            Visibility::Public,
            Existing::Replace,
        )
    }

    /// The certificates that a word of a person means: all of a short name, or the one of a serial.
    pub(crate) fn find(&self, word: &str) -> Vec<&Entry> {
        let of_name: Vec<_> = self.entries.iter().filter(|entry| entry.name == word).collect();
        if of_name.is_empty() {
            let digits = |text: &str| text.replace(':', "").to_ascii_lowercase();
            let serial = digits(word);
            self.entries
                .iter()
                .filter(|entry| digits(&entry.serial) == serial)
                .collect()
        } else {
            of_name
        }
    }

    /// When a key was revoked, if it was. A certificate that another took the place of says nothing against its key.
    pub(crate) fn revocation_of(&self, spki: &str) -> Option<i64> {
        let of_key = self.entries.iter().filter(|entry| entry.spki == spki);
        let against_it =
            |revoked: &&Revoked| matches!(revoked.reason, Reason::Unspecified | Reason::KeyCompromise);
        of_key
            .filter_map(|entry| entry.revoked.as_ref())
            .filter(against_it)
            .map(|revoked| revoked.at)
            .min()
    }
}

impl Entry {
    /// `valid`, `revoked`, `expired`, or `not yet valid`.
    pub(crate) fn state(&self, now: i64) -> &'static str {
        if self.revoked.is_some() {
            "revoked"
        } else if now >= self.not_after {
            "expired"
        } else if now < self.not_before {
            "not yet valid"
        } else {
            "valid"
        }
    }
}
