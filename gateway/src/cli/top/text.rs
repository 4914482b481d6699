//! Text of several lines, to be read and moved.

use crate::cli::paint::Paint;
use crate::cli::table::Table;
use crate::cli::words::{clip, width, wrap};

/// What a line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Plain,
    /// The head of what follows.
    Title,
    /// Bars.
    Bars,
    /// What is wrong.
    Fault,
}

/// A line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// Lines for so many columns.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) lines: Vec<Line>,
    pub(super) room: usize,
}

impl Text {
    pub(super) fn new(room: usize) -> Self {
        Text {
            lines: Vec::new(),
            room,
        }
    }

    /// Adds a line; what does not fit is cut.
    pub(super) fn line(&mut self, kind: Kind, text: &str) {
        let text = clip(text.trim_end(), self.room);
        self.lines.push(Line { kind, text });
    }

    /// Adds as many lines as it takes, with blanks before each of them.
    pub(super) fn wrapped(&mut self, kind: Kind, indent: usize, text: &str) {
        for line in wrap(text, self.room.saturating_sub(indent)) {
            self.line(kind, &format!("{:indent$}{line}", ""));
        }
    }

    /// An empty line between two parts.
    pub(super) fn gap(&mut self) {
        if self.lines.last().is_some_and(|line| !line.text.is_empty()) {
            self.lines.push(Line::default());
        }
    }

    /// Adds a table; its first line is its head.
    pub(super) fn table(&mut self, table: &Table) {
        let mut drawn = String::new();
        table.draw(&mut drawn, &Paint::default(), self.room);
        for (at, line) in drawn.lines().enumerate() {
            let kind = if at == 0 { Kind::Title } else { Kind::Plain };
            self.line(kind, line);
        }
    }

    /// Adds another text.
    pub(super) fn append(&mut self, other: Text) {
        for line in other.lines {
            self.line(line.kind, &line.text);
        }
    }

    /// Adds two texts, beside each other.
    pub(super) fn beside(&mut self, left: Text, right: Text) {
        let column = left.room + 2;
        let (mut left, mut right) = (left.lines.into_iter(), right.lines.into_iter());
        loop {
            let (one, other) = (left.next(), right.next());
            if one.is_none() && other.is_none() {
                return;
            }
            let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
            let kind = if one.text.is_empty() { other.kind } else { one.kind };
            let blanks = column.saturating_sub(width(&one.text));
            self.line(kind, &format!("{}{:blanks$}{}", one.text, "", other.text));
        }
    }
}

/// A bar as long as its part of a whole, in eighths of a column; what is not 0 can be seen.
pub(super) fn bar(part: u64, whole: u64, room: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = u128::from(part.min(whole)) * (room as u128 * 8) / u128::from(whole.max(1));
    let eighths = usize::try_from(eighths).unwrap_or(0).max(usize::from(part > 0));
    let end = PARTS.get(eighths % 8).copied().unwrap_or_default();
    let text = "█".repeat(eighths / 8) + end;
    let blanks = room.saturating_sub(width(&text));
    format!("{text}{:blanks$}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_part() {
        assert_eq!(bar(0, 10, 4), "    ");
        assert_eq!(bar(1, 1000, 4), "▏   ");
        assert_eq!(bar(5, 10, 4), "██  ");
        assert_eq!(bar(10, 10, 4), "████");
        assert_eq!(bar(u64::MAX, u64::MAX, 2), "██");
        assert_eq!(bar(9, 0, 2), "▏ ");
    }

    #[test]
    fn texts_stand_beside_each_other() {
        let mut left = Text::new(6);
        left.line(Kind::Title, "left");
        let mut right = Text::new(9);
        right.line(Kind::Title, "right");
        right.line(Kind::Plain, "more, and more");
        let mut all = Text::new(20);
        all.beside(left, right);
        let lines: Vec<&str> = all.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(lines, ["left    right", "        more, an…"]);
        assert_eq!(all.lines[0].kind, Kind::Title);
    }
}
