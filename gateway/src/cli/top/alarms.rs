//! The view of alarms.

use aoe_common::snapshot::{Alarm, State};

use super::row::Filter;
use super::text::{Kind, Text};
use crate::cli::rows;
use crate::cli::words::age;

/// All of them that the filter lets through, the newest first.
pub(super) fn draw(text: &mut Text, alarms: &[Alarm], now: f64, filter: &Filter) {
    let shown = alarms.iter().map(|alarm| (alarm, line(alarm, now)));
    let mut shown = shown.filter(|(_, line)| filter.fits(line)).peekable();
    if shown.peek().is_none() {
        let none = if alarms.is_empty() {
            "No alarms: nothing is wrong as far as this gateway knows. Look at the other one too."
        } else {
            "No alarm has these words."
        };
        text.wrapped(Kind::Plain, 0, none);
        return;
    }
    for (alarm, line) in shown {
        text.gap();
        let kind = match alarm.standing.state {
            State::Down => Kind::Fault,
            _ => Kind::Plain,
        };
        text.wrapped(kind, 0, &line);
    }
}

/// An alarm in one line: `down for 3 min: target e7.4 does not answer`.
pub(super) fn line(alarm: &Alarm, now: f64) -> String {
    let standing = &alarm.standing;
    format!(
        "{} for {}: {}",
        rows::state(standing.state),
        age(now, standing.since),
        rows::about(&alarm.about, &standing.why)
    )
}
