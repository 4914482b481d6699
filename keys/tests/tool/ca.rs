//! `aoe-keys ca`, judged by OpenSSL and by rustls.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::bench::{Bench, Run, finish};
use crate::verifier::accepts;

#[test]
fn openssl_and_rustls_accept_a_chain_until_it_is_revoked() {
    for algorithm in ["p256", "p384", "ed25519"] {
        let bench = Bench::new();
        bench.succeed(&["ca", "init", "--algorithm", algorithm, "--name", "Storage CA"]);
        bench.succeed(&["ca", "issue", "site-a", "--algorithm", algorithm]);
        bench.succeed(&[
            "ca",
            "issue",
            "site-b",
            "--name",
            "uri:spiffe://example/b",
            "--name",
            "dns:b.example",
        ]);

        for purpose in ["sslserver", "sslclient"] {
            for site in ["site-a.crt", "site-b.crt"] {
                assert_eq!(
                    verify(&bench, purpose, site).code,
                    Some(0),
                    "{algorithm} {purpose} {site}"
                );
            }
        }
        assert!(rustls_accepts(&bench, "site-a.crt") && rustls_accepts(&bench, "site-b.crt"));

        bench.succeed(&["ca", "revoke", "site-a", "--reason", "key-compromise"]);

        let refused = verify(&bench, "sslclient", "site-a.crt");
        assert_ne!(refused.code, Some(0));
        assert!(refused.stderr.contains("certificate revoked"), "{refused:?}");
        assert!(!rustls_accepts(&bench, "site-a.crt"), "{algorithm}");
        assert_eq!(verify(&bench, "sslclient", "site-b.crt").code, Some(0));
        assert!(rustls_accepts(&bench, "site-b.crt"));
        let list = bench.openssl(&["crl", "-in", "ca/ca.crl", "-noout", "-text"]);
        assert!(
            list.contains("Key Compromise") && list.contains("X509v3 CRL Number: \n                2"),
            "{list}"
        );
    }
}

#[test]
fn keys_and_lists_are_closed_and_the_certificate_says_what_it_is_for() {
    let bench = Bench::new();
    bench.succeed(&["ca", "init"]);
    bench.succeed(&["ca", "issue", "site-a"]);

    assert_eq!(bench.mode("ca"), 0o700);
    assert_eq!(
        [bench.mode("ca/ca.key"), bench.mode("site-a.tls.key")],
        [0o600; 2]
    );
    assert_eq!(
        [
            bench.mode("ca/ca.crt"),
            bench.mode("ca/ca.crl"),
            bench.mode("site-a.crt")
        ],
        [0o644; 3]
    );
    let text = bench.openssl(&["x509", "-in", "site-a.crt", "-noout", "-text"]);
    for part in [
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "DNS:site-a",
        "X509v3 Authority Key Identifier",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    let ca = bench.openssl(&["x509", "-in", "ca/ca.crt", "-noout", "-text"]);
    for part in ["CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign"] {
        assert!(ca.contains(part), "{part} is missing in {ca}");
    }
    bench.succeed(&[
        "check",
        "ca/ca.key",
        "ca/ca.crt",
        "ca/ca.crl",
        "site-a.crt",
        "site-a.tls.key",
    ]);
}

#[test]
fn requests_made_by_openssl_are_issued_and_their_private_keys_stay_where_they_are() {
    let bench = Bench::new();
    bench.succeed(&["ca", "init"]);
    for (name, key) in [
        ("rsa", &["-newkey", "rsa:2048"] as &[_]),
        ("p256", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]),
        ("ed25519", &["-newkey", "ed25519"]),
    ] {
        let (csr, own) = (format!("{name}.csr"), format!("{name}.key"));
        let head = [
            "req",
            "-new",
            "-nodes",
            "-subj",
            "/CN=whatever",
            "-keyout",
            &own,
            "-out",
            &csr,
        ];
        // What it asks for beside its names is not given: not to be a CA, not another use.
        let asked = [
            "-addext",
            "subjectAltName=DNS:b.example,URI:spiffe://example/b,IP:192.0.2.1",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
        ];
        bench.openssl(&[&head, key, &asked].concat());

        let issued = json(&bench.succeed(&["--json", "ca", "issue", name, "--csr", &csr]));

        assert_eq!(
            issued["names"],
            serde_json::json!(["dns:b.example", "uri:spiffe://example/b"])
        );
        assert_eq!(issued["key"], Value::Null);
        let certificate = format!("{name}.crt");
        assert_eq!(verify(&bench, "sslserver", &certificate).code, Some(0), "{name}");
        assert!(rustls_accepts(&bench, &certificate), "{name}");
        let text = bench.openssl(&["x509", "-in", &certificate, "-noout", "-text"]);
        assert!(text.contains("CA:FALSE") && !text.contains("CA:TRUE"), "{text}");
        let public = |args: &[&str]| bench.openssl(args);
        assert_eq!(
            public(&["x509", "-in", &certificate, "-noout", "-pubkey"]),
            public(&["pkey", "-in", &own, "-pubout"])
        );
        bench.set_mode(&own, 0o600);
        let told = bench.succeed(&["check", &certificate, &own]);
        assert!(told.contains(&format!("its private key is {own}")), "{told}");
    }
}

#[test]
fn a_request_whose_signature_is_wrong_is_refused() {
    let bench = Bench::new();
    bench.succeed(&["ca", "init"]);
    bench.openssl(&[
        "req", "-new", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x", "-keyout", "k", "-out", "good.csr",
    ]);
    let der = bench.path("csr.der");
    bench.openssl(&["req", "-in", "good.csr", "-outform", "DER", "-out", "csr.der"]);
    let mut bytes = fs::read(&der).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&der, bytes).unwrap();
    bench.openssl(&["req", "-inform", "DER", "-in", "csr.der", "-out", "bad.csr"]);

    let refused = bench.run(&["ca", "issue", "x", "--csr", "bad.csr"]);

    assert_eq!(refused.code, Some(65), "{refused:?}");
    assert!(
        refused.stderr.contains("its signature cannot be verified"),
        "{refused:?}"
    );
    assert_eq!(
        json(&bench.succeed(&["--json", "ca", "list"]))["certificates"],
        serde_json::json!([])
    );
    bench.succeed(&["ca", "issue", "x", "--csr", "good.csr"]);
}

#[test]
fn nothing_is_overwritten_and_what_was_refused_leaves_no_trace() {
    let bench = Bench::new();
    bench.succeed(&["ca", "init"]);
    bench.succeed(&["ca", "issue", "site-a"]);
    let all = [
        "ca/ca.key",
        "ca/ca.crt",
        "ca/ca.crl",
        "ca/index.toml",
        "site-a.crt",
        "site-a.tls.key",
    ];
    let before = all.map(|name| bench.read(name));

    for (args, code, part) in [
        (&["ca", "init"] as &[_], 73, "is not empty"),
        (&["ca", "issue", "site-a"], 73, "aoe-keys ca renew site-a"),
        (
            &["ca", "issue", "site-b", "--out", "site-a.crt"],
            73,
            "site-a.crt exists already",
        ),
        (
            &["ca", "issue", "site-b", "--out-key", "site-a.tls.key"],
            73,
            "site-a.tls.key exists already",
        ),
        (
            &["ca", "renew", "site-a", "--new-key"],
            73,
            "site-a.tls.key exists already",
        ),
        (
            &["ca", "renew", "site-a", "--out", "ca/ca.crt"],
            73,
            "ca/ca.crt exists already",
        ),
        (&["ca", "issue", "../x"], 64, "short name"),
        (&["ca", "issue", "b_b"], 64, "--name dns:b.example"),
        (
            &["ca", "issue", "b", "--name", "*.example"],
            64,
            "expected `dns:`",
        ),
        (&["ca", "revoke", "nobody"], 65, "aoe-keys ca list"),
        (
            &["ca", "list", "--dir", "none"],
            66,
            "aoe-keys ca init --dir none",
        ),
    ] {
        let run = bench.run(args);
        assert_eq!(run.code, Some(code), "{args:?}: {run:?}");
        assert!(run.stderr.contains(part), "{args:?}: {run:?}");
    }

    assert_eq!(all.map(|name| bench.read(name)), before);
    assert_eq!(bench.names(), ["ca", "site-a.crt", "site-a.tls.key"]);
}

#[test]
fn a_renewed_certificate_has_the_names_and_the_key_of_the_old_one() {
    let bench = Bench::new();
    bench.succeed(&["ca", "init"]);
    bench.succeed(&["ca", "issue", "site-a", "--name", "dns:a.example", "--days", "20"]);
    let old = bench.read("site-a.crt");
    fs::remove_file(bench.path("site-a.tls.key")).unwrap();

    let renewed = json(&bench.succeed(&["--json", "ca", "renew", "site-a"]));

    let new = bench.read("site-a.crt");
    assert_ne!(old, new);
    assert_eq!(renewed["names"], serde_json::json!(["dns:a.example"]));
    let list = json(&bench.succeed(&["--json", "ca", "list"]));
    let [first, second] = list["certificates"].as_array().unwrap().as_slice() else {
        panic!("{list}")
    };
    assert_eq!(first["spki"], second["spki"]);
    assert_ne!(first["serial"], second["serial"]);
    // Half of 20 days is longer than a week, and shorter than a month.
    assert_eq!((first.get("warning"), second.get("warning")), (None, None));
    assert!(rustls_accepts(&bench, "site-a.crt"));

    // The old one is ended by its serial, and the new one stays, with its key.
    let old_serial = first["serial"].as_str().unwrap();
    bench.succeed(&["ca", "revoke", old_serial, "--reason", "superseded"]);
    assert!(rustls_accepts(&bench, "site-a.crt"));
    bench.write("old.crt", &old, 0o644);
    assert!(!rustls_accepts(&bench, "old.crt"));
    bench.succeed(&["ca", "renew", "site-a"]);

    // By the file of a certificate, and by a new key.
    bench.succeed(&["ca", "revoke", "site-a.crt"]);
    assert!(!rustls_accepts(&bench, "site-a.crt"));
    let refused = bench.run(&["ca", "renew", "site-a"]);
    assert_eq!(refused.code, Some(65), "{refused:?}");
    assert!(refused.stderr.contains("was revoked on"), "{refused:?}");
    bench.succeed(&["ca", "renew", "site-a", "--new-key"]);
    assert!(rustls_accepts(&bench, "site-a.crt"));
    bench.succeed(&["check", "site-a.crt", "site-a.tls.key"]);
}

#[test]
fn of_many_at_once_each_gets_its_own_and_none_is_lost() {
    let bench = Bench::new();
    bench.succeed(&["ca", "init"]);
    let spawn = |args: &[&str]| -> Child {
        let mut tool = bench.tool();
        tool.args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut children: Vec<Child> = (0..8)
        .map(|index| spawn(&["ca", "issue", &format!("site-{index}")]))
        .collect();
    children.extend((0..4).map(|_| spawn(&["ca", "crl"])));

    for child in children {
        let run = Run::from(child.wait_with_output().unwrap());
        assert_eq!(run.code, Some(0), "{run:?}");
    }

    let list = json(&bench.succeed(&["--json", "ca", "list"]));
    assert_eq!(list["certificates"].as_array().unwrap().len(), 8);
    assert_eq!(list["crl"]["number"], "5");
    for index in 0..8 {
        assert!(rustls_accepts(&bench, &format!("site-{index}.crt")));
    }
}

#[test]
fn a_command_that_is_killed_at_any_moment_leaves_a_ca_that_works() {
    let bench = Bench::new();
    bench.succeed(&["ca", "init"]);
    for round in 0..12 {
        let name = format!("site-{round}");
        let mut child = bench
            .tool()
            .args(["ca", "issue", &name])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(round));
        let _ = child.kill();
        child.wait().unwrap();

        bench.succeed(&["ca", "list"]);
        bench.succeed(&["check", "ca/ca.key", "ca/ca.crt", "ca/ca.crl"]);
    }
    // Whatever the index knows has a copy, by which it can be renewed.
    let list = json(&bench.succeed(&["--json", "ca", "list"]));
    for listed in list["certificates"].as_array().unwrap() {
        let name = listed["name"].as_str().unwrap();
        bench.succeed(&["ca", "renew", name, "--out", &format!("again-{name}.crt")]);
    }
    bench.succeed(&["ca", "issue", "last"]);
    assert!(rustls_accepts(&bench, "last.crt"));
}

#[test]
fn a_list_that_is_older_than_the_index_is_told_and_mended() {
    let bench = Bench::new();
    bench.succeed(&["ca", "init"]);
    bench.succeed(&["ca", "issue", "site-a"]);
    let old = bench.read("ca/ca.crl");
    bench.succeed(&["ca", "revoke", "site-a"]);
    // As if it had been killed between the two files.
    bench.write("ca/ca.crl", &old, 0o644);

    let told = bench.succeed(&["ca", "list"]);
    assert!(
        told.contains("older than index.toml; run: aoe-keys ca crl --dir ca"),
        "{told}"
    );

    bench.succeed(&["ca", "crl", "--days", "3"]);
    assert!(!rustls_accepts(&bench, "site-a.crt"));
    assert!(!bench.succeed(&["ca", "list"]).contains("warning"));
}

#[test]
fn files_of_a_ca_that_do_not_belong_together_are_refused() {
    let bench = Bench::new();
    bench.succeed(&["ca", "init"]);
    bench.succeed(&["ca", "init", "--dir", "other"]);
    bench.write("ca/ca.key", &bench.read("other/ca.key"), 0o600);
    let refused = bench.run(&["ca", "issue", "x"]);
    assert_eq!(refused.code, Some(65));
    assert!(refused.stderr.contains("do not belong together"), "{refused:?}");

    bench.set_mode("other/ca.key", 0o640);
    let wide = bench.run(&["ca", "issue", "x", "--dir", "other"]);
    assert_eq!(wide.code, Some(77), "{wide:?}");
    bench.set_mode("other/ca.key", 0o600);
    bench.write("other/index.toml", "version = 1\ncrl_number = \"x\"\n", 0o644);
    let broken = bench.run(&["ca", "issue", "x", "--dir", "other"]);
    assert_eq!(broken.code, Some(65));
    assert!(
        broken.stderr.contains("other/index.toml") && broken.stderr.contains("line 2"),
        "{broken:?}"
    );
    assert_eq!(finish(&mut bench.shell("ls")).stdout, "ca\nother\n");
}

fn verify(bench: &Bench, purpose: &str, file: &str) -> Run {
    bench.try_openssl(&[
        "verify",
        "-x509_strict",
        "-crl_check",
        "-CAfile",
        "ca/ca.crt",
        "-CRLfile",
        "ca/ca.crl",
        "-purpose",
        purpose,
        file,
    ])
}

fn rustls_accepts(bench: &Bench, file: &str) -> bool {
    accepts(bench, "ca/ca.crt", "ca/ca.crl", file)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
