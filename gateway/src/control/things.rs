//! What an operator calls exports, imports and peers.

use aoe_common::config::{ExportId, PeerId};

use crate::config::{Loaded, nearest};

/// The export of this name.
///
/// # Errors
/// There is none; the nearest name, or all.
pub(super) fn export(loaded: &Loaded, name: &str) -> Result<ExportId, String> {
    let exports = loaded.core.exports.iter();
    let mut all = exports.map(|(id, export)| (id, export.name.as_str()));
    named("export", &mut all, name)
}

/// The peer of this name.
///
/// # Errors
/// There is none; the nearest name, or all.
pub(super) fn peer(loaded: &Loaded, name: &str) -> Result<PeerId, String> {
    let peers = loaded.core.peers.iter();
    let mut all = peers.map(|(id, peer)| (id, peer.name.as_str()));
    named("peer", &mut all, name)
}

fn named<I: Copy>(sort: &str, all: &mut dyn Iterator<Item = (I, &str)>, wanted: &str) -> Result<I, String> {
    let all: Vec<(I, &str)> = all.collect();
    let found = all.iter().find(|(_, name)| *name == wanted);
    found
        .map(|(id, _)| *id)
        .ok_or_else(|| unknown(sort, wanted, all.iter().map(|(_, name)| *name)))
}

/// Most names that an error lists.
const MOST_LISTED: usize = 20;
/// Most characters of a wrong name that an error repeats.
const MOST_REPEATED: usize = 64;

/// That nothing has this name, and which names there are.
pub(super) fn unknown<'a>(sort: &str, wanted: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let wanted: String = wanted.chars().take(MOST_REPEATED).collect();
    let cure = match nearest(&wanted, known.clone()) {
        Some(meant) => format!("did you mean {meant}?"),
        None => {
            let mut listed: Vec<&str> = known.clone().take(MOST_LISTED).collect();
            match (listed.is_empty(), known.count() > MOST_LISTED) {
                (true, _) => "there is none".to_owned(),
                (false, more) => {
                    if more {
                        listed.push("…");
                    }
                    format!("there is {}", listed.join(", "))
                }
            }
        }
    };
    format!("no {sort} is called {wanted:?}; {cure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_gets_a_near_one_or_all() {
        let all = ["backup", "archive"];
        let named = |wanted: &str| named("export", &mut (0..).zip(all), wanted);
        assert_eq!(named("archive"), Ok(1));
        assert_eq!(
            named("bakup").unwrap_err(),
            "no export is called \"bakup\"; did you mean backup?"
        );
        assert_eq!(
            named("moon").unwrap_err(),
            "no export is called \"moon\"; there is backup, archive"
        );
        assert_eq!(
            unknown("peer", "x", [].into_iter()),
            "no peer is called \"x\"; there is none"
        );
        let long = unknown("peer", &"x".repeat(1 << 20), ["a"; 1000].into_iter());
        assert!(long.len() < 200, "{long}");
    }
}
