//! `aoe-keys accept`: take an invitation, or the reply to one.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use aoe_keys::PublicKey;
use aoe_keys::pairing::{self, Accepted, Choice, Completed, Disk, Done, Key, Kind, LARGEST, Refusal, Slot};
use serde::Serialize;

use super::after::After;
use super::ask;
use crate::failure::{Exit, Failure};
use crate::streams::{self, Format};

/// Accept an invitation of another gateway, or the reply to one of ours
///
/// Of an invitation it makes the peer, its pre-shared key and the imports, and writes the reply. Of a reply it makes the peer,
/// its pre-shared key and the permissions. If anything is wrong nothing is changed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file from the other site
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The directory of this gateway
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Where initiators will see the disks, if there is more than one segment
    #[arg(long)]
    segment: Option<String>,
    /// At which address: e107.3, or EXPORT=e107.3; may be given several times. Without it a free one is taken
    #[arg(long = "as", value_name = "[EXPORT=]SHELF.SLOT")]
    slots: Vec<String>,
    /// Where the other gateway can call this one, HOST:PORT, if it should
    #[arg(long, value_name = "HOST:PORT")]
    endpoint: Option<String>,
    /// Where to write the reply to an invitation
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A file with the passphrase, mode 0600, or a pipe; without it this asks
    #[arg(long, value_name = "FILE", conflicts_with = "identity")]
    passphrase_file: Option<PathBuf>,
    /// The age identity to whose recipient the invitation is sealed, as `age-keygen -o FILE` wrote it
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Let a running gateway take the change
    #[arg(long)]
    reload: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    accepted: &'static str,
    invitation: &'a str,
    peer: &'a str,
    peer_fingerprint: Option<String>,
    fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    segment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    imports: Option<Vec<Import<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<&'a [pairing::Offered]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<String>,
    finished: bool,
    after: &'a After,
}

#[derive(Serialize)]
struct Import<'a> {
    export: &'a str,
    access: pairing::Access,
    #[serde(rename = "as")]
    slot: String,
}

pub(crate) fn run(args: Args, format: Format) -> Result<Exit, Failure> {
    let file = read(&args.file)?;
    let slots: Result<Vec<_>, Refusal> = args.slots.iter().map(|text| slot(text)).collect();
    let slots = slots?;
    let choice = Choice {
        segment: args.segment.as_deref(),
        slots: &slots,
        endpoint: args.endpoint.as_deref(),
        out: args.out.as_deref(),
    };
    let mut failure = None;
    let done = pairing::accept(
        &Disk::new(),
        &args.dir,
        pairing::now(),
        &file,
        &choice,
        |is_passphrase| {
            key(&args, is_passphrase).map_err(|why| {
                let words = why.to_string();
                failure = Some(why);
                Refusal::new(Kind::Usage, words)
            })
        },
    );
    let done = match (done, failure) {
        (_, Some(failure)) => return Err(failure),
        (Err(mut refusal), None) => {
            if refusal.kind == Kind::Letter {
                refusal.words = format!("{}: {}", args.file.display(), refusal.words);
            }
            return Err(refusal.into());
        }
        (Ok(done), None) => done,
    };
    let config =
        std::path::absolute(args.dir.join("gateway.toml")).unwrap_or_else(|_| args.dir.join("gateway.toml"));
    let after = After::look(&config, args.reload);
    match format {
        Format::Text => {
            let what = match &done {
                Done::Accepted(done) => accepted(done),
                Done::Completed(done) => completed(done),
            };
            streams::emit(&format!("{what}{}{}", after.lines(&config), next(&done)))?;
        }
        Format::Json => streams::emit_json(&report(&done, &after))?,
    }
    Ok(after.exit())
}

fn accepted(done: &Accepted) -> String {
    let mut text = opening(
        done.finished,
        &done.peer,
        &done.id,
        done.key,
        done.own,
        done.workers,
    );
    for import in &done.imports {
        text.push_str(&format!(
            "{} of {} will be {} on {} ({}).\n",
            import.export, done.peer, import.slot, done.segment, import.access
        ));
    }
    text
}

fn completed(done: &Completed) -> String {
    let mut text = opening(
        done.finished,
        &done.peer,
        &done.id,
        done.key,
        done.own,
        done.workers,
    );
    for allowed in &done.allowed {
        text.push_str(&format!(
            "{} may use {} ({}).\n",
            done.peer, allowed.export, allowed.access
        ));
    }
    text
}

fn opening(
    finished: bool,
    peer: &str,
    id: &str,
    key: Option<PublicKey>,
    own: PublicKey,
    workers: Option<(u16, u16)>,
) -> String {
    let begun = if finished {
        "Finished what an earlier run had begun: "
    } else {
        ""
    };
    let key = key.map_or_else(|| "not known".to_owned(), |key| key.fingerprint().to_string());
    let mut text = format!(
        "{begun}{peer} is a peer now, by invitation {id}.\nIts key: {key}\nOurs:    {}\n",
        own.fingerprint()
    );
    if let Some((ours, theirs)) = workers {
        text.push_str(&format!(
            "Mind: `workers` is {ours} here and {theirs} at {peer}; there is no session until both have the same.\n"
        ));
    }
    text
}

/// What to do at the other site.
fn next(done: &Done) -> String {
    match done {
        Done::Accepted(done) => format!(
            "Next: take {} to {}. There: aoe-keys accept {} --dir DIR\n",
            done.reply.display(),
            done.peer,
            done.reply.file_name().unwrap_or_default().to_string_lossy()
        ),
        Done::Completed(_) => String::new(),
    }
}

fn report<'a>(done: &'a Done, after: &'a After) -> Report<'a> {
    let print = |key: Option<PublicKey>| key.map(|key| key.fingerprint().to_string());
    match done {
        Done::Accepted(done) => Report {
            accepted: "invitation",
            invitation: &done.id,
            peer: &done.peer,
            peer_fingerprint: print(done.key),
            fingerprint: done.own.fingerprint().to_string(),
            segment: Some(&done.segment).filter(|_| !done.finished).map(String::as_str),
            imports: (!done.finished).then(|| {
                let imports = done.imports.iter().map(|import| Import {
                    export: &import.export,
                    access: import.access,
                    slot: import.slot.to_string(),
                });
                imports.collect()
            }),
            allowed: None,
            reply: Some(done.reply.display().to_string()),
            finished: done.finished,
            after,
        },
        Done::Completed(done) => Report {
            accepted: "reply",
            invitation: &done.id,
            peer: &done.peer,
            peer_fingerprint: print(done.key),
            fingerprint: done.own.fingerprint().to_string(),
            segment: None,
            imports: None,
            allowed: Some(&done.allowed),
            reply: None,
            finished: done.finished,
            after,
        },
    }
}

/// `e107.3`, or `backup=e107.3`.
fn slot(text: &str) -> Result<(Option<String>, Slot), Refusal> {
    match text.split_once('=') {
        Some((export, slot)) => Ok((Some(export.to_owned()), slot.parse()?)),
        None => Ok((None, text.parse()?)),
    }
}

/// No more than an invitation can have, and one byte.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = |error: std::io::Error| {
        Refusal::new(Kind::NoInput, format!("cannot read {}: {error}", path.display()))
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    let most = u64::try_from(LARGEST).unwrap_or(u64::MAX);
    file.take(most + 1).read_to_end(&mut bytes).map_err(cannot)?;
    Ok(bytes)
}

fn key(args: &Args, is_passphrase: bool) -> Result<Key, Failure> {
    if let Some(identity) = &args.identity {
        let text = ask::secret_text(identity, ToOwned::to_owned)?;
        return Ok(Key::identities(&text)?);
    }
    let passphrase = match &args.passphrase_file {
        Some(file) => ask::passphrase_of(file)?,
        None if !is_passphrase => {
            let words =
                "this invitation is sealed to an age recipient: give its identity with --identity FILE";
            return Err(Failure::Pairing(Refusal::new(Kind::Usage, words)));
        }
        None if ask::is_somebody_there() => ask::passphrase("The passphrase of this invitation", false)?,
        None => {
            let words = "say how to open it: --passphrase-file FILE; on a terminal this asks";
            return Err(Failure::Pairing(Refusal::new(Kind::Usage, words)));
        }
    };
    Ok(Key::Passphrase(SecretString::from(passphrase.to_string())))
}
