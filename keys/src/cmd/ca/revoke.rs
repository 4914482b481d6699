//! `aoe-keys ca revoke`: certificates that count no longer.

use std::path::Path;

use aoe_keys::store;
use serde::Serialize;

use super::Place;
use super::output::{Row, shown};
use crate::authority::{Authority, CRL, CaError, Entry, Reason, dates};
use crate::failure::{Exit, Failure};
use crate::streams::{self, Format};

/// Revoke certificates, and write the revocation list
///
/// A name means all certificates of that name that are not expired.
#[derive(clap::Args)]
pub(super) struct Args {
    /// A name, a serial, or the file of a certificate
    #[arg(value_name = "NAME|SERIAL|FILE")]
    which: String,
    #[command(flatten)]
    place: Place,
    /// Why
    #[arg(long, value_enum, default_value_t = Reason::Unspecified)]
    reason: Reason,
}

#[derive(Serialize)]
struct Report {
    revoked: Vec<Row>,
    crl: String,
    next_update: String,
}

pub(super) fn run(args: &Args, format: Format) -> Result<Exit, Failure> {
    let mut authority = Authority::open(&args.place.dir)?;
    let found = find(&authority, &args.which)?;
    for entry in &found {
        if let Some(revoked) = &entry.revoked {
            streams::note(format_args!(
                "{} (serial {}) was revoked on {} already",
                entry.name,
                entry.serial,
                dates::text(revoked.at)
            ));
        }
    }
    let serials: Vec<String> = found.into_iter().map(|entry| entry.serial).collect();
    authority.revoke(&serials, args.reason)?;
    let crl = args.place.dir.join(CRL);
    let list = store::read_crls(&crl).map_err(CaError::from)?;
    let next_update = list.first().and_then(|list| list.next_update).map(dates::text);
    let next_update = next_update.unwrap_or_default();
    let entries = authority.index.entries.iter();
    let revoked: Vec<Row> = entries
        .filter(|entry| serials.contains(&entry.serial))
        .map(|entry| Row::of(entry, authority.now))
        .collect();
    streams::note(format_args!(
        "Next: copy {} to every gateway; each ends the sessions of what it lists as soon as the file is there.",
        crl.display()
    ));
    match format {
        Format::Text => {
            let lines: String = revoked.iter().map(Row::line).collect();
            streams::emit(&format!(
                "{lines}{} is due again by {next_update}\n",
                crl.display()
            ))?;
        }
        Format::Json => streams::emit_json(&Report {
            revoked,
            crl: shown(&crl),
            next_update,
        })?,
    }
    Ok(Exit::Good)
}

fn find(authority: &Authority, what: &str) -> Result<Vec<Entry>, CaError> {
    let unknown = || CaError::Unknown {
        what: what.to_owned(),
    };
    let named = authority.index.find(what);
    if named.is_empty() {
        let path = Path::new(what);
        if !path.exists() {
            return Err(unknown());
        }
        let certificates = store::read_certificates(path)?;
        // The first is the gateway's own, the others are CAs above it.
        let first = certificates.first().ok_or_else(unknown)?;
        let spki = first.spki.to_string();
        let of_file = authority.index.find(&first.serial).into_iter();
        let of_file: Vec<Entry> = of_file.filter(|entry| entry.spki == spki).cloned().collect();
        return if of_file.is_empty() {
            Err(unknown())
        } else {
            Ok(of_file)
        };
    }
    let alive = |entry: &&Entry| entry.not_after > authority.now;
    let living: Vec<Entry> = named.iter().copied().filter(alive).cloned().collect();
    if living.is_empty() {
        return Ok(named.into_iter().cloned().collect());
    }
    Ok(living)
}
