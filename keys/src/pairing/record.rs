//! What is remembered of an invitation: one file each, in a directory that nobody else may look into.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::clock::REMEMBERED;
use super::disk;
use super::journal::Step;
use super::letter::{Offered, is_id};
use super::refusal::{Refusal, Result};
use crate::Psk;

/// How an invitation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// We made it, and wait for the reply.
    Open,
    /// We made it, and the reply came.
    Used,
    /// We made it, and then another one for the same gateway.
    Withdrawn,
    /// We were invited and have accepted.
    Accepted,
}

/// The record of one invitation.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) state: State,
    /// The other gateway.
    pub(super) peer: String,
    pub(super) made: u64,
    pub(super) expires: u64,
    /// When it became what it is.
    pub(super) since: u64,
    /// The reply that we wrote, if we have accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reply: Option<String>,
    /// While it is open: the secret of the pair, and what opens the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    psk: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) offers: Vec<Offered>,
}

impl Drop for Record {
    fn drop(&mut self) {
        self.psk.zeroize();
        self.identity.zeroize();
    }
}

impl Record {
    /// One that waits for the reply.
    pub(super) fn open(
        peer: &str,
        (made, expires): (u64, u64),
        psk: &Psk,
        identity: &age::x25519::Identity,
        offers: Vec<Offered>,
    ) -> Self {
        use age::secrecy::ExposeSecret;
        Record {
            state: State::Open,
            peer: peer.to_owned(),
            made,
            expires,
            since: made,
            reply: None,
            psk: Some(psk.to_text().to_string()),
            identity: Some(identity.to_string().expose_secret().to_owned()),
            offers,
        }
    }

    /// That of one that was accepted here.
    pub(super) fn accepted(peer: &str, (made, expires): (u64, u64), since: u64, reply: String) -> Self {
        Record {
            state: State::Accepted,
            peer: peer.to_owned(),
            made,
            expires,
            since,
            reply: Some(reply),
            psk: None,
            identity: None,
            offers: Vec::new(),
        }
    }

    /// The same without its secrets, in another state.
    pub(super) fn become_state(&self, state: State, since: u64) -> Self {
        let mut other = self.clone();
        other.psk.zeroize();
        other.identity.zeroize();
        (other.state, other.since) = (state, since);
        other
    }

    /// The secrets of one that is open.
    pub(super) fn secrets(&self) -> Result<(Psk, age::x25519::Identity)> {
        let broken =
            || Refusal::config("the record of this invitation is not as aoe-keys wrote it; invite again");
        let psk = self.psk.as_deref().and_then(|text| text.parse().ok());
        let identity = self.identity.as_deref().and_then(|text| text.parse().ok());
        psk.zip(identity).ok_or_else(broken)
    }

    pub(super) fn to_text(&self) -> Result<String> {
        let body = toml::to_string(self)
            .map_err(|error| Refusal::config(format!("a record cannot be written: {error}")))?;
        Ok(format!(
            "# Written by aoe-keys, which needs it to tell whether an invitation was used.\n{body}"
        ))
    }
}

/// All records of a gateway.
pub(super) struct Records {
    directory: PathBuf,
    all: Vec<(String, String, Record)>,
}

impl Records {
    /// Reads them; those that are not as we write them are left alone.
    pub(super) fn read(directory: &Path) -> Self {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let mut all: Vec<_> = entries
            .filter_map(|entry| {
                let path = entry.path();
                let id = path.file_stem()?.to_str().filter(|id| is_id(id))?.to_owned();
                let text = disk::read(&path).ok()??;
                let record = toml::from_str(&text).ok()?;
                Some((id, text.to_string(), record))
            })
            .collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        Records {
            directory: directory.to_owned(),
            all,
        }
    }

    /// That of one invitation.
    pub(super) fn find(&self, id: &str) -> Option<&Record> {
        self.all
            .iter()
            .find(|(of, ..)| of == id)
            .map(|(.., record)| record)
    }

    /// Writes a new one.
    pub(super) fn add(&self, id: &str, record: &Record) -> Result<Step> {
        Ok(Step::new(self.path(id), record.to_text()?, 0o600, None))
    }

    /// Ends one.
    pub(super) fn end(&self, id: &str, state: State, now: u64) -> Result<Option<Step>> {
        let Some((_, text, record)) = self.all.iter().find(|(of, ..)| of == id) else {
            return Ok(None);
        };
        let ended = record.become_state(state, now).to_text()?;
        Ok(Some(Step::replace(self.path(id), ended, 0o600, None, text)))
    }

    /// Those that wait for a reply of this gateway.
    pub(super) fn open_for(&self, peer: &str) -> Vec<String> {
        let open = self
            .all
            .iter()
            .filter(|(.., record)| record.state == State::Open && record.peer == peer);
        open.map(|(id, ..)| id.clone()).collect()
    }

    /// Those that are over for so long that nobody asks for them go.
    pub(super) fn forget(&self, now: u64, but: &str) -> Vec<Step> {
        let old = self.all.iter().filter(|(id, _, record)| {
            id != but && record.expires.max(record.since).saturating_add(REMEMBERED) < now
        });
        old.map(|(id, ..)| Step::remove(self.path(id))).collect()
    }

    fn path(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.toml"))
    }
}
