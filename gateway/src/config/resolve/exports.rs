//! What peers may use of ours.

use aoe_common::config::{Allow, ConfigString, ExportConfig, Limit, PeerId, SegmentId};
use aoe_common::frame::{Address, MacAddr};

use super::names::{Names, Once};
use crate::config::export_file::{AllowEntry, ExportFile};
use crate::config::fault::{Faults, Kind};
use crate::config::source::Located;
use crate::config::value::quote;

/// Most initiators one `[[allow]]` names.
const MOST_INITIATORS: usize = 64;

/// The exports, and the addresses their targets have.
#[derive(Debug)]
pub(super) struct Exports {
    /// `None` if any of them is wrong.
    pub(super) list: Option<Vec<ExportConfig>>,
    /// Where each target of ours is exported.
    pub(super) targets: Once<(SegmentId, Address)>,
}

/// All exports, compared with each other.
pub(super) fn resolve(
    files: &[ExportFile],
    segments: &Names<'_>,
    peers: &Names<'_>,
    faults: &mut Faults,
) -> Exports {
    // Declaring the names reports those that appear twice.
    Names::declare("export", Some(files.iter().map(|file| &file.name)), faults);
    let mut targets = Once::default();
    let mut exports = Vec::new();
    for file in files {
        let segment = segments.find(&file.segment, faults).map(SegmentId);
        if let (Some(segment), Some(target)) = (segment, &file.target) {
            targets.claim((segment, target.value), &target.place, faults, |(_, address)| {
                (
                    format!("another export has the target {address} on the same segment"),
                    String::from("let one export name all its peers: one [[allow]] for each"),
                )
            });
        }
        let allow = allow(file, peers, faults);
        exports.push(build(file, segment, allow));
    }
    Exports {
        list: exports.into_iter().collect(),
        targets,
    }
}

fn build(file: &ExportFile, segment: Option<SegmentId>, allow: Option<Vec<Allow>>) -> Option<ExportConfig> {
    Some(ExportConfig {
        name: file.name.as_ref()?.value.clone(),
        segment: segment?,
        target: file.target.as_ref()?.value,
        safety: file.safety(),
        target_mac: file.target_mac.as_ref().map(|mac| mac.value),
        limit: Limit::default(),
        allow: allow?,
    })
}

fn allow(file: &ExportFile, peers: &Names<'_>, faults: &mut Faults) -> Option<Vec<Allow>> {
    let mut once = Once::default();
    let mut list = Vec::new();
    for entry in &file.allow {
        let peer = peers.find(&entry.peer, faults).map(PeerId);
        if let Some(name) = &entry.peer {
            once.claim(name.value.as_str(), &name.place, faults, |name| {
                (
                    format!("there already is an [[allow]] for peer {}", quote(name)),
                    String::from("write one [[allow]] for each peer"),
                )
            });
        }
        let initiators = initiators(entry, faults);
        list.push(allow_entry(entry, peer, initiators));
    }
    list.into_iter().collect()
}

fn allow_entry(entry: &AllowEntry, peer: Option<PeerId>, initiators: Option<Vec<MacAddr>>) -> Option<Allow> {
    Some(Allow {
        peer: peer?,
        access: entry.access.as_ref()?.value,
        initiators,
        config_string: entry
            .config_string
            .as_ref()
            .map_or(ConfigString::Read, |word| word.value),
        limit: Limit::default(),
        initiator_limit: Limit::default(),
    })
}

fn initiators(entry: &AllowEntry, faults: &mut Faults) -> Option<Vec<MacAddr>> {
    let list: &[Located<MacAddr>] = entry.initiators.as_ref()?;
    if let Some(first_too_many) = list.get(MOST_INITIATORS) {
        let found = format!("{} initiators are listed", list.len());
        let instead = format!(
            "list at most {MOST_INITIATORS}, or leave `initiators` out to allow all behind that peer"
        );
        faults.fault(Kind::BadValue, &first_too_many.place, found, instead);
    }
    let mut once = Once::default();
    for mac in list {
        once.claim(mac.value, &mac.place, faults, |mac| {
            (
                format!("{mac} is listed twice"),
                String::from("list each initiator once"),
            )
        });
    }
    Some(list.iter().map(|mac| mac.value).collect())
}
