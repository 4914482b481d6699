//! What every part of the page is drawn from.

use aoe_common::snapshot::{Latency, Paused, Snapshot, Split, Standing, State};

use super::amounts::Amounts;
use super::table::{Cell, Column, Table};
use super::words::{self, UNKNOWN, plain};
use crate::cli::paint::Paint;
use crate::cli::rows;

/// A document, and how it is to be drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) now: &'a Snapshot,
    /// An earlier document of the same gateway.
    pub(super) before: Option<&'a Snapshot>,
    pub(super) amounts: Amounts,
    pub(super) paint: Paint,
    /// Columns of the terminal.
    pub(super) room: usize,
}

/// Where the requests of something spent their time.
#[derive(Debug)]
pub(super) struct Times {
    pub(super) name: String,
    pub(super) now: Split,
    pub(super) before: Option<Split>,
}

/// The heads of [`View::standing`].
pub(super) const STANDING: [Column; 2] = [Column::word("state"), Column::number("since")];

impl View<'_> {
    /// State and since when.
    pub(super) fn standing(&self, standing: &Standing) -> [Cell; 2] {
        let word = rows::state(standing.state);
        [
            Cell::styled(word.to_owned(), self.style(standing.state)),
            self.age(standing.since),
        ]
    }

    /// Why something is not as it should be, or what else is to be said of it.
    pub(super) fn why(&self, standing: &Standing) -> Cell {
        let style = match standing.state {
            State::Up => self.paint.faint,
            other => self.style(other),
        };
        Cell::styled(plain(&standing.why), style)
    }

    /// When a pause ends by itself, if one is on.
    pub(super) fn paused(&self, paused: Option<&Paused>) -> Cell {
        let left = paused.map(|paused| words::duration(paused.resumes - self.now.gateway.now));
        let text = left.map(|left| format!("paused; goes on by itself in {left}"));
        Cell::styled(text.unwrap_or_default(), self.style(State::Paused))
    }

    /// How long ago a moment was.
    pub(super) fn age(&self, then: f64) -> Cell {
        words::age(self.now.gateway.now, then).into()
    }

    /// The colour of a state.
    pub(super) fn style(&self, state: State) -> anstyle::Style {
        match state {
            State::Up => self.paint.good,
            State::Down => self.paint.fault,
            State::Degraded | State::Starting | State::Leaving | State::Paused | State::Unknown => {
                self.paint.warning
            }
        }
    }

    /// Draws a table, or says that there is nothing to draw.
    pub(super) fn table(&self, out: &mut String, title: &str, table: &Table) {
        if table.is_empty() {
            let title = super::table::painted(title, self.paint.title);
            out.push_str(&format!("{title}  none\n"));
        } else {
            table.draw(out, &self.paint, self.room);
        }
    }

    /// The name of a row that each worker has one of.
    pub(super) fn by_worker(&self, name: &str, worker: u8) -> String {
        match self.now.gateway.workers {
            0 | 1 => plain(name),
            _ => format!("{} #{worker}", plain(name)),
        }
    }

    /// Where the requests of some rows spent their time: a column for each part that one of them ever had.
    pub(super) fn split(&self, out: &mut String, title: &'static str, rows: &[Times]) {
        type Part = (&'static str, fn(&Split) -> Option<Latency>);
        const PARTS: [Part; 5] = [
            ("total", |split| split.total),
            ("segment", |split| split.segment),
            ("tunnel", |split| split.tunnel),
            ("queue", |split| split.queue),
            ("target", |split| split.target),
        ];
        let ever = |part: fn(&Split) -> Option<Latency>, row: &Times| {
            part(&row.now).is_some_and(|latency| latency.count > 0)
        };
        let shown: Vec<Part> = PARTS
            .into_iter()
            .filter(|(_, part)| rows.iter().any(|row| ever(*part, row)))
            .collect();
        if shown.is_empty() {
            return;
        }
        let columns = shown.iter().map(|(head, _)| Column::number(head));
        let mut table = Table::new([Column::name(title)].into_iter().chain(columns));
        for row in rows {
            if !PARTS.iter().any(|(_, part)| ever(*part, row)) {
                continue;
            }
            let cells = shown.iter().map(|(_, part)| {
                match self
                    .amounts
                    .latency(part(&row.now), row.before.and_then(|split| part(&split)))
                {
                    // The bars stand below each other.
                    Some(latency) => Cell::from(format!(
                        "{} | {:>7}",
                        words::latency(latency.p50_us),
                        words::latency(latency.p99_us)
                    )),
                    None => UNKNOWN.into(),
                }
            });
            table.row([Cell::from(row.name.as_str())].into_iter().chain(cells));
        }
        table.draw(out, &self.paint, self.room);
    }
}

/// What is in trouble first, everything else as it was.
pub(super) fn troubled_first<T>(rows: &[T], standing: fn(&T) -> &Standing) -> Vec<&T> {
    let mut rows: Vec<&T> = rows.iter().collect();
    rows.sort_by_key(|row| rows::trouble(standing(row).state));
    rows
}
