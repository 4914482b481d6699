//! `aoe-keys invite`: offer disks to another gateway.

use std::path::PathBuf;

use aoe_keys::pairing::{self, Disk, Guest, Kind, Lock, Offer, Refusal};
use serde::Serialize;

use super::ask;
use crate::failure::{Exit, Failure};
use crate::streams::{self, Format};

/// Invite another gateway to use disks of this one
///
/// Writes one file for the other site, sealed to a passphrase or to an age recipient. It can be used once, and only until it
/// ends. Nothing is allowed before the reply is accepted here.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The name of the other gateway
    #[arg(value_name = "NAME")]
    peer: String,
    /// The directory of this gateway
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// What it may use: EXPORT=SHELF.SLOT:read-only or :read-write, or EXPORT:… of an export that is there; may be given
    /// several times
    #[arg(long, value_name = "OFFER", required = true)]
    offer: Vec<String>,
    /// Where the other gateway can call this one, HOST:PORT
    #[arg(long, value_name = "HOST:PORT")]
    endpoint: Option<String>,
    /// Where the targets of new exports are, if there is more than one segment
    #[arg(long)]
    segment: Option<String>,
    /// The file for the other site
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How long it may be accepted: 1m to 30d
    #[arg(long, value_name = "TIME", default_value = "72h")]
    expires: String,
    /// A file with the passphrase, mode 0600, or a pipe; without it this asks
    #[arg(long, value_name = "FILE", conflicts_with = "recipient")]
    passphrase_file: Option<PathBuf>,
    /// Seal it to this age recipient instead (`age-keygen` at the other site prints it)
    #[arg(long, value_name = "age1…")]
    recipient: Option<String>,
}

#[derive(Serialize)]
struct Report<'a> {
    invitation: &'a str,
    file: String,
    peer: &'a str,
    expires: u64,
    fingerprint: String,
    exports_made: Vec<String>,
    withdrawn: &'a [String],
    finished: bool,
    next: String,
}

pub(crate) fn run(args: Args, format: Format) -> Result<Exit, Failure> {
    let offers: Result<Vec<Offer>, Refusal> = args.offer.iter().map(|offer| offer.parse()).collect();
    let offers = offers?;
    let guest = Guest {
        name: &args.peer,
        offers: &offers,
        segment: args.segment.as_deref(),
        endpoint: args.endpoint.as_deref(),
        lifetime: pairing::lifetime(&args.expires)?,
        out: &args.out,
    };
    let mut failure = None;
    let done = pairing::invite(&Disk::new(), &args.dir, pairing::now(), &guest, || {
        lock(&args).map_err(|why| {
            let words = why.to_string();
            failure = Some(why);
            Refusal::new(Kind::Usage, words)
        })
    });
    let done = match (done, failure) {
        (_, Some(failure)) => return Err(failure),
        (done, None) => done?,
    };
    let file = args.out.display();
    let next = format!("aoe-keys accept {file} --dir DIR --out REPLY");
    match format {
        Format::Text => {
            let mut text = match done.finished {
                true => format!(
                    "Finished what an earlier run had begun: invitation {}, {file}.\n",
                    done.id
                ),
                false => format!("Wrote invitation {} for {} to {file}.\n", done.id, args.peer),
            };
            for made in &done.made {
                text.push_str(&format!("Made the export {}.\n", made.display()));
            }
            for earlier in &done.withdrawn {
                text.push_str(&format!(
                    "Invitation {earlier}, made for {} before, is void now.\n",
                    args.peer
                ));
            }
            text.push_str(&format!(
                "It can be accepted once, until {}. Our key, to compare there: {}\n\
                 Next: give the file to {}, and the passphrase by another way. There: {next}\n",
                pairing::moment(done.expires),
                done.key.fingerprint(),
                args.peer,
            ));
            let text = if args.recipient.is_some() {
                text.replace(", and the passphrase by another way", "")
            } else {
                text
            };
            streams::emit(&text)?;
        }
        Format::Json => streams::emit_json(&Report {
            invitation: &done.id,
            file: file.to_string(),
            peer: &args.peer,
            expires: done.expires,
            fingerprint: done.key.fingerprint().to_string(),
            exports_made: done.made.iter().map(|path| path.display().to_string()).collect(),
            withdrawn: &done.withdrawn,
            finished: done.finished,
            next,
        })?,
    }
    Ok(Exit::Good)
}

fn lock(args: &Args) -> Result<Lock, Failure> {
    if let Some(recipient) = &args.recipient {
        return Ok(Lock::recipient(recipient)?);
    }
    let passphrase = match &args.passphrase_file {
        Some(file) => ask::passphrase_of(file)?,
        None if ask::is_somebody_there() => {
            ask::passphrase("A passphrase to seal it with, at least 12 characters", true)?
        }
        None => {
            let words =
                "say how to seal it: --passphrase-file FILE or --recipient age1…; on a terminal this asks";
            return Err(Failure::Pairing(Refusal::new(Kind::Usage, words)));
        }
    };
    Ok(Lock::passphrase(&passphrase)?)
}
