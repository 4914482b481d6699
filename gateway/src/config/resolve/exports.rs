//! What peers may use of ours.

use aoe_common::config::{Allow, ConfigString, ExportConfig, Limit, PeerId, Permit, SegmentId};
use aoe_common::frame::Address;

use super::grants;
use super::names::{Names, Once};
use crate::config::export_file::{AllowEntry, ExportFile};
use crate::config::fault::Faults;
use crate::config::limit;
use crate::config::source::Located;
use crate::config::value::quote;

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
        limit::warn_of_floors(&file.limit, file.allow.iter().map(|entry| &entry.limit), faults);
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
        limit: limit::value(&file.limit),
        allow: allow?,
    })
}

fn allow(file: &ExportFile, peers: &Names<'_>, faults: &mut Faults) -> Option<Vec<Allow>> {
    let mut list = Vec::new();
    for entry in &file.allow {
        let peer = peers.find(&entry.peer, faults).map(PeerId);
        list.push(allow_entry(entry, peer, faults));
    }
    grants::bound(file, faults);
    one_limit(file, "limit", |entry| &entry.limit, faults);
    one_limit(file, "initiator_limit", |entry| &entry.initiator_limit, faults);
    list.into_iter().collect()
}

/// A peer has one limit on an export, in whichever of its blocks it is written.
fn one_limit(
    file: &ExportFile,
    key: &str,
    limit: fn(&AllowEntry) -> &Option<Located<Limit>>,
    faults: &mut Faults,
) {
    let mut once = Once::default();
    for entry in &file.allow {
        if let (Some(peer), Some(limit)) = (&entry.peer, limit(entry)) {
            once.claim(peer.value.as_str(), &limit.place, faults, |peer| {
                (
                    format!("another [[allow]] for peer {} has a `{key}`", quote(peer)),
                    String::from(
                        "a peer has one on an export, whatever its permissions: write it into one of them",
                    ),
                )
            });
        }
    }
}

fn allow_entry(entry: &AllowEntry, peer: Option<PeerId>, faults: &mut Faults) -> Option<Allow> {
    let initiators = grants::initiators(entry, faults);
    let (lba, commands) = (grants::lba(entry, faults), grants::commands(entry, faults));
    let permit = |word: &Option<Located<Permit>>| word.as_ref().map_or(Permit::Refused, |word| word.value);
    Some(Allow {
        peer: peer?,
        access: entry.access.as_ref()?.value,
        initiators,
        config_string: entry
            .config_string
            .as_ref()
            .map_or(ConfigString::Read, |word| word.value),
        lba,
        commands,
        reserve: permit(&entry.reserve),
        mac_mask: permit(&entry.mac_mask),
        until: entry.until.as_ref().map(|until| until.value),
        limit: limit::value(&entry.limit),
        initiator_limit: limit::value(&entry.initiator_limit),
    })
}
