//! Whole texts.

use super::*;
use crate::cli::samples;

#[test]
fn names_end_with_their_unit_and_kind_and_are_distinct() {
    let mut names = std::collections::BTreeSet::new();
    for family in FAMILIES.iter().flat_map(|families| families.iter()) {
        let name = family.name;
        assert!(names.insert(name), "{name} twice");
        assert!(
            name.starts_with("aoe_") || name == "process_start_time_seconds",
            "{name}"
        );
        assert_eq!(
            name.ends_with("_total"),
            family.kind == families::Kind::Counter,
            "{name}"
        );
        assert!(
            family.help.ends_with('.') && !family.help.contains('\n'),
            "{name}"
        );
    }
}

#[test]
fn a_family_stands_together_below_its_help() {
    let text = text(&samples::typical());
    let mut seen = std::collections::BTreeSet::new();
    let mut current = "";
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("# HELP ") {
            current = head.split(' ').next().unwrap();
            assert!(seen.insert(current), "{current} twice");
        } else if !line.starts_with('#') {
            assert!(line.starts_with(current), "{line} below {current}");
        }
    }
    assert!(seen.contains("aoe_gateway_info"));
}
