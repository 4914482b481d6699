//! What is said of one file.

use std::fmt::Write;
use std::path::Path;

use aoe_keys::KeyKind;
use aoe_keys::store::{Content, Inspection, StoreError};
use aoe_keys::x509::{Certificate, PrivateKey};
use nix::unistd::User;
use serde::Serialize;

use super::{certificate, revoked};
use crate::failure::Exit;

/// One file.
#[derive(Default, Serialize)]
pub(super) struct Report {
    pub(super) file: String,
    kind: Option<&'static str>,
    fingerprint: Option<String>,
    owner: Option<String>,
    mode: Option<String>,
    good: bool,
    /// What else there is to know, in the order in which it is said: of each certificate and each list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<Part>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    warnings: Vec<Finding>,
    faults: Vec<Finding>,
    #[serde(skip)]
    exit: Option<Exit>,
    /// What names the key of its first certificate, or its private key.
    #[serde(skip)]
    spki: Option<String>,
    #[serde(skip)]
    has_private_key: bool,
}

/// One certificate, or one revocation list.
#[derive(Default, Serialize)]
pub(super) struct Part {
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<String>,
    pub(super) issuer: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) spki: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revoked: Option<usize>,
    pub(super) from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<String>,
}

/// Something that is wrong, or soon will be.
#[derive(Serialize)]
pub(super) struct Finding {
    pub(super) message: String,
    pub(super) mending_command: Option<String>,
}

impl Report {
    pub(super) fn of(path: &Path, inspection: Inspection, now: i64) -> Self {
        let mut report = Report {
            file: path.display().to_string(),
            owner: inspection.owner.map(user),
            mode: inspection.mode.map(|mode| format!("{mode:04o}")),
            ..Report::default()
        };
        for fault in &inspection.faults {
            report.store_fault(fault);
        }
        report.content(path, &inspection.content, now);
        report.good = report.faults.is_empty();
        report
    }

    fn content(&mut self, path: &Path, content: &Content, now: i64) {
        self.kind = match content {
            Content::Unknown => None,
            Content::Key(kind, key) => {
                self.fingerprint = key.as_ref().map(|key| key.fingerprint().to_string());
                kind.map(KeyKind::word)
            }
            Content::Certificates(found, key) => {
                self.certificates(found, key.as_deref(), now);
                match found.first() {
                    Some(first) if first.is_ca => Some("ca"),
                    _ => Some("certificate"),
                }
            }
            Content::CertificateKey(key) => {
                self.private_key(key.as_deref());
                Some("certificate-key")
            }
            Content::Crls(lists) => {
                for list in lists {
                    certificate::list(self, path, list, now);
                }
                Some("crl")
            }
            Content::Request => {
                self.note("a certificate is made of it by: aoe-keys ca issue NAME --csr FILE");
                Some("certificate-request")
            }
            Content::Sealed => {
                self.note("sealed by age: what is in it, and until when it counts, is seen by: aoe-keys accept FILE");
                Some("invitation")
            }
            Content::AgeIdentity => Some("age-identity"),
            Content::AgeRecipient => Some("age-recipient"),
            Content::Revoked(text) => {
                revoked::look(self, text);
                Some("revoked")
            }
            Content::Configuration => {
                self.note("a file of configuration: aoe-gateway check --config GATEWAY.TOML looks at it");
                Some("configuration")
            }
            _ => None,
        };
    }

    fn certificates(&mut self, found: &[Certificate], key: Option<&PrivateKey>, now: i64) {
        for one in found {
            certificate::look(self, one, now);
        }
        let spki = found.first().map(|first| first.spki.to_string());
        self.fingerprint.clone_from(&spki);
        if let Some(key) = key {
            self.private_key(Some(key));
            if spki.as_deref() != Some(&key.spki.to_string()) {
                self.fault("the private key in it is not that of its first certificate", None);
            }
            self.fingerprint.clone_from(&spki);
        }
        self.spki = spki;
    }

    fn private_key(&mut self, key: Option<&PrivateKey>) {
        self.has_private_key = true;
        if let Some(key) = key {
            self.spki = Some(key.spki.to_string());
            self.fingerprint.clone_from(&self.spki);
            self.note(format!("it signs with {}", key.algorithm.name()));
        }
    }

    pub(super) fn note(&mut self, words: impl Into<String>) {
        self.notes.push(words.into());
    }

    pub(super) fn warn(&mut self, message: impl Into<String>, mending_command: Option<String>) {
        self.warnings.push(Finding {
            message: message.into(),
            mending_command,
        });
    }

    /// Something that is wrong with what is in the file.
    pub(super) fn fault(&mut self, message: impl Into<String>, mending_command: Option<String>) {
        self.exit.get_or_insert(Exit::Data);
        self.faults.push(Finding {
            message: message.into(),
            mending_command,
        });
    }

    fn store_fault(&mut self, fault: &StoreError) {
        self.exit.get_or_insert(Exit::of_reading(fault));
        self.faults.push(Finding {
            message: fault.to_string(),
            mending_command: fault.mending_command(),
        });
    }

    /// The exit code that its first fault asks for.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// One line for the file, and one for each thing to know.
    pub(super) fn paragraph(&self) -> String {
        let verdict = if self.good { "good" } else { "not good" };
        let mut text = format!("{}: {verdict}", self.file);
        let facts = [
            ("kind", self.kind),
            ("fingerprint", self.fingerprint.as_deref()),
            ("owner", self.owner.as_deref()),
            ("mode", self.mode.as_deref()),
        ];
        for (name, fact) in facts {
            // Writing to a string cannot fail.
            let _ = fact.map(|fact| write!(text, ", {name} {fact}"));
        }
        text.push('\n');
        for part in &self.parts {
            let _ = writeln!(text, "  {}", part.line());
        }
        for note in &self.notes {
            let _ = writeln!(text, "  {note}");
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "  warning: {}{}", warning.message, warning.told_command());
        }
        for fault in &self.faults {
            let _ = writeln!(text, "  {}{}", fault.message, fault.told_command());
        }
        text
    }
}

impl Finding {
    /// The command, unless the message has it already.
    fn told_command(&self) -> String {
        match &self.mending_command {
            Some(command) if !self.message.contains(command.as_str()) => format!("; run `{command}`"),
            _ => String::new(),
        }
    }
}

impl Part {
    fn line(&self) -> String {
        let mut text = self.kind.to_owned();
        let mut add = |what: &str, value: &str| {
            let _ = write!(text, ", {what} {value}");
        };
        if let Some(subject) = &self.subject {
            add("of", subject);
        }
        if self.subject.as_ref() != Some(&self.issuer) {
            add("by", &self.issuer);
        }
        if !self.names.is_empty() {
            add("names", &self.names.join(" "));
        }
        if let Some(serial) = &self.serial {
            add("serial", serial);
        }
        if let Some(revoked) = self.revoked {
            add("revokes", &revoked.to_string());
        }
        add("from", &self.from);
        if let Some(until) = &self.until {
            add("until", until);
        }
        text
    }
}

/// Says which private key belongs to which certificate, of the files that were given together.
pub(super) fn find_pairs(reports: &mut [Report]) {
    let keys: Vec<(String, String)> = reports
        .iter()
        .filter(|report| report.has_private_key)
        .filter_map(|report| Some((report.spki.clone()?, report.file.clone())))
        .collect();
    for report in reports.iter_mut().filter(|report| !report.has_private_key) {
        let own = keys.iter().find(|(spki, _)| Some(spki) == report.spki.as_ref());
        if let Some((_, file)) = own {
            report.note(format!("its private key is {file}"));
        }
    }
}

fn user(uid: u32) -> String {
    let user = User::from_uid(uid.into()).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}
