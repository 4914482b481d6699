//! `aoe-keys ca renew`: the same names for another while.

use std::path::{Path, PathBuf};

use aoe_keys::SpkiHash;
use aoe_keys::store::{self, Existing};
use rcgen::SubjectPublicKeyInfo;

use super::output::{Files, warn_if_cut};
use super::{Place, days, names};
use crate::authority::{Algorithm, Authority, CaError, Entry, Order, Request, dates};
use crate::failure::{Exit, Failure};
use crate::streams::{self, Format};

/// Issue a certificate again, for the same names
///
/// It keeps the key of the old one, which need not be here, unless a new key is asked for. The new certificate takes the
/// place of the old file; a copy of each stays with the CA. The old one counts until it expires or is revoked.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The name or the serial of a certificate
    #[arg(value_name = "NAME|SERIAL")]
    which: String,
    #[command(flatten)]
    place: Place,
    /// How long the new certificate lives
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = days())]
    days: u32,
    /// Make a new key too
    #[arg(long, conflicts_with = "csr")]
    new_key: bool,
    /// Take the new key of this certificate request (PEM)
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// What a new key signs with
    #[arg(long, value_enum, default_value_t = Algorithm::P256, requires = "new_key")]
    algorithm: Algorithm,
    /// Where the certificate goes (default: NAME.crt)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where a new key goes (default: NAME.tls.key)
    #[arg(long, value_name = "FILE", requires = "new_key")]
    out_key: Option<PathBuf>,
    /// Replace files that are not those of the old certificate
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &Args, format: Format) -> Result<Exit, Failure> {
    let mut authority = Authority::open(&args.place.dir)?;
    let found = authority.index.find(&args.which);
    // Of several of one name, the one that lasts longest.
    let old = found.into_iter().max_by_key(|entry| entry.not_after).cloned();
    let old = old.ok_or_else(|| CaError::Unknown {
        what: args.which.clone(),
    })?;
    let files = Files {
        certificate: args
            .out
            .clone()
            .unwrap_or_else(|| format!("{}.crt", old.name).into()),
        key: args.new_key.then(|| {
            args.out_key
                .clone()
                .unwrap_or_else(|| format!("{}.tls.key", old.name).into())
        }),
    };
    if !args.force {
        judge(&files, &authority, &old)?;
    }
    let order = Order {
        name: old.name.clone(),
        names: names(&old.names)?,
        days: args.days,
    };
    let (entry, pem) = if let Some(csr) = &args.csr {
        authority.issue(&order, &Request::read(csr)?.key)?
    } else if args.new_key {
        let pair = args.algorithm.generate()?;
        let issued = authority.issue(&order, &pair)?;
        files.write_key(&pair, Existing::Replace)?;
        issued
    } else {
        authority.issue(&order, &key_of(&authority, &old)?)?
    };
    files.write_certificate(&pem, Existing::Replace)?;
    warn_if_cut(&entry, authority.now, args.days);
    if old.state(authority.now) == "valid" {
        streams::note(format_args!(
            "The old certificate counts until {}; to end it before: aoe-keys ca revoke {} --reason superseded --dir {}",
            dates::text(old.not_after),
            old.serial,
            args.place.dir.display()
        ));
    }
    files.say(&entry, authority.now, format)?;
    Ok(Exit::Good)
}

/// The public key of a certificate that was issued, from the copy of it.
fn key_of(authority: &Authority, old: &Entry) -> Result<SubjectPublicKeyInfo, CaError> {
    let path = authority.copy_of(old);
    let fault = |why: String| CaError::Request {
        path: path.clone(),
        why,
    };
    let copies = store::read_certificates(&path)?;
    let copy = copies.first().ok_or_else(|| fault(String::from("it is empty")))?;
    let (_, parsed) =
        x509_parser::parse_x509_certificate(copy.der()).map_err(|error| fault(error.to_string()))?;
    let spki = parsed.public_key().raw;
    if SpkiHash::of(spki).to_string() != old.spki {
        return Err(fault(String::from(
            "it is not the certificate that index.toml means",
        )));
    }
    Ok(SubjectPublicKeyInfo::from_der(spki)?)
}

/// Only the files of the certificate that is renewed are replaced without being told to. A key is never.
fn judge(files: &Files, authority: &Authority, old: &Entry) -> Result<(), CaError> {
    let taken = |path: &Path| CaError::Exists {
        path: path.to_owned(),
        instead: "choose another name with --out or --out-key, or replace it with --force",
    };
    if let Some(key) = files.key.as_ref().filter(|path| path.symlink_metadata().is_ok()) {
        return Err(taken(key));
    }
    let path = &files.certificate;
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let there = store::read_certificates(path)
        .ok()
        .and_then(|found| found.into_iter().next());
    let ours = there.is_some_and(|there| {
        authority
            .index
            .find(&there.serial)
            .iter()
            .any(|entry| entry.name == old.name && entry.spki == there.spki.to_string())
    });
    ours.then_some(()).ok_or_else(|| taken(path))
}
