//! What is declared and never used: legal, and probably not what was meant.

use std::collections::BTreeSet;

use crate::config::export_file::ExportFile;
use crate::config::fault::Faults;
use crate::config::gateway_file::GatewayFile;
use crate::config::source::Located;
use crate::config::value::quote;

/// Warns of exports nobody may use, and of peers and segments nothing refers to.
pub(super) fn warn(file: &GatewayFile, exports: &[ExportFile], faults: &mut Faults) {
    for export in exports {
        if export.allow.is_empty() {
            let place = export.name.as_ref().map_or(&export.place, |name| &name.place);
            faults.warn(
                place,
                "nobody may use this export",
                "add [[allow]] with a peer and its access",
            );
        }
    }
    // One without a peer is not finished, and said to be so.
    if file.peers.is_empty() {
        return;
    }
    if file.imports.is_empty() && exports.is_empty() {
        faults.warn(
            &file.place,
            "there is no import and no export, so no frame will be carried",
            "add [[import]] here, or a file NAME.toml to the directory that `exports` of [gateway] names",
        );
        return;
    }
    let value = |name: &'_ Option<Located<String>>| name.as_ref().map(|name| name.value.clone());
    let allows = exports.iter().flat_map(|export| &export.allow);
    let peers: BTreeSet<_> = file
        .imports
        .iter()
        .map(|import| value(&import.peer))
        .chain(allows.map(|allow| value(&allow.peer)))
        .collect();
    let segments: BTreeSet<_> = file
        .imports
        .iter()
        .map(|import| value(&import.segment))
        .chain(exports.iter().map(|export| value(&export.segment)))
        .collect();
    for name in file
        .peers
        .iter()
        .filter(|peer| !peers.contains(&value(&peer.name)))
        .filter_map(|peer| peer.name.as_ref())
    {
        let found = format!("no import and no [[allow]] names the peer {}", quote(&name.value));
        faults.warn(&name.place, found, "remove it, or let it use something");
    }
    let unused = file
        .segments
        .iter()
        .filter(|segment| !segments.contains(&value(&segment.name)));
    for name in unused.filter_map(|segment| segment.name.as_ref()) {
        let found = format!("no import and no export is on the segment {}", quote(&name.value));
        faults.warn(&name.place, found, "remove it, or put something on it");
    }
}
