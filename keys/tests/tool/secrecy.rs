//! No fault, however odd, brings a secret to a place where it was not asked for.

use crate::bench::{Bench, key_line};

#[test]
fn no_message_holds_a_piece_of_a_secret() {
    let bench = Bench::new();
    bench.succeed(&["generate", "--out", "k"]);
    let text = bench.read("k");
    let key = key_line(&text).to_owned();
    let body = key.split_once(':').unwrap().1;
    let spoilt = [
        text.clone(),
        format!("{text}{text}"),
        format!("{key}A"),
        format!("{key} trailing"),
        key.replace("-1:", "-7:"),
        key.replace("aoe-secret", "secret"),
        key.replace("aoe-secret", "aoe-psk"),
        format!("{}!", &key[..key.len() - 1]),
        format!("{}\u{e4}", &key[..key.len() - 1]),
    ];

    for (index, text) in spoilt.iter().enumerate() {
        for mode in [0o600, 0o644] {
            let name = format!("spoilt-{index}");
            bench.write(&name, text, mode);
            for args in [
                vec!["public", name.as_str()],
                vec!["fingerprint", name.as_str()],
                vec!["check", name.as_str()],
                vec!["check", "--json", name.as_str()],
                vec!["generate", "--out", name.as_str()],
            ] {
                let run = bench.run(&args);
                let told = format!("{}{}", run.stdout, run.stderr);
                assert!(!told.is_empty(), "{args:?}");
                for piece in body.as_bytes().chunks(8) {
                    let piece = std::str::from_utf8(piece).unwrap();
                    assert!(!told.contains(piece), "{args:?} told {piece}: {told}");
                }
            }
        }
    }
}
