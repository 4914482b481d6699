use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber, date_time_ymd,
};

use super::*;
use crate::SpkiHash;

#[test]
fn a_certificate_says_who_until_when_and_for_what() {
    let pem = leaf(&["b.example"], &["spiffe://x/b"]);

    let found = certificates(pem.as_bytes()).unwrap();

    let [found] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        (found.subject.as_str(), found.issuer.as_str()),
        ("CN=b", "CN=root")
    );
    assert_eq!(
        found.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["dns:b.example", "uri:spiffe://x/b"]
    );
    // 2026-01-01 and 2027-01-01.
    assert_eq!(
        (found.not_before, found.not_after),
        (1_767_225_600, 1_798_761_600)
    );
    assert!(!found.is_ca && !found.is_self_issued && found.may_call() && !found.may_serve());
    assert_eq!(found.serial, "0a:0b");
}

#[test]
fn a_root_is_a_ca() {
    let root = root();
    let found = certificates(root.pem().as_bytes()).unwrap();

    let [found] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert!(found.is_ca && found.is_self_issued && found.signs_certificates && found.signs_crls);
    assert_eq!((found.path_len, found.extended_use), (Some(0), None));
}

#[test]
fn a_renewed_certificate_of_one_key_keeps_its_hash() {
    let key = KeyPair::generate().unwrap();
    let of = |day| {
        let mut params = CertificateParams::new(vec![String::from("b.example")]).unwrap();
        params.not_after = date_time_ymd(2027, 1, day);
        let pem = params.self_signed(&key).unwrap().pem();
        certificates(pem.as_bytes()).unwrap()[0].spki
    };

    assert_eq!(of(1), of(2));
    assert_eq!(private_key(key.serialize_pem().as_bytes()).unwrap().spki, of(1));
    assert_ne!(SpkiHash::of(b""), of(1));
}

#[test]
fn keys_of_all_algorithms_are_read_and_shown_by_none() {
    let cases = [
        (&rcgen::PKCS_ED25519, KeyAlgorithm::Ed25519),
        (&rcgen::PKCS_ECDSA_P256_SHA256, KeyAlgorithm::P256),
        (&rcgen::PKCS_ECDSA_P384_SHA384, KeyAlgorithm::P384),
        (&rcgen::PKCS_ECDSA_P521_SHA512, KeyAlgorithm::P521),
    ];
    for (of, algorithm) in cases {
        let key = KeyPair::generate_for(of).unwrap();
        let found = private_key(key.serialize_pem().as_bytes()).unwrap();
        assert_eq!(found.algorithm, algorithm);
        assert_eq!(found.der().secret_der(), key.serialized_der());
        assert_eq!(
            format!("{found:?}"),
            format!("PrivateKey({}, hidden)", algorithm.name())
        );
    }
}

#[test]
fn a_list_says_whose_it_is_and_when_the_next_is_due() {
    let pem = crl();
    let found = crls(pem.as_bytes()).unwrap();

    let [found] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(found.issuer, "CN=root");
    assert_eq!(
        (found.this_update, found.next_update),
        (1_767_225_600, Some(1_769_904_000))
    );
    assert_eq!((found.number.as_deref(), found.revoked), (Some("1193046"), 2));
}

#[test]
fn text_around_sections_and_dos_line_ends_are_passed_over() {
    let (a, b) = (leaf(&["a.example"], &[]), leaf(&["b.example"], &[]));
    let file = format!(
        "Certificate:\n  Data \u{e4}\n{a}\r\n\r\n{}-- end\n",
        b.replace('\n', "\r\n")
    );

    let found = certificates(file.as_bytes()).unwrap();

    let names: Vec<_> = found
        .iter()
        .flat_map(|found| &found.names)
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["dns:a.example", "dns:b.example"]);
}

#[test]
fn each_fault_says_where_and_what() {
    let good = leaf(&["b.example"], &[]);
    let key = KeyPair::generate().unwrap().serialize_pem();
    let cut = good.replace("-----END CERTIFICATE-----", "");
    let wrong = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let said = |result: Result<Vec<Certificate>, X509Fault>| result.unwrap_err().to_string();

    assert!(said(certificates(b"hello")).starts_with("there is no PEM text in it"));
    assert!(said(certificates(&[0x30, 0x82])).contains("openssl x509 -inform DER"));
    assert_eq!(
        said(certificates(cut.as_bytes())),
        "line 1: the section that begins here has no end"
    );
    assert_eq!(
        said(certificates(format!("\n{cut}{good}").as_bytes())),
        "line 2: the section that begins here has no end"
    );
    assert!(said(certificates(format!("{good}{wrong}").as_bytes())).contains("not a certificate: "));
    assert!(
        said(certificates(wrong.replace("AA", "*").as_bytes()))
            .starts_with("line 1: what follows is not base64")
    );
    assert_eq!(
        said(certificates(key.as_bytes())),
        "there is not a certificate in it, but a private key"
    );
    assert_eq!(
        said(certificates(good.repeat(MOST_SECTIONS + 1).as_bytes())),
        format!(
            "line {}: this is the 65th section; at most 64 are read",
            good.lines().count() * 64 + 1
        )
    );
    assert!(matches!(
        private_key(format!("{key}{key}").as_bytes()),
        Err(X509Fault::SeveralKeys { line: 6 })
    ));
    assert!(matches!(
        private_key(key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY").as_bytes()),
        Err(X509Fault::Encrypted { line: 1 })
    ));
    let old =
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    assert!(matches!(
        private_key(old.as_bytes()),
        Err(X509Fault::Encrypted { line: 1 })
    ));
    let junk = wrong.replace("CERTIFICATE", "PRIVATE KEY");
    assert!(matches!(
        private_key(junk.as_bytes()),
        Err(X509Fault::UnusableKey { line: 1, .. })
    ));
}

#[test]
fn names_are_taken_in_two_kinds_and_shown_without_what_a_terminal_obeys() {
    for (text, shown) in [
        ("dns:B.example", Some("dns:b.example")),
        ("uri:spiffe://x/b", Some("uri:spiffe://x/b")),
        ("spiffe://x/b", Some("uri:spiffe://x/b")),
        ("urn:x", None),
        ("uri:urn:x", Some("uri:urn:x")),
        ("b.example", None),
        ("dns:*.example", None),
        ("dns:-b", None),
        ("dns:", None),
        ("uri:spiffe://x/\u{e4}", None),
        ("uri:x", None),
        ("ip:192.0.2.1", None),
    ] {
        let found = text.parse::<San>().ok().map(|name| name.to_string());
        assert_eq!(found.as_deref(), shown, "{text}");
    }
    assert_eq!(name::printable("a\u{1b}[2J\u{202e}b"), "a\u{fffd}[2J\u{fffd}b");
}

#[test]
fn no_cut_and_no_changed_byte_ends_in_a_panic() {
    for (label, pem) in [
        (Label::Certificate, leaf(&["b.example"], &["spiffe://x/b"])),
        (Label::Crl, crl()),
    ] {
        let sections = sections(pem.as_bytes()).unwrap();
        let der = sections[0].der().unwrap();
        let read = |der: &[u8]| match label {
            Label::Crl => Crl::from_der(der.to_vec()).is_ok(),
            _ => Certificate::from_der(der.to_vec()).is_ok(),
        };
        assert!(read(&der));
        for len in 0..der.len() {
            assert!(!read(&der[..len]), "{label:?} {len}");
        }
        for at in 0..der.len() {
            for bit in 0..8 {
                let mut changed = der.clone();
                changed[at] ^= 1 << bit;
                read(&changed);
            }
        }
        let mut longer = der.clone();
        longer.push(0);
        assert!(!read(&longer));
    }
}

fn root() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("root");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn leaf(dns: &[&str], uris: &[&str]) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("b");
    let dns = dns
        .iter()
        .map(|name| SanType::DnsName((*name).try_into().unwrap()));
    let uris = uris.iter().map(|name| SanType::URI((*name).try_into().unwrap()));
    params.subject_alt_names = dns.chain(uris).collect();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params.serial_number = Some(SerialNumber::from_slice(&[10, 11]));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
        .signed_by(&KeyPair::generate().unwrap(), &root())
        .unwrap()
        .pem()
}

fn crl() -> String {
    let revoked = |serial: &[u8]| RevokedCertParams {
        serial_number: SerialNumber::from_slice(serial),
        revocation_time: date_time_ymd(2026, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(2026, 2, 1),
        crl_number: SerialNumber::from_slice(&[0x12, 0x34, 0x56]),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked(&[1]), revoked(&[2])],
        key_identifier_method: KeyIdMethod::Sha256,
    }
    .signed_by(&root())
    .unwrap()
    .pem()
    .unwrap()
}

fn named(name: &str) -> rcgen::DistinguishedName {
    let mut names = rcgen::DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}
