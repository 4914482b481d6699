//! What we present of others'.

use aoe_common::config::{ImportConfig, PeerId, SegmentId};
use aoe_common::frame::Address;

use super::names::{Names, Once};
use crate::config::fault::{Faults, Kind};
use crate::config::gateway_file::ImportEntry;
use crate::config::source::Place;
use crate::config::value::quote;

/// Frames an initiator may have outstanding: what the Linux driver can use (`aoe_maxout`).
const DEFAULT_WINDOW: u16 = 64;

/// All imports, compared with each other and with the targets we export. `None` if any of them is wrong.
pub(super) fn resolve(
    entries: &[ImportEntry],
    segments: &Names<'_>,
    peers: &Names<'_>,
    targets: &Once<(SegmentId, Address)>,
    faults: &mut Faults,
) -> Option<Vec<ImportConfig>> {
    let mut addresses = Once::default();
    let mut presented: Vec<(PeerId, &str, SegmentId, &Place)> = Vec::new();
    let mut imports = Vec::new();
    for entry in entries {
        let peer = peers.find(&entry.peer, faults).map(PeerId);
        let segment = segments.find(&entry.segment, faults).map(SegmentId);
        if let Some(segment) = segment {
            check_address(entry, segment, &mut addresses, targets, faults);
        }
        if let (Some(peer), Some(export), Some(segment)) = (peer, &entry.export, segment) {
            let same = |other: &&(PeerId, &str, SegmentId, &Place)| {
                (other.0, other.1, other.2) == (peer, export.value.as_str(), segment)
            };
            if let Some((.., first)) = presented.iter().find(same) {
                let first = faults.whereabouts(first, &export.place);
                let found = format!(
                    "export {} of this peer is on this segment already ({first})",
                    quote(&export.value)
                );
                faults.warn(
                    &export.place,
                    found,
                    "remove one: initiators would see two disks and know nothing of their being one",
                );
            }
            presented.push((peer, &export.value, segment, &entry.place));
        }
        imports.push(build(entry, peer, segment));
    }
    imports.into_iter().collect()
}

fn build(entry: &ImportEntry, peer: Option<PeerId>, segment: Option<SegmentId>) -> Option<ImportConfig> {
    Some(ImportConfig {
        peer: peer?,
        export: entry.export.as_ref()?.value.clone(),
        segment: segment?,
        address: entry.address.as_ref()?.value,
        window: entry
            .window
            .as_ref()
            .map_or(DEFAULT_WINDOW, |window| window.value),
        on_conflict: entry.on_conflict.unwrap_or_default(),
    })
}

fn check_address(
    entry: &ImportEntry,
    segment: SegmentId,
    addresses: &mut Once<(SegmentId, Address)>,
    targets: &Once<(SegmentId, Address)>,
    faults: &mut Faults,
) {
    let Some(address) = &entry.address else { return };
    let key = (segment, address.value);
    if let Some(target) = targets.holder(&key) {
        let target = faults.whereabouts(target, &address.place);
        let found = format!(
            "{} is the target of an export on the same segment ({target})",
            address.value
        );
        faults.fault(
            Kind::Conflict,
            &address.place,
            found,
            "present the import at an address no target has here",
        );
    }
    addresses.claim(key, &address.place, faults, |(_, address)| {
        (
            format!("another import is {address} on the same segment"),
            String::from("give each import its own address"),
        )
    });
}
