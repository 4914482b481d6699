//! What an operator calls exports, imports and peers.

use std::fmt;

use aoe_common::config::{ExportId, ImportConfig, ImportId, PeerId};
use aoe_common::steer::Thing;

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

/// An export or import, and what it is called in what is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) thing: Thing,
    /// How an operator would name it, and no other.
    pub(super) name: String,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sort = match self.thing {
            Thing::Export(_) => "export",
            Thing::Import(_) => "import",
        };
        write!(f, "{sort} {}", self.name)
    }
}

/// What an operator means: an export by its name; an import by its shelf.slot, with `SEGMENT:` before it where several have
/// it, or by `PEER/EXPORT`. `export:` or `import:` before it says which of both.
///
/// # Errors
/// There is none, with the nearest name; or there are several.
pub(super) fn thing(loaded: &Loaded, word: &str) -> Result<Named, String> {
    let (exports, imports, word) = match word.split_once(':') {
        Some(("export", name)) => (true, false, name),
        Some(("import", name)) => (false, true, name),
        _ => (true, true, word),
    };
    let mut found = Vec::new();
    if exports {
        let named = loaded
            .core
            .exports
            .iter()
            .filter(|(_, export)| export.name == word);
        found.extend(named.map(|(id, export)| Named {
            thing: Thing::Export(id),
            name: export.name.clone(),
        }));
    }
    if imports {
        let all = loaded.core.imports.iter();
        let meant = all.filter(|(_, import)| names_of(loaded, import).iter().any(|name| name == word));
        found.extend(meant.map(|(id, import)| import_named(loaded, id, import)));
    }
    match found.as_slice() {
        [] => Err(unknown_thing(loaded, word)),
        [one] => Ok(one.clone()),
        several => {
            let several: Vec<String> = several
                .iter()
                .take(MOST_LISTED)
                .map(|one| match one.thing {
                    Thing::Export(_) => format!("export:{}", one.name),
                    Thing::Import(_) => format!("import:{}", one.name),
                })
                .collect();
            let word: String = word.chars().take(MOST_REPEATED).collect();
            Err(format!(
                "{word:?} may be several; write one of {}",
                several.join(", ")
            ))
        }
    }
}

/// All names of an import: its shelf.slot, with its segment, whose export it is.
fn names_of(loaded: &Loaded, import: &ImportConfig) -> [String; 3] {
    let segment = loaded.core.segments.get(import.segment);
    let peer = loaded.core.peers.get(import.peer);
    [
        import.address.to_string(),
        format!(
            "{}:{}",
            segment.map_or("", |segment| segment.name.as_str()),
            import.address
        ),
        format!("{}/{}", peer.map_or("", |peer| peer.name.as_str()), import.export),
    ]
}

/// By its shelf.slot, or with its segment if another import has that.
fn import_named(loaded: &Loaded, id: ImportId, import: &ImportConfig) -> Named {
    let [address, with_segment, _] = names_of(loaded, import);
    let mut others = loaded.core.imports.iter();
    let alone = !others.any(|(other, known)| other != id && known.address == import.address);
    Named {
        thing: Thing::Import(id),
        name: if alone { address } else { with_segment },
    }
}

fn unknown_thing(loaded: &Loaded, word: &str) -> String {
    let exports = loaded.core.exports.values().map(|export| export.name.clone());
    let imports = loaded.core.imports.values();
    let addresses = imports.clone().map(|import| import.address.to_string());
    let others = imports.map(|import| {
        let [.., by_peer] = names_of(loaded, import);
        by_peer
    });
    // What is listed if nothing is near: the shortest names.
    let short: Vec<String> = exports.chain(addresses).collect();
    let all: Vec<String> = short.iter().cloned().chain(others).collect();
    match nearest(word, all.iter().map(String::as_str)) {
        Some(_) => unknown("export or import", word, all.iter().map(String::as_str)),
        None => unknown("export or import", word, short.iter().map(String::as_str)),
    }
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

    fn loaded(imports: &str) -> Loaded {
        let dir = tempfile::tempdir().unwrap();
        let keys = [1, 2].map(|n| aoe_keys::SecretKey::from_bytes([n; 32]));
        let public = keys[1].public();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("key"), format!("{}\n", keys[0].to_text().as_str())).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(path("key"), mode).unwrap();
        let text = format!(
            "[gateway]\nname = 'a'\nlisten = ['127.0.0.1:0']\nkey = 'key'\nexports = 'exports.d'\n\
             [[segment]]\nname = 'san'\nnic = 'eth1'\n[[segment]]\nname = 'lab'\nnic = 'eth2'\n\
             [[peer]]\nname = 'site-b'\nkey = '{public}'\n{imports}"
        );
        std::fs::write(path("gateway.toml"), text).unwrap();
        std::fs::create_dir(path("exports.d")).unwrap();
        let export = "name = 'backup'\nsegment = 'san'\ntarget = 'e7.3'\n\
                      [[allow]]\npeer = 'site-b'\naccess = 'read-write'\n";
        std::fs::write(path("exports.d/backup.toml"), export).unwrap();
        let examined = crate::config::examine(&path("gateway.toml"));
        examined.loaded.unwrap_or_else(|| panic!("{:?}", examined.faults))
    }

    fn import(export: &str, segment: &str, at: &str) -> String {
        format!("[[import]]\npeer = 'site-b'\nexport = '{export}'\nsegment = '{segment}'\nas = '{at}'\n")
    }

    #[test]
    fn an_import_has_several_names_and_one_that_two_have_is_not_guessed() {
        let imports = [
            import("one", "san", "e107.3"),
            import("two", "lab", "e107.3"),
            import("three", "lab", "e107.4"),
        ];
        let loaded = loaded(&imports.concat());
        let found = |word: &str| thing(&loaded, word).map(|found| found.to_string());
        assert_eq!(found("backup").unwrap(), "export backup");
        assert_eq!(found("export:backup").unwrap(), "export backup");
        assert_eq!(found("e107.4").unwrap(), "import e107.4");
        assert_eq!(found("import:e107.4").unwrap(), "import e107.4");
        assert_eq!(found("san:e107.3").unwrap(), "import san:e107.3");
        assert_eq!(found("site-b/two").unwrap(), "import lab:e107.3");
        assert_eq!(
            found("e107.3").unwrap_err(),
            "\"e107.3\" may be several; write one of import:san:e107.3, import:lab:e107.3"
        );
        assert_eq!(
            found("bakup").unwrap_err(),
            "no export or import is called \"bakup\"; did you mean backup?"
        );
        assert_eq!(
            found("x/y:z").unwrap_err(),
            "no export or import is called \"x/y:z\"; there is backup, e107.3, e107.3, e107.4"
        );
        assert!(found("import:backup").is_err());
        assert!(peer(&loaded, "site-b").is_ok() && export(&loaded, "backup").is_ok());
        assert_eq!(
            peer(&loaded, "site-c").unwrap_err(),
            "no peer is called \"site-c\"; did you mean site-b?"
        );
    }

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
