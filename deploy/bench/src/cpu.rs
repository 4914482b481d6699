//! Who used the processors, by what the scheduler says (`schedstat`, nanoseconds).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use aoe_lab::netns::Namespace;
use nix::time::{ClockId, clock_gettime};

/// Counts the processor time of the two gateways of one lane, whatever processes they are made of.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    a: Crew,
    b: Crew,
    softirq: Crew,
}

/// Processor time used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    /// All processes in gateway A's namespace.
    pub(crate) a: Duration,
    /// All processes in gateway B's namespace.
    pub(crate) b: Duration,
    /// Initiator and target: this process.
    pub(crate) ends: Duration,
    /// The kernel's softirq threads; zero where they do not show.
    pub(crate) softirq: Duration,
    /// Everything on this machine that was not idle, ours included.
    pub(crate) machine: Duration,
}

impl Meter {
    /// A meter for the processes that are in two gateways' namespaces now.
    ///
    /// # Errors
    /// When `/proc` does not show the namespaces.
    pub(crate) fn new(a: &Namespace, b: &Namespace) -> Result<Self> {
        let is_softirq = |process: &Path| {
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            name.starts_with("ksoftirqd/")
        };
        Ok(Meter {
            a: Crew::of(a)?,
            b: Crew::of(b)?,
            softirq: Crew::such(is_softirq),
        })
    }

    /// Reads the counts.
    pub(crate) fn read(&self) -> Reading {
        Reading {
            a: self.a.time(),
            b: self.b.time(),
            ends: own_time(),
            softirq: self.softirq.time(),
            machine: busy_time().unwrap_or_default(),
        }
    }
}

impl Reading {
    /// What was used since an earlier reading.
    pub(crate) fn since(&self, earlier: &Reading) -> Reading {
        Reading {
            a: self.a.saturating_sub(earlier.a),
            b: self.b.saturating_sub(earlier.b),
            ends: self.ends.saturating_sub(earlier.ends),
            softirq: self.softirq.saturating_sub(earlier.softirq),
            machine: self.machine.saturating_sub(earlier.machine),
        }
    }

    /// Gateways, ends and softirq threads.
    pub(crate) fn ours(&self) -> Duration {
        self.a + self.b + self.ends + self.softirq
    }
}

/// Some processes, looked for once: reading what they used takes no time that counts then.
#[derive(Clone, Debug)]
pub(crate) struct Crew {
    processes: Vec<PathBuf>,
}

impl Crew {
    /// All that are in a network namespace now.
    ///
    /// # Errors
    /// When `/proc` does not show the namespace.
    pub(crate) fn of(namespace: &Namespace) -> Result<Self> {
        let path = namespace.path();
        let home = fs::metadata(path).with_context(|| format!("looking at {}", path.display()))?;
        // What may not be looked at is not ours, or has just ended.
        Ok(Crew::such(|process| {
            let net = fs::metadata(process.join("ns/net"));
            net.is_ok_and(|net| net.ino() == home.ino())
        }))
    }

    fn such(is_one: impl Fn(&Path) -> bool) -> Self {
        Crew {
            processes: processes().filter(|process| is_one(process)).collect(),
        }
    }

    /// Whether it has no member.
    pub(crate) fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// What all its threads have used so far.
    pub(crate) fn time(&self) -> Duration {
        self.processes.iter().map(|process| time_of(process)).sum()
    }

    /// Whether every thread is in one of these states, in the letters of proc(5).
    pub(crate) fn is_all(&self, states: &str) -> bool {
        let mut tasks = self.processes.iter().flat_map(|process| tasks(process));
        tasks.all(|task| {
            // `number (name) state ...`, and the name may hold anything.
            let text = fs::read_to_string(task.join("stat")).unwrap_or_default();
            let state = text.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
            state.is_some_and(|state| states.contains(state))
        })
    }
}

/// Directories of all processes that show.
fn processes() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// What all threads of a process have used.
fn time_of(process: &Path) -> Duration {
    let nanos = tasks(process).filter_map(|thread| {
        let text = fs::read_to_string(thread.join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Directories of a process's threads.
fn tasks(process: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(process.join("task")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

fn own_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// The first line of `/proc/stat` without idle and iowait, in its ticks of 10 ms.
fn busy_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().next()?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, ..] = ticks.as_slice() else {
        return None;
    };
    Some(Duration::from_millis((user + nice + system + irq + softirq) * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_process_in_a_namespace_is_seen_and_one_elsewhere_is_not() {
        let (a, b) = (Namespace::new("a").unwrap(), Namespace::new("b").unwrap());
        let mut command = std::process::Command::new("sh");
        command.args([
            "-c",
            "echo up; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo done; exec sleep 1000",
        ]);
        let process = a.spawn("spinner", command, None).unwrap();
        process.wait_for_line("up", Duration::from_secs(60)).unwrap();
        let meter = Meter::new(&a, &b).unwrap();
        let before = meter.read();
        process.wait_for_line("done", Duration::from_secs(60)).unwrap();
        let used = meter.read().since(&before);
        assert!(used.a > Duration::ZERO, "{used:?}");
        assert_eq!(used.b, Duration::ZERO);
        assert!(used.ours() >= used.a + used.ends);
    }

    #[test]
    fn a_crew_is_a_namespaces_processes_and_their_states() {
        let (home, elsewhere) = (
            Namespace::new("home").unwrap(),
            Namespace::new("elsewhere").unwrap(),
        );
        assert!(Crew::of(&elsewhere).unwrap().is_empty());
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "echo up; read line < /dev/null; exec sleep 1000"]);
        let process = home.spawn("sleeper", command, None).unwrap();
        process.wait_for_line("up", Duration::from_secs(60)).unwrap();
        let crew = Crew::of(&home).unwrap();
        assert!(!crew.is_empty() && crew.time() > Duration::ZERO);
        process.signal(nix::sys::signal::Signal::SIGSTOP).unwrap();
        let until = std::time::Instant::now() + Duration::from_secs(60);
        while !crew.is_all("T") {
            assert!(std::time::Instant::now() < until, "it goes on");
        }
        assert!(!crew.is_all("S"));
        // What is stopped does not end when it is asked to.
        process.signal(nix::sys::signal::Signal::SIGCONT).unwrap();
    }
}
