//! Who used the processors, by what the scheduler says (`schedstat`, nanoseconds).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use aoe_lab::netns::Namespace;
use nix::time::{ClockId, clock_gettime};

/// Counts the processor time of the two gateways of one lane, whatever processes they are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    a: u64,
    b: u64,
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
    /// A meter for two gateways' namespaces.
    ///
    /// # Errors
    /// When `/proc` does not show them.
    pub(crate) fn new(a: &Namespace, b: &Namespace) -> Result<Self> {
        let inode = |namespace: &Namespace| {
            let path = namespace.path();
            let facts = fs::metadata(path).with_context(|| format!("looking at {}", path.display()));
            facts.map(|facts| facts.ino())
        };
        Ok(Meter {
            a: inode(a)?,
            b: inode(b)?,
        })
    }

    /// Reads the counts.
    pub(crate) fn read(&self) -> Reading {
        let mut reading = Reading {
            ends: own_time(),
            machine: busy_time().unwrap_or_default(),
            ..Reading::default()
        };
        for process in processes() {
            let is_softirq = || {
                let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
                name.starts_with("ksoftirqd/")
            };
            // What may not be looked at is not ours, or has just ended.
            match fs::metadata(process.join("ns/net")).map(|facts| facts.ino()) {
                Ok(inode) if inode == self.a => reading.a += time_of(&process),
                Ok(inode) if inode == self.b => reading.b += time_of(&process),
                _ if is_softirq() => reading.softirq += time_of(&process),
                _ => {}
            }
        }
        reading
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
    let threads = fs::read_dir(process.join("task")).into_iter().flatten().flatten();
    let nanos = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
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
        let meter = Meter::new(&a, &b).unwrap();
        let before = meter.read();
        let mut command = std::process::Command::new("sh");
        command.args([
            "-c",
            "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo done; exec sleep 1000",
        ]);
        let process = a.spawn("spinner", command, None).unwrap();
        process.wait_for_line("done", Duration::from_secs(60)).unwrap();
        let used = meter.read().since(&before);
        assert!(used.a > Duration::ZERO, "{used:?}");
        assert_eq!(used.b, Duration::ZERO);
        assert!(used.ours() >= used.a + used.ends);
    }
}
