//! `aoe-keys check`: what is in files of keys and certificates, and what is wrong with them. It never writes.

mod certificate;
mod report;
mod revoked;

use std::path::PathBuf;

use aoe_keys::store;

use self::report::Report;
use crate::authority::dates;
use crate::failure::{Exit, Failure};
use crate::streams::{self, Format};

/// Look at files of keys and certificates, and report everything that is wrong with them
///
/// Takes keys, certificates and their keys, CAs, revocation lists, invitations, revoked.toml and identities of age. Says
/// what each is, whose, and when it ends. Never writes. The exit code is that of the first fault; what ends within 30, 7
/// or 1 days is a warning.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files of any kind
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

pub(crate) fn run(args: Args, format: Format) -> Result<Exit, Failure> {
    let now = dates::now();
    let mut reports: Vec<Report> = args
        .files
        .iter()
        .map(|path| Report::of(path, store::inspect(path), now))
        .collect();
    report::find_pairs(&mut reports);
    let exit = reports.iter().find_map(Report::exit).unwrap_or(Exit::Good);
    match format {
        Format::Text => streams::emit(&reports.iter().map(Report::paragraph).collect::<String>())?,
        Format::Json => streams::emit_json(&reports)?,
    }
    Ok(exit)
}
