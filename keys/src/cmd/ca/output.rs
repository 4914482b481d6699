//! What the verbs say, and the files that they write for others.

use std::path::{Path, PathBuf};

use aoe_keys::store::{self, Existing, Visibility};
use rcgen::KeyPair;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::authority::{CaError, Entry, dates};
use crate::failure::Failure;
use crate::streams::{self, Format};

/// One certificate.
#[derive(Serialize)]
pub(super) struct Row {
    name: String,
    serial: String,
    names: Vec<String>,
    not_before: String,
    not_after: String,
    spki: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<String>,
}

impl Row {
    pub(super) fn of(entry: &Entry, now: i64) -> Self {
        Row {
            name: entry.name.clone(),
            serial: entry.serial.clone(),
            names: entry.names.clone(),
            not_before: dates::text(entry.not_before),
            not_after: dates::text(entry.not_after),
            spki: entry.spki.clone(),
            state: entry.state(now),
            revoked: entry.revoked.as_ref().map(|revoked| dates::text(revoked.at)),
        }
    }

    /// One line.
    pub(super) fn line(&self) -> String {
        let when = match &self.revoked {
            Some(at) => format!("revoked on {at}"),
            None => format!("{} until {}", self.state, self.not_after),
        };
        format!(
            "{}: {}, {when}, serial {}\n",
            self.name,
            self.names.join(", "),
            self.serial
        )
    }
}

/// What was issued, and where it is.
#[derive(Serialize)]
pub(super) struct Issued {
    #[serde(flatten)]
    row: Row,
    certificate: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// Where a certificate goes, and its key if a new one is made.
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: Option<PathBuf>,
}

impl Files {
    /// Refuses what is there already, before anything is issued. The writing itself guards against a race.
    pub(super) fn free(&self) -> Result<(), CaError> {
        for path in [Some(&self.certificate), self.key.as_ref()].into_iter().flatten() {
            if path.symlink_metadata().is_ok() {
                return Err(CaError::Exists {
                    path: path.clone(),
                    instead: "remove it, or choose another name with --out or --out-key",
                });
            }
        }
        Ok(())
    }

    /// Writes the key first: a certificate without its key is of no use, a key without a certificate does no harm.
    pub(super) fn write_key(&self, pair: &KeyPair, existing: Existing) -> Result<(), CaError> {
        if let Some(path) = &self.key {
            let text = Zeroizing::new(pair.serialize_pem());
            store::write_text(path, &text, Visibility::Secret, existing)?;
        }
        Ok(())
    }

    pub(super) fn write_certificate(&self, pem: &str, existing: Existing) -> Result<(), CaError> {
        Ok(store::write_text(
            &self.certificate,
            pem,
            Visibility::Public,
            existing,
        )?)
    }

    pub(super) fn say(&self, entry: &Entry, now: i64, format: Format) -> Result<(), Failure> {
        let row = Row::of(entry, now);
        match format {
            Format::Text => {
                let mut text = row.line();
                text.push_str(&format!("certificate {}\n", self.certificate.display()));
                if let Some(key) = &self.key {
                    text.push_str(&format!("key {} (mode 0600)\n", key.display()));
                }
                streams::emit(&text)
            }
            Format::Json => streams::emit_json(&Issued {
                row,
                certificate: self.certificate.display().to_string(),
                key: self.key.as_deref().map(shown),
            }),
        }
    }
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Says that an end of the CA cuts a certificate short.
pub(super) fn warn_if_cut(entry: &Entry, now: i64, days: u32) {
    if entry.not_after < now + i64::from(days) * 86_400 {
        streams::note(format_args!(
            "note: the CA itself ends on {}, and so does this certificate",
            dates::text(entry.not_after)
        ));
    }
}
