//! Keys that systemd hands over, and keys that belong to the user of a service: what `check` and `run` say of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

mod check_site;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output};

use check_site::{G, Site};

/// A user that is not root and owns nothing here.
const SOMEBODY: u32 = 65534;

fn program(site: &Site, arguments: &[&str], credentials: Option<&Path>) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aoe-gateway"));
    command
        .args(arguments)
        .current_dir(site.dir.path())
        .env_remove("AOE_GATEWAY_LOG")
        .env_remove("CREDENTIALS_DIRECTORY");
    if let Some(directory) = credentials {
        command.env("CREDENTIALS_DIRECTORY", directory);
    }
    told(&command.output().unwrap())
}

fn told(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// A site whose key and psk are credentials, and the directory that systemd would make.
fn with_credentials() -> Site {
    let site = Site::new();
    site.edit(G, "\"site-a.key\"", "\"credential:own\"");
    site.edit(G, "\"site-b.psk\"", "\"credential:b.psk\"");
    let directory = site.path("credentials");
    fs::create_dir(&directory).unwrap();
    for (file, name) in [("site-a.key", "own"), ("site-b.psk", "b.psk")] {
        fs::rename(site.path(file), directory.join(name)).unwrap();
        // As systemd does it for a service with a user: an access list, which shows as the group's.
        fs::set_permissions(directory.join(name), fs::Permissions::from_mode(0o440)).unwrap();
    }
    site
}

#[test]
fn in_the_service_credentials_are_read_as_files_are() {
    let site = with_credentials();
    let directory = site.path("credentials");
    let (code, text) = program(&site, &["check", "--config", G], Some(&directory));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&site.own.fingerprint().to_string()), "{text}");
    assert!(!text.contains(": warning: "), "{text}");

    // One that is missing is missed by its name in the unit, and one that is wrong is wrong.
    fs::remove_file(directory.join("b.psk")).unwrap();
    fs::copy(directory.join("own"), directory.join("b.psk")).unwrap();
    let (code, text) = program(&site, &["check", "--config", G], Some(&directory));
    assert_eq!(code, Some(78), "{text}");
    assert!(
        text.contains("this is a secret key, expected a pre-shared key"),
        "{text}"
    );
    fs::remove_file(directory.join("b.psk")).unwrap();
    let (code, text) = program(&site, &["check", "--config", G], Some(&directory));
    assert_eq!(code, Some(78), "{text}");
    assert!(
        text.contains("add LoadCredential=b.psk:PATH to the unit"),
        "{text}"
    );
}

#[test]
fn outside_of_the_service_check_says_that_it_cannot_look_and_run_refuses() {
    let site = with_credentials();
    let (code, text) = program(&site, &["check", "--config", G], None);
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "`credential:own` is a credential of the service, and cannot be looked at from here",
        "systemd-run --wait --pipe -p LoadCredential=",
        "credential:own, not seen here",
        "2 warnings",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    // Other verbs that only look do too.
    let (code, text) = program(&site, &["acl", "list", "--config", G], None);
    assert_eq!(code, Some(0), "{text}");

    let (code, text) = program(&site, &["run", "--config", G], None);
    assert_eq!(code, Some(78), "{text}");
    for part in [
        "CREDENTIALS_DIRECTORY is not set",
        "add LoadCredential=NAME:PATH to the unit",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn a_name_that_leads_elsewhere_is_refused_where_it_is_written() {
    let site = Site::new();
    site.edit(G, "\"site-a.key\"", "\"credential:../site-a.key\"");
    let directory = site.path("exports.d");
    for verb in ["check", "run"] {
        let (code, text) = program(&site, &[verb, "--config", G], Some(&directory));
        assert_eq!(code, Some(78), "{text}");
        assert!(
            text.contains("`credential:../site-a.key` names no credential"),
            "{text}"
        );
        assert!(
            text.contains(&format!("{G}:{}:", site.line(G, "credential:"))),
            "{text}"
        );
    }
}

#[test]
fn root_is_content_with_keys_of_the_services_user_and_does_not_run_with_them() {
    let site = Site::new();
    let keys = ["site-a.key", "site-b.psk"];
    if keys
        .iter()
        .any(|key| chown(site.path(key), Some(SOMEBODY), None).is_err())
    {
        eprintln!("not root, so not looked at");
        return;
    }
    let check = || program(&site, &["check", "--config", G], None);

    // Somebody's key in root's own directory: nothing says that this user runs the gateway.
    let (code, text) = check();
    assert_eq!(code, Some(78), "{text}");
    assert!(
        text.contains("if user 65534 is to run this gateway, check as that user"),
        "{text}"
    );

    // The layout of deploy/systemd: the directory is root's, and of the user's group.
    let group = nix::unistd::User::from_uid(SOMEBODY.into()).unwrap().unwrap().gid;
    chown(site.dir.path(), None, Some(group.as_raw())).unwrap();
    fs::set_permissions(site.dir.path(), fs::Permissions::from_mode(0o750)).unwrap();
    let (code, text) = check();
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains(": warning: "), "{text}");

    // Who runs with a key must be its owner all the same.
    let (code, text) = program(&site, &["run", "--config", G], None);
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("belongs to user 65534"), "{text}");

    // A directory that others may write to is no such layout.
    fs::set_permissions(site.dir.path(), fs::Permissions::from_mode(0o770)).unwrap();
    let (code, text) = check();
    assert_eq!(code, Some(78), "{text}");

    // A site that is the user's own as a whole.
    fs::set_permissions(site.dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    chown(site.dir.path(), Some(SOMEBODY), Some(0)).unwrap();
    let (code, text) = check();
    assert_eq!(code, Some(0), "{text}");
}
