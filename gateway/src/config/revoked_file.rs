//! `revoked.toml`: keys that are not trusted any more.

use std::io;
use std::path::Path;

use aoe_common::config::Revoked;
use aoe_common::snapshot::Revocation;
use aoe_keys::{KeyTextError, PublicKey, SpkiHash};

use super::fault::{Faults, Kind};
use super::files::{self, ReadFault};
use super::gateway_file::parse_toml;
use super::kept::Reader;
use super::section::Section;
use super::shape::{REVOKED, REVOKED_FILE};
use super::source::{Located, Place};
use super::value::{Refusal, quote};
use super::{directories, grants};

/// The file, beside the gateway file, if that names no other.
pub(super) const DEFAULT: &str = "revoked.toml";
/// The longest text of an entry, in characters.
const LONGEST_TEXT: usize = 200;

/// What is not trusted any more, where that is written, and what was written of it.
#[derive(Clone, Debug, Default)]
pub(super) struct RevokedFile {
    pub(super) revoked: Revoked,
    pub(super) entries: Vec<Revocation>,
}

/// What an entry is about.
enum What {
    Key(PublicKey),
    Certificate(SpkiHash),
}

/// Reads the file, and again whenever it changes. One that `named` does not name need not be there.
pub(super) fn read(
    path: &Path,
    named: Option<&Located<String>>,
    reader: &mut Reader<'_>,
    faults: &mut Faults,
) -> RevokedFile {
    reader.watch(path);
    match files::read_text(path) {
        Ok(text) => parse(path, &text, faults),
        Err(ReadFault::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(named) = named {
                let found = format!("there is no file {}", path.display());
                let instead = format!("make it: touch {}", path.display());
                faults.fault(Kind::Unreadable, &named.place, found, instead);
            }
            RevokedFile::default()
        }
        Err(fault) => {
            directories::report_unreadable(path, fault, directories::WhichFile::Other, faults);
            RevokedFile::default()
        }
    }
}

/// Reads a text.
pub(super) fn parse(path: &Path, text: &str, faults: &mut Faults) -> RevokedFile {
    let place = Place {
        source: faults.add_source(path, text),
        span: 0..0,
        field: String::new(),
    };
    let mut file = RevokedFile::default();
    let Some(table) = parse_toml(text, &place, faults) else {
        return file;
    };
    let top = Section::open(&table, &REVOKED_FILE, place, faults);
    for section in top.sections("revoked", &REVOKED, faults) {
        let what = section.required("what", faults, what);
        let mut said = |key| {
            section
                .optional(key, faults, short)
                .map(|text| text.value)
                .unwrap_or_default()
        };
        let (name, why) = (said("name"), said("why"));
        let when = section.optional("when", faults, grants::until);
        let Some(what) = what else { continue };
        let (is_new, text) = match what.value {
            What::Key(key) => (file.revoked.keys.insert(key), key.to_string()),
            What::Certificate(hash) => (
                file.revoked.certificates.insert(*hash.as_bytes()),
                hash.to_string(),
            ),
        };
        if !is_new {
            faults.warn(
                &what.place,
                "this is revoked above already",
                "keep one of the two",
            );
            continue;
        }
        file.entries.push(Revocation {
            what: text,
            name,
            when: when.map(|when| when.value.to_string()).unwrap_or_default(),
            why,
        });
    }
    file
}

fn what(text: &str) -> Result<What, Refusal> {
    const INSTEAD: &str = "write a public key (aoe-public-1:…) or what names the key of a certificate (spki-sha256:…); `aoe-keys revoke` does";
    let refused = |found: String| Refusal {
        found,
        instead: INSTEAD.to_owned(),
    };
    if text.starts_with(SpkiHash::PREFIX) {
        let hash = text.parse().map(What::Certificate);
        return hash.map_err(|_| refused(format!("{} is no SHA-256", quote(text))));
    }
    // The messages contain no part of the text, which may be a secret.
    text.parse().map(What::Key).map_err(|error: KeyTextError| {
        refused(match error {
            KeyTextError::NotAKey { .. } => format!("{} is no key text", quote(text)),
            other => other.to_string(),
        })
    })
}

fn short(text: &str) -> Result<String, Refusal> {
    let is_short = text.chars().count() <= LONGEST_TEXT && !text.chars().any(char::is_control);
    is_short.then(|| text.to_owned()).ok_or_else(|| Refusal {
        found: "this is no short line".to_owned(),
        instead: format!("write one line of at most {LONGEST_TEXT} characters"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "aoe-public-1:j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF-Qnmfh";

    fn read_text(text: &str) -> (RevokedFile, Vec<String>) {
        let mut faults = Faults::default();
        let file = parse(Path::new("revoked.toml"), text, &mut faults);
        faults.sort();
        (file, faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn keys_and_certificates_are_revoked_with_what_is_said_of_them() {
        let hash = SpkiHash::of(b"x");
        let text = format!(
            "[[revoked]]\nwhat = '{KEY}'\nname = 'site-b'\nwhen = '2026-11-29T21:00:00Z'\nwhy = 'stolen'\n[[revoked]]\nwhat = \
             '{hash}'\n"
        );
        let (file, faults) = read_text(&text);
        assert_eq!(faults, [""; 0]);
        assert!(file.revoked.has_key(&KEY.parse().unwrap()));
        assert!(file.revoked.has_certificate(hash.as_bytes()));
        let [first, second] = file.entries.as_slice() else {
            panic!("{file:?}")
        };
        assert_eq!((first.name.as_str(), first.why.as_str()), ("site-b", "stolen"));
        assert_eq!(first.when, "2026-11-29T21:00:00Z");
        assert_eq!(
            (second.what.clone(), second.when.as_str()),
            (hash.to_string(), "")
        );
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_line_and_what_is_allowed() {
        for (text, expected) in [
            ("[[revoked]]\nname = 'x'\n", "revoked.toml:1:1: revoked[0].what: "),
            (
                "[[revoked]]\nwhat = 'x'\n",
                "revoked.toml:2:8: revoked[0].what: \"x\" is no key text; write a public key",
            ),
            ("[[revoked]]\nwhat = 'spki-sha256:0'\n", "is no SHA-256; write"),
            ("[revoked]\n", "revoked"),
            ("[[revoke]]\n", "revoke: "),
            ("[[revoked]\n", "this is not TOML"),
            ("[[revoked]]\nwhen = 'now'\nwhat = 'x'\n", "revoked[0].when"),
        ] {
            let (_, faults) = read_text(text);
            assert!(
                faults.iter().any(|fault| fault.contains(expected)),
                "{text}: {faults:?}"
            );
        }
        let twice = format!("[[revoked]]\nwhat = '{KEY}'\n").repeat(2);
        let (file, faults) = read_text(&twice);
        assert_eq!(file.entries.len(), 1);
        assert!(faults[0].contains("revoked.toml:4:8"), "{faults:?}");
    }
}
