//! The files that pairing writes, as a person would.

use std::fmt::Write;

use toml::Value;

use super::words::{Access, Slot};
use crate::PublicKey;

/// What a new gateway is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// An interface that is there.
    Nic(String),
    /// A TAP device that the gateway makes.
    Tap(String),
}

/// What a new gateway is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// Where it is called, `ADDR:PORT`.
    pub listen: Vec<String>,
    /// Name of its segment.
    pub segment: String,
    /// What this is attached to.
    pub attachment: Attachment,
    /// Where it keeps what it learns.
    pub state: Option<String>,
}

/// `gateway.toml` of a new gateway.
pub(super) fn gateway(plan: &Plan) -> String {
    let listen: Vec<_> = plan.listen.iter().map(|at| quoted(at)).collect();
    let device = match &plan.attachment {
        Attachment::Nic(nic) => format!("nic = {}", quoted(nic)),
        Attachment::Tap(tap) => format!("tap = {}", quoted(tap)),
    };
    let state = match &plan.state {
        Some(state) => format!("state = {}", quoted(state)),
        None => "# state = \"/var/lib/aoe-gateway\"".to_owned(),
    };
    let pad = |line: &str| format!("{line:<36}");
    format!(
        "# Every key: docs/configuration.md. After a change: aoe-gateway check, aoe-gateway reload.\n\
         [gateway]\n\
         name = {}\n\
         {}# UDP, where peers call\n\
         {}# secret, stays here\n\
         {}# one file for each disk that is offered\n\
         {}# one file for each other gateway, written by aoe-keys accept\n\
         {}# what it learns, such as which disk is behind an export; systemd sets it\n\
         \n\
         [[segment]]\n\
         {}# the local Ethernet with AoE on it\n\
         {device}\n",
        quoted(&plan.name),
        pad(&format!("listen = [{}]", listen.join(", "))),
        pad(&format!("key = {}", quoted(&format!("{}.key", plan.name)))),
        pad("exports = \"exports.d\""),
        pad("peers = \"peers.d\""),
        pad(&state),
        pad(&format!("name = {}", quoted(&plan.segment))),
    )
}

/// An export that nobody may use yet.
pub(super) fn export(name: &str, segment: &str, target: Slot) -> String {
    let target = quoted(&target.to_string());
    format!(
        "# Who may use this disk is below; what is not allowed is refused.\n\
         name = {}\n\
         segment = {}\n\
         target = {target:<20}# where the target is on this segment\n\
         # order = \"fifo\"           # if the target works in order, as vblade does\n",
        quoted(name),
        quoted(segment),
    )
}

/// An export file with one more permission.
pub(super) fn allow(text: &str, peer: &str, access: Access) -> String {
    let gap = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!(
        "{text}{gap}\n[[allow]]\npeer = {}\naccess = \"{access}\"\n",
        quoted(peer)
    )
}

/// What is imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Name of the export at the peer.
    pub export: String,
    /// What may be done with it.
    pub access: Access,
    /// Where initiators see it.
    pub slot: Slot,
}

/// A peer file.
pub(super) fn peer(
    id: &str,
    key: &PublicKey,
    endpoint: Option<&str>,
    psk: &str,
    segment: &str,
    imports: &[Imported],
) -> String {
    let mut text = format!("# Paired by invitation {id}.\n[peer]\nkey = \"{key}\"\n");
    // Writing to a string cannot fail.
    let _ = match endpoint {
        Some(endpoint) => writeln!(text, "endpoint = {}", quoted(endpoint)),
        None => writeln!(text, "# no endpoint: it calls us"),
    };
    let _ = writeln!(text, "psk = {}", quoted(psk));
    for Imported { export, access, slot } in imports {
        let slot = quoted(&slot.to_string());
        let _ = write!(
            text,
            "\n[[import]]\nexport = {:<24}# {access}\nsegment = {}\nas = {slot:<28}# the address initiators see here\n",
            quoted(export),
            quoted(segment),
        );
    }
    text
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_device_is_called_the_file_says_so() {
        for nic in ["eth1", "a\"b", "a'b\\", "a\nb"] {
            let plan = Plan {
                name: "site-a".to_owned(),
                listen: vec!["0.0.0.0:34978".to_owned()],
                segment: "san".to_owned(),
                attachment: Attachment::Nic(nic.to_owned()),
                state: None,
            };
            let text = gateway(&plan);
            let table: toml::Table = text.parse().unwrap();
            assert_eq!(table["segment"][0]["nic"].as_str(), Some(nic), "{text}");
            assert_eq!(table["gateway"]["key"].as_str(), Some("site-a.key"));
        }
    }
}
