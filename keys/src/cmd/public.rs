//! `aoe-keys public`: the public key that belongs to a secret one.

use std::path::PathBuf;

use aoe_keys::{SecretKey, store};
use serde::Serialize;

use super::{Destination, STANDARD_INPUT, is_standard_stream};
use crate::failure::{Exit, Failure};
use crate::streams::{self, Format};

/// Print the public key of a secret key
///
/// Prints the key text alone, on one line.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// File of the secret key; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    secret: PathBuf,
    #[command(flatten)]
    destination: Destination,
}

#[derive(Serialize)]
struct Report {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    key: String,
    fingerprint: String,
}

pub(crate) fn run(args: Args, format: Format) -> Result<Exit, Failure> {
    let secret: SecretKey = if is_standard_stream(&args.secret) {
        store::read_from(streams::input()?, STANDARD_INPUT).map_err(Failure::Input)?
    } else {
        store::read_secret(&args.secret).map_err(Failure::Input)?
    };
    let public = secret.public();
    let file = args.destination.file();
    if let Some(path) = file {
        store::write_public(path, &public, args.destination.existing()).map_err(Failure::Output)?;
    }
    match (format, file) {
        (Format::Text, Some(path)) => {
            streams::note(format_args!("Wrote the public key to {}.", path.display()))
        }
        (Format::Text, None) => streams::emit(&format!("{public}\n"))?,
        (Format::Json, _) => streams::emit_json(&Report {
            kind: "public",
            file: file.map(|path| path.display().to_string()),
            key: public.to_string(),
            fingerprint: public.fingerprint().to_string(),
        })?,
    }
    Ok(Exit::Good)
}
