//! The configuration, and who else may change or read what it leads to.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::finding::Findings;
use crate::config::{Examined, WhatFile, files_of};

/// Looks at faults, and at the modes of files and directories.
pub(super) fn examine(config: &Path, examined: &Examined, findings: &mut Findings) {
    let shown = config.display().to_string();
    let (fatal, tally) = (examined.faults.is_fatal(), examined.faults.tally());
    match (fatal, examined.faults.iter().next()) {
        (_, None) => findings.ok("configuration", &shown, "no fault in it"),
        (true, Some(first)) => findings.fail(
            "configuration",
            &shown,
            format!("{tally}; the first: {first}"),
            format!("aoe-gateway check --config {shown}"),
        ),
        (false, Some(first)) => findings.warn(
            "configuration",
            &shown,
            format!("{tally}; the first: {first}"),
            format!("aoe-gateway check --config {shown}"),
        ),
    }
    for (path, what) in files_of(config) {
        mode(&path, what, findings);
    }
}

fn mode(path: &Path, what: WhatFile, findings: &mut Findings) {
    let shown = path.display().to_string();
    let mode = match fs::metadata(path) {
        Ok(data) => data.permissions().mode() & 0o7777,
        Err(error) => {
            findings.fail(
                "mode",
                &shown,
                format!("{error}"),
                "make it readable for the user that the gateway runs as",
            );
            return;
        }
    };
    let (forbidden, harm, mend) = match what {
        WhatFile::Secret => (0o077, "others may read or replace this secret", "600"),
        WhatFile::Public => (
            0o022,
            "others may change it, and so who may use which disk",
            "go-w",
        ),
        // In a directory with the sticky bit nobody replaces what is another's.
        WhatFile::Directory if mode & 0o1000 != 0 => (0o0, "", ""),
        WhatFile::Directory => (
            0o022,
            "others may replace what is in it, and so decide who may use which disk",
            "go-w",
        ),
    };
    match mode & forbidden {
        0 => findings.ok("mode", &shown, format!("mode {mode:04o}")),
        _ => findings.fail(
            "mode",
            &shown,
            format!("mode {mode:04o}: {harm}"),
            format!("chmod {mend} {shown}"),
        ),
    }
}
