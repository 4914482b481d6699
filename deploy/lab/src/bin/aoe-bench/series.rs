//! The runs: all peers of a setting are up at once and take turns.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use aoe_lab::impairment::Impairment;

use crate::cli::Options;
use crate::lane::Lane;
use crate::machine::{Machine, date};
use crate::peers::{Availability, Peer};
use crate::plan::{Load, Setting};
use crate::progress::Progress;
use crate::results::{Participant, Report, Sample, Table};

/// Untimed part before each run.
const RAMP: Duration = Duration::from_millis(200);

/// Runs everything that was asked for.
///
/// # Errors
/// When the options contradict each other. What fails while it runs is in the report.
pub(crate) fn run(options: &Options, dir: &Path) -> Result<Report> {
    let (settings, loads) = (options.settings()?, options.loads());
    let participants: Vec<Participant> = options.peers().into_iter().map(participant).collect();
    let able = participants.iter().filter(|peer| peer.missing.is_none());
    let peers: Vec<Peer> = able.map(|peer| peer.peer).collect();
    let steps = settings.len() * loads.len() * peers.len() * options.rounds();
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        date: date(),
        arguments: std::env::args().skip(1).collect(),
        machine: Machine::this(),
        seconds: options.time().as_secs_f64(),
        rounds: options.rounds(),
        peers: participants,
        tables: Vec::new(),
        faults: Vec::new(),
    };
    let mut series = Series {
        options,
        progress: Progress::new(steps),
        faults: Vec::new(),
    };
    for missing in &report.peers {
        if let Some(why) = &missing.missing {
            series.progress.note(&format!("  {}: {why}", missing.peer.name()));
        }
    }
    for (number, setting) in settings.into_iter().enumerate() {
        let dir = dir.join(format!("{number}"));
        report.tables.push(series.run(setting, &peers, &loads, &dir)?);
    }
    series.progress.end();
    report.faults = series.faults;
    Ok(report)
}

fn participant(peer: Peer) -> Participant {
    let (version, missing) = match peer.availability() {
        Availability::Ready(version) => (Some(version), None),
        Availability::Missing(why) => (None, Some(why)),
    };
    Participant {
        peer,
        description: peer.description().to_owned(),
        version,
        missing,
    }
}

struct Series<'a> {
    options: &'a Options,
    progress: Progress,
    faults: Vec<String>,
}

impl Series<'_> {
    /// One setting. A peer that fails is named and left out from then on.
    fn run(&mut self, setting: Setting, peers: &[Peer], loads: &[Load], dir: &Path) -> Result<Table> {
        let how = setting.impairment.as_deref().unwrap_or_default();
        let impairment: Impairment = how.parse().context("--impair")?;
        let mut lanes = Vec::new();
        for peer in peers {
            if setting.impairment.is_some() && !peer.goes_through_relay() {
                continue;
            }
            let mtus = format!(
                "segment {}, underlay {}",
                setting.segment_mtu, setting.underlay_mtu
            );
            self.progress.note(&format!("  {mtus}: {} comes up", peer.name()));
            match Lane::open(*peer, &setting, &dir.join(peer.name())) {
                Ok(lane) => lanes.push(lane),
                Err(error) => self.fault(format!("{}: {error:#}", peer.name())),
            }
        }
        let mut runs = Vec::new();
        for round in 0..self.options.rounds() {
            for (turn, load) in loads.iter().enumerate() {
                // Whoever was first last time is last now.
                let count = lanes.len().max(1);
                lanes.rotate_left((round + turn) % count);
                lanes.retain_mut(|lane| {
                    self.progress
                        .step(&format!("{} {}", load.name(), lane.peer.name()));
                    match self.once(lane, *load, impairment, round) {
                        Ok(sample) => runs.push((lane.peer, *load, sample)),
                        Err(error) => {
                            self.fault(format!("{}: {error:#}", load.name()));
                            return false;
                        }
                    }
                    true
                });
                lanes.sort_by_key(|lane| lane.peer);
            }
        }
        let mut sectors = 0;
        for lane in &mut lanes {
            lane.impair(Impairment::default());
            match lane.read_back() {
                Ok(count) => sectors += count,
                Err(error) => self.fault(format!("reading back: {error:#}")),
            }
        }
        Ok(Table::new(setting, &runs, sectors))
    }

    fn once(&self, lane: &mut Lane, load: Load, impairment: Impairment, round: usize) -> Result<Sample> {
        // The estimator of the initiator learns the round trip before anything gets lost.
        let ramp = if impairment.loss > 0.0 { RAMP * 5 } else { RAMP };
        lane.impair(Impairment {
            delay: impairment.delay,
            ..Impairment::default()
        });
        lane.warm_up(load, ramp)?;
        lane.impair(impairment);
        lane.measure(load, self.options.time(), round as u64 + 1)
    }

    fn fault(&mut self, fault: String) {
        self.progress.note(&format!("  FAILED {fault}"));
        self.faults.push(fault);
    }
}
