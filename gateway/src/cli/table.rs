//! Tables that fit: columns as wide as what is in them, and names shortened where that is too wide.

use anstyle::Style;

use super::paint::Paint;
use super::words::{shorten, width, wrap};

/// Names are not shortened to less than that, in columns of a terminal.
const LEAST: usize = 6;
/// Rows stand under their title.
const INDENT: usize = 2;
/// Lines about a row stand under the row.
const NOTE_INDENT: usize = 6;
/// A line about a row that would need more lines is cut.
const MAX_NOTE_LINES: usize = 4;

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    head: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A name: to the left, and shortened where room is short.
    Name,
    /// A word: to the left.
    Word,
    /// A number: to the right.
    Number,
}

impl Column {
    /// A column of names.
    pub(super) const fn name(head: &'static str) -> Self {
        Column {
            head,
            kind: Kind::Name,
        }
    }

    /// A column of words, which are never shortened.
    pub(super) const fn word(head: &'static str) -> Self {
        Column {
            head,
            kind: Kind::Word,
        }
    }

    /// A column of numbers, which are never shortened.
    pub(super) const fn number(head: &'static str) -> Self {
        Column {
            head,
            kind: Kind::Number,
        }
    }
}

/// What stands in one place.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// With a colour.
    pub(super) fn styled(text: String, style: Style) -> Self {
        Cell { text, style }
    }

    /// What it says.
    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::styled(text, Style::new())
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// One row, and what is to be said about it below.
#[derive(Clone, Debug)]
struct Row {
    cells: Vec<Cell>,
    notes: Vec<Cell>,
}

/// A table. The head of its first column is its title.
#[derive(Clone, Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

impl Table {
    /// A table without rows.
    pub(super) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Table {
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row: a cell for each column.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(Row {
            cells: cells.into_iter().collect(),
            notes: Vec::new(),
        });
    }

    /// Says something about the last row; an empty text says nothing.
    pub(super) fn note(&mut self, text: Cell) {
        if let Some(row) = self.rows.last_mut().filter(|_| !text.text.is_empty()) {
            row.notes.push(text);
        }
    }

    /// Whether there is no row.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes the table in lines of at most `room` columns, as long as its words and numbers fit.
    pub(super) fn draw(&self, out: &mut String, paint: &Paint, room: usize) {
        let (widths, gap) = self.fit(room);
        let heads = self
            .columns
            .iter()
            .map(|column| Cell::styled(column.head.to_owned(), paint.title));
        self.line(out, heads, &widths, gap, 0);
        for row in &self.rows {
            self.line(out, row.cells.iter().cloned(), &widths, gap, INDENT);
            for note in &row.notes {
                draw_note(out, note, room);
            }
        }
    }

    /// How wide each column is, and the gap between them.
    fn fit(&self, room: usize) -> (Vec<usize>, usize) {
        let mut widths: Vec<usize> = self.columns.iter().map(|column| width(column.head)).collect();
        for row in &self.rows {
            for (index, (have, cell)) in widths.iter_mut().zip(&row.cells).enumerate() {
                let indent = if index == 0 { INDENT } else { 0 };
                *have = (*have).max(width(&cell.text) + indent).min(room);
            }
        }
        let gaps = self.columns.len().saturating_sub(1);
        for gap in [2, 1] {
            while widths.iter().sum::<usize>() + gaps * gap > room {
                let names = widths.iter_mut().zip(&self.columns).filter(|(have, column)| {
                    column.kind == Kind::Name && **have > LEAST.max(width(column.head))
                });
                match names.map(|(have, _)| have).max() {
                    Some(widest) => *widest -= 1,
                    None => break,
                }
            }
            if widths.iter().sum::<usize>() + gaps * gap <= room {
                return (widths, gap);
            }
        }
        (widths, 1)
    }

    fn line(
        &self,
        out: &mut String,
        cells: impl Iterator<Item = Cell>,
        widths: &[usize],
        gap: usize,
        indent: usize,
    ) {
        let mut line = String::new();
        // Blanks are written when something follows them: no line ends with any.
        let mut blanks = 0;
        for (index, ((cell, column), room)) in cells.zip(&self.columns).zip(widths).enumerate() {
            let indent = if index == 0 { indent } else { 0 };
            let text = match column.kind {
                Kind::Name => shorten(&cell.text, room.saturating_sub(indent)),
                Kind::Word | Kind::Number => cell.text,
            };
            let spare = room.saturating_sub(width(&text) + indent);
            let (before, after) = if column.kind == Kind::Number {
                (spare, 0)
            } else {
                (0, spare)
            };
            blanks += indent + before;
            if !text.is_empty() {
                line.push_str(&" ".repeat(blanks));
                blanks = 0;
                line.push_str(&painted(&text, cell.style));
            }
            blanks += after + gap;
        }
        out.push_str(&line);
        out.push('\n');
    }
}

/// Writes text below a row.
fn draw_note(out: &mut String, note: &Cell, room: usize) {
    let indent = " ".repeat(NOTE_INDENT);
    let mut lines = wrap(&note.text, room.saturating_sub(NOTE_INDENT + 2));
    if lines.len() > MAX_NOTE_LINES {
        lines.truncate(MAX_NOTE_LINES);
        if let Some(last) = lines.last_mut() {
            last.push_str(" …");
        }
    }
    for line in lines {
        out.push_str(&indent);
        out.push_str(&painted(&line, note.style));
        out.push('\n');
    }
}

/// Text with its colour, if it has one.
pub(super) fn painted(text: &str, style: Style) -> String {
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(table: &Table, room: usize) -> Vec<String> {
        let mut out = String::new();
        table.draw(&mut out, &Paint::default(), room);
        out.lines().map(str::to_owned).collect()
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let mut table = Table::new([
            Column::name("disks"),
            Column::word("state"),
            Column::number("requests"),
        ]);
        table.row(["backup".into(), "up".into(), "12 345".into()]);
        table.row(["b".into(), "".into(), "7".into()]);
        table.note("it is small".into());
        assert_eq!(
            drawn(&table, 100),
            [
                "disks     state  requests",
                "  backup  up       12 345",
                "  b                     7",
                "      it is small",
            ]
        );
    }

    #[test]
    fn names_are_shortened_and_words_never() {
        let mut table = Table::new([Column::name("disks"), Column::word("state"), Column::name("peer")]);
        let name = "a-very-long-name-of-a-disk";
        table.row([name.into(), "degraded".into(), name.into()]);
        let lines = drawn(&table, 40);
        assert_eq!(lines[1], "  a-very…-disk  degraded  a-very-…a-disk");
        assert_eq!(width(&lines[1]), 40);
    }

    #[test]
    fn a_long_note_is_wrapped_and_bounded() {
        let mut table = Table::new([Column::name("disks")]);
        table.row(["a".into()]);
        table.note("word ".repeat(100).as_str().into());
        table.note("".into());
        let lines = drawn(&table, 40);
        assert_eq!(lines.len(), 2 + MAX_NOTE_LINES);
        assert!(lines.iter().all(|line| width(line) <= 40), "{lines:?}");
        assert!(lines.last().unwrap().ends_with(" …"));
    }
}
