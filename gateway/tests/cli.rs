//! The command line of the real program: exit codes, and readers that have gone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_aoe-gateway");

/// Runs the program; gives exit code, stdout, stderr.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(PROGRAM)
        .args(arguments)
        .env_remove("AOE_GATEWAY_LOG")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_version_is_on_stdout() {
    let (code, out, err) = run(&["--version"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, format!("aoe-gateway {}\n", aoe_common::version::VERSION));
}

#[test]
fn help_names_every_verb() {
    let (code, out, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    assert!(
        out.contains("run") && out.contains("check") && out.contains("AOE_GATEWAY_LOG"),
        "{out}"
    );
}

#[test]
fn a_wrong_command_line_is_64() {
    for arguments in [
        [].as_slice(),
        &["fly"],
        &["run"],
        &["check"],
        &["check", "--config"],
        &["check", "--config", "x", "--yaml"],
        &["check", "--config", "x", "--log-level", "debg"],
    ] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, out.as_str()), (Some(64), ""), "{arguments:?} {err}");
        assert!(!err.is_empty());
    }
}

#[test]
fn a_mistyped_level_in_the_environment_is_refused_too() {
    let output = Command::new(PROGRAM)
        .args(["check", "--config", "x"])
        .env("AOE_GATEWAY_LOG", "debg")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("none of off, error, warn")
    );
}

#[test]
fn a_missing_file_is_66_and_a_directory_is_78() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("gateway.toml");
    for verb in ["check", "run"] {
        let (code, out, err) = run(&[verb, "--config", missing.to_str().unwrap()]);
        assert_eq!(code, Some(66));
        assert!(
            format!("{out}{err}").contains("there is no such file"),
            "{out}{err}"
        );
        let (code, ..) = run(&[verb, "--config", dir.path().to_str().unwrap()]);
        assert_eq!(code, Some(78));
    }
}

#[test]
fn a_file_this_user_may_not_read_is_77() {
    let dir = tempfile::tempdir().unwrap();
    // Root may read everything, so it becomes somebody else, who must reach the program and the file.
    let program = dir.path().join("aoe-gateway");
    // Copied by another process: a file this one has open for writing may not be executed.
    assert!(
        Command::new("cp")
            .arg(PROGRAM)
            .arg(&program)
            .status()
            .unwrap()
            .success()
    );
    let config = dir.path().join("gateway.toml");
    fs::write(&config, "").unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = Command::new(&program);
    command.args(["check", "--config"]).arg(&config);
    if nix::unistd::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(77),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn faults_of_run_are_on_stderr_and_nothing_starts() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("gateway.toml");
    fs::write(&config, "[gateway]\n").unwrap();
    let (code, out, err) = run(&["run", "--config", config.to_str().unwrap()]);
    assert_eq!((code, out.as_str()), (Some(78), ""));
    assert!(
        err.contains("gateway.toml:1:1: fault: gateway.listen: [gateway] has no `listen`"),
        "{err}"
    );
}

#[test]
fn a_reader_that_has_gone_changes_neither_exit_code_nor_life() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("gateway.toml");
    fs::write(&config, "x = 1\n").unwrap();
    for (arguments, expected) in [
        (["check", "--config"].as_slice(), 78),
        (&["run", "--config"], 78),
        (&["--help"], 0),
        (&["fly"], 64),
    ] {
        let mut command = Command::new(PROGRAM);
        command.args(arguments);
        if arguments.contains(&"--config") {
            command.arg(&config);
        }
        let status = command
            .stdin(Stdio::null())
            .stdout(gone())
            .stderr(gone())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(expected), "{arguments:?}");
    }
}

#[test]
fn colour_is_neither_for_pipes_nor_forced_on_anybody() {
    let (_, out, err) = run(&["check", "--config", "/nonexistent/gateway.toml"]);
    assert!(!format!("{out}{err}").contains('\u{1b}'));

    // A terminal, by the `script` program, sees colour, unless the user said otherwise.
    for (no_color, coloured) in [("", true), ("1", false)] {
        let mut child = Command::new("script")
            .args([
                "-qec",
                &format!("{PROGRAM} check --config /nonexistent/gateway.toml"),
                "/dev/null",
            ])
            .env("NO_COLOR", no_color)
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut seen = String::new();
        child.stdout.take().unwrap().read_to_string(&mut seen).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(66));
        assert_eq!(seen.contains("\u{1b}["), coloured, "{seen:?}");
    }
}

/// The writing end of a pipe nobody reads.
fn gone() -> Stdio {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn the_service_unit_starts_what_there_is_and_knows_its_exit_codes() {
    let unit = include_str!("../../deploy/systemd/aoe-gateway@.service");
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    let command = value("ExecStart=").replace("%i", "no-such-instance");
    let arguments: Vec<&str> = command.split_whitespace().skip(1).collect();
    let (code, ..) = run(&arguments);
    assert_eq!(
        code,
        Some(66),
        "the arguments are understood, and the file is looked for: {command}"
    );
    assert_eq!(value("RestartPreventExitStatus="), "64 66 77 78");
    let user = value("User=");
    assert!(include_str!("../../deploy/systemd/aoe-gateway.conf").contains(&format!("u {user} ")));
}
