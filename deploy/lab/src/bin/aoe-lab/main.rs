//! `aoe-lab`: two sites on one machine, shown by one command.
//!
//! - [`demo`]: what is shown, in which order; [`stages`]: each part of it
//! - [`report`]: what came of it, for people and for machines; [`show`]: how it looks
//! - [`keep`]: the world left running; [`probe`]: an initiator for one's own attempts

mod demo;
mod keep;
mod probe;
mod report;
mod show;
mod stages;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use aoe_common::frame::Address;
use aoe_lab::impairment::Impairment;
use aoe_lab::isolation::{self, Ending};
use clap::{Args, Parser, Subcommand, ValueEnum};

use show::Show;

/// Shows real AoE I/O through a pair of real gateways, in network namespaces of this machine
///
/// Needs root, or a kernel that lets ordinary users make namespaces. Leaves no process, interface or file behind.
/// Exit code 0 means that everything was as it should be.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    options: Options,
}

#[derive(Args, Clone, Debug)]
struct Options {
    /// Leave the two sites running and print commands to try; Ctrl-C ends it
    #[arg(long)]
    keep: bool,
    /// Which AoE target site B has
    #[arg(long, value_enum, default_value_t = TargetKind::Embedded, value_name = "KIND")]
    target: TargetKind,
    /// Make the path between the gateways bad, in each direction: SPEC is a list such as loss=1%,delay=10ms, of loss,
    /// burst, burst-len, duplicate, reorder, reorder-by, corrupt, truncate, delay, jitter, rate and mtu
    #[arg(long, value_name = "SPEC", value_parser = bad_path)]
    impair: Option<Impairment>,
    /// Print one JSON object instead of text
    #[arg(long, conflicts_with = "keep")]
    json: bool,
    /// No colours and no moving lines, as when standard output is no terminal or NO_COLOR is set
    #[arg(long)]
    no_color: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TargetKind {
    /// A small one of the lab's own, in memory
    Embedded,
    /// The real vblade
    Vblade,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Runs a command in namespaces of its own, which end with it
    Isolate {
        /// The command and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Looks for AoE targets on a device, and reads a little from one
    Probe {
        /// The network device
        device: String,
        /// The target to read from, such as e107.3
        address: Option<Address>,
    },
}

/// Reads `--impair`; a path that is not impaired at all is a mistake.
fn bad_path(text: &str) -> Result<Impairment> {
    let impairment: Impairment = text.parse()?;
    ensure!(
        !impairment.to_string().is_empty(),
        "nothing is impaired; write for example loss=1%,delay=10ms"
    );
    Ok(impairment)
}

fn main() -> ExitCode {
    isolation::run_as_init_if_asked();
    let cli = Cli::parse();
    let outcome = match cli.verb {
        None if isolation::is_inside() => inside(&cli.options),
        None => outside(&cli.options),
        Some(Verb::Isolate { command }) => isolate(&command),
        Some(Verb::Probe { device, address }) => probe::run(&device, address).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        complain(&format!("aoe-lab: {error:#}"));
        ExitCode::FAILURE
    })
}

/// The demonstration, in the namespaces that [`outside`] made.
fn inside(options: &Options) -> Result<ExitCode> {
    let dir = isolation::scratch().context("the directory for keys and logs was not handed over")?;
    let colours =
        !options.no_color && std::env::var_os("NO_COLOR").is_none() && std::io::stdout().is_terminal();
    let show = if options.json {
        Show::silent()
    } else {
        Show::text(colours)
    };
    let report = demo::run(options, &show, &dir);
    if options.json {
        show::print(&report.to_json());
    } else {
        report.summary(&show, &dir);
    }
    if options.keep && report.is_good() {
        keep::run(options, &show, &dir)?;
    }
    Ok(if report.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs ourselves in namespaces of our own.
fn outside(options: &Options) -> Result<ExitCode> {
    aoe_lab::gateway::Binaries::find()?;
    if options.target == TargetKind::Vblade {
        aoe_lab::vblade::Vblade::program()?;
    }
    Ok(ExitCode::from(match isolation::run_again_inside("aoe-lab")? {
        Ending::Exit(code) => code,
        // The summary has named the logs in there.
        Ending::Failure(_) => 1,
        Ending::Interrupted(code) => {
            complain("\naoe-lab: interrupted; nothing is left of it");
            code
        }
    }))
}

fn isolate(command: &[OsString]) -> Result<ExitCode> {
    let (program, args) = command.split_first().context("a command is missing")?;
    let own = std::env::current_exe().context("looking for this program itself")?;
    Ok(ExitCode::from(isolation::run(
        &own,
        Path::new(program),
        args,
        None,
    )?))
}

fn complain(message: &str) {
    // A closed standard error is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{message}");
}
