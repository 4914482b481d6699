//! `--json`: one value on one line, the same facts as the text.

use serde_json::Value;

use crate::bench::{Bench, key_line};

#[test]
fn a_key_in_a_file_is_not_in_the_json() {
    let bench = Bench::new();

    let secret = parse(&bench.succeed(&["generate", "--json", "--out", "k"]));
    let psk = parse(&bench.succeed(&["--json", "psk", "--out", "p"]));

    assert_eq!(keys(&secret), ["file", "fingerprint", "kind", "public"]);
    assert_eq!(keys(&psk), ["file", "fingerprint", "kind"]);
    assert_eq!(
        (&secret["kind"], &secret["file"]),
        (&"secret".into(), &"k".into())
    );
    assert_eq!(
        secret["public"].as_str().unwrap(),
        bench.succeed(&["public", "k"]).trim()
    );
    assert_eq!(
        psk["fingerprint"].as_str().unwrap(),
        bench.succeed(&["fingerprint", "p"]).trim()
    );
}

#[test]
fn without_a_file_the_json_holds_the_key() {
    let bench = Bench::new();

    let secret = parse(&bench.succeed(&["generate", "--json"]));
    let psk = parse(&bench.succeed(&["psk", "--json"]));

    let public = bench.run_with_input(&["public", "--json"], secret["key"].as_str().unwrap().as_bytes());
    assert_eq!(keys(&secret), ["fingerprint", "key", "kind", "public"]);
    assert_eq!(parse(&public.stdout)["key"], secret["public"]);
    assert_eq!(parse(&public.stdout)["fingerprint"], secret["fingerprint"]);
    let fingerprint = bench.run_with_input(
        &["fingerprint", "--json"],
        psk["key"].as_str().unwrap().as_bytes(),
    );
    assert_eq!(
        parse(&fingerprint.stdout),
        serde_json::json!({"kind": "psk", "fingerprint": psk["fingerprint"]})
    );
}

#[test]
fn check_lists_files_and_faults_with_their_commands() {
    let bench = Bench::new();
    bench.succeed(&["generate", "--out", "good"]);
    bench.write("wide", &bench.read("good"), 0o644);

    let run = bench.run(&["check", "--json", "good", "wide", "none"]);

    let found = parse(&run.stdout);
    assert_eq!(run.code, Some(77));
    assert_eq!(found[0]["good"], true);
    assert_eq!(found[0]["mode"], "0600");
    assert_eq!(found[0]["fingerprint"], found[1]["fingerprint"]);
    assert_eq!(found[1]["good"], false);
    assert_eq!(found[1]["faults"][0]["mending_command"], "chmod 600 wide");
    assert_eq!(found[2]["kind"], Value::Null);
    assert!(!run.stdout.contains(key_line(&bench.read("good"))));
}

fn parse(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(text).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
