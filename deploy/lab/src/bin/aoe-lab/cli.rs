//! What one may ask for.

use std::ffi::OsString;

use anyhow::{Result, ensure};
use aoe_common::frame::Address;
use aoe_lab::impairment::Impairment;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Shows real AoE I/O through a pair of real gateways, in network namespaces of this machine
///
/// Needs root, or a kernel that lets ordinary users make namespaces. Leaves no process, interface or file behind.
/// Exit code 0 means that everything was as it should be.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Leave the two sites running and print commands to try; Ctrl-C ends it
    #[arg(long)]
    pub(crate) keep: bool,
    /// Which AoE target site B has
    #[arg(long, value_enum, default_value_t = TargetKind::Embedded, value_name = "KIND")]
    pub(crate) target: TargetKind,
    /// Make the path between the gateways bad, in each direction: SPEC is a list such as loss=1%,delay=10ms, of loss,
    /// burst, burst-len, duplicate, reorder, reorder-by, corrupt, truncate, delay, jitter, rate and mtu
    #[arg(long, value_name = "SPEC", value_parser = bad_path)]
    pub(crate) impair: Option<Impairment>,
    /// Print one JSON object instead of text
    #[arg(long, conflicts_with = "keep")]
    pub(crate) json: bool,
    /// No colours and no moving lines, as when standard output is no terminal or NO_COLOR is set
    #[arg(long)]
    pub(crate) no_color: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TargetKind {
    /// A small one of the lab's own, in memory
    Embedded,
    /// The real vblade
    Vblade,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
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
