//! Rows of a list, and those that are shown in which order.

use super::value::Value;
use crate::cli::words::plain;

/// A row.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// Tells it from the others of its list, also in later documents.
    pub(super) id: String,
    pub(super) cells: Vec<Value>,
    /// Why it is as it is; safe for a terminal.
    pub(super) why: String,
    /// How busy it is now.
    pub(super) rate: Option<u64>,
    /// How busy it was, the oldest first.
    pub(super) rates: Vec<Option<u64>>,
}

impl Row {
    /// A row that is told from others by these words.
    pub(super) fn new(id: &[&str], cells: impl Into<Vec<Value>>, why: &str, rate: Option<u64>) -> Self {
        Row {
            id: self::id(id),
            cells: cells.into(),
            why: plain(why),
            rate,
            rates: Vec::new(),
        }
    }
}

/// What tells a row from the others.
pub(super) fn id(words: &[&str]) -> String {
    words.join("\0")
}

/// What a row must contain to be shown: each of these words, in any place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter(String);

impl Filter {
    /// As it was typed.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Whether everything is shown.
    pub(super) fn is_empty(&self) -> bool {
        self.0.trim().is_empty()
    }

    pub(super) fn push(&mut self, c: char) {
        /// Enough for the names of anything.
        const LONGEST: usize = 128;
        if self.0.len() < LONGEST && !c.is_control() {
            self.0.push(c);
        }
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether a text is to be shown.
    pub(super) fn fits(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.0
            .split_whitespace()
            .all(|word| text.contains(&word.to_lowercase()))
    }

    fn fits_row(&self, row: &Row) -> bool {
        if self.is_empty() {
            return true;
        }
        let mut text: Vec<String> = row.cells.iter().map(Value::text).collect();
        text.push(row.why.clone());
        self.fits(&text.join(" "))
    }
}

/// By which column a list is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) column: usize,
    pub(super) reversed: bool,
}

/// The rows that are to be shown, in their order. What is not known stands last either way.
pub(super) fn arrange<'a>(rows: &'a [Row], filter: &Filter, sort: Sort) -> Vec<&'a Row> {
    let mut shown: Vec<&Row> = rows.iter().filter(|row| filter.fits_row(row)).collect();
    let cell = |row: &'a Row| row.cells.get(sort.column).unwrap_or(&Value::Unknown);
    shown.sort_by(|one, other| {
        let (one_value, other_value) = (cell(one), cell(other));
        let unknown = |value: &Value| *value == Value::Unknown;
        let order = one_value.before(other_value);
        unknown(one_value)
            .cmp(&unknown(other_value))
            .then(if sort.reversed { order.reverse() } else { order })
            .then_with(|| one.id.cmp(&other.id))
    });
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |name: &str, value: Value| Row::new(&[name], [Value::name(name), value], "", None);
        vec![
            row("backup", Value::Count(5)),
            row("archive", Value::Unknown),
            row("Cellar", Value::Count(700)),
            row("däta", Value::Count(5)),
        ]
    }

    fn names(filter: &str, column: usize, reversed: bool) -> Vec<String> {
        let filter = Filter(filter.to_owned());
        let rows = rows();
        let shown = arrange(&rows, &filter, Sort { column, reversed });
        shown.iter().map(|row| row.id.clone()).collect()
    }

    #[test]
    fn rows_are_sorted_by_the_column_and_the_unknown_is_last() {
        assert_eq!(names("", 0, false), ["Cellar", "archive", "backup", "däta"]);
        assert_eq!(names("", 0, true), ["däta", "backup", "archive", "Cellar"]);
        assert_eq!(names("", 1, false), ["Cellar", "backup", "däta", "archive"]);
        assert_eq!(names("", 1, true), ["backup", "däta", "Cellar", "archive"]);
        assert_eq!(names("", 77, false).len(), 4);
    }

    #[test]
    fn each_word_of_a_filter_must_be_there() {
        assert_eq!(names("CELL", 0, false), ["Cellar"]);
        assert_eq!(names("a 5", 0, false), ["backup", "däta"]);
        assert_eq!(names("DÄ", 0, false), ["däta"]);
        assert_eq!(names("moon", 0, false), [""; 0]);
        assert_eq!(names("  ", 0, false).len(), 4);
        let mut filter = Filter::default();
        for _ in 0..1000 {
            filter.push('ä');
            filter.push('\u{1b}');
        }
        assert!(filter.text().len() <= 129 && filter.text().chars().all(|c| c == 'ä'));
    }
}
