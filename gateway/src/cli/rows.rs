//! What rows of a document say, in the same words in every picture of them.

use std::time::Duration;

use aoe_common::config::Until;
use aoe_common::snapshot::{Grant, Initiator, Refusals, Side, State};

use super::words::{UNKNOWN, clip, known, plain};

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

/// `site-a rw until 2027-01-31T00:00:00Z`; where rules differ, each says its own end. `name`: of the peer, as shown.
pub(super) fn grant(name: &str, grant: &Grant) -> String {
    let access = access(&grant.access);
    match (grant.until, grant.rules.is_empty()) {
        (Some(end), true) if grant.access == "ended" => format!("{name} {access} {}", moment(end)),
        (Some(end), true) => format!("{name} {access} until {}", moment(end)),
        _ => format!("{name} {access}"),
    }
}

/// Most rules of one peer that are shown; the gateway has no more.
const RULES: usize = 8;
/// Room for one rule.
const RULE: usize = 400;

/// What the rules of a peer allow, where that is more than its access says.
pub(super) fn rules(name: &str, grant: &Grant) -> Option<String> {
    let rules: Vec<String> = grant
        .rules
        .iter()
        .take(RULES)
        .map(|rule| clip(&plain(rule), RULE))
        .collect();
    (!rules.is_empty()).then(|| format!("rules of {name}: {}", rules.join("; ")))
}

/// A moment in Unix time, as files and the log write it.
fn moment(unix: f64) -> String {
    match Duration::try_from_secs_f64(unix) {
        Ok(since) => Until(since.as_secs()).to_string(),
        Err(_) => UNKNOWN.to_owned(),
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
    use super::{about, grant, rules};
    use crate::cli::samples;

    #[test]
    fn a_grant_says_its_end_where_no_rule_does() {
        let mut one = samples::grant("site-d", "read-only", 0);
        assert_eq!(grant("site-d", &one), "site-d ro");
        assert_eq!(rules("site-d", &one), None);
        one.until = Some(1_793_491_200.0);
        assert_eq!(grant("site-d", &one), "site-d ro until 2026-11-01T00:00:00Z");
        one.access = "ended".to_owned();
        assert_eq!(grant("site-d", &one), "site-d ended 2026-11-01T00:00:00Z");
        one.access = "read-only".to_owned();
        one.rules = vec![
            "ro sectors 0-7".to_owned(),
            "ro, smart-read-data\u{1b}[2J".to_owned(),
        ];
        assert_eq!(grant("site-d", &one), "site-d ro");
        assert_eq!(
            rules("site-d", &one).unwrap(),
            "rules of site-d: ro sectors 0-7; ro, smart-read-data\u{fffd}[2J"
        );
    }

    #[test]
    fn what_an_alarm_is_about_is_said_once() {
        let why = "session with site-a is lost: it does not answer";
        assert_eq!(about("peer site-a", why), why);
        assert_eq!(about("clock", "it went back"), "clock: it went back");
        assert_eq!(about("peer site-a", ""), "peer site-a");
    }
}
