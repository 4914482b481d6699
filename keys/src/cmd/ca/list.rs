//! `aoe-keys ca list`: what was issued, and what ends soon.

use aoe_keys::expiry::Nearness;
use aoe_keys::store;
use serde::Serialize;

use super::Place;
use super::output::Row;
use crate::authority::{CRL, CaError, Index, certificate, dates};
use crate::failure::{Exit, Failure};
use crate::streams::{self, Format};

/// Show what was issued, what was revoked, and what ends soon
///
/// Writes nothing, and does not need the CA's key.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Show certificates that are expired or revoked too
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct Report {
    ca: Authority,
    crl: Option<List>,
    certificates: Vec<Listed>,
}

#[derive(Serialize)]
struct Authority {
    subject: String,
    spki: String,
    not_after: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

#[derive(Serialize)]
struct List {
    number: Option<String>,
    revoked: usize,
    next_update: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    row: Row,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

pub(super) fn run(args: &Args, format: Format) -> Result<Exit, Failure> {
    let dir = &args.place.dir;
    let now = dates::now();
    let index = Index::read(dir)?;
    let own = certificate(dir)?;
    let shown_dir = dir.display();
    let ca = Authority {
        subject: own.subject.clone(),
        spki: own.spki.to_string(),
        not_after: dates::text(own.not_after),
        warning: warning(
            (own.not_before, own.not_after),
            now,
            "make a new CA: aoe-keys ca init --dir NEW-DIR",
        ),
    };
    let mend = format!("aoe-keys ca crl --dir {shown_dir}");
    let lists = store::read_crls(dir.join(CRL)).map_err(CaError::from)?;
    let crl = lists.into_iter().next().map(|list| List {
        warning: if list.number.as_deref() == Some(index.crl_number.to_string().as_str()) {
            list.next_update
                .and_then(|next| warning((list.this_update, next), now, &mend))
        } else {
            Some(format!("it is older than index.toml; run: {mend}"))
        },
        number: list.number,
        revoked: list.revoked,
        next_update: list.next_update.map(dates::text),
    });
    let mut entries = index.entries;
    entries.sort_by_key(|entry| entry.not_after);
    let certificates: Vec<Listed> = entries
        .iter()
        .filter(|entry| args.all || (entry.revoked.is_none() && entry.not_after > now))
        .map(|entry| Listed {
            row: Row::of(entry, now),
            warning: entry.revoked.is_none().then_some(()).and_then(|()| {
                let mend = format!("aoe-keys ca renew {} --dir {shown_dir}", entry.name);
                warning((entry.not_before, entry.not_after), now, &mend)
            }),
        })
        .collect();
    let report = Report {
        ca,
        crl,
        certificates,
    };
    match format {
        Format::Text => streams::emit(&text(&report))?,
        Format::Json => streams::emit_json(&report)?,
    }
    Ok(Exit::Good)
}

fn warning((from, until): (i64, i64), now: i64, mend: &str) -> Option<String> {
    let nearness = Nearness::of_life(from, until, now);
    nearness
        .is_near()
        .then(|| format!("{}; run: {mend}", nearness.words(until, now)))
}

fn text(report: &Report) -> String {
    let mut text = format!("{}: CA, valid until {}\n", report.ca.subject, report.ca.not_after);
    let warn = |text: &mut String, warning: &Option<String>| {
        if let Some(warning) = warning {
            text.push_str(&format!("  warning: {warning}\n"));
        }
    };
    warn(&mut text, &report.ca.warning);
    if let Some(crl) = &report.crl {
        let next = crl.next_update.as_deref().unwrap_or("-");
        text.push_str(&format!(
            "revocation list: {} revoked, due again by {next}\n",
            crl.revoked
        ));
        warn(&mut text, &crl.warning);
    }
    for listed in &report.certificates {
        text.push_str(&listed.row.line());
        warn(&mut text, &listed.warning);
    }
    if report.certificates.is_empty() {
        text.push_str("no certificate is valid\n");
    }
    text
}
