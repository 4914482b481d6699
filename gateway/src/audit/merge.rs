//! Something may be refused a million times a second, to somebody who wants to fill the disk. So one thing is taken down
//! at once the first time, and then once a minute with how often it was since; and there are only so many things at a time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use super::entry::{Entry, rfc3339};

/// Between two entries about one thing.
pub(super) const EVERY: Duration = Duration::from_secs(60);
/// Things at a time; of others only the number is taken down, once a minute.
pub(super) const MOST: usize = 100;

/// What was refused, and to whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// A session, to a peer.
    Session {
        peer: String,
        key: String,
        address: Option<String>,
        reason: &'static str,
    },
    /// A session, to somebody who is no peer.
    Stranger { address: String, key: Option<String> },
    /// A request, to an initiator.
    Request {
        peer: String,
        export: String,
        import: Option<String>,
        initiator: String,
        reason: &'static str,
        what: String,
    },
}

/// How often something happened, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Span {
    /// How often.
    pub(crate) times: u64,
    /// When for the first time.
    #[serde(serialize_with = "as_text")]
    pub(crate) first: SystemTime,
    /// When for the last time.
    #[serde(serialize_with = "as_text")]
    pub(crate) last: SystemTime,
}

/// What is refused again and again.
#[derive(Debug, Default)]
pub(super) struct Merger {
    known: BTreeMap<Subject, Known>,
    /// What had no room, and when it is due.
    unnamed: Option<(Span, Instant)>,
}

#[derive(Debug)]
struct Known {
    /// What happened since it was taken down last.
    more: Option<Span>,
    /// When it is due again.
    due: Instant,
}

impl Merger {
    /// Something was refused; what is to be taken down at once.
    pub(super) fn add(&mut self, now: Instant, subject: Subject, span: Span) -> Option<Entry> {
        if let Some(known) = self.known.get_mut(&subject) {
            known.more = Some(known.more.map_or(span, |more| more.and(span)));
            return None;
        }
        if self.known.len() >= MOST {
            self.add_unnamed(now, span);
            return None;
        }
        let entry = subject.entry(span);
        let due = now + EVERY;
        self.known.insert(subject, Known { more: None, due });
        Some(entry)
    }

    /// Things were refused of which only the number is known.
    pub(super) fn add_unnamed(&mut self, now: Instant, span: Span) {
        let (known, due) = self
            .unnamed
            .map_or((None, now + EVERY), |(known, due)| (Some(known), due));
        self.unnamed = Some((known.map_or(span, |known| known.and(span)), due));
    }

    /// What is due.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Entry> {
        let mut entries = Vec::new();
        self.known.retain(|subject, known| {
            if now < known.due {
                return true;
            }
            let Some(span) = known.more.take() else {
                return false;
            };
            known.due = now + EVERY;
            entries.push(subject.entry(span));
            true
        });
        if let Some((span, _)) = self.unnamed.take_if(|(_, due)| now >= *due) {
            entries.push(Entry::RefusedOthers { span });
        }
        entries
    }

    /// Everything, at the end.
    pub(super) fn all(&mut self) -> Vec<Entry> {
        let known = std::mem::take(&mut self.known).into_iter();
        let rest = known.filter_map(|(subject, known)| Some(subject.entry(known.more?)));
        let unnamed = self.unnamed.take().map(|(span, _)| Entry::RefusedOthers { span });
        rest.chain(unnamed).collect()
    }
}

impl Subject {
    fn entry(&self, span: Span) -> Entry {
        match self.clone() {
            Subject::Session {
                peer,
                key,
                address,
                reason,
            } => Entry::SessionRefused {
                peer,
                key,
                address,
                reason,
                span,
            },
            Subject::Stranger { address, key } => Entry::Stranger { address, key, span },
            Subject::Request {
                peer,
                export,
                import,
                initiator,
                reason,
                what,
            } => Entry::Refused {
                peer,
                export,
                import,
                initiator,
                reason,
                what,
                span,
            },
        }
    }
}

impl Span {
    fn and(self, other: Span) -> Span {
        Span {
            times: self.times.saturating_add(other.times),
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        }
    }
}

fn as_text<S: serde::Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(second: u64) -> Span {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        Span {
            times: 1,
            first: at,
            last: at,
        }
    }

    fn subject(initiator: usize) -> Subject {
        Subject::Request {
            peer: "site-a".to_owned(),
            export: "backup".to_owned(),
            import: None,
            initiator: format!("02:00:00:00:00:{initiator:02x}"),
            reason: "refused_read_only",
            what: "a write".to_owned(),
        }
    }

    fn times(entries: &[Entry]) -> Vec<(String, u64)> {
        let row = |entry: &Entry| {
            let json = serde_json::to_value(entry).unwrap();
            let who = json["initiator"].as_str().unwrap_or("?").to_owned();
            (who, json["times"].as_u64().unwrap())
        };
        entries.iter().map(row).collect()
    }

    #[test]
    fn the_first_is_taken_down_at_once_and_the_rest_once_a_minute() {
        let (mut merger, start) = (Merger::default(), Instant::now());
        assert!(merger.add(start, subject(1), span(0)).is_some());
        for second in 1..60 {
            assert!(merger.add(start, subject(1), span(second)).is_none());
        }
        assert!(merger.add(start, subject(2), span(7)).is_some(), "another one");
        assert!(merger.due(start).is_empty());
        let due = merger.due(start + EVERY);
        assert_eq!(times(&due), [("02:00:00:00:00:01".to_owned(), 59)]);
        let json = serde_json::to_value(&due[0]).unwrap();
        assert_eq!(json["first"], "1970-01-01T00:00:01.000Z");
        assert_eq!(json["last"], "1970-01-01T00:00:59.000Z");
        assert!(
            merger.add(start + EVERY, subject(2), span(70)).is_some(),
            "it was quiet for a minute"
        );
        assert!(merger.due(start + EVERY * 2).is_empty());
    }

    #[test]
    fn a_flood_of_senders_is_some_lines_and_a_number() {
        let (mut merger, start) = (Merger::default(), Instant::now());
        let written = (0..1000).filter(|n| merger.add(start, subject(*n), span(5)).is_some());
        assert_eq!(written.count(), MOST);
        merger.add_unnamed(start, Span { times: 50, ..span(6) });
        assert_eq!(times(&merger.due(start + EVERY)), [("?".to_owned(), 950)]);
        assert!(merger.all().is_empty());
    }
}
