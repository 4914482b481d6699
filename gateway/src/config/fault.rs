//! What is wrong with a configuration, as values.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::places::Spot;
use super::source::{Excerpt, Place, Source};

/// How many faults are kept. A file of a mebibyte can hold a fault in every third byte; nobody reads more.
const KEPT: usize = 1000;

/// Whether a finding stops the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The configuration cannot be used.
    Fault,
    /// Legal, and probably not what was meant.
    Warning,
}

/// What sort of thing is wrong. The kebab-case name is stable and appears in `check --json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The configuration file itself is not there.
    NoConfig,
    /// The configuration file itself may not be read by this user.
    ConfigForbidden,
    /// A file or directory cannot be read, is no regular file, is too big or is not text.
    Unreadable,
    /// Not TOML.
    Syntax,
    /// A key nobody knows.
    UnknownKey,
    /// A key that must be there.
    MissingKey,
    /// A value of another type.
    WrongType,
    /// A value that cannot be used.
    BadValue,
    /// Something that may exist once exists twice.
    Duplicate,
    /// A reference to a peer, segment or export that does not exist.
    UnknownName,
    /// Two settings that exclude each other.
    Conflict,
    /// A secret key or pre-shared key file that cannot be used.
    Secret,
    /// Only for warnings: legal but foolish.
    Foolish,
}

/// One finding, with where it is, what is there, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Whether it stops the gateway.
    pub severity: Severity,
    /// The sort of fault.
    pub kind: Kind,
    /// The file, as named by the operator or by the file that led to it.
    pub file: PathBuf,
    /// Line, from 1; absent if the file as a whole is meant.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// The field as a path, such as `peer[1].endpoint` (counted from 0); empty for the whole file.
    pub field: String,
    /// What was found.
    pub found: String,
    /// What is allowed, or what to write instead.
    pub instead: String,
    /// The source line with the place in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Excerpt>,
}

impl fmt::Display for Fault {
    /// One line: `gateway.toml:3:1: gateway.lisen: there is no such key; write "listen"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "{line}:{column}:")?;
        }
        if !self.field.is_empty() {
            write!(f, " {}:", self.field)?;
        }
        write!(f, " {}; {}", self.found, self.instead)
    }
}

/// Everything wrong with one configuration: all files, all at once.
#[derive(Debug, Default)]
pub struct Faults {
    list: Vec<Fault>,
    sources: Vec<Source>,
    left_out: usize,
}

impl Faults {
    /// All findings, by file in the order of reading, then by line.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.list.iter()
    }

    /// How many findings of one severity are listed.
    pub fn count(&self, severity: Severity) -> usize {
        self.list
            .iter()
            .filter(|fault| fault.severity == severity)
            .count()
    }

    /// How many more findings there were than are listed.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Findings that another process listed, and how many it left out.
    pub fn of_list(list: Vec<Fault>, left_out: usize) -> Faults {
        Faults {
            list,
            sources: Vec::new(),
            left_out,
        }
    }

    /// How many there are: `2 faults, 1 warning`.
    pub fn tally(&self) -> String {
        let mut found = Vec::new();
        for (severity, word) in [(Severity::Fault, "fault"), (Severity::Warning, "warning")] {
            match self.count(severity) {
                0 => {}
                1 => found.push(format!("1 {word}")),
                count => found.push(format!("{count} {word}s")),
            }
        }
        if self.left_out > 0 {
            found.push(format!("{} more faults that are not listed", self.left_out));
        }
        found.join(", ")
    }

    /// Whether the configuration cannot be used.
    pub fn is_fatal(&self) -> bool {
        self.left_out > 0 || self.count(Severity::Fault) > 0
    }

    /// Whether a finding of this kind is among them.
    pub fn contains(&self, kind: Kind) -> bool {
        self.list.iter().any(|fault| fault.kind == kind)
    }

    /// Takes a text in, so that places in it can be named.
    pub(super) fn add_source(&mut self, path: &Path, text: &str) -> usize {
        self.sources.push(Source::new(path, text));
        self.sources.len() - 1
    }

    pub(super) fn fault(
        &mut self,
        kind: Kind,
        place: &Place,
        found: impl Into<String>,
        instead: impl Into<String>,
    ) {
        self.push(Severity::Fault, kind, place, found.into(), instead.into());
    }

    pub(super) fn warn(&mut self, place: &Place, found: impl Into<String>, instead: impl Into<String>) {
        self.push(
            Severity::Warning,
            Kind::Foolish,
            place,
            found.into(),
            instead.into(),
        );
    }

    /// A fault of a file that could not be taken in at all.
    pub(super) fn file_fault(&mut self, kind: Kind, file: &Path, found: String, instead: String) {
        self.keep(Fault {
            severity: Severity::Fault,
            kind,
            file: file.to_path_buf(),
            line: None,
            column: None,
            field: String::new(),
            found,
            instead,
            excerpt: None,
        });
    }

    /// Where a place is, for a message about another place: `line 7` or `exports.d/a.toml line 7`.
    pub(super) fn whereabouts(&self, place: &Place, seen_from: &Place) -> String {
        let Some(source) = self.sources.get(place.source) else {
            return String::from("elsewhere");
        };
        let line = source.line(place.span.start);
        if place.source == seen_from.source {
            format!("line {line}")
        } else {
            format!("{} line {line}", source.path().display())
        }
    }

    /// The line of a place.
    pub(super) fn spot(&self, place: &Place) -> Option<Spot> {
        let source = self.sources.get(place.source)?;
        Some(Spot {
            file: source.path().to_path_buf(),
            line: source.line(place.span.start),
        })
    }

    /// Brings the findings into reading order.
    pub(super) fn sort(&mut self) {
        let order: BTreeMap<&Path, usize> = self.sources.iter().map(Source::path).zip(0..).collect();
        self.list.sort_by_key(|fault| {
            let source = order.get(fault.file.as_path()).copied().unwrap_or(usize::MAX);
            (source, fault.line, fault.column, fault.severity)
        });
    }

    fn push(&mut self, severity: Severity, kind: Kind, place: &Place, found: String, instead: String) {
        let Some(source) = self.sources.get(place.source) else {
            return;
        };
        let excerpt = source.excerpt(&place.span);
        self.keep(Fault {
            severity,
            kind,
            file: source.path().to_path_buf(),
            line: Some(excerpt.line),
            column: Some(excerpt.column),
            field: place.field.clone(),
            found,
            instead,
            excerpt: Some(excerpt),
        });
    }

    fn keep(&mut self, fault: Fault) {
        if self.list.len() < KEPT {
            self.list.push(fault);
        } else if fault.severity == Severity::Fault {
            self.left_out += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_faults_are_kept_than_anybody_reads_and_the_rest_is_counted() {
        let mut faults = Faults::default();
        let source = faults.add_source(Path::new("g.toml"), "a\nb\n");
        let place = Place {
            source,
            span: 2..3,
            field: String::from("b"),
        };
        for _ in 0..KEPT + 5 {
            faults.fault(Kind::BadValue, &place, "found", "instead");
        }
        assert_eq!((faults.iter().count(), faults.left_out()), (KEPT, 5));
        assert_eq!(
            faults.iter().next().unwrap().to_string(),
            "g.toml:2:1: b: found; instead"
        );
    }

    #[test]
    fn a_warning_alone_is_not_fatal() {
        let mut faults = Faults::default();
        let source = faults.add_source(Path::new("g.toml"), "a");
        faults.warn(
            &Place {
                source,
                span: 0..1,
                field: String::new(),
            },
            "odd",
            "do otherwise",
        );
        assert!(!faults.is_fatal());
        assert_eq!(faults.count(Severity::Warning), 1);
    }
}
