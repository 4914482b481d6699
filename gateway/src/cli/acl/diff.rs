//! `acl diff`: what rights differ between two configurations.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use aoe_common::acl::{Difference, difference};
use aoe_common::config::Allow;
use serde::Serialize;

use super::{load, peer_name, rules_of};
use crate::cli::{Exit, write_quietly};
use crate::clock::unix_time;
use crate::config::Loaded;
use crate::control::rights_in_words;

#[derive(clap::Args, Debug)]
pub(in crate::cli) struct How {
    /// The gateway file as it was
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The gateway file as it is to be
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Print JSON, for machines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    peer: String,
    export: String,
    gained: bool,
    text: String,
}

pub(super) fn run(how: &How) -> Exit {
    let ((old, _), (new, _)) = match (load(&how.old), load(&how.new)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(exit), _) | (_, Err(exit)) => return exit,
    };
    let mut lines = lines(&old, &new, unix_time().as_secs());
    lines.sort_by_key(|line| line.gained);
    let text = match how.json {
        true => serde_json::to_string_pretty(&lines).unwrap_or_default() + "\n",
        false if lines.is_empty() => String::from("nobody may do more or less\n"),
        false => lines.iter().map(|line| format!("{}\n", line.text)).collect(),
    };
    write_quietly(io::stdout(), &text);
    match lines.is_empty() {
        true => Exit::Ok,
        false => Exit::Unfinished,
    }
}

fn lines(old: &Loaded, new: &Loaded, now: u64) -> Vec<Line> {
    let pairs = |loaded: &Loaded| -> Vec<(String, String)> {
        let exports = loaded.core.exports.values();
        let of_export = |export: &aoe_common::config::ExportConfig| {
            let peers = export
                .allow
                .iter()
                .map(|allow| peer_name(loaded, allow.peer).to_owned());
            peers.map(|peer| (export.name.clone(), peer)).collect::<Vec<_>>()
        };
        exports.flat_map(of_export).collect()
    };
    let all: BTreeSet<_> = pairs(old).into_iter().chain(pairs(new)).collect();
    let rules = |loaded: &Loaded, export: &str, peer: &str| -> Vec<Allow> {
        let found = loaded.core.exports.values().find(|other| other.name == export);
        let rules = found
            .map(|export| rules_of(loaded, export, peer))
            .unwrap_or_default();
        rules.into_iter().map(|(_, allow)| allow).collect()
    };
    let mut lines = Vec::new();
    for (export, peer) in all {
        let (before, after) = (rules(old, &export, &peer), rules(new, &export, &peer));
        let differences: Vec<Difference> = difference((&before, now), (&after, now));
        lines.extend(differences.iter().map(|one| Line {
            peer: peer.clone(),
            export: export.clone(),
            gained: one.gained,
            text: rights_in_words(one, &peer, &export),
        }));
    }
    lines
}
