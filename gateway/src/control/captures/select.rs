//! What somebody wants to capture, by the configuration.

use std::fmt::Display;
use std::str::FromStr as _;

use aoe_common::config::{ExportConfig, ExportId, GatewayConfig, ImportConfig, ImportId, PeerId};
use aoe_common::frame::{Address, MAX_FRAME_LEN, MacAddr};
use aoe_common::tap::{Place, Wish};

use super::lines::{Interface, Wanted};
use super::words::Names;
use super::{LONGEST, USUAL};
use crate::control::things;

/// Names that an error lists.
const MOST_LISTED: usize = 10;

/// What is captured.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The interface of each place of the wish, in the same order.
    pub(super) interfaces: Vec<Interface>,
    /// Its places are sorted.
    pub(super) wish: Wish,
    pub(super) count: Option<u64>,
    pub(super) seconds: u64,
}

/// What is to be captured.
///
/// # Errors
/// What is wrong with the wish, and what would be right.
pub(super) fn select(wanted: &Wanted, config: &GatewayConfig) -> Result<Plan, String> {
    let mut places = Vec::new();
    if wanted.all {
        places.extend(config.exports.ids().map(Place::Export));
        places.extend(config.imports.ids().map(Place::Import));
    }
    for name in &wanted.exports {
        places.push(Place::Export(export(name, config)?));
    }
    for name in &wanted.imports {
        places.push(Place::Import(import(name, config)?));
    }
    places.sort_unstable();
    places.dedup();
    if places.is_empty() {
        return Err(match wanted.all {
            true => "this gateway has no exports and no imports".to_owned(),
            false => "say what to capture: an export, an import, or all".to_owned(),
        });
    }
    let initiator = match &wanted.initiator {
        None => None,
        Some(text) => Some(MacAddr::from_str(text).map_err(|error| {
            format!("initiator {text:?}: {error}; write its MAC, such as 02:00:00:00:00:01")
        })?),
    };
    let seconds = wanted.seconds.unwrap_or(USUAL.as_secs());
    if seconds == 0 || seconds > LONGEST.as_secs() {
        let most = LONGEST.as_secs();
        return Err(format!(
            "{seconds} s is out of bounds: a capture lasts from 1 s to {most} s"
        ));
    }
    if wanted.count == Some(0) {
        return Err("0 frames are no capture: a count is at least 1".to_owned());
    }
    if wanted.snaplen > MAX_FRAME_LEN {
        return Err(format!(
            "no frame is longer than {MAX_FRAME_LEN} bytes; 0 captures all of each frame"
        ));
    }
    Ok(Plan {
        interfaces: places.iter().map(|place| interface(*place, config)).collect(),
        wish: Wish {
            places,
            peer: wanted
                .peer
                .as_deref()
                .map(|name| peer(name, config))
                .transpose()?,
            initiator,
            snaplen: wanted.snaplen,
        },
        count: wanted.count,
        seconds,
    })
}

/// What peers are called.
pub(super) fn names(config: &GatewayConfig) -> Names {
    let peers = config.peers.iter();
    peers.map(|(id, peer)| (id, peer.name.clone())).collect()
}

fn peer(name: &str, config: &GatewayConfig) -> Result<PeerId, String> {
    let mut peers = config.peers.iter();
    let found = peers.find(|(_, peer)| peer.name == name);
    let known = || config.peers.values().map(|peer| peer.name.clone());
    found
        .map(|(id, _)| id)
        .ok_or_else(|| unknown("peer", name, known()))
}

fn export(name: &str, config: &GatewayConfig) -> Result<ExportId, String> {
    let mut exports = config.exports.iter();
    let found = exports.find(|(_, export)| export.name == name);
    let known = || config.exports.values().map(|export| export.name.clone());
    found
        .map(|(id, _)| id)
        .ok_or_else(|| unknown("export", name, known()))
}

/// By `e107.3`, or by `PEER/EXPORT`.
fn import(name: &str, config: &GatewayConfig) -> Result<ImportId, String> {
    let of = |import: &ImportConfig| format!("{}/{}", peer_of(import, config), import.export);
    let address = Address::from_str(name).ok();
    let mut found = config
        .imports
        .iter()
        .filter(|(_, import)| Some(import.address) == address || of(import) == name)
        .map(|(id, import)| (id, of(import)));
    match (found.next(), found.next()) {
        (Some((id, _)), None) => Ok(id),
        (Some((_, one)), Some((_, other))) => Err(format!(
            "{name} is several imports: name {one} or {other} instead"
        )),
        (None, _) if address.is_some() => {
            let known = config.imports.values().map(|import| import.address.to_string());
            Err(unknown("import", name, known))
        }
        (None, _) => Err(unknown("import", name, config.imports.values().map(of))),
    }
}

/// That there is no such thing, and what there is.
fn unknown(sort: &str, name: &str, known: impl Iterator<Item = String>) -> String {
    let known: Vec<String> = known.collect();
    things::unknown(sort, name, known.iter().map(String::as_str))
}

fn peer_of<'a>(import: &ImportConfig, config: &'a GatewayConfig) -> &'a str {
    config
        .peers
        .get(import.peer)
        .map_or("?", |peer| peer.name.as_str())
}

fn interface(place: Place, config: &GatewayConfig) -> Interface {
    let segment = |id| {
        config
            .segments
            .get(id)
            .map_or("?", |segment| segment.name.as_str())
    };
    let of_export = |export: &ExportConfig| Interface {
        name: format!("export {}", export.name),
        description: format!("target {} on segment {}", export.target, segment(export.segment)),
    };
    let of_import = |import: &ImportConfig| {
        let same = config
            .imports
            .values()
            .filter(|other| other.address == import.address);
        let on = segment(import.segment);
        Interface {
            name: match same.count() {
                1 => format!("import {}", import.address),
                _ => format!("import {} on {on}", import.address),
            },
            description: format!(
                "export {} of peer {}, on segment {on}",
                import.export,
                peer_of(import, config)
            ),
        }
    };
    match place {
        Place::Export(id) => config.exports.get(id).map(of_export),
        Place::Import(id) => config.imports.get(id).map(of_import),
    }
    .unwrap_or_default()
}

/// Whether what is captured is still configured.
pub(super) fn is_there(place: Place, config: &GatewayConfig) -> bool {
    match place {
        Place::Export(id) => config.exports.get(id).is_some(),
        Place::Import(id) => config.imports.get(id).is_some(),
    }
}

/// What is captured, in words.
pub(super) fn in_words(plan: &Plan, names: &Names) -> String {
    let of = |interface: &Interface| interface.name.clone();
    let mut words: Vec<String> = plan.interfaces.iter().take(MOST_LISTED).map(of).collect();
    if let Some(more) = plan
        .interfaces
        .len()
        .checked_sub(MOST_LISTED)
        .filter(|more| *more > 0)
    {
        words.push(format!("{more} more"));
    }
    let only = |what: &str, which: Option<&dyn Display>| {
        which
            .map(|which| format!(" of {what} {which}"))
            .unwrap_or_default()
    };
    let peer = plan.wish.peer.and_then(|peer| names.get(&peer));
    format!(
        "{}{}{}",
        words.join(", "),
        only("peer", peer.map(|name| name as &dyn Display)),
        only(
            "initiator",
            plan.wish.initiator.as_ref().map(|mac| mac as &dyn Display)
        ),
    )
}
