//! `aoe-lab`: two sites on one machine, shown by one command.
//!
//! - [`cli`]: what one may ask for
//! - [`demo`]: what is shown, in which order; [`stages`]: each part of it
//! - [`report`]: what came of it, for people and for machines; [`show`]: how it looks
//! - [`keep`]: the world left running; [`probe`]: an initiator for one's own attempts

mod cli;
mod demo;
mod keep;
mod probe;
mod report;
mod show;
mod stages;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use aoe_lab::isolation;
use aoe_lab::start::{Job, Outcome, Run, start};
use aoe_lab::vblade::Vblade;

use cli::{Cli, Options, TargetKind, Verb};
use show::Show;

fn main() -> ExitCode {
    start("aoe-lab", |cli: Cli| match cli.verb {
        None => Ok(Job::Isolated(cli.options)),
        Some(Verb::Isolate { command }) => isolate(&command).map(Job::Done),
        Some(Verb::Probe { device, address }) => {
            probe::run(&device, address).map(|()| Job::Done(ExitCode::SUCCESS))
        }
    })
}

impl Run for Options {
    fn check(&self) -> Result<()> {
        match self.target {
            TargetKind::Embedded => Ok(()),
            TargetKind::Vblade => Vblade::program().map(drop),
        }
    }

    /// The demonstration.
    fn run(&self, dir: &Path) -> Result<Outcome> {
        let colours =
            !self.no_color && std::env::var_os("NO_COLOR").is_none() && std::io::stdout().is_terminal();
        let show = if self.json {
            Show::silent()
        } else {
            Show::text(colours)
        };
        let report = demo::run(self, &show, dir);
        if self.json {
            show::print(&report.to_json());
        } else {
            report.summary(&show);
        }
        if !report.is_good() {
            return Ok(Outcome::Bad);
        }
        if self.keep {
            keep::run(self, &show, dir)?;
        }
        Ok(Outcome::Good)
    }
}

fn isolate(command: &[OsString]) -> Result<ExitCode> {
    let (program, args) = command.split_first().context("a command is missing")?;
    let own = std::env::current_exe().context("looking for this program itself")?;
    let code = isolation::run(&own, Path::new(program), args, None)?;
    Ok(ExitCode::from(code))
}
