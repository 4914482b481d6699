use std::path::Path;

use super::*;
use crate::config::net;
use crate::config::shape::{
    ALLOW, EXPORT_FILE, GATEWAY, GATEWAY_FILE, IMPORT, LIMIT, METRICS, PEER, SEGMENT,
};

/// Reads `text` as a table of one shape and says what was wrong.
fn faults_of(
    text: &str,
    shape: &'static Shape,
    read: impl Fn(&Section<'_, '_>, &mut Faults),
) -> Vec<(Kind, String, String)> {
    let mut faults = Faults::default();
    let source = faults.add_source(Path::new("x"), text);
    let table = DeTable::parse(text).unwrap();
    let place = Place {
        source,
        span: 0..0,
        field: String::new(),
    };
    read(
        &Section::open(table.get_ref(), shape, place, &mut faults),
        &mut faults,
    );
    faults
        .iter()
        .map(|fault| (fault.kind, fault.field.clone(), fault.instead.clone()))
        .collect()
}

#[test]
fn unknown_keys_are_met_with_the_key_that_was_meant() {
    for (text, field, instead) in [
        ("lisen = 1", "lisen", "did you mean `listen`?"),
        (
            "psk = 1",
            "psk",
            "it belongs into [[peer]]: each pair of gateways has its own",
        ),
        ("\"a b\" = 1", "\"a b\"", "[gateway] may have `name`"),
    ] {
        let faults = faults_of(text, &GATEWAY, |_, _| ());
        assert_eq!((faults[0].0, faults[0].1.as_str()), (Kind::UnknownKey, field));
        assert!(faults[0].2.starts_with(instead), "{faults:?}");
    }
}

#[test]
fn each_item_of_a_list_is_judged_for_itself() {
    let faults = faults_of(
        "listen = ['0.0.0.0:1', 5, 'x', '::']",
        &GATEWAY,
        |section, faults| {
            assert_eq!(section.list("listen", faults, net::listen).unwrap().len(), 1);
        },
    );
    let fields: Vec<_> = faults
        .iter()
        .map(|(kind, field, _)| (*kind, field.as_str()))
        .collect();
    assert_eq!(
        fields,
        [
            (Kind::WrongType, "listen[1]"),
            (Kind::BadValue, "listen[2]"),
            (Kind::BadValue, "listen[3]")
        ]
    );
}

#[test]
fn numbers_have_bounds_in_every_notation() {
    for (text, good) in [
        ("window = 2", true),
        ("window = 0x40", true),
        ("window = 1_024", true),
        ("window = 1", false),
        ("window = 1025", false),
        ("window = -5", false),
        ("window = 99999999999999999999999", false),
        ("window = '64'", false),
        ("window = 6.4", false),
    ] {
        let faults = faults_of(text, &IMPORT, |section, faults| {
            section.number("window", faults, 2..=1024);
        });
        assert_eq!(faults.is_empty(), good, "{text} {faults:?}");
    }
}

#[test]
fn a_rate_is_a_number_and_not_nothing() {
    for (text, good) in [
        ("iops = 1", true),
        ("iops = 100_000", true),
        ("iops = 0", false),
        ("iops = 100_001", false),
        ("iops = -1", false),
        ("iops = 99999999999999999999999", false),
        ("iops = '5'", false),
    ] {
        let faults = faults_of(text, &LIMIT, |section, faults| {
            section.rate("iops", faults, 100_000);
        });
        assert_eq!(faults.is_empty(), good, "{text} {faults:?}");
    }
}

#[test]
fn a_path_mtu_is_a_number_or_auto() {
    for (text, good) in [
        ("path_mtu = 'auto'", true),
        ("path_mtu = 1280", true),
        ("path_mtu = 9_216", true),
        ("path_mtu = 1279", false),
        ("path_mtu = 9217", false),
        ("path_mtu = '1500'", false),
        ("path_mtu = 'Auto'", false),
        ("path_mtu = true", false),
    ] {
        let faults = faults_of(text, &PEER, |section, faults| {
            section.path_mtu("path_mtu", faults, 1280..=9216);
        });
        assert_eq!(faults.is_empty(), good, "{text} {faults:?}");
    }
}

#[test]
fn every_example_is_toml_and_sets_its_own_key() {
    for shape in [
        &GATEWAY_FILE,
        &GATEWAY,
        &METRICS,
        &SEGMENT,
        &PEER,
        &IMPORT,
        &EXPORT_FILE,
        &ALLOW,
        &LIMIT,
    ] {
        for key in shape.keys {
            let table = DeTable::parse(key.example).unwrap();
            assert!(table.get_ref().contains_key(key.name), "{}", key.example);
        }
        for (key, _) in shape.elsewhere {
            assert!(
                shape.keys.iter().all(|known| known.name != *key),
                "{key} is both here and elsewhere"
            );
        }
    }
}
