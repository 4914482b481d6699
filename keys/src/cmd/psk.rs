//! `aoe-keys psk`: a new pre-shared key.

use aoe_keys::{Psk, store};
use serde::Serialize;

use super::Destination;
use crate::failure::{Exit, Failure};
use crate::streams::{self, Format};

/// Make a new pre-shared key
///
/// With --out it goes to the file, mode 0600. Without it standard output gets it, for a pipe.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    destination: Destination,
}

#[derive(Serialize)]
struct Report<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    fingerprint: String,
}

pub(crate) fn run(args: Args, format: Format) -> Result<Exit, Failure> {
    let key = Psk::generate()?;
    let file = args.destination.file();
    match file {
        Some(path) => {
            store::write_psk(path, &key, args.destination.existing()).map_err(Failure::Output)?;
            streams::note(format_args!(
                "Wrote the pre-shared key to {} (mode 0600).\n\
                 Next: copy the file to the other site over a safe way such as scp, and name it there and here in\n\
                 gateway.toml, in [[peer]], as `psk`. Its fingerprint, the same on both sites: {}",
                path.display(),
                key.fingerprint()
            ));
        }
        None => streams::warn_of_readers(),
    }
    match (format, file) {
        (Format::Text, Some(_)) => {}
        (Format::Text, None) => streams::emit(&store::psk_file_text(&key))?,
        (Format::Json, _) => {
            let text = key.to_text();
            streams::emit_json(&Report {
                kind: "psk",
                file: file.map(|path| path.display().to_string()),
                key: file.is_none().then_some(text.as_str()),
                fingerprint: key.fingerprint().to_string(),
            })?;
        }
    }
    Ok(Exit::Good)
}
