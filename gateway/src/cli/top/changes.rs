//! The view of what changed in the last hour.

use std::time::{Duration, SystemTime};

use aoe_common::snapshot::{State, StateChange};
use jiff::Timestamp;

use super::row::Filter;
use super::text::{Kind, Text};
use crate::cli::rows;
use crate::cli::words::{UNKNOWN, age, plain};

/// All of them that the filter lets through, the newest first.
pub(super) fn draw(text: &mut Text, changes: &[StateChange], now: f64, filter: &Filter) {
    let shown = changes.iter().map(|change| (change, line(change, now, true)));
    let mut shown = shown.filter(|(_, line)| filter.fits(line)).peekable();
    if shown.peek().is_none() {
        let none = if changes.is_empty() {
            "Nothing changed in the last hour, or since the gateway started."
        } else {
            "No change has these words."
        };
        text.wrapped(Kind::Plain, 0, none);
        return;
    }
    text.line(Kind::Title, "time UTC  ago       what: from, to, why");
    for (change, line) in shown {
        let kind = match change.is {
            State::Down => Kind::Fault,
            _ => Kind::Plain,
        };
        // What does not fit stands under what it is about.
        let mut part = Text::new(text.room.saturating_sub(INDENT));
        let (moment, words) = line.split_at_checked(INDENT).unwrap_or(("", &line));
        part.wrapped(kind, 0, words);
        for (at, line) in part.lines.iter().enumerate() {
            let moment = if at == 0 { moment } else { "" };
            text.line(kind, &format!("{moment:INDENT$}{}", line.text));
        }
    }
}

/// Where it says what changed.
const INDENT: usize = 20;

/// A change in one line: `22:03:45  3 min     export backup: up → down, target e7.4 does not answer`.
pub(super) fn line(change: &StateChange, now: f64, with_about: bool) -> String {
    let why = match plain(&change.why) {
        why if why.is_empty() => why,
        why => format!(", {why}"),
    };
    let about = if with_about {
        format!("{}: ", plain(&change.about))
    } else {
        String::new()
    };
    let (was, is) = (rows::state(change.was), rows::state(change.is));
    let ago = age(now, change.at);
    format!("{:<8}  {ago:<8}  {about}{was} → {is}{why}", time(change.at))
}

/// The time of a day, UTC.
pub(super) fn time(unix: f64) -> String {
    let since = Duration::try_from_secs_f64(unix).ok().filter(|_| unix > 0.0);
    let moment = since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
    let moment = moment.and_then(|moment| Timestamp::try_from(moment).ok());
    moment.map_or(UNKNOWN.to_owned(), |moment| {
        moment.strftime("%H:%M:%S").to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_of_the_day() {
        assert_eq!(time(1_700_000_000.9), "22:13:20");
        for unknown in [0.0, -5.0, f64::NAN, f64::INFINITY, f64::MAX] {
            assert_eq!(time(unknown), "-");
        }
    }

    #[test]
    fn a_change_says_from_what_to_what_and_why() {
        let change = StateChange {
            about: "export back\u{1b}up".into(),
            at: 1_700_000_000.0,
            was: State::Up,
            is: State::Down,
            why: "target e7.4 does not answer".into(),
        };
        assert_eq!(
            line(&change, 1_700_000_190.0, true),
            "22:13:20  3 min     export back�up: up → down, target e7.4 does not answer"
        );
    }
}
