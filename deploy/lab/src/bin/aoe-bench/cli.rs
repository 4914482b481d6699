//! What one may ask for.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser};

use crate::peers::Peer;
use crate::plan::{self, Load, Setting};
use crate::results::Report;

/// Measures AoE through a pair of gateways, beside a plain bridge and beside other tunnels, on this machine
///
/// Every peer gets namespaces of its own with an initiator, two gateways and a target with a disk in memory; they are
/// all up at once and take turns. Every sector that is read is verified. Needs root, or user namespaces.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Everything, with more and longer rounds: about half an hour
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
    /// Seconds each run takes
    #[arg(long, value_name = "SECONDS")]
    time: Option<f64>,
    /// Let a relay between the gateways do harm, such as "loss=1%,delay=5ms" (in each direction)
    #[arg(long, value_name = "WHAT")]
    impair: Option<String>,
    /// Frames the target says it can queue [default: 128, or 16 with --impair]
    #[arg(long, value_name = "N")]
    buffers: Option<u16>,
    /// Write everything as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Options {
    /// Finds mistakes before anything is started.
    ///
    /// # Errors
    /// With what to write instead.
    pub(crate) fn check(&self) -> Result<()> {
        self.settings().map(drop)
    }

    /// Whom to measure.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        let quick = [
            Peer::Bridge,
            Peer::Vxlan,
            Peer::Ours,
            Peer::FastdAes,
            Peer::Openvpn,
        ];
        let all: Vec<Peer> = <Peer as clap::ValueEnum>::value_variants().to_vec();
        match (self.only.is_empty(), self.full) {
            (false, _) => all.into_iter().filter(|peer| self.only.contains(peer)).collect(),
            (true, true) => all,
            (true, false) => quick.to_vec(),
        }
    }

    /// What to run.
    pub(crate) fn loads(&self) -> Vec<Load> {
        let usual: &[Load] = match self.impair {
            Some(_) => &plan::LOSS,
            None => &plan::SPEED,
        };
        match self.workload.is_empty() {
            true => usual.to_vec(),
            false => self.workload.clone(),
        }
    }

    /// Where to run it.
    ///
    /// # Errors
    /// When nothing is left, or the impairment is none.
    pub(crate) fn settings(&self) -> Result<Vec<Setting>> {
        if let Some(how) = &self.impair {
            how.parse::<aoe_lab::impairment::Impairment>()
                .context("--impair")?;
        }
        let mut pairs: Vec<(u32, u32)> = match (self.segment.is_empty(), self.underlay.is_empty()) {
            (true, true) => vec![(1500, 1500), (9000, 9000), (9000, 1500)],
            (true, false) => self
                .underlay
                .iter()
                .flat_map(|under| [(1500, *under), (9000, *under)])
                .collect(),
            (false, true) => self.segment.iter().map(|segment| (*segment, *segment)).collect(),
            (false, false) => {
                let pairs = self
                    .segment
                    .iter()
                    .flat_map(|segment| self.underlay.iter().map(move |under| (*segment, *under)));
                pairs.collect()
            }
        };
        if self.segment.is_empty() && self.underlay.is_empty() && !self.full {
            pairs.truncate(if self.impair.is_some() { 1 } else { 2 });
        }
        let setting = |(segment_mtu, underlay_mtu)| Setting {
            segment_mtu,
            underlay_mtu,
            impairment: self.impair.clone(),
            buffer_count: self
                .buffers
                .unwrap_or(if self.impair.is_some() { 16 } else { 128 }),
        };
        Ok(pairs.into_iter().map(setting).collect())
    }

    /// How often each is run.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.full { 5 } else { 3 }).max(1)
    }

    /// How long each run takes.
    pub(crate) fn time(&self) -> Duration {
        let seconds = self.time.unwrap_or(if self.full { 1.0 } else { 0.5 });
        Duration::try_from_secs_f64(seconds.clamp(0.01, 3600.0)).unwrap_or(Duration::from_secs(1))
    }

    /// Writes the files that were asked for.
    ///
    /// # Errors
    /// When one cannot be written.
    pub(crate) fn save(&self, report: &Report) -> Result<()> {
        let Some(path) = &self.json else { return Ok(()) };
        let text = serde_json::to_string_pretty(report)?;
        fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))
    }
}
