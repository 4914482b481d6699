//! `reload`, and `check --diff`: what a running gateway is asked to become, or would.

use std::io;
use std::io::IsTerminal as _;
use std::path::{Path, absolute};

use super::client::{Unheard, ask};
use super::paint::Paint;
use super::{Exit, exit_code, report, write_quietly};
use crate::config::Faults;
use crate::control::protocol::{Answer, Outcome, Request};
use crate::control::{Kind, Line};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// The gateway becomes what its file says.
    Reload,
    /// It only says what a reload would change.
    Diff,
}

/// Asks the gateway that runs with this file.
pub(super) fn run(config: &Path, verb: Verb, json: bool) -> Exit {
    let answer = match absolute(config) {
        Ok(config) => ask(
            &config,
            &match verb {
                Verb::Reload => Request::Reload {
                    config: config.clone(),
                },
                Verb::Diff => Request::Diff {
                    config: config.clone(),
                },
            },
        ),
        Err(error) => Err(Unheard::Failed {
            socket: config.to_owned(),
            error,
        }),
    };
    match answer {
        Ok(answer) => {
            if json {
                write_quietly(io::stdout(), &for_machines(&answer));
            } else if answer.is_good() {
                let paint = Paint::for_stream(io::stdout().is_terminal());
                write_quietly(io::stdout(), &for_people(&answer, &paint));
            } else {
                let paint = Paint::for_stream(io::stderr().is_terminal());
                write_quietly(io::stderr(), &for_people(&answer, &paint));
            }
            answer.exit()
        }
        Err(unheard) => {
            if json {
                write_quietly(io::stdout(), &for_machines(&unheard.answer()));
            } else {
                let paint = Paint::for_stream(io::stderr().is_terminal());
                write_quietly(io::stderr(), &unheard.text(&paint));
            }
            unheard.exit()
        }
    }
}

fn for_machines(answer: &Answer) -> String {
    let mut text =
        serde_json::to_string_pretty(answer).unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"));
    text.push('\n');
    text
}

/// Warnings and faults as `check` prints them, then a line for each change, then what came of it.
fn for_people(answer: &Answer, paint: &Paint) -> String {
    let mut text = report::for_people(&answer.all_faults(), paint);
    for Line { kind, text: words } in &answer.changes {
        let style = match kind {
            Kind::Loss | Kind::Disappears => paint.fault,
            Kind::Changes | Kind::Setting => paint.warning,
            Kind::Appears | Kind::Gain => paint.good,
        };
        text.push_str(&format!("{style}{words}{style:#}\n"));
    }
    let changes = match answer.changes.len() {
        1 => String::from("1 change"),
        count => format!("{count} changes"),
    };
    let (good, fault) = (paint.good, paint.fault);
    text.push_str(&match answer.outcome {
        Outcome::Changed => format!("{good}{changes} made{good:#}\n"),
        Outcome::WouldChange => format!("a reload would make {changes}\n"),
        Outcome::Same => String::from("nothing changes: the gateway runs with this already\n"),
        Outcome::Faults
        | Outcome::Waits
        | Outcome::Unfinished
        | Outcome::NeedsRestart
        | Outcome::Refused
        | Outcome::Failed
        | Outcome::NotRunning => format!("{fault}nothing was changed{fault:#}: {}\n", answer.reason),
    });
    text
}

impl Answer {
    fn is_good(&self) -> bool {
        self.exit() == Exit::Ok
    }

    fn all_faults(&self) -> Faults {
        Faults::of_list(self.faults.clone(), self.left_out)
    }

    /// The exit code of the process.
    pub(super) fn exit(&self) -> Exit {
        match self.outcome {
            Outcome::Changed | Outcome::WouldChange | Outcome::Same => Exit::Ok,
            Outcome::Faults => exit_code(&self.all_faults()),
            Outcome::NeedsRestart => Exit::NeedsRestart,
            Outcome::Refused => Exit::Usage,
            Outcome::Waits | Outcome::Unfinished => Exit::Unfinished,
            Outcome::Failed => Exit::OsError,
            Outcome::NotRunning => Exit::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check_text;

    fn line(kind: Kind, text: &str) -> Line {
        Line {
            kind,
            text: text.to_owned(),
        }
    }

    #[test]
    fn people_read_what_changed_and_what_came_of_it() {
        let mut answer = Answer {
            outcome: Outcome::Changed,
            changes: vec![
                line(Kind::Loss, "site-a loses write on backup"),
                line(Kind::Setting, "max_age 1s becomes 2s"),
            ],
            ..Answer::default()
        };
        let text = for_people(&answer, &Paint::default());
        assert_eq!(
            text,
            "site-a loses write on backup\nmax_age 1s becomes 2s\n2 changes made\n"
        );
        answer.outcome = Outcome::WouldChange;
        answer.changes.truncate(1);
        let text = for_people(&answer, &Paint::default());
        assert_eq!(
            text,
            "site-a loses write on backup\na reload would make 1 change\n"
        );
        assert_eq!(answer.exit(), Exit::Ok);
    }

    #[test]
    fn faults_come_whole_through_the_socket() {
        let faults = check_text("[gateway]\n  lisen = 5\n");
        let mut answer = Answer::refused("the configuration has faults");
        answer.outcome = Outcome::Faults;
        answer.tell(&faults);
        let line = serde_json::to_string(&answer).unwrap();
        let answer: Answer = serde_json::from_str(&line).unwrap();
        let text = for_people(&answer, &Paint::default());
        assert!(
            text.starts_with(&report::for_people(&faults, &Paint::default())),
            "{text}"
        );
        assert!(text.contains("    2 |   lisen = 5\n"), "{text}");
        assert!(
            text.ends_with("nothing was changed: the configuration has faults\n"),
            "{text}"
        );
        assert_eq!(answer.exit(), Exit::Config);
    }
}
