//! `gateway.toml` as written: every value judged for itself, nothing compared with anything else yet.
//!
//! A value that is absent here was either not written or has been reported.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use aoe_common::config::{OnConflict, PathMtu, Protection};
use aoe_common::frame::Address;
use aoe_common::worker::MOST_WORKERS;
use aoe_keys::{KeyTextError, PublicKey};
use toml::de::{DeTable, DeValue};

use super::fault::{Faults, Kind};
use super::net;
use super::section::Section;
use super::shape::{GATEWAY, GATEWAY_FILE, IMPORT, PEER, SEGMENT};
use super::source::{Located, Place};
use super::value::{self, Refusal, quote};

/// The file.
#[derive(Debug)]
pub(super) struct GatewayFile {
    /// The beginning of the file.
    pub(super) place: Place,
    pub(super) gateway: Option<GatewayEntry>,
    pub(super) segments: Vec<SegmentEntry>,
    pub(super) peers: Vec<PeerEntry>,
    pub(super) imports: Vec<ImportEntry>,
}

/// `[gateway]`.
#[derive(Debug)]
pub(super) struct GatewayEntry {
    pub(super) name: Option<Located<String>>,
    pub(super) listen: Vec<Located<SocketAddr>>,
    pub(super) key: Option<Located<String>>,
    pub(super) exports: Option<Located<String>>,
    pub(super) state: Option<String>,
    pub(super) rekey_after: Option<Duration>,
    pub(super) keepalive: Option<Duration>,
    pub(super) max_age: Option<Duration>,
    pub(super) busy_poll: Option<Duration>,
    pub(super) workers: Option<Located<u16>>,
}

impl GatewayFile {
    /// How many workers are asked for.
    pub(super) fn workers(&self) -> u8 {
        let asked = self.gateway.as_ref().and_then(|gateway| gateway.workers.as_ref());
        asked.map_or(1, |asked| u8::try_from(asked.value).unwrap_or(MOST_WORKERS))
    }
}

/// `[[segment]]`.
#[derive(Debug)]
pub(super) struct SegmentEntry {
    pub(super) place: Place,
    pub(super) name: Option<Located<String>>,
    pub(super) nic: Option<Located<String>>,
    pub(super) tap: Option<Located<String>>,
    pub(super) mtu: Option<Located<u16>>,
    /// Whether either of the two was tried, so that a bad one is not reported as a missing one too.
    pub(super) names_a_device: bool,
}

/// `[[peer]]`.
#[derive(Debug)]
pub(super) struct PeerEntry {
    pub(super) name: Option<Located<String>>,
    pub(super) key: Option<Located<PublicKey>>,
    pub(super) endpoint: Option<Located<String>>,
    pub(super) endpoint_pinned: Option<Located<bool>>,
    /// Whether an endpoint was tried, so that a bad one is not reported as a missing one too.
    pub(super) has_endpoint: bool,
    pub(super) psk: Option<Located<String>>,
    pub(super) protection: Option<Vec<Located<Protection>>>,
    pub(super) path_mtu: Option<Located<PathMtu>>,
}

/// `[[import]]`.
#[derive(Debug)]
pub(super) struct ImportEntry {
    pub(super) place: Place,
    pub(super) peer: Option<Located<String>>,
    pub(super) export: Option<Located<String>>,
    pub(super) segment: Option<Located<String>>,
    pub(super) address: Option<Located<Address>>,
    pub(super) window: Option<Located<u16>>,
    pub(super) on_conflict: Option<OnConflict>,
}

/// Reads the text of `gateway.toml`. `None` if it is not TOML, which is then the only fault reported.
pub(super) fn parse(path: &Path, text: &str, faults: &mut Faults) -> Option<GatewayFile> {
    let place = Place {
        source: faults.add_source(path, text),
        span: 0..0,
        field: String::new(),
    };
    let table = parse_toml(text, &place, faults)?;
    let file = Section::open(&table, &GATEWAY_FILE, place.clone(), faults);
    Some(GatewayFile {
        gateway: file
            .required_section("gateway", &GATEWAY, faults)
            .map(|section| read_gateway(&section, faults)),
        segments: file
            .sections("segment", &SEGMENT, faults)
            .iter()
            .map(|section| read_segment(section, faults))
            .collect(),
        peers: file
            .sections("peer", &PEER, faults)
            .iter()
            .map(|section| read_peer(section, faults))
            .collect(),
        imports: file
            .sections("import", &IMPORT, faults)
            .iter()
            .map(|section| read_import(section, faults))
            .collect(),
        place,
    })
}

/// Where the exports are according to a text that is not TOML as a whole, so that their files can be checked
/// all the same.
pub(super) fn exports_of_broken(text: &str) -> Option<String> {
    let (table, _) = DeTable::parse_recoverable(text);
    let DeValue::Table(gateway) = table.get_ref().get("gateway")?.get_ref() else {
        return None;
    };
    let DeValue::String(path) = gateway.get("exports")?.get_ref() else {
        return None;
    };
    value::path(path).ok()
}

/// Parses a text, or reports the one place at which it stops being TOML.
pub(super) fn parse_toml<'t>(text: &'t str, start: &Place, faults: &mut Faults) -> Option<DeTable<'t>> {
    match DeTable::parse(text) {
        Ok(table) => Some(table.into_inner()),
        Err(error) => {
            let place = Place {
                span: error.span().unwrap_or(0..0),
                ..start.clone()
            };
            let found = format!("this is not TOML: {}", error.message());
            faults.fault(
                Kind::Syntax,
                &place,
                found,
                "correct it; the rest of this file is looked at after that",
            );
            None
        }
    }
}

fn read_gateway(section: &Section<'_, '_>, faults: &mut Faults) -> GatewayEntry {
    let seconds = Duration::from_secs;
    let rekey = |text: &str| value::duration(text, seconds(5), seconds(120));
    let keepalive = |text: &str| value::duration(text, seconds(1), seconds(25));
    let max_age = |text: &str| value::duration(text, Duration::from_millis(100), seconds(10));
    GatewayEntry {
        name: section.required("name", faults, value::name),
        listen: section
            .required_list("listen", faults, net::listen)
            .unwrap_or_default(),
        key: section.required("key", faults, value::path),
        exports: section.optional("exports", faults, value::path),
        state: section
            .optional("state", faults, value::path)
            .map(|path| path.value),
        rekey_after: section
            .optional("rekey_after", faults, rekey)
            .map(|time| time.value),
        keepalive: section
            .optional("keepalive", faults, keepalive)
            .map(|time| time.value),
        max_age: section
            .optional("max_age", faults, max_age)
            .map(|time| time.value),
        busy_poll: section
            .optional("busy_poll", faults, value::busy_poll)
            .map(|time| time.value),
        workers: section.number("workers", faults, 1..=u16::from(MOST_WORKERS)),
    }
}

fn read_segment(section: &Section<'_, '_>, faults: &mut Faults) -> SegmentEntry {
    SegmentEntry {
        place: section.place().clone(),
        name: section.required("name", faults, value::name),
        nic: section.optional("nic", faults, net::interface),
        tap: section.optional("tap", faults, net::tap),
        mtu: section.number("mtu", faults, 576..=9216),
        names_a_device: section.has("nic") || section.has("tap"),
    }
}

fn read_peer(section: &Section<'_, '_>, faults: &mut Faults) -> PeerEntry {
    PeerEntry {
        name: section.required("name", faults, value::name),
        key: section.required("key", faults, public_key),
        endpoint: section.optional("endpoint", faults, net::endpoint),
        endpoint_pinned: section.flag("endpoint_pinned", faults),
        has_endpoint: section.has("endpoint"),
        psk: section.optional("psk", faults, value::path),
        protection: section.list("protection", faults, |text| {
            value::word(text, &["encrypt", "authenticate"])
        }),
        path_mtu: section.path_mtu("path_mtu", faults, 576..=9216),
    }
}

fn read_import(section: &Section<'_, '_>, faults: &mut Faults) -> ImportEntry {
    ImportEntry {
        place: section.place().clone(),
        peer: section.required("peer", faults, value::name),
        export: section.required("export", faults, value::name),
        segment: section.required("segment", faults, value::name),
        address: section.required("as", faults, net::address),
        window: section.number("window", faults, 2..=1024),
        on_conflict: section
            .optional("on_conflict", faults, |text| {
                value::word(text, &["alarm", "stop"])
            })
            .map(|word| word.value),
    }
}

/// The identity of a peer. The messages of [`KeyTextError`] contain no part of the text, which may be a secret.
fn public_key(text: &str) -> Result<PublicKey, Refusal> {
    text.parse().map_err(|error: KeyTextError| Refusal {
        found: match error {
            KeyTextError::NotAKey { .. } => format!("{} is no key text", quote(text)),
            other => other.to_string(),
        },
        instead: String::from(match error {
            KeyTextError::WrongType { .. } => {
                "write what `aoe-keys public FILE` prints on the peer; a secret that was written here is one no more: \
                 replace it there"
            }
            _ => "write what `aoe-keys public FILE` prints on the peer",
        }),
    })
}
