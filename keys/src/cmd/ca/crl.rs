//! `aoe-keys ca crl`: the revocation list again, before it is stale.

use aoe_keys::store;
use serde::Serialize;

use super::output::shown;
use super::{Place, days};
use crate::authority::{Authority, CRL, CaError, dates};
use crate::failure::{Exit, Failure};
use crate::streams::{self, Format};

/// Sign the revocation list again
///
/// A gateway refuses a list that is past its date, and with it all certificates of this CA. So this is run, and the list
/// copied, well before.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// How long this list and those after it count (default: as before)
    #[arg(long, value_name = "DAYS", value_parser = days())]
    days: Option<u32>,
}

#[derive(Serialize)]
struct Report {
    crl: String,
    number: Option<String>,
    revoked: usize,
    next_update: Option<String>,
}

pub(super) fn run(args: &Args, format: Format) -> Result<Exit, Failure> {
    let mut authority = Authority::open(&args.place.dir)?;
    authority.index.crl_days = args.days.unwrap_or(authority.index.crl_days);
    authority.write_crl()?;
    let path = args.place.dir.join(CRL);
    let lists = store::read_crls(&path).map_err(CaError::from)?;
    let list = lists.first();
    let report = Report {
        crl: shown(&path),
        number: list.and_then(|list| list.number.clone()),
        revoked: list.map_or(0, |list| list.revoked),
        next_update: list.and_then(|list| list.next_update).map(dates::text),
    };
    match format {
        Format::Text => streams::emit(&format!(
            "{}: {} revoked, due again by {}\n",
            report.crl,
            report.revoked,
            report.next_update.as_deref().unwrap_or("-")
        ))?,
        Format::Json => streams::emit_json(&report)?,
    }
    Ok(Exit::Good)
}
