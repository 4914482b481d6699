//! `gateway.toml` as written: every value judged for itself, nothing compared with anything else yet.
//!
//! A value that is absent here was either not written or has been reported.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aoe_common::config::{
    CertificateName, Limit, OnConflict, PathMtu, PostQuantum, Protection, TunnelConfig,
};
use aoe_common::frame::Address;
use aoe_keys::{KeyTextError, PublicKey};
use toml::de::{DeTable, DeValue};

use super::audit::{self, AuditEntry};
use super::fault::{Faults, Kind};
use super::limit;
use super::metrics::{self, Metrics};
use super::net;
use super::peer_file::PeerFile;
use super::section::{MOST_SECTIONS, Section};
use super::settings::{self, Settings};
use super::shape::{AUDIT, GATEWAY, GATEWAY_FILE, IMPORT, METRICS, PEER, SEGMENT, TLS};
use super::source::{Located, Place};
use super::tls::{self, TlsEntry, Transport};
use super::value::{self, Refusal, quote};

/// The file.
#[derive(Debug)]
pub(super) struct GatewayFile {
    /// The beginning of the file.
    pub(super) place: Place,
    pub(super) gateway: Option<GatewayEntry>,
    pub(super) metrics: Option<Metrics>,
    pub(super) segments: Vec<SegmentEntry>,
    pub(super) peers: Vec<PeerEntry>,
    pub(super) imports: Vec<ImportEntry>,
    pub(super) audit: Option<AuditEntry>,
    pub(super) tls: Option<TlsEntry>,
}

/// `[gateway]`.
#[derive(Debug)]
pub(super) struct GatewayEntry {
    /// The heading.
    pub(super) place: Place,
    pub(super) name: Option<Located<String>>,
    pub(super) listen: Vec<Located<SocketAddr>>,
    pub(super) key: Option<Located<String>>,
    /// Whether a key was tried, so that a bad one is not reported as a missing one too.
    pub(super) has_key: bool,
    pub(super) exports: Option<Located<String>>,
    pub(super) revoked: Option<Located<String>>,
    pub(super) peers: Option<Located<String>>,
    pub(super) tunnel: TunnelConfig,
    pub(super) settings: Settings,
}

impl GatewayFile {
    /// Takes in the peers that have files of their own, and what is imported from them.
    pub(super) fn take_in(&mut self, files: impl IntoIterator<Item = PeerFile>, faults: &mut Faults) {
        for file in files {
            self.peers.push(file.peer);
            self.imports.extend(file.imports);
        }
        if let Some(first_too_many) = self.peers.get(MOST_SECTIONS) {
            let found = format!("there are {} peers", self.peers.len());
            let instead = format!("write at most {MOST_SECTIONS} in all files");
            faults.fault(Kind::BadValue, &first_too_many.place, found, instead);
            self.peers.truncate(MOST_SECTIONS);
        }
        if let Some(first_too_many) = self.imports.get(MOST_SECTIONS) {
            let found = format!("there are {} imports", self.imports.len());
            let instead = format!("write at most {MOST_SECTIONS} in all files");
            faults.fault(Kind::BadValue, &first_too_many.place, found, instead);
            self.imports.truncate(MOST_SECTIONS);
        }
    }

    /// How many workers are asked for.
    pub(super) fn workers(&self) -> u8 {
        self.gateway
            .as_ref()
            .map_or(1, |gateway| gateway.settings.workers)
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

/// `[[peer]]`, or `[peer]` of a peer file.
#[derive(Debug)]
pub(super) struct PeerEntry {
    /// The heading.
    pub(super) place: Place,
    /// That of the file, to which paths in it are relative.
    pub(super) directory: PathBuf,
    pub(super) name: Option<Located<String>>,
    pub(super) key: Option<Located<PublicKey>>,
    pub(super) transport: Option<Located<Transport>>,
    pub(super) certificate_name: Option<Located<CertificateName>>,
    /// Whether a name was tried, so that a bad one is not taken for the default.
    pub(super) has_certificate_name: bool,
    pub(super) endpoint: Option<Located<String>>,
    pub(super) endpoint_pinned: Option<Located<bool>>,
    /// Whether an endpoint was tried, so that a bad one is not reported as a missing one too.
    pub(super) has_endpoint: bool,
    pub(super) psk: Option<Located<String>>,
    pub(super) post_quantum: Option<PostQuantum>,
    pub(super) protection: Option<Vec<Located<Protection>>>,
    pub(super) path_mtu: Option<Located<PathMtu>>,
    pub(super) limit: Option<Located<Limit>>,
}

impl PeerEntry {
    /// Whether it is known by a certificate.
    pub(super) fn is_by_tls(&self) -> bool {
        self.transport
            .as_ref()
            .is_some_and(|transport| transport.value == Transport::Tls)
    }
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
    let directory = settings::directory(path);
    let parent = path.parent().unwrap_or(Path::new(""));
    let table = parse_toml(text, &place, faults)?;
    let file = Section::open(&table, &GATEWAY_FILE, place.clone(), faults);
    Some(GatewayFile {
        gateway: file
            .required_section("gateway", &GATEWAY, faults)
            .map(|section| read_gateway(&section, &directory, faults)),
        metrics: file
            .optional_section("metrics", &METRICS, faults)
            .and_then(|section| metrics::read(&section, faults)),
        segments: file
            .sections("segment", &SEGMENT, faults)
            .iter()
            .map(|section| read_segment(section, faults))
            .collect(),
        peers: file
            .sections("peer", &PEER, faults)
            .iter()
            .map(|section| {
                let name = section.required("name", faults, value::name);
                read_peer(section, name, parent, faults)
            })
            .collect(),
        imports: file
            .sections("import", &IMPORT, faults)
            .iter()
            .map(|section| {
                let peer = section.required("peer", faults, value::name);
                read_import(section, peer, faults)
            })
            .collect(),
        audit: file
            .optional_section("audit", &AUDIT, faults)
            .map(|section| audit::read(&section, &directory, faults)),
        tls: file
            .optional_section("tls", &TLS, faults)
            .map(|section| tls::read(&section, faults)),
        place,
    })
}

/// Where the exports or peers are, by the key of `[gateway]`, according to a text that is not TOML as a whole, so that
/// their files can be checked all the same.
pub(super) fn directory_of_broken(text: &str, key: &str) -> Option<String> {
    let (table, _) = DeTable::parse_recoverable(text);
    let DeValue::Table(gateway) = table.get_ref().get("gateway")?.get_ref() else {
        return None;
    };
    let DeValue::String(path) = gateway.get(key)?.get_ref() else {
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

fn read_gateway(section: &Section<'_, '_>, directory: &Path, faults: &mut Faults) -> GatewayEntry {
    let name = section.required("name", faults, value::name);
    // Without a name it is not used, whatever else it says.
    let known = name.as_ref().map_or("", |name| name.value.as_str());
    GatewayEntry {
        place: section.place().clone(),
        settings: settings::read(section, known, directory, faults),
        name,
        listen: section
            .required_list("listen", faults, net::listen)
            .unwrap_or_default(),
        key: section.optional("key", faults, value::file),
        has_key: section.has("key"),
        exports: section.optional("exports", faults, value::path),
        revoked: section.optional("revoked", faults, value::path),
        peers: section.optional("peers", faults, value::path),
        tunnel: read_tunnel(section, faults),
    }
}

/// Settings of every tunnel; those that are not written, and the ciphers, are as they are by default.
fn read_tunnel(section: &Section<'_, '_>, faults: &mut Faults) -> TunnelConfig {
    let seconds = Duration::from_secs;
    let mut time = |key, default, shortest, longest| {
        let parse = |text: &str| value::duration(text, shortest, longest);
        let written = section.optional(key, faults, parse);
        written.map_or(default, |time| time.value)
    };
    let default = TunnelConfig::default();
    TunnelConfig {
        rekey_after: time("rekey_after", default.rekey_after, seconds(5), seconds(120)),
        keepalive: time("keepalive", default.keepalive, seconds(1), seconds(25)),
        max_age: time(
            "max_age",
            default.max_age,
            Duration::from_millis(100),
            seconds(10),
        ),
        ..default
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

/// Reads what is said of a peer; `directory` is that of the file, as it was named.
pub(super) fn read_peer(
    section: &Section<'_, '_>,
    name: Option<Located<String>>,
    directory: &Path,
    faults: &mut Faults,
) -> PeerEntry {
    let transport = section.optional("transport", faults, tls::transport);
    let is_tls = transport
        .as_ref()
        .is_some_and(|transport| transport.value == Transport::Tls);
    PeerEntry {
        place: section.place().clone(),
        directory: directory.to_owned(),
        name,
        key: if is_tls {
            section.optional("key", faults, public_key)
        } else {
            section.required("key", faults, public_key)
        },
        transport,
        certificate_name: section.optional("certificate_name", faults, tls::certificate_name),
        has_certificate_name: section.has("certificate_name"),
        endpoint: section.optional("endpoint", faults, net::endpoint),
        endpoint_pinned: section.flag("endpoint_pinned", faults),
        has_endpoint: section.has("endpoint"),
        psk: section.optional("psk", faults, value::file),
        post_quantum: section
            .optional("post_quantum", faults, |text| {
                value::word(text, &["off", "prefer", "require"])
            })
            .map(|mode| mode.value),
        protection: section.list("protection", faults, |text| {
            value::word(text, &["encrypt", "authenticate"])
        }),
        path_mtu: section.path_mtu("path_mtu", faults, 576..=9216),
        limit: limit::read(section, "limit", faults),
    }
}

/// Reads what is said of an import from a peer.
pub(super) fn read_import(
    section: &Section<'_, '_>,
    peer: Option<Located<String>>,
    faults: &mut Faults,
) -> ImportEntry {
    ImportEntry {
        place: section.place().clone(),
        peer,
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
