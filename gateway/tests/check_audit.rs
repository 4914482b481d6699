//! `[audit]` as `aoe-gateway check` judges it.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there"
)]

mod check_site;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::Value;

use check_site::{G, Site};

const SECTION: &str = "file = \"log/audit.jsonl\"";

/// The only fault: kind, field, what was found; at the line that says it.
fn fault(site: &Site, line: &str) -> (String, String, String) {
    let (code, json) = site.check_json();
    let faults = json["faults"].as_array().unwrap();
    assert_eq!((code, faults.len()), (78, 1), "{json}");
    assert_eq!(faults[0]["line"], site.line(G, line), "{json}");
    let text = |key: &str| faults[0][key].as_str().unwrap().to_owned();
    (text("kind"), text("field"), text("found"))
}

fn mode(site: &Site, path: &str, mode: u32) {
    fs::set_permissions(site.path(path), Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_place_that_is_not_there_or_is_everybodys_is_a_fault_with_its_line() {
    let site = Site::new();
    site.edit(
        G,
        "[[segment]]\nname = \"san\"",
        &format!("[audit]\n{SECTION}\n\n[[segment]]\nname = \"san\""),
    );
    let found = |what: &str| {
        let (kind, field, found) = fault(&site, SECTION);
        assert_eq!((kind.as_str(), field.as_str()), ("unreadable", "audit.file"));
        assert!(found.contains(what), "{found}");
    };
    found("there is no directory");
    fs::create_dir(site.path("log")).unwrap();
    mode(&site, "log", 0o777);
    found("everybody may write to the directory");
    mode(&site, "log", 0o750);
    assert_eq!(site.check_json().0, 0, "a good place");

    let file = site.path("log/audit.jsonl");
    fs::write(&file, "").unwrap();
    mode(&site, "log/audit.jsonl", 0o666);
    found("everybody may write to");
    fs::remove_file(&file).unwrap();
    symlink("elsewhere", &file).unwrap();
    found("symbolic link");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    found("is a directory");
    assert!(!site.path("log/elsewhere").exists());
}

#[test]
fn it_goes_to_one_place() {
    let site = Site::new();
    site.edit(
        G,
        "[[segment]]\nname = \"san\"",
        "[audit]\njournald = true\n\n[[segment]]\nname = \"san\"",
    );
    assert_eq!(site.check_json().0, 0);
    site.edit(G, "[audit]\n", "[audit]\nfile = \"audit.jsonl\"\n");
    let (kind, field, _) = fault(&site, "journald = true");
    assert_eq!((kind.as_str(), field.as_str()), ("conflict", "audit.journald"));
    site.edit(G, "file = \"audit.jsonl\"\njournald = true\n", "fil = \"x\"\n");
    let (_, json): (_, Value) = site.check_json();
    let kinds: Vec<_> = json["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| &fault["kind"])
        .collect();
    assert_eq!(kinds, ["missing-key", "unknown-key"], "{json}");
}
