//! What a workload came to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::initiator::DiskError;

use super::ledger::Complaint;

/// Complaints kept word by word; all are counted.
const KEPT_COMPLAINTS: usize = 8;
/// Latencies are recorded in microseconds up to ten minutes, with three digits.
const LONGEST_MICROS: u64 = 600_000_000;

/// Counts and times of one run.
#[derive(Clone)]
pub struct Figures {
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Bytes moved by requests that succeeded.
    pub bytes: u64,
    /// Requests that succeeded.
    pub requests: u64,
    /// ATA frames the initiator sent, copies included.
    pub frames: u64,
    /// Copies it sent.
    pub retransmits: u64,
    /// Requests that failed, by reason.
    pub errors: BTreeMap<String, u64>,
    /// Requests still unanswered when patience was over.
    pub unanswered: u64,
    /// Sectors that did not hold what they had to.
    pub bad_sectors: u64,
    /// The first of them.
    pub complaints: Vec<Complaint>,
    latency: Histogram<u64>,
}

/// Without the histogram, whose thousands of numbers nobody can read.
impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Figures")
            .field("elapsed", &self.elapsed)
            .field("bytes", &self.bytes)
            .field("requests", &self.requests)
            .field("frames", &self.frames)
            .field("retransmits", &self.retransmits)
            .field("errors", &self.errors)
            .field("unanswered", &self.unanswered)
            .field("bad_sectors", &self.bad_sectors)
            .field("complaints", &self.complaints)
            .field("p50", &self.latency(50.0))
            .field("p99", &self.latency(99.0))
            .field("slowest", &self.latency(100.0))
            .finish_non_exhaustive()
    }
}

impl Figures {
    /// Nothing yet.
    #[allow(
        clippy::expect_used,
        reason = "the bounds are constants that the histogram accepts"
    )]
    pub(super) fn new() -> Self {
        Figures {
            elapsed: Duration::ZERO,
            bytes: 0,
            requests: 0,
            frames: 0,
            retransmits: 0,
            errors: BTreeMap::new(),
            unanswered: 0,
            bad_sectors: 0,
            complaints: Vec::new(),
            latency: Histogram::new_with_bounds(1, LONGEST_MICROS, 3).expect("constant bounds"),
        }
    }

    /// Whether every request succeeded and every sector read was right.
    pub fn is_clean(&self) -> bool {
        self.errors.is_empty() && self.bad_sectors == 0 && self.unanswered == 0
    }

    /// Millions of bytes per second.
    pub fn megabytes_per_second(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Requests per second.
    pub fn iops(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The latency that `percent` of the requests did not exceed.
    pub fn latency(&self, percent: f64) -> Duration {
        Duration::from_micros(self.latency.value_at_percentile(percent))
    }

    /// Requests that failed.
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Adds those of a run that went on at the same time.
    pub fn join(&mut self, other: &Figures) {
        self.elapsed = self.elapsed.max(other.elapsed);
        self.bytes += other.bytes;
        self.requests += other.requests;
        self.frames += other.frames;
        self.retransmits += other.retransmits;
        for (error, count) in &other.errors {
            *self.errors.entry(error.clone()).or_default() += count;
        }
        self.unanswered += other.unanswered;
        self.bad_sectors += other.bad_sectors;
        let room = KEPT_COMPLAINTS.saturating_sub(self.complaints.len());
        self.complaints
            .extend(other.complaints.iter().take(room).cloned());
        // Histograms of the same bounds always add.
        let _ = self.latency.add(&other.latency);
    }

    /// Forgets what went well so far: a ramp is over.
    pub(super) fn begin(&mut self) {
        self.bytes = 0;
        self.requests = 0;
        self.latency.reset();
    }

    pub(super) fn succeed(&mut self, bytes: usize, latency: Duration) {
        self.bytes += bytes as u64;
        self.requests += 1;
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency.saturating_record(micros.max(1));
    }

    pub(super) fn fail(&mut self, error: DiskError) {
        *self.errors.entry(error.to_string()).or_default() += 1;
    }

    pub(super) fn complain(&mut self, complaint: Complaint) {
        self.bad_sectors += 1;
        if self.complaints.len() < KEPT_COMPLAINTS {
            self.complaints.push(complaint);
        }
    }
}
