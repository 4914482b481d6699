//! Lines with fields: JSON objects, or entries of the journal.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::time::SystemTime;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::NonBlocking;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::audit::rfc3339;
use crate::journal::{Journal, Message};

/// What journal entries of a gateway are called.
const IDENTIFIER: &str = "aoe-gateway";

/// Makes a line of every event and hands it over to the thread that writes.
pub(super) struct Structured {
    pub(super) lines: NonBlocking,
    pub(super) form: Form,
}

/// What the lines are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Json,
    Journal,
}

impl<S: Subscriber> Layer<S> for Structured {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::new(*event.metadata().level());
        event.record(&mut line);
        let bytes = match self.form {
            Form::Json => line.into_json(SystemTime::now()),
            Form::Journal => line.into_journal(),
        };
        // A line that finds no room is lost: nobody waits for the log.
        let _ = self.lines.clone().write_all(&bytes);
    }
}

/// An event, taken apart.
struct Line {
    level: Level,
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Line {
    fn new(level: Level) -> Line {
        Line {
            level,
            message: String::new(),
            fields: Vec::new(),
        }
    }

    fn into_json(self, at: SystemTime) -> Vec<u8> {
        // There is nothing in it that cannot be written.
        let mut bytes = serde_json::to_vec(&Json(&self, at)).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// The message and the priority come first: [`for_people`] looks for them there.
    fn into_journal(self) -> Vec<u8> {
        let mut entry = Message::default();
        entry.field("MESSAGE", &self.message);
        entry.field("PRIORITY", priority(self.level));
        entry.field("SYSLOG_IDENTIFIER", IDENTIFIER);
        for (name, value) in &self.fields {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            entry.own_field(if *name == "id" { "event" } else { name }, &text);
        }
        entry.into_bytes()
    }

    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.fields.push((field.name(), value.into()));
    }
}

/// The levels of syslog(3).
pub(super) fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // It cannot fail: a text takes everything.
            let _ = write!(self.message, "{value:?}");
        } else {
            self.add(field, format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.add(field, value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }
}

struct Json<'a>(&'a Line, SystemTime);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Json(line, at) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", &rfc3339(*at))?;
        map.serialize_entry("level", &line.level.as_str().to_ascii_lowercase())?;
        let id = line.fields.iter().filter(|(name, _)| *name == "id");
        let others = line.fields.iter().filter(|(name, _)| !FIXED.contains(name));
        for (name, value) in id {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("message", &line.message)?;
        for (name, value) in others {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Names that mean something already.
const FIXED: [&str; 4] = ["time", "level", "id", "message"];

/// Sends to the journal, or, when that takes nothing, writes lines for people to stderr.
pub(super) struct ToJournal<W> {
    pub(super) journal: Journal,
    pub(super) stderr: W,
}

impl<W: Write> Write for ToJournal<W> {
    /// What is written at once is one entry.
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        if self.journal.send(entry).is_err() {
            let _ = self.stderr.write_all(&for_people(entry));
        }
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An entry of [`Line::into_journal`] as a line with its priority (sd-daemon(3)).
fn for_people(entry: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(entry);
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let message = first.strip_prefix("MESSAGE=").unwrap_or(first);
    let priority = lines.find_map(|line| line.strip_prefix("PRIORITY="));
    format!("<{}>{message}\n", priority.unwrap_or("6")).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    use super::*;
    use crate::journal::tests::parse;

    fn line() -> Line {
        Line {
            level: Level::WARN,
            message: "import e107.3: \"x\"\nPRIORITY=0".to_owned(),
            fields: vec![
                ("id", "request-refused".into()),
                ("peer", "site-b".into()),
                ("worker", 1_u64.into()),
                ("level", "mine".into()),
            ],
        }
    }

    #[test]
    fn an_object_has_its_time_first_and_hostile_names_stay_texts() {
        let json = line().into_json(SystemTime::UNIX_EPOCH + Duration::from_millis(1_500));
        let expected = concat!(
            r#"{"time":"1970-01-01T00:00:01.500Z","level":"warn","id":"request-refused","#,
            r#""message":"import e107.3: \"x\"\nPRIORITY=0","peer":"site-b","worker":1}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(json).unwrap(), expected);
    }

    #[test]
    fn the_journal_gets_fields_and_stderr_a_line_when_there_is_none() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("socket");
        let mut to = ToJournal {
            journal: Journal::at(&path),
            stderr: Vec::new(),
        };
        let mut plain = line();
        plain.message = "plain".to_owned();
        to.write_all(&plain.into_journal()).unwrap();
        assert_eq!(String::from_utf8(to.stderr.clone()).unwrap(), "<4>plain\n");

        let listener = UnixDatagram::bind(&path).unwrap();
        to.write_all(&line().into_journal()).unwrap();
        let mut bytes = [0; 4096];
        let count = listener.recv(&mut bytes).unwrap();
        let fields = parse(&bytes[..count]);
        let expected = [
            ("MESSAGE", "import e107.3: \"x\"\nPRIORITY=0"),
            ("PRIORITY", "4"),
            ("SYSLOG_IDENTIFIER", "aoe-gateway"),
            ("AOE_EVENT", "request-refused"),
            ("AOE_PEER", "site-b"),
            ("AOE_WORKER", "1"),
            ("AOE_LEVEL", "mine"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(fields, expected);
    }
}
