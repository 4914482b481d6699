//! Files: modes, the umask, what is kept and what is refused.

use std::process::{Child, Stdio};

use crate::bench::{Bench, Run, finish};

#[test]
fn the_documented_commands_work() {
    let bench = Bench::new();

    let told = bench.succeed(&["generate", "--out", "site-a.key"]);
    let public = bench.succeed(&["public", "site-a.key"]);
    bench.succeed(&["psk", "--out", "site-b.psk"]);

    assert_eq!(
        told, public,
        "generate prints the public key, so that it can be captured"
    );
    assert_eq!(public.lines().count(), 1);
    assert!(
        public.starts_with("aoe-public-1:") && public.ends_with('\n'),
        "{public}"
    );
    assert_eq!(bench.names(), ["site-a.key", "site-b.psk"]);
    assert_eq!(
        [bench.mode("site-a.key"), bench.mode("site-b.psk")],
        [0o600, 0o600]
    );
    bench.succeed(&["check", "site-a.key", "site-b.psk"]);
}

#[test]
fn the_umask_neither_widens_nor_narrows() {
    let bench = Bench::new();

    for mask in ["000", "022", "077", "777"] {
        let line = format!(
            "umask {mask}; \"$0\" generate --force --out s && \"$0\" psk --force --out p && \"$0\" public s --force --out q"
        );
        let run = finish(&mut bench.shell(&line));

        assert_eq!(run.code, Some(0), "{mask}: {run:?}");
        assert_eq!(
            ["s", "p", "q"].map(|name| bench.mode(name)),
            [0o600, 0o600, 0o644],
            "{mask}"
        );
    }
}

#[test]
fn an_existing_key_survives_unless_forced() {
    let bench = Bench::new();
    let first = bench.succeed(&["generate", "--out", "k"]);
    let kept = bench.read("k");

    let refused = bench.run(&["generate", "--out", "k"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(73), ""));
    assert!(
        refused.stderr.contains("k exists already") && refused.stderr.contains("--force"),
        "{}",
        refused.stderr
    );
    assert_eq!(bench.run(&["psk", "--out", "k"]).code, Some(73));
    assert_eq!(bench.read("k"), kept);

    let second = bench.succeed(&["generate", "--force", "--out", "k"]);
    assert_ne!(first, second);
    assert_eq!(bench.succeed(&["public", "k"]), second);
    assert_eq!(bench.names(), ["k"]);
}

#[test]
fn of_many_at_once_one_wins_and_its_key_stays() {
    let bench = Bench::new();
    let spawn = |_| {
        bench
            .tool()
            .args(["generate", "--out", "k"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
    };
    let children: Vec<Child> = (0..8).map(|index| spawn(index).unwrap()).collect();

    let runs: Vec<Run> = children
        .into_iter()
        .map(|child| Run::from(child.wait_with_output().unwrap()))
        .collect();

    let winners: Vec<&Run> = runs.iter().filter(|run| run.code == Some(0)).collect();
    assert_eq!(winners.len(), 1, "{runs:?}");
    assert!(
        runs.iter().all(|run| matches!(run.code, Some(0 | 73))),
        "{runs:?}"
    );
    assert_eq!(bench.succeed(&["public", "k"]), winners[0].stdout);
    assert_eq!(bench.names(), ["k"]);
}

#[test]
fn the_mending_command_mends() {
    let bench = Bench::new();
    let public = bench.succeed(&["generate", "--out", "my key"]);
    bench.set_mode("my key", 0o644);

    for verb in ["public", "fingerprint", "check"] {
        let run = bench.run(&[verb, "my key"]);
        assert_eq!(run.code, Some(77), "{verb}: {run:?}");
        let told = format!("{}{}", run.stdout, run.stderr);
        assert!(
            told.contains("mode 0644") && told.contains("`chmod 600 'my key'`"),
            "{told}"
        );
    }

    assert_eq!(finish(&mut bench.shell("chmod 600 'my key'")).code, Some(0));
    assert_eq!(bench.succeed(&["public", "my key"]), public);
}

#[test]
fn every_bit_for_others_is_too_wide() {
    let bench = Bench::new();
    bench.succeed(&["generate", "--out", "k"]);

    for bit in [0o040, 0o020, 0o010, 0o004, 0o002, 0o001] {
        bench.set_mode("k", 0o600 | bit);
        assert_eq!(bench.run(&["public", "k"]).code, Some(77), "{bit:o}");
    }
    bench.set_mode("k", 0o400);
    bench.succeed(&["public", "k"]);
}

#[test]
fn a_systemd_credential_is_read_with_its_group_bit() {
    let bench = Bench::new();
    let public = bench.succeed(&["generate", "--out", "k"]);
    bench.set_mode("k", 0o440);

    let as_credential = finish(
        bench
            .tool()
            .env("CREDENTIALS_DIRECTORY", bench.path(""))
            .args(["public", "k"]),
    );

    assert_eq!((as_credential.code, as_credential.stdout), (Some(0), public));
    assert_eq!(bench.run(&["public", "k"]).code, Some(77));
}

#[test]
fn check_reports_every_file_and_writes_nothing() {
    let bench = Bench::new();
    bench.succeed(&["generate", "--out", "good.key"]);
    bench.write("wide.key", &bench.read("good.key"), 0o604);
    bench.write("broken.psk", "aoe-psk-1:abc\n", 0o600);
    let before = ["good.key", "wide.key", "broken.psk"].map(|name| (bench.read(name), bench.mode(name)));

    let run = bench.run(&["check", "good.key", "wide.key", "broken.psk", "none.key"]);

    assert_eq!(run.code, Some(77), "the first fault decides: {run:?}");
    for expected in [
        "good.key: good, kind secret, fingerprint ",
        "wide.key: not good, kind secret, fingerprint ",
        "run `chmod 600 wide.key`",
        "broken.psk: not good, kind psk, owner ",
        ", mode 0600\n  broken.psk, line 1: the key has 3 characters",
        "none.key: not good\n  cannot open none.key",
    ] {
        assert!(
            run.stdout.contains(expected),
            "{expected} is missing in\n{}",
            run.stdout
        );
    }
    let after = ["good.key", "wide.key", "broken.psk"].map(|name| (bench.read(name), bench.mode(name)));
    assert_eq!(before, after);
    assert_eq!(bench.names(), ["broken.psk", "good.key", "wide.key"]);
}
