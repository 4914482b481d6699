//! Who was refused last, and why.

use aoe_common::snapshot::Refusals;

use super::table::{Cell, Column, Table};
use super::view::View;
use super::words::{count, known, plain};
use crate::cli::rows;

/// So many are shown; more are counted.
const SHOWN: usize = 10;

/// Writes the last ones, the newest first.
pub(super) fn draw(out: &mut String, view: &View<'_>) {
    let at_imports = view
        .now
        .imports
        .iter()
        .flat_map(|import| import.refusals.iter().map(|refusals| (&import.address, refusals)));
    let at_exports = view
        .now
        .exports
        .iter()
        .flat_map(|export| export.refusals.iter().map(|refusals| (&export.name, refusals)));
    let mut rows: Vec<(&String, &Refusals)> = at_imports.chain(at_exports).collect();
    rows.retain(|(_, refusals)| refusals.count > 0);
    rows.sort_by(|(_, one), (_, other)| other.last.total_cmp(&one.last));

    let mut table = Table::new([
        Column::name("refused last"),
        Column::number("ago"),
        Column::name("at"),
        Column::number("times"),
        Column::name("what"),
    ]);
    for (place, refusals) in rows.iter().take(SHOWN) {
        table.row([
            Cell::from(known(&refusals.last_who)),
            view.age(refusals.last),
            plain(place).into(),
            count(refusals.count).into(),
            known(rows::refused(refusals)).into(),
        ]);
    }
    view.table(out, "refused last", &table);
    if let Some(more) = rows.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        out.push_str(&format!("  and {more} more\n"));
    }
}
