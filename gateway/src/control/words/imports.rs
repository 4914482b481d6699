//! Imports.

use aoe_common::config::ImportConfig;

use super::usage::{Usage, in_use};
use super::{Kind, Lines, peer_name, segment_name};
use crate::config::Loaded;

pub(super) fn compare(old: &Loaded, new: &Loaded, usage: &Usage<'_>, lines: &mut Lines) {
    for import in old.core.imports.values() {
        match same(new, key(old, import)) {
            Some(kept) => compare_service(import, kept, lines),
            None => {
                let peer = peer_name(old, import.peer);
                let address = import.address.to_string();
                let users = usage.of_import(peer, &import.export, &address);
                let text = format!(
                    "import {}{} disappears{}",
                    address,
                    on(old, import),
                    in_use(users)
                );
                lines.add(Kind::Disappears, text);
            }
        }
    }
    for import in new.core.imports.values() {
        if same(old, key(new, import)).is_none() {
            let text = format!(
                "import {} of {}/{} appears on {}",
                import.address,
                peer_name(new, import.peer),
                import.export,
                segment_name(new, import.segment)
            );
            lines.add(Kind::Appears, text);
        }
    }
}

/// What it is known by: a peer that has another key keeps its name.
fn key<'a>(loaded: &'a Loaded, import: &'a ImportConfig) -> (&'a str, &'a str, &'a str, String) {
    (
        peer_name(loaded, import.peer),
        segment_name(loaded, import.segment),
        &import.export,
        import.address.to_string(),
    )
}

fn same<'a>(loaded: &'a Loaded, wanted: (&str, &str, &str, String)) -> Option<&'a ImportConfig> {
    loaded
        .core
        .imports
        .values()
        .find(|import| key(loaded, import) == wanted)
}

/// Its segment, where the address alone does not say which import is meant.
fn on(loaded: &Loaded, import: &ImportConfig) -> String {
    let namesakes = loaded.core.imports.values();
    match namesakes.filter(|other| other.address == import.address).count() {
        1 => String::new(),
        _ => format!(" on {}", segment_name(loaded, import.segment)),
    }
}

fn compare_service(old: &ImportConfig, new: &ImportConfig, lines: &mut Lines) {
    let ImportConfig {
        peer: _,
        export: _,
        segment: _,
        address,
        window,
        on_conflict,
    } = new;
    let subject = format!("import {address}");
    lines.becomes(&subject, "window", old.window, window);
    lines.becomes(&subject, "on_conflict", old.on_conflict, on_conflict);
}
