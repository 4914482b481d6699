//! `aoe-gateway check` as an operator meets it: the real program on real files.

mod check_site;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use aoe_keys::SecretKey;
use serde_json::Value;

use check_site::{B, G, S, Site};

#[test]
fn a_good_configuration_is_summed_up_and_has_no_faults() {
    let site = Site::new();
    let output = site.gateway(&["check", "--config", G]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), [].as_slice()),
        "{text}"
    );
    for expected in [
        "site-a can run",
        &site.own.fingerprint().to_string(),
        "0.0.0.0:34978",
        "san: nic eth1",
        "lab: tap aoe0, MTU 9000",
        &format!(
            "site-b: {}, at 198.51.100.7:34978, encrypt or authenticate, pre-shared key, path MTU 1500",
            site.peer_b.fingerprint()
        ),
        "calls us, encrypt, path MTU auto",
        "backup: e7.3 on san, only by 52:54:00:aa:bb:cc",
        "read-write for site-b, initiators 52:54:00:12:34:56 52:54:00:12:34:57, may set the config string",
        "read-only for site-c, any initiator",
        "vault of site-b as e107.3 on san, window 128",
        "vault of site-c as e107.3 on lab, window 64",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "colour without a terminal");

    let (code, json) = site.check_json();
    assert_eq!((code, &json["usable"]), (0, &Value::Bool(true)));
    assert_eq!(json["summary"]["exports"][0]["allow"][0]["access"], "read-write");
}

#[test]
fn several_faults_of_several_files_appear_at_once_in_order() {
    let site = Site::new();
    site.edit(G, "listen =", "lisen =");
    site.edit(G, "\"e107.3\"", "\"107.3\"");
    site.edit(B, "\"san\"", "\"sam\"");
    site.edit(S, "\"read-write\"", "true");
    fs::set_permissions(site.path("site-a.key"), fs::Permissions::from_mode(0o640)).unwrap();

    let output = site.gateway(&["check", "--config", G]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(78), "{text}");
    let heads: Vec<String> = text
        .lines()
        .filter_map(|line| line.split_once(": fault: ").map(|(place, _)| place.to_owned()))
        .collect();
    let at = |file, text, column| format!("{file}:{}:{column}", site.line(file, text));
    assert_eq!(
        heads,
        [
            at(G, "[gateway]", 1),
            at(G, "lisen", 1),
            at(G, "site-a.key", 7),
            at(G, "\"107.3\"", 6),
            at(B, "sam", 11),
            at(S, "true", 10)
        ],
        "{text}"
    );
    let shown = "    4 | lisen = [\"0.0.0.0:34978\", \"[::]:34978\"]\n      | ^^^^^\n      = did you mean `listen`?\n";
    assert!(text.contains(shown), "{text}");
    assert!(text.contains("run: chmod 600 "), "{text}");
    assert!(
        text.ends_with("6 faults in 3 files; no gateway can run with this configuration\n"),
        "{text}"
    );
}

#[test]
fn the_command_that_mends_a_wide_mode_mends_it() {
    let site = Site::new();
    for file in ["site-a.key", "site-b.psk"] {
        fs::set_permissions(site.path(file), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let (code, json) = site.check_json();
    let faults = json["faults"].as_array().unwrap();
    assert_eq!((code, faults.len()), (78, 2), "{json:#}");
    for fault in faults {
        let command = fault["instead"].as_str().unwrap().strip_prefix("run: ").unwrap();
        let status = Command::new("sh")
            .args(["-c", command])
            .current_dir(site.dir.path())
            .status()
            .unwrap();
        assert!(status.success(), "{command}");
    }
    assert_eq!(site.check_json().0, 0);
}

#[test]
fn an_identity_belongs_to_one_peer_and_never_to_ourselves() {
    let site = Site::new();
    let text = site.read(G);
    let key_c = text
        .split('"')
        .rfind(|word| word.starts_with("aoe-public-1:"))
        .unwrap()
        .to_owned();

    site.edit(G, &key_c, &site.peer_b.to_string());
    let (_, json) = site.check_json();
    assert_eq!(
        (&json["faults"][0]["kind"], &json["faults"][0]["field"]),
        (&"duplicate".into(), &"peer[1].key".into())
    );

    site.write(G, &text.replace(&key_c, &site.own.to_string()));
    let (code, json) = site.check_json();
    assert_eq!((code, &json["faults"][0]["field"]), (78, &"peer[1].key".into()));
    assert!(
        json["faults"][0]["found"]
            .as_str()
            .unwrap()
            .contains("this very gateway"),
        "{json:#}"
    );
}

#[test]
fn a_name_twice_is_refused_for_peers_and_segments() {
    for (from, to, field) in [
        ("name = \"site-c\"", "name = \"site-b\"", "peer[1].name"),
        ("name = \"lab\"", "name = \"san\"", "segment[1].name"),
    ] {
        let site = Site::new();
        site.edit(G, from, to);
        let (_, json) = site.check_json();
        let fault = json["faults"]
            .as_array()
            .unwrap()
            .iter()
            .find(|fault| fault["kind"] == "duplicate")
            .unwrap();
        assert_eq!(fault["field"], field, "{json:#}");
        assert!(fault["found"].as_str().unwrap().contains("(line "), "{fault}");
    }
}

#[test]
fn a_secret_written_into_the_configuration_is_refused_and_never_repeated() {
    let secret = SecretKey::generate().unwrap().to_text();
    let body = secret.split_once(':').unwrap().1;
    for (from, field) in [
        ("key = \"site-a.key\"", "gateway.key"),
        ("name = \"san\"", "segment[0].name"),
    ] {
        let site = Site::new();
        let key = from.split('=').next().unwrap();
        site.edit(G, from, &format!("{key}= \"{}\"", *secret));
        for arguments in [
            ["check", "--config", G].as_slice(),
            &["check", "--config", G, "--json"],
            &["run", "--config", G],
        ] {
            let output = site.gateway(arguments);
            let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert_eq!(output.status.code(), Some(78), "{arguments:?}");
            assert!(text.contains(field), "{text}");
            assert!(!text.contains(&body[..8]), "{arguments:?} gave a secret away");
        }
    }
    let site = Site::new();
    site.edit(G, &site.peer_b.to_string(), &secret);
    let (_, json) = site.check_json();
    assert!(
        json["faults"][0]["instead"]
            .as_str()
            .unwrap()
            .contains("replace it there"),
        "{json:#}"
    );
    assert!(!json.to_string().contains(&body[..8]));
    // A missing quotation mark makes the line a syntax error in the middle of the secret.
    site.edit(G, &format!("\"{}\"", *secret), &secret);
    let output = site.gateway(&["check", "--config", G]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("not TOML") && !text.contains(&body[..8]), "{text}");
}

#[test]
fn export_files_are_checked_even_if_the_gateway_file_is_no_toml() {
    let site = Site::new();
    site.edit(G, "[[segment]]", "[[segment]");
    site.edit(B, "\"e7.3\"", "7.3");
    let (code, json) = site.check_json();
    let found: Vec<_> = json["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (&f["file"], &f["kind"]))
        .collect();
    assert_eq!(code, 78);
    assert_eq!(
        found,
        [(&G.into(), &"syntax".into()), (&B.into(), &"wrong-type".into())],
        "{json:#}"
    );
}

#[test]
fn odd_files_among_the_exports_are_faults_and_backups_are_nothing() {
    let site = Site::new();
    site.write("exports.d/backup.toml~", "not = [toml");
    site.write("exports.d/.#backup.toml", "not = [toml");
    fs::create_dir(site.path("exports.d/dir.toml")).unwrap();
    fs::write(site.path("exports.d/latin.toml"), b"# caf\xe9\n").unwrap();
    fs::write(site.path("exports.d/large.toml"), vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(site.path("exports.d/pipe.toml"))
            .status()
            .unwrap()
            .success()
    );
    let (code, json) = site.check_json();
    let faults = json["faults"].as_array().unwrap();
    let mut found: Vec<_> = faults
        .iter()
        .map(|f| (f["file"].as_str().unwrap(), f["kind"].as_str().unwrap()))
        .collect();
    found.sort_unstable();
    assert_eq!(code, 78);
    assert_eq!(
        found,
        [
            ("exports.d/dir.toml", "unreadable"),
            ("exports.d/large.toml", "unreadable"),
            ("exports.d/latin.toml", "syntax"),
            ("exports.d/pipe.toml", "unreadable")
        ]
    );
}

#[test]
fn foolish_settings_are_warned_of_and_do_not_fail() {
    for (file, from, to, field) in [
        (
            S,
            "[[allow]]\npeer = \"site-c\"\naccess = \"read-write\"\n",
            "",
            "name",
        ),
        (
            G,
            "listen = [\"0.0.0.0:34978\", \"[::]:34978\"]",
            "listen = [\"[::]:34978\"]",
            "peer[0].endpoint",
        ),
        (G, "\"[::]:34978\"", "\"[::]:0\"", "gateway.listen[1]"),
        (G, "name = \"site-a\"", "name = \"site-b\"", "peer[0].name"),
        (B, "segment =", "limit = { iops = 1 }\nsegment =", "limit"),
        (
            B,
            "config_string = \"set\"",
            "limit = { bandwidth = \"100kB\" }",
            "allow[0].limit",
        ),
        (
            B,
            "[[allow]]\npeer = \"site-b\"",
            "limit = { iops = 50 }\n[[allow]]\npeer = \"site-b\"\nlimit = { floor_iops = 51 }",
            "limit",
        ),
        (
            G,
            "[[peer]]\n",
            "[[segment]]\nname = \"spare\"\nnic = \"eth9\"\n[[peer]]\n",
            "segment[2].name",
        ),
        (
            G,
            "[[import]]\npeer = \"site-b\"",
            "[[import]]\npeer = \"site-b\"\nexport = \"vault\"\nsegment = \"san\"\nas = \"e108.3\"\n[[import]]\npeer = \"site-b\"",
            "import[1].export",
        ),
    ] {
        let site = Site::new();
        site.edit(file, from, to);
        let (code, json) = site.check_json();
        let faults = json["faults"].as_array().unwrap();
        assert_eq!(
            (code, &json["usable"], faults.len()),
            (0, &true.into(), 1),
            "{json:#}"
        );
        assert_eq!(
            (&faults[0]["severity"], &faults[0]["field"]),
            (&"warning".into(), &field.into()),
            "{json:#}"
        );

        let text = String::from_utf8(site.gateway(&["check", "--config", G]).stdout).unwrap();
        assert!(
            text.contains("1 warning in ") && text.contains("can run\n"),
            "{text}"
        );
    }
}

#[test]
fn a_gateway_without_a_segment_is_refused() {
    let site = Site::new();
    let text = site.read(G);
    let (head, _) = text.split_once("[[segment]]").unwrap();
    site.write(G, &head.replace("exports = \"exports.d\"\n", ""));
    let (code, json) = site.check_json();
    let found: Vec<_> = json["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["found"].as_str().unwrap())
        .collect();
    assert_eq!(code, 78);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found.iter().any(|f| f.contains("no peer yet")) && found.iter().any(|f| f.contains("no [[segment]]"))
    );
}

#[test]
fn a_gateway_that_has_no_peer_yet_can_run_and_is_told_how_to_get_one() {
    let site = Site::new();
    let text = site.read(G);
    let (head, _) = text.split_once("[[peer]]").unwrap();
    site.write(G, &head.replace("exports = \"exports.d\"\n", ""));
    let (code, json) = site.check_json();
    let faults = json["faults"].as_array().unwrap();
    assert_eq!((code, faults.len()), (0, 1), "{json:#}");
    assert_eq!(faults[0]["severity"], "warning");
    assert!(
        faults[0]["instead"].as_str().unwrap().contains("aoe-keys invite"),
        "{json:#}"
    );
}

/// The last peer of the usual site, moved into a file of its own with what is imported from it.
#[allow(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]
fn with_peer_file() -> Site {
    let site = Site::new();
    let text = site.read(G).replace(
        "exports = \"exports.d\"\n",
        "exports = \"exports.d\"\npeers = \"peers.d\"\n",
    );
    let (head, rest) = text.split_once("[[peer]]\nname = \"site-c\"\n").unwrap();
    let (key, rest) = rest.split_once("[[import]]").unwrap();
    let (stays, moves) = rest.split_once("[[import]]\npeer = \"site-c\"\n").unwrap();
    site.write(G, &format!("{head}[[import]]{stays}"));
    fs::create_dir(site.path("peers.d")).unwrap();
    fs::rename(site.path("site-b.psk"), site.path("peers.d/site-c.psk")).unwrap();
    site.edit(G, "psk = \"site-b.psk\"\n", "");
    site.write(
        C,
        &format!("[peer]\n{key}psk = \"site-c.psk\"\n\n[[import]]\n{moves}"),
    );
    site
}

const C: &str = "peers.d/site-c.toml";

#[test]
fn a_peer_may_have_a_file_of_its_own_with_its_imports() {
    let site = with_peer_file();
    let (code, json) = site.check_json();
    assert_eq!(
        (code, &json["faults"]),
        (0, &Value::Array(Vec::new())),
        "{json:#}"
    );
    let text = String::from_utf8(site.gateway(&["check", "--config", G]).stdout).unwrap();
    for expected in [
        "calls us, encrypt, pre-shared key, path MTU auto",
        "vault of site-c as e107.3 on lab, window 64",
        "read-only for site-c, any initiator",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
}

#[test]
fn faults_of_peer_files_are_told_as_those_of_any_file() {
    let site = with_peer_file();
    let good = site.read(C);
    for (from, to, field, found) in [
        (
            "[peer]\n",
            "[peer]\nname = \"site-d\"\n",
            "peer.name",
            "\"site-d\", and its file \"site-c.toml\"",
        ),
        (
            "[peer]\n",
            "[peer]\nname = \"site-b\"\n",
            "peer.name",
            "already the name of a peer",
        ),
        ("key =", "kay =", "peer.kay", "has no key"),
        ("[peer]", "[[peer]]", "peer", "[peer]"),
        ("site-c.psk", "none.psk", "peer.psk", "cannot open"),
        (
            "[[import]]\n",
            "[[import]]\npeer = \"site-b\"\n",
            "import[0].peer",
            "has no key",
        ),
        (
            "\"lab\"",
            "\"san\"",
            "import[0].as",
            "another import is e107.3 on the same segment (gateway.toml line ",
        ),
        ("\"vault\"", "\"va ult\"", "import[0].export", "contains"),
        ("[peer]", "[peer", "", "not TOML"),
    ] {
        site.write(C, &good.replacen(from, to, 1));
        let (code, json) = site.check_json();
        assert_eq!(code, 78, "{to}: {json:#}");
        let faults = json["faults"].as_array().unwrap();
        let is_it = |fault: &&Value| {
            fault["file"].as_str().unwrap().ends_with(C)
                && fault["field"] == field
                && fault["line"].is_u64()
                && (fault["found"].as_str().unwrap().contains(found) || found == "[peer]")
        };
        assert!(faults.iter().any(|fault| is_it(&fault)), "{to}: {json:#}");
    }
    site.write(C, &good);
    fs::rename(site.path(C), site.path("peers.d/site c.toml")).unwrap();
    let (_, json) = site.check_json();
    assert!(
        json.to_string().contains("a file is called after its peer"),
        "{json:#}"
    );
    fs::rename(site.path("peers.d"), site.path("peers.e")).unwrap();
    let (_, json) = site.check_json();
    assert!(json.to_string().contains("make it: mkdir "), "{json:#}");
}

#[test]
fn paths_are_relative_to_the_file_that_names_them() {
    let site = Site::new();
    let output = Command::new(env!("CARGO_BIN_EXE_aoe-gateway"))
        .args(["check", "--config"])
        .arg(site.path(G))
        .current_dir(Path::new("/"))
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
