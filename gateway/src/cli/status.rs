//! `status`: how a running gateway is, drawn from its document and from nothing else.

mod alarms;
mod amounts;
mod captures;
mod expiring;
mod exports;
mod head;
mod imports;
mod initiators;
mod keys;
mod page;
mod peers;
mod refusals;
mod segments;
mod view;
mod watch;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};
use std::path::Path;

use aoe_common::snapshot::Snapshot;
use clap::Args;

use self::amounts::Amounts;
use self::view::View;
use super::document::Document;
use super::paint::Paint;
#[cfg(test)]
use super::samples;
use super::{Exit, client, table, words, write_quietly};

/// No line is longer, as far as words and numbers allow; a narrower terminal makes them shorter.
const WIDEST: usize = 100;
/// What does not fit into this is not read either.
const NARROWEST: usize = 60;

/// How it is shown.
#[derive(Args, Clone, Copy, Debug)]
#[group(multiple = false)]
pub(super) struct How {
    /// Print the document itself, for machines
    #[arg(long)]
    json: bool,
    /// Show it again every second, with rates, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

/// Shows how the gateway is that runs with `config`.
pub(super) fn run(config: &Path, how: How) -> Exit {
    if how.watch {
        return watch::run(config);
    }
    let document = match client::observe(config) {
        Ok(document) => document,
        Err(unheard) => {
            let paint = Paint::for_stream(io::stderr().is_terminal());
            write_quietly(io::stderr(), &unheard.text(&paint));
            return unheard.exit();
        }
    };
    if how.json {
        write_quietly(io::stdout(), &document.printable());
    } else {
        let paint = Paint::for_stream(io::stdout().is_terminal());
        let text = draw(&document, None, Amounts::Totals, paint, room());
        write_quietly(io::stdout(), &text);
    }
    Exit::Ok
}

fn draw(
    document: &Document,
    before: Option<&Snapshot>,
    amounts: Amounts,
    paint: Paint,
    room: usize,
) -> String {
    let view = View {
        now: &document.snapshot,
        before,
        amounts,
        paint,
        room,
    };
    page::draw(&view, document.unread)
}

/// Columns to draw in.
fn room() -> usize {
    let columns = terminal_size::terminal_size_of(io::stdout()).map(|(columns, _)| usize::from(columns.0));
    columns.map_or(WIDEST, |columns| columns.clamp(NARROWEST, WIDEST))
}
