use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use aoe_common::config::CertificateName;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
    date_time_ymd,
};

use crate::clock::unix_time;
use crate::config::{Examined, Severity, examine};

const DAY: Duration = Duration::from_secs(86_400);

type Ca = CertifiedIssuer<'static, KeyPair>;

fn params(name: &str, from: Duration, until: Duration) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(1970, 1, 1) + from;
    params.not_after = date_time_ymd(1970, 1, 1) + until;
    params
}

fn ca(name: &str) -> Ca {
    let now = unix_time();
    let mut params = params(name, now - DAY, now + DAY * 99);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn good() -> CertificateParams {
    let now = unix_time();
    let mut params = params("site-a", now - DAY * 9, now + DAY * 9);
    params.subject_alt_names = vec![SanType::DnsName("site-a".try_into().unwrap())];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::ServerAuth,
    ];
    params
}

fn write(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn crl(ca: &Ca, until: Duration) -> String {
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(1970, 1, 1) + (unix_time() - DAY * 9),
        next_update: date_time_ymd(1970, 1, 1) + until,
        crl_number: SerialNumber::from(1u64),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(ca).unwrap().pem().unwrap()
}

/// A gateway with one peer, which is known by its certificate.
struct Files {
    directory: tempfile::TempDir,
    ca: Ca,
}

const GATEWAY: &str = r#"
[gateway]
name = "site-a"
listen = ["0.0.0.0:34978"]

[tls]
certificate = "a.crt"
key = "a.key"
ca = "ca.crt"
crl = ["ca.crl"]

[[segment]]
name = "san"
nic = "eth1"

[[peer]]
name = "site-b"
transport = "tls"
endpoint = "192.0.2.2:34978"

[[import]]
peer = "site-b"
export = "backup"
segment = "san"
as = "e107.3"
"#;

impl Files {
    fn new(params: CertificateParams) -> Files {
        let directory = tempfile::tempdir().unwrap();
        let ca = ca("The lab");
        let key = KeyPair::generate().unwrap();
        let at = directory.path();
        write(at, "a.crt", &params.signed_by(&key, &ca).unwrap().pem());
        write(at, "a.key", &key.serialize_pem());
        write(at, "ca.crt", &ca.pem());
        write(at, "ca.crl", &crl(&ca, unix_time() + DAY));
        write(at, "gateway.toml", GATEWAY);
        Files { directory, ca }
    }

    fn write(&self, name: &str, text: &str) {
        write(self.directory.path(), name, text);
    }

    fn edit(&self, from: &str, to: &str) {
        assert!(GATEWAY.contains(from));
        self.write("gateway.toml", &GATEWAY.replace(from, to));
    }

    fn examine(&self) -> Examined {
        examine(&self.directory.path().join("gateway.toml"))
    }

    /// What is said at this field.
    fn says(&self, severity: Severity, field: &str) -> String {
        let examined = self.examine();
        let list: Vec<_> = examined.faults.iter().collect();
        let found = list
            .iter()
            .find(|fault| fault.severity == severity && fault.field == field);
        let found = found.unwrap_or_else(|| panic!("nothing at {field}: {list:?}"));
        format!("{}; {}", found.found, found.instead)
    }
}

#[track_caller]
fn fault(files: &Files, field: &str, words: &str) {
    let said = files.says(Severity::Fault, field);
    assert!(said.contains(words), "{said}");
    assert!(files.examine().loaded.is_none());
}

#[track_caller]
fn warning(files: &Files, field: &str, words: &str) {
    let said = files.says(Severity::Warning, field);
    assert!(said.contains(words), "{said}");
    assert!(files.examine().loaded.is_some());
}

#[test]
fn a_gateway_of_certificates_alone_needs_no_key() {
    let files = Files::new(good());
    let loaded = files.examine().loaded.unwrap();
    let tls = loaded.core.tls.unwrap();
    assert_eq!((tls.chain.len(), tls.roots.len(), tls.crls.len()), (1, 1, 1));
    assert!(loaded.core.keys.public().is_empty());
    let peer = loaded.core.peers.values().next().unwrap();
    assert_eq!(
        peer.trust.certificate_name(),
        Some(&CertificateName::dns("site-b"))
    );
    let watched: Vec<_> = loaded
        .origin
        .watched
        .iter()
        .map(|file| file.path.file_name().unwrap())
        .collect();
    for name in ["a.crt", "a.key", "ca.crt", "ca.crl"] {
        assert!(
            watched.contains(&name.as_ref()),
            "{name} counts as soon as it changes"
        );
    }
    files.edit(
        "transport = \"tls\"\n",
        "transport = \"tls\"\ncertificate_name = \"spiffe://Example/b\"\n",
    );
    let loaded = files.examine().loaded.unwrap();
    let peer = loaded.core.peers.values().next().unwrap();
    assert_eq!(
        peer.trust.certificate_name(),
        Some(&CertificateName::uri("spiffe://Example/b"))
    );
}

#[test]
fn what_is_wrong_with_the_files_is_said_at_the_line_that_names_them() {
    let files = Files::new(good());
    files.write("a.key", &KeyPair::generate().unwrap().serialize_pem());
    fault(&files, "tls.key", "this is the key of another certificate");
    let files = Files::new(good());
    fs::set_permissions(
        files.directory.path().join("a.key"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    fault(&files, "tls.key", "chmod 600");
    let files = Files::new(good());
    files.write("ca.crt", "nothing");
    fault(&files, "tls.ca", "there is no PEM text in it");
    let files = Files::new(good());
    let leaf = fs::read_to_string(files.directory.path().join("a.crt")).unwrap();
    files.write("ca.crt", &leaf);
    fault(&files, "tls.ca", "is not that of an authority");
    files.write("ca.crt", &files.ca.pem());
    files.write("a.crt", &files.ca.pem());
    fault(&files, "tls.certificate", "is that of an authority");
    let mut nameless = good();
    nameless.subject_alt_names.clear();
    fault(
        &Files::new(nameless),
        "tls.certificate",
        "has no name by which a peer could know it",
    );
    let mut server = good();
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    fault(
        &Files::new(server),
        "tls.certificate",
        "has no clientAuth, so it cannot call",
    );
    let mut other = good();
    other.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    fault(
        &Files::new(other),
        "tls.certificate",
        "neither clientAuth nor serverAuth",
    );
}

#[test]
fn what_passes_with_time_is_a_warning() {
    let mut expired = good();
    expired.not_after = date_time_ymd(1970, 1, 1) + (unix_time() - DAY);
    warning(
        &Files::new(expired),
        "tls.certificate",
        "our certificate has expired",
    );
    let files = Files::new(good());
    files.write("ca.crl", &crl(&files.ca, unix_time() - DAY));
    warning(&files, "tls.crl[0]", "is stale");
    files.write("ca.crl", &crl(&ca("Another"), unix_time() + 90 * DAY));
    warning(&files, "tls.crl[0]", "which is no authority in `ca`");
    files.write("ca.crl", &crl(&files.ca, unix_time() + DAY));
    warning(&files, "tls.crl[0]", "it expires in 24 hours");
    let files = Files::new(good());
    files.write("ca.crt", &ca("The lab").pem());
    files.edit("crl = [\"ca.crl\"]\n", "");
    warning(&files, "tls.certificate", "our certificate has an unknown issuer");
}

#[test]
fn what_belongs_to_one_transport_does_not_to_the_other() {
    let files = Files::new(good());
    files.edit("transport = \"tls\"\n", "transport = \"tls\"\npsk = \"b.psk\"\n");
    fault(&files, "peer[0].psk", "belongs to transport = \"noise\"");
    files.edit("transport = \"tls\"\n", "certificate_name = \"dns:b\"\n");
    fault(
        &files,
        "peer[0].certificate_name",
        "this peer is known by its key",
    );
    files.edit("transport = \"tls\"\n", "transport = \"tsl\"\n");
    fault(&files, "peer[0].transport", "did you mean \"tls\"?");
    files.edit("transport = \"tls\"\n", "");
    fault(&files, "gateway.key", "[gateway] has no `key`");
    files.edit(
        "transport = \"tls\"\n",
        "transport = \"tls\"\ncertificate_name = \"b.example\"\n",
    );
    fault(&files, "peer[0].certificate_name", "is no name in a certificate");
    files.edit(
        "transport = \"tls\"\n",
        "transport = \"tls\"\ncertificate_name = \"dns:SITE-A\"\n",
    );
    fault(
        &files,
        "peer[0].certificate_name",
        "in this gateway's own certificate",
    );
    files.edit("name = \"site-b\"\n", "name = \"site_b\"\n");
    fault(&files, "peer[0].name", "is no DNS name");
    let without = GATEWAY.split("[tls]").next().unwrap().to_owned()
        + GATEWAY.split("crl = [\"ca.crl\"]\n").nth(1).unwrap();
    files.write("gateway.toml", &without);
    fault(&files, "peer[0].transport", "there is no [tls]");
    let second = GATEWAY.to_owned()
        + "[[peer]]\nname = \"site-c\"\ntransport = \"tls\"\ncertificate_name = \"dns:site-b\"\n";
    files.write("gateway.toml", &second);
    fault(
        &files,
        "peer[1].certificate_name",
        "another peer has the certificate name",
    );
}
