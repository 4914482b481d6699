//! `doctor`: looks at everything around a gateway that makes it slow, unsafe or silent, and says what to do.
//!
//! It reads files of the kernel, the configuration, and the document of the running gateway. It sends nothing.

mod clock;
mod files;
mod finding;
mod host;
mod processor;
mod segments;
mod sockets;
#[cfg(test)]
mod tests;
mod traffic;

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::path::Path;

use aoe_common::snapshot::Snapshot;
use serde::Serialize;

use self::finding::{Finding, Findings, Level};
use self::host::Host;
use super::client::{self, Unheard};
use super::paint::Paint;
use super::{Exit, words, write_quietly};
use crate::config::examine;

/// Columns of text.
const WIDTH: usize = 100;

/// Examines what is around the gateway that runs, or is to run, with `config`.
pub(super) fn run(config: &Path, json: bool) -> Exit {
    let findings = look(config, &Host::this());
    let text = match json {
        true => for_machines(&findings),
        false => for_people(&findings, &Paint::for_stream(io::stdout().is_terminal())),
    };
    write_quietly(io::stdout(), &text);
    match findings.worst() {
        Level::Fail => Exit::Unfinished,
        Level::Ok | Level::Unknown | Level::Warn => Exit::Ok,
    }
}

fn look(config: &Path, host: &Host) -> Findings {
    let mut findings = Findings::new();
    let examined = examine(config);
    files::examine(config, &examined, &mut findings);
    let snapshot = running(config, &mut findings);
    if let Some(loaded) = &examined.loaded {
        segments::examine(&loaded.devices, snapshot.as_ref(), host, &mut findings);
    }
    if let Some(snapshot) = &snapshot {
        sockets::examine(snapshot, host, &mut findings);
        traffic::examine(snapshot, &mut findings);
    }
    let busy_poll = examined.loaded.as_ref().map(|loaded| loaded.settings.busy_poll);
    processor::examine(busy_poll.unwrap_or_default(), host, &mut findings);
    clock::examine(&mut findings);
    findings
}

/// The document of the running gateway.
fn running(config: &Path, findings: &mut Findings) -> Option<Snapshot> {
    match client::observe(config) {
        Ok(document) => {
            let gateway = &document.snapshot.gateway;
            let (name, pid) = (&gateway.name, gateway.pid);
            findings.ok(
                "gateway",
                name,
                format!("it runs, process {pid}, version {}", gateway.program),
            );
            Some(document.snapshot)
        }
        Err(unheard) => {
            let said = unheard.text(&Paint::default());
            let said = said.lines().next().unwrap_or_default();
            let more = "sockets, paths, windows and alarms are examined only while it runs";
            match unheard {
                Unheard::NotRunning { .. } => {
                    findings.unknown("gateway", "", said, more);
                }
                Unheard::Config(_) | Unheard::Failed { .. } => findings.warn("gateway", "", said, more),
            }
            None
        }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    /// The worst of all findings.
    worst: Level,
    findings: &'a [Finding],
}

fn for_machines(findings: &Findings) -> String {
    let report = Report {
        worst: findings.worst(),
        findings: findings.all(),
    };
    let mut text = serde_json::to_string_pretty(&report).unwrap_or_default();
    text.push('\n');
    text
}

/// A line for each finding, with what to do below it, and the sum of them.
fn for_people(findings: &Findings, paint: &Paint) -> String {
    let mut text = String::new();
    for finding in findings.all() {
        let (style, word) = match finding.level {
            Level::Ok => (paint.good, "ok"),
            Level::Unknown => (paint.faint, "?"),
            Level::Warn => (paint.warning, "warn"),
            Level::Fail => (paint.fault, "fail"),
        };
        let about = words::plain(&finding.about);
        let about = if about.is_empty() {
            about
        } else {
            format!("{about}: ")
        };
        let found = format!("{about}{}", words::plain(&finding.found));
        let lines = words::wrap(&found, WIDTH - INDENT.len());
        for (n, line) in lines.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = match n {
                0 => writeln!(text, "{style}{word:<4}{style:#}  {:<14}{line}", finding.check),
                _ => writeln!(text, "{INDENT}{line}"),
            };
        }
        for (n, line) in words::wrap(&finding.advice, WIDTH - INDENT.len() - 3)
            .iter()
            .enumerate()
        {
            let mark = if n == 0 { "->" } else { "  " };
            let _ = writeln!(text, "{INDENT}{mark} {line}");
        }
    }
    let count = |level| {
        findings
            .all()
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    let _ = writeln!(
        text,
        "\n{} ok, {} to look at, {} wrong, {} unknown",
        count(Level::Ok),
        count(Level::Warn),
        count(Level::Fail),
        count(Level::Unknown)
    );
    text
}

const INDENT: &str = "                    ";
