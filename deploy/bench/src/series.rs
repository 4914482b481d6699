//! The runs: all peers of a setting are up at once and take turns.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use aoe_lab::impairment::Impairment;

use crate::cli::Options;
use crate::frame_cost;
use crate::lane::Lane;
use crate::machine::{Machine, date};
use crate::peers::{Availability, Peer};
use crate::plan::{Load, Setting};
use crate::progress::Progress;
use crate::results::{FrameCost, Participant, Report, Sample, Table};

/// On a path with delay or loss the initiator works for as long as this, again and again, until its estimator has
/// settled, but no more often than that.
const WARM_UP: Duration = Duration::from_millis(200);
const LONGEST_WARM_UP: usize = 50;

/// Runs everything that was asked for. What fails is in the report, and the rest goes on.
pub(crate) fn run(options: &Options, dir: &Path) -> Report {
    let (settings, loads) = (options.settings(), options.loads());
    let participants: Vec<Participant> = options.peers().into_iter().map(participant).collect();
    let able = participants.iter().filter(|peer| peer.missing.is_none());
    let peers: Vec<Peer> = able.map(|peer| peer.peer).collect();
    let in_a_round = loads.len() * peers.len() + usize::from(options.measures_frames());
    let steps = settings.len() * in_a_round * options.rounds();
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        date: date(),
        arguments: std::env::args().skip(1).collect(),
        machine: Machine::this(),
        seconds: options.time().as_secs_f64(),
        ramp_seconds: options.ramp().as_secs_f64(),
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
        report.tables.push(series.run(setting, &peers, &loads, &dir));
    }
    series.progress.end();
    report.faults = series.faults;
    report
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
    fn run(&mut self, setting: Setting, peers: &[Peer], loads: &[Load], dir: &Path) -> Table {
        let impairment = setting.path().unwrap_or_default();
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
        let mut frames = self.frames(&setting, dir);
        let (mut runs, mut frame_costs) = (Vec::new(), Vec::new());
        for round in 0..self.options.rounds() {
            for (turn, load) in loads.iter().enumerate() {
                // Whoever was first last time is last now.
                let count = lanes.len().max(1);
                lanes.rotate_left((round + turn) % count);
                lanes.retain_mut(|lane| {
                    self.progress
                        .step(&format!("{} {}", load.name(), lane.peer.name()));
                    if load.is_cold() && !lane.peer.is_ours() {
                        return true;
                    }
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
            frame_costs.extend(self.frame_cost(&mut frames));
        }
        let mut sectors = 0;
        if let Some(bench) = &mut frames {
            match bench.read_back() {
                Ok(count) => sectors += count,
                Err(error) => self.fault(format!("cost of a frame: {error:#}")),
            }
        }
        for lane in &mut lanes {
            lane.impair(Impairment::default());
            match lane.read_back() {
                Ok(count) => sectors += count,
                Err(error) => self.fault(format!("reading back: {error:#}")),
            }
        }
        Table {
            repairs: lanes.iter().filter_map(Lane::repaired).collect(),
            ..Table::new(setting, &runs, &frame_costs, sectors)
        }
    }

    /// The pair of gateways that tells what a frame costs, if that was asked.
    fn frames(&mut self, setting: &Setting, dir: &Path) -> Option<frame_cost::Bench> {
        if !self.options.measures_frames() {
            return None;
        }
        match frame_cost::Bench::open(setting, &dir.join("frames")) {
            Ok(bench) => Some(bench),
            Err(error) => {
                self.fault(format!("cost of a frame: {error:#}"));
                None
            }
        }
    }

    /// One round of it; once it has failed there are no more.
    fn frame_cost(&mut self, bench: &mut Option<frame_cost::Bench>) -> Option<FrameCost> {
        let running = bench.as_mut()?;
        self.progress.step("cost of a frame");
        match running.measure(self.options.time()) {
            Ok(cost) => Some(cost),
            Err(error) => {
                self.fault(format!("cost of a frame: {error:#}"));
                *bench = None;
                None
            }
        }
    }

    fn once(&self, lane: &mut Lane, load: Load, impairment: Impairment, round: usize) -> Result<Sample> {
        if impairment != Impairment::default() {
            lane.impair(Impairment {
                delay: impairment.delay,
                ..Impairment::default()
            });
            if load.is_cold() {
                lane.cool_down()?;
            } else {
                warm_up(lane, load, impairment.delay * 2)?;
            }
            lane.impair(impairment);
        }
        let (ramp, time) = (self.options.ramp(), self.options.time());
        lane.measure(load, ramp, time, round as u64 + 1)
    }

    fn fault(&mut self, fault: String) {
        self.progress.note(&format!("  FAILED {fault}"));
        self.faults.push(fault);
    }
}

/// Lets the initiator work until it knows the round trip, as one that has been at work for a while.
fn warm_up(lane: &mut Lane, load: Load, round_trip: Duration) -> Result<()> {
    for _ in 0..LONGEST_WARM_UP {
        lane.warm_up(load, WARM_UP)?;
        if lane.has_settled(round_trip) {
            break;
        }
    }
    Ok(())
}
