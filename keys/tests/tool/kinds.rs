//! `aoe-keys check` on every kind of file.

use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};
use serde_json::Value;

use crate::bench::Bench;

#[test]
fn every_kind_of_file_is_named_with_what_there_is_to_know() {
    let bench = Bench::new();
    bench.succeed(&["generate", "--out", "a.key"]);
    bench.succeed(&["public", "a.key", "--out", "a.pub"]);
    bench.succeed(&["psk", "--out", "a.psk"]);
    bench.succeed(&["ca", "init"]);
    bench.succeed(&["ca", "issue", "site-a"]);
    bench.openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-out", "sec1.key"]);
    bench.openssl(&["genrsa", "-traditional", "-out", "pkcs1.key", "2048"]);
    bench.openssl(&[
        "req", "-new", "-key", "sec1.key", "-subj", "/CN=x", "-out", "x.csr",
    ]);
    for key in ["sec1.key", "pkcs1.key"] {
        bench.set_mode(key, 0o600);
    }
    bench.write(
        "both.pem",
        &format!("{}{}", bench.read("site-a.crt"), bench.read("site-a.tls.key")),
        0o600,
    );
    bench.write(
        "to-a.invite",
        "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n",
        0o644,
    );
    bench.write(
        "age.key",
        &format!("# made\nAGE-SECRET-KEY-1{}\n", "Q".repeat(58)),
        0o600,
    );
    bench.write("age.pub", "age1qqq\n", 0o644);
    let hash = format!("spki-sha256:{}", "0f".repeat(32));
    let revoked = format!(
        "[[revoked]]\nwhat = \"{}\"\nname = \"b\"\n\n[[revoked]]\nwhat = \"{hash}\"\n",
        bench.read("a.pub").trim()
    );
    bench.write("revoked.toml", &revoked, 0o644);
    bench.write("gateway.toml", "# ours\n[gateway]\nname = \"a\"\n", 0o644);

    for (file, kind, fingerprint) in [
        ("a.key", "secret", true),
        ("a.pub", "public", true),
        ("a.psk", "psk", true),
        ("ca/ca.crt", "ca", true),
        ("ca/ca.crl", "crl", false),
        ("ca/ca.key", "certificate-key", true),
        ("site-a.crt", "certificate", true),
        ("site-a.tls.key", "certificate-key", true),
        ("sec1.key", "certificate-key", true),
        ("pkcs1.key", "certificate-key", true),
        ("both.pem", "certificate", true),
        ("x.csr", "certificate-request", false),
        ("to-a.invite", "invitation", false),
        ("age.key", "age-identity", false),
        ("age.pub", "age-recipient", false),
        ("revoked.toml", "revoked", false),
        ("gateway.toml", "configuration", false),
    ] {
        let found = &check(&bench, &[file], 0)[0];
        assert_eq!(
            (&found["kind"], &found["good"]),
            (&Value::from(kind), &Value::Bool(true)),
            "{file}: {found}"
        );
        assert_eq!(found["fingerprint"].is_string(), fingerprint, "{file}: {found}");
        assert!(found["owner"].is_string() && found["mode"].is_string(), "{found}");
    }

    let found = check(&bench, &["site-a.crt", "site-a.tls.key"], 0);
    assert_eq!(found[0]["fingerprint"], found[1]["fingerprint"]);
    assert_eq!(found[0]["parts"][0]["names"], serde_json::json!(["dns:site-a"]));
    assert_eq!(
        found[0]["notes"],
        serde_json::json!(["its private key is site-a.tls.key"])
    );
    let text = bench.succeed(&["check", "site-a.crt"]);
    assert!(
        text.contains("\n  certificate, of CN=site-a, by CN=AoE gateways, names dns:site-a, serial ")
            && text.starts_with("site-a.crt: good, kind certificate, fingerprint spki-sha256:"),
        "{text}"
    );
}

#[test]
fn what_must_be_closed_is_closed() {
    let bench = Bench::new();
    bench.succeed(&["ca", "init"]);
    bench.succeed(&["ca", "issue", "site-a"]);
    bench.write(
        "both.pem",
        &format!("{}{}", bench.read("site-a.crt"), bench.read("site-a.tls.key")),
        0o644,
    );
    bench.write("age.key", "AGE-SECRET-KEY-1Q\n", 0o644);
    bench.set_mode("site-a.tls.key", 0o640);
    bench.set_mode("site-a.crt", 0o664);

    for (file, command) in [
        ("both.pem", "chmod 600 both.pem"),
        ("age.key", "chmod 600 age.key"),
        ("site-a.tls.key", "chmod 600 site-a.tls.key"),
        ("site-a.crt", "chmod 644 site-a.crt"),
    ] {
        let found = &check(&bench, &[file], 77)[0];
        assert_eq!(found["faults"][0]["mending_command"], command, "{found}");
    }
}

#[test]
fn ends_are_warned_of_and_what_has_ended_is_a_fault() {
    let bench = Bench::new();
    bench.succeed(&["ca", "init"]);
    for (name, years) in [
        ("old", (2019, 2020)),
        ("far", (2020, 2190)),
        ("young", (2190, 2191)),
    ] {
        let mut params = CertificateParams::new(vec![format!("{name}.example")]).unwrap();
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let pem = params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
        bench.write(name, &pem, 0o644);
    }
    bench.succeed(&["ca", "issue", "site-a", "--days", "365"]);
    bench.succeed(&["ca", "crl", "--days", "365"]);

    let old = &check(&bench, &["old"], 65)[0];
    assert!(
        old["faults"][0]["message"]
            .as_str()
            .unwrap()
            .contains("it expired "),
        "{old}"
    );
    let young = &check(&bench, &["young"], 65)[0];
    assert!(
        young["faults"][0]["message"]
            .as_str()
            .unwrap()
            .contains("counts only from 2190-01-01"),
        "{young}"
    );
    for (days, word) in [(25, "25 days"), (6, "6 days"), (1, "hours")] {
        let mut params = CertificateParams::new(vec![String::from("near.example")]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "near");
        params.not_before = date_time_ymd(2020, 1, 1);
        // An hour less or more must not matter.
        let left = Duration::from_secs(days * 86_400 + if days == 1 { 0 } else { 3600 });
        params.not_after = date_time_ymd(1970, 1, 1) + SystemTime::UNIX_EPOCH.elapsed().unwrap() + left;
        let pem = params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
        bench.write("near", &pem, 0o644);
        let near = &check(&bench, &["near"], 0)[0];
        let warning = near["warnings"][0]["message"].as_str().unwrap();
        assert!(
            warning.starts_with("CN=near: it expires in ") && warning.contains(word),
            "{near}"
        );
        assert_eq!(near["warnings"][0]["mending_command"], "aoe-keys ca renew near");
    }
    let good = check(&bench, &["far", "site-a.crt", "ca/ca.crl"], 0);
    assert!(
        good.as_array()
            .unwrap()
            .iter()
            .all(|found| found["warnings"] == serde_json::json!([])),
        "{good}"
    );
}

#[test]
fn faults_say_what_was_found_and_what_to_do() {
    let bench = Bench::new();
    bench.succeed(&["ca", "init"]);
    bench.succeed(&["ca", "issue", "site-a"]);
    bench.succeed(&["ca", "issue", "site-b"]);
    bench.openssl(&["x509", "-in", "site-a.crt", "-outform", "DER", "-out", "a.der"]);
    bench.openssl(&[
        "pkey",
        "-in",
        "site-a.tls.key",
        "-aes128",
        "-passout",
        "pass:x",
        "-out",
        "locked.key",
    ]);
    bench.set_mode("locked.key", 0o600);
    bench.write(
        "mixed.pem",
        &format!("{}{}", bench.read("site-a.crt"), bench.read("site-b.tls.key")),
        0o600,
    );
    bench.write("cut.crt", &bench.read("site-a.crt")[..200], 0o600);
    bench.write(
        "ssh.key",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        0o600,
    );
    bench.write(
        "revoked.toml",
        "[[revoked]]\nwhat = \"me\"\nname = \"\\u001b[2J\"\n",
        0o644,
    );
    bench.write("broken.toml", "[[revoked]]\nwhat = \n", 0o644);

    for (file, part) in [
        ("locked.key", "openssl pkey -in FILE -out NEW-FILE"),
        ("mixed.pem", "is not that of its first certificate"),
        ("cut.crt", "line 1: the section that begins here has no end"),
        ("ssh.key", "but a key of SSH"),
        (
            "revoked.toml",
            "entry 1 (\\u{1b}[2J): `what` is neither a public key",
        ),
        ("broken.toml", "line 2"),
    ] {
        let run = bench.run(&["check", file]);
        assert_eq!(run.code, Some(65), "{file}: {run:?}");
        assert!(run.stdout.contains(part), "{file}: {run:?}");
    }
    assert_eq!(
        bench.run(&["check", "a.der"]).code,
        Some(77),
        "not told apart, so held to the demands on a secret"
    );
    bench.set_mode("a.der", 0o600);
    assert_eq!(bench.run(&["check", "a.der"]).code, Some(65));
}

#[test]
fn a_look_writes_nothing() {
    let bench = Bench::new();
    bench.succeed(&["ca", "init"]);
    let before: Vec<_> = bench.names();
    let index = bench.read("ca/index.toml");
    bench.succeed(&["check", "ca/ca.crt", "ca/ca.crl", "ca/ca.key"]);
    bench.succeed(&["ca", "list", "--all"]);
    assert_eq!((bench.names(), bench.read("ca/index.toml")), (before, index));
}

fn check(bench: &Bench, files: &[&str], code: i32) -> Value {
    let run = bench.run(&[&["check", "--json"], files].concat());
    assert_eq!(run.code, Some(code), "{files:?}: {run:?}");
    serde_json::from_str(&run.stdout).unwrap()
}
