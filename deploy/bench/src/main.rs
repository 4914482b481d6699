//! `aoe-bench`: how fast AoE is through a pair of gateways, beside a plain bridge and beside other tunnels.
//!
//! - [`cli`]: what one may ask for; [`plan`]: what is run, in which order
//! - [`peers`]: the ways from one segment to the other; [`lane`]: one of them, with an initiator and a target
//! - [`frame_cost`]: what one frame costs our gateways when they are saturated
//! - [`cpu`]: who used the processors; [`machine`]: whose processors these are
//! - [`series`]: the runs, with [`progress`]; [`results`]: what they came to, as a [`table`],
//!   a [`chart`] and [`markdown`]; [`goals`]: what they were to come to
//! - [`ends`]: one end only, for two real hosts

mod chart;
mod cli;
mod cpu;
mod ends;
mod frame_cost;
mod goals;
mod lane;
mod machine;
mod markdown;
mod peers;
mod plan;
mod progress;
mod results;
mod series;
mod table;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use aoe_lab::isolation::{self, Ending};
use clap::Parser;

use cli::{Cli, Options, Verb};

fn main() -> ExitCode {
    isolation::run_as_init_if_asked();
    let cli = Cli::parse();
    let options = match cli.verb {
        None => Ok(cli.options),
        Some(Verb::Loss(options)) => Ok(options.over_losses()),
        Some(Verb::Workers(options)) => Ok(options.of_workers()),
        Some(Verb::Frames(options)) => Ok(options.of_frames()),
        Some(Verb::Initiator(options)) => Err(ends::initiator(&options)),
        Some(Verb::Target(options)) => Err(ends::target(&options)),
    };
    let outcome = match options {
        Ok(options) if isolation::is_inside() => inside(&options),
        Ok(options) => outside(&options),
        Err(end) => end.map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        complain(&format!("aoe-bench: {error:#}"));
        ExitCode::FAILURE
    })
}

/// The bench, in the namespaces that [`outside`] made.
fn inside(options: &Options) -> Result<ExitCode> {
    let dir = isolation::scratch().context("the directory for keys and logs was not handed over")?;
    let report = series::run(options, &dir);
    print(&table::text(&report));
    options.save(&report)?;
    Ok(match report.is_clean() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Runs ourselves in namespaces of our own.
fn outside(options: &Options) -> Result<ExitCode> {
    aoe_lab::gateway::Binaries::find()?;
    options.check()?;
    Ok(ExitCode::from(match isolation::run_again_inside("aoe-bench")? {
        Ending::Exit(code) => code,
        Ending::Failure(dir) => {
            complain(&format!("     Configurations and logs: {}", dir.display()));
            1
        }
        Ending::Interrupted(code) => {
            complain("\naoe-bench: interrupted; nothing is left of it");
            code
        }
    }))
}

/// A text on standard output, whose reader may have gone away.
fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

fn complain(message: &str) {
    // A closed standard error is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{message}");
}
