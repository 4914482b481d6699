//! Standard input, output and error: pipes, terminals, full disks and closed descriptors.

use std::fs::OpenOptions;

use crate::bench::{Bench, finish, key_line};

#[test]
fn a_key_goes_from_verb_to_verb_by_pipe() {
    let bench = Bench::new();

    let run = finish(&mut bench.shell(r#""$0" generate | tee x | "$0" public"#));

    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.stderr, "", "a pipe is no reason to warn");
    bench.set_mode("x", 0o600);
    assert_eq!(bench.succeed(&["public", "x"]), run.stdout);
}

#[test]
fn a_dash_is_standard_input_and_output() {
    let bench = Bench::new();
    let secret = bench.succeed(&["generate", "--out", "-"]);

    let public = bench.run_with_input(&["public", "-"], secret.as_bytes());
    let fingerprint = bench.run_with_input(&["fingerprint", "-"], secret.as_bytes());

    assert!(key_line(&secret).starts_with("aoe-secret-1:"));
    assert_eq!((public.code, fingerprint.code), (Some(0), Some(0)));
    assert_eq!(
        bench.succeed(&["fingerprint", public.stdout.trim()]),
        fingerprint.stdout
    );
    assert!(bench.names().is_empty());
}

#[test]
fn a_bare_key_without_its_comment_is_read_too() {
    let bench = Bench::new();
    let secret = bench.succeed(&["generate"]);

    let run = bench.run_with_input(&["public"], key_line(&secret).as_bytes());

    assert_eq!(run.code, Some(0), "{run:?}");
}

#[test]
fn a_psk_has_the_same_fingerprint_wherever_it_is_read() {
    let bench = Bench::new();
    bench.succeed(&["psk", "--out", "p"]);

    let by_file = bench.succeed(&["fingerprint", "p"]);
    let by_pipe = bench.run_with_input(&["fingerprint"], bench.read("p").as_bytes());

    assert_eq!(by_file, by_pipe.stdout);
}

#[test]
fn a_secret_for_all_eyes_brings_a_warning() {
    let bench = Bench::new();
    // The master side of a new pseudo-terminal is a terminal too, and nobody needs to read it.
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/ptmx")
        .unwrap();

    let on_terminal = finish(bench.tool().arg("generate").stdout(terminal));
    let in_wide_file = finish(&mut bench.shell(r#"umask 022; "$0" psk > wide"#));
    let in_closed_file = finish(&mut bench.shell(r#"umask 077; "$0" psk > closed"#));

    assert_eq!(
        [on_terminal.code, in_wide_file.code, in_closed_file.code],
        [Some(0); 3]
    );
    assert!(
        on_terminal
            .stderr
            .contains("warning: the secret is shown on this terminal"),
        "{on_terminal:?}"
    );
    assert!(
        in_wide_file
            .stderr
            .contains("warning: the secret goes to a file others can read (mode 0644)")
    );
    assert_eq!(in_closed_file.stderr, "");
}

#[test]
fn a_reader_that_went_away_is_an_error_and_no_panic() {
    let bench = Bench::new();
    bench.succeed(&["generate", "--out", "k"]);

    for args in [
        &["generate"] as &[_],
        &["psk"],
        &["public", "k"],
        &["check", "k"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let run = finish(bench.tool().args(args).stdout(writer));
        assert_eq!(run.code, Some(74), "{args:?}: {run:?}");
        assert!(
            run.stderr
                .starts_with("aoe-keys: cannot write to standard output: "),
            "{args:?}: {run:?}"
        );
    }
}

#[test]
fn a_full_disk_is_an_error_and_no_panic() {
    let bench = Bench::new();

    let run = finish(&mut bench.shell(r#""$0" generate > /dev/full"#));

    assert_eq!(run.code, Some(74), "{run:?}");
}

#[test]
fn closed_descriptors_do_not_matter() {
    let bench = Bench::new();

    let all_closed = finish(&mut bench.shell(r#"exec "$0" generate --out k <&- >&- 2>&-"#));
    let no_stderr = finish(&mut bench.shell(r#"exec "$0" public k 2>&-"#));
    let no_stderr_and_a_fault = finish(&mut bench.shell(r#"exec "$0" public none 2>&-"#));
    let no_stdin = finish(&mut bench.shell(r#"exec "$0" public <&-"#));

    assert_eq!(all_closed.code, Some(0));
    assert_eq!(
        (no_stderr.code, no_stderr.stdout),
        (Some(0), bench.succeed(&["public", "k"]))
    );
    assert_eq!(no_stderr_and_a_fault.code, Some(66));
    assert_eq!(no_stdin.code, Some(65), "{no_stdin:?}");
    assert!(
        no_stdin.stderr.contains("standard input holds no key"),
        "{no_stdin:?}"
    );
}
