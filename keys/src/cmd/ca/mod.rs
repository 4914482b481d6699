//! `aoe-keys ca`: a small private CA.

mod crl;
mod init;
mod issue;
mod list;
mod output;
mod renew;
mod revoke;

use std::path::PathBuf;

use aoe_keys::x509::San;

use crate::authority::CaError;
use crate::failure::{Exit, Failure};
use crate::streams::Format;

/// Run a small private CA for gateways with transport = "tls"
///
/// It lives in one directory, best on a machine that is no gateway. Its private key never leaves that directory.
#[derive(clap::Args)]
#[command(
    subcommand_required = true,
    after_help = "\
A CA, and the certificates of two gateways:
  aoe-keys ca init --dir ca --name 'Storage CA'
  aoe-keys ca issue site-a --dir ca         makes site-a.crt and site-a.tls.key, for site A
  aoe-keys ca issue site-b --dir ca --csr site-b.csr
                                            makes site-b.crt; the private key stays on site B
Each gateway gets its certificate, its key, ca/ca.crt and ca/ca.crl."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Init(init::Args),
    Issue(issue::Args),
    Renew(renew::Args),
    Revoke(revoke::Args),
    Crl(crl::Args),
    List(list::Args),
}

pub(crate) fn run(args: Args, format: Format) -> Result<Exit, Failure> {
    match args.verb {
        Verb::Init(args) => init::run(&args, format),
        Verb::Issue(args) => issue::run(&args, format),
        Verb::Renew(args) => renew::run(&args, format),
        Verb::Revoke(args) => revoke::run(&args, format),
        Verb::Crl(args) => crl::run(&args, format),
        Verb::List(args) => list::run(&args, format),
    }
}

/// Which CA.
#[derive(clap::Args)]
struct Place {
    /// The directory of the CA
    #[arg(long, value_name = "DIR", default_value = "ca")]
    dir: PathBuf,
}

/// Most days of anything: a hundred years.
const MOST_DAYS: i64 = 36_525;

fn days() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=MOST_DAYS)
}

/// The names of a certificate as a person wrote them.
fn names(texts: &[String]) -> Result<Vec<San>, CaError> {
    let mut names: Vec<San> = Vec::new();
    for text in texts {
        let name = text.parse().map_err(|source| CaError::San {
            text: text.clone(),
            source,
        })?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Checks a short name: it becomes a part of names of files.
fn short_name(name: &str) -> Result<(), CaError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let good = (1..=64).contains(&name.len())
        && name.chars().all(allowed)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    good.then_some(()).ok_or_else(|| CaError::ShortName {
        name: name.chars().take(80).collect(),
    })
}
