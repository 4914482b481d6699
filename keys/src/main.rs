//! `aoe-keys`: makes, shows and checks the keys of aoe-gateway.
//!
//! Secrets come and go by file or by pipe, never on the command line, where every user of the machine sees them.
#![forbid(unsafe_code)]

mod authority;
mod cmd;
mod failure;
mod living;
mod streams;

use std::process::ExitCode;

use aoe_keys::KeyKind;
use clap::{Parser, Subcommand};

use failure::{Exit, Failure};
use streams::Format;

/// Makes, shows and checks the keys of aoe-gateway, and pairs gateways
#[derive(Parser)]
#[command(
    name = "aoe-keys",
    version,
    subcommand_required = true,
    arg_required_else_help = false
)]
#[command(after_help = "\
A new pair of gateways, B having the disk:
  A, B: aoe-keys init --dir DIR --name site-a --nic eth1 --listen 0.0.0.0:34978
  B:    aoe-keys invite site-a --dir DIR --offer backup=e7.3:read-write --endpoint b.example:34978 --out to-a.invite
  A:    aoe-keys accept to-a.invite --dir DIR --out to-b.reply
  B:    aoe-keys accept to-b.reply --dir DIR

Exit codes (sysexits.h): 0 good, 64 usage, 65 not a good key, invitation or reply, 66 cannot read, 71 no randomness,
73 cannot create, 74 input or output failed, 75 another aoe-keys is at work, 77 open to others, 78 faults in the configuration")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// Print JSON on standard output instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Verb {
    Generate(cmd::generate::Args),
    Public(cmd::public::Args),
    Psk(cmd::psk::Args),
    Fingerprint(cmd::fingerprint::Args),
    Check(cmd::check::Args),
    Ca(cmd::ca::Args),
    Init(cmd::init::Args),
    Invite(cmd::invite::Args),
    Accept(cmd::accept::Args),
    Rotate(cmd::rotate::Args),
    Revoke(cmd::revoke::Args),
}

fn main() -> ExitCode {
    let done = refuse_secret_arguments().and_then(|()| match Cli::try_parse() {
        Ok(cli) => run(cli),
        Err(told) => explain(&told),
    });
    let exit = done.unwrap_or_else(|failure| {
        streams::note(format_args!("aoe-keys: {failure}"));
        failure.exit()
    });
    ExitCode::from(exit as u8)
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    let format = if cli.json { Format::Json } else { Format::Text };
    match cli.verb {
        Verb::Generate(args) => cmd::generate::run(args, format),
        Verb::Public(args) => cmd::public::run(args, format),
        Verb::Psk(args) => cmd::psk::run(args, format),
        Verb::Fingerprint(args) => cmd::fingerprint::run(args, format),
        Verb::Check(args) => cmd::check::run(args, format),
        Verb::Ca(args) => cmd::ca::run(args, format),
        Verb::Init(args) => cmd::init::run(args, format),
        Verb::Invite(args) => cmd::invite::run(args, format),
        Verb::Accept(args) => cmd::accept::run(args, format),
        Verb::Rotate(args) => cmd::rotate::run(args, format),
        Verb::Revoke(args) => cmd::revoke::run(args, format),
    }
}

/// Before anything else looks at the arguments, lest an error message repeat one of them.
fn refuse_secret_arguments() -> Result<(), Failure> {
    let secrets = [KeyKind::Secret, KeyKind::Psk].map(KeyKind::prefix);
    let found = std::env::args_os().any(|argument| {
        let argument = argument.to_string_lossy();
        secrets.iter().any(|prefix| argument.contains(prefix))
    });
    if found {
        Err(Failure::SecretArgument)
    } else {
        Ok(())
    }
}

/// Help and version go to standard output and are a success; what was wrong in the arguments goes to stderr.
fn explain(told: &clap::Error) -> Result<Exit, Failure> {
    told.print().map_err(Failure::StandardOutput)?;
    Ok(if told.use_stderr() {
        Exit::Usage
    } else {
        Exit::Good
    })
}
