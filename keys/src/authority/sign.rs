//! Certificates and revocation lists, signed.

use aoe_keys::SpkiHash;
use aoe_keys::store::{Existing, Visibility};
use aoe_keys::x509::{self, Certificate, San};
use rcgen::{
    CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyIdMethod, KeyUsagePurpose, PublicKeyData, RevocationReason, RevokedCertParams, SanType,
    SerialNumber,
};
use x509_parser::time::ASN1Time;

use super::index::Revoked;
use super::{Authority, BACK, CRL, CaError, DAY, Entry, Reason, write};

/// How long an expired certificate stays on the list, in seconds: for gateways whose clocks are behind.
const AFTER_EXPIRY: i64 = 30 * DAY;

/// A certificate to be issued.
#[derive(Debug)]
pub(crate) struct Order {
    /// The short name.
    pub(crate) name: String,
    pub(crate) names: Vec<San>,
    pub(crate) days: u32,
}

impl Authority {
    /// Issues a certificate for a key: its entry in the index, and itself in PEM.
    pub(crate) fn issue(
        &mut self,
        order: &Order,
        key: &impl PublicKeyData,
    ) -> Result<(Entry, String), CaError> {
        if self.now >= self.certificate.not_after {
            return Err(CaError::Over {
                at: self.certificate.not_after,
            });
        }
        let spki = SpkiHash::of(&key.subject_public_key_info());
        if let Some(at) = self.index.revocation_of(&spki.to_string()) {
            return Err(CaError::RevokedKey {
                name: order.name.clone(),
                at,
            });
        }
        let pem = self.params(order)?.signed_by(key, &self.issuer)?.pem();
        let entry = entry(order, &read_back(&pem)?);
        if entry.spki != spki.to_string() {
            return Err(CaError::Unreadable {
                why: String::from("its key is encoded differently than in the request"),
            });
        }
        write(&self.copy_of(&entry), &pem, Visibility::Public, Existing::Keep)?;
        self.index.entries.push(entry.clone());
        self.write_index()?;
        Ok((entry, pem))
    }

    fn params(&self, order: &Order) -> Result<CertificateParams, CaError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, order.name.as_str());
        params.subject_alt_names = order.names.iter().map(san).collect::<Result<_, _>>()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(SerialNumber::from_slice(&serial()?));
        // Nothing of a CA counts before the CA does, or after it.
        params.not_before = moment((self.now - BACK).max(self.certificate.not_before))?.to_datetime();
        params.not_after =
            moment((self.now + i64::from(order.days) * DAY).min(self.certificate.not_after))?.to_datetime();
        Ok(params)
    }

    /// Notes certificates as revoked, and writes the list. Those that were revoked before stay as they were.
    pub(crate) fn revoke(&mut self, serials: &[String], reason: Reason) -> Result<(), CaError> {
        for entry in &mut self.index.entries {
            if serials.contains(&entry.serial) && entry.revoked.is_none() {
                entry.revoked = Some(Revoked { at: self.now, reason });
            }
        }
        self.write_index()?;
        self.write_crl()
    }

    /// Signs the revocation list again, with the next number.
    pub(crate) fn write_crl(&mut self) -> Result<(), CaError> {
        self.index.crl_number += 1;
        // Before the list: no number is ever used twice.
        self.write_index()?;
        let revoked = self.index.entries.iter();
        let revoked = revoked.filter(|entry| entry.not_after + AFTER_EXPIRY > self.now);
        let list = CertificateRevocationListParams {
            this_update: moment(self.now - BACK)?.to_datetime(),
            next_update: moment(self.now + i64::from(self.index.crl_days) * DAY)?.to_datetime(),
            crl_number: SerialNumber::from(self.index.crl_number),
            issuing_distribution_point: None,
            revoked_certs: revoked.filter_map(listed).collect::<Result<_, _>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let pem = list.signed_by(&self.issuer)?.pem()?;
        x509::crls(pem.as_bytes()).map_err(|error| CaError::Unreadable {
            why: error.to_string(),
        })?;
        write(&self.path(CRL), &pem, Visibility::Public, Existing::Replace)
    }
}

fn listed(entry: &Entry) -> Option<Result<RevokedCertParams, CaError>> {
    let revoked = entry.revoked.as_ref()?;
    let bytes = entry.serial.split(':').map(|byte| u8::from_str_radix(byte, 16));
    let bytes: Result<Vec<u8>, _> = bytes.collect();
    let Ok(bytes) = bytes else {
        return Some(Err(CaError::Unreadable {
            why: format!("the index has the serial `{}`", entry.serial),
        }));
    };
    Some(moment(revoked.at).map(|at| RevokedCertParams {
        serial_number: SerialNumber::from_slice(&bytes),
        revocation_time: at.to_datetime(),
        reason_code: match revoked.reason {
            // RFC 5280, 5.3.1: better left out than said.
            Reason::Unspecified => None,
            Reason::KeyCompromise => Some(RevocationReason::KeyCompromise),
            Reason::Superseded => Some(RevocationReason::Superseded),
            Reason::CessationOfOperation => Some(RevocationReason::CessationOfOperation),
        },
        invalidity_date: None,
    }))
}

/// The certificate just made, as others will read it.
fn read_back(pem: &str) -> Result<Certificate, CaError> {
    let unreadable = |why: String| CaError::Unreadable { why };
    let made = x509::certificates(pem.as_bytes()).map_err(|error| unreadable(error.to_string()))?;
    made.into_iter()
        .next()
        .ok_or_else(|| unreadable(String::from("it is empty")))
}

fn entry(order: &Order, made: &Certificate) -> Entry {
    Entry {
        name: order.name.clone(),
        serial: made.serial.clone(),
        names: made.names.iter().map(ToString::to_string).collect(),
        not_before: made.not_before,
        not_after: made.not_after,
        spki: made.spki.to_string(),
        revoked: None,
    }
}

fn san(name: &San) -> Result<SanType, CaError> {
    match name {
        San::Uri(uri) => Ok(SanType::URI(uri.as_str().try_into()?)),
        other => {
            let text = other.to_string();
            Ok(SanType::DnsName(text.trim_start_matches("dns:").try_into()?))
        }
    }
}

/// A serial that nobody can guess and nobody has: 126 random bits (RFC 5280, 4.1.2.2: positive, up to 20 bytes).
pub(super) fn serial() -> Result<[u8; 16], CaError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(CaError::Random)?;
    if let Some(first) = bytes.first_mut() {
        // Neither negative nor shorter than it looks.
        *first = *first & 0x3f | 0x40;
    }
    Ok(bytes)
}

/// A moment, of which rcgen takes [`ASN1Time::to_datetime`].
pub(super) fn moment(seconds: i64) -> Result<ASN1Time, CaError> {
    ASN1Time::from_timestamp(seconds).map_err(|_| CaError::TooLong {
        days: u32::try_from(seconds / DAY).unwrap_or(u32::MAX),
    })
}
