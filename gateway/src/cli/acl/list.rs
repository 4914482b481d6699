//! `acl list`: the table of who may do what.

use std::io;

use aoe_common::config::Allow;
use serde::Serialize;

use super::{CLAIM, Config, in_words, load, peer_name};
use crate::cli::{Exit, write_quietly};
use crate::clock::unix_time;

#[derive(clap::Args, Debug)]
pub(in crate::cli) struct How {
    #[command(flatten)]
    config: Config,
    /// Only this export
    #[arg(long, value_name = "NAME")]
    export: Option<String>,
    /// Only this peer
    #[arg(long, value_name = "NAME")]
    peer: Option<String>,
    /// Print JSON, for machines
    #[arg(long)]
    json: bool,
}

/// One rule.
#[derive(Debug, Serialize)]
struct Row {
    export: String,
    peer: String,
    access: String,
    /// Absent: all.
    sectors: Option<Vec<String>>,
    commands: Vec<&'static str>,
    config_string: String,
    reserve: String,
    mac_mask: String,
    /// Absent: any behind the peer.
    initiators: Option<Vec<String>>,
    until: Option<String>,
    /// Whether it has not ended.
    in_force: bool,
    file: String,
    line: usize,
    #[serde(skip)]
    words: String,
}

pub(super) fn run(how: &How) -> Exit {
    let (loaded, written) = match load(&how.config.config) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let now = unix_time().as_secs();
    let wanted = |filter: &Option<String>, name: &str| filter.as_ref().is_none_or(|filter| filter == name);
    let mut rows = Vec::new();
    for export in loaded
        .core
        .exports
        .values()
        .filter(|export| wanted(&how.export, &export.name))
    {
        for (at, allow) in export.allow.iter().enumerate() {
            let peer = peer_name(&loaded, allow.peer);
            if wanted(&how.peer, peer) {
                let spot = written.rule(&export.name, at);
                rows.push(Row {
                    file: spot
                        .map(|spot| spot.file.display().to_string())
                        .unwrap_or_default(),
                    line: spot.map(|spot| spot.line).unwrap_or_default(),
                    ..row(&export.name, peer, allow, now)
                });
            }
        }
    }
    let text = match how.json {
        true => serde_json::to_string_pretty(&rows).unwrap_or_default() + "\n",
        false => table(&rows),
    };
    write_quietly(io::stdout(), &text);
    Exit::Ok
}

fn row(export: &str, peer: &str, allow: &Allow, now: u64) -> Row {
    let strings = |list: Vec<String>| list;
    Row {
        export: export.to_owned(),
        peer: peer.to_owned(),
        access: allow.access.to_string(),
        sectors: allow
            .lba
            .as_ref()
            .map(|runs| strings(runs.iter().map(ToString::to_string).collect())),
        commands: allow.commands.iter().map(|command| command.name()).collect(),
        config_string: allow.config_string.to_string(),
        reserve: allow.reserve.to_string(),
        mac_mask: allow.mac_mask.to_string(),
        initiators: allow
            .initiators
            .as_ref()
            .map(|listed| strings(listed.iter().map(ToString::to_string).collect())),
        until: allow.until.map(|until| until.to_string()),
        in_force: allow.is_in_force(now),
        file: String::new(),
        line: 0,
        words: in_words(allow),
    }
}

fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::from("nobody may do anything\n");
    }
    let width = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0);
    let (exports, peers) = (width(|row| &row.export).max(6), width(|row| &row.peer).max(4));
    let mut text = format!("{:exports$}  {:peers$}  may\n", "export", "peer");
    for row in rows {
        let ended = if row.in_force { "" } else { " (ended)" };
        let place = format!("{}:{}", row.file, row.line);
        text += &format!(
            "{:exports$}  {:peers$}  {}{ended}\n",
            row.export, row.peer, row.words
        );
        text += &format!("{:exports$}  {:peers$}    {place}\n", "", "");
    }
    if rows.iter().any(|row| row.initiators.is_some()) {
        text += &format!("\n{CLAIM}\n");
    }
    text
}
