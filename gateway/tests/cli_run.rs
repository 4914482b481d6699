//! What `aoe-gateway run` says when a good configuration meets a system that refuses it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

mod check_site;

use std::io;
use std::process::{Command, Output, Stdio};

use check_site::{G, Site};

/// A site whose listen address is not ours (RFC 5737), so that a start ends at once, and with one warning.
fn site() -> Site {
    let site = Site::new();
    site.edit(G, "\"0.0.0.0:34978\", \"[::]:34978\"", "\"203.0.113.1:34978\"");
    site.edit(G, "name = \"site-b\"", "name = \"site-a\"");
    for file in [G, check_site::B] {
        let text = site.read(file);
        site.write(file, &text.replace("peer = \"site-b\"", "peer = \"site-a\""));
    }
    site
}

fn run(site: &Site, stderr: Stdio) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aoe-gateway"))
        .args(["run", "--config", G])
        .current_dir(site.dir.path())
        .env_remove("AOE_GATEWAY_LOG")
        .env_remove("JOURNAL_STREAM")
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap()
}

#[test]
fn warnings_and_the_reason_of_a_failed_start_are_logged_and_the_code_is_71() {
    let output = run(&site(), Stdio::piped());
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), output.stdout.as_slice()),
        (Some(71), [].as_slice()),
        "{log}"
    );
    assert!(
        log.contains("WARN gateway.toml:20:8: peer[0].name: this peer and this gateway are both called"),
        "{log}"
    );
    assert!(
        log.contains("ERROR cannot listen on 203.0.113.1:34978: "),
        "{log}"
    );
}

#[test]
fn a_closed_log_does_not_change_how_a_start_ends() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    assert_eq!(run(&site(), writer.into()).status.code(), Some(71));
}
