//! Runs every file of every corpus through its body, on the stable compiler, as part of the normal test run.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and clippy sees only #[test] functions as tests"
)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use aoe_fuzz_bodies::{TARGETS, Target};

#[test]
fn every_corpus_file_passes() {
    let mut failed = Vec::new();
    for Target { name, body } in TARGETS {
        let files = entries(&folder("corpus").join(name));
        assert!(!files.is_empty(), "corpus/{name} is empty");
        for file in files {
            let data = fs::read(&file).unwrap();
            // The panic's own message is on stderr by now; what it lacks is the file.
            if catch_unwind(|| body(&data)).is_err() {
                failed.push(file);
            }
        }
    }
    assert!(failed.is_empty(), "the body panics on {failed:#?}");
}

#[test]
fn targets_corpora_and_fuzz_targets_have_the_same_names() {
    let targets: BTreeSet<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(targets.len(), TARGETS.len(), "two targets have one name");
    assert_eq!(names(&folder("corpus")), targets, "corpus/ and TARGETS");
    assert_eq!(
        names(&folder("fuzz_targets")),
        targets,
        "fuzz_targets/ and TARGETS"
    );
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for name in &targets {
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
            "no [[bin]] for {name}"
        );
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listing = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut entries: Vec<_> = listing.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

fn names(folder: &Path) -> BTreeSet<String> {
    entries(folder)
        .iter()
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}
