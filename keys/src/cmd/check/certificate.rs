//! What is said of certificates and revocation lists.

use std::path::Path;

use aoe_keys::expiry::Nearness;
use aoe_keys::x509::{Certificate, Crl};

use super::report::{Part, Report};
use crate::authority::{CERTIFICATE, CRL, dates};

/// Looks at one certificate of a file.
pub(super) fn look(report: &mut Report, found: &Certificate, now: i64) {
    report.parts.push(Part {
        kind: if found.is_ca { "ca" } else { "certificate" },
        subject: Some(found.subject.clone()),
        issuer: found.issuer.clone(),
        names: found.names.iter().map(ToString::to_string).collect(),
        serial: Some(found.serial.clone()),
        spki: Some(found.spki.to_string()),
        revoked: None,
        from: dates::text(found.not_before),
        until: Some(dates::text(found.not_after)),
    });
    let who = &found.subject;
    let mend = if found.is_ca {
        None
    } else {
        common_name(who).map(|name| format!("aoe-keys ca renew {name}"))
    };
    if now < found.not_before {
        report.fault(
            format!("{who}: it counts only from {} on", dates::text(found.not_before)),
            None,
        );
    }
    let life = (found.not_before, found.not_after);
    ends(report, who, life, now, mend);
    if found.is_ca {
        if !found.signs_certificates {
            report.fault(
                format!("{who}: its key usage does not let it sign certificates"),
                None,
            );
        }
        if !found.signs_crls {
            report.warn(
                format!("{who}: its key usage does not let it sign revocation lists"),
                None,
            );
        }
        return;
    }
    // Of a chain only the first is a gateway's; what stands above it and is no CA is a mistake.
    if report.parts.len() > 1 {
        report.fault(
            format!("{who}: it stands above another certificate and is no CA"),
            None,
        );
    }
    if found.names.is_empty() {
        report.warn(
            format!(
                "{who}: it has no subject alternative name, and peers know a certificate by nothing else"
            ),
            None,
        );
    }
    for (may, side, usage) in [
        (found.may_call(), "call peers", "clientAuth"),
        (found.may_serve(), "be called by peers", "serverAuth"),
    ] {
        if !may {
            let why = if found.signs_handshakes {
                format!("{usage} is missing in its extended key usage")
            } else {
                String::from("digitalSignature is missing in its key usage")
            };
            report.warn(format!("{who}: a gateway with it cannot {side}: {why}"), None);
        }
    }
}

/// Looks at one revocation list of a file.
pub(super) fn list(report: &mut Report, path: &Path, found: &Crl, now: i64) {
    report.parts.push(Part {
        kind: "crl",
        issuer: found.issuer.clone(),
        revoked: Some(found.revoked),
        from: dates::text(found.this_update),
        until: found.next_update.map(dates::text),
        ..Part::default()
    });
    let who = format!("list of {}", found.issuer);
    if now < found.this_update {
        report.fault(
            format!("{who}: it counts only from {} on", dates::text(found.this_update)),
            None,
        );
    }
    match found.next_update {
        Some(next) => {
            let mend = directory_of_ca(path).map(|dir| format!("aoe-keys ca crl --dir {dir}"));
            ends(report, &who, (found.this_update, next), now, mend);
        }
        None => report.warn(
            format!("{who}: it does not say when the next one is due, so it is always stale"),
            None,
        ),
    }
}

/// A fault if something is over, a warning if that is near.
fn ends(report: &mut Report, who: &str, (from, until): (i64, i64), now: i64, mend: Option<String>) {
    let nearness = Nearness::of_life(from, until, now);
    let words = format!("{who}: {}", nearness.words(until, now));
    match nearness {
        Nearness::Over => report.fault(words, mend),
        near if near.is_near() => report.warn(words, mend),
        _ => {}
    }
}

/// The directory of the CA whose list this is, if it is one of `aoe-keys ca`.
fn directory_of_ca(path: &Path) -> Option<String> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let is_ca = path.file_name()? == CRL && directory.join(CERTIFICATE).exists();
    is_ca.then(|| aoe_keys::store::shell_word(directory))
}

/// The common name, if it is a name that `aoe-keys ca issue` gives.
fn common_name(subject: &str) -> Option<&str> {
    let name = subject.strip_prefix("CN=")?;
    name.chars()
        .all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
        .then_some(name)
}
