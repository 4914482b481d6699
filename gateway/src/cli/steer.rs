//! Verbs by which an operator steers a running gateway: asked by its control socket, and answered in one way.

use std::io::{self, IsTerminal as _};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::client::{Unheard, ask_and_wait};
use super::paint::Paint;
use super::{Config, Exit, write_quietly};
use crate::control::protocol::{Answer, Done, Outcome, Request};

/// What all these verbs take.
#[derive(Args, Debug)]
pub(super) struct Common {
    #[command(flatten)]
    pub(super) config: Config,
    /// Print JSON, for machines
    #[arg(long)]
    pub(super) json: bool,
}

/// What can be paused.
#[derive(Args, Debug)]
pub(super) struct What {
    /// An export's name; or an import: its shelf.slot such as e107.3, SEGMENT:e107.3, or PEER/EXPORT
    #[arg(value_name = "EXPORT|IMPORT")]
    what: String,
}

/// `pause`
#[derive(Args, Debug)]
pub(super) struct Pause {
    #[command(flatten)]
    what: What,
    /// How long, such as 60s; at most 150s, less what initiators have waited already
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = parse_seconds)]
    time: u64,
    #[command(flatten)]
    common: Common,
}

impl Pause {
    pub(super) fn run(self) -> Exit {
        let request = Request::Pause {
            what: self.what.what,
            seconds: Some(self.time),
        };
        run(&self.common, &request)
    }
}

/// `resume`
#[derive(Args, Debug)]
pub(super) struct Resume {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    common: Common,
}

impl Resume {
    pub(super) fn run(self) -> Exit {
        run(&self.common, &Request::Resume { what: self.what.what })
    }
}

/// `drain`
#[derive(Args, Debug)]
pub(super) struct Drain {
    #[command(flatten)]
    what: What,
    /// How long it is paused, such as 60s; at most 150s, less what initiators have waited already
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = parse_seconds)]
    time: u64,
    /// How long to wait for what is under way
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_seconds)]
    timeout: u64,
    /// What to do then: nothing, and it stays paused; or `resume`, also if something is still under way
    #[arg(long, value_name = "VERB")]
    then: Option<Then>,
    #[command(flatten)]
    common: Common,
}

/// What follows a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Then {
    /// The pause ends.
    Resume,
}

impl Drain {
    pub(super) fn run(self) -> Exit {
        let request = Request::Drain {
            what: self.what.what,
            seconds: Some(self.time),
            timeout: Some(self.timeout),
            then_resume: self.then == Some(Then::Resume),
        };
        run(&self.common, &request)
    }
}

/// `peer up` and `peer down`
#[derive(Debug, Subcommand)]
pub(super) enum PeerVerb {
    /// Has a session with a peer that was taken down; it is called at once
    Up {
        /// The peer's name
        #[arg(value_name = "PEER")]
        peer: String,
        #[command(flatten)]
        common: Common,
    },
    /// Ends the session with a peer: it is neither called nor answered until `peer up` or a restart
    Down {
        /// The peer's name
        #[arg(value_name = "PEER")]
        peer: String,
        #[command(flatten)]
        common: Common,
    },
}

impl PeerVerb {
    pub(super) fn run(self) -> Exit {
        match self {
            PeerVerb::Up { peer, common } => run(&common, &Request::PeerUp { peer }),
            PeerVerb::Down { peer, common } => run(&common, &Request::PeerDown { peer }),
        }
    }
}

/// Whole seconds: `90s`, `2m`, or a number.
fn parse_seconds(text: &str) -> Result<u64, String> {
    let (number, factor) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let seconds = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor));
    seconds.ok_or_else(|| "write whole seconds or minutes, such as 60s or 2m".to_owned())
}

/// `log level`
#[derive(Debug, Subcommand)]
pub(super) enum LogVerb {
    /// Logs this until the gateway ends or a reload changes `log`
    Level {
        /// Off, error, warn, info, debug, trace, or a filter such as "info,aoe_gateway::segment=debug"
        #[arg(value_name = "FILTER")]
        filter: String,
        #[command(flatten)]
        common: Common,
    },
}

impl LogVerb {
    pub(super) fn run(self) -> Exit {
        let LogVerb::Level { filter, common } = self;
        run(&common, &Request::Log { filter })
    }
}

/// Asks the gateway that runs with this file, and prints what it says.
pub(super) fn run(common: &Common, request: &Request) -> Exit {
    match hear(common, request) {
        Ok(answer) => print(common, &answer),
        Err(unheard) => complain(common, &unheard),
    }
}

/// Asks the gateway that runs with this file. What still waits is shown on a line of its own meanwhile.
pub(super) fn hear(common: &Common, request: &Request) -> Result<Answer, Unheard> {
    let config = &common.config.config;
    ask_and_wait(config, request, |waits| {
        if !common.json {
            write_quietly(io::stderr(), &for_people(&waits, &Paint::default()));
        }
    })
}

/// Prints what the gateway says.
pub(super) fn print(common: &Common, answer: &Answer) -> Exit {
    let exit = answer.exit();
    if common.json {
        write_quietly(io::stdout(), &for_machines(answer));
    } else if exit == Exit::Ok {
        let paint = Paint::for_stream(io::stdout().is_terminal());
        write_quietly(io::stdout(), &for_people(answer, &paint));
    } else {
        let paint = Paint::for_stream(io::stderr().is_terminal());
        write_quietly(io::stderr(), &for_people(answer, &paint));
    }
    exit
}

/// Prints why there is no answer.
pub(super) fn complain(common: &Common, unheard: &Unheard) -> Exit {
    if common.json {
        write_quietly(io::stdout(), &for_machines(&unheard.answer()));
    } else {
        let paint = Paint::for_stream(io::stderr().is_terminal());
        write_quietly(io::stderr(), &unheard.text(&paint));
    }
    unheard.exit()
}

/// What machines read.
#[derive(Serialize)]
struct Machine<'a> {
    outcome: Outcome,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(flatten)]
    verb: Option<&'a Done>,
}

fn for_machines(answer: &Answer) -> String {
    let machine = Machine {
        outcome: answer.outcome,
        reason: &answer.reason,
        verb: answer.verb.as_ref(),
    };
    let mut text =
        serde_json::to_string_pretty(&machine).unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"));
    text.push('\n');
    text
}

/// A line for each thing said, and for how long it is so.
fn for_people(answer: &Answer, paint: &Paint) -> String {
    let Some(Done {
        about, said, lasts, ..
    }) = &answer.verb
    else {
        let fault = paint.fault;
        return format!("{fault}nothing was changed{fault:#}: {}\n", answer.reason);
    };
    let style = match answer.outcome {
        Outcome::Changed => paint.good,
        Outcome::Waits | Outcome::Unfinished => paint.warning,
        _ => paint.title,
    };
    let mut text = String::new();
    for line in said {
        text.push_str(&format!("{style}{about}{style:#}: {}\n", shown(line)));
    }
    if !lasts.is_empty() {
        text.push_str(&format!("{about}: {}\n", shown(lasts)));
    }
    text
}

/// What a disk says of itself may hold anything; a terminal gets to see it without control characters.
fn shown(text: &str) -> String {
    let seen = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().map(seen).collect()
}

/// Whether a gateway may be running that was not asked: then nothing is done behind its back.
pub(super) fn is_absent(unheard: &Unheard) -> bool {
    matches!(unheard, Unheard::NotRunning { .. } | Unheard::Config(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        let done = Done {
            about: "export backup".to_owned(),
            said: vec!["its disk was one".to_owned(), "its disk is  \u{1b}[2J".to_owned()],
            lasts: "for good".to_owned(),
            ..Done::default()
        };
        Answer::of_verb(Outcome::Changed, done)
    }

    #[test]
    fn times_are_whole_seconds() {
        let read = ["60s", "2m", "7", "0s"].map(|text| parse_seconds(text).unwrap());
        assert_eq!(read, [60, 120, 7, 0]);
        for wrong in [
            "",
            "s",
            "1h",
            "1.5s",
            "-3s",
            "99999999999999999999",
            "999999999999999999m",
        ] {
            assert!(parse_seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn people_read_what_was_done_and_for_how_long() {
        let text = for_people(&answer(), &Paint::default());
        assert_eq!(
            text,
            "export backup: its disk was one\nexport backup: its disk is  \u{fffd}[2J\nexport backup: for good\n"
        );
        let refused = for_people(&Answer::refused("no export is called x"), &Paint::default());
        assert_eq!(refused, "nothing was changed: no export is called x\n");
    }

    #[test]
    fn machines_read_one_flat_object() {
        let read: serde_json::Value = serde_json::from_str(&for_machines(&answer())).unwrap();
        assert_eq!(read["outcome"], "changed");
        assert_eq!(read["about"], "export backup");
        assert_eq!(read["survives_restart"], false);
        assert_eq!(read.get("reason"), None);
        let read: serde_json::Value = serde_json::from_str(&for_machines(&Answer::refused("no"))).unwrap();
        assert_eq!(
            (&read["outcome"], &read["reason"]),
            (&"refused".into(), &"no".into())
        );
    }
}
