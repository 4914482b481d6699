//! A process inside a namespace, ended when its guard is dropped.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Namespace;

/// How long a process may take to end after SIGTERM before it gets SIGKILL. On a busy machine the kernel alone takes
/// seconds to close a packet socket (`synchronize_rcu` in `packet_release`).
const GRACE: Duration = Duration::from_secs(30);
/// Lines a transcript keeps; older ones are only in the log file.
const KEPT_LINES: usize = 4096;

/// A running process; dropping it ends the process: SIGTERM first, SIGKILL after 30 seconds.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    transcript: Transcript,
}

/// What a process wrote to standard output and standard error so far, line by line; shared and growing.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    shared: Arc<(Mutex<Lines>, Condvar)>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<String>,
    /// Number of lines dropped from the front of `kept`.
    forgotten: usize,
    open_streams: usize,
    copy: Option<File>,
}

impl Namespace {
    /// Starts `command` inside, without standard input, and collects its output; `log` gets a copy of every line.
    ///
    /// # Errors
    /// When the program cannot be started or the log file not be made.
    pub fn spawn(&self, name: &str, mut command: Command, log: Option<&Path>) -> Result<Process> {
        let transcript = Transcript::default();
        let append = |path: &Path| File::options().create(true).append(true).open(path);
        transcript.lines().copy = log
            .map(|path| append(path).with_context(|| format!("opening log {}", path.display())))
            .transpose()?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = self.run(move || command.spawn().with_context(|| format!("starting {program}")))?;
        transcript.follow(child.stdout.take())?;
        transcript.follow(child.stderr.take())?;
        Ok(Process {
            name: name.to_owned(),
            child,
            transcript,
        })
    }
}

impl Process {
    /// The process id, in this process's own pid namespace.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Waits until a line contains `pattern` and returns that line.
    ///
    /// # Errors
    /// When `timeout` passes or the process ends first; the message carries the last lines it wrote.
    pub fn wait_for_line(&self, pattern: &str, timeout: Duration) -> Result<String> {
        self.wait_for_line_after(0, pattern, timeout)
    }

    /// As [`Process::wait_for_line`], for lines from number `from` on (see [`Transcript::len`]).
    ///
    /// # Errors
    /// As [`Process::wait_for_line`].
    pub fn wait_for_line_after(&self, from: usize, pattern: &str, timeout: Duration) -> Result<String> {
        if let Some(line) = self.transcript.wait_for(from, pattern, timeout) {
            return Ok(line);
        }
        let until = if self.transcript.is_closed() {
            "before it ended".to_owned()
        } else {
            format!("within {timeout:?}")
        };
        let tail = self.transcript.tail(20);
        bail!(
            "{} wrote no line with {pattern:?} {until}; its last lines:\n{tail}",
            self.name
        )
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it has ended and was waited for.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(pid, signal).with_context(|| format!("sending {signal} to {}", self.name))
    }

    /// The exit status if it has ended.
    ///
    /// # Errors
    /// Those of waitpid.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for it to end by itself.
    ///
    /// # Errors
    /// When it still runs after `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let until = Instant::now() + timeout;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= until {
                bail!("{} still runs after {timeout:?}", self.name);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Asks it to end by SIGTERM and returns its exit status.
    ///
    /// # Errors
    /// When it does not end within 30 seconds; it is killed then.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.try_wait()? {
            return Ok(status);
        }
        self.signal(Signal::SIGTERM)?;
        let stopped = self.wait(GRACE);
        if stopped.is_err() {
            self.kill()?;
        }
        stopped.with_context(|| format!("{} did not end on SIGTERM and was killed", self.name))
    }

    /// Kills it at once, as a crash would.
    ///
    /// # Errors
    /// Those of kill and waitpid.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A drop has nobody to report to; `stop` says what went wrong to those who ask.
        let _ = self.stop();
    }
}

impl Transcript {
    /// Number of lines so far; pass it to [`Process::wait_for_line_after`] to look at later ones only.
    pub fn len(&self) -> usize {
        let lines = self.lines();
        lines.forgotten + lines.kept.len()
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last `count` lines, indented, as one text.
    pub fn tail(&self, count: usize) -> String {
        let lines = self.lines();
        let skipped = lines.kept.len().saturating_sub(count);
        lines
            .kept
            .iter()
            .skip(skipped)
            .map(|line| format!("    {line}\n"))
            .collect()
    }

    /// Whether a line contains `pattern`.
    pub fn contains(&self, pattern: &str) -> bool {
        self.lines().kept.iter().any(|line| line.contains(pattern))
    }

    /// Whether the process has closed its outputs, which it usually does by ending.
    fn is_closed(&self) -> bool {
        self.lines().open_streams == 0
    }

    fn wait_for(&self, from: usize, pattern: &str, timeout: Duration) -> Option<String> {
        let until = Instant::now() + timeout;
        let mut lines = self.lines();
        loop {
            let skipped = from.saturating_sub(lines.forgotten);
            if let Some(line) = lines
                .kept
                .iter()
                .skip(skipped)
                .find(|line| line.contains(pattern))
            {
                return Some(line.clone());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || lines.open_streams == 0 {
                return None;
            }
            lines = self
                .shared
                .1
                .wait_timeout(lines, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn follow(&self, stream: Option<impl Read + Send + 'static>) -> Result<()> {
        let Some(stream) = stream else { return Ok(()) };
        self.lines().open_streams += 1;
        let transcript = self.clone();
        thread::Builder::new()
            .name("transcript".to_owned())
            .spawn(move || {
                for line in BufReader::new(stream).split(b'\n') {
                    let Ok(line) = line else { break };
                    transcript.push(String::from_utf8_lossy(&line).into_owned());
                }
                transcript.lines().open_streams -= 1;
                transcript.shared.1.notify_all();
            })?;
        Ok(())
    }

    fn push(&self, line: String) {
        let mut lines = self.lines();
        if let Some(copy) = &mut lines.copy {
            // A full disk must not stop the one who is watched.
            let _ = writeln!(copy, "{line}");
        }
        if lines.kept.len() == KEPT_LINES {
            lines.kept.pop_front();
            lines.forgotten += 1;
        }
        lines.kept.push_back(line);
        self.shared.1.notify_all();
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn lines_of_both_streams_are_found_and_numbered() {
        let room = Namespace::new("lines").unwrap();
        let mut process = room
            .spawn(
                "talker",
                shell("echo one; echo two >&2; sleep 0.1; echo three"),
                None,
            )
            .unwrap();
        process.wait_for_line("two", Duration::from_secs(5)).unwrap();
        let seen = process.transcript().len();
        assert_eq!(
            process.wait_for_line("three", Duration::from_secs(5)).unwrap(),
            "three"
        );
        assert!(
            process
                .wait_for_line_after(seen.max(2), "one", Duration::from_millis(1))
                .is_err()
        );
        assert!(process.wait(Duration::from_secs(5)).unwrap().success());
    }

    #[test]
    fn an_ended_process_fails_the_wait_at_once_with_its_last_words() {
        let room = Namespace::new("words").unwrap();
        let process = room.spawn("mute", shell("echo goodbye; exit 3"), None).unwrap();
        let started = Instant::now();
        let error = process
            .wait_for_line("hello", Duration::from_secs(60))
            .unwrap_err()
            .to_string();
        assert!(error.contains("goodbye"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn dropping_the_guard_ends_the_process() {
        let room = Namespace::new("drop").unwrap();
        let process = room
            .spawn("sleeper", shell("echo up; exec sleep 1000"), None)
            .unwrap();
        process.wait_for_line("up", Duration::from_secs(5)).unwrap();
        let pid = Pid::from_raw(i32::try_from(process.id()).unwrap());
        drop(process);
        assert_eq!(kill(pid, None), Err(nix::errno::Errno::ESRCH));
    }
}
