//! `aoe-bench`: how fast AoE is through a pair of gateways, beside a plain bridge and beside other tunnels.
//!
//! - [`cli`]: what one may ask for; [`plan`]: what is run, in which order
//! - [`peers`]: the ways from one segment to the other; [`lane`]: one of them, with an initiator and a target, whose
//!   [`disks`] are full of known data
//! - [`frame_cost`]: what one frame costs our gateways when they are saturated
//! - [`cpu`]: who used the processors; [`machine`]: whose processors these are
//! - [`series`]: the runs, with [`progress`]; [`results`]: what they came to, as a [`table`],
//!   a [`chart`] and [`markdown`]; [`goals`]: what they were to come to, and by which [`reference`](mod@reference)
//! - [`ends`]: one end only, for two real hosts

mod chart;
mod cli;
mod cpu;
mod disks;
mod ends;
mod frame_cost;
mod goals;
mod lane;
mod machine;
mod markdown;
mod peers;
mod plan;
mod progress;
mod reference;
mod results;
mod series;
mod table;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use aoe_lab::start::{Job, Outcome, Run, start};
use aoe_lab::terminal::print;

use cli::{Cli, Options, Verb};

fn main() -> ExitCode {
    start("aoe-bench", |cli: Cli| {
        Ok(Job::Isolated(match cli.verb {
            None => cli.options,
            Some(Verb::Loss(options)) => options.over_losses(),
            Some(Verb::Workers(options)) => options.of_workers(),
            Some(Verb::Frames(options)) => options.of_frames(),
            Some(Verb::Initiator(options)) => return ends::initiator(&options).map(done),
            Some(Verb::Target(options)) => return ends::target(&options).map(done),
        }))
    })
}

fn done((): ()) -> Job<Options> {
    Job::Done(ExitCode::SUCCESS)
}

impl Run for Options {
    fn check(&self) -> Result<()> {
        self.find_mistakes()
    }

    /// All of the runs.
    fn run(&self, dir: &Path) -> Result<Outcome> {
        let report = series::run(self, dir);
        print(&table::text(&report));
        self.save(&report)?;
        Ok(match report.is_clean() {
            true => Outcome::Good,
            false => Outcome::Bad,
        })
    }
}
