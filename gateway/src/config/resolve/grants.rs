//! What an `[[allow]]` grants: within its bounds, and with those of the same peer.

use std::collections::{BTreeMap, BTreeSet};

use aoe_common::config::{
    Commands, LbaRange, MOST_INITIATORS, MOST_INITIATORS_OF_PEER, MOST_RANGES, MOST_RULES,
};
use aoe_common::frame::MacAddr;

use super::names::Once;
use crate::config::export_file::{AllowEntry, ExportFile};
use crate::config::fault::{Faults, Kind};
use crate::config::source::Located;
use crate::config::value::quote;

/// Reports peers that have more `[[allow]]` of one export, or more initiators in them, than there may be.
pub(super) fn bound(file: &ExportFile, faults: &mut Faults) {
    let mut of_peers: BTreeMap<&str, Vec<&AllowEntry>> = BTreeMap::new();
    for entry in &file.allow {
        if let Some(peer) = &entry.peer {
            of_peers.entry(&peer.value).or_default().push(entry);
        }
    }
    for (peer, entries) in of_peers {
        if let Some(first_too_many) = entries.get(MOST_RULES) {
            let found = format!("there are {} [[allow]] for peer {}", entries.len(), quote(peer));
            let instead = format!("write at most {MOST_RULES} for each peer");
            faults.fault(Kind::BadValue, &first_too_many.place, found, instead);
        }
        let mut all: BTreeSet<MacAddr> = BTreeSet::new();
        for mac in entries
            .iter()
            .filter_map(|entry| entry.initiators.as_ref())
            .flatten()
        {
            if all.insert(mac.value) && all.len() == MOST_INITIATORS_OF_PEER + 1 {
                let found = format!(
                    "all [[allow]] for peer {} list more than {MOST_INITIATORS_OF_PEER} initiators",
                    quote(peer)
                );
                let instead = "list fewer, or leave `initiators` out to allow all behind that peer";
                faults.fault(Kind::BadValue, &mac.place, found, instead);
            }
        }
    }
}

/// The initiators that it is for; `None`: any.
pub(super) fn initiators(entry: &AllowEntry, faults: &mut Faults) -> Option<Vec<MacAddr>> {
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

/// The sectors that it is for; `None`: all.
pub(super) fn lba(entry: &AllowEntry, faults: &mut Faults) -> Option<Vec<LbaRange>> {
    let list = entry.lba.as_ref()?;
    if let Some(first_too_many) = list.get(MOST_RANGES) {
        let found = format!("{} runs of sectors are listed", list.len());
        let instead =
            format!("list at most {MOST_RANGES}; a second [[allow]] for the peer may have as many more");
        faults.fault(Kind::BadValue, &first_too_many.place, found, instead);
    }
    Some(list.iter().map(|range| range.value).collect())
}

/// The commands that it grants by name.
pub(super) fn commands(entry: &AllowEntry, faults: &mut Faults) -> Commands {
    let mut once = Once::default();
    let list = entry.commands.as_deref().unwrap_or_default();
    for command in list {
        once.claim(command.value, &command.place, faults, |command| {
            (
                format!("\"{command}\" is listed twice"),
                String::from("list each command once"),
            )
        });
    }
    list.iter().map(|command| command.value).collect()
}
