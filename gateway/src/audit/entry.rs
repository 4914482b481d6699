//! What the audit log says. `docs/audit.md` describes every field.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::Caller;
use super::merge::Span;
use crate::control::{Answer, Cause, Line, orders};

/// Changes and faults in one entry; the worst come first.
const MOST_LISTED: usize = 200;

/// Something to be taken down.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Entry {
    /// The gateway starts.
    Start {
        /// Its version.
        version: &'static str,
        /// Its process.
        pid: u32,
        /// Its user.
        uid: u32,
        /// The gateway file.
        config: String,
        /// Where it listens.
        listen: Vec<String>,
    },
    /// The gateway's own key was read.
    KeyLoaded {
        /// From where.
        file: String,
        /// The fingerprint of its public half.
        key: String,
    },
    /// The gateway ends.
    Stop {
        /// Its version.
        version: &'static str,
        /// Why; empty if it was told to.
        reason: String,
    },
    /// A signal told the gateway to end.
    Signal {
        /// Its name.
        signal: &'static str,
    },
    /// There is a session with a peer.
    SessionUp {
        /// The peer.
        peer: String,
        /// The fingerprint of its key.
        key: String,
        /// Its address.
        address: Option<String>,
        /// Agreed mode.
        protection: String,
        /// Agreed cipher.
        cipher: String,
        /// Whether a pre-shared key was mixed in.
        psk: bool,
        /// What the keys rest on against a quantum computer.
        post_quantum: &'static str,
    },
    /// The keys of a session withstand a quantum computer from now on.
    SessionKeys {
        /// The peer.
        peer: String,
        /// The fingerprint of its key.
        key: String,
        /// Its address.
        address: Option<String>,
        /// By what.
        post_quantum: &'static str,
    },
    /// A session has ended.
    SessionLost {
        /// The peer.
        peer: String,
        /// The fingerprint of its key.
        key: String,
        /// Its address.
        address: Option<String>,
        /// Why.
        reason: &'static str,
    },
    /// A known peer gets no session.
    SessionRefused {
        /// The peer.
        peer: String,
        /// The fingerprint of its key.
        key: String,
        /// The host it calls from.
        address: Option<String>,
        /// Why.
        reason: &'static str,
        /// How often.
        #[serde(flatten)]
        span: Span,
    },
    /// Somebody calls who is no peer.
    Stranger {
        /// The host.
        address: String,
        /// The fingerprint of the caller's key, if it was understood.
        key: Option<String>,
        /// How often.
        #[serde(flatten)]
        span: Span,
    },
    /// Requests of an initiator were refused.
    Refused {
        /// The other gateway.
        peer: String,
        /// The export.
        export: String,
        /// The address of the import, at the edge.
        import: Option<String>,
        /// Who asked.
        initiator: String,
        /// The name of the counter.
        reason: &'static str,
        /// What was asked, in words.
        what: String,
        /// How often.
        #[serde(flatten)]
        span: Span,
    },
    /// More was refused than can be named.
    RefusedOthers {
        /// How often.
        #[serde(flatten)]
        span: Span,
    },
    /// An order by the control socket, carried out or not.
    Command {
        /// Who gave it.
        by: Caller,
        /// What was asked; a text if it is no JSON or long.
        request: Value,
        /// What came of it.
        outcome: String,
        /// Why nothing came of it.
        #[serde(skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// The configuration was read again.
    Reload {
        /// Who wanted it.
        by: By,
        /// What came of it.
        outcome: String,
        /// Why nothing was changed.
        #[serde(skip_serializing_if = "String::is_empty")]
        reason: String,
        /// What has changed, in words.
        changes: Vec<Line>,
        /// How many more changes there are.
        #[serde(skip_serializing_if = "is_zero")]
        left_out: usize,
        /// What is wrong with the files.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        faults: Vec<String>,
    },
    /// What a peer may do with an export, before and after a reload.
    Right {
        /// The peer.
        peer: String,
        /// The export.
        export: String,
        /// Before; `null`: nothing.
        before: Option<Value>,
        /// After; `null`: nothing.
        after: Option<Value>,
    },
    /// The key of a peer, before and after a reload.
    PeerKey {
        /// The peer.
        peer: String,
        /// Before; `null`: there was no such peer.
        before: Option<String>,
        /// After; `null`: there is no such peer.
        after: Option<String>,
    },
    /// The pre-shared key of a peer was changed by a reload.
    Psk {
        /// The peer.
        peer: String,
        /// `added`, `removed` or `changed`.
        change: &'static str,
    },
    /// A peer has other keys, as it said itself.
    PeerKeys {
        /// The peer.
        peer: String,
        /// The fingerprints of all its keys, the newest first.
        keys: Vec<String>,
        /// The one that it uses.
        in_use: String,
    },
    /// Peers are called by another key of ours.
    KeySwitched {
        /// Its fingerprint.
        key: String,
        /// The one that it takes the place of.
        was: Option<String>,
    },
    /// A key is not trusted any more, or again.
    Revoked {
        /// Its text.
        what: String,
        /// The peer, as the file says.
        peer: String,
        /// Why, as the file says.
        why: String,
        /// `added` or `removed`.
        change: &'static str,
    },
    /// The operator accepted another disk.
    DiskAccepted {
        /// Of this export.
        export: String,
    },
    /// Entries were lost.
    Lost {
        /// So many, before this one.
        times: u64,
    },
}

impl Entry {
    /// A reload that was answered like this.
    pub(crate) fn reload(cause: &Cause, answer: &Answer) -> Entry {
        let outcome = serde_json::to_value(answer.outcome).unwrap_or_default();
        let faults = answer.faults.iter().take(MOST_LISTED);
        Entry::Reload {
            by: match cause {
                Cause::Asked(orders::By::Hangup) => By::Signal { signal: "SIGHUP" },
                Cause::Asked(orders::By::Program { uid, pid }) => By::Program { uid: *uid, pid: *pid },
                Cause::Changed(files) => By::Files {
                    files: files.iter().map(|file| file.display().to_string()).collect(),
                },
            },
            outcome: outcome.as_str().unwrap_or_default().to_owned(),
            reason: answer.reason.clone(),
            changes: answer.changes.iter().take(MOST_LISTED).cloned().collect(),
            left_out: answer.changes.len().saturating_sub(MOST_LISTED),
            faults: faults.map(ToString::to_string).collect(),
        }
    }
}

/// Who had the configuration read again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum By {
    /// Who sent a signal; the kernel does not say.
    Signal {
        /// Its name.
        signal: &'static str,
    },
    /// A program, whose order has an entry of its own.
    Program {
        /// Its user.
        uid: u32,
        /// Its process; 0 if it is not known.
        pid: i32,
    },
    /// Nobody asked: files changed that count at once.
    Files {
        /// Which.
        files: Vec<String>,
    },
}

/// An entry with what every entry has.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) at: SystemTime,
    /// From 1 on, since the start. One that is missing was lost.
    pub(super) number: u64,
    pub(super) entry: Entry,
}

#[derive(Serialize)]
struct Whole<'a> {
    time: String,
    seq: u64,
    gateway: &'a str,
    #[serde(flatten)]
    entry: &'a Entry,
}

impl Record {
    /// As one JSON object in one line.
    pub(super) fn to_json(&self, gateway: &str) -> String {
        let whole = Whole {
            time: rfc3339(self.at),
            seq: self.number,
            gateway,
            entry: &self.entry,
        };
        // There is nothing in it that cannot be written.
        serde_json::to_string(&whole).unwrap_or_default()
    }
}

/// `2026-11-29T17:31:13.123Z`; a time that no calendar has is empty.
pub(crate) fn rfc3339(at: SystemTime) -> String {
    Timestamp::try_from(at).map_or_else(|_| String::new(), |at| format!("{at:.3}"))
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}
