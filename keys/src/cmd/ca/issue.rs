//! `aoe-keys ca issue`: a certificate for a gateway.

use std::path::PathBuf;

use aoe_keys::store::Existing;
use aoe_keys::x509::San;

use super::output::{Files, warn_if_cut};
use super::{Place, days, names, short_name};
use crate::authority::{Algorithm, Authority, CaError, Order, Request};
use crate::failure::{Exit, Failure};
use crate::streams::{self, Format};

/// Issue a certificate for a gateway
///
/// Makes a new private key for it, or takes the key of a request that was made there. Overwrites no file.
#[derive(clap::Args)]
pub(super) struct Args {
    /// What you call the gateway; files are named after it
    #[arg(value_name = "NAME")]
    gateway: String,
    #[command(flatten)]
    place: Place,
    /// What peers know it by: dns:b.example or uri:spiffe://example/b; may be repeated (default: those of the request, or
    /// dns:NAME)
    #[arg(long = "name", value_name = "KIND:NAME")]
    names: Vec<String>,
    /// How long the certificate lives
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = days())]
    days: u32,
    /// A certificate request (PEM) that has the key; its names count if no --name is given, and nothing else of it
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// What the new key signs with
    #[arg(long, value_enum, default_value_t = Algorithm::P256, conflicts_with = "csr")]
    algorithm: Algorithm,
    /// Where the certificate goes (default: NAME.crt)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where the new key goes (default: NAME.tls.key)
    #[arg(long, value_name = "FILE", conflicts_with = "csr")]
    out_key: Option<PathBuf>,
    /// Issue it even if there is a valid certificate of this name
    #[arg(long)]
    again: bool,
}

pub(super) fn run(args: &Args, format: Format) -> Result<Exit, Failure> {
    let name = &args.gateway;
    short_name(name)?;
    let request = args.csr.as_deref().map(Request::read).transpose()?;
    let order = Order {
        name: name.clone(),
        names: all_names(args, request.as_ref())?,
        days: args.days,
    };
    let files = Files {
        certificate: args.out.clone().unwrap_or_else(|| format!("{name}.crt").into()),
        key: args.csr.is_none().then(|| {
            args.out_key
                .clone()
                .unwrap_or_else(|| format!("{name}.tls.key").into())
        }),
    };
    let mut authority = Authority::open(&args.place.dir)?;
    if !args.again {
        refuse_taken(&authority, name)?;
    }
    files.free()?;
    let (entry, pem) = match &request {
        Some(request) => authority.issue(&order, &request.key)?,
        None => {
            let pair = args.algorithm.generate()?;
            files.write_key(&pair, Existing::Keep)?;
            authority.issue(&order, &pair)?
        }
    };
    files.write_certificate(&pem, Existing::Keep)?;
    warn_if_cut(&entry, authority.now, args.days);
    files.say(&entry, authority.now, format)?;
    Ok(Exit::Good)
}

fn all_names(args: &Args, request: Option<&Request>) -> Result<Vec<San>, CaError> {
    let written = names(&args.names)?;
    if !written.is_empty() {
        return Ok(written);
    }
    if let Some(request) = request.filter(|request| !request.names.is_empty()) {
        if request.others > 0 {
            streams::note(format_args!(
                "note: the request also asks for names that are neither DNS names nor URIs ({}), which were left out",
                request.others
            ));
        }
        return Ok(request.names.clone());
    }
    let own = format!("dns:{}", args.gateway).parse();
    own.map(|name| vec![name]).map_err(|_| CaError::NoSan {
        name: args.gateway.clone(),
    })
}

fn refuse_taken(authority: &Authority, name: &str) -> Result<(), CaError> {
    let of_name = authority.index.entries.iter().filter(|entry| entry.name == name);
    let valid = of_name.filter(|entry| entry.revoked.is_none() && entry.not_after > authority.now);
    match valid.map(|entry| entry.not_after).max() {
        Some(until) => Err(CaError::Taken {
            name: name.to_owned(),
            until,
        }),
        None => Ok(()),
    }
}
