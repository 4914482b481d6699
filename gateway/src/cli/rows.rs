//! What rows of a document say, in the same words in every picture of them.

use aoe_common::snapshot::{Initiator, Refusals, Side, State};

use super::words::{clip, known, plain};

/// The word of a state.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Up => "up",
        State::Degraded => "degraded",
        State::Starting => "starting",
        State::Leaving => "leaving",
        State::Paused => "paused",
        State::Down => "down",
        State::Unknown => "?",
    }
}

/// How much trouble a state is; the worst is 0.
pub(super) fn trouble(state: State) -> u8 {
    match state {
        State::Down => 0,
        State::Degraded | State::Unknown => 1,
        State::Starting | State::Leaving | State::Paused => 2,
        State::Up => 3,
    }
}

/// `rw`, `ro`, or what a newer gateway says.
pub(super) fn access(text: &str) -> String {
    match text {
        "read-write" => "rw".to_owned(),
        "read-only" => "ro".to_owned(),
        other => clip(&known(other), 6),
    }
}

/// The line of the log about something; what it is about stands before it if the line does not name it.
pub(super) fn about(about: &str, why: &str) -> String {
    let (about, why) = (plain(about), plain(why));
    let name = about.rsplit(' ').next().unwrap_or_default();
    match (about.is_empty(), why.is_empty()) {
        (true, _) => why,
        (_, true) => about,
        _ if why.contains(name) => why,
        _ => format!("{about}: {why}"),
    }
}

/// The line of the log about something without the name of what it is about, where that stands beside it.
pub(super) fn without(about: &str, why: &str) -> String {
    let rest = why.strip_prefix(about).and_then(|rest| rest.strip_prefix(": "));
    rest.unwrap_or(why).to_owned()
}

/// What was refused, in the words of the log, or of the counters.
pub(super) fn refused(refusals: &Refusals) -> &str {
    if refusals.last_what.is_empty() {
        &refusals.reason
    } else {
        &refusals.last_what
    }
}

/// Where an initiator is, and what it uses.
pub(super) fn place(row: &Initiator) -> (&str, &str) {
    match row.side {
        Side::Here if row.address.is_empty() => ("here", &row.export),
        Side::Here => ("here", &row.address),
        Side::There => (&row.peer, &row.export),
    }
}

/// What tells one row of an initiator from the others.
pub(super) type User<'a> = (&'a str, Side, &'a str, &'a str, &'a str);

/// Whose row it is.
pub(super) fn user(row: &Initiator) -> User<'_> {
    (&row.mac, row.side, &row.peer, &row.export, &row.address)
}

#[cfg(test)]
mod tests {
    use super::about;

    #[test]
    fn what_an_alarm_is_about_is_said_once() {
        let why = "session with site-a is lost: it does not answer";
        assert_eq!(about("peer site-a", why), why);
        assert_eq!(about("clock", "it went back"), "clock: it went back");
        assert_eq!(about("peer site-a", ""), "peer site-a");
    }
}
