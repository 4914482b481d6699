//! One file of the directory of peers as written: a peer, and what is imported from it.
//!
//! It says what `[[peer]]` and `[[import]]` of the gateway file say, so that one file is all that pairing adds and removing
//! it all that ends it.

use std::path::Path;

use super::fault::{Faults, Kind};
use super::gateway_file::{ImportEntry, PeerEntry, parse_toml, read_import, read_peer};
use super::section::Section;
use super::shape::{IMPORT_OF_FILE, PEER_FILE, PEER_OF_FILE};
use super::source::{Located, Place};
use super::value::{self, quote};

/// The file.
#[derive(Debug)]
pub(super) struct PeerFile {
    pub(super) peer: PeerEntry,
    pub(super) imports: Vec<ImportEntry>,
}

/// Reads the text of a peer file. `None` if it is not TOML, or has no `[peer]`.
pub(super) fn parse(path: &Path, text: &str, faults: &mut Faults) -> Option<PeerFile> {
    let place = Place {
        source: faults.add_source(path, text),
        span: 0..0,
        field: String::new(),
    };
    let table = parse_toml(text, &place, faults)?;
    let file = Section::open(&table, &PEER_FILE, place, faults);
    let section = file.required_section("peer", &PEER_OF_FILE, faults)?;
    let implied = name_of_file(path, section.place(), faults);
    let written = section.optional("name", faults, value::name);
    if let (Some(written), Some(implied)) = (&written, &implied)
        && written.value != implied.value
    {
        let found = format!(
            "the peer is called {}, and its file {}",
            quote(&written.value),
            quote(&format!("{}.toml", implied.value))
        );
        let instead = format!("rename the file to {}.toml, or remove `name`", written.value);
        faults.fault(Kind::Conflict, &written.place, found, instead);
    }
    let name = written.or(implied);
    Some(PeerFile {
        imports: file
            .sections("import", &IMPORT_OF_FILE, faults)
            .iter()
            .map(|section| read_import(section, name.clone(), faults))
            .collect(),
        peer: read_peer(&section, name, path.parent().unwrap_or(Path::new("")), faults),
    })
}

/// The name that a file gives its peer.
fn name_of_file(path: &Path, place: &Place, faults: &mut Faults) -> Option<Located<String>> {
    let name = stem(path);
    match value::name(&name) {
        Ok(value) => Some(Located {
            value,
            place: place.clone(),
        }),
        Err(refusal) => {
            let found = format!("a file is called after its peer, and {}", refusal.found);
            faults.fault(Kind::BadValue, place, found, refusal.instead);
            None
        }
    }
}

/// The name of a file without `.toml`.
pub(super) fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}
