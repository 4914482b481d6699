//! A small authority for tests, and what is judged of its certificates.

use std::io::Write;
use std::time::Duration;

use aoe_keys::SpkiHash;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber, date_time_ymd,
};
use rustls::client::ClientConnection;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::authority::{Authority, Usage, Verified};
use super::connection::{Broken, Connection};
use super::datagrams::Part;
use super::endpoint::{Endpoint, judge_own};
use super::messages::OFFER_LEN;
use crate::config::{CertificateFault, CertificateName, TlsConfig, TlsFault, TlsKey};

/// What the wall clock says when a test begins.
pub(crate) const START: u64 = 1_800_000_000;
const DAY: u64 = 86_400;

/// An authority.
pub(crate) struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key.
pub(crate) struct Site {
    pub(crate) certificate: Certificate,
    key: Vec<u8>,
}

/// What a certificate is to be.
#[derive(Clone)]
pub(crate) struct Wish {
    pub(crate) names: Vec<CertificateName>,
    pub(crate) uses: Vec<ExtendedKeyUsagePurpose>,
    pub(crate) valid: (u64, u64),
    pub(crate) serial: u64,
}

impl Wish {
    pub(crate) fn dns(name: &str) -> Wish {
        Wish {
            names: vec![CertificateName::dns(name)],
            uses: vec![
                ExtendedKeyUsagePurpose::ClientAuth,
                ExtendedKeyUsagePurpose::ServerAuth,
            ],
            valid: (START - DAY, START + 30 * DAY),
            serial: 7,
        }
    }
}

fn params(name: &str, valid: (u64, u64)) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(valid.0);
    params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(valid.1);
    params
}

fn san(name: &CertificateName) -> SanType {
    match name {
        CertificateName::Dns(name) => SanType::DnsName(name.as_str().try_into().unwrap()),
        CertificateName::Uri(uri) => SanType::URI(uri.as_str().try_into().unwrap()),
    }
}

impl Ca {
    pub(crate) fn new(name: &str) -> Ca {
        Ca::valid(name, (START - 300 * DAY, START + 300 * DAY))
    }

    pub(crate) fn valid(name: &str, valid: (u64, u64)) -> Ca {
        let issuer = CertifiedIssuer::self_signed(Ca::params(name, valid), KeyPair::generate().unwrap());
        Ca {
            issuer: issuer.unwrap(),
        }
    }

    fn params(name: &str, valid: (u64, u64)) -> CertificateParams {
        let mut params = params(name, valid);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }

    /// An authority below this one.
    pub(crate) fn below(&self, name: &str) -> Ca {
        let valid = (START - 200 * DAY, START + 200 * DAY);
        let mut params = Ca::params(name, valid);
        params.serial_number = Some(SerialNumber::from(99u64));
        let issuer = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &self.issuer);
        Ca {
            issuer: issuer.unwrap(),
        }
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    pub(crate) fn issue(&self, wish: &Wish) -> Site {
        let mut params = params("a gateway", wish.valid);
        params.subject_alt_names = wish.names.iter().map(san).collect();
        params.extended_key_usages.clone_from(&wish.uses);
        params.serial_number = Some(SerialNumber::from(wish.serial));
        let key = KeyPair::generate().unwrap();
        Site {
            certificate: params.signed_by(&key, &self.issuer).unwrap(),
            key: key.serialize_der(),
        }
    }

    /// A list of these serial numbers, to be renewed then.
    pub(crate) fn crl(&self, revoked: &[u64], next_update: u64) -> CertificateRevocationListDer<'static> {
        let time = |unix_time| date_time_ymd(1970, 1, 1) + Duration::from_secs(unix_time);
        let entry = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: time(START - DAY),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: time(START - DAY),
            next_update: time(next_update),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().der().clone()
    }
}

impl Site {
    /// The configuration of a gateway with this certificate, which believes these authorities.
    pub(crate) fn config(&self, between: &[&Ca], roots: &[&Ca]) -> TlsConfig {
        let own = std::iter::once(self.certificate.der().clone());
        TlsConfig {
            chain: own.chain(between.iter().map(|ca| ca.der())).collect(),
            key: TlsKey::new(PrivateKeyDer::Pkcs8(self.key.clone().into())),
            roots: roots.iter().map(|ca| ca.der()).collect(),
            crls: Vec::new(),
            crl_grace: Duration::ZERO,
        }
    }
}

/// What an authority of these roots and lists says of a chain, for a side that calls.
fn judge(
    config: &TlsConfig,
    chain: &[CertificateDer<'static>],
    revoked: Vec<SpkiHash>,
    now: u64,
) -> Result<Verified, CertificateFault> {
    judge_as(Usage::Dialer, config, chain, revoked, now)
}

fn judge_as(
    usage: Usage,
    config: &TlsConfig,
    chain: &[CertificateDer<'static>],
    revoked: Vec<SpkiHash>,
    now: u64,
) -> Result<Verified, CertificateFault> {
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    let authority = Authority::new(config, revoked, algorithms.all).unwrap();
    let (leaf, rest) = chain.split_first().unwrap();
    authority.verify(leaf, rest, usage, now)
}

#[test]
fn a_chain_is_good_until_the_first_of_it_expires() {
    let root = Ca::new("root");
    let middle = root.below("middle");
    let wish = Wish {
        names: vec![
            CertificateName::dns("A.Example"),
            CertificateName::uri("spiffe://Example/a"),
        ],
        ..Wish::dns("a.example")
    };
    let config = middle.issue(&wish).config(&[&middle], &[&root]);
    let verified = judge(&config, &config.chain, Vec::new(), START).unwrap();
    assert_eq!(verified.until, START + 30 * DAY);
    let names = [
        CertificateName::dns("a.example"),
        CertificateName::uri("spiffe://Example/a"),
    ];
    assert_eq!(verified.names, names);
    let long = Wish {
        valid: (START - DAY, START + 250 * DAY),
        ..wish
    };
    let config = middle.issue(&long).config(&[&middle], &[&root]);
    let verified = judge(&config, &config.chain, Vec::new(), START).unwrap();
    assert_eq!(verified.until, START + 200 * DAY, "that of the authority between");
    let until = |now| judge(&config, &config.chain, Vec::new(), now);
    assert_eq!(
        until(START + 201 * DAY),
        Err(CertificateFault::Expired(START + 200 * DAY))
    );
    assert_eq!(
        until(START - 2 * DAY),
        Err(CertificateFault::NotYetValid(START - DAY))
    );
}

#[test]
fn a_root_that_has_expired_is_not_believed() {
    let root = Ca::valid("root", (START - 9 * DAY, START + DAY));
    let config = root.issue(&Wish::dns("a.example")).config(&[], &[&root]);
    let found = |now| judge(&config, &config.chain, Vec::new(), now);
    assert_eq!(found(START).unwrap().until, START + DAY);
    assert_eq!(found(START + DAY), Err(CertificateFault::Expired(START + DAY)));
}

#[test]
fn what_is_wrong_with_a_certificate_is_said() {
    let (root, other) = (Ca::new("root"), Ca::new("root"));
    let good = root.issue(&Wish::dns("a.example")).config(&[], &[&root]);
    let of_other = other.issue(&Wish::dns("a.example")).config(&[], &[&other]);
    let fault = |chain: &[CertificateDer<'static>]| judge(&good, chain, Vec::new(), START).unwrap_err();
    assert_eq!(fault(&of_other.chain), CertificateFault::UnknownIssuer);
    let middle = root.below("middle");
    let lonely = middle.issue(&Wish::dns("a.example")).config(&[], &[&root]);
    assert_eq!(
        fault(&lonely.chain),
        CertificateFault::UnknownIssuer,
        "one between is missing"
    );
    let server = Wish {
        uses: vec![ExtendedKeyUsagePurpose::ServerAuth],
        ..Wish::dns("a.example")
    };
    let server = root.issue(&server).config(&[], &[&root]);
    assert_eq!(fault(&server.chain), CertificateFault::WrongUsage);
    assert!(judge_as(Usage::Listener, &good, &server.chain, Vec::new(), START).is_ok());
    assert!(
        matches!(fault(&[root.der()]), CertificateFault::Malformed(_)),
        "an authority is no gateway"
    );
    let many = vec![middle.der(); 8];
    let chain = [&good.chain[..], &many].concat();
    assert_eq!(fault(&chain), CertificateFault::TooLong);
    assert_eq!(fault(&[vec![0x30; 9000].into()]), CertificateFault::TooLong);
    assert!(matches!(
        fault(&[vec![0x30; 100].into()]),
        CertificateFault::Malformed(_)
    ));
}

#[test]
fn every_level_has_a_list_that_is_fresh() {
    let root = Ca::new("root");
    let middle = root.below("middle");
    let mut config = middle.issue(&Wish::dns("a.example")).config(&[&middle], &[&root]);
    let chain = config.chain.clone();
    let with = |config: &mut TlsConfig, crls: Vec<CertificateRevocationListDer<'static>>, now| {
        config.crls = crls;
        judge(config, &chain, Vec::new(), now)
    };
    let soon = START + DAY;
    let (of_root, of_middle) = (root.crl(&[], soon), middle.crl(&[8], soon));
    assert!(with(&mut config, vec![of_root.clone(), of_middle.clone()], START).is_ok());
    let one = with(&mut config, vec![of_middle.clone()], START);
    assert_eq!(one, Err(CertificateFault::NoList));
    let revoked = with(&mut config, vec![of_root.clone(), middle.crl(&[7], soon)], START);
    assert_eq!(revoked, Err(CertificateFault::Revoked));
    let above = with(&mut config, vec![root.crl(&[99], soon), of_middle.clone()], START);
    assert_eq!(above, Err(CertificateFault::Revoked), "the authority between");
    // A list of another authority of the same name is not its list.
    let forged = Ca::new("middle").crl(&[], soon);
    assert!(with(&mut config, vec![of_root.clone(), forged], START).is_err());
    let both = vec![of_root, of_middle];
    let stale = with(&mut config, both.clone(), soon);
    assert_eq!(stale, Err(CertificateFault::StaleList));
    config.crl_grace = Duration::from_secs(3600);
    assert!(with(&mut config, both.clone(), soon).is_ok(), "within the grace");
    let after = with(&mut config, both.clone(), soon + 3600);
    assert_eq!(after, Err(CertificateFault::StaleList));
    let mixed = vec![root.crl(&[], soon + DAY), both[1].clone()];
    assert_eq!(
        with(&mut config, mixed, soon + 3600),
        Err(CertificateFault::StaleList),
        "one of them"
    );
    let revoked = vec![root.crl(&[], soon + DAY), middle.crl(&[7], soon)];
    assert_eq!(
        with(&mut config, revoked, soon),
        Err(CertificateFault::Revoked),
        "in the grace too"
    );
}

#[test]
fn a_revoked_key_stays_so_in_another_certificate_and_at_every_level() {
    let root = Ca::new("root");
    let middle = root.below("middle");
    let config = middle.issue(&Wish::dns("a.example")).config(&[&middle], &[&root]);
    let key_of = |der: &CertificateDer<'static>| {
        let (_, read) = x509_parser::parse_x509_certificate(der).unwrap();
        SpkiHash::of(read.public_key().raw)
    };
    for der in [&config.chain[0], &middle.der(), &root.der()] {
        let found = judge(&config, &config.chain, vec![key_of(der)], START);
        assert_eq!(found, Err(CertificateFault::Revoked));
    }
}

#[test]
fn what_cannot_be_used_is_refused_at_once() {
    let root = Ca::new("root");
    let [one, other] = ["a.example", "b.example"].map(|name| root.issue(&Wish::dns(name)));
    let good = one.config(&[], &[&root]);
    assert_eq!(good.judge(START), Ok([None, None]));
    let expired = Some(CertificateFault::Expired(START + 30 * DAY));
    assert_eq!(judge_own(&good, START + 31 * DAY), Ok([expired.clone(), expired]));
    let swapped = TlsConfig {
        key: other.config(&[], &[]).key,
        ..one.config(&[], &[&root])
    };
    assert_eq!(swapped.check(), Err(TlsFault::KeyMismatch));
    assert_eq!(one.config(&[], &[]).check(), Err(TlsFault::NoAuthority));
    let none = TlsConfig {
        chain: Vec::new(),
        ..one.config(&[], &[&root])
    };
    assert_eq!(none.check(), Err(TlsFault::NoCertificate));
    let garbage = TlsConfig {
        crls: vec![vec![1, 2, 3].into()],
        ..one.config(&[], &[&root])
    };
    assert!(matches!(garbage.check(), Err(TlsFault::Authority(_))));
}

/// Gives a listener all that a dialer has to say.
fn feed(dialer: &mut ClientConnection, listener: &mut Connection, offset: &mut u16) -> Result<(), Broken> {
    let mut bytes = Vec::new();
    while dialer.wants_write() {
        dialer.write_tls(&mut bytes).unwrap();
    }
    let part = Part {
        offset: *offset,
        received: 0,
        bytes: &bytes,
    };
    *offset += u16::try_from(bytes.len()).unwrap();
    listener.take(&part)
}

#[test]
fn an_update_of_keys_and_a_second_message_end_a_handshake() {
    let root = Ca::new("root");
    let endpoint = |name| {
        let config = root.issue(&Wish::dns(name)).config(&[], &[&root]);
        Endpoint::new(&config, Vec::new()).unwrap()
    };
    let (one, other) = (endpoint("a.example"), endpoint("b.example"));
    for updates in [false, true] {
        let (mut dialer, _) = one.client(CertificateName::dns("b.example"), START).unwrap();
        let (tls, _) = other.server(START).unwrap();
        let (mut listener, mut offset) = (Connection::new(tls, OFFER_LEN), 0);
        feed(&mut dialer, &mut listener, &mut offset).unwrap();
        let mut answer = Vec::new();
        while let Some(part) = listener.next() {
            answer.extend_from_slice(part.bytes);
        }
        let mut rest = &answer[..];
        while !rest.is_empty() {
            dialer.read_tls(&mut rest).unwrap();
            dialer.process_new_packets().unwrap();
        }
        feed(&mut dialer, &mut listener, &mut offset).unwrap();
        assert!(listener.is_established());
        if updates {
            dialer.refresh_traffic_keys().unwrap();
        } else {
            dialer.writer().write_all(&[1; OFFER_LEN]).unwrap();
            feed(&mut dialer, &mut listener, &mut offset).unwrap();
            assert_eq!(listener.message(), Some(&[1; OFFER_LEN][..]));
            dialer.writer().write_all(&[1]).unwrap();
        }
        let taken = feed(&mut dialer, &mut listener, &mut offset);
        assert!(matches!(taken, Err(Broken::Surplus)), "{taken:?}");
    }
}
