//! `aoe-gateway acl` as an operator meets it: the real program on real files, without a gateway.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

mod check_site;

use check_site::{B, G, S, Site};
use serde_json::Value;

/// The export of the documentation: everybody behind site-b reads, one host writes a part, for a while.
const RULES: &str = r#"name = "backup"
segment = "san"
target = "e7.3"

[[allow]]
peer = "site-b"
access = "read-only"
commands = ["smart-read-data"]

[[allow]]
peer = "site-b"
access = "read-write"
initiators = ["52:54:00:12:34:56"]
lba = ["0-1023"]
until = "2090-01-31T00:00Z"
"#;

fn site() -> Site {
    let site = Site::new();
    site.write(B, RULES);
    site
}

fn explain(site: &Site, more: &[&str]) -> (i32, String) {
    let all = [
        &[
            "acl", "explain", "--config", G, "--peer", "site-b", "--export", "backup",
        ][..],
        more,
    ];
    run(site, &all.concat())
}

fn run(site: &Site, arguments: &[&str]) -> (i32, String) {
    let output = site.gateway(arguments);
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[test]
fn explain_names_the_rule_that_decides_or_what_to_write() {
    let site = site();
    let writer = ["--initiator", "52:54:00:12:34:56", "--command", "write"];
    let (code, text) = explain(
        &site,
        &[&writer[..], &["--lba", "1016", "--sectors", "8"]].concat(),
    );
    assert_eq!(
        (code, text.as_str()),
        (
            0,
            "allowed: 52:54:00:12:34:56 behind site-b may write sectors 1016 to 1023 of backup\n  \
             exports.d/backup.toml:10 allows it: read-write, sectors 0-1023, initiators 52:54:00:12:34:56, until \
             2090-01-31T00:00:00Z\n  the initiator sees: what the target answers\n  an initiator is who its gateway says: \
             the key of the peer is proven, the MAC behind it is the peer's claim\n"
        )
    );
    let (code, text) = explain(
        &site,
        &[&writer[..], &["--lba", "1020", "--sectors", "8"]].concat(),
    );
    assert_eq!(
        (code, text.as_str()),
        (
            1,
            "refused: 52:54:00:12:34:56 behind site-b may not write sectors 1020 to 1027 of backup\n  \
             why: a read or write (these sectors are not granted)\n  \
             exports.d/backup.toml:5 does not allow it: read-only, and smart-read-data, any initiator\n  \
             exports.d/backup.toml:10 does not allow it: read-write, sectors 0-1023, initiators 52:54:00:12:34:56, until \
             2090-01-31T00:00:00Z\n  the initiator sees: an ATA error at once: status 0x41, error 0x04\n  \
             to allow this and no more, add to exports.d/backup.toml:\n\n    [[allow]]\n    peer = \"site-b\"\n    \
             access = \"read-write\"\n    initiators = [\"52:54:00:12:34:56\"]\n    lba = [\"1020-1027\"]\n\n  \
             an initiator is who its gateway says: the key of the peer is proven, the MAC behind it is the peer's claim\n"
        )
    );
    // What it says to write does allow it.
    let told: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .collect();
    site.write(B, &format!("{RULES}\n{}\n", told.join("\n")));
    let (code, text) = explain(
        &site,
        &[&writer[..], &["--lba", "1018", "--sectors", "8"]].concat(),
    );
    assert!(
        code == 0 && text.contains("backup.toml:10 ") && text.contains("backup.toml:17 "),
        "{text}"
    );
}

#[test]
fn explain_knows_time_and_speaks_json() {
    let site = site();
    let after = [
        "--initiator",
        "52:54:00:12:34:56",
        "--command",
        "write",
        "--at",
        "2090-01-31T00:00Z",
        "--json",
    ];
    let (code, text) = explain(&site, &after);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &json["allowed"]), (1, &Value::Bool(false)), "{text}");
    assert_eq!(json["ended"][0]["line"], 10);
    let before = [
        "--initiator",
        "52:54:00:12:34:56",
        "--command",
        "write",
        "--at",
        "2090-01-30T23:59:59Z",
    ];
    assert_eq!(explain(&site, &before).0, 0);
    let other = ["--initiator", "52:54:00:12:34:57", "--command"];
    assert_eq!(explain(&site, &[&other[..], &["read"]].concat()).0, 0);
    assert_eq!(explain(&site, &[&other[..], &["write"]].concat()).0, 1);
    assert_eq!(explain(&site, &[&other[..], &["smart-read-data"]].concat()).0, 0);
    assert_eq!(
        explain(&site, &[&other[..], &["dangerous:smart-disable"]].concat()).0,
        1
    );
    let wrong = site.gateway(&[
        "acl",
        "explain",
        "--config",
        G,
        "--peer",
        "site-z",
        "--export",
        "backup",
        "--initiator",
        "52:54:00:12:34:57",
        "--command",
        "read",
    ]);
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(
        wrong.status.code() == Some(64) && said.contains("peers: site-b, site-c"),
        "{said}"
    );
}

#[test]
fn list_and_diff_say_who_may_do_what() {
    let site = site();
    let (code, text) = run(&site, &["acl", "list", "--config", G, "--export", "backup"]);
    assert_eq!(
        (code, text.as_str()),
        (
            0,
            "export  peer    may\n\
             backup  site-b  read-only, and smart-read-data, any initiator\n                  exports.d/backup.toml:5\n\
             backup  site-b  read-write, sectors 0-1023, initiators 52:54:00:12:34:56, until 2090-01-31T00:00:00Z\n                  \
             exports.d/backup.toml:10\n\nan initiator is who its gateway says: the key of the peer is proven, the MAC behind \
             it is the peer's claim\n"
        )
    );
    let (_, json) = run(&site, &["acl", "list", "--config", G, "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[1]["sectors"][0], "0-1023");
    site.write("new.toml", &site.read(G).replace("\"exports.d\"", "\"new.d\""));
    std::fs::create_dir(site.path("new.d")).unwrap();
    site.write("new.d/scratch.toml", &site.read("exports.d/scratch.toml"));
    site.write(
        "new.d/backup.toml",
        &RULES.replace("0-1023", "512-2047").replace(", until", ""),
    );
    let (code, text) = run(&site, &["acl", "diff", G, "new.toml"]);
    assert_eq!(
        (code, text.as_str()),
        (
            1,
            "initiator 52:54:00:12:34:56 behind site-b loses write on sectors 0-511 of backup\n\
             initiator 52:54:00:12:34:56 behind site-b gains write on sectors 1024-2047 of backup\n"
        )
    );
    assert_eq!(
        run(&site, &["acl", "diff", G, G]),
        (0, String::from("nobody may do more or less\n"))
    );
}

#[test]
fn check_warns_of_rules_that_never_decide() {
    for (from, to, line, said) in [
        (
            "access = \"read-only\"",
            "access = \"read-write\"",
            "[[allow]]\npeer = \"site-b\"\naccess = \"read-write\"\ninit",
            "line 5 allows all of it",
        ),
        ("2090-01", "2020-01", "until", "ended at 2020-01-31T00:00:00Z"),
        (
            "[\"0-1023\"]",
            "[\"0-1023\", \"5-9\"]",
            "lba",
            "5-9 are among 0-1023",
        ),
        (
            "[\"smart-read-data\"]",
            "[\"dangerous:smart-disable\"]",
            "commands",
            "changes the disk all the same",
        ),
    ] {
        let site = site();
        site.edit(B, from, to);
        let (code, json) = site.check_json();
        let faults = json["faults"].as_array().unwrap();
        assert_eq!((code, faults.len()), (0, 1), "{to}: {json:#}");
        let found = faults[0]["found"].as_str().unwrap();
        assert!(found.contains(said), "{to}: {found}");
        let text = site.read(B);
        let at = text[..text.find(line).unwrap()].lines().count();
        assert_eq!(faults[0]["line"], at + 1, "{to}");
        assert_eq!(faults[0]["severity"], "warning");
    }
    let site = site();
    assert_eq!(site.check_json().1["faults"].as_array().unwrap().len(), 0);
}

/// Of `docs/policy.md`: the first file, and each command with its output. The peer there is our site-b, and its years are
/// such that the test does not age.
#[test]
fn the_page_about_rules_shows_what_the_program_says() {
    let page = include_str!("../../docs/policy.md")
        .replace("site-a", "site-b")
        .replace("until 2027-", "until 2090-")
        .replace("\"2027-", "\"2090-")
        .replace("2026-11-01", "2020-11-01");
    let blocks = |start: &str| -> Vec<String> {
        let found = page.split(start).skip(1);
        found
            .map(|rest| rest.split("```").next().unwrap().to_owned())
            .collect()
    };
    let site = Site::new();
    site.write(B, &blocks("```toml\n")[0]);
    let scratch = r#"name = "scratch"
segment = "san"
target = "e7.4"

[[allow]]
peer = "site-b"
access = "read-write"
until = "2020-11-01T00:00Z"
"#;
    site.write(S, scratch);
    let consoles = blocks("```console\n");
    assert_eq!(consoles.len(), 3);
    for console in consoles {
        let console = console.replace("\\\n", " ");
        let (command, output) = console.split_once('\n').unwrap();
        let arguments: Vec<&str> = command.split_whitespace().skip(2).collect();
        let (code, text) = run(&site, &arguments);
        assert_eq!(text, output);
        assert_eq!(code, i32::from(text.starts_with("refused")));
    }
    // The list of `check` says as much of each rule.
    let output = site.gateway(&["check", "--config", G]);
    let text = String::from_utf8(output.stdout).unwrap();
    let line =
        "read-write for site-b, sectors 0-1023, initiators 52:54:00:12:34:56, until 2090-01-31T00:00:00Z\n";
    assert!(text.contains(line), "{text}");
    let line = "read-only for site-b, and smart-read-data smart-return-status, any initiator\n";
    assert!(text.contains(line), "{text}");
}
