//! `acl explain`: whether an initiator may do something, and which rule decides.

use std::io;

use aoe_common::acl::{Action, Answer, Outcome, Question, answer};
use aoe_common::config::{Access, Allow, Until};
use aoe_common::drop_reason::DropReason;
use aoe_common::frame::MacAddr;
use serde::Serialize;

use super::{CLAIM, Config, in_words, load, rules_of};
use crate::cli::{Exit, write_quietly};
use crate::clock::unix_time;
use crate::config::{Loaded, RulePlaces, grants};

#[derive(clap::Args, Debug)]
pub(in crate::cli) struct How {
    #[command(flatten)]
    config: Config,
    /// The peer behind which the initiator is
    #[arg(long, value_name = "NAME")]
    peer: String,
    /// The initiator
    #[arg(long, value_name = "MAC")]
    initiator: MacAddr,
    /// The export
    #[arg(long, value_name = "NAME")]
    export: String,
    /// What it wants: read, write, identify, flush, check-power, set-config-string, read-config-string, reserve, mac-mask,
    /// or a command that is granted by name, such as smart-read-data
    #[arg(long, value_name = "NAME", value_parser = parse_action)]
    command: Action,
    /// The first sector of a read or write
    #[arg(long, value_name = "SECTOR", default_value_t = 0)]
    lba: u64,
    /// How many sectors
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    sectors: u8,
    /// At this time, such as 2027-01-31T00:00Z; now, if it is left out
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Until>,
    /// Print JSON, for machines
    #[arg(long)]
    json: bool,
}

fn parse_action(text: &str) -> Result<Action, String> {
    Action::named(text).ok_or_else(|| {
        let all: Vec<String> = Action::all().iter().map(ToString::to_string).collect();
        format!("write one of {}", all.join(", "))
    })
}

fn parse_time(text: &str) -> Result<Until, String> {
    grants::until(text).map_err(|refusal| format!("{}; {}", refusal.found, refusal.instead))
}

/// What is said.
#[derive(Debug, Serialize)]
struct Explanation {
    allowed: bool,
    /// What is asked.
    question: String,
    /// Why not, if it is not.
    why: Option<String>,
    /// What the initiator sees.
    sees: &'static str,
    /// The rules that decide.
    rules: Vec<Rule>,
    /// Rules that would allow it and have ended.
    ended: Vec<Rule>,
    /// What to write to allow it, and where.
    instead: Option<Instead>,
    note: &'static str,
}

#[derive(Debug, Serialize)]
struct Rule {
    file: String,
    line: usize,
    grants: String,
}

#[derive(Debug, Serialize)]
struct Instead {
    file: String,
    text: String,
}

pub(super) fn run(how: &How) -> Exit {
    let (loaded, written) = match load(&how.config.config) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let told = match explain(how, &loaded, &written) {
        Ok(told) => told,
        Err(message) => {
            write_quietly(io::stderr(), &format!("{message}\n"));
            return Exit::Usage;
        }
    };
    let text = match how.json {
        true => serde_json::to_string_pretty(&told).unwrap_or_default() + "\n",
        false => for_people(&told),
    };
    write_quietly(io::stdout(), &text);
    match told.allowed {
        true => Exit::Ok,
        false => Exit::Unfinished,
    }
}

fn explain(how: &How, loaded: &Loaded, written: &RulePlaces) -> Result<Explanation, String> {
    let names = |all: Vec<&str>| match all.as_slice() {
        [] => String::from("there is none"),
        some => some.join(", "),
    };
    let export = loaded
        .core
        .exports
        .values()
        .find(|export| export.name == how.export)
        .ok_or_else(|| {
            let all = loaded
                .core
                .exports
                .values()
                .map(|export| export.name.as_str())
                .collect();
            format!("there is no export {}; exports: {}", how.export, names(all))
        })?;
    if !loaded.core.peers.values().any(|peer| peer.name == how.peer) {
        let all = loaded
            .core
            .peers
            .values()
            .map(|peer| peer.name.as_str())
            .collect();
        return Err(format!("there is no peer {}; peers: {}", how.peer, names(all)));
    }
    let question = Question {
        initiator: how.initiator,
        action: how.command,
        lba: how.lba,
        sectors: how.sectors,
    };
    let at = how.at.map_or_else(|| unix_time().as_secs(), |at| at.0);
    let theirs = rules_of(loaded, export, &how.peer);
    let allow: Vec<Allow> = theirs.iter().map(|(_, allow)| allow.clone()).collect();
    let said = answer(&allow, &question, at)
        .ok_or_else(|| format!("there is no sector {}: ATA addresses 2^48", how.lba))?;
    let rule = |at: &usize| {
        let (place, allow) = theirs.get(*at)?;
        let spot = written.rule(&how.export, *place);
        Some(Rule {
            file: spot
                .map(|spot| spot.file.display().to_string())
                .unwrap_or_default(),
            line: spot.map(|spot| spot.line).unwrap_or_default(),
            grants: in_words(allow),
        })
    };
    let Answer {
        outcome,
        rules,
        ended,
    } = &said;
    let allowed = *outcome == Outcome::Allowed;
    Ok(Explanation {
        allowed,
        question: in_question(how, allowed),
        why: why(outcome, how, !allow.is_empty()),
        sees: sees(outcome, how.command),
        rules: rules.iter().filter_map(rule).collect(),
        ended: ended.iter().filter_map(rule).collect(),
        instead: instead(outcome, how, written),
        note: CLAIM,
    })
}

fn in_question(how: &How, allowed: bool) -> String {
    let may = if allowed { "may" } else { "may not" };
    let what = match (how.command.has_sectors(), how.sectors) {
        (true, 1) => format!("{} sector {} of", how.command, how.lba),
        (true, sectors) => {
            let last = how.lba.saturating_add(u64::from(sectors) - 1);
            format!("{} sectors {} to {last} of", how.command, how.lba)
        }
        (false, _) => format!("use {} on", how.command),
    };
    format!(
        "{} behind {} {may} {what} {}",
        how.initiator, how.peer, how.export
    )
}

fn why(outcome: &Outcome, how: &How, any: bool) -> Option<String> {
    match outcome {
        Outcome::Allowed => None,
        Outcome::Refused(_, Some(refusal)) => Some(refusal.to_string()),
        Outcome::Refused(reason, None) => Some(reason.words().to_owned()),
        Outcome::Silence if any => Some(format!(
            "no [[allow]] for {} that holds is for this initiator",
            how.peer
        )),
        Outcome::Silence => Some(format!("no [[allow]] of it is for {}", how.peer)),
    }
}

fn sees(outcome: &Outcome, action: Action) -> &'static str {
    match (outcome, action) {
        (Outcome::Allowed, _) => "what the target answers",
        (Outcome::Silence, _) => "nothing, as if there were no such disk",
        (Outcome::Refused(..), Action::Ata(_) | Action::Extra(_)) => {
            "an ATA error at once: status 0x41, error 0x04"
        }
        (Outcome::Refused(..), Action::ReadConfigString | Action::SetConfigString) => "AoE error 2 at once",
        (Outcome::Refused(..), Action::Reserve | Action::MacMask) => "AoE error 1 at once",
    }
}

/// One more rule that would allow it, and no more than that.
fn instead(outcome: &Outcome, how: &How, written: &RulePlaces) -> Option<Instead> {
    if matches!(
        outcome,
        Outcome::Allowed | Outcome::Refused(DropReason::RefusedTooManySectors, _)
    ) {
        // Nothing to add: it passes, or no frame carries it.
        return None;
    }
    let writes = how.command == Action::Ata(aoe_common::frame::AtaOpcode::Write);
    let access = if writes {
        Access::ReadWrite
    } else {
        Access::ReadOnly
    };
    let mut text = format!(
        "[[allow]]\npeer = \"{}\"\naccess = \"{access}\"\ninitiators = [\"{}\"]\n",
        how.peer, how.initiator
    );
    let last = how.lba.saturating_add(u64::from(how.sectors) - 1);
    text += &match how.command {
        Action::Ata(_) if how.command.has_sectors() => format!("lba = [\"{}-{last}\"]\n", how.lba),
        Action::Ata(_) | Action::ReadConfigString => String::new(),
        Action::Extra(command) => format!("commands = [\"{command}\"]\n"),
        Action::SetConfigString => String::from("config_string = \"set\"\n"),
        Action::Reserve => String::from("reserve = \"allowed\"\n"),
        Action::MacMask => String::from("mac_mask = \"allowed\"\n"),
    };
    let file = written.file(&how.export).display().to_string();
    Some(Instead { file, text })
}

fn for_people(told: &Explanation) -> String {
    let verdict = if told.allowed { "allowed" } else { "refused" };
    let mut text = format!("{verdict}: {}\n", told.question);
    if let Some(why) = &told.why {
        text += &format!("  why: {why}\n");
    }
    for rule in &told.rules {
        let verb = if told.allowed {
            "allows it"
        } else {
            "does not allow it"
        };
        text += &format!("  {}:{} {verb}: {}\n", rule.file, rule.line, rule.grants);
    }
    for rule in &told.ended {
        text += &format!(
            "  {}:{} would allow it and has ended: {}\n",
            rule.file, rule.line, rule.grants
        );
    }
    text += &format!("  the initiator sees: {}\n", told.sees);
    if let Some(Instead { file, text: rule }) = &told.instead {
        text += &format!("  to allow this and no more, add to {file}:\n\n");
        text.extend(rule.lines().map(|line| format!("    {line}\n")));
        text.push('\n');
    }
    text + &format!("  {}\n", told.note)
}
