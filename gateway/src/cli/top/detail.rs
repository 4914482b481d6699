//! Everything about one row.

mod disk;
mod peer;
mod refusals;
mod sizes;
mod times;
mod user;
mod users;

use aoe_common::snapshot::{Standing, State};

use super::history::spark;
use super::picture::Picture;
use super::row::Row;
use super::text::{Kind, Text};
use super::view::View;
use crate::cli::rows;
use crate::cli::words::{age, count, duration, plain};

/// What is shown of a row; `stage` says which histogram.
pub(super) fn draw(picture: &Picture, view: View, id: &str, stage: usize, room: usize) -> Text {
    let mut text = Text::new(room);
    let known = picture
        .row(view, id)
        .and_then(|row| {
            let snapshot = &picture.between.now;
            match view {
                View::Exports => disk::export(
                    &mut text,
                    picture,
                    super::exports::find(snapshot, id)?,
                    row,
                    stage,
                ),
                View::Imports => disk::import(
                    &mut text,
                    picture,
                    super::imports::find(snapshot, id)?,
                    row,
                    stage,
                ),
                View::Initiators => {
                    user::initiator(&mut text, picture, super::initiators::find(snapshot, id)?, row)
                }
                View::Peers => peer::peer(&mut text, picture, super::peers::find(snapshot, id)?, row),
                View::Alarms | View::Changes => {}
            }
            Some(())
        })
        .is_some();
    if !known {
        text.wrapped(
            Kind::Plain,
            0,
            "It is there no more. Escape goes back to the list.",
        );
    }
    text
}

/// What it is, how it is, why, and what became of it.
fn head(text: &mut Text, picture: &Picture, what: &str, standing: &Standing) {
    let state = rows::state(standing.state);
    let since = age(picture.between.made(), standing.since);
    text.line(Kind::Title, &format!("{what}: {state} for {since}"));
    let kind = match standing.state {
        State::Up => Kind::Plain,
        _ => Kind::Fault,
    };
    text.wrapped(kind, 2, &plain(&standing.why));
}

/// Changes of state, the newest first.
fn changes(text: &mut Text, picture: &Picture, about: &str) {
    /// More stand in the view of changes.
    const SHOWN: usize = 5;
    let changes = picture.between.now.changes.iter();
    let mut changes = changes.filter(|change| change.about == about).peekable();
    if changes.peek().is_none() {
        return;
    }
    text.gap();
    text.line(Kind::Title, "changes");
    for change in changes.take(SHOWN) {
        let line = super::changes::line(change, picture.between.made(), false);
        text.wrapped(Kind::Plain, 2, &line);
    }
}

/// How busy it was, in bars.
fn rates(text: &mut Text, picture: &Picture, row: &Row, what: &str) {
    let room = text.room.saturating_sub(2);
    let shown = row
        .rates
        .get(row.rates.len().saturating_sub(room)..)
        .unwrap_or_default();
    let highest = shown.iter().flatten().max();
    let [interval, _] = picture.between.seconds();
    let (Some(highest), Some(interval)) = (highest, interval) else {
        return;
    };
    #[expect(clippy::cast_precision_loss, reason = "some hundred")]
    let seconds = duration(shown.len() as f64 * interval);
    text.line(Kind::Bars, &format!("  {}", spark(shown, shown.len())));
    text.line(
        Kind::Plain,
        &format!("  {what} of the last {seconds}; the highest: {}", count(*highest)),
    );
}
