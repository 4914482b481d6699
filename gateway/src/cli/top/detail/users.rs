//! Who uses something.

use std::cmp::Reverse;

use aoe_common::snapshot::Initiator;

use crate::cli::rows::place;
use crate::cli::table::{Cell, Column, Table};
use crate::cli::top::initiators::COLUMNS;
use crate::cli::top::picture::Picture;
use crate::cli::top::row::Row;
use crate::cli::top::text::{Kind, Text};
use crate::cli::top::view::View;
use crate::cli::words::{count, known};

/// The busiest of them; more are counted.
const SHOWN: usize = 20;
/// What is shown of each.
const HEADS: [&str; 6] = ["req/s", "read/s", "write/s", "p99", "limited", "seen"];

/// The busiest initiators that `uses` says use it; `others` of them have no row.
pub(super) fn draw(text: &mut Text, picture: &Picture, uses: impl Fn(&Initiator) -> bool, others: u64) {
    text.gap();
    let all = picture.between.now.initiators.iter();
    let all = all.zip(picture.rows(View::Initiators));
    let mut users: Vec<(&Initiator, &Row)> = all.filter(|(user, _)| uses(user)).collect();
    users.sort_by_key(|(_, row)| Reverse(row.rate));
    if users.is_empty() {
        text.line(Kind::Plain, "  no initiator used it");
        return;
    }
    let numbers = HEADS.map(Column::number);
    let names = [
        Column::word("initiators"),
        Column::name("where"),
        Column::name("uses"),
    ];
    let mut table = Table::new(names.into_iter().chain(numbers));
    for (user, row) in users.iter().take(SHOWN) {
        let (place, what) = place(user);
        let names = [&user.mac, place, what].map(|name| Cell::from(known(name)));
        table.row(names.into_iter().chain(HEADS.map(|head| cell(row, head))));
    }
    text.table(&table);
    let hidden = u64::try_from(users.len().saturating_sub(SHOWN)).unwrap_or(u64::MAX);
    match hidden.saturating_add(others) {
        0 => {}
        more => text.line(Kind::Plain, &format!("  and {} more", count(more))),
    }
}

/// The same as in the list of initiators.
fn cell(row: &Row, head: &str) -> Cell {
    let column = COLUMNS.iter().position(|column| column.head == head);
    let value = column.and_then(|at| row.cells.get(at));
    value.map_or(String::new(), |value| value.text()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_each_is_a_column_of_the_list() {
        for head in HEADS {
            assert!(COLUMNS.iter().any(|column| column.head == head), "{head}");
        }
    }
}
