//! `aoe-keys ca init`: a new CA.

use serde::Serialize;

use super::output::shown;
use super::{Place, days};
use crate::authority::{Algorithm, CERTIFICATE, CRL, Founding, dates};
use crate::failure::{Exit, Failure};
use crate::streams::{self, Format};

/// Make a new CA
///
/// The directory must not be there yet, or be empty.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// What the CA is called, in its certificate
    #[arg(long, value_name = "NAME", default_value = "AoE gateways", value_parser = common_name)]
    name: String,
    /// How long the CA lives
    #[arg(long, value_name = "DAYS", default_value_t = 3652, value_parser = days())]
    days: u32,
    /// How long each revocation list counts: it has to be made and copied again before
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = days())]
    crl_days: u32,
    /// How many CAs may stand below it
    #[arg(long, value_name = "N", default_value_t = 0)]
    path_len: u8,
    /// What its key signs with
    #[arg(long, value_enum, default_value_t = Algorithm::P256)]
    algorithm: Algorithm,
}

#[derive(Serialize)]
struct Report {
    directory: String,
    subject: String,
    spki: String,
    not_after: String,
    certificate: String,
    crl: String,
}

pub(super) fn run(args: &Args, format: Format) -> Result<Exit, Failure> {
    let dir = &args.place.dir;
    let founding = Founding {
        name: &args.name,
        days: args.days,
        crl_days: args.crl_days,
        path_len: args.path_len,
        algorithm: args.algorithm,
    };
    let made = founding.make(dir)?;
    let until = dates::text(made.certificate.not_after);
    streams::note(format_args!(
        "Made a CA in {}. Its key stays there; who can read it can pose as any gateway.\n\
         Next: issue a certificate for each gateway (aoe-keys ca issue NAME --dir {}), and copy {} and {} to all of them.",
        dir.display(),
        dir.display(),
        dir.join(CERTIFICATE).display(),
        dir.join(CRL).display()
    ));
    match format {
        Format::Text => streams::emit(&format!(
            "{}: valid until {until}\n{}\n",
            made.certificate.subject, made.certificate.spki
        ))?,
        Format::Json => streams::emit_json(&Report {
            directory: shown(dir),
            subject: made.certificate.subject.clone(),
            spki: made.certificate.spki.to_string(),
            not_after: until,
            certificate: shown(&dir.join(CERTIFICATE)),
            crl: shown(&dir.join(CRL)),
        })?,
    }
    Ok(Exit::Good)
}

/// RFC 5280 gives a common name 64 characters.
fn common_name(text: &str) -> Result<String, String> {
    if (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(String::from("a name has 1 to 64 characters, on one line"))
    }
}
