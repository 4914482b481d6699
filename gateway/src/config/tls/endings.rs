//! What of `[tls]` ends by itself: certificates, authorities, revocation lists.

use std::time::Duration;

use aoe_keys::x509::{Certificate, Crl};

use super::{Faults, Located, Reader};
use crate::expiring::Ending;

/// What is said of one kind of certificate.
pub(super) struct Kind {
    what: &'static str,
    then: &'static str,
    cure: &'static str,
}

/// Our own, and those between it and an authority.
pub(super) const CERTIFICATE: Kind = Kind {
    what: "certificate",
    then: "no peer accepts it, and sessions by TLS end",
    cure: "aoe-keys ca renew, where the CA is",
};

/// An authority.
pub(super) const CA: Kind = Kind {
    what: "ca",
    then: "no certificate that it signed is accepted",
    cure: "name the authority's new certificate beside this one on every gateway, then have new certificates issued",
};

/// Certificates that were read from a file.
pub(super) fn of_certificates(
    file: &Option<Located<String>>,
    certificates: Option<&[Certificate]>,
    kind: &Kind,
    reader: &mut Reader<'_>,
    faults: &mut Faults,
) {
    let Some(file) = file else { return };
    for certificate in certificates.unwrap_or_default() {
        let ending = Ending {
            end: certificate.not_after,
            begin: certificate.not_before,
            what: kind.what,
            name: format!("{} ({})", file.value, certificate.subject),
            then: kind.then,
            cure: kind.cure.to_owned(),
        };
        reader.ends(ending, &file.place, faults);
    }
}

/// Revocation lists that were read from a file. One that is stale counts for some time more, if so configured.
pub(super) fn of_lists(
    file: &Located<String>,
    lists: &[Crl],
    grace: Duration,
    reader: &mut Reader<'_>,
    faults: &mut Faults,
) {
    let grace = i64::try_from(grace.as_secs()).unwrap_or(0);
    for list in lists {
        let Some(next_update) = list.next_update else {
            continue;
        };
        let ending = Ending {
            end: next_update.saturating_add(grace),
            begin: list.this_update,
            what: "crl",
            name: format!("{} ({})", file.value, list.issuer),
            then: "no certificate of this authority is accepted",
            cure: "aoe-keys ca crl, where the CA is; then bring the list here".to_owned(),
        };
        reader.ends(ending, &file.place, faults);
    }
}
