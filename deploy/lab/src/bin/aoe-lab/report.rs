//! What came of the demonstration.

use std::fmt;
use std::time::{Duration, Instant};

use aoe_lab::impairment::PathCounters;
use aoe_lab::sniffer::Seen;
use aoe_lab::workload::Figures;
use serde::Serialize;

use crate::show::Show;

/// Everything that was looked at.
#[derive(Debug)]
pub(crate) struct Report {
    started: Instant,
    show: Show,
    /// Which world is being looked at.
    world: String,
    checks: Vec<Check>,
    runs: Vec<Run>,
    paths: Vec<PathReport>,
    sniffer: Option<Sniffed>,
}

/// One thing that had to be so.
#[derive(Debug, Serialize)]
struct Check {
    world: String,
    name: String,
    ok: bool,
    detail: String,
}

/// One workload.
#[derive(Debug, Serialize)]
struct Run {
    segment_mtu: u32,
    underlay_mtu: u32,
    workload: String,
    megabytes_per_second: f64,
    iops: f64,
    p50_us: u64,
    p99_us: u64,
    requests: u64,
    retransmits: u64,
    failed: u64,
    bad_sectors: u64,
}

/// What the sniffer between the sites saw.
#[derive(Clone, Debug, Serialize)]
struct Sniffed {
    packets: u64,
    bytes: u64,
    with_marker: u64,
    aoe_frames: u64,
    missed: u64,
}

/// What an impaired path did in one direction, and what the gateway at its beginning did about it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PathReport {
    world: String,
    from: &'static str,
    to: &'static str,
    datagrams: u64,
    lost: u64,
    duplicated: u64,
    overtaken: u64,
    damaged: u64,
    /// Records that the gateway sent again.
    repaired: u64,
}

impl PathReport {
    /// One direction; `repaired` counts the records sent again.
    pub(crate) fn new(from: &'static str, to: &'static str, path: PathCounters, repaired: u64) -> Self {
        PathReport {
            world: String::new(),
            from,
            to,
            datagrams: path.entered,
            lost: path.lost,
            duplicated: path.duplicated,
            overtaken: path.reordered,
            damaged: path.damaged,
            repaired,
        }
    }
}

impl fmt::Display for PathReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = 100.0 * self.lost as f64 / self.datagrams.max(1) as f64;
        let (from, to) = (self.from, self.to);
        write!(
            f,
            "{from} to {to}: {} datagrams, {} lost ({share:.2} %)",
            self.datagrams, self.lost
        )?;
        for (count, what) in [
            (self.duplicated, "twice"),
            (self.overtaken, "overtaken"),
            (self.damaged, "damaged"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        write!(f, "; {} records sent again by the gateway", self.repaired)
    }
}

#[derive(Serialize)]
struct Whole<'a> {
    version: &'static str,
    ok: bool,
    seconds: f64,
    checks: &'a [Check],
    runs: &'a [Run],
    /// One for each direction in each world, if the path was impaired.
    paths: &'a [PathReport],
    sniffer: Option<&'a Sniffed>,
}

impl Report {
    pub(crate) fn new(show: Show) -> Self {
        Report {
            started: Instant::now(),
            show,
            world: String::new(),
            checks: Vec::new(),
            runs: Vec::new(),
            paths: Vec::new(),
            sniffer: None,
        }
    }

    /// What follows is about another world.
    pub(crate) fn enter(&mut self, world: String) {
        self.world = world;
    }

    /// Does something that has to succeed, shows it, and keeps what came of it; `None` if it failed.
    ///
    /// `describe` says what is shown of a success.
    pub(crate) fn check<T>(
        &mut self,
        name: &str,
        act: impl FnOnce() -> anyhow::Result<T>,
        describe: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        self.show.begin(name);
        let (value, ok, detail) = match act() {
            Ok(value) => {
                let detail = describe(&value);
                self.show.good(name, &detail);
                (Some(value), true, detail)
            }
            Err(error) => {
                let detail = format!("{error:#}");
                self.show.bad(name, &detail);
                (None, false, detail)
            }
        };
        self.checks.push(Check {
            world: self.world.clone(),
            name: name.to_owned(),
            ok,
            detail,
        });
        value
    }

    /// Keeps a workload's figures.
    pub(crate) fn add_run(&mut self, mtus: (u32, u32), workload: &str, figures: &Figures) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.runs.push(Run {
            segment_mtu: mtus.0,
            underlay_mtu: mtus.1,
            workload: workload.to_owned(),
            megabytes_per_second: figures.megabytes_per_second(),
            iops: figures.iops(),
            p50_us: micros(figures.latency(50.0)),
            p99_us: micros(figures.latency(99.0)),
            requests: figures.requests,
            retransmits: figures.retransmits,
            failed: figures.failed() + figures.unanswered,
            bad_sectors: figures.bad_sectors,
        });
    }

    /// Keeps what the sniffer saw.
    pub(crate) fn add_sniffer(&mut self, seen: &Seen) {
        let Seen {
            packets,
            bytes,
            with_marker,
            aoe_frames,
            missed,
        } = *seen;
        self.sniffer = Some(Sniffed {
            packets,
            bytes,
            with_marker,
            aoe_frames,
            missed,
        });
    }

    /// Keeps what the path did in one direction.
    pub(crate) fn add_path(&mut self, path: PathReport) {
        let world = self.world.clone();
        self.paths.push(PathReport { world, ..path });
    }

    /// Whether everything was as it should be.
    pub(crate) fn is_good(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.ok)
    }

    /// One JSON object.
    pub(crate) fn to_json(&self) -> String {
        let whole = Whole {
            version: env!("CARGO_PKG_VERSION"),
            ok: self.is_good(),
            seconds: self.started.elapsed().as_secs_f64(),
            checks: &self.checks,
            runs: &self.runs,
            paths: &self.paths,
            sniffer: self.sniffer.as_ref(),
        };
        // Numbers, strings and lists of them have no way to fail.
        serde_json::to_string_pretty(&whole).unwrap_or_default()
    }

    /// The last lines: how it went.
    pub(crate) fn summary(&self, show: &Show) {
        let seconds = self.started.elapsed().as_secs_f64();
        let failed: Vec<_> = self.checks.iter().filter(|check| !check.ok).collect();
        show.line("");
        if failed.is_empty() {
            show.good(
                "everything is as it should be",
                &format!("{} checks in {seconds:.0} s", self.checks.len()),
            );
            return;
        }
        let names: Vec<_> = failed
            .iter()
            .map(|check| format!("{} ({})", check.name, check.world))
            .collect();
        let (bad, all) = (failed.len(), self.checks.len());
        show.bad(
            &format!("{bad} of {all} checks failed after {seconds:.0} s"),
            &names.join(", "),
        );
    }
}
