//! A certificate authority for simulated sites.

use std::sync::Arc;
use std::time::Duration;

use aoe_common::config::{CertificateName, TlsConfig, TlsKey};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber, date_time_ymd,
};

use super::plan::Plan;
use super::site::{SiteId, UNIX_START};

const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// A certificate authority, and who has a certificate of it.
pub struct Pki {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Default for Pki {
    fn default() -> Self {
        Pki::new()
    }
}

impl Pki {
    /// A new authority.
    ///
    /// # Panics
    /// If no key can be made.
    pub fn new() -> Pki {
        let mut params = params("The simulation", UNIX_START + YEAR);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Pki {
            issuer: CertifiedIssuer::self_signed(params, key).expect("a certificate"),
        }
    }

    /// A certificate with this number, for this name, good for so long from the start of the simulation on.
    ///
    /// # Panics
    /// If no key can be made.
    pub fn issue(&self, name: &CertificateName, serial: u64, good_for: Duration) -> TlsConfig {
        let mut params = params("a site", UNIX_START + good_for);
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        params.subject_alt_names = vec![match name {
            CertificateName::Dns(name) => SanType::DnsName(name.as_str().try_into().expect("ASCII")),
            CertificateName::Uri(uri) => SanType::URI(uri.as_str().try_into().expect("ASCII")),
        }];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        TlsConfig {
            chain: vec![certificate.der().clone()],
            key: TlsKey::pkcs8(key.serialize_der()),
            roots: vec![self.issuer.der().clone()],
            crls: Vec::new(),
            crl_grace: Duration::ZERO,
        }
    }

    /// Has this revocation list count, which names these numbers and is good for a year.
    ///
    /// # Panics
    /// If it cannot be signed.
    pub fn revoke(&self, tls: &mut TlsConfig, serials: &[u64]) {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(1970, 1, 1) + UNIX_START,
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(1970, 1, 1) + UNIX_START - YEAR,
            next_update: date_time_ymd(1970, 1, 1) + UNIX_START + YEAR,
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("a list");
        tls.crls = vec![list.der().clone()];
    }

    /// The name of a site in its certificate.
    pub fn name(site: SiteId) -> CertificateName {
        CertificateName::dns(&format!("site-{}.example", site.0))
    }

    /// Has two sites, which were introduced, know each other by certificates.
    ///
    /// # Panics
    /// If they were not introduced.
    pub fn certify(&self, plan: &mut Plan, one: SiteId, other: SiteId) {
        for (site, peer) in [(one, other), (other, one)] {
            if plan.sites[site.0].tls.is_none() {
                let tls = self.issue(&Pki::name(site), 7 + site.0 as u64, YEAR);
                plan.sites[site.0].tls = Some(Arc::new(tls));
            }
            plan.peer_mut(site, peer).certificate = Some(Pki::name(peer));
        }
    }
}

fn params(name: &str, until: Duration) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(1970, 1, 1) + (UNIX_START - YEAR);
    params.not_after = date_time_ymd(1970, 1, 1) + until;
    params
}
