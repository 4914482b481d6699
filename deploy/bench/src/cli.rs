//! What one may ask for.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aoe_lab::impairment::Impairment;
use clap::{Args, Parser, Subcommand};

use crate::ends::{InitiatorOptions, TargetOptions};
use crate::peers::Peer;
use crate::plan::{self, Load, Setting};
use crate::results::Report;
use crate::{chart, markdown};

/// Measures AoE through a pair of gateways, beside a plain bridge and beside other tunnels, on this machine
///
/// Every peer gets namespaces of its own with an initiator, two gateways and a target with a disk in memory; they are
/// all up at once and take turns. Every sector that is read is verified. Needs root, or user namespaces.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Measures over lossy and long paths: 0, 0.1 and 1 % loss each way, round trips of 0, 10, 20 and 50 ms
    Loss(Options),
    /// Measures what a second worker gains and costs: one disk, and two at once that belong to different workers
    Workers(Options),
    /// Measures only what one frame costs our gateways when they are saturated, in one direction
    Frames(Options),
    /// Runs the workloads against a target, from a device of this host
    Initiator(InitiatorOptions),
    /// Serves a disk in memory on a device of this host
    Target(TargetOptions),
}

/// Losses each way of `aoe-bench loss`, and round trips.
const LOSSES: [&str; 3] = ["0%", "0.1%", "1%"];
const ROUND_TRIPS_MS: [u32; 4] = [0, 10, 20, 50];

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Everything that can be measured, in more and longer rounds: a good half hour
    #[arg(long)]
    full: bool,
    /// Only these peers
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME,..")]
    only: Vec<Peer>,
    /// Only these workloads
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME,..")]
    workload: Vec<Load>,
    /// Only segments with these MTUs
    #[arg(long, value_delimiter = ',', value_name = "MTU,..")]
    segment: Vec<u32>,
    /// Only underlays with these MTUs
    #[arg(long, value_delimiter = ',', value_name = "MTU,..")]
    underlay: Vec<u32>,
    /// How often each is run
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Seconds each run takes that count
    #[arg(long, value_name = "SECONDS")]
    time: Option<f64>,
    /// Seconds of the same load before each run that do not count
    #[arg(long, value_name = "SECONDS")]
    ramp: Option<f64>,
    /// Let a relay between the gateways do harm, such as "loss=1%,delay=5ms" (in each direction)
    #[arg(long, value_name = "WHAT")]
    impair: Option<String>,
    /// Frames the target says it can queue [default: 128, or 16 with --impair]
    #[arg(long, value_name = "N")]
    buffers: Option<u16>,
    /// Write everything as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Put the tables into a page, in place of those it has
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Draw the shares of the bridge
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[arg(skip)]
    subject: Subject,
}

/// What is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Subject {
    /// Loads through all peers, and what a frame costs ours.
    #[default]
    Speed,
    /// Loads over bad paths.
    Losses,
    /// What a frame costs our gateways.
    Frames,
    /// One worker beside two.
    Workers,
}

impl Options {
    /// The same over all losses and round trips.
    pub(crate) fn over_losses(self) -> Self {
        Options {
            subject: Subject::Losses,
            ..self
        }
    }

    /// The same, but only what a frame costs.
    pub(crate) fn of_frames(self) -> Self {
        Options {
            subject: Subject::Frames,
            ..self
        }
    }

    /// The same with two disks, through one worker and through two.
    pub(crate) fn of_workers(self) -> Self {
        Options {
            subject: Subject::Workers,
            ..self
        }
    }

    /// Finds mistakes before anything is started.
    ///
    /// # Errors
    /// With what to write instead.
    pub(crate) fn find_mistakes(&self) -> Result<()> {
        let (losses, frames) = (self.subject == Subject::Losses, self.subject == Subject::Frames);
        ensure!(
            !losses || self.impair.is_none(),
            "--impair chooses one path, and `loss` goes through many: give one of them"
        );
        ensure!(
            !frames || self.impair.is_none(),
            "a frame costs the same whatever the path does: leave out --impair or `frames`"
        );
        ensure!(
            !frames || (self.only.is_empty() && self.workload.is_empty()),
            "`frames` is about our own gateways and has a load of its own: leave out --only and --workload"
        );
        ensure!(
            self.subject == Subject::Speed || self.svg.is_none(),
            "--svg draws shares of the bridge, and there are none here"
        );
        for mtu in self.segment.iter().chain(&self.underlay) {
            ensure!(
                (1280..=9216).contains(mtu),
                "{mtu} is no MTU to measure with: write 1280 to 9216"
            );
        }
        if let Some(how) = &self.impair {
            how.parse::<Impairment>().context("--impair")?;
        }
        Ok(())
    }

    /// Whom to measure.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        let quick: &[Peer] = match self.subject {
            Subject::Frames => return Vec::new(),
            Subject::Losses => &[Peer::Vxlan, Peer::Ours],
            Subject::Workers => &[Peer::Bridge, Peer::Ours, Peer::OursWorkers],
            Subject::Speed => &[
                Peer::Bridge,
                Peer::Vxlan,
                Peer::Ours,
                Peer::OursBlocking,
                Peer::FastdAes,
                Peer::Openvpn,
                Peer::Vpncloud,
            ],
        };
        let all = <Peer as clap::ValueEnum>::value_variants().iter().copied();
        let wanted = all.filter(|peer| match (self.only.is_empty(), self.full) {
            (false, _) => self.only.contains(peer),
            (true, true) if self.subject != Subject::Workers => *peer != Peer::OursWorkers,
            (true, _) => quick.contains(peer),
        });
        wanted.collect()
    }

    /// What to run through them.
    pub(crate) fn loads(&self) -> Vec<Load> {
        match (self.workload.is_empty(), self.is_impaired()) {
            (false, _) => self.workload.clone(),
            (true, _) if self.subject == Subject::Workers => plan::WORKERS.to_vec(),
            (true, true) => plan::LOSS.to_vec(),
            (true, false) => plan::SPEED.to_vec(),
        }
    }

    /// Whether to measure what a frame costs our gateways: not where somebody asked for something else.
    pub(crate) fn measures_frames(&self) -> bool {
        match self.subject {
            Subject::Frames => true,
            Subject::Losses | Subject::Workers => false,
            Subject::Speed => {
                let has_ours = self.peers().into_iter().any(Peer::is_ours);
                has_ours && self.workload.is_empty() && !self.is_impaired()
            }
        }
    }

    /// Where to run it.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let impairments: Vec<Option<String>> = match self.subject {
            Subject::Speed | Subject::Frames | Subject::Workers => vec![self.impair.clone()],
            Subject::Losses => {
                let path = |round_trip: u32, loss: &str| format!("delay={}us,loss={loss}", round_trip * 500);
                let pairs = ROUND_TRIPS_MS
                    .iter()
                    .flat_map(|time| LOSSES.iter().map(move |loss| (*time, *loss)));
                pairs.map(|(time, loss)| Some(path(time, loss))).collect()
            }
        };
        let buffer_count = self.buffers.unwrap_or(if self.is_impaired() { 16 } else { 128 });
        let mtus = self.mtus();
        let settings = mtus.iter().flat_map(|(segment_mtu, underlay_mtu)| {
            impairments.iter().map(|impairment| Setting {
                segment_mtu: *segment_mtu,
                underlay_mtu: *underlay_mtu,
                impairment: impairment.clone(),
                buffer_count,
                disks: if self.subject == Subject::Workers { 2 } else { 1 },
            })
        });
        settings.collect()
    }

    /// MTUs of segment and underlay.
    fn mtus(&self) -> Vec<(u32, u32)> {
        let usual: &[(u32, u32)] = match (self.full, self.is_impaired()) {
            _ if matches!(self.subject, Subject::Frames | Subject::Workers) => &[(1500, 1500), (9000, 1500)],
            (true, false) => &[(1500, 1500), (9000, 9000), (9000, 1500)],
            (false, false) => &[(1500, 1500), (9000, 9000)],
            (true, true) => &[(1500, 1500), (9000, 1500)],
            (false, true) => &[(1500, 1500)],
        };
        let segments: &[u32] = if self.segment.is_empty() {
            &[1500, 9000]
        } else {
            &self.segment
        };
        let of = |segment: &u32| -> Vec<(u32, u32)> {
            let same = [*segment];
            let underlays = if self.underlay.is_empty() {
                &same
            } else {
                self.underlay.as_slice()
            };
            underlays.iter().map(|underlay| (*segment, *underlay)).collect()
        };
        match self.segment.is_empty() && self.underlay.is_empty() {
            true => usual.to_vec(),
            false => segments.iter().flat_map(of).collect(),
        }
    }

    fn is_impaired(&self) -> bool {
        self.subject == Subject::Losses || self.impair.is_some()
    }

    /// How often each is run.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.full { 5 } else { 3 }).max(1)
    }

    /// How long each run takes.
    pub(crate) fn time(&self) -> Duration {
        let usual = match (self.is_impaired(), self.full) {
            (true, _) => 2.0,
            (false, true) => 1.0,
            (false, false) => 0.5,
        };
        seconds(self.time.unwrap_or(usual).max(0.01))
    }

    /// How long the same load is there before and does not count, so that figures are not those of a pause that ends.
    pub(crate) fn ramp(&self) -> Duration {
        let usual = match (self.is_impaired(), self.full) {
            (true, _) => 0.0,
            (false, true) => 0.7,
            (false, false) => 0.5,
        };
        seconds(self.ramp.unwrap_or(usual))
    }

    /// Writes the files that were asked for.
    ///
    /// # Errors
    /// When one cannot be written.
    pub(crate) fn save(&self, report: &Report) -> Result<()> {
        if let Some(path) = &self.json {
            let text = serde_json::to_string_pretty(report)? + "\n";
            fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        if let Some(path) = &self.markdown {
            let name = match self.subject {
                Subject::Frames => "frames",
                Subject::Workers => "workers",
                _ if self.is_impaired() => "loss",
                _ => "speed",
            };
            markdown::update(path, name, report)?;
        }
        if let (Some(path), Some(picture)) = (&self.svg, chart::svg(report)) {
            fs::write(path, picture).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }
}

fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number.clamp(0.0, 3600.0)).unwrap_or_default()
}
