//! Exit codes as `sysexits.h` names them.

use crate::bench::{Bench, finish, key_line};

#[test]
fn version_and_help_are_good() {
    let bench = Bench::new();

    assert_eq!(
        bench.succeed(&["--version"]),
        format!("aoe-keys {}\n", env!("CARGO_PKG_VERSION"))
    );
    for verb in ["generate", "public", "psk", "fingerprint", "check"] {
        assert!(bench.succeed(&["--help"]).contains(verb));
        assert!(bench.succeed(&[verb, "--help"]).contains("Usage"));
    }
}

#[test]
fn arguments_that_make_no_sense_are_64() {
    let bench = Bench::new();

    for args in [
        &[] as &[_],
        &["frobnicate"],
        &["generate", "--force"],
        &["check"],
        &["public", "a", "b"],
    ] {
        let run = bench.run(args);
        assert_eq!((run.code, run.stdout.as_str()), (Some(64), ""), "{args:?}");
        assert!(!run.stderr.is_empty());
    }
}

#[test]
fn a_text_that_is_not_the_key_is_65() {
    let bench = Bench::new();
    let secret = bench.succeed(&["generate"]);
    let psk = bench.succeed(&["psk"]);
    let two_keys = format!("{secret}{secret}");
    let mistyped = secret.replace("aoe-secret-1:", "aoe-secret-1:A");
    let cases = [
        ("", "standard input holds no key"),
        ("# nothing\n", "standard input holds no key"),
        (
            "hello\n",
            "line 1: this is not a key text: a secret key begins with `aoe-secret-1:`",
        ),
        (
            psk.as_str(),
            "line 2: this is a pre-shared key, expected a secret key",
        ),
        (two_keys.as_str(), "second key on line 4"),
        (
            mistyped.as_str(),
            "line 2: the key has 49 characters after the colon instead of 48",
        ),
    ];

    for (input, told) in cases {
        let run = bench.run_with_input(&["public"], input.as_bytes());
        assert_eq!(run.code, Some(65), "{run:?}");
        assert!(run.stderr.contains(told), "{} does not say: {told}", run.stderr);
    }
    assert_eq!(bench.run_with_input(&["public"], b"\xff\xfe\0").code, Some(65));
    assert_eq!(bench.run(&["fingerprint", "aoe-public-1:abc"]).code, Some(65));
}

#[test]
fn a_mistyped_key_says_so() {
    let bench = Bench::new();
    bench.succeed(&["generate", "--out", "k"]);
    let public = bench.succeed(&["public", "k"]);
    let (head, tail) = public.trim().split_at(30);
    let slip = if tail.starts_with('A') { 'B' } else { 'A' };
    let mistyped = format!("{head}{slip}{}", &tail[1..]);

    let run = bench.run(&["fingerprint", &mistyped]);

    assert_eq!(run.code, Some(65));
    assert!(
        run.stderr.contains("one or more characters are mistyped"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_public_key_that_gives_no_secrecy_is_65() {
    let bench = Bench::new();

    let run = bench.run(&[
        "fingerprint",
        "aoe-public-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAXe8sY",
    ]);

    assert_eq!(run.code, Some(65));
    assert!(run.stderr.contains("low order"), "{}", run.stderr);
}

#[test]
fn nothing_to_read_is_66() {
    let bench = Bench::new();

    for args in [
        &["public", "none"] as &[_],
        &["public", "."],
        &["fingerprint", "none"],
        &["check", "none"],
    ] {
        assert_eq!(bench.run(args).code, Some(66), "{args:?}");
    }
}

#[test]
fn nowhere_to_write_is_73() {
    let bench = Bench::new();
    bench.write("wide-file", "", 0o666);
    assert_eq!(finish(&mut bench.shell("mkfifo pipe")).code, Some(0));

    for out in [".", "none/k", "wide-file/k", "pipe"] {
        let run = bench.run(&["generate", "--force", "--out", out]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(73), ""), "{out}: {run:?}");
    }
    assert_eq!(bench.names(), ["pipe", "wide-file"]);
}

#[test]
fn a_directory_where_others_may_write_is_77() {
    let bench = Bench::new();
    bench.succeed(&["generate", "--out", "k"]);

    bench.set_mode("", 0o777);
    let runs = [
        bench.run(&["public", "k"]),
        bench.run(&["generate", "--out", "new"]),
        bench.run(&["check", "k"]),
    ];
    bench.set_mode("", 0o700);

    for run in runs {
        assert_eq!(run.code, Some(77), "{run:?}");
        assert!(
            format!("{}{}", run.stdout, run.stderr).contains("`chmod go-w .`"),
            "{run:?}"
        );
    }
    assert_eq!(bench.names(), ["k"]);
}

#[test]
fn a_secret_as_an_argument_is_64_and_not_repeated() {
    let bench = Bench::new();
    let (secret, psk) = (bench.succeed(&["generate"]), bench.succeed(&["psk"]));

    for key in [key_line(&secret), key_line(&psk)] {
        for args in [
            vec!["public", key],
            vec!["fingerprint", key],
            vec!["check", key],
            vec!["generate", "--out", key],
            vec![key],
        ] {
            let run = bench.run(&args);
            assert_eq!((run.code, run.stdout.as_str()), (Some(64), ""), "{run:?}");
            assert!(run.stderr.contains("on the command line"), "{run:?}");
            assert!(!run.stderr.contains(key), "{run:?}");
        }
    }
}
