//! What a configuration does, in a few lines.

use std::fmt::Write;

use aoe_common::config::{ExtraCommand, Limit, PathMtu};
use aoe_common::time::Instant;
use aoe_common::worker::Worker;
use aoe_keys::KeyKind;
use serde::{Serialize, Serializer};

use super::paint::Paint;
use crate::config::{Device, Loaded};
use crate::segment::{Attachment, Flavor};
use crate::sys::link;

/// A usable configuration as an operator thinks of it. JSON and text are both drawn from this.
#[derive(Debug, Serialize)]
pub(super) struct Summary<'a> {
    name: &'a str,
    fingerprint: String,
    workers: u8,
    listen: Vec<String>,
    segments: Vec<Segment<'a>>,
    peers: Vec<Peer<'a>>,
    exports: Vec<Export<'a>>,
    imports: Vec<Import<'a>>,
    /// What may keep it from working, as far as this host shows.
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Segment<'a> {
    name: &'a str,
    device: &'static str,
    interface: &'a str,
    /// Only of a TAP; a NIC has its own.
    mtu: Option<u16>,
}

/// `"auto"`, or the number.
fn word_or_number<S: Serializer>(mtu: &PathMtu, out: S) -> Result<S::Ok, S::Error> {
    match mtu {
        PathMtu::Auto => out.collect_str(mtu),
        PathMtu::Fixed(mtu) => out.serialize_u16(*mtu),
    }
}

/// `null`, or what it is in words.
fn in_words<S: Serializer>(limit: &Limit, out: S) -> Result<S::Ok, S::Error> {
    match limit.is_none() {
        true => out.serialize_none(),
        false => out.collect_str(limit),
    }
}

/// `, limit 1000 IOPS`; nothing without one.
fn limited(what: &str, limit: &Limit) -> String {
    match limit.is_none() {
        true => String::new(),
        false => format!(", {what} {limit}"),
    }
}

#[derive(Debug, Serialize)]
struct Peer<'a> {
    name: &'a str,
    fingerprint: String,
    endpoint: Option<&'a str>,
    endpoint_pinned: bool,
    pre_shared_key: bool,
    post_quantum: String,
    protection: Vec<String>,
    #[serde(serialize_with = "word_or_number")]
    path_mtu: PathMtu,
    #[serde(serialize_with = "in_words")]
    limit: Limit,
    /// Among how many workers its limit is divided.
    limit_divided: u8,
}

#[derive(Debug, Serialize)]
struct Export<'a> {
    name: &'a str,
    segment: &'a str,
    target: String,
    target_mac: Option<String>,
    worker: u8,
    #[serde(serialize_with = "in_words")]
    limit: Limit,
    allow: Vec<Allow<'a>>,
}

#[derive(Debug, Serialize)]
struct Allow<'a> {
    peer: &'a str,
    access: String,
    initiators: Option<Vec<String>>,
    /// Absent: all.
    sectors: Option<Vec<String>>,
    commands: Vec<&'static str>,
    config_string: String,
    reserve: String,
    mac_mask: String,
    until: Option<String>,
    #[serde(serialize_with = "in_words")]
    limit: Limit,
    #[serde(serialize_with = "in_words")]
    initiator_limit: Limit,
}

#[derive(Debug, Serialize)]
struct Import<'a> {
    peer: &'a str,
    export: &'a str,
    segment: &'a str,
    address: String,
    window: u16,
    worker: u8,
}

/// The fingerprint of our key, if it could be looked at.
fn own_key(loaded: &Loaded) -> String {
    let mut unseen = loaded.origin.unseen.iter();
    match unseen.find(|(kind, _)| *kind == KeyKind::Secret) {
        Some((_, written)) => format!("{written}, not seen here"),
        None => loaded.core.keys.fingerprint(),
    }
}

impl<'a> Summary<'a> {
    pub(super) fn of(loaded: &'a Loaded) -> Self {
        let core = &loaded.core;
        let segment = |id| core.segments.get(id).map_or("?", |segment| &segment.name);
        let peer = |id| core.peers.get(id).map_or("?", |peer| &peer.name);
        Summary {
            name: &core.name,
            fingerprint: own_key(loaded),
            workers: loaded.settings.workers,
            listen: loaded.listen.iter().map(ToString::to_string).collect(),
            segments: core
                .segments
                .values()
                .filter_map(|s| Some(Segment::of(&s.name, loaded.devices.get(&s.name)?)))
                .collect(),
            peers: core
                .peers
                .iter()
                .map(|(id, peer)| Peer {
                    name: &peer.name,
                    fingerprint: peer.trust.fingerprint(),
                    endpoint: loaded.endpoints.get(&peer.name).map(String::as_str),
                    endpoint_pinned: peer.endpoint_pinned,
                    pre_shared_key: peer.trust.psk().is_some(),
                    post_quantum: peer.trust.post_quantum().to_string(),
                    protection: peer.protection.iter().map(ToString::to_string).collect(),
                    path_mtu: peer.path_mtu,
                    limit: peer.limit.whole,
                    limit_divided: core.workers_for(id, loaded.settings.workers),
                })
                .collect(),
            exports: core
                .exports
                .values()
                .map(|export| Export {
                    name: &export.name,
                    segment: segment(export.segment),
                    target: export.target.to_string(),
                    target_mac: export.target_mac.map(|mac| mac.to_string()),
                    worker: Worker::of_export(&export.name, loaded.settings.workers),
                    limit: export.limit,
                    allow: export
                        .allow
                        .iter()
                        .map(|allow| Allow {
                            peer: peer(allow.peer),
                            access: allow.access.to_string(),
                            initiators: allow
                                .initiators
                                .as_ref()
                                .map(|m| m.iter().map(ToString::to_string).collect()),
                            sectors: allow
                                .lba
                                .as_ref()
                                .map(|runs| runs.iter().map(ToString::to_string).collect()),
                            commands: allow.commands.iter().map(ExtraCommand::name).collect(),
                            config_string: allow.config_string.to_string(),
                            reserve: allow.reserve.to_string(),
                            mac_mask: allow.mac_mask.to_string(),
                            until: allow.until.map(|until| until.to_string()),
                            limit: allow.limit,
                            initiator_limit: allow.initiator_limit,
                        })
                        .collect(),
                })
                .collect(),
            imports: core
                .imports
                .values()
                .map(|import| Import {
                    peer: peer(import.peer),
                    export: &import.export,
                    segment: segment(import.segment),
                    address: import.address.to_string(),
                    window: import.window,
                    worker: Worker::of_export(&import.export, loaded.settings.workers),
                })
                .collect(),
            warnings: warnings(loaded),
        }
    }

    /// The summary as text, one thing per line.
    pub(super) fn for_people(&self, paint: &Paint) -> String {
        let good = paint.good;
        let mut text = format!("{good}{} can run{good:#}\n", self.name);
        let mut list = |title: &str, lines: Vec<String>| {
            for (index, line) in lines.iter().enumerate() {
                let title = if index == 0 { title } else { "" };
                // Writing to a string does not fail.
                let _ = writeln!(text, "  {bold}{title:<9}{bold:#} {line}", bold = paint.title);
            }
        };
        list("key", vec![self.fingerprint.clone()]);
        list("listen", self.listen.clone());
        list("segments", self.segments.iter().map(Segment::line).collect());
        list("peers", self.peers.iter().map(Peer::line).collect());
        let worker = |number: u8| match self.workers {
            1 => String::new(),
            _ => format!(", worker {number}"),
        };
        let exports = self
            .exports
            .iter()
            .flat_map(|export| export.lines(&worker(export.worker)));
        list("exports", exports.collect());
        let imports = self.imports.iter();
        list(
            "imports",
            imports
                .map(|import| import.line() + &worker(import.worker))
                .collect(),
        );
        list("warning", self.warnings.clone());
        text
    }
}

/// What is no fault of the configuration and may keep it from working all the same.
fn warnings(loaded: &Loaded) -> Vec<String> {
    let mut warnings: Vec<String> = loaded
        .devices
        .iter()
        .filter_map(|(segment, device)| {
            let Device::Nic(nic) = device else { return None };
            // Who may not ask the kernel hears of it from the gateway itself.
            let found = link::by_name(nic).ok()?;
            let attachment = Attachment::new(Flavor::Nic, Instant::default());
            let obstacle = attachment.judge(found.as_ref()).err()?;
            Some(format!("segment {segment} would wait for {nic} now: {obstacle}"))
        })
        .collect();
    if loaded.endpoints.is_empty() && !loaded.core.peers.is_empty() {
        warnings.push(String::from(
            "no peer has an `endpoint`, so this gateway calls nobody: each peer needs an `endpoint` for this one",
        ));
    }
    warnings
}

impl<'a> Segment<'a> {
    fn of(name: &'a str, device: &'a Device) -> Self {
        match device {
            Device::Nic(interface) => Segment {
                name,
                device: "nic",
                interface,
                mtu: None,
            },
            Device::Tap { name: interface, mtu } => Segment {
                name,
                device: "tap",
                interface,
                mtu: Some(*mtu),
            },
        }
    }

    fn line(&self) -> String {
        let mtu = self.mtu.map(|mtu| format!(", MTU {mtu}")).unwrap_or_default();
        format!("{}: {} {}{mtu}", self.name, self.device, self.interface)
    }
}

impl Peer<'_> {
    fn line(&self) -> String {
        let endpoint = match self.endpoint {
            Some(endpoint) if self.endpoint_pinned => format!("at {endpoint} only"),
            Some(endpoint) => format!("at {endpoint}"),
            None => String::from("calls us"),
        };
        let psk = if self.pre_shared_key {
            ", pre-shared key"
        } else {
            ""
        };
        let protection = self.protection.join(" or ");
        // What is so by default is not said.
        let quantum = match self.post_quantum.as_str() {
            "require" => ", post-quantum keys required",
            "off" => ", no post-quantum keys",
            _ => "",
        };
        format!(
            "{}: {}, {endpoint}, {protection}{psk}{quantum}, path MTU {}{}{}",
            self.name,
            self.fingerprint,
            self.path_mtu,
            limited("limit", &self.limit),
            match self.limit_divided {
                2.. if !self.limit.is_none() =>
                    format!(" (among {} workers, an even part each)", self.limit_divided),
                _ => String::new(),
            }
        )
    }
}

impl Export<'_> {
    fn lines(&self, worker: &str) -> Vec<String> {
        let mac = self
            .target_mac
            .as_ref()
            .map(|mac| format!(", only by {mac}"))
            .unwrap_or_default();
        let mut lines = vec![format!(
            "{}: {} on {}{mac}{worker}{}",
            self.name,
            self.target,
            self.segment,
            limited("limit", &self.limit)
        )];
        if self.allow.is_empty() {
            lines.push(String::from("  for nobody"));
        }
        lines.extend(self.allow.iter().map(|allow| {
            let initiators = match &allow.initiators {
                None => String::from("any initiator"),
                Some(list) => format!("initiators {}", list.join(" ")),
            };
            let sectors = allow.sectors.as_ref();
            let sectors = sectors.map_or_else(String::new, |runs| format!(", sectors {}", runs.join(" ")));
            let commands = match allow.commands.as_slice() {
                [] => String::new(),
                some => format!(", and {}", some.join(" ")),
            };
            let may = [
                (allow.config_string == "set", ", may set the config string"),
                (allow.reserve == "allowed", ", may reserve"),
                (allow.mac_mask == "allowed", ", may edit the MAC mask list"),
            ];
            let may: String = may.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
            let until = allow
                .until
                .as_ref()
                .map_or_else(String::new, |until| format!(", until {until}"));
            let limit = limited("limit", &allow.limit) + &limited("each initiator", &allow.initiator_limit);
            format!(
                "  {} for {}{sectors}{commands}, {initiators}{may}{until}{limit}",
                allow.access, allow.peer
            )
        }));
        lines
    }
}

impl Import<'_> {
    fn line(&self) -> String {
        format!(
            "{} of {} as {} on {}, window {}",
            self.export, self.peer, self.address, self.segment, self.window
        )
    }
}
