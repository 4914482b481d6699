//! The text of one file, and places in it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::redact::redact;

/// How much of a line is shown from a mark on, in characters; half as much is shown before it.
const WIDTH: usize = 100;
/// How far around a place a line is looked at, in bytes: many times the length of any key text.
const LOOK_BACK: usize = 4096;

/// Where something stands: which file, which bytes, which field.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Index of the text, from [`Faults::add_source`](super::Faults).
    pub(super) source: usize,
    /// Bytes of that text.
    pub(super) span: Range<usize>,
    /// The field as a path.
    pub(super) field: String,
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// A line of a file with a place marked in it, made safe to print: no control characters, no secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// Line, from 1.
    pub line: usize,
    /// Column of the place in the file's line, in characters, from 1.
    pub column: usize,
    /// The line, or the part of a long line around the place.
    pub text: String,
    /// Where in `text` the mark starts, in characters, from 0.
    pub mark: usize,
    /// How many characters are marked; at least 1.
    pub mark_len: usize,
}

/// A text with its line starts.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    text: String,
    line_starts: Vec<usize>,
}

impl Source {
    pub(super) fn new(path: &Path, text: &str) -> Self {
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(offset, _)| offset + 1))
            .collect();
        Source {
            path: path.to_path_buf(),
            text: text.to_owned(),
            line_starts,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The line of a byte offset, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// The first line of a span, with the span marked in it.
    pub(super) fn excerpt(&self, span: &Range<usize>) -> Excerpt {
        let start = self.text.floor_char_boundary(span.start.min(self.text.len()));
        let line = self.line(start);
        let line_start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let text = self.text.get(line_start..).unwrap_or("");
        let text = text.split('\n').next().unwrap_or("").trim_end_matches('\r');

        let within =
            |offset: usize| text.floor_char_boundary(offset.saturating_sub(line_start).min(text.len()));
        let chars = |from: usize, to: usize| text.get(from..to).unwrap_or("").chars().count();
        let (from, to) = (within(start), within(span.end).max(within(start)));
        // A line may be a mebibyte long. Secrets are looked for well before what is shown, not from its start.
        let near = text.floor_char_boundary(from.saturating_sub(LOOK_BACK));
        let far = text.floor_char_boundary(from.saturating_add(LOOK_BACK).min(text.len()));
        let nearby = redact(text.get(near..far).unwrap_or(""));
        let before = chars(near, from);
        // A mark nobody can see the start of is no help: a long line is shown from a little before the mark.
        let skipped = before.saturating_sub(WIDTH / 2);
        let shown = WIDTH + WIDTH / 2;
        let mark = before - skipped;
        Excerpt {
            line,
            column: chars(0, from) + 1,
            mark,
            mark_len: chars(from, to.min(far)).clamp(1, shown - mark),
            text: nearby.chars().skip(skipped).take(shown).map(printable).collect(),
        }
    }
}

/// One character no terminal acts upon.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() || is_bidi(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// Characters that change the direction of text, and so can make a line read as something else.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str, span: Range<usize>) -> Excerpt {
        Source::new(Path::new("x"), text).excerpt(&span)
    }

    #[test]
    fn a_place_is_a_line_and_a_column_in_characters() {
        let text = "one\r\nzwei = 'ä' # ü\nthree";
        let found = excerpt(text, text.find('#').unwrap()..text.find('#').unwrap() + 1);
        assert_eq!(
            (found.line, found.column, found.mark, found.mark_len),
            (2, 12, 11, 1)
        );
        assert_eq!(found.text, "zwei = 'ä' # ü");
    }

    #[test]
    fn any_span_of_any_text_has_an_excerpt() {
        let text = "ä\n\n\u{1b}[31m\tb\u{202e}";
        for start in 0..text.len() + 3 {
            for end in 0..text.len() + 3 {
                let found = excerpt(text, start..end);
                assert!(
                    found.text.chars().all(|c| !c.is_control() && !is_bidi(c)),
                    "{found:?}"
                );
                assert!(found.mark_len >= 1);
            }
        }
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let text = format!("{}HERE{}", "x".repeat(5000), "y".repeat(5000));
        let found = excerpt(&text, 5000..5004);
        assert_eq!(found.column, 5001);
        let marked: String = found.text.chars().skip(found.mark).take(found.mark_len).collect();
        assert_eq!(marked, "HERE");
        assert!(found.text.len() < 200);
    }
}
