//! The document that a gateway gives: read as far as it is understood, and printed without harm to a terminal.

use aoe_common::snapshot::Snapshot;
use serde::de::DeserializeOwned;
use serde_json::Value;
use unicode_width::UnicodeWidthChar;

/// A document.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Document {
    /// What it says.
    pub(super) snapshot: Snapshot,
    /// Parts that were not understood and are left out, such as rows of a newer gateway.
    pub(super) unread: usize,
    text: String,
}

impl Document {
    /// Reads it.
    ///
    /// # Errors
    /// It is no JSON, or none of a gateway.
    pub(super) fn read(text: String) -> Result<Self, serde_json::Error> {
        let whole = match serde_json::from_str::<Snapshot>(&text) {
            // An array of fields would do for serde.
            Ok(snapshot) if snapshot.version > 0 && text.trim_start().starts_with('{') => {
                return Ok(Document {
                    snapshot,
                    unread: 0,
                    text,
                });
            }
            Ok(_) => serde::de::Error::missing_field("version"),
            Err(error) => error,
        };
        let mut value: Value = serde_json::from_str(&text)?;
        // Without a version it is something else altogether.
        let Some(version) = value.get("version").and_then(Value::as_u64) else {
            return Err(whole);
        };
        let mut unread = 0;
        let mut part = |name: &str| value.get_mut(name).map(Value::take).unwrap_or_default();
        let snapshot = Snapshot {
            version: u32::try_from(version).unwrap_or(u32::MAX),
            gateway: one(part("gateway"), &mut unread),
            alarms: rows(part("alarms"), &mut unread),
            keys: one(part("keys"), &mut unread),
            segments: rows(part("segments"), &mut unread),
            sockets: rows(part("sockets"), &mut unread),
            peers: rows(part("peers"), &mut unread),
            imports: rows(part("imports"), &mut unread),
            exports: rows(part("exports"), &mut unread),
            initiators: rows(part("initiators"), &mut unread),
            captures: rows(part("captures"), &mut unread),
            expiring: rows(part("expiring"), &mut unread),
            changes: rows(part("changes"), &mut unread),
            counters: one(part("counters"), &mut unread),
        };
        Ok(Document {
            snapshot,
            unread,
            text,
        })
    }

    /// The document itself, with a line break at its end. Characters that a terminal would obey are escaped as JSON has
    /// it, so a reader sees no difference.
    pub(super) fn printable(&self) -> String {
        let text = self.text.trim_end();
        let mut out = String::with_capacity(text.len() + 1);
        for c in text.chars() {
            // JSON has no other control characters than these outside strings, and none within.
            if c.width().is_some_and(|width| width > 0) || matches!(c, '\n' | '\t' | '\r') {
                out.push(c);
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
        out.push('\n');
        out
    }
}

fn one<T: DeserializeOwned + Default>(value: Value, unread: &mut usize) -> T {
    if value.is_null() {
        return T::default();
    }
    serde_json::from_value(value).unwrap_or_else(|_| {
        *unread += 1;
        T::default()
    })
}

fn rows<T: DeserializeOwned>(value: Value, unread: &mut usize) -> Vec<T> {
    let rows = match value {
        Value::Array(rows) => rows,
        Value::Null => Vec::new(),
        other => vec![other],
    };
    let before = rows.len();
    let read: Vec<T> = rows
        .into_iter()
        .filter_map(|row| serde_json::from_value(row).ok())
        .collect();
    *unread += before - read.len();
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_newer_document_is_read_what_can_be_read() {
        let text = r#"{"version": 7, "gateway": {"name": "a", "pid": "one"}, "alarms": "many", "moon": 1,
            "peers": [{"name": "b", "state": "up"}, {"name": 5}, 7], "counters": {"x": 5}}"#;
        let document = Document::read(text.to_owned()).unwrap();
        assert_eq!(document.unread, 4);
        let snapshot = document.snapshot;
        assert_eq!((snapshot.version, snapshot.counters["x"]), (7, 5));
        assert_eq!(snapshot.peers.len(), 1);
        assert_eq!(snapshot.peers[0].name, "b");
    }

    #[test]
    fn what_is_no_document_is_an_error() {
        for text in ["", "{", "[1]", r#"{"peers": 5}"#, r#"{"peers": []}"#, "7"] {
            assert!(Document::read(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_printed_document_says_the_same_and_moves_no_cursor() {
        let disk = "a\u{1b}[2Jb\u{9b}31mc\u{7f}\u{202e}\u{e0041}Käse";
        let text = serde_json::to_string(&serde_json::json!({ "version": 1, "disk": disk })).unwrap();
        let printed = Document::read(text).unwrap().printable();
        assert!(printed.ends_with("}\n"));
        assert!(!printed.trim_end().chars().any(char::is_control), "{printed:?}");
        assert!(!printed.contains('\u{202e}'));
        let back: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(back["disk"], disk);
    }
}
