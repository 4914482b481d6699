//! The command line: arguments, verbs, exit codes.

mod accept_disk;
mod acl;
mod capacity;
mod capture;
mod client;
mod doctor;
mod document;
mod exit;
mod limit;
mod paint;
mod path;
mod rates;
mod reload;
mod report;
mod rows;
#[cfg(test)]
pub(crate) mod samples;
mod status;
mod steer;
mod summary;
mod table;
mod top;
mod tune;
mod words;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aoe_common::version::VERSION;
use clap::{Args, Parser, Subcommand};

pub use self::exit::Exit;
use self::paint::Paint;
use crate::config::{Examined, Faults, Kind, examine, examine_to_run};
use crate::hardening::harden;
use crate::logging::{LogFormat, id};
use crate::sys::heap;
use crate::{daemon, logging};

/// Carries ATA over Ethernet between gateways, encrypted.
#[derive(Debug, Parser)]
#[command(name = "aoe-gateway", version = VERSION, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// What to log: off, error, warn, info, debug, trace, or a filter such as
    /// "info,aoe_gateway::segment=debug"; without it `log` of the gateway file, or info
    #[arg(long, global = true, env = "AOE_GATEWAY_LOG", value_name = "FILTER")]
    #[arg(value_parser = parse_filter_or_nothing)]
    log_level: Option<String>,
    /// How to log: text, json, journald, or auto: journald if stderr leads to the journal, else text
    #[arg(
        long,
        global = true,
        env = "AOE_GATEWAY_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "auto"
    )]
    #[arg(value_parser = LogFormat::parse, hide_default_value = true)]
    log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Runs a gateway in the foreground, until SIGTERM or SIGINT
    Run(Config),
    /// Lists everything that is wrong with a configuration, or says what it does
    Check {
        #[command(flatten)]
        config: Config,
        /// Print JSON, for machines
        #[arg(long)]
        json: bool,
        /// Say what a reload of the running gateway with this file would change; nothing is changed
        #[arg(long)]
        diff: bool,
    },
    /// Has the running gateway become what its configuration says, if there is no fault in it
    Reload {
        #[command(flatten)]
        config: Config,
        /// Print JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// Shows how a running gateway is, and who uses what
    Status {
        #[command(flatten)]
        config: Config,
        #[command(flatten)]
        how: status::How,
    },
    /// Shows what happens now in a running gateway: live rates, sorted, filtered, in detail
    Top {
        #[command(flatten)]
        config: Config,
        #[command(flatten)]
        how: top::How,
    },
    /// Looks at everything around a gateway that makes it slow, unsafe or silent, and says what to do; exit code 1 if
    /// something is wrong
    Doctor {
        #[command(flatten)]
        config: Config,
        /// Print JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// Shows what the way to a peer is like, what it can carry, and what limits each import on it now
    Path {
        /// The peer
        #[arg(value_name = "PEER")]
        peer: String,
        #[command(flatten)]
        config: Config,
        /// Print JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// Lists the settings that make a gateway fast or slow
    Tune {
        #[command(flatten)]
        config: Config,
        /// Say what each does, what it is now, and where that is from
        #[arg(long, required = true)]
        explain: bool,
        /// Print JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// Says who may do what by a configuration, and which rule decides; no gateway has to run
    #[command(subcommand)]
    Acl(acl::Verb),
    /// Accepts the disk behind an export although it is another one, or the next disk if none is there
    AcceptDisk(accept_disk::How),
    /// Limits exports, peers and initiators while the gateway runs
    #[command(subcommand)]
    Limit(limit::LimitVerb),
    /// Keeps new requests from an export or import for a while; what is under way is finished, and initiators wait
    Pause(steer::Pause),
    /// Ends a pause
    Resume(steer::Resume),
    /// Pauses, and waits until nothing is under way: before a disk is moved, or a target stopped
    Drain(steer::Drain),
    /// Ends the session with a peer, or takes it up again
    #[command(subcommand)]
    Peer(steer::PeerVerb),
    /// Sets what the running gateway logs
    #[command(subcommand)]
    Log(steer::LogVerb),
    /// Shows frames that pass an export or import, and what became of them, or writes them for Wireshark
    Capture(capture::What),
}

#[derive(Args, Debug)]
struct Config {
    /// The gateway file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Does what the arguments say, the program's name being the first, and gives the exit code of the process.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(message) => {
            // Help and the version are no faults; if nobody reads either, that is none of our business.
            let _ = message.print();
            return if message.use_stderr() {
                Exit::Usage
            } else {
                Exit::Ok
            }
            .into();
        }
    };
    match cli.verb {
        Verb::Run(Config { config }) => {
            let filter = cli.log_level.filter(|filter| !filter.is_empty());
            run_gateway(&config, filter, cli.log_format)
        }
        Verb::Check {
            config: Config { config },
            json,
            diff: true,
        } => reload::run(&config, reload::Verb::Diff, json),
        Verb::Check {
            config: Config { config },
            json: false,
            diff: false,
        } => check(&config),
        Verb::Check {
            config: Config { config },
            json: true,
            diff: false,
        } => check_for_machines(&config),
        Verb::Status {
            config: Config { config },
            how,
        } => status::run(&config, how),
        Verb::Top {
            config: Config { config },
            how,
        } => top::run(&config, how),
        Verb::Reload {
            config: Config { config },
            json,
        } => reload::run(&config, reload::Verb::Reload, json),
        Verb::Doctor {
            config: Config { config },
            json,
        } => doctor::run(&config, json),
        Verb::Path {
            peer,
            config: Config { config },
            json,
        } => path::run(&config, &peer, json),
        Verb::Tune {
            config: Config { config },
            explain: _,
            json,
        } => tune::run(&config, json),
        Verb::Acl(verb) => acl::run(&verb),
        Verb::AcceptDisk(how) => accept_disk::run(&how),
        Verb::Limit(verb) => verb.run(),
        Verb::Pause(verb) => verb.run(),
        Verb::Resume(verb) => verb.run(),
        Verb::Drain(verb) => verb.run(),
        Verb::Peer(verb) => verb.run(),
        Verb::Log(verb) => verb.run(),
        Verb::Capture(what) => capture::run(&what),
    }
    .into()
}

/// An empty variable of the environment is as good as none.
fn parse_filter_or_nothing(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Ok(String::new());
    }
    logging::parse_filter(text)
}

/// Runs a gateway. `filter` is what it logs, whatever its file says.
fn run_gateway(config: &Path, filter: Option<String>, format: LogFormat) -> Exit {
    heap::give_back_free_memory();
    let hardening = harden();
    let Examined { loaded, faults } = examine_to_run(config);
    let Some(loaded) = loaded else {
        let paint = Paint::for_stream(io::stderr().is_terminal());
        write_quietly(io::stderr(), &report::for_people(&faults, &paint));
        return exit_code(&faults);
    };
    let log = logging::start(filter.as_deref(), loaded.settings.log.as_deref(), format);
    hardening.log();
    for warning in faults.iter() {
        tracing::warn!(id = id::CONFIG_WARNING, "{warning}");
    }
    match daemon::run(config, loaded, log.filter().clone()) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            tracing::error!(id = id::FAILED, "{error}");
            Exit::of_io(error.cause())
        }
    }
}

fn check(config: &Path) -> Exit {
    let Examined { loaded, faults } = examine(config);
    let paint = Paint::for_stream(io::stdout().is_terminal());
    let mut text = report::for_people(&faults, &paint);
    if let Some(loaded) = &loaded {
        text.push_str(&summary::Summary::of(loaded).for_people(&paint));
    }
    write_quietly(io::stdout(), &text);
    exit_code(&faults)
}

fn check_for_machines(config: &Path) -> Exit {
    let Examined { loaded, faults } = examine(config);
    write_quietly(
        io::stdout(),
        &report::for_machines(&faults, loaded.as_ref().map(summary::Summary::of)),
    );
    exit_code(&faults)
}

fn exit_code(faults: &Faults) -> Exit {
    if faults.contains(Kind::NoConfig) {
        Exit::NoInput
    } else if faults.contains(Kind::ConfigForbidden) {
        Exit::NoPermission
    } else if faults.is_fatal() {
        Exit::Config
    } else {
        Exit::Ok
    }
}

/// Writes what can be written: a reader that has gone does not change what was found.
fn write_quietly(mut stream: impl Write, text: &str) {
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}
