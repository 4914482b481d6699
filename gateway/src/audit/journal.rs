//! The audit log in the journal of systemd.

use std::io;

use serde_json::Value;

use crate::journal::{Journal, Message, SOCKET};

/// `LOG_NOTICE` of syslog(3).
const NOTICE: &str = "5";

/// Sends entries to the journal.
#[derive(Debug)]
pub(super) struct AuditJournal {
    journal: Journal,
}

impl Default for AuditJournal {
    fn default() -> Self {
        AuditJournal {
            journal: Journal::at(SOCKET),
        }
    }
}

impl AuditJournal {
    /// Sends one entry: its line, and each of its texts and numbers as a field.
    pub(super) fn send(&mut self, line: &str) -> io::Result<()> {
        self.journal.send(&message(line).into_bytes())
    }
}

/// The line as `MESSAGE`, and `AOE_KIND`, `AOE_PEER` and so on.
fn message(line: &str) -> Message {
    // It was made from the same.
    let entry: Value = serde_json::from_str(line).unwrap_or_default();
    let mut message = Message::default();
    message.field("MESSAGE", line);
    message.field("PRIORITY", NOTICE);
    message.field("SYSLOG_IDENTIFIER", "aoe-gateway-audit");
    for (key, value) in entry.as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => continue,
        };
        message.own_field(key, &text);
    }
    message
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_and_numbers_are_fields() {
        let entry = json!({"kind": "right", "seq": 3, "peer": "site-a", "before": null});
        let bytes = message(&entry.to_string()).into_bytes();
        let text = String::from_utf8(bytes).unwrap();
        for line in ["PRIORITY=5", "AOE_KIND=right", "AOE_SEQ=3", "AOE_PEER=site-a"] {
            assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
        }
        assert!(!text.contains("AOE_BEFORE"));
    }
}
