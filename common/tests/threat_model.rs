//! The threat model names tests. Each must be there.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The names of all functions in the Rust files below a directory.
fn functions(directory: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let found = text.lines().filter_map(|line| {
                let (name, _) = line.trim().strip_prefix("fn ")?.split_once('(')?;
                Some(name.to_owned())
            });
            names.extend(found);
        }
    }
}

/// What a page has in backquotes in the last column of its tables and looks like the name of a test.
fn named(page: &str) -> BTreeSet<String> {
    let cells = page
        .lines()
        .filter(|line| line.starts_with('|'))
        .filter_map(|line| {
            let cells = line.trim_end().trim_end_matches('|');
            Some(cells.rsplit_once('|')?.1)
        });
    let words = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let tests = words.filter(|word| {
        word.contains('_')
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
    });
    tests.map(str::to_owned).collect()
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let mut there = BTreeSet::new();
    for part in ["common", "gateway", "keys", "deploy", "tests"] {
        functions(&root().join(part), &mut there);
    }
    let page = fs::read_to_string(root().join("docs/threat-model.md")).unwrap();
    let named = named(&page);
    assert!(named.len() > 40, "{named:?}");
    let missing: Vec<_> = named.difference(&there).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}
