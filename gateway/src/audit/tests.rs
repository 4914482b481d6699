use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::thread::sleep;

use serde_json::Value;

use super::*;

fn entry(export: &str) -> Entry {
    Entry::DiskAccepted {
        export: export.to_owned(),
    }
}

/// An audit log in this file.
fn into(path: &Path) -> Audit {
    let audit = Audit::new("site-b");
    audit.follow(Some(&AuditTo::File(path.to_owned())));
    audit
}

/// The lines of a file, each of which is JSON.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn numbers(lines: &[Value]) -> Vec<u64> {
    lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("not within 30 s: {what}");
}

fn end(audit: &Audit) {
    audit.stop(None::<&String>);
}

#[test]
fn entries_are_numbered_and_stay_although_the_file_is_moved() {
    let root = tempfile::tempdir().unwrap();
    let (path, moved) = (root.path().join("audit.jsonl"), root.path().join("audit.1"));
    let audit = into(&path);
    audit.record(entry("a"));
    wait_until("the first entry is written", || lines(&path).len() == 1);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
    fs::rename(&path, &moved).unwrap();
    audit.record(entry("b"));
    wait_until("there is a new file", || lines(&path).len() == 1);
    fs::remove_file(&path).unwrap();
    audit.record(entry("c"));
    end(&audit);
    audit.record(entry("d"));
    let (old, new) = (lines(&moved), lines(&path));
    assert_eq!((numbers(&old), numbers(&new)), (vec![1], vec![3, 4]));
    assert_eq!(new[0]["export"], "c");
    assert_eq!(
        (new[1]["kind"].as_str(), new[1]["gateway"].as_str()),
        (Some("stop"), Some("site-b"))
    );
    let time = new[0]["time"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    assert_eq!(audit.totals(), (4, 0));
}

#[test]
fn what_waits_is_bounded_and_what_was_lost_is_said_once_there_is_room() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("away");
    let path = directory.join("audit.jsonl");
    let audit = into(&path);
    let more = 10;
    // One more is in the hands of the thread.
    for _ in 0..=MOST_WAITING + more {
        audit.record(entry("a"));
    }
    wait_until("the trouble is seen", || audit.trouble().is_some());
    let why = audit.trouble().unwrap().why;
    assert!(
        why.contains("away/audit.jsonl") && why.contains("No such file"),
        "{why}"
    );
    let (written, lost) = audit.totals();
    assert!(written == 0 && (1..=11).contains(&lost), "{lost}");
    fs::create_dir(&directory).unwrap();
    wait_until("all is written", || {
        fs::read_to_string(&path).is_ok_and(|text| text.contains("\"lost\""))
    });
    assert_eq!(audit.trouble(), None);
    let lines = lines(&path);
    let last = lines.last().unwrap();
    assert_eq!(last["times"].as_u64(), Some(lost));
    assert_eq!(
        lines.len() as u64 + lost,
        last["seq"].as_u64().unwrap(),
        "the gap is the loss"
    );
    assert!(numbers(&lines).is_sorted());
    end(&audit);
}

#[test]
fn a_part_of_a_line_does_not_spoil_the_next() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("audit.jsonl");
    fs::write(&path, "{\"seq\":").unwrap();
    let audit = into(&path);
    audit.record(entry("a"));
    end(&audit);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(serde_json::from_str::<Value>(lines[1]).is_ok());
}

#[test]
fn links_and_files_of_others_are_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let (link, precious) = (root.path().join("link"), root.path().join("precious"));
    fs::write(&precious, "").unwrap();
    symlink(&precious, &link).unwrap();
    let audit = into(&link);
    audit.record(entry("a"));
    wait_until("the link is seen", || audit.trouble().is_some());
    assert!(audit.trouble().unwrap().why.contains("symbolic link"));
    // Another place: what waited for the first is lost.
    let good = root.path().join("good");
    audit.follow(Some(&AuditTo::File(good.clone())));
    audit.record(entry("a"));
    wait_until("the new place works", || lines(&good).len() == 1);
    let second = into(&good);
    second.record(entry("b"));
    wait_until("the other process is seen", || second.trouble().is_some());
    assert!(second.trouble().unwrap().why.contains("another process"));
    end(&audit);
    end(&second);
    assert_eq!(fs::read_to_string(&precious).unwrap(), "");
}

#[test]
fn nobody_waits_for_a_disk_that_hangs_and_it_is_seen() {
    let progress = Arc::new(Progress::default());
    let to = AuditTo::File("/x".into());
    let (tell, told) = mpsc::channel::<()>();
    let thread = std::thread::spawn({
        let progress = progress.clone();
        move || progress.at_work(|| told.recv())
    });
    assert_eq!(progress.trouble(&to), None, "not at once");
    wait_until("it hangs", || progress.trouble(&to).is_some());
    assert!(progress.trouble(&to).unwrap().why.contains("does not answer"));
    drop(tell);
    thread.join().unwrap().unwrap_err();
    assert_eq!(progress.trouble(&to), None);
}
