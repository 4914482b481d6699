//! The commands of `docs/keys.md`, run as they stand there.

use std::path::Path;

use crate::bench::{Bench, Run, finish};
use crate::verifier::accepts;

const PAGE: &str = include_str!("../../../docs/keys.md");

/// The commands of a section, block by block.
fn blocks(heading: &str) -> Vec<&'static str> {
    let section = PAGE
        .split("\n## ")
        .find(|section| section.starts_with(&format!("{heading}\n")))
        .unwrap_or_else(|| panic!("no section {heading:?} in docs/keys.md"));
    let parts = section.split("```sh\n").skip(1);
    parts.map(|part| part.split("```").next().unwrap()).collect()
}

/// Runs a block in a shell that finds the tool.
fn run(bench: &Bench, block: &str) -> Run {
    let tools = Path::new(env!("CARGO_BIN_EXE_aoe-keys")).parent().unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let run = finish(bench.shell(&format!("set -eu\n{block}")).env("PATH", path));
    assert_eq!(run.code, Some(0), "{block}\n{run:?}");
    run
}

#[test]
fn the_pairing_of_the_page() {
    let bench = Bench::new();
    let [commands] = blocks("Pairing")[..] else {
        panic!("other blocks than expected")
    };

    let told = run(&bench, commands).stdout;

    for line in [
        "site-b is a peer now, by invitation ",
        "backup of site-b will be e107.3 on san (read-write).",
        "site-a is a peer now, by invitation ",
        "site-a may use backup (read-write).",
    ] {
        assert!(told.contains(line) && PAGE.contains(line), "{line}: {told}");
    }
}

#[test]
fn the_private_ca_of_the_page() {
    let bench = Bench::new();
    let [init, request, list] = blocks("A private CA")[..] else {
        panic!("other blocks than expected")
    };

    let told = run(&bench, init).stdout;
    run(&bench, request);
    run(&bench, list);

    assert!(told.contains("CN=Storage CA: valid until "), "{told}");
    for site in ["site-a.crt", "site-b.crt", "site-c.crt"] {
        assert!(accepts(&bench, "ca/ca.crt", "ca/ca.crl", site), "{site}");
    }
    assert_eq!(bench.mode("site-c.tls.key") & 0o077, 0);
}

#[test]
fn the_foreign_pki_of_the_page() {
    let bench = Bench::new();
    let [make, revoke] = blocks("A PKI that you have")[..] else {
        panic!("other blocks than expected")
    };

    let told = run(&bench, make).stdout;

    assert_eq!(told.matches(": good, ").count(), 4, "{told}");
    assert!(
        told.contains("names dns:b.example uri:spiffe://example/b"),
        "{told}"
    );
    assert!(!told.contains("warning"), "{told}");
    let verify = [
        "verify",
        "-crl_check_all",
        "-x509_strict",
        "-purpose",
        "sslclient",
        "-CAfile",
        "root.crt",
        "-untrusted",
        "intermediate.crt",
        "-CRLfile",
        "ca.crl",
        "leaf.crt",
    ];
    bench.openssl(&verify);
    assert!(accepts(&bench, "root.crt", "ca.crl", "site-b.crt"));

    run(&bench, revoke);

    assert!(bench.try_openssl(&verify).stderr.contains("certificate revoked"));
    assert!(!accepts(&bench, "root.crt", "ca.crl", "site-b.crt"));
    assert!(bench.succeed(&["check", "ca.crl"]).contains("revokes 1"));
}
