//! `acl`: who may do what, by the files alone. No gateway has to run.

mod diff;
mod explain;
mod list;

use std::io;
use std::path::{Path, PathBuf};

use aoe_common::config::{Allow, ExportConfig, PeerId};
use clap::{Args, Subcommand};

use super::{Exit, Paint, exit_code, report, write_quietly};
use crate::config::{Examined, Loaded, RulePlaces, examine_with_places};

/// What is asked.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Says whether an initiator may do something, and which rule decides, with file and line; exit code 1 if it may not
    Explain(explain::How),
    /// Lists who may do what
    List(list::How),
    /// Says what rights differ between two configurations, to the sector; exit code 1 if any do
    Diff(diff::How),
}

#[derive(Args, Debug)]
struct Config {
    /// The gateway file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(super) fn run(verb: &Verb) -> Exit {
    match verb {
        Verb::Explain(how) => explain::run(how),
        Verb::List(how) => list::run(how),
        Verb::Diff(how) => diff::run(how),
    }
}

/// What is written about each initiator that a rule names, and about every answer.
const CLAIM: &str = "an initiator is who its gateway says: the key of the peer is proven, the MAC behind it is the peer's claim";

/// The configuration; if it has faults, they are told.
fn load(path: &Path) -> Result<(Loaded, RulePlaces), Exit> {
    let (Examined { loaded, faults }, written) = examine_with_places(path);
    match loaded {
        Some(loaded) => Ok((loaded, written)),
        None => {
            write_quietly(io::stderr(), &report::for_people(&faults, &Paint::default()));
            Err(exit_code(&faults))
        }
    }
}

fn peer_name(loaded: &Loaded, id: PeerId) -> &str {
    loaded.core.peers.get(id).map_or("?", |peer| &peer.name)
}

/// The rules of an export for a peer, each with its place in the file.
fn rules_of(loaded: &Loaded, export: &ExportConfig, peer: &str) -> Vec<(usize, Allow)> {
    let all = export.allow.iter().enumerate();
    let theirs = all.filter(|(_, allow)| peer_name(loaded, allow.peer) == peer);
    theirs.map(|(at, allow)| (at, allow.clone())).collect()
}

/// What a rule allows, in words: `read-write, sectors 0-1023, for any initiator`.
fn in_words(allow: &Allow) -> String {
    let mut words = vec![allow.access.to_string()];
    if let Some(runs) = &allow.lba {
        let runs: Vec<String> = runs.iter().map(ToString::to_string).collect();
        words.push(format!("sectors {}", runs.join(" ")));
    }
    if !allow.commands.is_empty() {
        let names: Vec<String> = allow.commands.iter().map(|command| command.to_string()).collect();
        words.push(format!("and {}", names.join(" ")));
    }
    for (allowed, what) in [
        (
            allow.config_string == aoe_common::config::ConfigString::Set,
            "sets the config string",
        ),
        (allow.reserve.is_allowed(), "reserves"),
        (allow.mac_mask.is_allowed(), "edits the MAC mask list"),
    ] {
        if allowed {
            words.push(what.to_owned());
        }
    }
    words.push(match &allow.initiators {
        None => String::from("any initiator"),
        Some(listed) => {
            let listed: Vec<String> = listed.iter().map(ToString::to_string).collect();
            format!("initiators {}", listed.join(" "))
        }
    });
    if let Some(until) = allow.until {
        words.push(format!("until {until}"));
    }
    words.join(", ")
}
