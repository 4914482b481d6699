//! Pairing by the commands alone: what they print, what they ask, their exit codes, and that a kill at any moment leaves
//! nothing half done.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use age::secrecy::ExposeSecret;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::bench::{Bench, Run, finish};

const OFFER: &str = "backup=e7.3:read-write";
const AT: &str = "198.51.100.7:34978";

/// Two new gateways, and an age identity in `id`.
fn two_sites(bench: &Bench) -> String {
    for name in ["a", "b"] {
        let site = format!("site-{name}");
        bench.succeed(&[
            "init",
            "--dir",
            name,
            "--name",
            &site,
            "--nic",
            "eth1",
            "--listen",
            "0.0.0.0:34978",
        ]);
    }
    let identity = age::x25519::Identity::generate();
    bench.write("id", identity.to_string().expose_secret(), 0o600);
    identity.to_public().to_string()
}

fn invite<'a>(recipient: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = [
        "invite",
        "site-a",
        "--dir",
        "b",
        "--offer",
        OFFER,
        "--endpoint",
        AT,
        "--out",
        "to-a",
        "--recipient",
        recipient,
    ];
    [&words[..], more].concat()
}

const ACCEPT: &[&str] = &[
    "accept",
    "to-a",
    "--dir",
    "a",
    "--segment",
    "san",
    "--out",
    "to-b",
    "--identity",
    "id",
];
const COMPLETE: &[&str] = &["accept", "to-b", "--dir", "b"];

fn json(bench: &Bench, args: &[&str]) -> Value {
    let run = bench.run(&[args, &["--json"]].concat());
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {run:?}"))
}

#[test]
fn each_command_says_in_json_what_it_has_done() {
    let bench = Bench::new();
    let recipient = two_sites(&bench);
    let made = json(
        &bench,
        &[
            "init", "--dir", "c", "--name", "site-c", "--tap", "aoe0", "--listen", "[::]:1",
        ],
    );
    assert!(made["config"].as_str().unwrap().ends_with("/c/gateway.toml"));
    assert_eq!(bench.mode("c"), 0o700);
    assert_eq!(bench.mode("c/site-c.key"), 0o600);
    assert!(bench.read("c/gateway.toml").contains("tap = \"aoe0\""));

    let invited = json(&bench, &invite(&recipient, &["--expires", "1h"]));
    assert_eq!(invited["peer"], "site-a");
    assert_eq!(bench.mode("to-a"), 0o600);
    let accepted = json(&bench, ACCEPT);
    assert_eq!(
        (&accepted["accepted"], &accepted["peer"]),
        (&"invitation".into(), &"site-b".into())
    );
    assert_eq!(accepted["peer_fingerprint"], invited["fingerprint"]);
    assert_eq!(accepted["imports"][0]["as"], "e100.0");
    let completed = json(&bench, COMPLETE);
    assert_eq!(
        (&completed["accepted"], &completed["peer"]),
        (&"reply".into(), &"site-a".into())
    );
    assert_eq!(completed["allowed"][0]["access"], "read-write");
    assert_eq!(completed["peer_fingerprint"], accepted["fingerprint"]);
}

#[test]
fn codes_are_those_of_sysexits() {
    let bench = Bench::new();
    let recipient = two_sites(&bench);
    bench.write("open", "a passphrase that others can read\n", 0o644);
    bench.write("short", "too short\n", 0o600);
    bench.write("pass", "a passphrase that is long enough\n", 0o600);
    bench.write("junk", "junk\n", 0o644);
    let out = ["--out", "x", "--offer", OFFER];
    let with = |words: &[&str]| -> Run {
        bench.run(&[&["invite", "site-a", "--dir", "b"][..], &out, words].concat())
    };
    for (run, code, said) in [
        (
            bench.run(&["init", "--dir", "n"]),
            64,
            "say --name, --nic, --listen",
        ),
        (
            bench.run(&[
                "init", "--dir", "a", "--name", "x", "--nic", "e", "--listen", "a:1",
            ]),
            73,
            "gateway.toml exists already",
        ),
        (with(&[]), 64, "--passphrase-file FILE or --recipient"),
        (with(&["--recipient", "age1x"]), 64, "is not an age recipient"),
        (with(&["--passphrase-file", "open"]), 77, "run `chmod 600 open`"),
        (
            with(&["--passphrase-file", "short"]),
            64,
            "less than 12 characters",
        ),
        (with(&["--passphrase-file", "none"]), 66, "cannot read none"),
        (
            with(&["--recipient", &recipient, "--endpoint", "b.example"]),
            64,
            "is no endpoint",
        ),
        (
            with(&["--recipient", &recipient, "--expires", "1y"]),
            64,
            "such as 72h",
        ),
        (
            bench.run(&[
                "invite",
                "x",
                "--dir",
                "none",
                "--offer",
                OFFER,
                "--out",
                "x",
                "--recipient",
                &recipient,
            ]),
            66,
            "cannot use none",
        ),
        (
            bench.run(&["accept", "none", "--dir", "a"]),
            66,
            "cannot read none",
        ),
        (
            bench.run(&["accept", "junk", "--dir", "a"]),
            65,
            "junk: it is neither an invitation nor a reply",
        ),
    ] {
        assert_eq!(run.code, Some(code), "{run:?}");
        assert!(
            run.stderr.contains(said) && run.stdout.is_empty(),
            "{said}: {run:?}"
        );
    }
    assert!(!bench.path("n").exists() && !bench.path("x").exists());
    bench.set_mode("b", 0o777);
    let run = with(&["--recipient", &recipient]);
    assert_eq!(run.code, Some(77), "{run:?}");
    bench.set_mode("b", 0o700);

    // A pipe has no mode.
    let run = finish(&mut bench.shell(&format!(
        "\"$0\" invite site-a --dir b --offer {OFFER} --endpoint {AT} --out to-a --passphrase-file /dev/stdin < pass"
    )));
    assert_eq!(run.code, Some(0), "{run:?}");
    let run = bench.run(&["accept", "to-a", "--dir", "a", "--out", "y", "--identity", "id"]);
    assert_eq!(run.code, Some(65), "{run:?}");
    let run = bench.run(&["accept", "to-a", "--dir", "a", "--out", "y"]);
    assert!(
        run.code == Some(64) && run.stderr.contains("--passphrase-file FILE"),
        "{run:?}"
    );
    bench.succeed(&[
        "accept",
        "to-a",
        "--dir",
        "a",
        "--out",
        "y",
        "--passphrase-file",
        "pass",
    ]);
}

/// A terminal with the tool in it.
struct Terminal {
    child: std::process::Child,
    seen: String,
}

impl Terminal {
    fn open(bench: &Bench, line: &str) -> Self {
        let child = Command::new("script")
            .args([
                "-qec",
                &format!("{} {line}", env!("CARGO_BIN_EXE_aoe-keys")),
                "/dev/null",
            ])
            .current_dir(bench.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let seen = String::new();
        Terminal { child, seen }
    }

    /// Waits for a question, and answers it.
    fn answer(&mut self, question: &str, answer: &str) {
        let mut byte = [0];
        let from = self.seen.len();
        while !self.seen[from..].contains(question) {
            let read = self.child.stdout.as_mut().unwrap().read(&mut byte).unwrap();
            assert_eq!(read, 1, "it ended before it asked {question}: {}", self.seen);
            self.seen.push(char::from(byte[0]));
        }
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }

    /// All that was seen, and the exit code.
    fn end(mut self) -> (String, Option<i32>) {
        let mut rest = Vec::new();
        self.child.stdout.take().unwrap().read_to_end(&mut rest).unwrap();
        self.seen.push_str(&String::from_utf8_lossy(&rest));
        (self.seen, self.child.wait().unwrap().code())
    }
}

#[test]
fn on_a_terminal_it_asks_and_a_passphrase_is_asked_twice_and_not_shown() {
    let bench = Bench::new();
    let mut terminal = Terminal::open(&bench, "init --dir b --listen 0.0.0.0:1");
    terminal.answer("called", "site-b");
    terminal.answer("AoE segment", "eth1");
    let (seen, code) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("Interfaces here:"), "{seen}");
    assert!(bench.read("b/gateway.toml").contains("nic = \"eth1\""));

    let line = format!("invite site-a --dir b --offer {OFFER} --endpoint {AT} --out to-a");
    for (second, said) in [
        ("another passphrase", "the two passphrases differ"),
        ("\u{3}", "given up"),
    ] {
        let mut terminal = Terminal::open(&bench, &line);
        terminal.answer("characters: ", "the right passphrase");
        terminal.answer("again: ", second);
        let (seen, code) = terminal.end();
        assert!(code == Some(64) && seen.contains(said), "{code:?}: {seen}");
        assert!(!bench.path("to-a").exists());
    }
    let mut terminal = Terminal::open(&bench, &line);
    terminal.answer("characters: ", "the right passphrase");
    terminal.answer("again: ", "the right passphrase");
    let (seen, code) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    assert!(!seen.contains("right"), "it was shown: {seen}");
    assert!(bench.path("to-a").exists());
}

/// How a run under the tracer ended.
enum Traced {
    Killed,
    Ended(i32),
}

/// Runs a command and kills it before its system call number `at`, counted from the start of the program.
#[allow(
    clippy::zombie_processes,
    reason = "it is waited for by its number, as a tracer does"
)]
fn killed_at(tool: &Path, dir: &Path, args: &[&str], at: u32) -> Traced {
    let child = Command::new("/bin/sh")
        .args(["-c", "kill -STOP $$; exec \"$0\" \"$@\""])
        .arg(tool)
        .args(args)
        .current_dir(dir)
        .env("PATH", "/nowhere")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
    assert!(matches!(stopped, WaitStatus::Stopped(..)), "{stopped:?}");
    ptrace::seize(
        pid,
        Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_EXITKILL,
    )
    .unwrap();
    kill(pid, Signal::SIGCONT).unwrap();
    let (mut running, mut stops) = (false, 0);
    loop {
        match waitpid(pid, None).unwrap() {
            WaitStatus::PtraceEvent(_, Signal::SIGTRAP, event) if event == nix::libc::PTRACE_EVENT_EXEC => {
                running = true;
                ptrace::syscall(pid, None).unwrap();
            }
            WaitStatus::PtraceSyscall(_) => {
                stops += 1;
                // Every other stop is the return of a call.
                if stops == at * 2 + 1 {
                    kill(pid, Signal::SIGKILL).unwrap();
                    while !matches!(waitpid(pid, None).unwrap(), WaitStatus::Signaled(..)) {}
                    return Traced::Killed;
                }
                ptrace::syscall(pid, None).unwrap();
            }
            WaitStatus::Exited(_, code) => return Traced::Ended(code),
            WaitStatus::Stopped(_, signal) if running => ptrace::syscall(pid, signal).unwrap(),
            WaitStatus::Stopped(_, signal) => ptrace::cont(pid, signal).unwrap(),
            WaitStatus::PtraceEvent(..) if running => ptrace::syscall(pid, None).unwrap(),
            WaitStatus::PtraceEvent(..) => ptrace::cont(pid, None).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// Everything in a directory, with its mode; records of invitations under one name.
fn names(dir: &Path) -> Vec<(PathBuf, u32)> {
    let mut all = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(at) = left.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            if path.is_dir() {
                left.push(path.clone());
            }
            all.push((path.strip_prefix(dir).unwrap().to_owned(), mode));
        }
    }
    all.sort();
    all
}

#[test]
fn a_kill_at_any_moment_leaves_nothing_half_done() {
    let bench = Bench::new();
    let recipient = two_sites(&bench);
    bench.succeed(&invite(&recipient, &[]));
    // A copy of the tool has no gateway beside it, which it would ask each time.
    let ground = TempDir::new_in(
        ["/dev/shm", "/tmp"]
            .into_iter()
            .find(|dir| Path::new(dir).is_dir())
            .unwrap(),
    )
    .unwrap();
    let tool = ground.path().join("aoe-keys");
    fs::copy(env!("CARGO_BIN_EXE_aoe-keys"), &tool).unwrap();
    let run = |dir: &Path, args: &[&str]| {
        finish(
            Command::new(&tool)
                .args(args)
                .current_dir(dir)
                .env("PATH", "/nowhere"),
        )
    };
    let from = ground.path().join("from");
    copy(&bench.path(""), &from);
    for (args, done) in [
        (ACCEPT, "was accepted here already"),
        (COMPLETE, "was answered already"),
    ] {
        let whole = ground.path().join("whole");
        copy(&from, &whole);
        assert_eq!(run(&whole, args).code, Some(0));
        let (mut begun_again, mut finished, mut refused) = (0, 0, 0);
        for at in (0..).step_by(7) {
            let dir = ground.path().join("cut");
            copy(&from, &dir);
            let before = names(&dir);
            if let Traced::Ended(code) = killed_at(&tool, &dir, args, at) {
                assert_eq!(code, 0);
                fs::remove_dir_all(&dir).unwrap();
                break;
            }
            let untouched = names(&dir) == before;
            let again = run(&dir, args);
            match again.code {
                Some(0) if again.stdout.contains("Finished what an earlier run") => finished += 1,
                Some(0) => begun_again += 1,
                Some(65) if again.stderr.contains(done) && !untouched => refused += 1,
                _ => panic!("killed at {at}: {again:?}"),
            }
            assert_eq!(names(&dir), names(&whole), "killed at {at}: {again:?}");
            fs::remove_dir_all(&dir).unwrap();
        }
        assert!(
            begun_again > 0 && finished > 0 && refused > 0,
            "{begun_again} {finished} {refused}"
        );
        fs::remove_dir_all(&from).unwrap();
        fs::rename(&whole, &from).unwrap();
    }
}
