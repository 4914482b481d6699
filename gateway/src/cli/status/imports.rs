//! Exports of peers that are presented here.

use super::table::{Column, Table};
use super::view::{STANDING, Times, View, troubled_first};
use super::words::{count, known, plain, shorten};
use crate::cli::rows;

/// Writes them, and where their time went.
pub(super) fn draw(out: &mut String, view: &View<'_>) {
    let columns = [
        Column::word("imports"),
        Column::name("export"),
        Column::name("segment"),
    ]
    .into_iter()
    .chain(STANDING)
    .chain([Column::word("access")])
    .chain(view.amounts.heads())
    .chain([Column::number("flight")]);
    let mut table = Table::new(columns);
    let imports = troubled_first(&view.now.imports, |import| &import.standing);
    let mut times = Vec::new();
    for import in &imports {
        let before = view.before.and_then(|before| {
            before.imports.iter().find(|other| {
                (&other.address, &other.segment, &other.peer, &other.export)
                    == (&import.address, &import.segment, &import.peer, &import.export)
            })
        });
        let [state, since] = view.standing(&import.standing);
        let [requests, read, written] = view
            .amounts
            .traffic(&import.traffic, before.map(|before| &before.traffic));
        table.row([
            view.by_worker(&shorten(&import.address, 10), import.worker)
                .into(),
            plain(&format!("{}/{}", import.peer, import.export)).into(),
            known(&import.segment).into(),
            state,
            since,
            rows::access(&import.access).into(),
            requests,
            read,
            written,
            count(import.traffic.in_flight).into(),
        ]);
        table.note(view.why(&import.standing));
        table.note(view.paused(import.paused.as_ref()));
        times.push(Times {
            name: shorten(&plain(&import.address), 10),
            now: import.latency,
            before: before.map(|before| before.latency),
        });
    }
    view.table(out, "imports", &table);
    view.split(out, "p50 | p99", &times);
}
