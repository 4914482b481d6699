//! `aoe-lab isolate`: whatever a command starts ends with it, however it ends.

#![allow(clippy::unwrap_used, reason = "a test: a failed unwrap is its verdict")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Tells its number in the host's /proc, then sleeps.
const SLEEPER: &str = "read pid rest < /proc/self/stat; echo $pid; exec sleep 1000";

fn isolate(script: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aoe-lab"));
    command.args(["isolate", "--", "sh", "-c", script]);
    command
}

/// Starts the command and returns it with the process its first line names, as a path below /proc.
fn start(command: &mut Command) -> (Child, PathBuf) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let process = Path::new("/proc").join(line.trim());
    assert!(process.join("stat").exists(), "{line:?} names no process");
    (child, process)
}

fn is_gone(process: &Path) -> bool {
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        if !process.exists() {
            return true;
        }
        sleep(Duration::from_millis(5));
    }
    false
}

#[test]
fn the_exit_code_is_the_commands() {
    assert_eq!(isolate("exit 7").status().unwrap().code(), Some(7));
    assert_eq!(isolate("kill -9 $$").status().unwrap().code(), Some(137));
}

#[test]
fn the_command_sees_no_device_but_loopback() {
    let output = isolate("cat /proc/net/dev").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let devices: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim())
        .collect();
    assert_eq!(devices, ["lo"]);
}

#[test]
fn processes_left_behind_end_with_the_command() {
    let (mut child, orphan) = start(&mut isolate(&format!("sh -c '{SLEEPER}' & sleep 0.2; exit 3")));
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert!(is_gone(&orphan));
}

#[test]
fn a_killed_lab_takes_everything_with_it() {
    let (mut child, inside) = start(&mut isolate(SLEEPER));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_gone(&inside));
}

#[test]
fn interrupting_the_lab_ends_what_is_inside_first() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let (mut child, inside) = start(&mut isolate(SLEEPER));
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(128 + 15), "{signal}");
        assert!(!inside.exists(), "{signal}");
    }
}

#[test]
fn an_ordinary_user_gets_namespaces_or_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("aoe-lab");
    // By another process: a copy of our own would be open for writing in whatever the other tests fork meanwhile.
    let copied = Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_aoe-lab"))
        .arg(&program)
        .status()
        .unwrap();
    assert!(copied.success());
    for path in [dir.path(), &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(&program);
    command.args([
        "isolate",
        "--",
        "sh",
        "-c",
        "id -u; ls /proc/sys/net/ipv4/conf | grep -c eth",
    ]);
    if nix::unistd::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    match output.status.code() {
        // Where it works, the user is root inside, and alone.
        Some(0 | 1) if stderr.is_empty() => assert_eq!(stdout, "0\n0\n"),
        _ => assert!(
            stderr.contains("as user") && stderr.contains("Run it as root"),
            "{stderr}"
        ),
    }
}
