//! Targets here that peers may use.

use std::cmp::Reverse;

use aoe_common::snapshot::{Export, Grant};

use super::table::{Cell, Column, Table};
use super::view::{STANDING, Times, View, troubled_first};
use super::words::{UNKNOWN, bytes, count, known, plain, shorten};
use crate::cli::rows;
use crate::cli::top::limits::words;

/// Peers that are named; more are counted.
const GRANTS: usize = 8;
/// Room for what a disk calls itself.
const DISK: usize = 120;
/// Room for the name of a peer in a list.
const PEER: usize = 24;

/// Writes them, and where their time went.
pub(super) fn draw(out: &mut String, view: &View<'_>) {
    let columns = [Column::name("exports"), Column::word("target")]
        .into_iter()
        .chain(STANDING)
        .chain(["at target", "waiting"].map(Column::number))
        .chain(view.amounts.heads())
        .chain([Column::number("refused")]);
    let mut table = Table::new(columns);
    let exports = troubled_first(&view.now.exports, |export| &export.standing);
    let mut times = Vec::new();
    for export in &exports {
        let before = view
            .before
            .and_then(|before| before.exports.iter().find(|other| other.name == export.name));
        let [state, since] = view.standing(&export.standing);
        let [requests, read, written] = view
            .amounts
            .traffic(&export.traffic, before.map(|before| &before.traffic));
        let buffers = match export.buffers {
            0 => UNKNOWN.to_owned(),
            n => n.to_string(),
        };
        table.row([
            view.by_worker(&export.name, export.worker).into(),
            shorten(&plain(&export.target), 10).into(),
            state,
            since,
            format!("{} of {buffers}", count(export.at_target)).into(),
            count(export.waiting).into(),
            requests,
            read,
            written,
            count(export.traffic.refused).into(),
        ]);
        table.note(view.why(&export.standing));
        table.note(view.paused(export.paused.as_ref()));
        table.note(Cell::styled(disk(export), view.paint.faint));
        table.note(Cell::styled(grants(&export.allow), view.paint.faint));
        for line in rules(&export.allow).into_iter().chain(limits(export)) {
            table.note(Cell::styled(line, view.paint.faint));
        }
        times.push(Times {
            name: plain(&export.name),
            now: export.latency,
            before: before.map(|before| before.latency),
        });
    }
    view.table(out, "exports", &table);
    view.split(out, "p50 | p99", &times);
}

/// What is behind it.
fn disk(export: &Export) -> String {
    let segment = known(&export.segment);
    let size = match export.size_bytes {
        0 => String::new(),
        n => format!(", {}", bytes(n)),
    };
    match export.disk.trim() {
        "" => format!("on {segment}, disk not known yet{size}"),
        disk => format!("on {segment}, disk {}{size}", shorten(&plain(disk), DISK)),
    }
}

/// What its users may have.
fn limits(export: &Export) -> Vec<String> {
    let all = export
        .limit
        .iter()
        .map(|limit| format!("limit: {}", words(limit)));
    let of_peer = |grant: &Grant| {
        let limit = grant.limit.as_ref()?;
        Some(format!(
            "limit of {}: {}",
            shorten(&plain(&grant.peer), PEER),
            words(limit)
        ))
    };
    all.chain(export.allow.iter().filter_map(of_peer).take(GRANTS))
        .collect()
}

/// The peers that are named: who uses it first.
fn named(allow: &[Grant]) -> impl Iterator<Item = &Grant> {
    let mut by_use: Vec<&Grant> = allow.iter().collect();
    by_use.sort_by_key(|grant| Reverse(grant.in_use));
    by_use.into_iter().take(GRANTS)
}

/// What they may do where that takes more words than `rw`.
fn rules(allow: &[Grant]) -> Vec<String> {
    let of_peer = |grant: &Grant| rows::rules(&shorten(&plain(&grant.peer), PEER), grant);
    named(allow).filter_map(of_peer).collect()
}

/// Who may use it.
fn grants(allow: &[Grant]) -> String {
    if allow.is_empty() {
        return String::from("for nobody");
    }
    let mut list: Vec<String> = named(allow)
        .map(|grant| {
            let used = match grant.in_use {
                0 => String::new(),
                n => format!(" ({} in use)", count(n)),
            };
            rows::grant(&shorten(&plain(&grant.peer), PEER), grant) + &used
        })
        .collect();
    if let Some(more) = allow.len().checked_sub(GRANTS).filter(|more| *more > 0) {
        list.push(format!("and {more} more"));
    }
    format!("for {}", list.join(", "))
}
