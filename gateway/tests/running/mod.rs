//! The real program with files of its own, as an operator runs it.

#![allow(dead_code, reason = "every test file uses a part of this")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use aoe_keys::store::{Existing, write_secret};
use aoe_keys::{PublicKey, SecretKey};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_aoe-gateway");
const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway's files.
pub(crate) struct Site {
    pub(crate) dir: TempDir,
    /// The program that runs it, if it is not run by itself.
    pub(crate) through: Vec<&'static str>,
}

impl Site {
    /// A gateway called `name` with this key, whose only peer is `peer`.
    pub(crate) fn new(
        name: &str,
        key: &SecretKey,
        port: u16,
        segments: &str,
        peer: &PublicKey,
        calls: &str,
    ) -> Site {
        let dir = tempfile::tempdir().unwrap();
        write_secret(dir.path().join("own.key"), key, Existing::Keep).unwrap();
        std::fs::create_dir(dir.path().join("exports.d")).unwrap();
        let text = format!(
            "[gateway]\nname = \"{name}\"\nlisten = [\"127.0.0.1:{port}\"]\nkey = \"own.key\"\n\
             exports = \"exports.d\"\nobserve = \"observe.sock\"\ncontrol = \"control.sock\"\n{segments}\n[[peer]]\nname = \"peer\"\nkey = \"{peer}\"\n{calls}\n"
        );
        std::fs::write(dir.path().join("gateway.toml"), text).unwrap();
        Site {
            dir,
            through: Vec::new(),
        }
    }

    /// A gateway with a network card and a TAP device, and a peer that never calls.
    pub(crate) fn lonely(segments: &str) -> Site {
        let peer = SecretKey::generate().unwrap().public();
        Site::new(
            "site-a",
            &SecretKey::generate().unwrap(),
            34978,
            segments,
            &peer,
            "",
        )
    }

    /// The command that runs the gateway: by itself, or by another program that takes it as its arguments.
    pub(crate) fn command(&self, through: &[&str]) -> Command {
        let words = [through, &[PROGRAM, "run", "--config", "gateway.toml"]].concat();
        let (program, arguments) = words.split_first().unwrap();
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.dir.path());
        command.env_remove("AOE_GATEWAY_LOG").env_remove("JOURNAL_STREAM");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// A file's text.
    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(file)).unwrap()
    }

    /// Replaces a file.
    pub(crate) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.dir.path().join(file), text).unwrap();
    }

    /// Adds to the end of a file.
    pub(crate) fn append(&self, file: &str, text: &str) {
        self.write(file, &(self.read(file) + text));
    }

    /// Changes one place of a file.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "{file} has no {from}:\n{text}");
        self.write(file, &text.replacen(from, to, 1));
    }

    /// Runs the program beside the gateway, in the directory of its files.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(self.dir.path());
        command.env_remove("AOE_GATEWAY_LOG").output().unwrap()
    }

    pub(crate) fn start(self) -> Daemon {
        self.start_with(&[])
    }

    /// Starts it with more arguments.
    pub(crate) fn start_with(self, arguments: &[&str]) -> Daemon {
        let (child, lines) = self.spawn(arguments);
        Daemon {
            child,
            lines,
            read: Vec::new(),
            site: self,
        }
    }

    fn spawn(&self, arguments: &[&str]) -> (Child, Receiver<String>) {
        let mut child = self.command(&self.through).args(arguments).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        (child, lines)
    }
}

/// A running gateway. Killed if the test fails before it has ended.
pub(crate) struct Daemon {
    child: Child,
    lines: Receiver<String>,
    /// What it has logged so far.
    pub(crate) read: Vec<String>,
    pub(crate) site: Site,
}

impl Daemon {
    /// Reads the log up to a line that contains this, and returns the line.
    pub(crate) fn expect(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!(
                    "the log never said \"{text}\"; it said:\n{}",
                    self.read.join("\n")
                );
            };
            self.read.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// One number of the counters, zero if it is not there.
    pub(crate) fn counter(&mut self, name: &str) -> u64 {
        self.signal(Signal::SIGUSR1);
        let line = self.expect("counters");
        let value = line
            .split(' ')
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// Starts it once more after it has died; the log begins again.
    pub(crate) fn start_again(&mut self) {
        self.child.wait().unwrap();
        (self.child, self.lines) = self.site.spawn(&[]);
        self.read.clear();
    }

    /// Ends the gateway; gives its exit status and the whole log.
    pub(crate) fn end(mut self, signal: Signal) -> (ExitStatus, String) {
        self.signal(signal);
        let status = self.child.wait().unwrap();
        self.read.extend(self.lines.iter());
        (status, self.read.join("\n"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A network card and a TAP device.
pub(crate) const CARD_AND_TAP: &str =
    "[[segment]]\nname = \"san\"\nnic = \"eth1\"\n[[segment]]\nname = \"lab\"\ntap = \"aoe0\"\nmtu = 9000\n";

/// A TAP device.
pub(crate) const TAP: &str = "[[segment]]\nname = \"lab\"\ntap = \"aoe0\"\nmtu = 9000\n";
/// An export file.
pub(crate) const EXPORT: &str = "name = \"backup\"\nsegment = \"lab\"\ntarget = \"e7.3\"\n[[allow]]\npeer = \"peer\"\naccess = \"read-write\"\n";
/// An import.
pub(crate) const IMPORT: &str =
    "[[import]]\npeer = \"peer\"\nexport = \"vault\"\nsegment = \"lab\"\nas = \"e107.3\"\n";

/// A running gateway with an export and an import.
pub(crate) fn sharing() -> Daemon {
    let site = Site::lonely(TAP);
    site.write("exports.d/backup.toml", EXPORT);
    site.append("gateway.toml", IMPORT);
    let mut daemon = site.start();
    daemon.expect("ready");
    daemon
}

/// Exit code and words of a program.
pub(crate) fn said_by(output: &Output) -> (i32, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

impl Daemon {
    /// Exit code and words of `reload`.
    pub(crate) fn reload(&self) -> (i32, String) {
        said_by(&self.site.run(&["reload", "--config", "gateway.toml"]))
    }

    /// The same of `check --diff`.
    pub(crate) fn diff(&self, config: &str) -> (i32, String) {
        said_by(&self.site.run(&["check", "--diff", "--config", config]))
    }

    /// What the gateway says of itself.
    pub(crate) fn document(&self) -> Value {
        let mut stream = UnixStream::connect(self.site.dir.path().join("observe.sock")).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// One column of one list of it.
    pub(crate) fn names(&self, list: &str, name: &str) -> Vec<String> {
        let document = self.document();
        let rows = document[list].as_array().unwrap();
        rows.iter()
            .map(|row| row[name].as_str().unwrap().to_owned())
            .collect()
    }

    /// A connection to the control socket by which this was said.
    pub(crate) fn asks(&self, request: &str) -> UnixStream {
        let mut stream = UnixStream::connect(self.site.dir.path().join("control.sock")).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }
}
