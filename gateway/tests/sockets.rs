//! The sockets of a running gateway: whose they are, and what programs that do not do their part can do to it: nothing.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod running;
mod support;

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use running::{Daemon, Site};
use support::{eventually, in_namespace};

const TAP: &str = "[[segment]]\nname = \"lab\"\ntap = \"aoe0\"\n[[import]]\npeer = \"peer\"\nexport = \"vault\"\n\
                   segment = \"lab\"\nas = \"e107.3\"\n";
/// How soon a program that does its part is answered, whatever others do, on a busy machine.
const SOON: Duration = Duration::from_secs(3);

fn running() -> Daemon {
    let mut daemon = Site::lonely(TAP).start();
    daemon.expect("ready");
    daemon
}

impl Daemon {
    fn path(&self, socket: &str) -> PathBuf {
        self.site.dir.path().join(socket)
    }

    fn connect(&self, socket: &str) -> UnixStream {
        let stream = UnixStream::connect(self.path(socket)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// The answer to a request, which may be anything.
    fn answer(&self, request: &[u8]) -> Value {
        let mut stream = self.connect("control.sock");
        // The gateway may have heard enough before the end.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        // What was not read before it was closed shows as an error after the answer.
        let _ = stream.read_to_end(&mut answer);
        serde_json::from_slice(&answer).unwrap()
    }

    fn difference(&self) -> Value {
        let config = self.path("gateway.toml");
        self.answer(format!("{}\n", json!({"request": "diff", "config": config})).as_bytes())
    }

    /// Programs that do their part are answered.
    fn answers(&self) {
        let before = Instant::now();
        assert_eq!(self.document()["gateway"]["name"], "site-a");
        assert_eq!(self.difference()["outcome"], "same");
        assert!(before.elapsed() < SOON, "after {:?}", before.elapsed());
    }
}

#[test]
fn they_are_there_while_it_runs_and_for_those_who_may() {
    in_namespace(|_| {
        let daemon = running();
        let mode = |socket: &str| fs::metadata(daemon.path(socket)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("observe.sock"), mode("control.sock")), (0o660, 0o600));
        let document = daemon.document();
        let gateway = &document["gateway"];
        assert_eq!(document["version"], 1);
        assert_eq!(gateway["pid"], daemon.id());
        assert_eq!(gateway["listen"], json!(["127.0.0.1:34978"]));
        assert_eq!(gateway["config"], daemon.path("gateway.toml").to_str().unwrap());
        assert_eq!(document["segments"][0]["device"], "aoe0");
        assert!(document["counters"].as_object().unwrap().len() > 50, "zeroes too");
        let (sockets, site) = (
            ["observe.sock", "control.sock"].map(|s| daemon.path(s)),
            daemon.site.dir.path().to_owned(),
        );
        fs::set_permissions(&site, fs::Permissions::from_mode(0o755)).unwrap();
        // Somebody else, where there is somebody.
        let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        let possible = Command::new("setpriv").args(nobody).arg("true").status();
        if possible.is_ok_and(|status| status.success()) {
            let output = Command::new("setpriv")
                .args(nobody)
                .arg(env!("CARGO_BIN_EXE_aoe-gateway"))
                .args(["reload", "--config", "gateway.toml"])
                .current_dir(&site)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(77), "{said}");
            assert!(said.contains("control.sock: Permission denied"), "{said}");
        }
        assert_eq!(daemon.end(Signal::SIGTERM).0.code(), Some(0));
        assert!(sockets.iter().all(|socket| !socket.exists()));
    });
}

#[test]
fn one_that_was_left_is_replaced_and_that_of_another_gateway_is_not() {
    in_namespace(|_| {
        let mut daemon = running();
        // Another one with the same sockets.
        let text = daemon
            .site
            .read("gateway.toml")
            .replace("34978", "34979")
            .replace("aoe0", "aoe1");
        let other = Site::lonely(TAP);
        let text = text.replace("\"own.key\"", &format!("{:?}", other.dir.path().join("own.key")));
        let text = text.replace("\"observe.sock\"", &format!("{:?}", daemon.path("observe.sock")));
        other.write(
            "gateway.toml",
            &text.replace("\"control.sock\"", &format!("{:?}", daemon.path("control.sock"))),
        );
        let mut other = other.start();
        for (key, command) in [("observe", "status"), ("control", "reload")] {
            let line = other.expect(&format!(
                "{key}.sock: another gateway is there; `aoe-gateway {command}` does not find"
            ));
            let cure = format!("end that one, or set `{key}` of [gateway] to another path");
            assert!(line.contains(" WARN socket ") && line.ends_with(&cure), "{line}");
        }
        other.expect("ready");
        daemon.answers();
        assert_eq!(other.end(Signal::SIGTERM).0.code(), Some(0));
        daemon.answers();
        // It dies without a word and is started again.
        daemon.signal(Signal::SIGKILL);
        eventually("it has died", || {
            UnixStream::connect(daemon.path("control.sock")).is_err()
        });
        assert!(daemon.path("control.sock").exists());
        daemon.start_again();
        daemon.expect("ready");
        daemon.answers();
        assert!(!daemon.end(Signal::SIGTERM).1.contains("WARN socket"));
    });
}

#[test]
fn without_a_place_for_them_it_runs_and_says_which_key_to_set() {
    in_namespace(|_| {
        let site = Site::lonely(TAP);
        site.edit("gateway.toml", "\"observe.sock\"", "\"own.key/observe.sock\"");
        site.edit("gateway.toml", "\"control.sock\"", "\"exports.d\"");
        let mut daemon = site.start();
        let line = daemon.expect("own.key/observe.sock: cannot make its directory: ");
        assert!(
            line.contains("WARN socket ") && line.ends_with("set `observe` of [gateway] to another path"),
            "{line}"
        );
        let line = daemon.expect("exports.d: there is a file of that name that is no socket; ");
        assert!(
            line.contains("SIGHUP reloads it all the same; remove it, or set `control` of"),
            "{line}"
        );
        daemon.expect("ready");
        daemon.signal(Signal::SIGHUP);
        daemon.expect("reload by SIGHUP: nothing has changed");
        assert_eq!(daemon.end(Signal::SIGTERM).0.code(), Some(0));

        // Who is not root cannot make the default directory.
        let site = Site::lonely(TAP);
        let name = site
            .dir
            .path()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .replace('.', "");
        site.edit("gateway.toml", "observe = \"observe.sock\"\n", "");
        site.edit("gateway.toml", "control = \"control.sock\"\n", "");
        site.edit("gateway.toml", "\"site-a\"", &format!("\"test-{name}\""));
        let mut daemon = site.start();
        daemon.expect("ready");
        let directory = PathBuf::from(format!("/run/aoe-gateway/test-{name}"));
        let refused = daemon
            .read
            .iter()
            .any(|line| line.contains("have systemd make it (RuntimeDirectory=)"));
        assert_ne!(directory.join("observe.sock").exists(), refused);
        drop(daemon);
        let _ = fs::remove_dir_all(directory);
    });
}

#[test]
fn programs_that_do_not_read_or_talk_without_end_keep_nobody_out() {
    in_namespace(|_| {
        let site = Site::lonely(TAP);
        // A document longer than what the kernel keeps for a reader.
        for n in 0..600u16 {
            let text = format!(
                "name = \"disk-{n:050}\"\nsegment = \"lab\"\ntarget = \"e{}.{}\"\n[[allow]]\npeer = \"peer\"\naccess = \"read-write\"\n",
                1000 + n / 200,
                n % 200
            );
            site.write(&format!("exports.d/{n}.toml"), &text);
        }
        let mut daemon = site.start();
        daemon.expect("ready");
        let mut held = Vec::new();
        for _ in 0..40 {
            // Some say something, which nobody reads; none reads.
            let mut lazy = daemon.connect("observe.sock");
            let _ = lazy.write_all(&[b'x'; 1000]);
            held.push(lazy);
            let mut endless = daemon.connect("control.sock");
            let _ = endless.write_all(b"{\"request\": \"re");
            held.push(endless);
        }
        daemon.answers();
        std::thread::sleep(Duration::from_secs(1));
        daemon.answers();
        // Those that only hold a connection are let go.
        for mut stream in held {
            stream.set_nonblocking(true).unwrap();
            let since = Instant::now();
            let mut chunk = vec![0; 1 << 16];
            loop {
                match stream.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        assert!(since.elapsed() < Duration::from_secs(20));
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    Err(_) => break,
                }
            }
        }
        daemon.answers();
        assert_eq!(daemon.end(Signal::SIGTERM).0.code(), Some(0));
    });
}

#[test]
fn whatever_is_asked_is_answered_or_refused_with_a_reason() {
    in_namespace(|_| {
        let daemon = running();
        let nested = [b"{\"x\": ".to_vec(), b"[".repeat(60_000), b"\n".to_vec()].concat();
        let long = [
            b"{\"request\": \"diff\", \"config\": \"".to_vec(),
            vec![b'a'; 70_000],
        ]
        .concat();
        for (request, reason) in [
            (&b"\n"[..], "a request is one line such as"),
            (b"reload\n", "a request is one line such as"),
            (b"{\"request\": \"reload\"}\n", "missing field `config`"),
            (
                b"{\"request\": \"halt\", \"config\": \"x\"}\n",
                "unknown variant `halt`",
            ),
            (
                b"{\"request\": \"diff\", \"config\": \"x\", \"force\": true}\n",
                "unknown field `force`",
            ),
            (b"\xff\xfe\0\0\n", "a request is one line such as"),
            (&nested, "recursion limit"),
            (&long, "a request has at most 65536 bytes"),
        ] {
            let answer = daemon.answer(request);
            assert_eq!(answer["outcome"], "refused", "{answer}");
            assert!(answer["reason"].as_str().unwrap().contains(reason), "{answer}");
        }
        let answer = daemon.answer(b"{\"request\": \"diff\", \"config\": \"/nowhere/at/all\"}\n");
        assert_eq!(answer["outcome"], "faults");
        assert_eq!(answer["faults"][0]["kind"], "no-config");
        // A device or a directory is not read either.
        for file in ["/dev/zero", "/dev/stdin", "/"] {
            let answer =
                daemon.answer(format!("{{\"request\": \"diff\", \"config\": \"{file}\"}}\n").as_bytes());
            assert_eq!(answer["faults"][0]["kind"], "unreadable", "{answer}");
        }
        daemon.answers();
        assert_eq!(daemon.document()["gateway"]["reloads"], 0);
    });
}

#[test]
fn many_ask_at_once_and_those_that_have_gone_are_not_served() {
    in_namespace(|_| {
        let mut daemon = running();
        let config = daemon.path("gateway.toml");
        let reload = format!("{}\n", json!({"request": "reload", "config": config}));
        daemon
            .site
            .edit("gateway.toml", "\"own.key\"\n", "\"own.key\"\nmax_age = \"2s\"\n");
        // It is kept from reading while they come.
        daemon.signal(Signal::SIGSTOP);
        for _ in 0..3 {
            daemon
                .connect("control.sock")
                .write_all(reload.as_bytes())
                .unwrap();
        }
        daemon.signal(Signal::SIGCONT);
        daemon.expect("is not carried out: who asked has gone");
        daemon.expect("is not carried out: who asked has gone");
        daemon.expect("is not carried out: who asked has gone");
        assert_eq!(daemon.document()["gateway"]["reloads"], 0);
        assert_eq!(daemon.difference()["outcome"], "would-change");
        // Of several that stay, one makes the change, and the others are told that it is made.
        daemon.signal(Signal::SIGSTOP);
        let mut waiting: Vec<_> = (0..6).map(|_| daemon.connect("control.sock")).collect();
        for stream in &mut waiting {
            stream.write_all(reload.as_bytes()).unwrap();
        }
        daemon.signal(Signal::SIGCONT);
        let mut outcomes: Vec<_> = waiting
            .into_iter()
            .map(|mut stream| {
                let mut text = String::new();
                stream.read_to_string(&mut text).unwrap();
                let answer: Value = serde_json::from_str(&text).unwrap();
                answer["outcome"].as_str().unwrap().to_owned()
            })
            .collect();
        outcomes.sort();
        assert_eq!(outcomes, ["changed", "same", "same", "same", "same", "same"]);
        assert_eq!(daemon.document()["gateway"]["reloads"], 1);
    });
}
