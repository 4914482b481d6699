//! `aoe-keys rotate` and `aoe-keys revoke` where no gateway runs.

use std::fs::File;

use nix::fcntl::{Flock, FlockArg};
use serde_json::Value;

use crate::bench::{Bench, Run};

/// The directory of a gateway with a peer `site-b`; the peer's public key.
fn gateway(bench: &Bench) -> String {
    bench.succeed(&["generate", "--out", "a.key"]);
    bench.succeed(&["generate", "--out", "b.key"]);
    let public = bench.succeed(&["public", "b.key"]).trim().to_owned();
    let text =
        format!("[gateway]\nname = 'site-a'\nkey = 'a.key'\n[[peer]]\nname = 'site-b'\nkey = '{public}'\n");
    bench.write("gateway.toml", &text, 0o644);
    public
}

fn json(run: &Run) -> Value {
    assert_eq!(run.code, Some(0), "{run:?}");
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn a_key_is_revoked_by_each_of_its_names_once() {
    let bench = Bench::new();
    let public = gateway(&bench);
    let print = bench.succeed(&["fingerprint", &public]).trim().to_owned();
    bench.succeed(&["public", "b.key", "--out", "b.pub"]);
    let first = json(&bench.run(&["--json", "revoke", "site-b", "--why", "stolen"]));
    assert_eq!(first["added"][0]["what"], public.as_str());
    assert_eq!(first["added"][0]["name"], "site-b");
    assert_eq!(first["in_force"], Value::Null, "no gateway runs");
    let file = bench.read("revoked.toml");
    for again in [public.as_str(), &print, "b.pub", "site-b"] {
        let run = bench.run(&["revoke", again]);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(run.stderr.contains("was revoked already"), "{run:?}");
        assert_eq!(bench.read("revoked.toml"), file, "{again}");
    }
    let list = bench.succeed(&["revoke", "--list"]);
    assert!(list.contains(&print) && list.contains("site-b: stolen"), "{list}");
}

#[test]
fn a_certificate_is_revoked_by_its_key_however_often_it_is_renewed() {
    let bench = Bench::new();
    gateway(&bench);
    bench.succeed(&["ca", "init", "--name", "CA"]);
    bench.succeed(&["ca", "issue", "site-c"]);
    let first = json(&bench.run(&["--json", "revoke", "site-c.crt"]));
    assert!(
        first["added"][0]["what"]
            .as_str()
            .unwrap()
            .starts_with("spki-sha256:"),
        "{first}"
    );
    // The same certificate in other bytes.
    bench.openssl(&["x509", "-in", "site-c.crt", "-out", "again.crt", "-text"]);
    let again = json(&bench.run(&["--json", "revoke", "again.crt"]));
    assert_eq!(again["added"], Value::Array(Vec::new()));
    assert_eq!(again["already"][0]["what"], first["added"][0]["what"]);
}

#[test]
fn what_is_no_key_is_refused_with_what_there_is() {
    let bench = Bench::new();
    gateway(&bench);
    for (words, code, expected) in [
        (
            vec!["revoke", "site-c"],
            65,
            "no peer and no file; site-a knows by a key: site-b",
        ),
        (vec!["revoke"], 64, "KEY|NAME|CERT"),
        (vec!["revoke", "site-b", "--why", "two\nlines"], 64, "one line"),
        (
            vec!["revoke", "site-b", "--dir", "none"],
            66,
            "--config FILE or --dir DIR",
        ),
        (vec!["rotate", "--at", "tomorrow"], 64, "2027-01-31T00:00Z"),
        (vec!["rotate", "--drop-after", "1y"], 64, "1s to 366d"),
        (vec!["rotate", "--status", "--finish"], 64, "cannot be used with"),
    ] {
        let run = bench.run(&words);
        assert_eq!(run.code, Some(code), "{words:?}: {run:?}");
        assert!(run.stderr.contains(expected), "{words:?}: {run:?}");
    }
    assert!(!bench.path("revoked.toml").exists());
    bench.write("revoked.toml", "[[revoked]]\n", 0o644);
    let run = bench.run(&["revoke", "site-b"]);
    assert_eq!(run.code, Some(65), "{run:?}");
    assert!(run.stderr.contains("mend the file first"), "{run:?}");
}

#[test]
fn a_rotation_waits_for_a_gateway_and_can_be_taken_back_or_forced() {
    let bench = Bench::new();
    gateway(&bench);
    let before = bench.read("a.key");
    let begun = json(&bench.run(&["--json", "rotate"]));
    assert_eq!(
        (&begun["stage"], &begun["running"]),
        (&"unknown".into(), &false.into())
    );
    assert_eq!(bench.mode("a.key.next"), 0o600);
    for words in [vec!["rotate"], vec!["rotate", "--finish"]] {
        let run = bench.run(&words);
        assert_eq!(run.code, Some(75), "{run:?}");
        assert!(run.stderr.contains("No gateway runs"), "{run:?}");
    }
    bench.succeed(&["rotate", "--abort"]);
    assert!(!bench.path("a.key.next").exists());
    assert_eq!(bench.read("a.key"), before);

    let begun = json(&bench.run(&["--json", "rotate"]));
    let next = begun["next"]["public"].as_str().unwrap();
    let done = json(&bench.run(&["--json", "rotate", "--finish", "--force"]));
    assert_eq!(done["current"]["public"], next);
    assert_eq!(bench.succeed(&["public", "a.key"]).trim(), next);
    assert_eq!(bench.read("a.key.old"), before);
    assert!(done["old"][0]["drop_at"].is_string(), "{done}");
}

#[test]
fn two_at_once_do_not_mix() {
    let bench = Bench::new();
    gateway(&bench);
    let directory = File::open(bench.path(".")).unwrap();
    let other = Flock::lock(directory, FlockArg::LockExclusive).unwrap();
    for words in [["rotate", "--abort"], ["revoke", "site-b"]] {
        let run = bench.run(&words);
        assert_eq!(run.code, Some(75), "{run:?}");
        assert!(run.stderr.contains("wait until it has ended"), "{run:?}");
    }
    // Looking is no work.
    bench.succeed(&["rotate", "--status"]);
    drop(other);
    bench.succeed(&["revoke", "site-b"]);
}
