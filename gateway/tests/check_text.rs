//! Whatever a configuration file contains, looking at it ends, and says something true about places.

use std::path::Path;

use aoe_gateway::config::{Kind, check_text, examine};
use proptest::prelude::*;

/// Pieces of configuration, right and wrong, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "[gateway]\n",
        "[[segment]]\n",
        "[[peer]]\n",
        "[[import]]\n",
        "[[allow]]\n",
        "[peer]\n",
        "[a.b]\n",
        "name = \"san\"\n",
        "name = 5\n",
        "listen = [\"0.0.0.0:1\", \"[::]\", 7]\n",
        "nic = \"eth1\"\n",
        "tap = \"aoe0\"\n",
        "mtu = 9000\n",
        "mtu = -1\n",
        "peer = \"san\"\n",
        "segment = \"san\"\n",
        "export = \"san\"\n",
        "as = \"e1.1\"\n",
        "target = \"e1.1\"\n",
        "access = \"read-only\"\n",
        "initiators = [\"52:54:00:12:34:56\"]\n",
        "window = 0xffff_ffff\n",
        "exports = \"none\"\n",
        "key = \"k\"\n",
        "key = \"aoe-secret-1:x\"\n",
        "x.y.z = 1979-05-27\n",
        "\"\" = {}\n",
        "= [",
        "\"\"\"",
        "\u{202e}",
        "\u{feff}",
        "\r",
        "\0",
        "é",
        "\t# \u{1b}[2J\n",
        "rekey_after = \"1s\"\n",
        "protection = [\"encrypt\", \"encrypt\"]\n",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Each fault names a line and a column that exist, and prints on one line without control characters.
fn places_exist(text: &str) -> Result<(), TestCaseError> {
    let faults = check_text(text);
    for fault in faults.iter() {
        let (line, column) = (fault.line.unwrap_or(0), fault.column.unwrap_or(0));
        let written = text.split('\n').nth(line.wrapping_sub(1));
        prop_assert!(
            written.is_some_and(|l| (1..=l.chars().count() + 1).contains(&column)),
            "{fault}"
        );
        prop_assert!(
            !fault.to_string().contains(char::is_control),
            "{:?}",
            fault.to_string()
        );
    }
    // No text is a gateway file and an export file at once.
    prop_assert!(faults.is_fatal());
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_looked_at(text in ".{0,300}") {
        places_exist(&text)?;
    }

    #[test]
    fn any_mixture_of_right_and_wrong_is_looked_at(text in pieces()) {
        places_exist(&text)?;
    }

    #[test]
    fn any_bytes_in_a_file_are_looked_at(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let dir = tempfile::tempdir().map_err(|e| TestCaseError::fail(e.to_string()))?;
        let path = dir.path().join("gateway.toml");
        std::fs::write(&path, bytes).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let examined = examine(&path);
        prop_assert!(examined.loaded.is_none() && examined.faults.is_fatal());
    }
}

#[test]
fn a_mebibyte_of_faults_is_counted_and_not_kept() {
    let text = "[[segment]]\n".repeat((1 << 20) / 12);
    let faults = check_text(&text);
    assert!(faults.iter().count() <= 1000 && faults.left_out() > 5000);
    let line = format!("segment = [{}]", "{x=1},".repeat((1 << 20) / 7));
    assert!(check_text(&line).left_out() > 5000);
    let nested = format!("a = {}", "[".repeat(1 << 20));
    assert!(check_text(&nested).contains(Kind::Syntax));
    assert!(examine(Path::new("/dev/zero")).faults.is_fatal());
}
