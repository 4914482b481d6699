//! Configuration files as an operator writes them.

use std::fmt::Write;
use std::net::SocketAddr;

use aoe_common::frame::{Address, MacAddr};

use super::Transport;

/// `gateway.toml`.
#[derive(Clone, Debug)]
pub struct GatewayFile {
    /// The gateway's name.
    pub name: String,
    /// Addresses it listens on.
    pub listen: Vec<SocketAddr>,
    /// Its key file, relative to the directory.
    pub key: String,
    /// How it agrees on keys with all of its peers.
    pub transport: Transport,
    /// `state`, relative to the directory.
    pub state: Option<String>,
    /// `rekey_after`, such as "5s".
    pub rekey_after: Option<String>,
    /// `keepalive`, such as "1s".
    pub keepalive: Option<String>,
    /// `busy_poll`, such as "50us" or "off".
    pub busy_poll: Option<String>,
    /// `workers`.
    pub workers: Option<u8>,
    /// `listen` of `[metrics]`, if it has that section.
    pub metrics: Option<String>,
    /// The lines of `[audit]`.
    pub audit: Option<String>,
    /// The segments.
    pub segments: Vec<SegmentSection>,
    /// The peers.
    pub peers: Vec<PeerSection>,
    /// The imports.
    pub imports: Vec<ImportSection>,
}

/// `[[segment]]`.
#[derive(Clone, Debug)]
pub struct SegmentSection {
    /// Its name.
    pub name: String,
    /// Its device.
    pub attachment: Attachment,
}

/// What a segment is attached by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// A network device that exists.
    Nic(String),
    /// A TAP device that the gateway makes.
    Tap {
        /// Its name.
        device: String,
        /// Its MTU (IP-style).
        mtu: u32,
    },
}

/// `[[peer]]`.
#[derive(Clone, Debug)]
pub struct PeerSection {
    /// Its name.
    pub name: String,
    /// The text of its public key.
    pub key: String,
    /// Where it is; `None`: it has to call.
    pub endpoint: Option<String>,
    /// Whether it is spoken to there only.
    pub endpoint_pinned: bool,
    /// File with a pre-shared key.
    pub psk: Option<String>,
    /// Whether keys are to withstand a quantum computer; `None`: the key is left out.
    pub post_quantum: Option<String>,
    /// Accepted modes; empty: the key is left out.
    pub protection: Vec<String>,
    /// IP MTU to assume.
    pub path_mtu: Option<u32>,
}

/// `[[import]]`.
#[derive(Clone, Debug)]
pub struct ImportSection {
    /// Whose export.
    pub peer: String,
    /// Its name there.
    pub export: String,
    /// Where it is presented.
    pub segment: String,
    /// Under which address.
    pub address: Address,
    /// Frames initiators may have in flight.
    pub window: Option<u16>,
}

/// A file of `exports.d`.
#[derive(Clone, Debug)]
pub struct ExportFile {
    /// Its name.
    pub name: String,
    /// Where the target is.
    pub segment: String,
    /// Its address there.
    pub target: Address,
    /// The only MAC to believe.
    pub target_mac: Option<MacAddr>,
    /// In which order it works, "any" or "fifo".
    pub order: Option<String>,
    /// `limit`, as it is written.
    pub limit: Option<String>,
    /// Who may use it.
    pub allow: Vec<AllowSection>,
}

/// `[[allow]]`.
#[derive(Clone, Debug)]
pub struct AllowSection {
    /// The peer.
    pub peer: String,
    /// What it may do.
    pub access: Access,
    /// The initiators behind it that may; `None`: all.
    pub initiators: Option<Vec<MacAddr>>,
    /// `config_string`, "read" or "set".
    pub config_string: Option<String>,
    /// `limit`, as it is written.
    pub limit: Option<String>,
    /// Further lines, as they stand in the file.
    pub more: Vec<String>,
}

/// Reading or writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// "read-only".
    ReadOnly,
    /// "read-write".
    ReadWrite,
}

impl GatewayFile {
    /// A gateway without anything to do.
    pub fn new(name: &str, key: &str) -> Self {
        GatewayFile {
            name: name.to_owned(),
            listen: Vec::new(),
            key: key.to_owned(),
            transport: Transport::Noise,
            state: None,
            audit: None,
            rekey_after: None,
            keepalive: None,
            busy_poll: None,
            workers: None,
            metrics: None,
            segments: Vec::new(),
            peers: Vec::new(),
            imports: Vec::new(),
        }
    }

    /// The text of the file.
    pub fn to_toml(&self) -> String {
        let mut text = Text::default();
        text.section("[gateway]");
        text.string("name", &self.name);
        text.strings("listen", self.listen.iter());
        text.string("key", &self.key);
        text.string("exports", "exports.d");
        // Many gateways of one name run side by side on one machine.
        text.string("observe", "observe.sock");
        text.string("control", "control.sock");
        text.maybe("state", self.state.as_ref());
        text.maybe("rekey_after", self.rekey_after.as_ref());
        text.maybe("keepalive", self.keepalive.as_ref());
        text.maybe("busy_poll", self.busy_poll.as_ref());
        text.number("workers", self.workers.map(u32::from));
        if self.transport == Transport::Tls {
            text.section("[tls]");
            text.string("certificate", &format!("{}.crt", self.name));
            text.string("key", &format!("{}.tls.key", self.name));
            text.string("ca", "ca.crt");
            text.strings("crl", ["ca.crl"].iter());
        }
        if let Some(listen) = &self.metrics {
            text.section("[metrics]");
            text.string("listen", listen);
        }
        if let Some(lines) = &self.audit {
            text.section("[audit]");
            text.line(format_args!("{lines}"));
        }
        for segment in &self.segments {
            text.section("[[segment]]");
            text.string("name", &segment.name);
            match &segment.attachment {
                Attachment::Nic(device) => text.string("nic", device),
                Attachment::Tap { device, mtu } => {
                    text.string("tap", device);
                    text.number("mtu", Some(*mtu));
                }
            }
        }
        for peer in &self.peers {
            text.section("[[peer]]");
            text.string("name", &peer.name);
            match self.transport {
                Transport::Noise => text.string("key", &peer.key),
                Transport::Tls => text.string("transport", Transport::Tls.name()),
            }
            text.maybe("endpoint", peer.endpoint.as_ref());
            if peer.endpoint_pinned {
                text.line(format_args!("endpoint_pinned = true"));
            }
            if self.transport == Transport::Noise {
                // There is neither with TLS.
                text.maybe("psk", peer.psk.as_ref());
                text.maybe("post_quantum", peer.post_quantum.as_ref());
            }
            if !peer.protection.is_empty() {
                text.strings("protection", peer.protection.iter());
            }
            text.number("path_mtu", peer.path_mtu);
        }
        for import in &self.imports {
            text.section("[[import]]");
            text.string("peer", &import.peer);
            text.string("export", &import.export);
            text.string("segment", &import.segment);
            text.string("as", &import.address.to_string());
            text.number("window", import.window.map(u32::from));
        }
        text.0
    }
}

impl ExportFile {
    /// The text of the file.
    pub fn to_toml(&self) -> String {
        let mut text = Text::default();
        text.string("name", &self.name);
        text.string("segment", &self.segment);
        text.string("target", &self.target.to_string());
        text.maybe("target_mac", self.target_mac.map(|mac| mac.to_string()).as_ref());
        text.maybe("order", self.order.as_ref());
        text.verbatim("limit", self.limit.as_ref());
        for allow in &self.allow {
            text.section("[[allow]]");
            text.string("peer", &allow.peer);
            text.string(
                "access",
                match allow.access {
                    Access::ReadOnly => "read-only",
                    Access::ReadWrite => "read-write",
                },
            );
            if let Some(initiators) = &allow.initiators {
                text.strings("initiators", initiators.iter());
            }
            text.maybe("config_string", allow.config_string.as_ref());
            text.verbatim("limit", allow.limit.as_ref());
            for line in &allow.more {
                text.line(format_args!("{line}"));
            }
        }
        text.0
    }
}

/// TOML under construction.
#[derive(Default)]
struct Text(String);

impl Text {
    fn section(&mut self, head: &str) {
        self.line(format_args!("\n{head}"));
    }

    fn string(&mut self, key: &str, value: &str) {
        self.line(format_args!("{key} = {}", quoted(value)));
    }

    fn strings(&mut self, key: &str, values: impl Iterator<Item = impl ToString>) {
        let values: Vec<_> = values.map(|value| quoted(&value.to_string())).collect();
        self.line(format_args!("{key} = [{}]", values.join(", ")));
    }

    fn maybe(&mut self, key: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.string(key, value);
        }
    }

    fn verbatim(&mut self, key: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.line(format_args!("{key} = {value}"));
        }
    }

    fn number(&mut self, key: &str, value: Option<u32>) {
        if let Some(value) = value {
            self.line(format_args!("{key} = {value}"));
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{line}");
    }
}

/// A JSON string is a TOML basic string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_the_documented_shape() {
        let mut file = GatewayFile::new("site-a", "site-a.key");
        file.listen.push("0.0.0.0:34978".parse().unwrap());
        file.segments.push(SegmentSection {
            name: "san".into(),
            attachment: Attachment::Tap {
                device: "aoe0".into(),
                mtu: 9000,
            },
        });
        file.peers.push(PeerSection {
            name: "site-b".into(),
            key: "KEY".into(),
            endpoint: Some("198.51.100.7:34978".into()),
            endpoint_pinned: false,
            psk: None,
            post_quantum: None,
            protection: vec!["encrypt".into()],
            path_mtu: None,
        });
        file.imports.push(ImportSection {
            peer: "site-b".into(),
            export: "backup".into(),
            segment: "san".into(),
            address: Address { shelf: 107, slot: 3 },
            window: Some(32),
        });
        assert_eq!(
            file.to_toml(),
            r#"
[gateway]
name = "site-a"
listen = ["0.0.0.0:34978"]
key = "site-a.key"
exports = "exports.d"
observe = "observe.sock"
control = "control.sock"

[[segment]]
name = "san"
tap = "aoe0"
mtu = 9000

[[peer]]
name = "site-b"
key = "KEY"
endpoint = "198.51.100.7:34978"
protection = ["encrypt"]

[[import]]
peer = "site-b"
export = "backup"
segment = "san"
as = "e107.3"
window = 32
"#
        );
    }

    #[test]
    fn an_export_lists_its_blocks() {
        let export = ExportFile {
            name: "backup".into(),
            segment: "san".into(),
            target: Address { shelf: 7, slot: 3 },
            target_mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
            order: None,
            allow: vec![AllowSection {
                peer: "site-a".into(),
                access: Access::ReadOnly,
                initiators: Some(vec![MacAddr([2, 0, 0, 0, 0, 2])]),
                config_string: Some("set".into()),
                limit: None,
                more: vec!["lba = [\"0-7\"]".into()],
            }],
            limit: None,
        };
        assert_eq!(
            export.to_toml(),
            r#"name = "backup"
segment = "san"
target = "e7.3"
target_mac = "02:00:00:00:00:01"

[[allow]]
peer = "site-a"
access = "read-only"
initiators = ["02:00:00:00:00:02"]
config_string = "set"
lba = ["0-7"]
"#
        );
    }
}
