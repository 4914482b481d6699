//! `aoe-keys check`: what is in key files, and what is wrong with them. It never writes.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use aoe_keys::store::{self, Inspection};
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::streams::{self, Format};

/// Look at key files and report everything that is wrong with them
///
/// Never writes. The exit code is that of the first fault.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Key files of any kind
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    file: String,
    kind: Option<&'static str>,
    fingerprint: Option<String>,
    mode: Option<String>,
    good: bool,
    faults: Vec<Fault>,
}

#[derive(Serialize)]
struct Fault {
    message: String,
    mending_command: Option<String>,
}

pub(crate) fn run(args: Args, format: Format) -> Result<Exit, Failure> {
    let found: Vec<(PathBuf, Inspection)> = args
        .files
        .into_iter()
        .map(|path| (path.clone(), store::inspect(path)))
        .collect();
    let first_fault = found.iter().flat_map(|(_, inspection)| &inspection.faults).next();
    let exit = first_fault.map_or(Exit::Good, Exit::of_reading);

    let reports: Vec<Report> = found
        .iter()
        .map(|(path, inspection)| report(path, inspection))
        .collect();
    match format {
        Format::Text => streams::emit(&reports.iter().map(paragraph).collect::<String>())?,
        Format::Json => streams::emit_json(&reports)?,
    }
    Ok(exit)
}

fn report(path: &Path, inspection: &Inspection) -> Report {
    Report {
        file: path.display().to_string(),
        kind: inspection.kind.map(|kind| kind.word()),
        fingerprint: inspection.key.as_ref().map(|key| key.fingerprint().to_string()),
        mode: inspection.mode.map(|mode| format!("{mode:04o}")),
        good: inspection.faults.is_empty(),
        faults: inspection
            .faults
            .iter()
            .map(|fault| Fault {
                message: fault.to_string(),
                mending_command: fault.mending_command(),
            })
            .collect(),
    }
}

/// One line for the file and one for each fault.
fn paragraph(report: &Report) -> String {
    let mut text = format!(
        "{}: {}",
        report.file,
        if report.good { "good" } else { "not good" }
    );
    let facts = [
        ("kind", report.kind),
        ("fingerprint", report.fingerprint.as_deref()),
        ("mode", report.mode.as_deref()),
    ];
    for (name, fact) in facts {
        // Writing to a string cannot fail.
        let _ = fact.map(|fact| write!(text, ", {name} {fact}"));
    }
    text.push('\n');
    for fault in &report.faults {
        let _ = writeln!(text, "  {}", fault.message);
    }
    text
}
