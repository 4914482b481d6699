//! A directory and the tool in it.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Where one test works; gone when it ends.
pub(crate) struct Bench(TempDir);

/// What one run of the tool did.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn tool(&self) -> Command {
        self.in_here(env!("CARGO_BIN_EXE_aoe-keys"))
    }

    /// A shell line in which `$0` is the tool.
    pub(crate) fn shell(&self, line: &str) -> Command {
        let mut command = self.in_here("sh");
        command.args(["-c", line, env!("CARGO_BIN_EXE_aoe-keys")]);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        finish(self.tool().args(args))
    }

    /// OpenSSL, run here; it must succeed.
    pub(crate) fn openssl(&self, args: &[&str]) -> String {
        let run = self.try_openssl(args);
        assert_eq!(run.code, Some(0), "openssl {args:?}: {run:?}");
        run.stdout
    }

    /// OpenSSL, run here.
    pub(crate) fn try_openssl(&self, args: &[&str]) -> Run {
        finish(self.in_here("openssl").args(args))
    }

    /// A run that must succeed; gives its standard output.
    pub(crate) fn succeed(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert_eq!(run.code, Some(0), "{args:?}: {run:?}");
        run.stdout
    }

    pub(crate) fn run_with_input(&self, args: &[&str], input: &[u8]) -> Run {
        let mut child = self
            .tool()
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Run::from(child.wait_with_output().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str, mode: u32) {
        fs::write(self.path(name), text).unwrap();
        self.set_mode(name, mode);
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    pub(crate) fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn in_here(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .env_remove("CREDENTIALS_DIRECTORY");
        command
    }
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Run {
    Run::from(command.output().unwrap())
}

/// The line of a key file that is the key.
pub(crate) fn key_line(text: &str) -> &str {
    text.lines().find(|line| line.starts_with("aoe-")).unwrap()
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
