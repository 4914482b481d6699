//! Configuration text: whatever it says, it is judged, and every fault points into it.

use aoe_gateway::config::check_text;

/// Reads the input as a gateway file, as a peer file and as an export file.
///
/// # Panics
/// If a fault points outside the text or says nothing, or if two readings of one text differ.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let faults = check_text(text);
    let lines = text.lines().count().max(1) + 1;
    for fault in faults.iter() {
        assert!(!fault.to_string().is_empty(), "a fault without words");
        let line = fault.line.unwrap_or(1);
        assert!((1..=lines).contains(&line), "line {line} of {lines}");
    }
    let words =
        |faults: &aoe_gateway::config::Faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        words(&faults),
        words(&check_text(text)),
        "judged otherwise the second time"
    );
}
