//! Whom we believe: whether a chain of certificates leads to an authority of ours, and until when.

use std::fmt;
use std::time::Duration;

use aoe_keys::SpkiHash;
use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime,
};
use webpki::{
    CertRevocationList, EndEntityCert, Error, ExpirationPolicy, KeyUsage, OwnedCertRevocationList,
    RevocationOptionsBuilder, VerifiedPath,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::config::{CertificateFault, CertificateName, TlsConfig};

/// Most certificates between a peer's own and the root.
const MOST_INTERMEDIATES: usize = 6;
/// The longest certificate that is read, in bytes.
const LONGEST: usize = 8192;
/// Names of one certificate that are looked at.
const MOST_NAMES: usize = 100;

/// At which end of a connection a certificate is to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    /// clientAuth.
    Dialer,
    /// serverAuth.
    Listener,
}

/// A chain that leads to an authority of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    /// The names of the certificate.
    pub(crate) names: Vec<CertificateName>,
    /// Until when all of the chain is good, in seconds since 1970.
    pub(crate) until: u64,
}

/// What the checks are made with.
pub(crate) struct Authority {
    roots: Vec<Root>,
    crls: Vec<Crl>,
    crl_grace: Duration,
    revoked: Vec<SpkiHash>,
    algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
}

struct Root {
    anchor: TrustAnchor<'static>,
    spki: SpkiHash,
    valid: (u64, u64),
}

struct Crl {
    list: CertRevocationList<'static>,
    /// When it should be renewed, in seconds since 1970.
    next_update: u64,
}

impl Authority {
    /// `revoked`: keys that are not believed, whatever certificates they have.
    ///
    /// # Errors
    /// A root or a list that cannot be read.
    pub(crate) fn new(
        config: &TlsConfig,
        revoked: Vec<SpkiHash>,
        algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
    ) -> Result<Authority, CertificateFault> {
        let malformed = |error: Error| CertificateFault::Malformed(error.to_string());
        let root = |der: &CertificateDer<'static>| {
            let anchor = webpki::anchor_from_trusted_cert(der)
                .map_err(malformed)?
                .to_owned();
            let seen = Seen::of(der)?;
            Ok(Root {
                anchor,
                spki: seen.spki,
                valid: seen.valid,
            })
        };
        Ok(Authority {
            roots: config.roots.iter().map(root).collect::<Result<_, _>>()?,
            crls: config.crls.iter().map(Crl::new).collect::<Result<_, _>>()?,
            crl_grace: config.crl_grace,
            revoked,
            algorithms,
        })
    }

    /// Checks a chain at this time, in seconds since 1970: signatures, validity, usage, revocation.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: Usage,
        now: u64,
    ) -> Result<Verified, CertificateFault> {
        let too_long = |der: &CertificateDer<'_>| der.len() > LONGEST;
        if intermediates.len() > MOST_INTERMEDIATES
            || too_long(certificate)
            || intermediates.iter().any(too_long)
        {
            return Err(CertificateFault::TooLong);
        }
        let malformed = |error: Error| CertificateFault::Malformed(error.to_string());
        let end = EndEntityCert::try_from(certificate).map_err(malformed)?;
        let anchors: Vec<TrustAnchor<'_>> = self.roots.iter().map(|root| root.anchor.clone()).collect();
        let usage = || match usage {
            Usage::Dialer => KeyUsage::client_auth(),
            Usage::Listener => KeyUsage::server_auth(),
        };
        let time = UnixTime::since_unix_epoch(Duration::from_secs(now));
        let check = |crls: &[&CertRevocationList<'_>], expiration| {
            let builder = RevocationOptionsBuilder::new(crls).ok();
            let options = builder.map(|builder| builder.with_expiration_policy(expiration).build());
            let path = end.verify_for_usage(
                self.algorithms,
                &anchors,
                intermediates,
                time,
                usage(),
                options,
                None,
            );
            path.map(|path| self.judge(&path, now))
        };
        let all: Vec<_> = self.crls.iter().map(|crl| &crl.list).collect();
        let found = match check(&all, ExpirationPolicy::Enforce) {
            Err(Error::CrlExpired { .. }) if !self.crl_grace.is_zero() => {
                let fresh: Vec<_> = self.crls.iter().filter(|crl| self.counts(crl, now)).collect();
                let fresh: Vec<_> = fresh.into_iter().map(|crl| &crl.list).collect();
                // Without any it would not be checked at all.
                match fresh.is_empty() {
                    true => return Err(CertificateFault::StaleList),
                    false => match check(&fresh, ExpirationPolicy::Ignore) {
                        Err(Error::UnknownRevocationStatus) => return Err(CertificateFault::StaleList),
                        found => found,
                    },
                }
            }
            found => found,
        };
        found.map_err(|error| fault(error, certificate))?
    }

    /// Whether a list still counts.
    fn counts(&self, crl: &Crl, now: u64) -> bool {
        now < crl.next_update.saturating_add(self.crl_grace.as_secs())
    }

    /// What the path says besides: keys that are revoked, and until when it is good.
    fn judge(&self, path: &VerifiedPath<'_>, now: u64) -> Result<Verified, CertificateFault> {
        let anchor = path.anchor();
        let is_same = |root: &&Root| {
            root.anchor.subject == anchor.subject
                && root.anchor.subject_public_key_info == anchor.subject_public_key_info
        };
        let root = self
            .roots
            .iter()
            .find(is_same)
            .ok_or(CertificateFault::UnknownIssuer)?;
        let (from, mut until) = root.valid;
        if now < from {
            return Err(CertificateFault::NotYetValid(from));
        }
        let leaf = path.end_entity().der();
        let between = path.intermediate_certificates().map(|cert| cert.der());
        for der in std::iter::once(leaf).chain(between) {
            let seen = Seen::of(&der)?;
            if self.revoked.contains(&seen.spki) {
                return Err(CertificateFault::Revoked);
            }
            until = until.min(seen.valid.1);
        }
        if self.revoked.contains(&root.spki) {
            return Err(CertificateFault::Revoked);
        }
        if now >= until {
            return Err(CertificateFault::Expired(until));
        }
        let dns = path.end_entity().valid_dns_names().map(CertificateName::dns);
        let uris = path.end_entity().valid_uri_names().map(CertificateName::uri);
        Ok(Verified {
            names: dns.chain(uris).take(MOST_NAMES).collect(),
            until,
        })
    }
}

/// The names that a certificate claims. Nothing of it is checked.
pub(crate) fn claimed_names(certificate: &CertificateDer<'_>) -> Vec<CertificateName> {
    let Ok(end) = EndEntityCert::try_from(certificate) else {
        return Vec::new();
    };
    let dns = end.valid_dns_names().map(CertificateName::dns);
    let names = dns.chain(end.valid_uri_names().map(CertificateName::uri));
    names.take(MOST_NAMES).collect()
}

/// What the library found, in our words.
fn fault(error: Error, certificate: &CertificateDer<'_>) -> CertificateFault {
    match error {
        Error::CertExpired { not_after, .. } => CertificateFault::Expired(not_after.as_secs()),
        Error::CertNotValidYet { not_before, .. } => CertificateFault::NotYetValid(not_before.as_secs()),
        Error::UnknownIssuer
        | Error::InvalidSignatureForPublicKey
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => CertificateFault::UnknownIssuer,
        Error::CertRevoked => CertificateFault::Revoked,
        Error::CrlExpired { .. } => CertificateFault::StaleList,
        Error::UnknownRevocationStatus => CertificateFault::NoList,
        Error::RequiredEkuNotFoundContext(_) => CertificateFault::WrongUsage,
        Error::MaximumPathDepthExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumSignatureChecksExceeded
        | Error::MaximumNameConstraintComparisonsExceeded => CertificateFault::TooLong,
        Error::CaUsedAsEndEntity => {
            CertificateFault::Malformed(String::from("it is that of an authority, not of a gateway"))
        }
        // An end-entity certificate that nobody signed but itself is not in any chain.
        other if claimed_names(certificate).is_empty() => {
            CertificateFault::Malformed(format!("it has no name, and {other}"))
        }
        other => CertificateFault::Malformed(other.to_string()),
    }
}

/// What we read of a certificate ourselves.
struct Seen {
    spki: SpkiHash,
    /// From when to when, in seconds since 1970.
    valid: (u64, u64),
}

impl Seen {
    fn of(der: &CertificateDer<'_>) -> Result<Seen, CertificateFault> {
        let (_, certificate) = X509Certificate::from_der(der)
            .map_err(|_| CertificateFault::Malformed(String::from("it cannot be read")))?;
        let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
        let validity = certificate.validity();
        Ok(Seen {
            spki: SpkiHash::of(certificate.public_key().raw),
            valid: (
                seconds(validity.not_before.timestamp()),
                seconds(validity.not_after.timestamp()),
            ),
        })
    }
}

impl Crl {
    fn new(der: &CertificateRevocationListDer<'static>) -> Result<Crl, CertificateFault> {
        let unreadable = |why: String| CertificateFault::Malformed(format!("a revocation list: {why}"));
        let list = OwnedCertRevocationList::from_der(der).map_err(|error| unreadable(error.to_string()))?;
        let (_, seen) = CertificateRevocationList::from_der(der)
            .map_err(|_| unreadable(String::from("it cannot be read")))?;
        let next_update = seen.next_update().map(|time| time.timestamp());
        Ok(Crl {
            list: list.into(),
            next_update: next_update.and_then(|at| u64::try_from(at).ok()).unwrap_or(0),
        })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Authority({} roots, {} lists)",
            self.roots.len(),
            self.crls.len()
        )
    }
}
