//! Faults of a configuration, for people and for machines.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use super::paint::Paint;
use super::summary::Summary;
use crate::config::{Fault, Faults, Severity};

/// All faults, file by file, each with its line and a mark under what is meant. Empty if there are none.
pub(super) fn for_people(faults: &Faults, paint: &Paint) -> String {
    let mut text = String::new();
    for fault in faults.iter() {
        // Writing to a string does not fail.
        let _ = write_fault(&mut text, fault, paint);
    }
    if !text.is_empty() {
        let _ = write_total(&mut text, faults, paint);
    }
    text
}

/// One JSON object with everything found, on lines for those who look at it all the same.
pub(super) fn for_machines(faults: &Faults, summary: Option<Summary<'_>>) -> String {
    let report = MachineReport {
        usable: !faults.is_fatal(),
        faults: faults.iter().collect(),
        left_out: faults.left_out(),
        summary,
    };
    let mut text =
        serde_json::to_string_pretty(&report).unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"));
    text.push('\n');
    text
}

#[derive(Serialize)]
struct MachineReport<'a> {
    /// Whether a gateway can run with it.
    usable: bool,
    faults: Vec<&'a Fault>,
    /// How many more faults there are than are listed.
    left_out: usize,
    /// What the configuration does, if it is usable.
    summary: Option<Summary<'a>>,
}

fn write_fault(text: &mut String, fault: &Fault, paint: &Paint) -> std::fmt::Result {
    let Paint { title, faint, .. } = paint;
    let (style, word) = severity(fault.severity, paint);
    write!(text, "{title}{}", shown(&fault.file))?;
    if let (Some(line), Some(column)) = (fault.line, fault.column) {
        write!(text, ":{line}:{column}")?;
    }
    write!(text, "{title:#}: {style}{word}{style:#}: ")?;
    if !fault.field.is_empty() {
        write!(text, "{}: ", fault.field)?;
    }
    writeln!(text, "{}", fault.found)?;
    if let Some(excerpt) = &fault.excerpt {
        writeln!(text, "{faint}{:>5} |{faint:#} {}", excerpt.line, excerpt.text)?;
        let (indent, mark) = (" ".repeat(excerpt.mark), "^".repeat(excerpt.mark_len));
        writeln!(text, "{faint}      |{faint:#} {indent}{style}{mark}{style:#}")?;
    }
    writeln!(text, "{faint}      ={faint:#} {}\n", fault.instead)
}

fn write_total(text: &mut String, faults: &Faults, paint: &Paint) -> std::fmt::Result {
    let (style, consequence) = if faults.is_fatal() {
        (paint.fault, "; no gateway can run with this configuration")
    } else {
        (paint.warning, "")
    };
    let mut files: Vec<&Path> = faults.iter().map(|fault| fault.file.as_path()).collect();
    files.dedup();
    let place = if let [file] = files.as_slice() {
        shown(file)
    } else {
        format!("{} files", files.len())
    };
    writeln!(text, "{style}{} in {place}{style:#}{consequence}", faults.tally())
}

fn severity(severity: Severity, paint: &Paint) -> (anstyle::Style, &'static str) {
    match severity {
        Severity::Fault => (paint.fault, "fault"),
        Severity::Warning => (paint.warning, "warning"),
    }
}

/// A file name may hold anything; a terminal gets to see it without control characters.
fn shown(path: &Path) -> String {
    path.to_string_lossy()
        .chars()
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check_text;

    #[test]
    fn a_fault_is_shown_with_its_line_and_a_mark_under_it() {
        let faults = check_text("[gateway]\n  lisen = 5\n");
        let text = for_people(&faults, &Paint::default());
        let lines: Vec<&str> = text.lines().collect();
        let at = lines.iter().position(|line| line.contains("lisen:")).unwrap();
        assert_eq!(
            lines[at],
            "gateway.toml:2:3: fault: gateway.lisen: [gateway] has no key \"lisen\""
        );
        assert_eq!(lines[at + 1], "    2 |   lisen = 5");
        assert_eq!(lines[at + 2], "      |   ^^^^^");
        assert_eq!(lines[at + 3], "      = did you mean `listen`?");
        assert!(!text.contains('\u{1b}'), "colour without a terminal");
        let total = lines.last().unwrap();
        assert!(
            total.ends_with("warning in 4 files; no gateway can run with this configuration"),
            "{total}"
        );
    }

    #[test]
    fn machines_get_every_fault_with_its_place() {
        let faults = check_text("[gateway]\nlisen = 5\n");
        let report: serde_json::Value = serde_json::from_str(&for_machines(&faults, None)).unwrap();
        assert_eq!(report["usable"], false);
        let list = report["faults"].as_array().unwrap();
        assert_eq!(list.len(), faults.iter().count());
        let found = list
            .iter()
            .find(|fault| fault["field"] == "gateway.lisen")
            .unwrap();
        assert_eq!((&found["line"], &found["column"]), (&2.into(), &1.into()));
        assert_eq!(found["kind"], "unknown-key");
    }
}
