//! The verbs, one file each, and the arguments several of them share.

pub(crate) mod accept;
mod after;
mod ask;
pub(crate) mod ca;
pub(crate) mod check;
pub(crate) mod fingerprint;
pub(crate) mod generate;
pub(crate) mod init;
pub(crate) mod invite;
pub(crate) mod psk;
pub(crate) mod public;
pub(crate) mod revoke;
pub(crate) mod rotate;

use std::path::{Path, PathBuf};

use aoe_keys::store::Existing;

/// Where a new key goes.
#[derive(clap::Args)]
pub(crate) struct Destination {
    /// Write to this file (standard output without it)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if it exists; the old key is lost
    #[arg(long, requires = "out")]
    force: bool,
}

impl Destination {
    /// The file to write, unless it is standard output.
    fn file(&self) -> Option<&Path> {
        self.out.as_deref().filter(|path| !is_standard_stream(path))
    }

    fn existing(&self) -> Existing {
        if self.force {
            Existing::Replace
        } else {
            Existing::Keep
        }
    }
}

fn is_standard_stream(path: &Path) -> bool {
    path == Path::new("-")
}

/// What stands for the path in messages about standard input.
const STANDARD_INPUT: &str = "standard input";
