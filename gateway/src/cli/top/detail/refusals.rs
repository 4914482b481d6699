//! What was refused, and to whom last.

use std::cmp::Reverse;

use aoe_common::snapshot::Refusals;

use crate::cli::rows::refused;
use crate::cli::table::{Cell, Column, Table};
use crate::cli::top::between::Between;
use crate::cli::top::text::{Kind, Text};
use crate::cli::words::{age, count, known, plain};

/// A row for each reason, the most frequent first.
pub(super) fn draw(text: &mut Text, between: &Between, refusals: &[Refusals]) {
    text.gap();
    let mut rows: Vec<&Refusals> = refusals.iter().filter(|row| row.count > 0).collect();
    if rows.is_empty() {
        text.line(Kind::Plain, "  nothing was refused");
        return;
    }
    rows.sort_by_key(|row| Reverse(row.count));
    let mut table = Table::new([
        Column::name("refused"),
        Column::number("times"),
        Column::number("last"),
        Column::name("to"),
    ]);
    for row in rows {
        table.row([
            Cell::from(known(&row.reason)),
            count(row.count).into(),
            age(between.made(), row.last).into(),
            known(&row.last_who).into(),
        ]);
        table.note(plain(refused(row)).into());
    }
    text.table(&table);
}
