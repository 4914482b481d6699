//! The example configurations load as they are, once their key files exist, without so much as a warning.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use aoe_common::table::{Id, Table};
use aoe_gateway::config::{Loaded, examine};
use aoe_keys::store::{Existing, write_psk, write_secret};
use aoe_keys::{Psk, SecretKey};
use tempfile::TempDir;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/examples");

/// A copy of one example with new key files, loaded.
fn load(example: &str) -> (TempDir, Loaded) {
    let copy = tempfile::tempdir().unwrap();
    copy_tree(&Path::new(EXAMPLES).join(example), copy.path());
    let gateway = copy.path().join("gateway.toml");
    make_keys(&gateway);
    let examined = examine(&gateway);
    let found: Vec<String> = examined.faults.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{example}: {found:#?}");
    (copy, examined.loaded.unwrap())
}

fn copy_tree(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let (path, target) = (
            entry.as_ref().unwrap().path(),
            to.join(entry.unwrap().file_name()),
        );
        if path.is_dir() {
            fs::create_dir(&target).unwrap();
            copy_tree(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Makes every file that `key = "….key"` and `psk = "….psk"` name.
fn make_keys(gateway: &Path) {
    let directory = gateway.parent().unwrap();
    for word in fs::read_to_string(gateway).unwrap().split('"') {
        let file = directory.join(word);
        if word.ends_with(".key") {
            write_secret(&file, &SecretKey::generate().unwrap(), Existing::Keep).unwrap();
        } else if word.ends_with(".psk") {
            write_psk(&file, &Psk::generate().unwrap(), Existing::Keep).unwrap();
        }
    }
}

/// Directories with a gateway file, relative to the examples.
fn examples(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(examples(&path));
        } else if path.file_name().is_some_and(|name| name == "gateway.toml") {
            found.insert(directory.strip_prefix(EXAMPLES).unwrap().to_path_buf());
        }
    }
    found
}

#[test]
fn every_example_loads_without_a_warning() {
    let found = examples(Path::new(EXAMPLES));
    let expected = ["hub", "lan/initiator-host", "lan/target-host", "site-a", "site-b"];
    assert_eq!(found, expected.iter().map(PathBuf::from).collect());
    for example in expected {
        load(example);
    }
}

#[test]
fn the_two_ends_of_an_example_fit_together() {
    for (one, other) in [
        ("site-a", "site-b"),
        ("site-b", "site-a"),
        ("lan/initiator-host", "lan/target-host"),
    ] {
        let ((_kept, one), (_kept_too, other)) = (load(one), load(other));
        assert_eq!(first(&one.core.peers).name, other.core.name);
        for import in one.core.imports.values() {
            let export = other
                .core
                .exports
                .values()
                .find(|export| export.name == import.export)
                .unwrap();
            assert_eq!(
                other.core.peers.get(export.allow[0].peer).unwrap().name,
                one.core.name
            );
        }
        // Somebody must be able to call.
        assert!(!one.endpoints.is_empty() || !other.endpoints.is_empty());
    }
}

#[test]
fn a_key_without_a_value_has_the_documented_default() {
    let (_kept, explained) = load("site-a");
    let (_kept_too, bare) = load("site-b");
    let tunnel = |loaded: &Loaded| (loaded.core.tunnel.rekey_after, loaded.core.tunnel.keepalive);
    assert_eq!(tunnel(&explained), tunnel(&bare));
    let (peer, other) = (first(&explained.core.peers), first(&bare.core.peers));
    assert_eq!(
        (peer.path_mtu, &peer.protection),
        (other.path_mtu, &other.protection)
    );
    let window = |loaded: &Loaded| first(&loaded.core.imports).window;
    assert_eq!(window(&explained), window(&bare));
}

fn first<I: Id, T>(table: &Table<I, T>) -> &T {
    table.values().next().unwrap()
}
