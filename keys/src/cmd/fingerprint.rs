//! `aoe-keys fingerprint`: the short form of a key, to compare by eye or by telephone.

use std::ffi::OsString;
use std::path::Path;

use aoe_keys::{AnyKey, KeyKind, PublicKey, store};
use serde::Serialize;

use super::{STANDARD_INPUT, is_standard_stream};
use crate::failure::{Exit, Failure};
use crate::streams::{self, Format};

/// Print the fingerprint of a key
///
/// A secret key has the fingerprint of its public key, so both ends can compare without showing a secret.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// File of any key, or a public key itself; `-` is standard input
    #[arg(value_name = "FILE|PUBLIC-KEY", default_value = "-")]
    key: OsString,
}

#[derive(Serialize)]
struct Report {
    kind: &'static str,
    fingerprint: String,
}

pub(crate) fn run(args: Args, format: Format) -> Result<Exit, Failure> {
    let key = read(&args.key)?;
    let fingerprint = key.fingerprint().to_string();
    match format {
        Format::Text => streams::emit(&format!("{fingerprint}\n"))?,
        Format::Json => streams::emit_json(&Report {
            kind: key.kind().word(),
            fingerprint,
        })?,
    }
    Ok(Exit::Good)
}

fn read(key: &OsString) -> Result<AnyKey, Failure> {
    let path = Path::new(key);
    if is_standard_stream(path) {
        return store::read_from(streams::input()?, STANDARD_INPUT).map_err(Failure::Input);
    }
    match key.to_str() {
        Some(text) if KeyKind::claimed_by(text) == Some(KeyKind::Public) && text.contains(':') => {
            Ok(AnyKey::Public(text.parse::<PublicKey>()?))
        }
        _ => store::read_any(path).map_err(Failure::Input),
    }
}
