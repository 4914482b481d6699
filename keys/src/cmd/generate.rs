//! `aoe-keys generate`: a new key pair.

use aoe_keys::{SecretKey, store};
use serde::Serialize;

use super::Destination;
use crate::failure::{Exit, Failure};
use crate::streams::{self, Format};

/// Make a new secret key
///
/// With --out the secret goes to the file, mode 0600, and standard output gets the public key. Without it
/// standard output gets the secret itself, for a pipe.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    destination: Destination,
}

/// With `file` there is no `key`: what is in a file is not printed as well.
#[derive(Serialize)]
struct Report<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    public: String,
    fingerprint: String,
}

pub(crate) fn run(args: Args, format: Format) -> Result<Exit, Failure> {
    let key = SecretKey::generate()?;
    let public = key.public();
    let file = args.destination.file();
    match file {
        Some(path) => {
            store::write_secret(path, &key, args.destination.existing()).map_err(Failure::Output)?;
            streams::note(format_args!(
                "Wrote the secret key to {} (mode 0600). It stays on this machine.\n\
                 Next: give the other site the public key below; there it goes into gateway.toml, in [[peer]], as `key`.\n\
                 Its fingerprint, to compare when it has arrived: {}",
                path.display(),
                public.fingerprint()
            ));
        }
        None => streams::warn_of_readers(),
    }
    match (format, file) {
        (Format::Text, Some(_)) => streams::emit(&format!("{public}\n"))?,
        (Format::Text, None) => streams::emit(&store::secret_file_text(&key))?,
        (Format::Json, _) => {
            let text = key.to_text();
            streams::emit_json(&Report {
                kind: "secret",
                file: file.map(|path| path.display().to_string()),
                key: file.is_none().then_some(text.as_str()),
                public: public.to_string(),
                fingerprint: public.fingerprint().to_string(),
            })?;
        }
    }
    Ok(Exit::Good)
}
